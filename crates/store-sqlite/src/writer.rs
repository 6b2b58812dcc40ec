//! The thread that owns the writing connection. It serves requests strictly in the order in which they were made; commits
//! that wait together share one transaction, and so one fsync.

mod bind;
mod count;
mod jobs;
mod load;
mod records;
mod schedules;
mod tasks;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use mainspring_core::id::SessionId;
use mainspring_core::row::{Changes, HighWater, ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;
use mainspring_store::{CommitAnswer, Error, Fence, ShardCommit, ShardId};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

pub(crate) use jobs::chunk_key;
pub(crate) use load::{list, one, staged_jobs};
pub(crate) use tasks::{COLD_READY, COLD_TIMER, HOT};

use crate::checkpoint::Wal;
use crate::failure::Failure;
use crate::lock::Ownership;
use crate::{Options, connect};

/// Commits that may share one transaction.
const GROUP_MAX: usize = 64;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What the thread is asked to do.
pub(crate) enum Request {
    Acquire(ShardId, SessionId, Reply<Result<Fence, Error>>),
    Release(Fence, Reply<Result<(), Error>>),
    Load(Fence, Reply<Result<Snapshot, Error>>),
    Commit(Vec<ShardCommit>, Reply<Vec<CommitAnswer>>),
    Read(Fence, ReadSet, Reply<Result<Rows, Error>>),
    Prune { fence: Fence, feed_before: Timestamp, now: Timestamp, limit: usize, reply: Reply<Result<u64, Error>> },
}

/// The state of the thread.
pub(crate) struct Writer {
    path: PathBuf,
    options: Options,
    wal: Arc<Wal>,
    /// `None` after an error of the file, until it could be opened again.
    db: Option<Connection>,
    counts: count::Counts,
    /// The fence in force; `None` after a release or an unknown commit.
    fence: Option<Fence>,
    /// Dropped last, after the connection.
    _ownership: Arc<Ownership>,
}

type Waiting = (Vec<ShardCommit>, Reply<Vec<CommitAnswer>>);

impl Writer {
    pub(crate) fn new(
        path: PathBuf,
        options: Options,
        wal: Arc<Wal>,
        mut db: Connection,
        ownership: Arc<Ownership>,
    ) -> Result<Self, Error> {
        wal.watch(&mut db)?;
        let counts = count::Counts::default();
        Ok(Self { path, options, wal, db: Some(db), counts, fence: None, _ownership: ownership })
    }

    /// Serves requests until nobody can make any.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        let mut next = None;
        while let Some(request) = next.take().or_else(|| requests.recv().ok()) {
            match request {
                Request::Commit(commits, reply) => {
                    let mut group = vec![(commits, reply)];
                    next = more(requests, &mut group);
                    self.commit(group);
                }
                other => self.serve(other),
            }
        }
    }

    /// Answers a request that is not a commit. Nobody may be waiting any longer; then the answer is dropped.
    fn serve(&mut self, request: Request) {
        match request {
            Request::Acquire(shard, owner, reply) => _ = reply.send(self.acquire(shard, owner)),
            Request::Release(fence, reply) => _ = reply.send(self.release(&fence)),
            Request::Load(fence, reply) => _ = reply.send(self.load(&fence)),
            Request::Read(fence, set, reply) => {
                _ = reply.send(self.owned(&fence, |writer| writer.read(&set)));
            }
            Request::Prune { fence, feed_before, now, limit, reply } => {
                _ = reply.send(self.owned(&fence, |writer| writer.prune(feed_before, now, limit)));
            }
            Request::Commit(commits, reply) => self.commit(vec![(commits, reply)]),
        }
    }

    fn connection(&mut self) -> Result<&mut Connection, Error> {
        if self.db.is_none() {
            let mut db = connect::writer(&self.path, &self.options)?;
            self.wal.watch(&mut db)?;
            self.db = Some(db);
        }
        Ok(self.db.as_mut().expect("it was just opened"))
    }

    fn owned<T>(&mut self, fence: &Fence, act: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        match &self.fence {
            Some(known) if known == fence => act(self),
            Some(known) => Err(Error::Conflict(format!("epoch {} is in force", known.epoch))),
            None => Err(Error::Conflict("the shard must be acquired again".to_owned())),
        }
    }

    fn acquire(&mut self, shard: ShardId, owner: SessionId) -> Result<Fence, Error> {
        if shard != ShardId(0) {
            return Err(Error::Incompatible(format!("shard {} does not exist: SQLite has only shard 0", shard.0)));
        }
        // The connection of an unknown commit was closed, so nothing of it can still land.
        let sql = "UPDATE shard SET epoch = epoch + 1, owner = ?1 WHERE id = 0 RETURNING incarnation, epoch";
        let db = self.connection()?;
        // In a transaction: a statement that returns rows commits once it is reset, where nobody sees it fail.
        let taken = db.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|taking| {
            let row = taking.query_row(sql, [&*owner], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
            taking.commit().map(|()| row)
        });
        let (incarnation, epoch) = taken.map_err(|error| self.failed(error.into()))?;
        let fence = Fence { shard, incarnation, epoch, owner };
        self.fence = Some(fence.clone());
        Ok(fence)
    }

    fn release(&mut self, fence: &Fence) -> Result<(), Error> {
        self.owned(fence, |writer| {
            writer.fence = None;
            let cleared = writer.connection()?.execute("UPDATE shard SET owner = NULL WHERE id = 0", []);
            cleared.map(|_| ()).map_err(|error| writer.failed(error.into()))
        })
    }

    fn load(&mut self, fence: &Fence) -> Result<Snapshot, Error> {
        self.owned(fence, |writer| {
            writer.counts.clear();
            let mut counts = count::Counts::default();
            let db = writer.connection()?;
            let answer = (|| {
                let removal = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
                load::remove_staged(&removal, &mut counts)?;
                counts.flush(&removal)?;
                removal.commit()?;
                load::snapshot(db)
            })();
            answer.map_err(|failure| writer.failed(failure))
        })
    }

    fn read(&mut self, set: &ReadSet) -> Result<Rows, Error> {
        self.connection()?;
        let (db, counts) = (self.db.as_mut().expect("it is open"), &mut self.counts);
        Ok(load::rows(db, set, counts)?)
    }

    fn prune(&mut self, feed_before: Timestamp, now: Timestamp, limit: usize) -> Result<u64, Error> {
        let db = self.connection()?;
        let answer = (|| {
            let pruning = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let pruned = prune(&pruning, feed_before, now, limit)?;
            pruning.commit()?;
            Ok(pruned)
        })();
        answer.map_err(|failure| self.failed(failure))
    }

    /// Commits a group in one transaction; where one of them fails before its end, each alone.
    fn commit(&mut self, group: Vec<Waiting>) {
        let answers = match self.try_commit(&group) {
            Ok(answers) => answers,
            Err((_, Stage::Applying)) if group.len() > 1 => {
                group.into_iter().for_each(|one| self.commit(vec![one]));
                return;
            }
            Err((failure, _)) => {
                let reason = failure.to_string();
                self.fence = None;
                self.failed(failure);
                let unknown = |_: &ShardCommit| CommitAnswer::Unknown { reason: reason.clone() };
                group.iter().map(|(commits, _)| commits.iter().map(unknown).collect()).collect()
            }
        };
        for ((_, reply), answers) in group.into_iter().zip(answers) {
            _ = reply.send(answers);
        }
        if let Some(db) = &mut self.db {
            self.wal.after_commit(db);
        }
    }

    fn try_commit(&mut self, group: &[Waiting]) -> Result<Vec<Vec<CommitAnswer>>, (Failure, Stage)> {
        let fence = self.fence.clone();
        self.connection().map_err(|error| (Failure::Diverged(error.to_string()), Stage::Applying))?;
        let (db, counts) = (self.db.as_mut().expect("it is open"), &mut self.counts);
        let applying = |failure: rusqlite::Error| (failure.into(), Stage::Applying);
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(applying)?;
        let mut answers = Vec::with_capacity(group.len());
        let mut written = false;
        for (commits, _) in group {
            let mut of_one = Vec::with_capacity(commits.len());
            for commit in commits {
                let answer = apply(&transaction, fence.as_ref(), commit, counts);
                let answer = answer.map_err(|failure| (failure, Stage::Applying))?;
                written |= answer == CommitAnswer::Committed;
                of_one.push(answer);
            }
            answers.push(of_one);
        }
        if written {
            counts.flush(&transaction).map_err(applying)?;
            transaction.commit().map_err(|error| (error.into(), Stage::Committing))?;
        }
        Ok(answers)
    }

    /// Takes note of a failure: what is remembered of the rows may be wrong, and after an error of the file it is closed
    /// and opened again before anything else is done with it.
    fn failed(&mut self, failure: Failure) -> Error {
        self.counts.clear();
        let harmless = match &failure {
            Failure::Diverged(_) | Failure::Unreadable(_) => true,
            Failure::Sqlite(error) => error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation),
        };
        if !harmless {
            tracing::warn!(path = %self.path.display(), error = %failure, "closing the database after an error");
            self.db = None;
        }
        failure.into()
    }
}

