//! What is stored: the rows that the core writes and reads back, in the core's own types.
//!
//! A store keeps them in whatever form it likes, as long as what it reads equals what was written
//! (`store::conformance` checks it).

mod plain;

use std::sync::Arc;

use crate::id::{Key, Name};
use crate::job::{GraphChunk, JobRow, JobState};
use crate::loan::LoanRow;
use crate::permit::{KeyLimits, LimitRow};
use crate::schedule::{OccurrenceRow, ScheduleName, ScheduleRow, ScheduleState};
use crate::spec::{Body, Class, TaskSpec, Trigger};
use crate::task::{Attempt, LaneId, TaskState};
use crate::time::Timestamp;

/// A task: one row, also when it belongs to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// Its key.
    pub key: Key,
    /// Whom it belongs to.
    pub tenant: Name,
    /// A standalone task: the id its client chose, if any (otherwise the text of the key is its id).
    /// A task of a job: its name inside the job, always present.
    pub given_id: Option<Name>,
    /// The job it belongs to.
    pub job: Option<Key>,
    /// What was submitted. Always present in an insert. In a read it is absent for a task of a job, whose spec is
    /// in the graph; a body larger than [`crate::limits::RESIDENT_BODY_BYTES_MAX`] reads as the empty string.
    pub spec: Option<Arc<TaskSpec>>,
    /// When it may start, for a task of a job.
    pub trigger: Trigger,
    /// How many parents it has in its job.
    pub parents: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// What changes.
    pub state: TaskState,
}

/// An attempt that is no longer the task's last: moved out of the task's row when the next one starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// The task.
    pub task: Key,
    /// The attempt.
    pub attempt: Attempt,
}

/// The output of a completed task: the text of a JSON value, at most 256 KiB. One per task, the last wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRow {
    /// The task.
    pub task: Key,
    /// JSON text.
    pub output: Arc<str>,
}

/// A piece of what an attempt printed. Kept in order of `number` per (task, attempt).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// The task.
    pub task: Key,
    /// The attempt.
    pub attempt: u32,
    /// The worker's own sequence number of the chunk; a repeat of one that is stored is ignored.
    pub number: u64,
    /// `stdout`, `stderr` or `system`.
    pub stream: LogStream,
    /// When it was accepted.
    pub at: Timestamp,
    /// The bytes, as text.
    pub data: Arc<str>,
}

/// Which stream a log chunk came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The engine's own remarks (a cut, a kill).
    System,
}

/// What a name is claimed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKind {
    /// The id of a standalone task that its client chose.
    TaskId,
    /// The id of a job that its client chose.
    JobId,
    /// An `Idempotency-Key` (or a body's `idempotencyKey`).
    IdempotencyKey,
    /// The key of a unique task. Unlike the others it passes from task to task.
    Unique,
}

/// Names one claim: unique per (kind, tenant, text).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimName {
    /// What for.
    pub kind: ClaimKind,
    /// Whose.
    pub tenant: Name,
    /// The id or the key.
    pub text: Name,
}

/// A name that leads to a key, and the hash of the body it was claimed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRow {
    /// The name.
    pub name: ClaimName,
    /// What it leads to.
    pub target: Key,
    /// A 128-bit hash of the submitted body: the same again answers the same, another is refused.
    pub body_hash: u128,
    /// When it is forgotten; `None`: with its target.
    pub expires_at: Option<Timestamp>,
}

/// A lane's number and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRow {
    /// The number.
    pub lane: LaneId,
    /// What it stands for.
    pub name: LaneName,
}

/// What the tasks of a lane have in common. So either each of them may start under its limits, or none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneName {
    /// The queue.
    pub queue: Name,
    /// The tenant.
    pub tenant: Name,
    /// The class.
    pub class: Class,
    /// The type, which differs from the class's executor for tasks with a command.
    pub kind: Name,
    /// The limits that they carry.
    pub limits: KeyLimits,
}

/// A queue's settings. A queue without a row has the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRow {
    /// Its name.
    pub name: Name,
    /// Nothing is granted from it while set.
    pub paused: bool,
}

/// What a worker is told to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Directive {
    /// Take work.
    #[default]
    Run,
    /// Take nothing new, keep what runs.
    Pause,
    /// Take nothing new, finish what runs, leave.
    Drain,
}

/// A worker's durable setting, by `workerId`: paused or not. A worker without a row runs. A drain is never stored: it is
/// for one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRow {
    /// The `workerId`.
    pub worker: Name,
    /// What it is told.
    pub directive: Directive,
}

/// What a definition is a template of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DefinitionKind {
    /// A task.
    Task,
    /// A job.
    Job,
    /// A named bundle of defaults of tasks.
    Profile,
}

impl DefinitionKind {
    /// Each of them, in the order of their stored numbers.
    pub const ALL: [Self; 3] = [Self::Task, Self::Job, Self::Profile];

    /// `task`, `job` or `profile`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Job => "job",
            Self::Profile => "profile",
        }
    }
}

