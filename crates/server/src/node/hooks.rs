//! Follows the ends of jobs and submits the jobs of their hooks (`onSuccess`, `onFailed`, `onCancelled`, `onComplete`).
//!
//! ```text
//!  feed of each shard here ─▶ JOB_COMPLETE, JOB_FAILED, JOB_CANCELLED ─▶ row with hooks? ─▶ submit, key hook/JOB/POSITION/NAME
//! ```
//! *Invariants:* a hook is submitted once for each end of its job: its idempotency key names the event by its place in the
//! feed, which never changes, so reading an event again does no harm. None is lost: the feed is durable; whoever takes a
//! shard over begins an hour before its newest event, and no event is passed before its hooks were taken. The same way can
//! start whatever else follows a job.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mainspring_core::effect::Refusal;
use mainspring_core::id::{Bucket, IdKind, Key, Name};
use mainspring_core::job::JobRow;
use mainspring_core::row::{FeedPosition, Transition, TransitionKind};
use mainspring_core::time::Timestamp;
use mainspring_protocol::submit::{Followed, due, hook_job};
use mainspring_store::{Error, FeedPage, ShardId};

use super::CallError;
use super::cluster::Cluster;
use crate::library::Known;

/// How far before the newest event a shard that was taken over is read again.
const LOOK_BACK_MS: i64 = 3_600_000;
/// Events that are read at a time.
const PAGE: usize = 1_000;
/// Shortest time between two looks while commits come in a stream.
const PAUSE: Duration = Duration::from_millis(100);
/// How long after an error the same is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often shards that came here are looked for, though nothing was committed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How far a shard was followed.
struct Place {
    /// As whose owner.
    epoch: u64,
    /// Its newest commit when it was looked at.
    commit: u64,
    position: FeedPosition,
}