/// How far a transaction got before it failed.
enum Stage {
    /// Surely not applied.
    Applying,
    /// Nobody knows.
    Committing,
}

/// Takes the commits that wait right behind; gives back the first request that is something else.
fn more(requests: &Receiver<Request>, group: &mut Vec<Waiting>) -> Option<Request> {
    while group.len() < GROUP_MAX {
        match requests.try_recv() {
            Ok(Request::Commit(commits, reply)) => group.push((commits, reply)),
            Ok(other) => return Some(other),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    None
}

/// Applies one shard's changes inside the transaction, if its fence is in force.
fn apply(
    db: &Connection,
    in_force: Option<&Fence>,
    commit: &ShardCommit,
    counts: &mut count::Counts,
) -> Result<CommitAnswer, Failure> {
    let mut ask = db.prepare_cached("SELECT incarnation, epoch, owner, commits FROM shard WHERE id = 0")?;
    let (incarnation, epoch, owner, last) = ask.query_row([], |row| {
        let owner: Option<String> = row.get(2)?;
        Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)? as u64, owner, row.get::<_, i64>(3)? as u64))
    })?;
    let fence = &commit.fence;
    if fence.shard != ShardId(0) || fence.incarnation != incarnation || fence.epoch != epoch {
        return Ok(CommitAnswer::Rejected { epoch });
    }
    if in_force != Some(fence) {
        let reason = "an earlier commit is unknown, the shard must be acquired again".to_owned();
        return Ok(CommitAnswer::Unknown { reason });
    }
    if owner.as_deref() != Some(&*fence.owner) {
        return Ok(CommitAnswer::Rejected { epoch });
    }
    let next = commit.changes.high_water.commit;
    if next != last + 1 {
        return Err(Failure::Diverged(format!("commit {next} does not follow commit {last}")));
    }
    write(db, &commit.changes, counts)?;
    Ok(CommitAnswer::Committed)
}

