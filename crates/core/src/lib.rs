//! The brain of Mainspring: every scheduling decision, and nothing else.
//!
//! Pure, synchronous, deterministic, total: no I/O, no clock, no randomness, no threads, no logging. Time, seeds
//! and wishes arrive inside [`event::Event`]s; what shall happen leaves as [`effect::Effect`]s and [`row::Changes`].
//! [`driver::Driver`] batches events, pages rows and holds effects back until their commit has returned.

pub mod driver;
pub mod effect;
pub mod event;
pub mod graph;
pub mod home;
pub mod id;
pub mod job;
pub mod limits;
pub mod loan;
mod parts;
pub mod permit;
pub mod retry;
pub mod row;
pub mod schedule;
pub mod shard;
pub mod spec;
pub mod task;
pub mod time;
