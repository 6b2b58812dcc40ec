//! The hub of worker sessions: a worker speaks with one node, its tasks belong to many shards.
//!
//! One call of a worker becomes one call to each shard that it concerns: outcomes and renewals go to the shards of their
//! tasks, free places to shards that have work, the rest to one that stands by. The first news answers the worker; what
//! still waits is hung up, and its places are claimed until that shard has said that they are free.

mod seat;
mod turn;

pub use seat::{Begun, Held, Merged, Part, Seat, Standing};
pub use turn::{Around, Away, Brief, Next, Order, Turn};
