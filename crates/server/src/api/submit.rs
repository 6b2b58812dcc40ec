//! Submission of tasks: the hot path. Bodies are parsed element by element into the core's own type, and the reply is
//! written straight into bytes.

use std::sync::Arc;

use axum::http::StatusCode;
use mainspring_core::effect::{Refusal, Submitted};
use mainspring_core::event::NewTask;
use mainspring_core::id::{IdKind, Name};
use mainspring_core::limits::BATCH_TASKS_MAX;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::schema::task_schema_in;
use mainspring_protocol::submit::{Defaults, Definitions, parse_task_with, parse_tasks_with};
use mainspring_protocol::time;
use mainspring_protocol::view::SubmittedView;
use schemars::JsonSchema;

use super::body::Bytes;
use super::call::{Answer, Call, Refused, refuse};
use super::reply::{internal, json_bytes, not_called, not_read};
use super::route::{BodyKind, Route};
use crate::library::Known;

/// Bodies above this size are parsed away from the threads that serve sockets.
const PARSED_ASIDE_BYTES: usize = 1 << 20;
const MEDIA_TYPES: [&str; 3] = ["application/json", "application/x-ndjson", "application/ndjson"];

/// The answer to a batch: one entry per element, in order.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used; the answer is written by hand")]
pub(crate) struct BatchView {
    items: Vec<SubmittedView>,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::post("/tasks/schedule", "scheduleTask", "Schedules one task", |call| Box::pin(schedule(call)))
            .reads_as(BodyKind::Tasks, task_schema_in)
            .gives::<SubmittedView>()
            .created(),
        Route::post("/api/v1/tasks", "submitTasks", "Submits one task, or a batch of them", |call| {
            Box::pin(submit(call))
        })
        .reads_as(BodyKind::Tasks, task_schema_in)
        .gives::<SubmittedView>()
        .created(),
    ]
}

async fn schedule(mut call: Call) -> Answer {
    call.media_type(&MEDIA_TYPES[..1])?;
    let defaults = defaults(&call)?;
    let bytes = call.read().await?;
    let task = parse(&call, bytes, move |bytes, find| parse_task_with(bytes, &defaults, find)).await?;
    one(&call, task).await
}

async fn submit(mut call: Call) -> Answer {
    let media_type = call.media_type(&MEDIA_TYPES)?;
    let defaults = defaults(&call)?;
    let bytes = call.read().await?;
    let is_batch = media_type > 0 || bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if !is_batch {
        let task = parse(&call, bytes, move |bytes, find| parse_task_with(bytes, &defaults, find)).await?;
        return one(&call, task).await;
    }
    let parsed = parse(&call, bytes, move |bytes, find| parse_tasks_with(bytes, &defaults, find)).await?;
    batch(&call, parsed).await
}

/// What the request says beside its body.
pub(crate) fn defaults(call: &Call) -> Result<Defaults, Refused> {
    let (tenant, idempotency_key) = (call.tenant(), call.idempotency_key()?);
    Ok(Defaults { tenant, idempotency_key, now: Some(call.api.now()), ..Defaults::default() })
}

/// Parses a body, a large one on a thread of its own, and looks up the definitions that it names.
async fn parse<T: Send + 'static>(
    call: &Call,
    bytes: Bytes,
    parse: impl Fn(&[u8], Definitions<'_>) -> Result<T, Problem> + Send + Sync + 'static,
) -> Result<T, Refused> {
    let mut known = Known::of(call.tenant());
    if bytes.len() <= PARSED_ASIDE_BYTES {
        let parsed = known.parse(&*call.api.reader, |find| parse(&bytes, find)).await;
        return Ok(parsed.map_err(not_read)??);
    }
    let shared = Arc::new((bytes, parse));
    loop {
        let shared = Arc::clone(&shared);
        let aside = tokio::task::spawn_blocking(move || {
            let (bytes, parse) = &*shared;
            let parsed = parse(bytes, &known);
            (parsed, known)
        });
        let (parsed, learning) = aside.await.map_err(|error| internal(&error))?;
        known = learning;
        if !known.learn(&*call.api.reader).await.map_err(not_read)? {
            return Ok(parsed?);
        }
    }
}

async fn one(call: &Call, task: NewTask) -> Answer {
    let given_id = task.given_id.clone();
    let results = call.api.node.submit_tasks(vec![task]).await.map_err(not_called)?;
    let result = results.into_iter().next().ok_or_else(|| internal(&"a task was not answered"))?;
    let submitted = result.map_err(|refusal| Box::new(Problem::from(&refusal)))?;
    let mut out = Vec::with_capacity(96);
    write_submitted(&mut out, &submitted, given_id.as_ref());
    Ok(json_bytes(StatusCode::CREATED, out))
}

