//! Tasks run by code of the program that embeds the worker.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use mainspring_protocol::exchange::{GrantMessage, StreamName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::feed::{Feed, Step};

/// A registered handler.
pub(crate) type Handler = Arc<dyn Fn(Context) -> BoxFuture<'static, Result<Value, HandlerError>> + Send + Sync>;

/// What a handler knows about the attempt it runs, and how it speaks while it runs. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    grant: Arc<GrantMessage>,
    feed: Arc<Feed>,
}

impl Context {
    pub(crate) fn new(grant: Arc<GrantMessage>, feed: Arc<Feed>) -> Self {
        Self { grant, feed }
    }

    /// The grant: ids, attempt, payload as text, …
    pub fn grant(&self) -> &GrantMessage {
        &self.grant
    }

    /// The payload, read as `T`; a task without one is read as `null`.
    ///
    /// # Errors
    /// A failure of type `bad_payload`, which is not retried.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, HandlerError> {
        let text = self.grant.payload.as_ref().map_or("null", |payload| payload.get());
        serde_json::from_str(text).map_err(|error| {
            HandlerError::new("bad_payload", format!("the payload does not fit: {error}")).not_retryable()
        })
    }

    /// Adds a line to the attempt's log.
    pub fn log(&self, line: &str) {
        self.feed.push(StreamName::Stdout, &format!("{line}\n"));
    }

    /// Says how far it got: percent (0 to 100) and what it does now. Also a sign of life for `heartbeatTimeout`.
    pub fn progress(&self, percent: u8, message: impl Into<String>) {
        let (percent, message) = (Some(f64::from(percent.min(100))), Some(message.into()));
        self.feed.progress(Step { percent, message, checkpoint: None });
    }

    /// Notes what the next attempt of this generation may go on from, at most 64 KiB of JSON. Sent with the next call and
    /// stored at most once a second; the last one counts. Also a sign of life.
    ///
    /// # Errors
    /// If the value cannot be written as JSON.
    pub fn checkpoint(&self, value: &impl Serialize) -> Result<(), HandlerError> {
        let checkpoint = serde_json::value::to_raw_value(value).map_err(|error| {
            HandlerError::new("bad_checkpoint", format!("the checkpoint cannot be written: {error}")).not_retryable()
        })?;
        self.feed.progress(Step { checkpoint: Some(checkpoint), ..Step::default() });
        Ok(())
    }

    /// What an earlier attempt of this generation noted last; `None` if none did.
    ///
    /// # Errors
    /// A failure of type `bad_checkpoint`, which is not retried, if it does not fit `T`.
    pub fn last_checkpoint<T: DeserializeOwned>(&self) -> Result<Option<T>, HandlerError> {
        let read = self.grant.checkpoint.as_ref().map(|json| serde_json::from_str(json.get())).transpose();
        read.map_err(|error| {
            HandlerError::new("bad_checkpoint", format!("the checkpoint does not fit: {error}")).not_retryable()
        })
    }
}

/// Why a handler failed, or that it wants to be run later.
#[derive(Clone, Debug)]
pub struct HandlerError {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) retryable: Option<bool>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) snooze: bool,
}

impl HandlerError {
    /// A failure: a stable word for its kind, and what to tell a person.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), retryable: None, retry_after: None, snooze: false }
    }

    /// Not a failure: run me again after this time, at no cost to my retries.
    pub fn snooze(after: Duration) -> Self {
        Self { snooze: true, retry_after: Some(after), ..Self::new("snoozed", "") }
    }

    /// No retry can help.
    #[must_use]
    pub fn not_retryable(mut self) -> Self {
        self.retryable = Some(false);
        self
    }

    /// When to try again, instead of the task's backoff.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

impl<E: std::error::Error> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let kind = std::any::type_name::<E>().rsplit("::").next().unwrap_or("error");
        Self::new(kind, error.to_string())
    }
}
