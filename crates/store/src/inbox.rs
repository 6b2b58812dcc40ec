//! Tasks that applications enqueued inside transactions of their own, in the database that the store keeps its rows in.
//!
//! A row is there once its application has committed, and it leaves in the very transaction that inserts its task: so it
//! becomes a task exactly once, whatever ends in between. Everything beyond its being a JSON object with an id is judged by
//! the engine.

use std::sync::Arc;

use mainspring_core::id::Name;
use mainspring_core::time::Timestamp;

use crate::store::{BoxFuture, CommitAnswer, Error, Fence, ShardCommit, ShardId};

/// A task that waits to be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRow {
    /// Names the row; larger for those enqueued later, which may be committed earlier.
    pub number: i64,
    /// When it was enqueued, by the database's clock.
    pub at: Timestamp,
    /// The id of the task; it stands in `body` too. The shard that the row waits for is that of its bucket.
    pub task_id: Name,
    /// The task as for `POST /api/v1/tasks`: a JSON object.
    pub body: Arc<str>,
}

/// A row that becomes no task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dismissed {
    /// Which row.
    pub number: i64,
    /// Why its task is refused, for people: the row is kept apart with it. `None`: the task is there already.
    pub reason: Option<Arc<str>>,
}

/// What waits to be taken in. Whoever owns a shard takes in what waits for it.
pub trait Inbox: Send + Sync {
    /// The shards for which something waited as of the last beat of this store's [`crate::Members`]. Asks nobody.
    fn waits_for(&self) -> Vec<ShardId>;

    /// What waits for a shard, by number, from the first above `after`. A row that was committed late may have any number:
    /// whoever has come to the end begins again with `i64::MIN`. Rows on their way out may be among them.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    fn waiting(&self, shard: ShardId, after: i64, limit: usize) -> BoxFuture<Result<Vec<InboxRow>, Error>>;

    /// As [`crate::Store::commit`] of this one commit, in order with the other calls; the rows with these numbers leave in
    /// its transaction. If one of them is not there, nothing is written and the answer is `Unknown`.
    fn commit(&self, commit: ShardCommit, taken: Vec<i64>) -> BoxFuture<Vec<CommitAnswer>>;

    /// Takes rows out that become no task. Of absent ones: nothing.
    ///
    /// # Errors
    /// `Conflict` if the fence is no longer in force; `Unavailable`.
    fn dismiss(&self, fence: Fence, rows: Vec<Dismissed>) -> BoxFuture<Result<(), Error>>;
}
