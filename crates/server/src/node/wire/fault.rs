//! Why something was not done: the core's refusals, and what kept a call from the core.

use mainspring_core::effect::Refusal;
use mainspring_core::id::{Key, Name};
use mainspring_core::job::JobStatus;
use mainspring_core::task::TaskStatus;
use serde::{Deserialize, Serialize};

use super::form::{formed, one};
use crate::node::CallError;

/// A [`CallError`] as one node tells it to another.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum FaultForm {
    Refused(#[serde(with = "one")] Refusal),
    Overloaded {
        retry_after_ms: u64,
    },
    OutcomeUnknown,
    /// Another node owns the shard; nothing of it was applied.
    Elsewhere,
    Invalid(String),
    WorkerIdInUse(Name),
    Unavailable(String),
}

impl FaultForm {
    pub(super) fn of(error: &CallError) -> Self {
        match error.clone() {
            CallError::Refused(refusal) => Self::Refused(refusal),
            CallError::Overloaded { retry_after_ms } => Self::Overloaded { retry_after_ms },
            CallError::OutcomeUnknown => Self::OutcomeUnknown,
            CallError::Stopped => Self::Elsewhere,
            CallError::Invalid(why) => Self::Invalid(why),
            CallError::WorkerIdInUse(worker) => Self::WorkerIdInUse(worker),
            CallError::Unavailable(why) => Self::Unavailable(why),
        }
    }

    pub(super) fn into_error(self) -> CallError {
        match self {
            Self::Refused(refusal) => CallError::Refused(refusal),
            Self::Overloaded { retry_after_ms } => CallError::Overloaded { retry_after_ms },
            Self::OutcomeUnknown => CallError::OutcomeUnknown,
            Self::Elsewhere => CallError::Stopped,
            Self::Invalid(why) => CallError::Invalid(why),
            Self::WorkerIdInUse(worker) => CallError::WorkerIdInUse(worker),
            Self::Unavailable(why) => CallError::Unavailable(why),
        }
    }
}

/// Hides from serde that these fields are borrowed: they are read into words of [`verb`] and [`status`].
type Word = &'static str;

#[derive(Serialize, Deserialize)]
#[serde(remote = "Refusal", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum RefusalForm {
    NotFound,
    IdTaken(Name),
    KeyReused(Name),
    NotUnique {
        key: Name,
        #[serde(with = "one")]
        holder: Key,
    },
    QuotaExceeded {
        tenant: Name,
        retry_after_ms: u64,
    },
    BacklogFull {
        tenant: Name,
        max: u64,
        there: u64,
        tasks: u64,
    },
    KeyElsewhere(Name),
    WrongState {
        #[serde(deserialize_with = "verb")]
        order: Word,
        #[serde(deserialize_with = "status")]
        status: Word,
    },
    NotDead,
    Busy,
    TooManyFollowers,
    NoDefinition,
    OtherVersion {
        name: Name,
        version: u32,
    },
    TooManyDefinitions(u32),
    NoSchedule,
    ScheduleTaken {
        of_definition: bool,
    },
    NotServed,
    OutcomeUnknown,
}

formed! { Refusal => RefusalForm }

/// The verbs with which the core refuses an order.
pub(super) const VERBS: [Word; 10] = [
    "cancel",
    "pause",
    "resume",
    "rerun",
    "rerun the failed tasks of",
    "rerun by itself",
    "retry",
    "signal",
    "trigger",
    "backfill",
];
/// What a verb reads as that only the other node knows.
pub(super) const OTHER_VERB: Word = "change";
/// What a status reads as that only the other node knows.
pub(super) const OTHER_STATUS: Word = "in another state";

fn verb<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
    let word = Name::deserialize(from)?;
    Ok(VERBS.into_iter().find(|known| **known == *word).unwrap_or(OTHER_VERB))
}

fn status<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
    let word = Name::deserialize(from)?;
    let of_job = JobStatus::from_word(&word).map(JobStatus::word);
    Ok(of_job.or(TaskStatus::from_word(&word).map(TaskStatus::word)).unwrap_or(OTHER_STATUS))
}
