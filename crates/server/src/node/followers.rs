//! Answers what the cores ask about jobs that have ended: the jobs of their hooks (`onSuccess`, `onFailed`, `onCancelled`,
//! `onComplete`), and that every shard has heard of a job of a definition that completed, for the schedules `after` it.
//!
//! *Invariants:* nothing is decided here, and nothing is kept: what is not answered is asked again from the rows of the jobs. A
//! core hears that all shards know of a batch only once each of them has committed it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mainspring_core::effect::Refusal;
use mainspring_core::event::{EndedJob, Event, Hooked, Order, SubmitJob};
use mainspring_core::id::{Bucket, IdKind, Key, Name};
use mainspring_core::job::JobRow;
use mainspring_core::time::Timestamp;
use mainspring_protocol::submit::{FollowedJob, definition_of, due, hook_job};
use mainspring_store::{Error, ShardId};
use tokio::task::JoinSet;

use super::CallError;
use super::cluster::Cluster;
use crate::library::Known;

/// How long after an error the shards are told again: what they have heard before counts once.
const AGAIN: Duration = Duration::from_millis(250);
/// Questions that are taken at once.
const QUESTIONS_AT_ONCE: usize = 100;

/// What a core asks.
#[derive(Debug)]
pub(super) enum Question {
    /// The jobs of a job's hooks.
    Hook(Box<JobRow>),
    /// To tell every shard of these jobs, by number.
    Announce(Vec<(u64, JobRow)>),
}

