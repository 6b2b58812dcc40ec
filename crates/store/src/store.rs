//! The write side: ownership, commits, and the reads that the core asks for.

use std::pin::Pin;
use std::sync::Arc;

use mainspring_core::id::{BUCKETS, Bucket, Key, SessionId};
use mainspring_core::row::{Changes, ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;

use crate::inbox::Inbox;
use crate::members::Members;
use crate::reader::Reader;

/// A boxed future: keeps the traits object-safe.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Which shard, 0-based. SQLite has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The shard of the control bucket: it owns the settings.
    pub const CONTROL: ShardId = ShardId(0);

    /// The shard that a bucket belongs to where there are so many, 1 to [`BUCKETS`]: each has a range of buckets.
    pub fn of(bucket: Bucket, shards: u16) -> Self {
        Self((u32::from(bucket.number()) * u32::from(shards) / u32::from(BUCKETS)) as u16)
    }

    /// The shard that a key belongs to.
    pub fn of_key(key: Key, shards: u16) -> Self {
        Self::of(key.bucket(), shards)
    }

    /// The buckets of this shard: the first, and the first that is no longer its own.
    pub fn buckets(self, shards: u16) -> (u16, u16) {
        let first = |shard: u32| (shard * u32::from(BUCKETS)).div_ceil(u32::from(shards)) as u16;
        (first(u32::from(self.0)), first(u32::from(self.0) + 1))
    }
}

/// What a store promises once it has said `Committed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// D0: nothing survives the process.
    Memory,
    /// D1: survives a crash of the process.
    ProcessCrash,
    /// D2: survives a loss of power.
    PowerLoss,
    /// D3: survives the loss of a machine.
    Replicated,
}

impl Durability {
    /// `D0` … `D3`.
    pub fn class(self) -> &'static str {
        match self {
            Self::Memory => "D0",
            Self::ProcessCrash => "D1",
            Self::PowerLoss => "D2",
            Self::Replicated => "D3",
        }
    }
}

/// What a store says of itself at start.
#[derive(Clone, Debug)]
pub struct Description {
    /// `memory`, `sqlite`, …
    pub name: &'static str,
    /// What it promises.
    pub durability: Durability,
    /// Settings that a person wants to see: `journal_mode=WAL synchronous=FULL`.
    pub detail: String,
}

/// How much of what has ended a store is meant to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Milliseconds.
    pub keep_ms: u64,
    /// Ended tasks, those of jobs too.
    pub tasks_max: u64,
}

/// Proof of ownership of a shard, checked inside every commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The shard.
    pub shard: ShardId,
    /// New after a restore, a migration or a detected failover.
    pub incarnation: u32,
    /// Grows with every change of owner, and after every unknown commit.
    pub epoch: u64,
    /// Who owns it.
    pub owner: SessionId,
}

/// One shard's part of a commit.
#[derive(Clone, Debug)]
pub struct ShardCommit {
    /// Proof of ownership.
    pub fence: Fence,
    /// What to write. Shared, so that a store can keep it without a copy.
    pub changes: Arc<Changes>,
}

/// What became of one shard's part of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitAnswer {
    /// Durable to the store's class.
    Committed,
    /// Refused whole: somebody else owns the shard since `epoch`.
    Rejected {
        /// The epoch in force.
        epoch: u64,
    },
    /// Nobody knows. The owner must acquire again, then load; never repeat blindly.
    Unknown {
        /// Why, for the log.
        reason: String,
    },
}

/// Why a store did not do something, by what the caller must do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else owns it: stop, or reload.
    #[error("owned by another: {0}")]
    Conflict(String),
    /// It may work later: try again.
    #[error("not available: {0}")]
    Unavailable(String),
    /// What is stored cannot be read: stop.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The store's schema or version does not fit this program: stop.
    #[error("cannot be used by this version: {0}")]
    Incompatible(String),
}

