//! Refusals: RFC 9457 problem details (`application/problem+json`) with a stable code, the place and a hint.

use std::fmt;

use mainspring_core::effect::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::code::Code;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal, as the API answers it and the command line prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A URI for the code.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The code's title.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: Code,
    /// What is wrong here: value and limit.
    #[serde(default)]
    pub detail: String,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Each problem with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemItem>,
    /// When to try again, in milliseconds (also in the header `Retry-After`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// One problem and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemItem {
    /// A JSON pointer (RFC 6901) into the body; empty for the whole.
    pub pointer: String,
    /// The stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What is wrong here.
    pub detail: String,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Line in the YAML or JSON text, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in that line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

/// Longest pointer and detail in bytes: a refusal does not repeat a long body.
const TEXT_BYTES_MAX: usize = 1_024;

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}

impl ProblemItem {
    /// A problem of this code at this place. What is longer than a kibibyte is cut.
    pub fn new(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (cut(pointer.into()), cut(detail.into()));
        Self { pointer, code: Some(code), detail, hint: None, line: None, column: None }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Problem {
    /// A problem of this code; title and status follow from it. A detail longer than a kibibyte is cut.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: code.type_uri().into_owned(),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: cut(detail.into()),
            hint: None,
            errors: Vec::new(),
            retry_after_ms: None,
        }
    }

    /// One problem of several items: the code is theirs if they share one, else [`Code::Invalid`]; detail and hint are
    /// the first one's.
    pub fn of_items(items: Vec<ProblemItem>) -> Self {
        let first = items.first();
        let code = first.and_then(|item| item.code).unwrap_or(Code::Invalid);
        let code = if items.iter().all(|item| item.code == Some(code)) { code } else { Code::Invalid };
        let detail = match (first, items.len()) {
            (None, _) => String::new(),
            (Some(item), 1) => item.detail.clone(),
            (Some(item), count) => format!("{} (and {} more)", item.detail, count - 1),
        };
        let hint = first.and_then(|item| item.hint.clone());
        Self { hint, errors: items, ..Self::new(code, detail) }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a place and what is wrong there.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(ProblemItem::new(self.code, pointer, detail));
        self
    }

    /// Says when to try again, in milliseconds.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.detail.is_empty() { &self.title } else { &self.detail })
    }
}

impl std::error::Error for Problem {}

/// After which time a backlog that was full may be tried again, in milliseconds.
const BACKLOG_RETRY_MS: u64 = 1_000;

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let (code, hint) = match refusal {
            Refusal::NotFound => (Code::NotFound, None),
            Refusal::NoDefinition | Refusal::NoSchedule => (Code::NotFound, None),
            Refusal::OtherVersion { .. } => (Code::VersionMismatch, Some("read it again, then decide again")),
            Refusal::TooManyDefinitions(_) => (Code::LimitExceeded, Some("apply fewer at once")),
            Refusal::ScheduleTaken { of_definition: true } => {
                (Code::IdTaken, Some("apply the definition again with another `schedule`, or without one"))
            }
            Refusal::ScheduleTaken { of_definition: false } => {
                (Code::IdTaken, Some("edit it with PUT, or choose another name"))
            }
            Refusal::IdTaken(_) => (Code::IdTaken, Some("repeat the same body, or choose another id")),
            Refusal::KeyReused(_) => (Code::IdempotencyKeyReused, Some("repeat the same body, or use another key")),
            Refusal::NotUnique { .. } => {
                (Code::NotUnique, Some("wait for it, or give the policy `replace` or `debounce`"))
            }
            Refusal::QuotaExceeded { .. } => (Code::QuotaExceeded, None),
            Refusal::BacklogFull { max, tasks, .. } if tasks > max => {
                (Code::QuotaExceeded, Some("submit it in smaller parts, or raise `maxBacklog` of the tenant"))
            }
            Refusal::BacklogFull { .. } => {
                (Code::QuotaExceeded, Some("wait until some have ended, or raise `maxBacklog` of the tenant"))
            }
            Refusal::KeyElsewhere(_) => (
                Code::NotSupportedYet,
                Some("leave the id out, so that the key chooses the shard, or use a store with one shard"),
            ),
            Refusal::WrongState { .. } => (Code::WrongState, None),
            Refusal::TooManyFollowers => {
                (Code::LimitExceeded, Some("let fewer schedules follow jobs, or use a store with more shards"))
            }
            Refusal::NotDead => (Code::NotDead, None),
            Refusal::Busy => (Code::Busy, Some("try again shortly")),
            Refusal::NotServed => (Code::Stopping, Some("repeat it; its shard is on its way to another node")),
            Refusal::OutcomeUnknown => {
                (Code::OutcomeUnknown, Some("repeat the request with the same id or Idempotency-Key"))
            }
        };
        let mut problem = Self::new(code, refusal.to_string());
        match refusal {
            Refusal::QuotaExceeded { retry_after_ms, .. } => problem = problem.retry_after_ms(*retry_after_ms),
            Refusal::BacklogFull { max, tasks, .. } if tasks <= max => {
                problem = problem.retry_after_ms(BACKLOG_RETRY_MS)
            }
            _ => {}
        }
        match hint {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        }
    }
}