fn write(db: &Connection, changes: &Changes, counts: &mut count::Counts) -> Result<(), Failure> {
    tasks::apply(db, changes, counts)?;
    jobs::apply(db, changes, counts)?;
    schedules::apply(db, changes)?;
    records::apply(db, changes)?;
    let HighWater { time, sequence, lease, commit } = changes.high_water;
    let mut put =
        db.prepare_cached("UPDATE shard SET time = ?1, sequence = ?2, lease = ?3, commits = ?4 WHERE id = 0")?;
    put.execute((time.as_millis(), sequence as i64, lease as i64, commit as i64))?;
    Ok(())
}

fn prune(db: &Connection, feed_before: Timestamp, now: Timestamp, limit: usize) -> Result<u64, Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut last = None;
    let mut ask = db.prepare_cached("SELECT number, at FROM feed ORDER BY number LIMIT ?1")?;
    let mut oldest = ask.query([limit])?;
    while let Some(row) = oldest.next()?
        && row.get::<_, i64>(1)? < feed_before.as_millis()
    {
        last = Some(row.get::<_, i64>(0)?);
    }
    drop(oldest);
    let mut rows = 0;
    if let Some(last) = last {
        rows += db.execute("DELETE FROM feed WHERE number <= ?1", [last])?;
        db.execute("UPDATE shard SET pruned = ?1 WHERE id = 0", [last])?;
    }
    rows += schedules::prune(db, feed_before, limit)?;
    rows += db.execute(
        "DELETE FROM claims WHERE (kind, text, tenant) IN
            (SELECT kind, text, tenant FROM claims WHERE expires_at < ?1 ORDER BY kind, tenant, text LIMIT ?2)",
        (now.as_millis(), limit),
    )?;
    Ok(rows as u64)
}
