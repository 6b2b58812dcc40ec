//! The task that writes a shard. It serves requests strictly in the order in which they were made; the tasks of all shards
//! share one connection, on which what they send is pipelined.

mod acquire;
mod ask;
mod cache;
mod load;
mod pages;
mod plan;
mod prune;

use std::sync::Arc;

use mainspring_core::id::SessionId;
use mainspring_core::row::{Changes, ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;
use mainspring_store::{CommitAnswer, Error, Fence, Part, ShardCommit, ShardId};
use tokio::sync::{mpsc, oneshot};

pub(crate) use ask::log_member;
pub(crate) use plan::log_field;

use crate::connect::Link;
use crate::failure::{Failure, out_of_memory};
use crate::fetch::take;
use crate::memory::Memory;
use crate::meta::{Holder, Made};
use crate::ops::Ops;
use crate::script::Script;
use cache::Cache;
use plan::Plan;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What the task is asked to do.
pub(crate) enum Request {
    Acquire { owner: SessionId, dead: Option<u64>, reply: Reply<Result<Fence, Error>> },
    Release(Fence, Reply<Result<(), Error>>),
    Load(Fence, Reply<Result<Snapshot, Error>>),
    Commit(ShardCommit, Reply<CommitAnswer>),
    Read(Fence, ReadSet, Reply<Result<Rows, Error>>),
    Prune { fence: Fence, feed_before: Timestamp, now: Timestamp, limit: usize, reply: Reply<Result<u64, Error>> },
}

/// The state of the task.
pub(crate) struct Writer {
    shard: ShardId,
    shards: u16,
    /// Which of the databases of the cluster this is.
    part: Part,
    link: Link,
    memory: Arc<Memory>,
    holder: Arc<Holder>,
    commit: Script,
    shrink: Script,
    cache: Cache,
    /// The fence that was acquired last.
    fence: Option<Fence>,
    /// Whether it is in force: not after a release or an unknown commit.
    in_force: bool,
    /// Whether Redis has this process as the holder, as far as is known.
    held: bool,
    /// The last commit that is known to be stored.
    stored: u64,
}

/// What the script says of a commit.
enum Verdict {
    Written,
    Fenced(u64),
    /// Not written: this is not what is stored.
    Diverged(String),
}

impl Writer {
    /// Of one of so many shards.
    pub(crate) fn new(shard: ShardId, made: &Made, link: Link, memory: Arc<Memory>, holder: Arc<Holder>) -> Self {
        let shards = made.cluster.shards;
        Self {
            shard,
            shards,
            part: made.part.clone(),
            link,
            memory,
            holder,
            commit: Script::commit(),
            shrink: Script::shrink(),
            cache: Cache::new(shards),
            fence: None,
            in_force: false,
            held: false,
            stored: 0,
        }
    }

    /// Serves requests until nobody can make any, then gives the shard back.
    pub(crate) async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        while let Some(request) = requests.recv().await {
            self.serve(request).await;
        }
        if let Some(fence) = self.fence.clone().filter(|_| self.held) {
            _ = self.give_back(&fence).await;
        }
    }

    /// Answers a request. Nobody may be waiting any longer; then the answer is dropped.
    async fn serve(&mut self, request: Request) {
        match request {
            Request::Acquire { owner, dead, reply } => _ = reply.send(self.acquire(owner, dead).await),
            Request::Release(fence, reply) => _ = reply.send(self.release(&fence).await),
            Request::Commit(commit, reply) => _ = reply.send(self.commit(&commit).await),
            Request::Load(fence, reply) => {
                let answer = match self.owned(&fence) {
                    Ok(()) => self.load(&fence).await.map_err(Error::from),
                    Err(error) => Err(error),
                };
                _ = reply.send(answer);
            }
            Request::Read(fence, set, reply) => {
                let answer = match self.owned(&fence) {
                    Ok(()) => self.read(&set).await.map_err(Error::from),
                    Err(error) => Err(error),
                };
                _ = reply.send(answer);
            }
            Request::Prune { fence, feed_before, now, limit, reply } => {
                let answer = match self.owned(&fence) {
                    Ok(()) => self.prune(feed_before, now, limit).await.map_err(Error::from),
                    Err(error) => Err(error),
                };
                _ = reply.send(answer);
            }
        }
    }

    fn owned(&self, fence: &Fence) -> Result<(), Error> {
        match &self.fence {
            Some(known) if self.in_force && known == fence => Ok(()),
            Some(known) if self.in_force => Err(Error::Conflict(format!("epoch {} is in force", known.epoch))),
            _ => Err(Error::Conflict("the shard must be acquired again".to_owned())),
        }
    }

    /// The fence is out of force, and what is remembered may be wrong.
    fn forget(&mut self) {
        self.in_force = false;
        self.cache.clear();
    }

    async fn commit(&mut self, commit: &ShardCommit) -> CommitAnswer {
        let fence = &commit.fence;
        let Some(known) = &self.fence else { return CommitAnswer::Rejected { epoch: 0 } };
        if (fence.shard, fence.incarnation, fence.epoch) != (known.shard, known.incarnation, known.epoch) {
            return CommitAnswer::Rejected { epoch: known.epoch };
        }
        if !self.in_force {
            let reason = "an earlier commit is unknown, the shard must be acquired again".to_owned();
            return CommitAnswer::Unknown { reason };
        }
        if fence.owner != known.owner {
            return CommitAnswer::Rejected { epoch: known.epoch };
        }
        let reason = match self.write_changes(&commit.changes).await {
            Ok(Verdict::Written) => {
                self.stored = commit.changes.high_water.commit;
                self.cache.trim();
                return CommitAnswer::Committed;
            }
            Ok(Verdict::Fenced(epoch)) => {
                self.forget();
                return CommitAnswer::Rejected { epoch };
            }
            Ok(Verdict::Diverged(reason)) => reason,
            Err(failure) if failure.is_out_of_memory() => out_of_memory().to_string(),
            Err(failure) => Error::from(failure).to_string(),
        };
        self.forget();
        CommitAnswer::Unknown { reason }
    }

    async fn write_changes(&mut self, changes: &Changes) -> Result<Verdict, Failure> {
        let asked = self.ask(changes).await?;
        let ops = Plan::new(self.link.keys(), &mut self.cache, asked).changes(changes)?;
        let number = changes.high_water.commit.to_string();
        let grows = brings_something_new(changes);
        if grows && self.memory.would_pass(ops.bytes()) {
            // The figure may be old; only a fresh one refuses.
            self.memory.look(&self.link).await?;
            if self.memory.would_pass(ops.bytes()) {
                return Err(out_of_memory().into());
            }
        }
        self.write(&ops, &number, grows).await
    }

    /// Sends writes; all of them are done, or none.
    async fn write(&mut self, ops: &Ops, number: &str, grows: bool) -> Result<Verdict, Failure> {
        let fence = self.fence.as_ref().expect("it was compared with the caller's");
        let shard = self.link.keys().one("shard");
        let script = if grows { &mut self.commit } else { &mut self.shrink };
        let answer = script
            .run(&self.link, &|command| {
                command.arg(1).arg(&shard).arg(fence.incarnation).arg(fence.epoch).arg(&*fence.owner).arg(number);
                ops.write(command);
            })
            .await?;
        let (verdict, detail): (String, String) = take(answer)?;
        self.memory.count(ops.bytes());
        Ok(match verdict.as_str() {
            "ok" => Verdict::Written,
            "fenced" => Verdict::Fenced(detail.parse().unwrap_or_default()),
            "number" => Verdict::Diverged(format!("commit {number} does not follow commit {detail}")),
            _ => Verdict::Diverged("a task or job that is inserted exists already".to_owned()),
        })
    }

    /// Writes between commits: what recovery and retention do.
    async fn keep_house(&mut self, ops: &Ops) -> Result<(), Failure> {
        match self.write(ops, "", false).await? {
            Verdict::Written => Ok(()),
            Verdict::Fenced(epoch) => {
                self.forget();
                Err(Error::Conflict(format!("epoch {epoch} is in force")).into())
            }
            Verdict::Diverged(reason) => Err(Error::Unavailable(reason).into()),
        }
    }
}

/// Whether a commit may take more memory than it frees. What only moves, ends or deletes what is there goes on when the
/// memory is full; otherwise nothing could ever be freed.
fn brings_something_new(changes: &Changes) -> bool {
    !(changes.insert_tasks.is_empty()
        && changes.rewrite_bodies.is_empty()
        && changes.insert_jobs.is_empty()
        && changes.insert_chunks.is_empty()
        && changes.put_outputs.is_empty()
        && changes.insert_logs.is_empty()
        && changes.put_claims.is_empty()
        && changes.insert_definitions.is_empty())
}
