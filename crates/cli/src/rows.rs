//! The API's views as rows of a table, and as text about one thing.

use mainspring_core::time::Timestamp;
use mainspring_protocol::rate::WireRate;
use mainspring_protocol::settings::{TenantView, TypeView};
use mainspring_protocol::time::Rfc3339;
use mainspring_protocol::view::{
    AttemptView, CountView, DeadLetterGroup, DeadLetterView, DefinitionRef, DefinitionView, JobView, QueueView,
    TaskView, WorkerView,
};

use crate::clock;
use crate::output::{Listed, ago, span};

/// What stands where there is nothing.
const NONE: &str = "-";

impl Listed for TaskView {
    const COLUMNS: &'static [&'static str] = &["TASK", "TYPE", "QUEUE", "STATUS", "ATTEMPT", "AGE", "TOOK"];
    const WIDE: &'static [&'static str] = &["USER", "PRIORITY", "WORKER", "TAGS", "ERROR"];

    fn name(&self) -> String {
        match &self.job_id {
            Some(job) => format!("{job}/{}", self.task_id),
            None => self.task_id.clone(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let error = self.error.as_ref().map(|error| format!("{}: {}", error.kind, first_line(&error.message)));
        vec![
            self.name(),
            or_none(&self.kind),
            or_none(&self.queue),
            self.status.clone(),
            format!("{}/{}", self.attempt, self.retries + 1),
            ago(self.created_at.0),
            took(self.start_time, self.end_time),
            self.user_id.clone(),
            self.priority.to_string(),
            self.worker_id.clone().unwrap_or_else(|| NONE.to_owned()),
            or_none(&self.tags.join(",")),
            error.unwrap_or_else(|| NONE.to_owned()),
        ]
    }
}

impl Listed for DefinitionView {
    const COLUMNS: &'static [&'static str] = &["DEFINITION", "VERSION", "APPLIED", "BY"];
    const WIDE: &'static [&'static str] = &["USER", "BYTES"];

    fn name(&self) -> String {
        format!("{}s/{}", self.kind, self.name)
    }

    fn cells(&self) -> Vec<String> {
        let bytes = self.body.as_ref().map_or_else(|| "deleted".to_owned(), |body| body.get().len().to_string());
        vec![
            Listed::name(self),
            self.version.to_string(),
            ago(self.applied_at.0),
            self.applied_by.clone().unwrap_or_else(|| NONE.to_owned()),
            self.user_id.clone(),
            bytes,
        ]
    }
}

impl Listed for JobView {
    const COLUMNS: &'static [&'static str] = &["JOB", "NAME", "STATUS", "TASKS", "FAILED", "AGE", "TOOK"];
    const WIDE: &'static [&'static str] = &["USER", "GENERATION", "POLICY", "TAGS"];

    fn name(&self) -> String {
        self.job_id.clone()
    }

    fn cells(&self) -> Vec<String> {
        let tasks = &self.tasks;
        let ended = tasks.completed + tasks.failed + tasks.cancelled + tasks.skipped;
        vec![
            self.job_id.clone(),
            self.job_name.clone().unwrap_or_else(|| NONE.to_owned()),
            self.status.clone(),
            format!("{ended}/{}", tasks.total),
            tasks.failed.to_string(),
            ago(self.created_at.0),
            took(self.start_time, self.end_time),
            self.user_id.clone(),
            self.generation.to_string(),
            self.failure_policy.clone(),
            or_none(&self.tags.join(",")),
        ]
    }
}

impl Listed for AttemptView {
    const COLUMNS: &'static [&'static str] = &["ATTEMPT", "STATUS", "STARTED", "TOOK", "WORKER", "ERROR"];
    const WIDE: &'static [&'static str] = &["GENERATION"];

    fn name(&self) -> String {
        self.attempt.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let error = self.error.as_ref().map(|error| format!("{}: {}", error.kind, first_line(&error.message)));
        vec![
            self.attempt.to_string(),
            self.status.clone(),
            self.start_time.to_string(),
            took(Some(self.start_time), self.end_time),
            self.worker_id.clone(),
            error.unwrap_or_else(|| NONE.to_owned()),
            self.generation.to_string(),
        ]
    }
}

