//! The server: the node that runs the core over a store, and the HTTP API in front of it.
//!
//! [`node`] is the engine's shell; `api` speaks HTTP and turns requests into calls of it; [`serve`](serve()) opens a
//! store, starts a node, binds an address and runs until it is told to stop.

mod api;
mod applied;
mod clock;
pub mod config;
mod connection;
mod dashboard;
mod folder;
mod library;
mod loops;
pub mod node;
mod open;
mod serve;
mod watch;

pub use api::openapi;
pub use clock::{Clock, SystemClock};
pub use open::{sqlite_file, store as open_store};
pub use serve::{HttpLimits, Running, ServeConfig, ServeError, serve, serve_store};
