//! The cluster under kills, with real processes on a real PostgreSQL and a real Redis: nothing acknowledged is lost (R07), and
//! the shards of a node that is gone are served again within seconds (R31). And under partitions (R12).
//!
//! `MAINSPRING_CHAOS_SECONDS`, `…_FAILOVERS`, `…_CHANGES`, `…_PARTITIONS`, `…_EVERY_MS` and `…_SEED` make a run longer, heavier, or the same again.

mod clocks;
mod cluster;
mod databases;
mod deposed;
mod dice;
mod failover;
mod kills;
mod partitions;
mod power;
mod proxy;
mod schedules;
mod three;
mod verdict;

#[path = "../e2e/http.rs"]
mod http;
#[path = "../e2e/postgres.rs"]
#[expect(dead_code, reason = "the end-to-end tests use all of it")]
mod postgres;
#[path = "../e2e/process.rs"]
#[expect(dead_code, unused_macros, unused_imports, reason = "the end-to-end tests use all of it")]
mod process;
#[path = "../e2e/redis.rs"]
mod redis;
#[path = "../e2e/wait.rs"]
mod wait;

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|error| panic!("{name} is no number: {error}"))
}
