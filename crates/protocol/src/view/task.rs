//! A task as the API shows it.

use std::collections::BTreeMap;

use mainspring_core::id::IdKind;
use mainspring_core::job::JobRow;
use mainspring_core::row::TaskRow;
use mainspring_core::spec::{Backoff, BackoffShape, OnWorkerLost, Policy, TaskSpec};
use mainspring_core::task::{Attempt, TaskStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::duration::WireDuration;
use crate::exchange::ErrorReport;
use crate::submit::trigger_word;
use crate::time::Rfc3339;
use crate::view::JobCountsView;

/// A task. Lists leave out what it runs (payload, command, …) and its output.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// Its id; inside a job its name there.
    pub task_id: String,
    /// The job it belongs to.
    pub job_id: Option<String>,
    /// The human name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
    /// Whom it belongs to.
    pub user_id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The queue it waits in.
    pub queue: String,
    /// 0 to 9, 9 first.
    pub priority: u8,
    /// `pending scheduled waiting ready running completed failed cancelled skipped`.
    pub status: String,
    /// Opened by redrives and reruns, from 1.
    pub generation: u32,
    /// The number of the last attempt; 0 before the first.
    pub attempt: u32,
    /// How many failures are tried again.
    #[serde(default)]
    pub retries: u32,
    /// How long to wait before each retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffView>,
    /// Longest time one attempt may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<WireDuration>,
    /// Longest silence of the task's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout: Option<WireDuration>,
    /// `retry fail hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_worker_lost: Option<String>,
    /// When it may start, for a task of a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// When it was accepted.
    pub created_at: Rfc3339,
    /// When it becomes ready, while `scheduled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Rfc3339>,
    /// When it became ready last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Rfc3339>,
    /// When its last attempt started.
    pub start_time: Option<Rfc3339>,
    /// When it became terminal.
    pub end_time: Option<Rfc3339>,
    /// The instant after which it is not worth starting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Rfc3339>,
    /// The worker of the last attempt.
    pub worker_id: Option<String>,
    /// What went wrong in the last attempt.
    pub error: Option<ErrorReport>,
    /// `condition upstream_failed upstream_skipped`, when `skipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_reason: Option<String>,
    /// A worker was lost and it waits for somebody's retry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// When it fails without an answer, while it waits for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_until: Option<Rfc3339>,
    /// Its expressions are being evaluated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evaluating: bool,
    /// The instances of its `forEach` by how they ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<JobCountsView>,
    /// The sub-job that carries it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_job_id: Option<String>,
    /// It stands among the dead letters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead: bool,
    /// Tags, as submitted.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Labels a worker must carry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The group it is shown in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Box<RawValue>>,
    /// A program and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// A script for `sh -c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// A request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Box<RawValue>>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where the program starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Exit codes that mean success.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success_exit_codes: Vec<i32>,
    /// Exit codes that mean there was nothing to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_exit_codes: Vec<i32>,
    /// What it returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Box<RawValue>>,
}

/// How long to wait before retry `n`: `min(max, initial · shape(n))`, then jitter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackoffView {
    /// `fixed linear exponential`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The first wait.
    pub initial: WireDuration,
    /// The factor of exponential growth.
    pub factor: f64,
    /// The cap.
    pub max: WireDuration,
    /// `full` or `none`.
    pub jitter: String,
}

impl From<Backoff> for BackoffView {
    fn from(backoff: Backoff) -> Self {
        let kind = match backoff.shape {
            BackoffShape::Fixed => "fixed",
            BackoffShape::Linear => "linear",
            BackoffShape::Exponential => "exponential",
        };
        Self {
            kind: kind.to_owned(),
            initial: WireDuration::from_ms(backoff.initial_ms),
            factor: backoff.factor_milli as f64 / 1_000.0,
            max: WireDuration::from_ms(backoff.max_ms),
            jitter: if backoff.full_jitter { "full" } else { "none" }.to_owned(),
        }
    }
}

/// The members of a body that a view shows.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    payload: Option<Box<RawValue>>,
    command: Option<Vec<String>>,
    run: Option<String>,
    http: Option<Box<RawValue>>,
    env: BTreeMap<String, String>,
    working_dir: Option<String>,
    success_exit_codes: Vec<i32>,
    skip_exit_codes: Vec<i32>,
    group: Option<String>,
}

impl TaskView {
    /// Shows a row. `job_id` is the text of its job's id, if it has one. What the row does not carry (in lists the
    /// body, in hot reads the spec) stays at its default.
    pub fn from_row(row: &TaskRow, job_id: Option<&str>) -> Self {
        let state = &row.state;
        let last = state.last.as_ref();
        let mut view = Self {
            task_id: row.given_id.as_deref().map_or_else(|| row.key.id(IdKind::Task), str::to_owned),
            job_id: job_id.map(str::to_owned).or_else(|| row.job.map(|job| job.id(IdKind::Job))),
            user_id: row.tenant.to_string(),
            status: state.status.word().to_owned(),
            generation: state.generation,
            attempt: state.attempt,
            trigger: row.job.map(|_| trigger_word(row.trigger).to_owned()),
            created_at: Rfc3339(row.created_at),
            run_at: state.due.filter(|_| state.status.word() == "scheduled").map(Rfc3339),
            ready_at: state.ready_at.map(Rfc3339),
            start_time: last.map(|attempt| Rfc3339(attempt.started_at)),
            end_time: state.ended_at.map(Rfc3339),
            worker_id: last.map(|attempt| attempt.worker.to_string()),
            error: error_of(row),
            skip_reason: state.skip_reason.map(|reason| reason.word().to_owned()),
            held: state.held,
            approval_until: state.due.filter(|_| state.status == TaskStatus::Waiting && !state.held).map(Rfc3339),
            evaluating: state.evaluating,
            dead: state.dead,
            ..Self::default()
        };
        if let Some(spec) = &row.spec {
            view.add_spec(spec);
        }
        view
    }