/// One version of a definition. Every version is kept; a deletion is a version with `body: None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionRow {
    /// What it is a template of.
    pub kind: DefinitionKind,
    /// Whose.
    pub tenant: Name,
    /// Its name.
    pub name: Name,
    /// 1, 2, …
    pub version: u32,
    /// The JSON text as applied; `None` if this version deleted it.
    pub body: Option<Arc<str>>,
    /// When it was applied.
    pub at: Timestamp,
    /// Who applied it; empty for what was applied before this was recorded.
    pub actor: Name,
}

/// A record of an operator's action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who: `anonymous` without authentication.
    pub actor: Name,
    /// What: `task.cancel`, `dead_letter.edit`, `queue.pause`, …
    pub action: Name,
    /// On what: an id or a name.
    pub target: Name,
    /// What was before or why, as JSON text; `{}` at the least.
    pub detail: Arc<str>,
}

/// One fact of the event feed. Rendered when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What happened.
    pub kind: TransitionKind,
    /// When.
    pub at: Timestamp,
    /// The task, if it is about one.
    pub task: Option<Key>,
    /// The job, if it is about one or about a task of one.
    pub job: Option<Key>,
    /// The attempt, if it is about one; otherwise 0.
    pub attempt: u32,
    /// The queue, worker or schedule, if it is about one, or a progress message.
    pub subject: Option<Name>,
}

/// The kinds of events, in the order of their stored numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransitionKind {
    /// `TASK_SUBMITTED`
    TaskSubmitted,
    /// `TASK_READY`
    TaskReady,
    /// `TASK_STARTED`
    TaskStarted,
    /// `TASK_COMPLETE`
    TaskComplete,
    /// `TASK_FAILED`: an attempt failed (it may be retried).
    TaskFailed,
    /// `TASK_RETRY`: the next attempt is planned.
    TaskRetry,
    /// `TASK_DEAD`: it failed for good and waits among the dead letters.
    TaskDead,
    /// `TASK_CANCELLED`
    TaskCancelled,
    /// `TASK_SKIPPED`
    TaskSkipped,
    /// `TASK_PROGRESS`
    TaskProgress,
    /// `JOB_SUBMITTED`
    JobSubmitted,
    /// `JOB_STARTED`
    JobStarted,
    /// `JOB_COMPLETE`
    JobComplete,
    /// `JOB_FAILED`
    JobFailed,
    /// `JOB_CANCELLED`
    JobCancelled,
    /// `QUEUE_PAUSED`
    QueuePaused,
    /// `QUEUE_RESUMED`
    QueueResumed,
    /// `WORKER_JOINED`
    WorkerJoined,
    /// `WORKER_LEFT`
    WorkerLeft,
    /// `WORKER_LOST`
    WorkerLost,
    /// `SCHEDULE_FIRED`: an occurrence submitted work.
    ScheduleFired,
    /// `SCHEDULE_SKIPPED`: an occurrence, or a range of them, did not.
    ScheduleSkipped,
}

impl TransitionKind {
    /// All kinds, in the order of their stored numbers.
    pub const ALL: [TransitionKind; 22] = [
        Self::TaskSubmitted,
        Self::TaskReady,
        Self::TaskStarted,
        Self::TaskComplete,
        Self::TaskFailed,
        Self::TaskRetry,
        Self::TaskDead,
        Self::TaskCancelled,
        Self::TaskSkipped,
        Self::TaskProgress,
        Self::JobSubmitted,
        Self::JobStarted,
        Self::JobComplete,
        Self::JobFailed,
        Self::JobCancelled,
        Self::QueuePaused,
        Self::QueueResumed,
        Self::WorkerJoined,
        Self::WorkerLeft,
        Self::WorkerLost,
        Self::ScheduleFired,
        Self::ScheduleSkipped,
    ];
}

/// The high waters of a shard: part of every commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HighWater {
    /// Shard time never goes below this.
    pub time: Timestamp,
    /// The last minted sequence number.
    pub sequence: u64,
    /// The last lease number.
    pub lease: u64,
    /// The number of the commit, from 1 without gaps; also the number of its feed row.
    pub commit: u64,
}

