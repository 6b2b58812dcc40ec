//! Dead letters: tasks that failed for good, listed and grouped by what went wrong, redriven, discarded, mended.

use mainspring_core::effect::Answer as Answered;
use mainspring_core::event::Order;
use mainspring_core::id::Key;
use mainspring_core::limits::PAYLOAD_BYTES_MAX;
use mainspring_core::row::TaskRow;
use mainspring_protocol::order::{BulkRequest, DiscardRequest, EditRequest, RedriveRequest};
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::view::{BulkView, DeadLetterView, DeadLettersView, TaskView};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::address::{self, FoundTask, task_id};
use super::bulk::{self, BULK_MAX, Found};
use super::call::{Answer, Call, Refused, refuse};
use super::cursor;
use super::names::Names;
use super::params::{CURSOR, LIMIT, SORT};
use super::reply::{internal, not_called, not_read, ok};
use super::route::{BodyKind, Route};
use super::selection::{self, TASK_FILTERS};
use super::tasks::{again, view};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/v1/dead-letters",
            "listDeadLetters",
            "Lists dead letters, newest first, and grouped",
            |call| Box::pin(list(call)),
        )
        .query(&TASK_FILTERS)
        .query(&[SORT, LIMIT, CURSOR])
        .gives::<DeadLettersView>(),
        Route::post("/api/v1/dead-letters/redrive", "redrive", "Runs dead letters again", |call| {
            Box::pin(redrive(call))
        })
        .reads::<RedriveRequest>(BodyKind::Json)
        .gives::<BulkView>(),
        Route::post("/api/v1/dead-letters/discard", "discard", "Takes dead letters off the list", |call| {
            Box::pin(discard(call))
        })
        .reads::<DiscardRequest>(BodyKind::Json)
        .gives::<BulkView>(),
        Route::post(
            "/api/v1/dead-letters/bulk",
            "bulkDeadLetters",
            "Redrives or discards all that a query finds",
            |call| Box::pin(all(call)),
        )
        .reads::<BulkRequest>(BodyKind::Json)
        .gives::<BulkView>(),
        Route::patch(
            "/api/v1/dead-letters/{taskId}",
            "editDeadLetter",
            "Replaces the payload of a dead letter",
            |call| Box::pin(edit(call)),
        )
        .reads::<EditRequest>(BodyKind::Json)
        .gives::<TaskView>(),
        Route::patch(
            "/api/v1/dead-letters/{jobId}/{taskId}",
            "editDeadLetterOfJob",
            "Replaces the payload of a dead letter that belongs to a job",
            |call| Box::pin(edit(call)),
        )
        .reads::<EditRequest>(BodyKind::Json)
        .gives::<TaskView>(),
    ]
}

async fn list(call: Call) -> Answer {
    call.params.newest_first()?;
    let limit = call.params.limit()?;
    let after = call.params.text("cursor").map(cursor::to_key).transpose()?;
    let mut filter = call.task_filter().await?;
    filter.dead = true;
    let reach = selection::reach(after, &filter.terms, call.api.now());
    let page = call.api.reader.tasks(filter, reach.start, limit).await.map_err(not_read)?;
    let names = Names::of_jobs(&call.api, &page.items).await?;
    let items = page.items.iter().map(|row| DeadLetterView::from_row(row, names.job_of(row))).collect();
    ok(&DeadLettersView::new(items, reach.next(page.next).map(cursor::of_key)))
}

async fn redrive(mut call: Call) -> Answer {
    let request: RedriveRequest = call.json().await?;
    let found = choose(&call, &request.ids, request.q.as_deref(), request.limit).await?;
    let spacing_ms = request.spacing.map_or(0, |spacing| spacing.ms());
    let order = |tasks| Order::Redrive { tasks, spacing_ms };
    carry_out(&call, found, request.dry_run, order).await
}

async fn discard(mut call: Call) -> Answer {
    let request: DiscardRequest = call.json().await?;
    let found = choose(&call, &request.ids, request.q.as_deref(), request.limit).await?;
    carry_out(&call, found, request.dry_run, Order::Discard).await
}

async fn all(mut call: Call) -> Answer {
    let request = bulk::read(&mut call, &["redrive", "discard"]).await?;
    let found = choose(&call, &[], Some(&request.q), None).await?;
    if request.action == "redrive" {
        carry_out(&call, found, request.dry_run, |tasks| Order::Redrive { tasks, spacing_ms: 0 }).await
    } else {
        carry_out(&call, found, request.dry_run, Order::Discard).await
    }
}

