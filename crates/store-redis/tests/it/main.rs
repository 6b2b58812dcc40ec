//! The store against real Redis servers that the tests start, each on a free port of loopback and in a temporary folder.

mod clock;
mod cluster;
mod conformance;
mod faults;
mod made;
mod members;
mod ownership;
mod refusals;
mod rows;
mod server;
mod spread;
mod tls;