/// Keeps the rows of shards.
///
/// # Contract
/// - Calls take effect in the order in which they are *made* (not polled): a `read` or `load` sees every commit that was
///   ordered before it.
/// - `commit` applies each shard's changes atomically, or not at all, and only if the fence is the one in force.
///   One store may join the shards of one database into one transaction; there is one answer per shard, in order.
/// - Changes of one commit are applied in the order of the fields of [`Changes`].
/// - A commit whose number does not follow the last one's, or that inserts a task or job that exists, is not applied and
///   answers `Unknown`: the owner's memory is not what is stored. Updates and deletes of absent rows change nothing.
/// - After `Unknown`, the fence is out of force, and `acquire` waits until a late commit
///   can no longer land, then gives a larger epoch.
/// - Shards have nothing in common but the database: a row belongs to the shard of its key's bucket, lanes are numbered in
///   each shard, and a claim belongs to the shard that writes it. Settings (queues, workers, definitions) are written
///   by the control shard; a load of another shard may bring them.
pub trait Store: Send + Sync {
    /// What it is and what it promises.
    fn describe(&self) -> Description;

    /// How many shards there are: settled when the database was made. Default 1.
    fn shards(&self) -> u16 {
        1
    }

    /// Who takes part beside this process. `None` (the default): nobody can, the store itself keeps others out.
    fn members(&self) -> Option<Arc<dyn Members>> {
        None
    }

    /// What applications enqueued inside their own transactions. `None` (the default): they cannot.
    fn inbox(&self) -> Option<Arc<dyn Inbox>> {
        None
    }

    /// Takes a shard over. Within one `Store` value the last to acquire owns it; the fence before is out of force. What
    /// another `Store` value holds is taken only if `dead` is the epoch under which it does: whoever asks has seen
    /// that the holder shows no life (see [`Members`]).
    ///
    /// # Errors
    /// `Conflict` if another has it.
    fn acquire(&self, shard: ShardId, owner: SessionId, dead: Option<u64>) -> BoxFuture<Result<Fence, Error>>;

    /// Gives a shard back, so that another owner need not wait.
    ///
    /// # Errors
    /// `Conflict` if the fence is no longer in force.
    fn release(&self, fence: Fence) -> BoxFuture<Result<(), Error>>;

    /// Everything that must be in memory. Before it reads, it deletes what was never published (jobs whose sweep is
    /// `Staging`, with their tasks, graph and claims).
    ///
    /// # Errors
    /// `Conflict` if the fence is no longer in force; `Corrupt`.
    fn load(&self, fence: Fence) -> BoxFuture<Result<Snapshot, Error>>;

    /// Writes changes; see the contract above.
    fn commit(&self, commits: Vec<ShardCommit>) -> BoxFuture<Vec<CommitAnswer>>;

    /// Reads rows that the core asks for. Requested tasks come first, in the order asked for, then those of pages;
    /// each row once.
    ///
    /// # Errors
    /// `Conflict` if the fence is no longer in force; `Unavailable`, `Corrupt`.
    fn read(&self, fence: Fence, set: ReadSet) -> BoxFuture<Result<Rows, Error>>;

    /// Forgets what nobody needs any longer: feed rows whose last event is older than `feed_before`, oldest first, records of
    /// the ledger that were made before it, lowest key first, and claims that expired before `now`; at most `limit` of each. Answers how many rows went; repeat while it is not 0.
    ///
    /// # Errors
    /// `Conflict` if the fence is no longer in force; `Unavailable`.
    fn prune(
        &self,
        fence: Fence,
        feed_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<Result<u64, Error>>;

    /// For a store whose room is dear: retention keeps no more than this, whatever else it is told. Default: no bound.
    fn history(&self) -> Option<History> {
        None
    }

    /// Figures of its own that an operator should see, by name: `wal_bytes`, …
    fn figures(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// The read side for people: lists and details of committed rows.
    fn reader(&self) -> Arc<dyn Reader>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_belongs_to_the_shard_whose_range_names_it() {
        for shards in [1, 2, 3, 16, 100, BUCKETS] {
            let mut next = 0;
            for shard in 0..shards {
                let (first, end) = ShardId(shard).buckets(shards);
                assert!(first == next && end > first, "shard {shard} of {shards}");
                assert!((first..end).all(|bucket| ShardId::of(Bucket::new(bucket), shards) == ShardId(shard)));
                next = end;
            }
            assert_eq!(next, BUCKETS);
        }
    }
}
