//! A job's own row, and its graph as it is stored: immutable chunks in topological order.

use std::sync::Arc;

use crate::id::{Key, Name};
use crate::spec::{TaskSpec, Trigger};
use crate::time::Timestamp;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobStatus {
    /// Accepted, nothing has started.
    Pending,
    /// Something has started.
    Running,
    /// No task of it is granted until it is resumed.
    Paused,
    /// Ended, no unhandled failure.
    Completed,
    /// Ended, with an unhandled failure.
    Failed,
    /// Ended, was cancelled.
    Cancelled,
}

impl JobStatus {
    /// All states, in the order of their stored numbers.
    pub const ALL: [JobStatus; 6] = [
        JobStatus::Pending,
        JobStatus::Running,
        JobStatus::Paused,
        JobStatus::Completed,
        JobStatus::Failed,
        JobStatus::Cancelled,
    ];

    /// Whether it has ended.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The word on the wire and in stores.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads [`JobStatus::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// What the failure of one task does to the rest of its job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The rest goes on.
    #[default]
    Continue,
    /// What has not started is cancelled, except tasks whose trigger is `one_failed`, `all_failed` or `all_done`.
    FailFast,
}

/// A job: one row, beside one row for each of its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// Its key; its tasks have the keys that follow, see [`Key::task_of_job`].
    pub key: Key,
    /// Whom it belongs to.
    pub tenant: Name,
    /// The id its client chose, if any; otherwise the text of the key.
    pub given_id: Option<Name>,
    /// The human name (`jobName`, or `job:` of a definition).
    pub title: Option<Name>,
    /// What the failure of a task does.
    pub failure_policy: FailurePolicy,
    /// How many tasks it has.
    pub tasks: u32,
    /// Everything a decision does not need (params, tags, notify, source, …): the text of one JSON object.
    pub body: Arc<str>,
    /// Tags, as submitted.
    pub tags: Arc<[Name]>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// What changes.
    pub state: JobState,
}

/// The mutable state of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// Where it stands. A function of its tasks, its pause and its cancel (I11).
    pub status: JobStatus,
    /// 1 at submission; each rerun opens the next.
    pub generation: u32,
    /// Tasks by how they ended.
    pub counts: JobCounts,
    /// Failed tasks that no `one_failed` or `all_failed` child has handled.
    pub unhandled: u32,
    /// No task is granted while set.
    pub paused: bool,
    /// Its cancel was acknowledged; no task is granted any more (I20).
    pub cancelled: bool,
    /// A task failed under `fail_fast`; what has not started is being cancelled.
    pub failing_fast: bool,
    /// Work on the job's rows that continues in later steps, and how far it got. No task is granted under
    /// `Staging`, `Rerunning` and `Deleting`.
    pub sweep: Option<Sweep>,
    /// When its first attempt of this generation started.
    pub started_at: Option<Timestamp>,
    /// When it became terminal.
    pub ended_at: Option<Timestamp>,
}

impl JobState {
    /// Of a job in its first generation that nothing has happened to.
    pub fn new(status: JobStatus) -> Self {
        Self {
            status,
            generation: 1,
            counts: JobCounts::default(),
            unhandled: 0,
            paused: false,
            cancelled: false,
            failing_fast: false,
            sweep: None,
            started_at: None,
            ended_at: None,
        }
    }
}

/// Ended tasks of a job by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// Completed.
    pub completed: u32,
    /// Failed.
    pub failed: u32,
    /// Cancelled.
    pub cancelled: u32,
    /// Skipped.
    pub skipped: u32,
}

impl JobCounts {
    /// Tasks that have ended.
    pub fn ended(self) -> u32 {
        self.completed + self.failed + self.cancelled + self.skipped
    }
}

/// Work over all tasks of a job that is larger than one step: a durable marker and the next task index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// What is done to each task.
    pub kind: SweepKind,
    /// The next task index.
    pub next: u32,
}

/// What a sweep does to each task of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepKind {
    /// The submission is being written; invisible, removed by recovery.
    Staging,
    /// Starts every pending task whose trigger already holds, after a large submission or a rerun.
    Starting,
    /// Puts ready tasks that were set aside during a pause back into their lanes.
    Resuming,
    /// Cancels every task that has not ended.
    Cancelling,
    /// Cancels what has not started, for `fail_fast`.
    FailingFast,
    /// Opens the next generation for the chosen tasks and their descendants.
    Rerunning(RerunFrom),
    /// Deletes the rows of an ended job.
    Deleting,
}

/// Which tasks a rerun chooses; their descendants follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RerunFrom {
    /// Every failed or cancelled task.
    Failed,
    /// This task index.
    Task(u32),
    /// All tasks.
    Start,
}

/// Up to [`crate::limits::GRAPH_CHUNK_TASKS`] consecutive tasks of a job's graph. Written once, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphChunk {
    /// The job.
    pub job: Key,
    /// Which chunk: tasks `number · 256 …`.
    pub number: u32,
    /// The tasks, in topological order.
    pub tasks: Vec<GraphTask>,
}

/// A task of a job's graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphTask {
    /// Its id inside the job.
    pub name: Name,
    /// What it does.
    pub spec: Arc<TaskSpec>,
    /// When it may start.
    pub trigger: Trigger,
    /// Milliseconds it waits after its parents allow it.
    pub delay_ms: u64,
    /// Indices of the tasks that it waits for, ascending.
    pub parents: Vec<u32>,
    /// Indices of the tasks that wait for it, ascending.
    pub children: Vec<u32>,
}
