//! Deterministic simulation of the whole system (R01–R04, R36 of the reliability page).
//!
//! A *world* is made from one number, its seed: the real [`mainspring_core::driver::Driver`] over the in-memory store,
//! with simulated nodes, workers, clients, network and clock around it. Nothing in a world reads a clock, draws ambient
//! randomness or starts a thread, so a seed always goes the same way. While it runs, an independent judge ([`check`])
//! reads every commit and every effect, and holds them against the invariants I1–I20, I23 and the liveness claims.
//!
//! # How to replay
//!
//! ```text
//! cargo xtask sim                         60 s of fresh seeds, after all regressions
//! cargo xtask sim --seed 4711             one world; prints its configuration
//! cargo xtask sim --seed 4711 --trace     the same, with the last 400 lines of what happened, or with `--lines 4000`
//! cargo xtask sim --from 1 --seeds 1000   worlds 1 to 1,000
//! cargo xtask sim --cluster               worlds of several shards on several nodes; also with `--seed`, `--seeds`
//! cargo xtask sim --liveness              worlds whose faults never quite stop, and which must end all the same
//! cargo xtask sim --planted all           shows that each planted bug is found, by which invariant and seed
//! cargo xtask sim --regressions           only the seeds of `regressions.txt`
//! ```
//! A failing world prints the one command that replays it. Worth keeping? Add its seed and a word to `regressions.txt`.
//!
//! # How a world is built
//!
//! ```text
//!  clients ──┐                ┌─ gateway ─┐               ┌─ judge reads every commit
//!            ├─ network ─▶ node           driver ─▶ plants ─▶ store (faults)
//!  workers ──┘   (loss, repeats,          (real)          └─ every effect, before it leaves
//!                 delays)
//! ```
//! A world of one shard has two nodes: a takeover leaves the old one believing that it still owns the shard. One world in five
//! of a campaign has several shards on several nodes with the real [`mainspring_node`]: its gateway, hub, judge and plan. Windows, horizons and step
//! budgets are drawn small, so that paging, cold lanes, cold timers and continued sweeps happen in worlds of a few dozen
//! tasks. Rare branches are counted ([`sometimes`]); a counter that stays at zero over a whole run fails it, but for the few
//! that a minute does not reliably reach.

pub mod check;
pub mod client;
pub mod clock;
pub mod config;
pub mod gateway;
pub mod plant;
pub mod rng;
pub mod run;
pub mod schedules;
pub mod sometimes;
pub mod trace;
pub mod wire;
pub mod worker;
pub mod workload;
pub mod world;