async fn batch(call: &Call, parsed: Vec<Result<NewTask, Problem>>) -> Answer {
    if parsed.len() > BATCH_TASKS_MAX {
        let detail = format!("the batch has {} tasks, the limit is {BATCH_TASKS_MAX}", parsed.len());
        return Err(refuse(Code::LimitExceeded, detail));
    }
    let count = parsed.len();
    let mut tasks = Vec::with_capacity(count);
    let mut given_ids: Vec<(usize, Name)> = Vec::new();
    let mut problems: Vec<(usize, Problem)> = Vec::new();
    for (index, element) in parsed.into_iter().enumerate() {
        match element {
            Ok(task) => {
                given_ids.extend(task.given_id.clone().map(|id| (index, id)));
                tasks.push(task);
            }
            Err(problem) => problems.push((index, problem)),
        }
    }
    let results = call.api.node.submit_tasks(tasks).await.map_err(not_called)?;
    Ok(json_bytes(StatusCode::OK, write_batch(count, results, given_ids, problems)))
}

/// One entry per element: what its task became, or what is wrong with it.
fn write_batch(
    count: usize,
    results: Vec<Result<Submitted, Refusal>>,
    given_ids: Vec<(usize, Name)>,
    problems: Vec<(usize, Problem)>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + count * 48);
    let mut results = results.into_iter();
    let mut given_ids = given_ids.into_iter().peekable();
    let mut problems = problems.into_iter().peekable();
    out.extend_from_slice(b"{\"items\":[");
    for index in 0..count {
        if index > 0 {
            out.push(b',');
        }
        if let Some((_, problem)) = problems.next_if(|(place, _)| *place == index) {
            write_problem(&mut out, &problem);
            continue;
        }
        let given_id = given_ids.next_if(|(place, _)| *place == index).map(|(_, id)| id);
        match results.next() {
            Some(Ok(submitted)) => write_submitted(&mut out, &submitted, given_id.as_ref()),
            Some(Err(refusal)) => write_problem(&mut out, &Problem::from(&refusal)),
            None => write_problem(&mut out, &Problem::new(Code::Internal, "the task was not answered")),
        }
    }
    out.extend_from_slice(b"]}");
    out
}

/// Writes what [`SubmittedView`] describes. Ids and words need no escapes.
fn write_submitted(out: &mut Vec<u8>, submitted: &Submitted, given_id: Option<&Name>) {
    out.extend_from_slice(b"{\"taskId\":\"");
    match given_id {
        Some(id) => out.extend_from_slice(id.as_bytes()),
        None => out.extend_from_slice(submitted.key.id(IdKind::Task).as_bytes()),
    }
    out.extend_from_slice(b"\",\"status\":\"");
    out.extend_from_slice(submitted.status.word().as_bytes());
    out.push(b'"');
    if let Some(run_at) = submitted.run_at {
        out.extend_from_slice(b",\"runAt\":\"");
        out.extend_from_slice(time::format(run_at).as_bytes());
        out.push(b'"');
    }
    if submitted.repeated {
        out.extend_from_slice(b",\"repeated\":true");
    }
    out.push(b'}');
}

fn write_problem(out: &mut Vec<u8>, problem: &Problem) {
    out.extend_from_slice(b"{\"problem\":");
    serde_json::to_writer(&mut *out, problem).expect("a problem serializes into memory");
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use mainspring_core::id::{Bucket, Key};
    use mainspring_core::task::TaskStatus;
    use mainspring_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_batch_answers_each_element_in_its_place() {
        let key = Key::new(7, Bucket::new(3));
        let run_at = Some(Timestamp::from_millis(0));
        let results = vec![
            Ok(Submitted { key, status: TaskStatus::Ready, run_at: None, repeated: false }),
            Err(Refusal::IdTaken("b".into())),
            Ok(Submitted { key, status: TaskStatus::Scheduled, run_at, repeated: true }),
        ];
        let given = vec![(2, "b".into()), (3, "c".into())];
        let bytes = write_batch(4, results, given, vec![(0, Problem::new(Code::InvalidJson, "no"))]);
        let page: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let items: Vec<SubmittedView> = serde_json::from_value(page["items"].clone()).unwrap();
        assert_eq!(items[0].problem.as_ref().unwrap().code, Code::InvalidJson);
        assert_eq!(
            items[1],
            SubmittedView::accepted(&Submitted { key, status: TaskStatus::Ready, run_at: None, repeated: false }, None)
        );
        assert_eq!(items[2].problem.as_ref().unwrap().code, Code::IdTaken);
        assert_eq!((items[3].task_id.as_deref(), items[3].repeated), (Some("c"), true));
        assert_eq!(items[3].run_at.unwrap().0, Timestamp::from_millis(0));
    }
}
