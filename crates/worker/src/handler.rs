//! Tasks run by code of the program that embeds the worker.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use mainspring_protocol::exchange::{GrantMessage, StreamName};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::feed::Feed;

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
        self.feed.progress(percent.min(100), message.into());
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
