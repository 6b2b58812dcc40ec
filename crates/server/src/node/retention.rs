//! Deletes ended tasks and jobs once they are past their retention, in small batches between other work.

use std::sync::Arc;
use std::time::Duration;

use mainspring_core::event::Order;
use mainspring_core::time::Timestamp;

use super::CallError;
use super::mailbox::Message;
use super::shared::Shared;

/// Tasks, or jobs, per order: small enough to hide between other commits.
const BATCH_TASKS: usize = 500;
const BATCH_JOBS: usize = 20;
const PRUNE_ROWS: usize = 1_000;

/// Sweeps until it is aborted.
pub(super) async fn run(shared: Arc<Shared>, keep_ms: u64, every: Duration) {
    loop {
        for result in [sweep(&shared, keep_ms).await, prune(&shared, keep_ms).await] {
            if let Err(error) = result {
                tracing::warn!(%error, "failed to delete what is past its retention");
            }
        }
        tokio::time::sleep(every).await;
    }
}

/// Deletes everything that is past its retention now.
pub(super) async fn sweep(shared: &Shared, keep_ms: u64) -> Result<(), CallError> {
    let before = before(shared, keep_ms);
    let mut last = (None, None);
    loop {
        let tasks = shared.reader.ended_tasks(before, BATCH_TASKS).await.map_err(unavailable)?;
        let jobs = shared.reader.ended_jobs(before, BATCH_JOBS).await.map_err(unavailable)?;
        let first = (tasks.first().map(|(key, _)| *key), jobs.first().map(|(key, _)| *key));
        // A job is deleted in several steps and may still be listed: the next sweep sees it gone.
        if first == (None, None) || first == last {
            return Ok(());
        }
        last = first;
        let more = tasks.len() == BATCH_TASKS || jobs.len() == BATCH_JOBS;
        let (tasks, mut forget): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
        let (jobs, claims): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        forget.extend(claims);
        let order = Order::Delete { tasks, jobs, forget: forget.into_iter().flatten().collect() };
        shared.call(|answer| Message::Order { actor: "retention".into(), order, answer }).await?;
        if !more {
            return Ok(());
        }
    }
}

/// Forgets events and claims that nobody needs any longer.
async fn prune(shared: &Shared, keep_ms: u64) -> Result<(), CallError> {
    let now = Timestamp::from_millis(shared.clock.wall_ms());
    while let Some(fence) = shared.fence() {
        let gone = shared.store.prune(fence, before(shared, keep_ms), now, PRUNE_ROWS).await.map_err(unavailable)?;
        if gone == 0 {
            break;
        }
    }
    Ok(())
}

fn before(shared: &Shared, keep_ms: u64) -> Timestamp {
    let keep_ms = i64::try_from(keep_ms).unwrap_or(i64::MAX);
    Timestamp::from_millis(shared.clock.wall_ms().saturating_sub(keep_ms))
}

fn unavailable(error: mainspring_store::Error) -> CallError {
    CallError::Unavailable(error.to_string())
}