/// The dead letters that a request names, by ids or by query.
async fn choose(call: &Call, ids: &[String], q: Option<&str>, limit: Option<u64>) -> Result<Found<TaskRow>, Refused> {
    let max = limit.map_or(BULK_MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX).min(BULK_MAX));
    match (ids, q) {
        ([], None) => Err(Box::new(
            Problem::new(Code::MissingField, "name dead letters by `ids`, or find them with `q`")
                .with_hint("`{\"q\": \"\"}` means all of them"),
        )),
        ([], Some(q)) => {
            let mut filter = selection::tasks(&call.api, q, call.tenant()).await?;
            filter.dead = true;
            bulk::find_tasks(&call.api, filter, max).await
        }
        (_, Some(_)) => Err(refuse(Code::ConflictingFields, "`ids` and `q` exclude each other")),
        (ids, None) => by_ids(call, ids, max).await,
    }
}

async fn by_ids(call: &Call, ids: &[String], max: usize) -> Result<Found<TaskRow>, Refused> {
    if ids.len() > BULK_MAX {
        let detail = format!("{} ids are too many, the limit is {BULK_MAX}", ids.len());
        return Err(Box::new(Problem::new(Code::LimitExceeded, detail.clone()).at("/ids", detail)));
    }
    let tenant = call.tenant();
    let mut rows = Vec::new();
    for (index, id) in ids.iter().enumerate().take(max) {
        let found = address::task(&call.api, id, tenant.as_ref()).await.map_err(|refused| {
            let detail = refused.detail.clone();
            Box::new(refused.at(format!("/ids/{index}"), detail))
        })?;
        if !found.row.state.dead {
            let detail = format!("`{id}` is not among the dead letters");
            return Err(Box::new(Problem::new(Code::NotDead, detail.clone()).at(format!("/ids/{index}"), detail)));
        }
        rows.push(found.row);
    }
    Ok(Found { rows, more: ids.len() > max })
}

async fn carry_out(call: &Call, found: Found<TaskRow>, dry_run: bool, order: impl FnOnce(Vec<Key>) -> Order) -> Answer {
    let names = Names::of_jobs(&call.api, &found.rows).await?;
    let id = |row: &TaskRow| names.job_of(row).map_or_else(|| task_id(row), |job| format!("{job}/{}", task_id(row)));
    let mut rows = found.rows;
    if !dry_run && !rows.is_empty() {
        let keys = rows.iter().map(|row| row.key).collect();
        match call.api.node.order(call.actor(), order(keys)).await.map_err(not_called)? {
            Answered::Took(mut taken) => {
                taken.sort_unstable();
                rows.retain(|row| taken.binary_search(&row.key).is_ok());
            }
            Answered::Done => {}
            other => return Err(internal(&format!("dead letters were answered by {other:?}"))),
        }
    }
    ok(&bulk::view(rows.iter().map(id).collect(), found.more, dry_run))
}

async fn edit(mut call: Call) -> Answer {
    let bytes = call.read().await?;
    call.media_type(&["application/json"])?;
    let request: EditRequest = mainspring_protocol::decode::from_slice(&bytes)?;
    let size = request.payload.get().len();
    if size > PAYLOAD_BYTES_MAX {
        let detail = format!("the payload has {size} bytes, the limit is {PAYLOAD_BYTES_MAX}");
        return Err(Box::new(Problem::new(Code::LimitExceeded, detail.clone()).at("/payload", detail)));
    }
    let mut found = addressed(&call).await?;
    let before = found.row.spec.as_ref().map(|spec| spec.body.clone());
    let body = with_payload(before.as_deref().unwrap_or("{}"), request.payload)?;
    let order = Order::EditBody { task: found.row.key, body: body.into(), before };
    call.api.node.order(call.actor(), order).await.map_err(not_called)?;
    found.row = again(&call.api, found.row.key).await?;
    ok(&view(&found))
}

/// The dead letter that the path names: `task`, `job/task` as two segments, or as one with an escaped slash.
async fn addressed(call: &Call) -> Result<FoundTask, Refused> {
    if call.route.segments().any(|segment| segment == "jobId") {
        return call.task().await;
    }
    address::task(&call.api, call.segment("taskId"), call.tenant().as_ref()).await
}

/// A body with another payload; its other members stay as they are.
fn with_payload(body: &str, payload: Box<RawValue>) -> Result<String, Refused> {
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(body).map_err(|error| internal(&error))?;
    members.insert("payload".to_owned(), payload);
    serde_json::to_string(&members).map_err(|error| internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_keeps_the_other_members() {
        let payload = RawValue::from_string("{\"n\": 1.50}".to_owned()).unwrap();
        let body = with_payload("{\"command\":[\"a\",\"b\"],\"payload\":0}", payload).unwrap();
        assert_eq!(body, "{\"command\":[\"a\",\"b\"],\"payload\":{\"n\": 1.50}}");
    }
}