    /// Shows what was submitted; [`TaskView::from_row`] does it for a row that carries its spec.
    pub fn add_spec(&mut self, spec: &TaskSpec) {
        self.task_name = spec.title.as_deref().map(str::to_owned);
        self.kind = spec.kind.to_string();
        self.queue = spec.queue.to_string();
        self.priority = spec.priority;
        self.expires_at = spec.expires_at_ms.map(|ms| Rfc3339(mainspring_core::time::Timestamp::from_millis(ms)));
        self.tags = spec.tags.iter().map(ToString::to_string).collect();
        self.labels = spec.class.labels.iter().map(|label| split_label(label)).collect();
        self.add_policy(&spec.policy);
        self.add_body(&spec.body);
    }

    fn add_policy(&mut self, policy: &Policy) {
        self.retries = policy.retries;
        self.backoff = (policy.retries > 0).then(|| policy.backoff.into());
        self.timeout = policy.timeout_ms.map(WireDuration::from_ms);
        self.heartbeat_timeout = policy.heartbeat_timeout_ms.map(WireDuration::from_ms);
        self.on_worker_lost = match policy.on_worker_lost {
            OnWorkerLost::Retry => None,
            OnWorkerLost::Fail => Some("fail".to_owned()),
            OnWorkerLost::Hold => Some("hold".to_owned()),
        };
    }

    /// Shows the members of a body; an empty text (a body that was not read) shows nothing.
    pub fn add_body(&mut self, body: &str) {
        let body: Body = serde_json::from_str(body).unwrap_or_default();
        self.payload = body.payload;
        self.command = body.command;
        self.run = body.run;
        self.http = body.http;
        self.env = body.env;
        self.working_dir = body.working_dir;
        self.success_exit_codes = body.success_exit_codes;
        self.skip_exit_codes = body.skip_exit_codes;
        self.group = body.group;
    }

    /// Adds the job that carries it out.
    #[must_use]
    pub fn with_child(mut self, child: &JobRow) -> Self {
        if child.is_instances() {
            self.instances = Some(JobCountsView::from_row(child));
        } else {
            self.child_job_id = Some(child.key.id(IdKind::Job));
        }
        self
    }

    /// Adds what it returned: JSON text as stored.
    #[must_use]
    pub fn with_output(mut self, output: Option<&str>) -> Self {
        self.output = output.and_then(|text| RawValue::from_string(text.to_owned()).ok());
        self
    }

    /// Takes away what a list does not show.
    #[must_use]
    pub fn for_list(mut self) -> Self {
        self.add_body("");
        self.output = None;
        self
    }
}

/// What went wrong: outside of attempts, or in the last one.
fn error_of(row: &TaskRow) -> Option<ErrorReport> {
    let last = || row.state.last.as_ref().and_then(|attempt| attempt.error.as_ref()).map(ErrorReport::from);
    row.state.failure.as_ref().map(ErrorReport::from).or_else(|| expired(row)).or_else(last)
}

/// Why a task has failed that no attempt took down with it, and nothing else is known to: it can only have expired. A last attempt that did ended at
/// the same instant.
fn expired(row: &TaskRow) -> Option<ErrorReport> {
    let state = &row.state;
    let earlier = |last: &Attempt| last.generation < state.generation || last.ended_at < state.ended_at;
    let unserved = state.status == TaskStatus::Failed && state.last.as_ref().is_none_or(earlier);
    let message = "expired before a worker took it".to_owned();
    unserved.then(|| ErrorReport { kind: "expired".to_owned(), message, trace: None })
}

fn split_label(label: &str) -> (String, String) {
    let (name, value) = label.split_once('=').unwrap_or((label, ""));
    (name.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use mainspring_core::id::{Bucket, Key};
    use mainspring_core::task::{Failure, Outcome, Place, TaskState};
    use mainspring_core::time::Timestamp;

    use super::*;

    /// A task whose one attempt failed at second 1 and which failed itself at this second.
    fn failed_at(second: i64) -> TaskRow {
        let at = |second: i64| Timestamp::from_millis(second * 1_000);
        let error = Failure { kind: "exit_code".into(), message: "ended with 1".into(), trace: None };
        let last = Attempt {
            number: 1,
            generation: 1,
            worker: "w".into(),
            started_at: at(0),
            ended_at: Some(at(1)),
            outcome: Some(Outcome::Failure),
            error: Some(error),
            lease: 1,
        };
        let state = TaskState {
            attempt: 1,
            failures: 1,
            ended_at: Some(at(second)),
            last: Some(last),
            dead: true,
            ..TaskState::new(TaskStatus::Failed, Place::Rest)
        };
        TaskRow {
            spec: None,
            state,
            ..TaskRow::new(Key::new(1 << 20, Bucket::new(0)), TaskSpec::new("noop".into(), "{}".into()), at(0))
        }
    }

    #[test]
    fn a_task_that_expired_before_its_retry_says_so() {
        let kind = |row: &TaskRow| TaskView::from_row(row, None).error.expect("it has failed").kind;
        assert_eq!(kind(&failed_at(1)), "exit_code");
        assert_eq!(kind(&failed_at(9)), "expired");
        let mut redriven = failed_at(1);
        redriven.state.generation = 2;
        assert_eq!(kind(&redriven), "expired");
    }
}
