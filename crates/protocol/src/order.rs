//! Bodies of the calls that change something but create no work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::duration::WireDuration;
use crate::time::Rfc3339;

/// `POST /api/v1/jobs/{id}/rerun`. An empty body means `from: failed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RerunRequest {
    /// Which tasks run again; their descendants follow.
    #[serde(default)]
    pub from: RerunFrom,
    /// The task, for `from: task`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
}

/// Which tasks a rerun chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RerunFrom {
    /// Every failed or cancelled task.
    #[default]
    Failed,
    /// The task `taskId`.
    Task,
    /// All tasks.
    Start,
}

/// `POST /api/v1/schedules/{name}/trigger`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TriggerRequest {
    /// Parameters that replace the schedule's own, this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<serde_json::Map<String, serde_json::Value>>,
}

/// `POST /api/v1/schedules/{name}/backfill`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackfillRequest {
    /// The first instant.
    pub from: Rfc3339,
    /// The last instant; the past only.
    pub to: Rfc3339,
    /// How many may run side by side, 1 to 100. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /api/v1/dead-letters/redrive`: by ids or by query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedriveRequest {
    /// Task ids; `job/task` inside a job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// A query, instead of ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// At most this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Between the starts of two of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing: Option<WireDuration>,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /api/v1/dead-letters/discard`: by ids or by query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscardRequest {
    /// Task ids; `job/task` inside a job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// A query, instead of ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// At most this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
}

/// `PATCH /api/v1/dead-letters/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditRequest {
    /// The new payload.
    pub payload: Box<RawValue>,
}

/// `POST /api/v1/{tasks|jobs|dead-letters}/bulk`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BulkRequest {
    /// What: `cancel`, `retry`, `delete`, `redrive`, `discard`, `pause`, `resume`, `rerun`.
    pub action: String,
    /// On which.
    pub q: String,
    /// Only count. Default true.
    #[serde(default = "yes")]
    pub dry_run: bool,
}

fn yes() -> bool {
    true
}

/// `POST /api/v1/jobs/{id}/tasks/{id}/signal`: the answer to an approval.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignalRequest {
    /// Whether the task completes; otherwise it fails, `approval_refused`.
    pub approved: bool,
    /// Why, at most 4,096 characters. Kept in the task's output and in the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}
