//! Tasks: lists, one, and orders about one, standalone or of a job.

use mainspring_core::effect::Answer as Answered;
use mainspring_core::event::Order;
use mainspring_core::id::Key;
use mainspring_core::row::{ClaimKind, ClaimName, TaskRow};
use mainspring_core::task::TaskStatus;
use mainspring_protocol::order::{BulkRequest, SignalRequest};
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::view::{BulkView, Page, TaskView};
use serde::Deserialize;

use super::address::{FoundTask, job_id, task_id};
use super::bulk;
use super::call::{Answer, Call, Refused, refuse};
use super::cursor;
use super::groups;
use super::names::Names;
use super::params::{CURSOR, LIMIT, SORT, WAIT};
use super::reply::{not_called, not_read, nothing, ok};
use super::route::{BodyKind, Route};
use super::selection::{self, TASK_FILTERS};
use super::state::Api;

/// Characters of the comment on an approval.
const COMMENT_CHARS_MAX: usize = 4_096;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/tasks", "listTasks", "Lists tasks, newest first", |call| Box::pin(list(call)))
            .query(&TASK_FILTERS)
            .query(&[SORT, LIMIT, CURSOR])
            .gives::<Page<TaskView>>(),
        Route::post(
            "/api/v1/tasks/bulk",
            "bulkTasks",
            "Cancels, retries or deletes all tasks that a query finds",
            |call| Box::pin(bulk::tasks(call)),
        )
        .reads::<BulkRequest>(BodyKind::Json)
        .gives::<BulkView>(),
        Route::get("/api/v1/tasks/{taskId}", "getTask", "One task", |call| Box::pin(get(call)))
            .query(&[WAIT])
            .gives::<TaskView>(),
        Route::delete("/api/v1/tasks/{taskId}", "deleteTask", "Deletes an ended task", |call| Box::pin(delete(call))),
        Route::post("/api/v1/tasks/{taskId}/cancel", "cancelTask", "Calls a task off", |call| Box::pin(cancel(call)))
            .gives::<TaskView>(),
        Route::post("/api/v1/tasks/{taskId}/retry", "retryTask", "Runs a task now, or again", |call| {
            Box::pin(retry(call))
        })
        .gives::<TaskView>(),
        Route::post(
            "/api/v1/tasks/{taskId}/signal",
            "signalTask",
            "Answers a task that waits for an approval",
            |call| Box::pin(signal(call)),
        )
        .reads::<SignalRequest>(BodyKind::Json)
        .gives::<TaskView>(),
        Route::get("/api/v1/jobs/{jobId}/tasks/{taskId}", "getTaskOfJob", "One task of a job", |call| {
            Box::pin(get(call))
        })
        .query(&[WAIT])
        .gives::<TaskView>(),
        Route::post(
            "/api/v1/jobs/{jobId}/tasks/{taskId}/cancel",
            "cancelTaskOfJob",
            "Calls a task of a job off",
            |call| Box::pin(cancel(call)),
        )
        .gives::<TaskView>(),
        Route::post(
            "/api/v1/jobs/{jobId}/tasks/{taskId}/retry",
            "retryTaskOfJob",
            "Runs a task of a job now, or again with all that depends on it",
            |call| Box::pin(retry(call)),
        )
        .gives::<TaskView>(),
        Route::post(
            "/api/v1/jobs/{jobId}/tasks/{taskId}/signal",
            "signalTaskOfJob",
            "Answers a task of a job that waits for an approval",
            |call| Box::pin(signal(call)),
        )
        .reads::<SignalRequest>(BodyKind::Json)
        .gives::<TaskView>(),
    ]
}

async fn list(call: Call) -> Answer {
    call.params.newest_first()?;
    let limit = call.params.limit()?;
    let after = call.params.text("cursor").map(cursor::to_key).transpose()?;
    let filter = call.task_filter().await?;
    let reach = selection::reach(after, &filter.terms, call.api.now());
    let page = call.api.reader.tasks(filter, reach.start, limit).await.map_err(not_read)?;
    let names = Names::of_jobs(&call.api, &page.items).await?;
    let views = groups::views(&call.api, &page.items, |row| names.job_of(row)).await?;
    let items = views.into_iter().map(TaskView::for_list).collect();
    ok(&Page { items, next_cursor: reach.next(page.next).map(cursor::of_key) })
}

