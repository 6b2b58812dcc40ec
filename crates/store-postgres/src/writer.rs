//! The task that owns the connection that writes. It serves commits and the core's reads strictly in the order in which they
//! were made; commits of different shards that wait behind one another share a transaction.

mod commit;
mod count;
mod inbox;
mod jobs;
mod load;
mod logs;
mod own;
mod pages;
mod prune;
mod records;
mod schedules;
mod staged;
mod tasks;

use std::sync::Arc;

use mainspring_core::id::SessionId;
use mainspring_core::row::{ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;
use mainspring_store::{CommitAnswer, Dismissed, Error, Fence, ShardCommit, ShardId};
use tokio::sync::{mpsc, oneshot};

pub(crate) use jobs::chunk_key;
pub(crate) use staged::staged_jobs;

use crate::connect;
use crate::failure::Failure;
use crate::history::History;
use crate::sql::{Session, Statement};
use crate::url::Target;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What the task is asked to do.
pub(crate) enum Request {
    Acquire { shard: ShardId, owner: SessionId, dead: Option<u64>, reply: Reply<Result<Fence, Error>> },
    Release(Fence, Reply<Result<(), Error>>),
    Load(Fence, Reply<Result<Snapshot, Error>>),
    Commit(Call),
    Dismiss(Fence, Vec<Dismissed>, Reply<Result<(), Error>>),
    Read(Fence, ReadSet, Reply<Result<Rows, Error>>),
    Prune { fence: Fence, feed_before: Timestamp, now: Timestamp, limit: usize, reply: Reply<Result<u64, Error>> },
}

/// One call of `commit`.
pub(crate) struct Call {
    pub(crate) commits: Vec<ShardCommit>,
    /// Rows of the inbox that the first commit takes out.
    pub(crate) taken: Vec<i64>,
    pub(crate) reply: Reply<Vec<CommitAnswer>>,
}

impl Call {
    fn has(&self, shard: ShardId) -> bool {
        self.commits.iter().any(|commit| commit.fence.shard == shard)
    }

    fn parts(&self) -> impl Iterator<Item = Ordered<'_>> {
        let part = |(index, commit)| Ordered { commit, taken: if index == 0 { &self.taken } else { &[] } };
        self.commits.iter().enumerate().map(part)
    }
}

/// One shard's part of a commit.
#[derive(Clone, Copy)]
struct Ordered<'a> {
    commit: &'a ShardCommit,
    /// Rows of the inbox that it takes out.
    taken: &'a [i64],
}

impl Ordered<'_> {
    fn shard(&self) -> ShardId {
        self.commit.fence.shard
    }
}

/// What is known of one shard.
struct Part {
    counts: count::Counts,
    /// Where its cold rows begin.
    fronts: pages::Fronts,
    /// The fence in force; `None` after a release, an unknown commit, or a loss to another owner.
    fence: Option<Fence>,
    /// Incarnation and epoch as they were last seen.
    seen: (u32, u64),
    /// The number of the last commit.
    last: u64,
    /// Commits since the counts were folded.
    unfolded: u32,
}

/// The state of the task.
pub(crate) struct Writer {
    target: Target,
    /// `None` after the connection was lost, until it could be opened again.
    session: Option<Session>,
    /// Names this store among those that might own a shard.
    holder: String,
    /// One per shard.
    parts: Vec<Part>,
    history: Arc<History>,
}

impl Writer {
    pub(crate) fn new(target: Target, session: Session, holder: String, shards: u16, history: Arc<History>) -> Self {
        let part = |_| Part {
            counts: count::Counts::new(shards),
            fronts: pages::Fronts::default(),
            fence: None,
            seen: (0, 0),
            last: 0,
            unfolded: 0,
        };
        Self { target, session: Some(session), holder, parts: (0..shards).map(part).collect(), history }
    }

