//! Deletes ended tasks and jobs once they are past their retention, in small batches between other work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainspring_core::event::Order;
use mainspring_core::id::Key;
use mainspring_core::time::Timestamp;
use mainspring_store::{Ended, ShardId};

use super::CallError;
use super::cluster::Cluster;

/// Tasks, or jobs, per order: small enough to hide between other commits.
const BATCH_TASKS: usize = 500;
const BATCH_JOBS: usize = 20;
const PRUNE_ROWS: usize = 1_000;
/// How often a store with a bound on its history is looked at: it fills while nobody looks.
const BOUND_EVERY: Duration = Duration::from_secs(5);

/// How long after a look that found nothing old the next one is due, at the longest: an idle node must not ask its store for
/// long. See [`quiet`].
const QUIET_MAX: Duration = Duration::from_secs(900);

/// What was looked at last, and when, by the monotonic clock.
#[derive(Default)]
struct Looked {
    /// Commits of all shards when the history was bounded last.
    bounded: Option<u64>,
    /// When the next sweep is due. None while another node sweeps.
    sweep_at: Option<Duration>,
    prune_at: Duration,
    /// Shards that had nothing to forget, and until when they are left alone.
    young: BTreeMap<ShardId, Duration>,
}

/// How long after a look that found nothing old the next one is due. What is committed meanwhile is younger still; so what is
/// kept for an hour is kept for a quarter of one longer at the most.
fn quiet(keep_ms: u64, every: Duration) -> Duration {
    Duration::from_millis(keep_ms / 4).min(QUIET_MAX).max(every)
}

/// Sweeps until it is aborted.
pub(super) async fn run(cluster: Arc<Cluster>, mut keep_ms: u64, every: Duration) {
    let history = cluster.store.history();
    if let Some(history) = history {
        keep_ms = keep_ms.min(history.keep_ms);
    }
    let quiet = quiet(keep_ms, every);
    let mut looked = Looked::default();
    loop {
        let now = cluster.config.clock.monotonic();
        // One node sweeps for all; each forgets the events of its own shards.
        let sweeps = cluster.serves_control();
        // Before anything is looked at: what is committed meanwhile is looked at the next time.
        let commits = cluster.commits_known();
        let mut results = Vec::new();
        if let Some(history) = history.filter(|_| sweeps && (commits.is_none() || commits != looked.bounded)) {
            let bounded = bound(&cluster, history.tasks_max).await;
            looked.bounded = commits.filter(|_| bounded.is_ok());
            results.push(bounded);
        }
        if !sweeps {
            looked.sweep_at = None;
        } else if looked.sweep_at.is_none_or(|at| now >= at) {
            let swept = sweep(&cluster, keep_ms).await;
            looked.sweep_at = Some(now + if matches!(swept, Ok(false)) { quiet } else { every });
            results.push(swept.map(|_| ()));
        }
        if now >= looked.prune_at {
            looked.prune_at = now + every;
            looked.young.retain(|_, until| now < *until);
            results.push(prune(&cluster, before(&cluster, keep_ms), &mut looked.young, quiet).await);
        }
        for error in results.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "failed to delete what is past its retention");
        }
        tokio::time::sleep(if history.is_some() { every.min(BOUND_EVERY) } else { every }).await;
    }
}

