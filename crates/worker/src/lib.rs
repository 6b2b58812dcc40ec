//! The worker: takes grants from a [`TaskSource`], runs them, and says how they ended.
//!
//! ```text
//!  TaskSource (HTTP, in-process node, broker)
//!      ▲ outcomes, renewals, logs      │ grants, cancels, directives
//!      │                               ▼
//!    run: one loop ── desk (what runs) ── outbox (what is to be said)
//!      │
//!      ├─ done at once: noop
//!      ├─ lanes: handlers, http            (many futures in a few tokio tasks)
//!      └─ shell ──▶ supervise: a process per attempt that leaves nothing behind
//! ```
//! Kept here: an attempt runs only under its lease (I2 from the worker's side: what cannot be renewed is killed before
//! the server may grant it elsewhere); a grant that comes twice runs once; an outcome is said until it is known.

mod attempt;
mod clock;
mod config;
mod desk;
mod executor;
mod feed;
mod handler;
mod http_source;
mod lanes;
mod outbox;
mod processes;
mod random;
mod run;
mod scratch;
mod shutdown;
mod source;
pub mod supervise;

pub use config::{Handlers, HttpConfig, ShellConfig, WorkerConfig};
pub use handler::{Context, HandlerError};
pub use http_source::HttpSource;
pub use run::{RunError, Served, run};
pub use shutdown::{Shutdown, Stopper, Urgency};
pub use source::{SourceError, TaskSource};
pub use supervise::Limits;