async fn get(call: Call) -> Answer {
    let found = call.task().await?;
    let key = found.row.key;
    let row = call.wait_for(|| again(&call.api, key), |row| row.state.status.is_terminal()).await?;
    let output = call.api.reader.output(key).await.map_err(not_read)?;
    let view = groups::view(&call.api, &FoundTask { row, job: found.job }).await?;
    ok(&view.with_output(output.as_deref()))
}

/// Reads a task again that was found before.
pub(crate) async fn again(api: &Api, key: Key) -> Result<TaskRow, Refused> {
    let rows = api.reader.tasks_by_key(vec![key]).await.map_err(not_read)?;
    rows.into_iter().next().ok_or_else(|| refuse(Code::NotFound, "the task was deleted meanwhile"))
}

pub(crate) fn view(found: &FoundTask) -> TaskView {
    TaskView::from_row(&found.row, found.job.as_ref().map(job_id).as_deref())
}

async fn cancel(mut call: Call) -> Answer {
    call.json::<Nothing>().await?;
    order(call, Order::CancelTask).await
}

async fn retry(mut call: Call) -> Answer {
    call.json::<Nothing>().await?;
    order(call, Order::RetryTask).await
}

async fn order(call: Call, order: impl FnOnce(Key) -> Order) -> Answer {
    let mut found = call.task().await?;
    call.api.node.order(call.actor(), order(found.row.key)).await.map_err(not_called)?;
    found.row = again(&call.api, found.row.key).await?;
    ok(&groups::view(&call.api, &found).await?.for_list())
}

async fn signal(mut call: Call) -> Answer {
    let mut found = call.task().await?;
    let is_approval =
        found.row.state.status == TaskStatus::Waiting && !found.row.state.held && found.row.state.child.is_none();
    if !is_approval {
        let status = found.row.state.status.word();
        let detail = format!("`{}` is {status} and waits for no approval", task_id(&found.row));
        let problem = Problem::new(Code::WrongState, detail);
        return Err(Box::new(if found.row.state.held { problem.with_hint("it is held: retry it") } else { problem }));
    }
    let request: SignalRequest = call.json().await?;
    let chars = request.comment.as_ref().map_or(0, |comment| comment.chars().count());
    if chars > COMMENT_CHARS_MAX {
        let detail = format!("`comment` has {chars} characters, the limit is {COMMENT_CHARS_MAX}");
        return Err(Box::new(Problem::new(Code::LimitExceeded, detail).at("/comment", "too long")));
    }
    let mut output = serde_json::json!({"approved": request.approved, "by": &*call.actor()});
    if let Some(comment) = request.comment {
        output["comment"] = comment.into();
    }
    let output = Some(output.to_string().into());
    let order = Order::Signal { task: found.row.key, approved: request.approved, output };
    call.api.node.order(call.actor(), order).await.map_err(not_called)?;
    found.row = again(&call.api, found.row.key).await?;
    ok(&groups::view(&call.api, &found).await?.for_list())
}

async fn delete(call: Call) -> Answer {
    let found = call.task().await?;
    let row = &found.row;
    if !row.state.status.is_terminal() {
        let detail = format!("`{}` is {}; only what has ended can be deleted", task_id(row), row.state.status.word());
        return Err(Box::new(Problem::new(Code::WrongState, detail).with_hint("cancel it first")));
    }
    let order = Order::Delete { tasks: vec![row.key], jobs: Vec::new(), forget: claims(row) };
    match call.api.node.order(call.actor(), order).await.map_err(not_called)? {
        Answered::Took(keys) if keys.is_empty() => Err(refuse(Code::WrongState, "the task runs again by now")),
        _ => Ok(nothing()),
    }
}

/// The claims that lead to a task.
pub(crate) fn claims(row: &TaskRow) -> Vec<ClaimName> {
    let claim = |id| ClaimName { kind: ClaimKind::TaskId, tenant: row.tenant.clone(), text: id };
    row.given_id.clone().map(claim).into_iter().collect()
}

/// The body of an order that needs none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}
