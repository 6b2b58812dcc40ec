//! The HTTP API over real sockets, a real node and a real file.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests themselves")]

mod bad_input;
mod cluster;
mod configured;
mod contract;
mod dashboard;
mod definitions;
mod description;
mod endings;
mod events;
mod flow;
mod graph_layout;
mod lifecycle;
mod limits;
mod lists;
mod mission;
mod operations;
mod profiles;
mod raw;
mod schedules;
mod support;
