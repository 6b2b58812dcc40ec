//! One attempt while the worker has it: how it is steered, and how it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainspring_protocol::duration::WireDuration;
use mainspring_protocol::exchange::{ErrorReport, OutcomeReport, OutcomeStatus};
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::clock;

/// What attempts tell the loop.
#[derive(Debug)]
pub(crate) enum Event {
    /// The feed of the attempt with this token went from empty to not empty.
    Said(Arc<str>),
    /// The attempt with this token ended.
    Ended(Arc<str>, AttemptEnd),
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(crate) struct AttemptEnd {
    pub(crate) status: OutcomeStatus,
    pub(crate) output: Option<Box<RawValue>>,
    pub(crate) error: Option<ErrorReport>,
    pub(crate) retryable: Option<bool>,
    pub(crate) retry_after: Option<Duration>,
}

impl AttemptEnd {
    pub(crate) fn success(output: Option<Box<RawValue>>) -> Self {
        Self { status: OutcomeStatus::Success, output, error: None, retryable: None, retry_after: None }
    }

    pub(crate) fn with_error(status: OutcomeStatus, kind: &str, message: impl Into<String>) -> Self {
        let error = ErrorReport { kind: kind.to_owned(), message: message.into(), trace: None };
        Self { status, error: Some(error), ..Self::success(None) }
    }

    pub(crate) fn failure(kind: &str, message: impl Into<String>) -> Self {
        Self::with_error(OutcomeStatus::Failure, kind, message)
    }

    pub(crate) fn timeout(after: Duration) -> Self {
        let after = WireDuration::from_ms(clock::millis(after));
        Self::with_error(OutcomeStatus::Timeout, "timeout", format!("did not end within its timeout of {after}"))
    }

    pub(crate) fn silence(after: Duration) -> Self {
        let after = WireDuration::from_ms(clock::millis(after));
        let message = format!("gave no sign of life for its heartbeat timeout of {after}");
        Self::with_error(OutcomeStatus::Timeout, "heartbeat_timeout", message)
    }

    #[must_use]
    pub(crate) fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = Some(retryable);
        self
    }

    pub(crate) fn into_report(self, token: String) -> OutcomeReport {
        OutcomeReport {
            token,
            status: self.status,
            output: self.output,
            error: self.error,
            retryable: self.retryable,
            retry_after: self.retry_after.map(|after| WireDuration::from_ms(clock::millis(after))),
        }
    }
}

/// Why the worker ends an attempt before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Somebody called the task off.
    Cancel,
    /// The worker drains and the grace is over.
    Interrupt,
    /// The worker stops at once.
    Now,
    /// The lease could not be renewed: somebody else may soon run the task.
    LeaseLost,
    /// The server says that the lease is over.
    Stale,
}

impl Stop {
    /// Whether there is time to end politely.
    pub(crate) fn is_gentle(self) -> bool {
        matches!(self, Self::Cancel | Self::Interrupt)
    }

    pub(crate) fn end(self) -> AttemptEnd {
        use OutcomeStatus::{Cancelled, Interrupted};
        match self {
            Self::Cancel => AttemptEnd::with_error(Cancelled, "cancelled", "called off"),
            Self::Interrupt => AttemptEnd::with_error(Interrupted, "interrupted", "its worker drained"),
            Self::Now => AttemptEnd::with_error(Interrupted, "interrupted", "its worker stopped"),
            Self::LeaseLost => {
                AttemptEnd::with_error(Interrupted, "lease_lost", "its worker could not renew the lease in time")
            }
            Self::Stale => AttemptEnd::with_error(Interrupted, "lease_lost", "its lease was over"),
        }
    }
}

/// What the loop tells an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    /// Set once it shall end. Only ever becomes more urgent.
    pub(crate) stop: Option<Stop>,
    /// Until when it may run.
    pub(crate) lease_until: Instant,
}

/// Resolves once the attempt shall end.
pub(crate) async fn stopped(control: &mut watch::Receiver<Control>) -> Stop {
    match control.wait_for(|control| control.stop.is_some()).await {
        Ok(control) => control.stop.unwrap_or(Stop::Now),
        // The loop is gone.
        Err(_) => Stop::Now,
    }
}
