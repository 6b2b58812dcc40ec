//! The read side of the in-memory store: each question is put to its state.

use std::future::ready;
use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, JobRow, JobStatus};
use mainspring_core::row::{AuditRow, ClaimKind, ClaimName, ClaimRow, DefinitionRow, FeedPosition, TaskRow};
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_core::task::{Attempt, TaskStatus};
use mainspring_core::time::Timestamp;

use super::MemoryStore;
use crate::reader::{
    DefinitionFilter, FeedPage, JobFilter, LogPage, OccurrenceFilter, Page, Reader, ScheduleFilter, TaskFilter,
};
use crate::store::{BoxFuture, Error, ShardId};

impl Reader for MemoryStore {
    fn find(&self, kind: ClaimKind, text: Name) -> BoxFuture<Result<Vec<(Name, Key)>, Error>> {
        self.view(|state| state.find(kind, &text))
    }

    fn claims_to(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<ClaimRow>, Error>> {
        self.view(|state| state.claims_of(&keys))
    }

    fn find_in_job(&self, job: Key, name: Name) -> BoxFuture<Result<Option<Key>, Error>> {
        self.view(|state| state.find_in_job(job, &name))
    }

    fn tasks_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<TaskRow>, Error>> {
        self.view(|state| state.tasks_by_key(&keys))
    }

    fn jobs_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<JobRow>, Error>> {
        self.view(|state| state.jobs_by_key(&keys))
    }

    fn tasks(&self, filter: TaskFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<TaskRow>, Error>> {
        self.view(|state| state.list_tasks(&filter, after, limit))
    }

    fn jobs(&self, filter: JobFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<JobRow>, Error>> {
        self.view(|state| state.list_jobs(&filter, after, limit))
    }

    fn job_tasks(&self, job: Key, from: u32, limit: usize) -> BoxFuture<Result<Vec<TaskRow>, Error>> {
        self.view(|state| state.job_tasks(job, from, limit))
    }

    fn chunks(&self, job: Key) -> BoxFuture<Result<Vec<GraphChunk>, Error>> {
        self.view(|state| state.chunks_of(job))
    }

    fn attempts(&self, task: Key) -> BoxFuture<Result<Vec<Attempt>, Error>> {
        self.view(|state| state.attempts_of(task))
    }

    fn output(&self, task: Key) -> BoxFuture<Result<Option<Arc<str>>, Error>> {
        self.view(|state| state.output_of(task))
    }

    fn outputs(&self, tasks: Vec<Key>) -> BoxFuture<Result<Vec<(Key, Arc<str>)>, Error>> {
        self.view(|state| state.outputs_of(&tasks))
    }

    fn logs(&self, task: Key, attempt: u32, after: u64, limit: usize) -> BoxFuture<Result<LogPage, Error>> {
        self.view(|state| state.logs_of(task, attempt, after, limit))
    }

    fn log_tail(&self, task: Key, attempt: u32, bytes: usize) -> BoxFuture<Result<String, Error>> {
        self.view(|state| state.log_tail(task, attempt, bytes))
    }

    fn feed(&self, shard: ShardId, after: FeedPosition, limit: usize) -> BoxFuture<Result<FeedPage, Error>> {
        if shard != self.lock().shard {
            return Box::pin(ready(Err(Error::Incompatible(format!("shard {} does not exist", shard.0)))));
        }
        self.view(|state| state.feed_after(after, limit))
    }

    fn definitions(&self, filter: DefinitionFilter) -> BoxFuture<Result<Vec<DefinitionRow>, Error>> {
        self.view(|state| state.list_definitions(&filter))
    }

    fn schedules(
        &self,
        filter: ScheduleFilter,
        after: Option<ScheduleName>,
        limit: usize,
    ) -> BoxFuture<Result<Vec<ScheduleRow>, Error>> {
        self.view(|state| state.list_schedules(&filter, after.as_ref(), limit))
    }

    fn occurrences(
        &self,
        filter: OccurrenceFilter,
        after: Option<Key>,
        limit: usize,
    ) -> BoxFuture<Result<Page<OccurrenceRow>, Error>> {
        self.view(|state| state.list_occurrences(&filter, after, limit))
    }

    fn task_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<(Name, TaskStatus, u64)>, Error>> {
        self.view(|state| state.counts_of_tasks(tenant.as_ref(), bound))
    }

    fn job_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<(JobStatus, u64)>, Error>> {
        self.view(|state| state.counts_of_jobs(tenant.as_ref(), bound))
    }

    fn audit(&self, until: Option<Timestamp>, limit: usize) -> BoxFuture<Result<Vec<AuditRow>, Error>> {
        self.view(|state| state.newest_audit(until, limit))
    }

    fn ended_tasks(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<(Key, Vec<ClaimName>)>, Error>> {
        self.view(|state| state.ended_tasks(before, limit))
    }

    fn ended_jobs(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<(Key, Vec<ClaimName>)>, Error>> {
        self.view(|state| state.ended_jobs(before, limit))
    }
}
