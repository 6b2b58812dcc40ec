//! The read side: lists and details of committed rows, for the API. Nothing here takes part in a decision.

use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, JobRow, JobStatus};
use mainspring_core::row::{
    AuditRow, ClaimKind, ClaimName, ClaimRow, DefinitionKind, DefinitionRow, FeedPosition, LogRow, TaskRow, Transition,
};
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_core::task::{Attempt, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;

use crate::store::{BoxFuture, Error, ShardId};

/// A page of a list, newest first. It may be short, even empty, and still have a `next`: a scan stops at its budget
/// (50 ms or 50,000 rows).
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts: pass it as `after`.
    pub next: Option<Key>,
}

/// Where a task of a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskMark {
    /// Its index in the job.
    pub index: u32,
    /// Its state.
    pub status: TaskStatus,
    /// The number of its last attempt, 0 before the first.
    pub attempt: u32,
    /// When that attempt started.
    pub started_at: Option<Timestamp>,
    /// When it became terminal.
    pub ended_at: Option<Timestamp>,
}

impl TaskMark {
    /// What a row of the job `job` says.
    pub fn of(job: Key, row: &TaskRow) -> Self {
        let TaskState { status, attempt, ended_at, .. } = row.state;
        let started_at = row.state.last.as_ref().map(|last| last.started_at);
        Self { index: job.index_of(row.key), status, attempt, started_at, ended_at }
    }
}

/// Which tasks to list. Empty lists and `None` mean any. All conditions hold together.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Of this tenant only.
    pub tenant: Option<Name>,
    /// In one of these states. Indexed for the non-terminal ones and `failed`.
    pub statuses: Vec<TaskStatus>,
    /// Of this job only. Indexed.
    pub job: Option<Key>,
    /// Only tasks without a job.
    pub standalone: bool,
    /// Only dead letters. Indexed.
    pub dead: bool,
    /// Other conditions, filtered newest first.
    pub terms: Vec<Term>,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Of this tenant only.
    pub tenant: Option<Name>,
    /// In one of these states.
    pub statuses: Vec<JobStatus>,
    /// Only jobs that somebody submitted, not those that carry out a group of another one.
    pub submitted: bool,
    /// Only jobs that carry out a group of this one.
    pub inside: Option<Key>,
    /// Other conditions, filtered newest first.
    pub terms: Vec<Term>,
}

/// Which definitions to list: the newest version of each, deleted ones left out.
#[derive(Clone, Debug)]
pub struct DefinitionFilter {
    /// Of this kind.
    pub kind: DefinitionKind,
    /// Of this tenant only.
    pub tenant: Option<Name>,
    /// Every version of this name, newest first, deletions included.
    pub name: Option<Name>,
}

/// Which schedules to list, by (name, tenant).
#[derive(Clone, Debug, Default)]
pub struct ScheduleFilter {
    /// Of this tenant only.
    pub tenant: Option<Name>,
    /// Of this name only.
    pub name: Option<Name>,
}

/// Which records of the ledger to list, newest first.
#[derive(Clone, Debug)]
pub struct OccurrenceFilter {
    /// Of this schedule.
    pub schedule: ScheduleName,
    /// Those of exactly this instant, ranges that begin with it included.
    pub instant: Option<Timestamp>,
}

/// One condition of the query language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// On what.
    pub field: Field,
    /// Whether it must not hold.
    pub negated: bool,
    /// What.
    pub test: Test,
}

/// What a term can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The id (of a standalone task or a job; of a job's task its name). Exact ids are looked up, see [`crate::Ids`]: what a
    /// client named is found by its claim.
    Id,
    /// The human name.
    Title,
    /// The status word.
    Status,
    /// The queue (tasks).
    Queue,
    /// The type (tasks).
    Kind,
    /// A tag.
    Tag,
    /// The worker of the last attempt (tasks).
    Worker,
    /// The error type of the task's own failure, else of its last attempt (tasks).
    Error,
    /// Milliseconds from start to end, or till now: of a task's last attempt, of a job's last generation.
    Duration,
    /// Milliseconds since it was accepted.
    Age,
    /// The number of the last attempt (tasks).
    Attempt,
    /// The priority (tasks).
    Priority,
    /// Any of id, title, type, queue, error message: a part of it, whatever the case.
    Text,
}

/// What a term asks of its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Equals one of these; a `*` at the end matches any rest.
    AnyOf(Vec<String>),
    /// Compares as a number (durations and ages in milliseconds).
    Number(Compare, u64),
    /// Contains this, whatever the case.
    Contains(String),
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Equal to.
    Equal,
    /// Greater than.
    Greater,
    /// Less than.
    Less,
}

/// What a task returned, as JSON text.
pub type TaskOutput = (Key, Arc<str>);

/// How many tasks of a queue have a status.
pub type TaskCount = (Name, TaskStatus, u64);

/// What retention deletes: a key, and the claims that lead to it.
pub type Ended = (Key, Vec<ClaimName>);

/// Log chunks of an attempt.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// The chunks, in order.
    pub items: Vec<LogRow>,
    /// Pass it as `after` to go on: one more than the number of the last chunk.
    pub next: u64,
}

/// Events from the feed.
#[derive(Clone, Debug)]
pub struct FeedPage {
    /// The events after the asked position, in order, each with its own position.
    pub items: Vec<(FeedPosition, Transition)>,
    /// The earliest position that is still kept; 0/0 while nothing was pruned. If it lies beyond the asked one, the
    /// reader has a gap.
    pub earliest: FeedPosition,
    /// The position of the newest commit; `index` is its last event.
    pub latest: FeedPosition,
}

