//! The typed client of the HTTP API: one method per call, one error that says what kind of trouble it is.
//!
//! ```no_run
//! # async fn example() -> Result<(), mainspring_client::Error> {
//! let client = mainspring_client::Client::new("http://127.0.0.1:7070", None)?;
//! let task = client.task(&"task_101".into()).await?;
//! println!("{}", task.status);
//! # Ok(()) }
//! ```

mod client;
mod definitions;
mod error;
mod jobs;
mod operations;
mod query;
mod schedules;
mod sse;
mod stream;
mod tasks;

pub use client::Client;
pub use definitions::OnlyIf;
pub use error::Error;
pub use query::{ListQuery, TaskRef};
pub use stream::{Message, Stream};