impl Listed for QueueView {
    const COLUMNS: &'static [&'static str] =
        &["QUEUE", "STATE", "READY", "RUNNING", "SCHEDULED", "FAILED", "OLDEST", "LIMITS"];
    const WIDE: &'static [&'static str] = &["PENDING", "WAITING", "COMPLETED", "CANCELLED", "SKIPPED"];

    fn name(&self) -> String {
        self.name.clone()
    }

    fn cells(&self) -> Vec<String> {
        let count = |status: &str| self.tasks.get(status).map_or_else(|| "0".to_owned(), bounded);
        let oldest = self.oldest_ready_seconds.map(|seconds| span((seconds * 1000.0) as u64));
        let mut cells = vec![self.name.clone(), if self.paused { "paused" } else { "open" }.to_owned()];
        cells.extend(["ready", "running", "scheduled", "failed"].map(count));
        cells.push(oldest.unwrap_or_else(|| NONE.to_owned()));
        cells.push(limits(self.concurrency, self.rate));
        cells.extend(["pending", "waiting", "completed", "cancelled", "skipped"].map(count));
        cells
    }
}

/// Limits in a few characters: `10, 100/1m`.
fn limits(concurrency: Option<u32>, rate: Option<WireRate>) -> String {
    let rate = rate.map(|WireRate(rate)| mainspring_protocol::rate::text(&rate));
    let parts: Vec<String> = concurrency.map(|max| max.to_string()).into_iter().chain(rate).collect();
    if parts.is_empty() { NONE.to_owned() } else { parts.join(", ") }
}

impl Listed for TypeView {
    const COLUMNS: &'static [&'static str] = &["TYPE", "LIMITS"];
    const WIDE: &'static [&'static str] = &[];

    fn name(&self) -> String {
        self.kind.clone()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.kind.clone(), limits(self.concurrency, self.rate)]
    }
}

impl Listed for TenantView {
    const COLUMNS: &'static [&'static str] = &["TENANT", "WEIGHT", "SUBMITS", "BACKLOG"];
    const WIDE: &'static [&'static str] = &[];

    fn name(&self) -> String {
        self.user_id.clone()
    }

    fn cells(&self) -> Vec<String> {
        let backlog = self.max_backlog.map_or_else(|| NONE.to_owned(), |max| max.to_string());
        vec![self.user_id.clone(), self.weight.to_string(), limits(None, self.submit_rate), backlog]
    }
}

impl Listed for WorkerView {
    const COLUMNS: &'static [&'static str] = &["WORKER", "DIRECTIVE", "RUNNING", "FREE", "QUEUES", "TYPES", "HEARD"];
    const WIDE: &'static [&'static str] = &["SESSION", "SINCE", "LABELS", "TASKS"];

    fn name(&self) -> String {
        self.worker_id.clone()
    }

    fn cells(&self) -> Vec<String> {
        let labels: Vec<_> = self.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let tasks: Vec<_> = self.running.iter().map(|task| task.task_id.as_str()).collect();
        let heard = self.heard_at.filter(|_| self.session_id.is_some());
        vec![
            self.worker_id.clone(),
            self.directive.word().to_owned(),
            self.running.len().to_string(),
            self.capacity.to_string(),
            if self.queues.is_empty() { "*".to_owned() } else { self.queues.join(",") },
            or_none(&self.types.join(",")),
            heard.map_or_else(|| "not connected".to_owned(), |at| ago(at.0)),
            self.session_id.clone().unwrap_or_else(|| NONE.to_owned()),
            self.since.map_or_else(|| NONE.to_owned(), |at| at.to_string()),
            or_none(&labels.join(",")),
            or_none(&tasks.join(",")),
        ]
    }
}

impl Listed for DeadLetterGroup {
    const COLUMNS: &'static [&'static str] = &["ERROR", "COUNT", "LAST", "TASKS"];

    fn name(&self) -> String {
        self.ids.join("\n")
    }

    fn cells(&self) -> Vec<String> {
        const SHOWN: usize = 3;
        let mut ids = self.ids.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        if self.ids.len() > SHOWN {
            ids.push_str(", …");
        }
        let last = self.last_at.map_or_else(|| NONE.to_owned(), |at| ago(at.0));
        vec![self.fingerprint.clone(), self.count.to_string(), last, ids]
    }
}

