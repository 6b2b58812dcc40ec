//! The exchange, the whole worker protocol: one call carries outcomes, renewals, logs and free capacity up, and grants,
//! acknowledgements, cancels and a directive down.

mod grant;

use std::collections::BTreeMap;

use mainspring_core::id::Name;
use mainspring_core::row::{Directive, LogStream};
use mainspring_core::task::{Failure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::duration::WireDuration;

pub use grant::{GrantHead, GrantMessage, write_grant};

/// Characters of a failure's message that are kept, in bytes; the rest is cut with a mark.
pub const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Bytes of a failure's trace that are kept.
pub const TRACE_BYTES_MAX: usize = 64 << 10;
/// Longest `waitMs`.
pub const WAIT_MS_MAX: u64 = 60_000;

/// What a worker says.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExchangeRequest {
    /// The worker; kept over restarts. At most 128 characters.
    pub worker_id: String,
    /// This process start of the worker. At most 128 characters.
    pub session_id: String,
    /// The number of this call in the session, from 1. A higher one ends an older call that still waits.
    pub seq: u64,
    /// The highest reply `seq` that was received; grants of later replies are sent again.
    #[serde(default)]
    pub ack: u64,
    /// Queues it serves; empty means every queue.
    #[serde(default)]
    pub queues: Vec<String>,
    /// Task types it runs: `shell` for commands, `*` for any type but `shell`.
    #[serde(default)]
    pub types: Vec<String>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How many more attempts it can take now.
    #[serde(default)]
    pub capacity: u32,
    /// How long the call may wait for something to say, in milliseconds; at most 60,000.
    #[serde(default)]
    pub wait_ms: u64,
    /// How long its leases shall last without renewal, in milliseconds; default 15,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// Attempts that ended. Sent again until they are accepted or stale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<OutcomeReport>,
    /// Output of attempts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogChunk>,
    /// Tokens of attempts that still run: renews their leases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<String>,
    /// Progress of attempts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub progress: Vec<ProgressReport>,
    /// The worker says good-bye: what it still holds is interrupted at no cost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
}

/// The end of an attempt.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutcomeReport {
    /// The attempt's token.
    pub token: String,
    /// How it ended.
    pub status: OutcomeStatus,
    /// What it returned: any JSON value, at most 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Box<RawValue>>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
    /// Whether a retry makes sense; absent: the task's policy decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// When to try again; required for `snoozed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<WireDuration>,
}

/// How an attempt can end. The words of [`Outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// It did its work.
    Success,
    /// Its code failed.
    Failure,
    /// It ran, or was silent, for too long.
    Timeout,
    /// Its worker vanished. Said by the server; a worker that lost an attempt of its own may say so.
    Lost,
    /// It was called off.
    Cancelled,
    /// It asked to be run later.
    Snoozed,
    /// Its worker hands it back.
    Interrupted,
}

impl From<OutcomeStatus> for Outcome {
    fn from(status: OutcomeStatus) -> Self {
        match status {
            OutcomeStatus::Success => Self::Success,
            OutcomeStatus::Failure => Self::Failure,
            OutcomeStatus::Timeout => Self::Timeout,
            OutcomeStatus::Lost => Self::Lost,
            OutcomeStatus::Cancelled => Self::Cancelled,
            OutcomeStatus::Snoozed => Self::Snoozed,
            OutcomeStatus::Interrupted => Self::Interrupted,
        }
    }
}

impl From<Outcome> for OutcomeStatus {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Success,
            Outcome::Failure => Self::Failure,
            Outcome::Timeout => Self::Timeout,
            Outcome::Lost => Self::Lost,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Snoozed => Self::Snoozed,
            Outcome::Interrupted => Self::Interrupted,
        }
    }
}

/// What went wrong in an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorReport {
    /// A stable word for the kind of error: an exception's class, `exit_code`, `timeout`, …
    #[serde(rename = "type", default)]
    pub kind: String,
    /// What to tell a person.
    #[serde(default)]
    pub message: String,
    /// A stack trace or the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

impl From<&Failure> for ErrorReport {
    fn from(failure: &Failure) -> Self {
        Self {
            kind: failure.kind.to_string(),
            message: failure.message.to_string(),
            trace: failure.trace.as_deref().map(str::to_owned),
        }
    }
}

impl From<ErrorReport> for Failure {
    /// Long texts are cut, the cut marked.
    fn from(report: ErrorReport) -> Self {
        let kind = if report.kind.is_empty() { "error" } else { &report.kind };
        Self {
            kind: cut(kind, mainspring_core::limits::NAME_CHARS_MAX),
            message: cut(&report.message, MESSAGE_BYTES_MAX),
            trace: report.trace.map(|trace| cut(&trace, TRACE_BYTES_MAX)),
        }
    }
}

fn cut(text: &str, bytes_max: usize) -> Name {
    if text.len() <= bytes_max {
        return text.into();
    }
    let end = text.floor_char_boundary(bytes_max);
    format!("{}… [cut, {} bytes in all]", &text[..end], text.len()).into()
}

/// A piece of what a running attempt printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogChunk {
    /// The attempt's token.
    pub token: String,
    /// The number of the chunk in the attempt, from 0; a repeat is ignored.
    pub seq: u64,
    /// Where it came from.
    #[serde(default)]
    pub stream: StreamName,
    /// The text.
    pub data: String,
}

/// Where output came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamName {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
    /// The engine's own remarks.
    System,
}

impl From<StreamName> for LogStream {
    fn from(name: StreamName) -> Self {
        match name {
            StreamName::Stdout => Self::Stdout,
            StreamName::Stderr => Self::Stderr,
            StreamName::System => Self::System,
        }
    }
}

impl From<LogStream> for StreamName {
    fn from(stream: LogStream) -> Self {
        match stream {
            LogStream::Stdout => Self::Stdout,
            LogStream::Stderr => Self::Stderr,
            LogStream::System => Self::System,
        }
    }
}

/// How far a running attempt got.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProgressReport {
    /// The attempt's token.
    pub token: String,
    /// 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// What it does now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the next attempt may continue from: any JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Box<RawValue>>,
}

/// What the server answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeReply {
    /// The `seq` of the call that this answers: `ack` it in the next one.
    #[serde(default)]
    pub seq: u64,
    /// Attempts to run.
    #[serde(default)]
    pub grants: Vec<GrantMessage>,
    /// Tokens whose outcomes were taken.
    #[serde(default)]
    pub accepted: Vec<String>,
    /// Tokens that are no longer good: stop these attempts, forget their outcomes.
    #[serde(default)]
    pub stale: Vec<String>,
    /// Tokens of attempts to stop; their outcome `cancelled` is still to be sent.
    #[serde(default)]
    pub cancel: Vec<String>,
    /// What to do next.
    #[serde(default)]
    pub directive: DirectiveName,
}

/// What a worker is told to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DirectiveName {
    /// Take work.
    #[default]
    Run,
    /// Take nothing new.
    Pause,
    /// Take nothing new, finish, leave.
    Drain,
}

impl DirectiveName {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pause => "pause",
            Self::Drain => "drain",
        }
    }
}

impl From<Directive> for DirectiveName {
    fn from(directive: Directive) -> Self {
        match directive {
            Directive::Run => Self::Run,
            Directive::Pause => Self::Pause,
            Directive::Drain => Self::Drain,
        }
    }
}
