//! A job as the API shows it.

use mainspring_core::id::{IdKind, Key};
use mainspring_core::job::{FailurePolicy, JobRow, JobStatus, SweepKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DefinitionRef;
use crate::time::Rfc3339;

/// A job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// Its id.
    pub job_id: String,
    /// The human name.
    pub job_name: Option<String>,
    /// The definition it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionRef>,
    /// Whom it belongs to.
    pub user_id: String,
    /// `pending running paused completed failed cancelled`.
    pub status: String,
    /// Opened by reruns, from 1.
    pub generation: u32,
    /// Its tasks by how they ended.
    pub tasks: JobCountsView,
    /// `continue` or `fail_fast`.
    pub failure_policy: String,
    /// Failed tasks that no other task handled.
    #[serde(default)]
    pub unhandled_failures: u32,
    /// Nothing of it is granted until it is resumed.
    #[serde(default)]
    pub paused: bool,
    /// Its cancel was accepted.
    #[serde(default)]
    pub cancel_requested: bool,
    /// Work over all its tasks that is still going on: `starting resuming cancelling failing_fast rerunning deleting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<String>,
    /// The task of another job that it carries out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentView>,
    /// The values of its parameters; lists leave them out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<serde_json::Value>,
    /// When what has not ended of it is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Rfc3339>,
    /// How many jobs of its definition may be live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_active: Option<u32>,
    /// It waits until fewer jobs of its definition are live.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// When it was accepted.
    pub created_at: Rfc3339,
    /// When its first attempt of this generation started.
    pub start_time: Option<Rfc3339>,
    /// When it became terminal.
    pub end_time: Option<Rfc3339>,
}

/// A task of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentView {
    /// The job.
    pub job_id: String,
    /// The task in it.
    pub task_id: String,
}

/// Tasks of a job by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobCountsView {
    /// All of them.
    pub total: u32,
    /// Completed.
    pub completed: u32,
    /// Failed.
    pub failed: u32,
    /// Cancelled.
    pub cancelled: u32,
    /// Skipped.
    pub skipped: u32,
}

/// The answer to a submitted job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmittedJobView {
    /// Its id.
    pub job_id: String,
    /// Where it stands.
    pub status: String,
    /// Whether it was accepted earlier under the same id or key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
}

impl SubmittedJobView {
    /// The answer to a job with this key. `given_id` is the id its client chose.
    pub fn new(key: Key, given_id: Option<&str>, status: JobStatus, repeated: bool) -> Self {
        let job_id = given_id.map_or_else(|| key.id(IdKind::Job), str::to_owned);
        Self { job_id, status: status.word().to_owned(), repeated }
    }
}

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    definition: Option<String>,
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    params: Option<serde_json::Value>,
}

impl JobCountsView {
    /// Of a job's row.
    pub fn from_row(row: &JobRow) -> Self {
        let counts = row.state.counts;
        Self {
            total: row.tasks,
            completed: counts.completed,
            failed: counts.failed,
            cancelled: counts.cancelled,
            skipped: counts.skipped,
        }
    }
}

impl JobView {
    /// Takes away what a list does not show.
    #[must_use]
    pub fn for_list(mut self) -> Self {
        self.params = None;
        self
    }

    /// Shows a row.
    pub fn from_row(row: &JobRow) -> Self {
        let state = &row.state;
        let body: Body = serde_json::from_str(&row.body).unwrap_or_default();
        Self {
            job_id: row.given_id.as_deref().map_or_else(|| row.key.id(IdKind::Job), str::to_owned),
            job_name: row.title.as_deref().map(str::to_owned),
            definition: body.definition.map(|name| DefinitionRef { name, version: body.version }),
            user_id: row.tenant.to_string(),
            status: state.status.word().to_owned(),
            generation: state.generation,
            tasks: JobCountsView::from_row(row),
            failure_policy: match row.failure_policy {
                FailurePolicy::Continue => "continue",
                FailurePolicy::FailFast => "fail_fast",
            }
            .to_owned(),
            unhandled_failures: state.unhandled,
            paused: state.paused,
            cancel_requested: state.cancelled,
            sweep: state.sweep.as_ref().map(|sweep| sweep_word(&sweep.kind).to_owned()),
            parent: None,
            params: body.params,
            deadline: row.deadline().map(Rfc3339),
            max_active: row.active_key.as_ref().map(|(_, limit)| *limit),
            queued: state.queued,
            tags: row.tags.iter().map(ToString::to_string).collect(),
            created_at: Rfc3339(row.created_at),
            start_time: state.started_at.map(Rfc3339),
            end_time: state.ended_at.map(Rfc3339),
        }
    }
}

fn sweep_word(kind: &SweepKind) -> &'static str {
    match kind {
        SweepKind::Staging => "staging",
        SweepKind::Starting => "starting",
        SweepKind::Resuming => "resuming",
        SweepKind::Cancelling => "cancelling",
        SweepKind::FailingFast => "failing_fast",
        SweepKind::Rerunning(_) => "rerunning",
        SweepKind::Deleting => "deleting",
        SweepKind::Reporting => "reporting",
        SweepKind::Hooking | SweepKind::Announcing(_) => "telling",
    }
}
