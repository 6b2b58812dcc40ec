//! What belongs to one task: its attempts, what they printed, and what keeps it from running.

use mainspring_core::effect::{Answer as Answered, Gate};
use mainspring_core::event::Order;
use mainspring_core::id::{IdKind, Key};
use mainspring_protocol::view::{AttemptView, LogView, Page, WhyView};

use super::address::{job_id, task_id};
use super::call::{Answer, Call};
use super::cursor;
use super::logs;
use super::names::Names;
use super::params::{CURSOR, LIMIT};
use super::reply::{internal, not_called, not_read, ok};
use super::route::{AnswerKind, Param, Route, Run, schema};

/// Bytes of output that an attempt's JSON carries.
const TAIL_BYTES: usize = 4 << 10;
const LOG_PARAMS: [Param; 4] = [
    Param { name: "attempt", kind: "integer", about: "Which attempt; the last one, if none is named." },
    Param { name: "follow", kind: "boolean", about: "Streams as server-sent events until the task has ended." },
    LIMIT,
    CURSOR,
];

pub(crate) fn routes() -> Vec<Route> {
    let attempts = |path, operation| {
        let run: Run = |call| Box::pin(attempts(call));
        Route::get(path, operation, "The attempts of a task, in order", run)
            .query(&[LIMIT, CURSOR])
            .gives::<Page<AttemptView>>()
    };
    let logs = |path, operation| {
        let run: Run = |call| Box::pin(logs::get(call));
        Route::get(path, operation, "What an attempt printed", run)
            .query(&LOG_PARAMS)
            .answers(AnswerKind::JsonOrEvents(schema::<Page<LogView>>()))
    };
    let why = |path, operation| {
        let run: Run = |call| Box::pin(why(call));
        Route::get(path, operation, "What keeps a task from running", run).gives::<WhyView>()
    };
    vec![
        attempts("/api/v1/tasks/{taskId}/attempts", "listAttempts"),
        attempts("/api/v1/jobs/{jobId}/tasks/{taskId}/attempts", "listAttemptsOfTaskOfJob"),
        logs("/api/v1/tasks/{taskId}/logs", "getLogs"),
        logs("/api/v1/jobs/{jobId}/tasks/{taskId}/logs", "getLogsOfTaskOfJob"),
        why("/api/v1/tasks/{taskId}/why", "whyTask"),
        why("/api/v1/jobs/{jobId}/tasks/{taskId}/why", "whyTaskOfJob"),
    ]
}

async fn attempts(call: Call) -> Answer {
    let limit = call.params.limit()?;
    let from = call.params.text("cursor").map(cursor::to_index).transpose()?.unwrap_or(0);
    let found = call.task().await?;
    let job = found.job.as_ref().map(job_id);
    let id = task_id(&found.row);
    let all = call.api.reader.attempts(found.row.key).await.map_err(not_read)?;
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(all.len());
    let mut items = Vec::new();
    for attempt in all.iter().skip(from).take(limit) {
        let tail = call.api.reader.log_tail(found.row.key, attempt.number, TAIL_BYTES).await.map_err(not_read)?;
        items.push(AttemptView::from_attempt(attempt, &id, job.as_deref(), tail));
    }
    let next = from + items.len();
    ok(&Page { items, next_cursor: (next < all.len()).then(|| cursor::of_index(next as u64)) })
}

async fn why(call: Call) -> Answer {
    let found = call.task().await?;
    let answer = call.api.node.order(call.actor(), Order::Why(found.row.key)).await.map_err(not_called)?;
    let Answered::Gates(gates) = answer else {
        return Err(internal(&format!("why was answered by {answer:?}")));
    };
    let mut names = Names::default();
    names.learn(&call.api, gates.iter().flat_map(holders).copied(), std::iter::empty()).await?;
    let mut view =
        WhyView::from_gates(&gates, &|key| names.task(key).map_or_else(|| key.id(IdKind::Task), str::to_owned));
    let first: Vec<Key> = gates.iter().filter_map(|gate| holders(gate).first()).copied().collect();
    let rows = call.api.reader.tasks_by_key(first).await.map_err(not_read)?;
    names.learn(&call.api, std::iter::empty(), rows.iter().filter_map(|row| row.job)).await?;
    for (gate, view) in gates.iter().zip(&mut view.gates) {
        let row = holders(gate).first().and_then(|key| rows.iter().find(|row| row.key == *key));
        if let (Some(holder), Some(job)) = (&mut view.holder, row.and_then(|row| row.job)) {
            holder.job_id = names.job(job).map(str::to_owned);
        }
    }
    ok(&view)
}

/// The tasks that a gate names.
fn holders(gate: &Gate) -> &[Key] {
    match gate {
        Gate::Parents { waiting_for: holders, .. }
        | Gate::QueueLimit { holders, .. }
        | Gate::TypeLimit { holders, .. }
        | Gate::KeyLimit { holders, .. } => holders,
        _ => &[],
    }
}