/// Answers the shards that are served here until it is aborted.
pub(super) async fn run(cluster: Arc<Cluster>) {
    let Some(mut asked) = cluster.wakes.follows.take() else { return };
    // Whose announcement is on its way; a core that asks again meanwhile knows no more than before.
    let mut announcing: BTreeSet<ShardId> = BTreeSet::new();
    let mut on_their_way: JoinSet<ShardId> = JoinSet::new();
    let mut questions = Vec::new();
    loop {
        tokio::select! {
            Some(done) = on_their_way.join_next() => {
                if let Ok(shard) = done {
                    announcing.remove(&shard);
                }
            }
            count = asked.recv_many(&mut questions, QUESTIONS_AT_ONCE) => {
                if count == 0 {
                    return;
                }
                for (shard, question) in questions.drain(..) {
                    match question {
                        Question::Announce(jobs) => {
                            if announcing.insert(shard) {
                                on_their_way.spawn(announce(Arc::clone(&cluster), shard, jobs));
                            }
                        }
                        Question::Hook(row) => {
                            if let Err(error) = hook(&cluster, shard, &row).await {
                                tracing::warn!(%error, "failed to make the hooks of a job; they are asked for again");
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Tells every shard of jobs that completed in one of them, until all know, or the shard went elsewhere.
async fn announce(cluster: Arc<Cluster>, source: ShardId, rows: Vec<(u64, JobRow)>) -> ShardId {
    let through = rows.last().map_or(0, |(number, _)| *number);
    let ended = |(number, row): &(u64, JobRow)| {
        let definition = definition_of(&row.body)?;
        let at = row.state.ended_at.unwrap_or(Timestamp::from_millis(0));
        Some(EndedJob { number: *number, tenant: row.tenant.clone(), definition, at })
    };
    let jobs: Vec<EndedJob> = rows.iter().filter_map(ended).collect();
    let order = Order::JobsEnded { source: source.0, jobs };
    while let Err(error) = cluster.order("system".into(), order.clone()).await {
        tracing::debug!(%error, shard = source.0, "failed to tell every shard of jobs that completed; trying again");
        tokio::time::sleep(AGAIN).await;
        if cluster.local_shard(source).is_none() {
            return source;
        }
    }
    if let Some(shared) = cluster.local_shard(source) {
        shared.tell(Event::Announced(through));
    }
    source
}

/// Makes the jobs of the hooks that are due.
async fn hook(cluster: &Cluster, shard: ShardId, row: &JobRow) -> Result<(), CallError> {
    let generation = row.state.generation;
    let mut jobs = Vec::new();
    for (name, job) in due(&row.body, row.state.status.word()) {
        let Some(job) = make(cluster, row, (name, job)).await? else { continue };
        // The home of a key that is limited for all may be another shard.
        let home = job.home().map(|home| ShardId::of(home, cluster.shards));
        match home.filter(|home| *home != shard) {
            Some(home) => submit_elsewhere(cluster, row, (name, job), home).await?,
            None => jobs.push(job),
        }
    }
    if let Some(shared) = cluster.local_shard(shard) {
        shared.tell(Event::Hooked(Box::new(Hooked { job: row.key, generation, jobs })));
    }
    Ok(())
}

async fn make(
    cluster: &Cluster,
    row: &JobRow,
    (name, job): (&'static str, serde_json::Value),
) -> Result<Option<SubmitJob>, CallError> {
    let id = row.given_id.as_deref().map_or_else(|| row.key.id(IdKind::Job), str::to_owned);
    let state = &row.state;
    let followed = FollowedJob {
        job_id: &id,
        job_name: row.title.as_deref(),
        status: state.status.word(),
        generation: state.generation,
    };
    let mut known = Known::of(Some(row.tenant.clone()));
    let parsed = known
        .parse(&*cluster.reader, |find| hook_job(name, job.clone(), &followed, row.tenant.clone(), find))
        .await
        .map_err(unavailable)?;
    match parsed {
        Ok(parsed) => Ok(Some(parsed.into_submit(0, Bucket::CONTROL))),
        Err(problem) => {
            tracing::error!(job = id, hook = name, detail = problem.detail, "a hook cannot be submitted any more");
            Ok(None)
        }
    }
}

/// Under an id that names the end, so that it comes once although it is no part of the commit that takes the marker away: the
/// id is taken for as long as the job of the hook is kept.
async fn submit_elsewhere(
    cluster: &Cluster,
    row: &JobRow,
    (name, mut job): (&str, SubmitJob),
    shard: ShardId,
) -> Result<(), CallError> {
    let end = (row.key, row.state.generation);
    job.given_id = Some(hook_id(end, name, |bucket| ShardId::of(bucket, cluster.shards) == shard));
    match cluster.submit_job(job).await {
        // Taken before, by a hook that said something else then: nobody else can choose such an id.
        Ok(_) | Err(CallError::Refused(Refusal::IdTaken(_))) => Ok(()),
        Err(CallError::Refused(refusal)) => {
            tracing::error!(job = row.key.id(IdKind::Job), hook = name, %refusal, "a hook was refused");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The id of the job of a hook that has to live where its key is kept: always the same for the same end. No client can choose
/// one with a `~`.
fn hook_id((job, generation): (Key, u32), name: &str, is_there: impl Fn(Bucket) -> bool) -> Name {
    let job = job.id(IdKind::Job);
    let ids = (0_u32..).map(|number| Name::from(format!("{job}~{generation}~{name}~{number}")));
    let mut there = ids.filter(|id| is_there(Bucket::of_text(id)));
    there.next().expect("every shard has buckets")
}

fn unavailable(error: Error) -> CallError {
    CallError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use mainspring_core::limits::ID_CHARS_MAX;

    use super::*;

    #[test]
    fn the_job_of_a_hook_has_one_id_and_lives_where_it_has_to() {
        let job = Key::new(7_777_777_777, Bucket::new(4_000));
        let ids = (0..64).map(|shard| {
            let is_there = |bucket| ShardId::of(bucket, 64) == ShardId(shard);
            let id = hook_id((job, 2), "onComplete", is_there);
            assert!(is_there(Bucket::of_text(&id)) && id.len() <= ID_CHARS_MAX, "{id}");
            assert_eq!(id, hook_id((job, 2), "onComplete", is_there), "the same each time");
            id
        });
        assert_eq!(ids.collect::<BTreeSet<_>>().len(), 64);
        let other = hook_id((job, 3), "onComplete", |_| true);
        assert_ne!(other, hook_id((job, 2), "onComplete", |_| true), "each end has its own");
    }
}