impl Listed for DeadLetterView {
    const COLUMNS: &'static [&'static str] = &["TASK", "TYPE", "QUEUE", "ATTEMPT", "FAILED", "ERROR"];

    fn name(&self) -> String {
        self.id.clone()
    }

    fn cells(&self) -> Vec<String> {
        let error = self.error.as_ref().map(|error| format!("{}: {}", error.kind, first_line(&error.message)));
        vec![
            self.id.clone(),
            self.kind.clone(),
            self.queue.clone(),
            self.attempt.to_string(),
            self.failed_at.map_or_else(|| NONE.to_owned(), |at| ago(at.0)),
            error.unwrap_or_else(|| NONE.to_owned()),
        ]
    }
}

/// A task for people: everything that is set.
pub(crate) fn task_text(task: &TaskView) -> String {
    let error = task.error.as_ref().map(|error| format!("{}: {}", error.kind, error.message));
    let trace = task.error.as_ref().and_then(|error| error.trace.clone());
    let raw = |value: &Option<Box<serde_json::value::RawValue>>| value.as_ref().map(|value| value.get().to_owned());
    let status = match (&task.skip_reason, task.held, task.dead) {
        (Some(reason), ..) => format!("{} ({reason})", task.status),
        (None, true, _) => format!("{} (held: its worker was lost)", task.status),
        (None, _, true) => format!("{} (dead letter)", task.status),
        _ => task.status.clone(),
    };
    pairs(&[
        ("task", Some(task.name())),
        ("name", task.task_name.clone()),
        ("status", Some(status)),
        ("type", Some(task.kind.clone())),
        ("queue", Some(format!("{} at priority {}", task.queue, task.priority))),
        ("attempt", Some(format!("{} of {} in generation {}", task.attempt, task.retries + 1, task.generation))),
        ("created", Some(task.created_at.to_string())),
        ("runs at", task.run_at.map(|at| at.to_string())),
        ("started", task.start_time.map(|at| at.to_string())),
        ("ended", task.end_time.map(|at| at.to_string())),
        ("took", task.start_time.map(|_| took(task.start_time, task.end_time))),
        ("timeout", task.timeout.map(|timeout| timeout.to_string())),
        ("worker", task.worker_id.clone()),
        ("user", Some(task.user_id.clone())),
        ("tags", (!task.tags.is_empty()).then(|| task.tags.join(", "))),
        ("command", task.command.as_ref().map(|argv| format!("{argv:?}"))),
        ("run", task.run.clone()),
        ("http", raw(&task.http)),
        ("payload", raw(&task.payload)),
        ("error", error),
        ("trace", trace),
        ("output", raw(&task.output)),
    ])
}

/// A job for people.
pub(crate) fn job_text(job: &JobView) -> String {
    let tasks = &job.tasks;
    let counts = format!(
        "{} in all: {} completed, {} failed, {} cancelled, {} skipped",
        tasks.total, tasks.completed, tasks.failed, tasks.cancelled, tasks.skipped
    );
    let mut status = job.status.clone();
    if let Some(sweep) = &job.sweep {
        status = format!("{status} ({sweep})");
    }
    pairs(&[
        ("job", Some(job.job_id.clone())),
        ("name", job.job_name.clone()),
        ("definition", job.definition.as_ref().map(definition_ref)),
        ("status", Some(status)),
        ("tasks", Some(counts)),
        ("generation", Some(job.generation.to_string())),
        ("on failure", Some(job.failure_policy.clone())),
        ("created", Some(job.created_at.to_string())),
        ("started", job.start_time.map(|at| at.to_string())),
        ("ended", job.end_time.map(|at| at.to_string())),
        ("took", job.start_time.map(|_| took(job.start_time, job.end_time))),
        ("user", Some(job.user_id.clone())),
        ("tags", (!job.tags.is_empty()).then(|| job.tags.join(", "))),
    ])
}

fn definition_ref(made_from: &DefinitionRef) -> String {
    match made_from.version {
        Some(version) => format!("{} version {version}", made_from.name),
        None => made_from.name.clone(),
    }
}

fn pairs(pairs: &[(&str, Option<String>)]) -> String {
    let lines = pairs.iter().filter_map(|(name, value)| {
        let value = value.as_ref()?.trim_end().replace('\n', "\n            ");
        Some(format!("{name:<10}  {value}"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn took(start: Option<Rfc3339>, end: Option<Rfc3339>) -> String {
    let end: Timestamp = end.map_or_else(clock::now, |end| end.0);
    start.map_or_else(|| NONE.to_owned(), |start| span(end.since(start.0)))
}

fn bounded(count: &CountView) -> String {
    if count.more { format!("{}+", count.count) } else { count.count.to_string() }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { NONE.to_owned() } else { text.to_owned() }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
