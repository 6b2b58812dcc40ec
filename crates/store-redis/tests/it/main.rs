//! The store against real Redis servers that the tests start, each on a free port of loopback and in a temporary folder.

mod clock;
mod conformance;
mod faults;
mod refusals;
mod rows;
mod server;