    /// Serves requests until nobody can make any; then gives back what it holds.
    pub(crate) async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let mut next = None;
        loop {
            let request = match next.take() {
                Some(request) => request,
                None => match requests.recv().await {
                    Some(request) => request,
                    None => break,
                },
            };
            let Request::Commit(call) = request else {
                self.serve(request).await;
                continue;
            };
            let mut calls = vec![call];
            while let Ok(request) = requests.try_recv() {
                match request {
                    Request::Commit(call) if is_apart(&calls, &call) => calls.push(call),
                    other => {
                        next = Some(other);
                        break;
                    }
                }
            }
            self.answer(calls).await;
        }
        if self.parts.iter().any(|part| part.seen.1 > 0) {
            // Where this fails, the next owner must find out that this one is gone.
            _ = tokio::time::timeout(own::GIVE_BACK_MAX, self.release_all()).await;
        }
    }

    /// Answers calls of `commit` whose shards differ.
    async fn answer(&mut self, calls: Vec<Call>) {
        let commits: Vec<Ordered<'_>> = calls.iter().flat_map(Call::parts).collect();
        let mut answers = self.commit(&commits).await.into_iter();
        for call in calls {
            let number = call.commits.len();
            _ = call.reply.send(answers.by_ref().take(number).collect());
        }
    }

    /// Answers a request. Nobody may be waiting any longer; then the answer is dropped.
    async fn serve(&mut self, request: Request) {
        match request {
            Request::Acquire { shard, owner, dead, reply } => {
                _ = reply.send(self.acquire(shard, owner, dead).await);
            }
            Request::Release(fence, reply) => _ = reply.send(self.release(&fence).await),
            Request::Load(fence, reply) => _ = reply.send(self.load(&fence).await),
            Request::Dismiss(fence, rows, reply) => _ = reply.send(self.dismiss(&fence, &rows).await),
            Request::Read(fence, set, reply) => _ = reply.send(self.read(&fence, &set).await),
            Request::Commit(call) => self.answer(vec![call]).await,
            Request::Prune { fence, feed_before, now, limit, reply } => {
                _ = reply.send(self.prune(&fence, feed_before, now, limit).await);
            }
        }
    }

    fn shards(&self) -> u16 {
        self.parts.len() as u16
    }

    /// The connection, opened anew where it was lost.
    async fn session(&mut self) -> Result<&Session, Error> {
        if self.session.as_ref().is_none_or(Session::is_closed) {
            self.session = None;
            self.session = Some(connect::session(&self.target).await?);
        }
        Ok(self.session.as_ref().expect("it was just opened"))
    }

    fn exists(&self, shard: ShardId) -> Result<(), Error> {
        crate::exists(shard, self.shards())
    }

    /// What is known of a shard that exists.
    fn part(&mut self, shard: ShardId) -> &mut Part {
        &mut self.parts[usize::from(shard.0)]
    }

    fn owned(&self, fence: &Fence) -> Result<(), Error> {
        self.exists(fence.shard)?;
        match &self.parts[usize::from(fence.shard.0)].fence {
            Some(known) if known == fence => Ok(()),
            Some(known) => Err(Error::Conflict(format!("epoch {} is in force", known.epoch))),
            None => Err(Error::Conflict("the shard must be acquired again".to_owned())),
        }
    }

    /// Takes note of a failure: what is remembered of the shard's rows may be wrong, and a lost connection is not used again.
    fn failed(&mut self, shard: ShardId, failure: Failure) -> Error {
        self.part(shard).counts.clear();
        self.note_connection(&failure);
        if own::is_lost(&failure) {
            self.disown(shard);
            return Error::Conflict("another owner has taken the shard over".to_owned());
        }
        failure.into()
    }

    fn note_connection(&mut self, failure: &Failure) {
        if failure.ends_connection() {
            tracing::warn!(error = %failure, "lost the connection to the database");
            self.session = None;
        }
    }

    /// Owns a shard no longer.
    fn disown(&mut self, shard: ShardId) {
        let part = self.part(shard);
        part.fence = None;
        part.counts.clear();
        part.fronts = pages::Fronts::default();
    }
}

fn is_apart(calls: &[Call], call: &Call) -> bool {
    !call.commits.iter().any(|commit| calls.iter().any(|other| other.has(commit.fence.shard)))
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
