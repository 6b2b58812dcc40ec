//! The task that owns the shard's connection. It serves commits and the core's reads strictly in the order in which they
//! were made.

mod commit;
mod count;
mod jobs;
mod load;
mod logs;
mod own;
mod prune;
mod records;
mod staged;
mod tasks;

use mainspring_core::id::SessionId;
use mainspring_core::row::{ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;
use mainspring_store::{CommitAnswer, Error, Fence, ShardCommit, ShardId};
use tokio::sync::{mpsc, oneshot};

pub(crate) use jobs::chunk_key;
pub(crate) use staged::staged_jobs;

use crate::connect;
use crate::failure::Failure;
use crate::sql::{Session, Statement};
use crate::url::Target;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What the task is asked to do.
pub(crate) enum Request {
    Acquire(ShardId, SessionId, Reply<Result<Fence, Error>>),
    Release(Fence, Reply<Result<(), Error>>),
    Load(Fence, Reply<Result<Snapshot, Error>>),
    Commit(Vec<ShardCommit>, Reply<Vec<CommitAnswer>>),
    Read(Fence, ReadSet, Reply<Result<Rows, Error>>),
    Prune { fence: Fence, feed_before: Timestamp, now: Timestamp, limit: usize, reply: Reply<Result<u64, Error>> },
}

/// The state of the task.
pub(crate) struct Writer {
    target: Target,
    /// `None` after the connection was lost, until it could be opened again.
    session: Option<Session>,
    /// Names this store among those that might own the shard.
    holder: String,
    counts: count::Counts,
    /// The fence in force; `None` after a release, an unknown commit, or a loss to another owner.
    fence: Option<Fence>,
    /// Incarnation and epoch as they were last seen.
    seen: (u32, u64),
    /// The number of the last commit.
    last: u64,
    /// Commits since the counts were folded.
    unfolded: u32,
    beat: Option<own::Beat>,
}

impl Writer {
    pub(crate) fn new(target: Target, session: Session, holder: String) -> Self {
        Self {
            target,
            session: Some(session),
            holder,
            counts: count::Counts::default(),
            fence: None,
            seen: (0, 0),
            last: 0,
            unfolded: 0,
            beat: None,
        }
    }

    /// Serves requests until nobody can make any; then gives the shard back.
    pub(crate) async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        while let Some(request) = requests.recv().await {
            self.serve(request).await;
        }
        if let Some(fence) = self.fence.clone() {
            // Where this fails, the next owner waits until the beat is seen to stand still.
            _ = tokio::time::timeout(own::GIVE_BACK_MAX, self.release(&fence)).await;
        }
    }

    /// Answers a request. Nobody may be waiting any longer; then the answer is dropped.
    async fn serve(&mut self, request: Request) {
        match request {
            Request::Acquire(shard, owner, reply) => _ = reply.send(self.acquire(shard, owner).await),
            Request::Release(fence, reply) => _ = reply.send(self.release(&fence).await),
            Request::Load(fence, reply) => _ = reply.send(self.load(&fence).await),
            Request::Read(fence, set, reply) => _ = reply.send(self.read(&fence, &set).await),
            Request::Commit(commits, reply) => _ = reply.send(self.commit(&commits).await),
            Request::Prune { fence, feed_before, now, limit, reply } => {
                _ = reply.send(self.prune(&fence, feed_before, now, limit).await);
            }
        }
    }

    /// The connection, opened anew where it was lost.
    async fn session(&mut self) -> Result<&Session, Error> {
        if self.session.as_ref().is_none_or(Session::is_closed) {
            self.session = None;
            self.session = Some(connect::session(&self.target).await?);
        }
        Ok(self.session.as_ref().expect("it was just opened"))
    }

    fn owned(&self, fence: &Fence) -> Result<(), Error> {
        match &self.fence {
            Some(known) if known == fence => Ok(()),
            Some(known) => Err(Error::Conflict(format!("epoch {} is in force", known.epoch))),
            None => Err(Error::Conflict("the shard must be acquired again".to_owned())),
        }
    }

    /// Takes note of a failure: what is remembered of the rows may be wrong, and a lost connection is not used again.
    fn failed(&mut self, failure: Failure) -> Error {
        self.counts.clear();
        if failure.ends_connection() {
            tracing::warn!(error = %failure, "lost the connection to the database");
            self.session = None;
        }
        if own::is_lost(&failure) {
            self.disown();
            return Error::Conflict("another owner has taken the shard over".to_owned());
        }
        failure.into()
    }

    /// Owns nothing any longer.
    fn disown(&mut self) {
        self.fence = None;
        self.beat = None;
        self.counts.clear();
    }
}

/// A statement that fails where the fence is not in force, and with it the transaction. Its lock keeps the next owner
/// waiting until the transaction has ended.
fn fence_check(fence: &Fence) -> Statement<'_> {
    Statement::new(
        "SELECT 1 / count(*) FROM (SELECT 1 FROM @shards
            WHERE id = $1 AND incarnation = $2 AND epoch = $3 AND owner = $4 FOR KEY SHARE) AS held",
    )
    .int(i64::from(fence.shard.0))
    .int(i64::from(fence.incarnation))
    .int(fence.epoch as i64)
    .text(&fence.owner)
}