/// Reads committed rows. A job that is still staged, its tasks and the claims that lead to it are not shown (counts of
/// tasks include them). Object-safe; every call may block on I/O and is made off the shard's thread.
///
/// # Errors
/// `Unavailable` and `Corrupt`, everywhere.
pub trait Reader: Send + Sync {
    /// What a client-chosen id leads to, per tenant (one entry each).
    fn find(&self, kind: ClaimKind, text: Name) -> BoxFuture<Result<Vec<(Name, Key)>, Error>>;

    /// The claims that lead to these keys, in no order; for whoever copies a store.
    fn claims_to(&self, _keys: Vec<Key>) -> BoxFuture<Result<Vec<ClaimRow>, Error>> {
        Box::pin(async { Err(Error::Incompatible("this store cannot list claims".to_owned())) })
    }

    /// The task of a job by its name in the job.
    fn find_in_job(&self, job: Key, name: Name) -> BoxFuture<Result<Option<Key>, Error>>;

    /// Tasks by key, whole: with spec and body, also for a task of a job. Missing ones are left out; order is kept.
    fn tasks_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<TaskRow>, Error>>;

    /// Jobs by key. Missing and staged ones are left out; order is kept.
    fn jobs_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<JobRow>, Error>>;

    /// Tasks newest first, below `after`. Bodies are left out (`""`), but type, queue, priority, title and tags are there
    /// also for tasks of jobs.
    fn tasks(&self, filter: TaskFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<TaskRow>, Error>>;

    /// Jobs newest first, below `after`.
    fn jobs(&self, filter: JobFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<JobRow>, Error>>;

    /// The tasks of a job in topological order, from this index.
    fn job_tasks(&self, job: Key, from: u32, limit: usize) -> BoxFuture<Result<Vec<TaskRow>, Error>>;

    /// Where the tasks of a job stand, in the order and with the bounds of [`Reader::job_tasks`]: what a picture of a large
    /// graph needs of each. A store that can tell it without reading whole rows does.
    fn marks(&self, job: Key, from: u32, limit: usize) -> BoxFuture<Result<Vec<TaskMark>, Error>> {
        let rows = self.job_tasks(job, from, limit);
        Box::pin(async move { Ok(rows.await?.iter().map(|row| TaskMark::of(job, row)).collect()) })
    }

    /// The graph of a job, in order.
    fn chunks(&self, job: Key) -> BoxFuture<Result<Vec<GraphChunk>, Error>>;

    /// All attempts of a task, in order, the last one included.
    fn attempts(&self, task: Key) -> BoxFuture<Result<Vec<Attempt>, Error>>;

    /// The output of a task.
    fn output(&self, task: Key) -> BoxFuture<Result<Option<Arc<str>>, Error>>;

    /// The outputs of several tasks; those without one are left out, order is kept.
    fn outputs(&self, tasks: Vec<Key>) -> BoxFuture<Result<Vec<TaskOutput>, Error>>;

    /// Stored log chunks of an attempt, from number `after` on. Where chunks were cut (see [`crate::LOG_HEAD_BYTES`]), a
    /// chunk of stream `system` says so; it does not count towards `limit`.
    fn logs(&self, task: Key, attempt: u32, after: u64, limit: usize) -> BoxFuture<Result<LogPage, Error>>;

    /// The last `bytes` bytes of what an attempt printed.
    fn log_tail(&self, task: Key, attempt: u32, bytes: usize) -> BoxFuture<Result<String, Error>>;

    /// Events of a shard after a position.
    fn feed(&self, shard: ShardId, after: FeedPosition, limit: usize) -> BoxFuture<Result<FeedPage, Error>>;

    /// Definitions.
    fn definitions(&self, filter: DefinitionFilter) -> BoxFuture<Result<Vec<DefinitionRow>, Error>>;

    /// Schedules behind `after`, in order of (name, tenant).
    fn schedules(
        &self,
        filter: ScheduleFilter,
        after: Option<ScheduleName>,
        limit: usize,
    ) -> BoxFuture<Result<Vec<ScheduleRow>, Error>>;

    /// Records of the ledger of a schedule, newest first, below `after`.
    fn occurrences(
        &self,
        filter: OccurrenceFilter,
        after: Option<Key>,
        limit: usize,
    ) -> BoxFuture<Result<Page<OccurrenceRow>, Error>>;

    /// Live and ended tasks by queue and status, each count bounded by `bound` (a count that reached it means "or more").
    fn task_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<TaskCount>, Error>>;

    /// Jobs by status, bounded likewise; those that carry out a group of another one are not counted.
    fn job_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<(JobStatus, u64)>, Error>>;

    /// Audit records, newest first: those of this instant and before it, or all.
    fn audit(&self, until: Option<Timestamp>, limit: usize) -> BoxFuture<Result<Vec<AuditRow>, Error>>;

    /// For retention: standalone tasks that ended before an instant, lowest key first, and claims that lead to them.
    fn ended_tasks(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<Ended>, Error>>;

    /// For retention: jobs that ended before an instant, lowest key first, and claims that lead to them. Those that carried
    /// out a group of another one are left out: they are deleted with it.
    fn ended_jobs(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<Ended>, Error>>;
}
