//! Who takes part: the processes that share a store, who of them lives, and who owns which shard.
//!
//! A node shows that it lives by a beat, a number that changes. Others judge it by their own monotonic clock: a beat that
//! stands still for long enough belongs to the dead, whatever any wall clock says. Judging is the server's business; a store
//! only keeps the rows.

use std::sync::Arc;

use mainspring_core::id::{Name, SessionId};
use mainspring_core::permit::LimitRow;
use mainspring_core::row::{QueueRow, WorkerRow};

use crate::store::{BoxFuture, Error, ShardId};

/// A process that takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Names this start of the process; the owner in the fences of its shards.
    pub id: SessionId,
    /// Where other nodes reach it: `http://host:port`. `None`: nowhere.
    pub address: Option<Name>,
    /// What it is, for people: host, process.
    pub about: Name,
    /// Names the process so that another one on the same machine can tell whether it has ended; may be empty.
    pub process: Name,
    /// Its version.
    pub version: Name,
}

/// Who owns a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The shard.
    pub shard: ShardId,
    /// The epoch in force, or of its last owner.
    pub epoch: u64,
    /// Whose it is; `None`: it was given back, or never had.
    pub owner: Option<SessionId>,
    /// The number of its last commit, where the store tells it: one that may go back behind what it acknowledged must.
    pub commit: Option<u64>,
}

/// The cluster at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// Every node that has not left, with its beat, by id.
    pub nodes: Vec<(NodeRow, u64)>,
    /// Every shard, in order.
    pub shards: Vec<Holding>,
    /// A secret that was drawn when the database was made: nodes know each other by it.
    pub key: Arc<[u8; 32]>,
    /// Queues that are paused, by name.
    pub queues: Vec<QueueRow>,
    /// Limits that were set, by scope and name.
    pub limits: Vec<LimitRow>,
    /// Workers that are told anything but to run, by `workerId`.
    pub workers: Vec<WorkerRow>,
}

/// The membership of a store that several processes share. Served apart from commits: a long commit must not make
/// a node look dead.
pub trait Members: Send + Sync {
    /// Enters this node, or changes its beat, and tells how things stand. One query of the store. Need not be durable.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    fn beat(&self, node: NodeRow) -> BoxFuture<Result<Roster, Error>>;

    /// Takes a node off: this one as it stops, or one that is dead. Its shards stay as they are. Of an absent one: nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    fn leave(&self, node: SessionId) -> BoxFuture<Result<(), Error>>;
}
