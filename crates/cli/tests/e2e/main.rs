//! The real binary from outside: real processes, real signals, real files.
//!
//! Each test starts its own server on a port and in a folder of its own. What the outside world gives no signal for is
//! asked again until a deadline, in one place ([`wait`]).

mod backup;
mod disk;
mod drain;
mod flow;
mod follow;
mod history;
mod http;
mod idle;
mod install;
mod kill;
mod limits;
mod migrate;
mod nodes;
mod ownership;
mod pause;
mod placed;
#[expect(dead_code, reason = "the tests of chaos use all of it")]
mod postgres;
mod process;
mod python;
#[expect(dead_code, reason = "the tests of chaos use all of it")]
mod redis;
mod redis_key;
mod report;
mod run;
mod wait;
