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
    /// The group task that it carries out; `None` for a job that somebody submitted.
    pub parent: Option<Key>,
    /// The jobs that it is inside of, outermost first, at most [`crate::limits::NESTING_MAX`]; the last one has `parent`.
    /// None of its tasks is granted while one of them is paused or cancelled.
    pub ancestors: Arc<[Key]>,
    /// Milliseconds from its acceptance until what has not ended of it is cancelled, and it has failed. A rerun is an
    /// operator's word, and under no deadline.
    pub deadline_ms: Option<u64>,
    /// The definition whose live jobs are limited (`maxActive`), and the limit: beyond it, it waits.
    pub active_key: Option<(Name, u32)>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// What changes.
    pub state: JobState,
}

impl JobRow {
    /// When what has not ended of it is cancelled.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadline_ms.filter(|_| self.state.generation == 1).map(|ms| self.created_at.plus_ms(ms))
    }

    /// Whether it stays in memory until it has ended, because of its deadline or of `active_key`. Snapshots hold it. A job
    /// that carries out a group has neither.
    pub fn is_watched(&self) -> bool {
        let watched = self.parent.is_none() && !self.state.status.is_terminal();
        watched && (self.deadline_ms.is_some() || self.active_key.is_some())
    }

    /// Whether it is the instances of a `forEach`: it goes by the id of the job that it is inside of, and events do not
    /// speak of it.
    pub fn is_instances(&self) -> bool {
        self.parent.is_some() && self.given_id.is_some()
    }
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
    /// Its deadline passed: it is cancelled like by an order, but then has failed (`deadline_exceeded`).
    pub exceeded: bool,
    /// It waits until fewer jobs of its `active_key` are live; none of its tasks starts.
    pub queued: bool,
    /// Work on the job's rows that continues in later steps, and how far it got. No task is granted under
    /// `Staging`, `Rerunning` and `Deleting`.
    pub sweep: Option<Sweep>,
    /// What its end is told to. Set once.
    pub followed: Followed,
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
            exceeded: false,
            queued: false,
            sweep: None,
            followed: Followed::default(),
            started_at: None,
            ended_at: None,
        }
    }
}

/// Who waits for the end of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Hooks of its own.
    pub hooks: bool,
    /// Schedules may: it is of a definition.
    pub definition: bool,
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
    /// The job has ended: tells the group task that it carried out, and looks for what failed of it.
    Reporting,
    /// The job has ended: waits for the jobs of its hooks ([`crate::effect::Effect::Hook`]).
    Hooking,
    /// The job has completed: every shard is told of it under this number, see [`crate::effect::Effect::Announce`].
    Announcing(u64),
}

impl SweepKind {
    /// Whether the job waits for somebody outside; nothing is done to its tasks.
    pub fn is_outside(&self) -> bool {
        matches!(self, Self::Hooking | Self::Announcing(_))
    }
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
    /// What else happens before its first attempt; `None`: nothing.
    pub flow: Option<Arc<Flow>>,
}

/// What happens between a task's trigger and its first attempt. Evaluation comes first; then an attempt waits for the
/// task's delay. Approvals and groups know no delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Whether values must be computed outside (an `if`, a `forEach`, expressions in the body) before it may go on. A
    /// group always asks.
    pub evaluated: bool,
    /// What it then does.
    pub step: Step,
    /// Text of one JSON object for whoever evaluates (`if`, `forEach`, `job`, …). The core never looks into it.
    pub logic: Arc<str>,
}

/// What a task does once its trigger holds and its values are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Is run by a worker.
    Attempt,
    /// Waits for [`crate::event::Order::Signal`].
    Approval {
        /// Milliseconds until it fails with `approval_timed_out`. Default none.
        timeout_ms: Option<u64>,
    },
    /// Is carried out by a child job (`forEach`, or `type: job`), see [`crate::event::Verdict::Child`].
    Group,
}
