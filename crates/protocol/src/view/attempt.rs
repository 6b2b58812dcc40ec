//! Attempts and their output, in the contract's shape.

use mainspring_core::row::LogRow;
use mainspring_core::task::Attempt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::{ErrorReport, StreamName};
use crate::time::Rfc3339;

/// One execution of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptView {
    /// The task.
    pub task_id: String,
    /// Its job.
    pub job_id: Option<String>,
    /// 1, 2, … over all generations.
    pub attempt: u32,
    /// The generation it belongs to.
    pub generation: u32,
    /// When it was granted.
    pub start_time: Rfc3339,
    /// When its outcome was accepted.
    pub end_time: Option<Rfc3339>,
    /// `success failure timeout lost cancelled snoozed interrupted`, or `running`.
    pub status: String,
    /// Who ran it.
    pub worker_id: String,
    /// What went wrong.
    pub error: Option<ErrorReport>,
    /// The last 4 KiB of what it printed.
    pub logs: String,
}

impl AttemptView {
    /// Shows an attempt; `logs` is the tail of what it printed.
    pub fn from_attempt(attempt: &Attempt, task_id: &str, job_id: Option<&str>, logs: String) -> Self {
        Self {
            task_id: task_id.to_owned(),
            job_id: job_id.map(str::to_owned),
            attempt: attempt.number,
            generation: attempt.generation,
            start_time: Rfc3339(attempt.started_at),
            end_time: attempt.ended_at.map(Rfc3339),
            status: attempt.outcome.map_or("running", |outcome| outcome.word()).to_owned(),
            worker_id: attempt.worker.to_string(),
            error: attempt.error.as_ref().map(ErrorReport::from),
            logs,
        }
    }
}

/// A piece of what an attempt printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogView {
    /// Which attempt.
    pub attempt: u32,
    /// The number of the piece in its attempt.
    pub seq: u64,
    /// Where it came from.
    pub stream: StreamName,
    /// When it was accepted.
    pub timestamp: Rfc3339,
    /// The text.
    pub data: String,
}

impl LogView {
    /// Shows a stored chunk.
    pub fn from_row(row: &LogRow) -> Self {
        Self {
            attempt: row.attempt,
            seq: row.number,
            stream: row.stream.into(),
            timestamp: Rfc3339(row.at),
            data: row.data.to_string(),
        }
    }
}