/// Follows the shards that are served here until it is aborted.
pub(super) async fn run(cluster: Arc<Cluster>) {
    let mut commits = cluster.wakes.commits.subscribe();
    let mut followed: BTreeMap<ShardId, Place> = BTreeMap::new();
    loop {
        commits.mark_unchanged();
        let mut failed = false;
        let here = cluster.local_shards();
        for shared in &here {
            let epoch = shared.fence().map_or(0, |fence| fence.epoch);
            let commit = shared.commit.load(Ordering::Relaxed);
            let known = followed.get(&shared.shard).filter(|place| place.epoch == epoch);
            if known.is_some_and(|place| place.commit == commit) {
                continue;
            }
            match follow(&cluster, shared.shard, known.map(|place| place.position)).await {
                Ok(position) => drop(followed.insert(shared.shard, Place { epoch, commit, position })),
                Err(error) => {
                    tracing::warn!(%error, shard = shared.shard.0, "failed to follow the ends of jobs; trying again");
                    failed = true;
                }
            }
        }
        followed.retain(|shard, _| here.iter().any(|shared| shared.shard == *shard));
        // Nothing of a shard is held while there is nothing to do.
        drop(here);
        if failed {
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        tokio::time::sleep(PAUSE).await;
        if !commits.has_changed().unwrap_or(false) {
            let _ = tokio::time::timeout(LOOK_EVERY, commits.changed()).await;
        }
    }
}

/// Reads on from a position, or from where a take-over begins; gives where it stopped.
async fn follow(cluster: &Cluster, shard: ShardId, known: Option<FeedPosition>) -> Result<FeedPosition, CallError> {
    let mut position = match known {
        Some(position) => position,
        None => start(cluster, shard).await?,
    };
    loop {
        let page = read(cluster, shard, position, PAGE).await?;
        let Some((last, _)) = page.items.last() else { return Ok(position) };
        let last = *last;
        submit(cluster, &page.items).await?;
        position = last;
    }
}

async fn read(cluster: &Cluster, shard: ShardId, after: FeedPosition, limit: usize) -> Result<FeedPage, CallError> {
    cluster.reader.feed(shard, after, limit).await.map_err(unavailable)
}

/// The place in the feed from which a shard that was taken over is read: an hour before its newest event.
async fn start(cluster: &Cluster, shard: ShardId) -> Result<FeedPosition, CallError> {
    let newest = read(cluster, shard, FeedPosition { commit: 0, index: 0 }, 1).await?;
    let (mut low, mut high) = (newest.earliest.commit.saturating_sub(1), newest.latest.commit);
    let at = |commit| FeedPosition { commit, index: u32::MAX };
    let time = async |commit: u64| -> Result<Option<Timestamp>, CallError> {
        Ok(read(cluster, shard, at(commit), 1).await?.items.first().map(|(_, event)| event.at))
    };
    if time(low).await?.is_none() {
        return Ok(at(high));
    }
    // The last commit with an event behind it.
    let (mut behind, mut end) = (low, high);
    while end - behind > 1 {
        let middle = behind + (end - behind) / 2;
        if time(middle).await?.is_some() { behind = middle } else { end = middle }
    }
    let latest = time(behind).await?.map_or(i64::MIN, Timestamp::as_millis);
    let from = Timestamp::from_millis(latest.saturating_sub(LOOK_BACK_MS));
    // The first commit of the hour; times in a feed never go back.
    while low < high {
        let middle = low + (high - low) / 2;
        match time(middle).await? {
            Some(time) if time < from => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(at(low))
}

/// Submits the hooks of the jobs whose ends are among these events.
async fn submit(cluster: &Cluster, events: &[(FeedPosition, Transition)]) -> Result<(), CallError> {
    let ended = |event: &Transition| match event.kind {
        TransitionKind::JobComplete => Some("completed"),
        TransitionKind::JobFailed => Some("failed"),
        TransitionKind::JobCancelled => Some("cancelled"),
        _ => None,
    };
    let ends: Vec<(Key, FeedPosition, &str)> =
        events.iter().filter_map(|(at, event)| Some((event.job?, *at, ended(event)?))).collect();
    if ends.is_empty() {
        return Ok(());
    }
    let rows = cluster.reader.jobs_by_key(ends.iter().map(|(key, ..)| *key).collect()).await.map_err(unavailable)?;
    for (key, position, status) in ends {
        // One that is gone by now was deleted with everything that belongs to it.
        let Some(row) = rows.iter().find(|row| row.key == key) else { continue };
        for (name, job) in due(&row.body, status) {
            submit_one(cluster, row, (name, job), (position, status)).await?;
        }
    }
    Ok(())
}

async fn submit_one(
    cluster: &Cluster,
    row: &JobRow,
    (name, job): (&'static str, serde_json::Value),
    (position, status): (FeedPosition, &str),
) -> Result<(), CallError> {
    let id = row.given_id.as_deref().map_or_else(|| row.key.id(IdKind::Job), str::to_owned);
    let generation = row.state.generation;
    let followed = Followed { job_id: &id, job_name: row.title.as_deref(), status, generation };
    let place = format!("{}.{}", position.commit, position.index);
    let key = Name::from(format!("hook/{}/{place}/{name}", row.key.id(IdKind::Job)));
    let mut known = Known::of(Some(row.tenant.clone()));
    let parsed = known
        .parse(&*cluster.reader, |find| hook_job(name, job.clone(), &followed, (row.tenant.clone(), key.clone()), find))
        .await
        .map_err(unavailable)?;
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => {
            tracing::error!(job = id, hook = name, detail = problem.detail, "a hook cannot be submitted any more");
            return Ok(());
        }
    };
    match cluster.submit_job(parsed.into_submit(0, Bucket::CONTROL)).await {
        Ok((_, _, repeated)) => {
            tracing::debug!(job = id, hook = name, repeated, "submitted a hook");
            Ok(())
        }
        // It was taken before the job was run again.
        Err(CallError::Refused(Refusal::KeyReused(_))) => Ok(()),
        Err(CallError::Refused(refusal)) => {
            tracing::error!(job = id, hook = name, %refusal, "a hook was refused");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn unavailable(error: Error) -> CallError {
    CallError::Unavailable(error.to_string())
}
