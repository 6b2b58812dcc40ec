//! Queues, workers, dead letters and figures.

use std::collections::BTreeMap;

use mainspring_core::effect::SessionView;
use mainspring_core::row::TaskRow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::{DirectiveName, ErrorReport};
use crate::time::Rfc3339;
use crate::view::TaskView;

/// A count that stops at a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountView {
    /// How many, up to the bound.
    pub count: u64,
    /// Whether there are more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Nothing is granted from it.
    pub paused: bool,
    /// How many of its tasks may run at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How fast its tasks may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<crate::rate::WireRate>,
    /// Its tasks by status.
    pub tasks: BTreeMap<String, CountView>,
    /// How long its oldest ready task has waited, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_ready_seconds: Option<f64>,
}

/// A connected worker session, or a worker that was told something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerView {
    /// The worker.
    pub worker_id: String,
    /// Its session, while connected.
    pub session_id: Option<String>,
    /// Queues it serves; empty means every queue.
    pub queues: Vec<String>,
    /// Types it runs.
    pub types: Vec<String>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Free places.
    pub capacity: u32,
    /// What it runs.
    pub running: Vec<RunningView>,
    /// What it was told.
    pub directive: DirectiveName,
    /// When it was first seen.
    pub since: Option<Rfc3339>,
    /// When it was last heard of.
    pub heard_at: Option<Rfc3339>,
}

/// An attempt that a worker runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunningView {
    /// The task.
    pub task_id: String,
    /// Its job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
}

impl WorkerView {
    /// Shows a session. `running` names its attempts.
    pub fn from_session(session: &SessionView, running: Vec<RunningView>) -> Self {
        let offer = &session.offer;
        let text = |names: &[mainspring_core::id::Name]| names.iter().map(ToString::to_string).collect();
        let split = |label: &mainspring_core::id::Name| {
            let (name, value) = label.split_once('=').unwrap_or((label, ""));
            (name.to_owned(), value.to_owned())
        };
        Self {
            worker_id: session.worker.to_string(),
            session_id: Some(session.session.to_string()),
            queues: text(&offer.queues),
            types: text(&offer.executors),
            labels: offer.labels.iter().map(split).collect(),
            capacity: session.credits,
            running,
            directive: session.directive.into(),
            since: Some(Rfc3339(session.since)),
            heard_at: Some(Rfc3339(session.heard_at)),
        }
    }
}

/// A task that failed for good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterView {
    /// How it is addressed here: the task id, or `job/task` inside a job.
    pub id: String,
    /// The task.
    pub task_id: String,
    /// Its job.
    pub job_id: Option<String>,
    /// The human name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
    /// Whom it belongs to.
    pub user_id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// How often it was tried.
    pub attempt: u32,
    /// The generation that failed.
    pub generation: u32,
    /// What went wrong last.
    pub error: Option<ErrorReport>,
    /// Equal for errors that look alike; see [`fingerprint`].
    pub fingerprint: String,
    /// When it failed.
    pub failed_at: Option<Rfc3339>,
}

impl DeadLetterView {
    /// Shows the row of a dead letter.
    pub fn from_row(row: &TaskRow, job_id: Option<&str>) -> Self {
        let task = TaskView::from_row(row, job_id).for_list();
        let id = match &task.job_id {
            Some(job) => format!("{job}/{}", task.task_id),
            None => task.task_id.clone(),
        };
        Self {
            id,
            fingerprint: fingerprint(task.error.as_ref()),
            task_id: task.task_id,
            job_id: task.job_id,
            task_name: task.task_name,
            user_id: task.user_id,
            kind: task.kind,
            queue: task.queue,
            attempt: task.attempt,
            generation: task.generation,
            error: task.error,
            failed_at: task.end_time,
        }
    }
}

/// Equal for errors of one type whose messages differ only in numbers, hex and quoted parts: the type and the message
/// with those replaced, at most 120 characters.
pub fn fingerprint(error: Option<&ErrorReport>) -> String {
    let Some(error) = error else { return "unknown".to_owned() };
    let line = error.message.lines().next().unwrap_or_default();
    let mut text = format!("{}: ", error.kind);
    for word in line.split_inclusive(|c: char| c.is_whitespace() || ",:;()[]{}=".contains(c)) {
        let core = word.trim_end_matches(|c: char| c.is_whitespace() || ",:;()[]{}=".contains(c));
        if core.bytes().any(|byte| byte.is_ascii_digit()) {
            text.push('#');
            text.push_str(&word[core.len()..]);
        } else {
            text.push_str(word);
        }
        if text.len() > 120 {
            break;
        }
    }
    text.chars().take(120).collect::<String>().trim_end_matches([' ', ':']).to_owned()
}

/// Dead letters whose errors look alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterGroup {
    /// What they share.
    pub fingerprint: String,
    /// How many of this page.
    pub count: u64,
    /// The newest failure among them.
    pub last_at: Option<Rfc3339>,
    /// The oldest.
    pub first_at: Option<Rfc3339>,
    /// Their ids, newest first.
    pub ids: Vec<String>,
}

/// A page of dead letters, and the same grouped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLettersView {
    /// Each, newest first.
    pub items: Vec<DeadLetterView>,
    /// The same by what went wrong, the largest group first.
    pub groups: Vec<DeadLetterGroup>,
    /// Pass it as `cursor` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl DeadLettersView {
    /// Groups a page.
    pub fn new(items: Vec<DeadLetterView>, next_cursor: Option<String>) -> Self {
        let mut groups: BTreeMap<&str, DeadLetterGroup> = BTreeMap::new();
        for item in &items {
            let group = groups.entry(&item.fingerprint).or_default();
            group.count += 1;
            group.ids.push(item.id.clone());
            group.last_at = group.last_at.max(item.failed_at);
            group.first_at = group.first_at.map_or(item.failed_at, |first| item.failed_at.map(|at| at.min(first)));
        }
        let mut groups: Vec<DeadLetterGroup> = groups
            .into_iter()
            .map(|(fingerprint, group)| DeadLetterGroup { fingerprint: fingerprint.to_owned(), ..group })
            .collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        Self { items, groups, next_cursor }
    }
}

/// What a bulk action did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkView {
    /// How many it took, or would take.
    pub count: u64,
    /// Whether there are more: repeat the call.
    #[serde(default)]
    pub more: bool,
    /// Their ids.
    #[serde(default)]
    pub items: Vec<String>,
    /// Nothing was done.
    #[serde(default)]
    pub dry_run: bool,
}

/// The state of everything in a few figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatsView {
    /// Tasks by status.
    pub tasks: BTreeMap<String, CountView>,
    /// Jobs by status.
    pub jobs: BTreeMap<String, CountView>,
    /// Each queue.
    pub queues: Vec<QueueView>,
    /// Connected worker sessions.
    pub workers: u64,
    /// Attempts that run.
    pub running: u64,
    /// Attempts that ended since the server started, by outcome.
    pub attempts: BTreeMap<String, u64>,
    /// What the store is, for people.
    #[serde(default)]
    pub store: String,
    /// The server's version.
    #[serde(default)]
    pub version: String,
    /// Seconds since the server started.
    #[serde(default)]
    pub uptime_seconds: f64,
}

/// `/healthz`, `/readyz`, `/actuator/health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthView {
    /// `UP` or `DOWN`.
    pub status: String,
    /// Each part that was looked at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, String>,
}