/// Deletes the oldest ended tasks and jobs until at most so many ended tasks are left, and the events of their time.
pub(super) async fn bound(cluster: &Cluster, tasks_max: u64) -> Result<(), CallError> {
    let counts = cluster.reader.task_counts(None, u64::MAX).await.map_err(unavailable)?;
    let ended = counts.iter().filter(|(_, status, _)| status.is_terminal()).map(|(_, _, number)| number);
    let mut excess = ended.sum::<u64>().saturating_sub(tasks_max);
    let (now, mut last) = (before(cluster, 0), None);
    if excess == 0 {
        return Ok(());
    }
    while excess > 0 {
        let tasks = cluster.reader.ended_tasks(now, BATCH_TASKS).await.map_err(unavailable)?;
        let jobs = cluster.reader.ended_jobs(now, BATCH_JOBS).await.map_err(unavailable)?;
        let rows = cluster.reader.jobs_by_key(jobs.iter().map(|(key, _)| *key).collect()).await.map_err(unavailable)?;
        let sizes: BTreeMap<Key, u64> = rows.iter().map(|row| (row.key, u64::from(row.tasks))).collect();
        let first = tasks.first().into_iter().chain(jobs.first()).map(|(key, _)| *key).min();
        if first.is_none() || first == last {
            break;
        }
        last = first;
        let mut oldest: Vec<(Ended, Option<u64>)> = tasks.into_iter().map(|task| (task, None)).collect();
        oldest.extend(jobs.into_iter().map(|job| {
            let size = sizes.get(&job.0).copied().unwrap_or_default();
            (job, Some(size))
        }));
        oldest.sort_by_key(|((key, _), _)| *key);
        let (mut tasks, mut jobs, mut forget) = (Vec::new(), Vec::new(), Vec::new());
        for ((key, claims), size) in oldest {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(size.unwrap_or(1));
            if size.is_some() {
                jobs.push(key)
            } else {
                tasks.push(key)
            }
            forget.extend(claims);
        }
        let order = Order::Delete { tasks, jobs, forget };
        cluster.order("retention".into(), order).await?;
    }
    let oldest = cluster.reader.ended_tasks(now, 1).await.map_err(unavailable)?;
    let oldest = oldest.into_iter().map(|(key, _)| key).collect();
    let rows = cluster.reader.tasks_by_key(oldest).await.map_err(unavailable)?;
    match rows.first() {
        Some(row) => prune(cluster, row.created_at, &mut BTreeMap::new(), Duration::ZERO).await,
        None => Ok(()),
    }
}

/// Deletes everything that is past its retention now; says whether there was anything.
pub(super) async fn sweep(cluster: &Cluster, keep_ms: u64) -> Result<bool, CallError> {
    let before = before(cluster, keep_ms);
    let mut last = (None, None);
    loop {
        let tasks = cluster.reader.ended_tasks(before, BATCH_TASKS).await.map_err(unavailable)?;
        let jobs = cluster.reader.ended_jobs(before, BATCH_JOBS).await.map_err(unavailable)?;
        let first = (tasks.first().map(|(key, _)| *key), jobs.first().map(|(key, _)| *key));
        // A job is deleted in several steps and may still be listed: the next sweep sees it gone.
        if first == (None, None) || first == last {
            return Ok(last != (None, None));
        }
        last = first;
        let more = tasks.len() == BATCH_TASKS || jobs.len() == BATCH_JOBS;
        let (tasks, mut forget): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
        let (jobs, claims): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        forget.extend(claims);
        let order = Order::DeleteOld { tasks, jobs, forget: forget.into_iter().flatten().collect() };
        cluster.order("retention".into(), order).await?;
        if !more {
            return Ok(true);
        }
    }
}

/// Forgets events and claims that nobody needs any longer, but for shards that had none such lately.
async fn prune(
    cluster: &Cluster,
    feed_before: Timestamp,
    young: &mut BTreeMap<ShardId, Duration>,
    quiet: Duration,
) -> Result<(), CallError> {
    let (wall, now) = (Timestamp::from_millis(cluster.config.clock.wall_ms()), cluster.config.clock.monotonic());
    for shared in cluster.local_shards() {
        if young.contains_key(&shared.shard) {
            continue;
        }
        let mut all = 0;
        while let Some(fence) = shared.fence() {
            let gone = cluster.store.prune(fence, feed_before, wall, PRUNE_ROWS).await.map_err(unavailable)?;
            all += gone;
            if gone == 0 {
                break;
            }
        }
        if all == 0 {
            young.insert(shared.shard, now + quiet);
        }
    }
    Ok(())
}

fn before(cluster: &Cluster, keep_ms: u64) -> Timestamp {
    let keep_ms = i64::try_from(keep_ms).unwrap_or(i64::MAX);
    Timestamp::from_millis(cluster.config.clock.wall_ms().saturating_sub(keep_ms))
}

fn unavailable(error: mainspring_store::Error) -> CallError {
    CallError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_a_short_time_is_looked_at_often() {
        let after = |keep_ms| quiet(keep_ms, Duration::from_secs(60)).as_secs();
        let hour_ms = 3_600_000;
        assert_eq!([1_000, 480_000, hour_ms, 7 * 24 * hour_ms].map(after), [60, 120, 900, 900]);
    }
}
