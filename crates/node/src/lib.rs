//! What a node decides beside the core: which shards it takes and gives, whom it takes for dead, what worker sessions are
//! told and offered.
//!
//! ```text
//!  worker ──▶ hub (seat, turn) ──▶ a gateway for each shard ──▶ core
//!             one per node, all shards    session, credits
//!  roster ──▶ judge ──▶ balance ──▶ shards to take, shards to give
//! ```
//! Pure: no clock, no I/O, no randomness, no threads, no async. The server and the simulator run the same code; they bring
//! time and carry out what is decided ([why](../../../docs/adr/0007-what-a-node-decides-is-pure.md)).

pub mod balance;
pub mod followed;
pub mod gateway;
pub mod hub;
pub mod judge;
pub mod pulse;
pub mod roster;
