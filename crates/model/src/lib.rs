//! Every way in which two nodes, two workers and a store can go wrong, walked through one by one (R05).
//!
//! The simulator draws worlds at random; this crate follows *all* of them, as far as a budget of faults reaches. What
//! decides is the real core ([`mainspring_core::driver::Driver`], cloned at every fork of the way) over the real rows of
//! the in-memory store. Around it stand small adapters:
//!
//! | Here | Stands for |
//! |---|---|
//! | [`node`] | `server/src/node/actor.rs`, `recovery.rs`: order commits, hear answers, give up, acquire, load; and of `gateway.rs` the numbered calls of sessions |
//! | [`store`] | `store-*/…/commit`, `acquire`: one row of ownership, compared and swapped with every commit |
//! | [`worker`] | `worker/src/desk.rs`, `outbox.rs`: a token runs once, an outcome is repeated until it is known |
//! | [`world`] | the network (loses, doubles and reorders), time, suspicion of the living, crashes |
//!
//! Time is coarse: one tick is one lease. A node that was deposed does not know it until the store tells it. A commit
//! that its node has given up may still land, at any later moment.
//!
//! ```text
//! cargo test -p mainspring-model                              # all ways of small worlds, and the planted bugs
//! cargo run --release -p mainspring-model -- --exhaustive     # the campaign: docs/reliability/model.md
//! cargo run -p mainspring-model -- --planted blind-retry      # the shortest way to one planted bug
//! ```
//! A world that breaks a rule is kept in [`history::History::broken`], with the way to it.

pub mod bounds;
pub mod clock;
pub mod effects;
pub mod fair;
pub mod hashed;
pub mod history;
pub mod message;
pub mod model;
pub mod node;
mod ownership;
pub mod plant;
pub mod store;
pub mod worker;
pub mod world;