/// Row changes of one batch, for one atomic fenced commit. At most one entry per row and list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The shard's high waters after this batch.
    pub high_water: HighWater,
    /// New tasks.
    pub insert_tasks: Vec<TaskRow>,
    /// Tasks whose state changed.
    pub update_tasks: Vec<(Key, TaskState)>,
    /// Tasks whose body an operator replaced (dead letters), standalone or of a job.
    pub rewrite_bodies: Vec<(Key, Body)>,
    /// Tasks to delete, with their attempts, outputs and logs.
    pub delete_tasks: Vec<Key>,
    /// New jobs.
    pub insert_jobs: Vec<JobRow>,
    /// Jobs whose state changed.
    pub update_jobs: Vec<(Key, JobState)>,
    /// Jobs to delete, with their graph; their tasks were deleted before or are listed in `delete_tasks`.
    pub delete_jobs: Vec<Key>,
    /// New chunks of graphs.
    pub insert_chunks: Vec<GraphChunk>,
    /// Attempts that are no longer the last of their task.
    pub insert_attempts: Vec<AttemptRow>,
    /// Outputs; the last one of a task wins.
    pub put_outputs: Vec<OutputRow>,
    /// Log chunks.
    pub insert_logs: Vec<LogRow>,
    /// Claims; the last one of a name wins.
    pub put_claims: Vec<ClaimRow>,
    /// Claims to forget.
    pub delete_claims: Vec<ClaimName>,
    /// New lanes.
    pub insert_lanes: Vec<LaneRow>,
    /// Queue settings; the last one of a name wins.
    pub put_queues: Vec<QueueRow>,
    /// Limits; the last ones of a scope and name win.
    pub put_limits: Vec<LimitRow>,
    /// What this shard and others have of each other's limits; one entry per limit and shard.
    pub put_loans: Vec<LoanRow>,
    /// Worker settings; the last one of a name wins.
    pub put_workers: Vec<WorkerRow>,
    /// New versions of definitions.
    pub insert_definitions: Vec<DefinitionRow>,
    /// Schedules to delete; their ledger stays.
    pub delete_schedules: Vec<ScheduleName>,
    /// New and edited schedules; the last one of a name wins.
    pub put_schedules: Vec<ScheduleRow>,
    /// Schedules whose state changed.
    pub update_schedules: Vec<(ScheduleName, ScheduleState)>,
    /// New records of the ledger.
    pub insert_occurrences: Vec<OccurrenceRow>,
    /// Audit records.
    pub insert_audit: Vec<AuditRow>,
    /// The feed row of this commit, in order.
    pub feed: Vec<Transition>,
}

impl Changes {
    /// Whether nothing but the high waters would be written.
    pub fn is_empty(&self) -> bool {
        let high_water = self.high_water;
        *self == Changes { high_water, ..Changes::default() }
    }
}

/// Which rows an event needs that are not in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// Tasks by key.
    pub tasks: Vec<Key>,
    /// Jobs by key.
    pub jobs: Vec<Key>,
    /// Chunks of graphs.
    pub chunks: Vec<(Key, u32)>,
    /// Claims by name.
    pub claims: Vec<ClaimName>,
    /// The first cold ready tasks of lanes.
    pub lanes: Vec<LanePage>,
    /// The next cold timers: due at `until` or before, by (due, key), at most `limit`.
    pub timers: Option<TimerPage>,
}

impl ReadSet {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == ReadSet::default()
    }
}

/// A page of a lane's cold tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanePage {
    /// The lane.
    pub lane: LaneId,
    /// At most this many, in order of (`9 − priority`, key).
    pub limit: u32,
    /// And, of each priority, at most this many of the oldest (lowest key), so that a flood of high priority cannot
    /// starve the rest. A row that both parts name is returned once.
    pub oldest: u32,
}

/// A page of cold timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerPage {
    /// Due at this instant or before.
    pub until: Timestamp,
    /// At most this many, in order of (due, key).
    pub limit: u32,
}

/// The answer to a [`ReadSet`]: what exists of it. What was asked for and is not here does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Tasks, those of pages too.
    pub tasks: Vec<TaskRow>,
    /// Jobs.
    pub jobs: Vec<JobRow>,
    /// Chunks.
    pub chunks: Vec<GraphChunk>,
    /// Claims.
    pub claims: Vec<ClaimRow>,
    /// The due instant of the earliest cold timer that is still not read, if `timers` was asked for.
    pub next_timer: Option<Timestamp>,
}

/// What a store hands to a core that takes a shard over: everything that must be in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// New after a restore, a migration or a detected failover.
    pub incarnation: u32,
    /// The high waters.
    pub high_water: HighWater,
    /// All lanes.
    pub lanes: Vec<LaneRow>,
    /// How many cold ready tasks each lane has; lanes without any are left out.
    pub cold_ready: Vec<(LaneId, u64)>,
    /// How many cold timers there are.
    pub cold_timers: u64,
    /// The due instant of the earliest cold timer.
    pub next_timer: Option<Timestamp>,
    /// Settings.
    pub queues: Vec<QueueRow>,
    /// Settings: limits that are not the default ones.
    pub limits: Vec<LimitRow>,
    /// What this shard and others have of each other's limits, by limit and shard.
    pub loans: Vec<LoanRow>,
    /// How many unfinished tasks each tenant has in this shard, by tenant; tenants without any are left out.
    pub backlog: Vec<(Name, u64)>,
    /// Settings.
    pub workers: Vec<WorkerRow>,
    /// The newest version of each definition, without its body.
    pub definitions: Vec<(DefinitionKind, Name, Name, u32)>,
    /// All schedules of the shard.
    pub schedules: Vec<ScheduleRow>,
    /// Every task whose place is [`crate::task::Place::Hot`].
    pub tasks: Vec<TaskRow>,
    /// The jobs of those tasks, and every job with a sweep.
    pub jobs: Vec<JobRow>,
}

/// Where in the feed an event stands: the commit's number in its shard and the index in that commit's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedPosition {
    /// Commit number of the shard, from 1.
    pub commit: u64,
    /// Index inside the commit.
    pub index: u32,
}
