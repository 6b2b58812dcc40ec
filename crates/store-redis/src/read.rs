//! The read side: a connection and a thread of its own, so that no list stands in the way of a commit. Each shard has a
//! reader; what they ask is pipelined.

mod details;
mod ids;
mod lists;
mod retention;
mod scan;
mod schedules;

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, JobRow, JobStatus};
use mainspring_core::row::{AuditRow, ClaimKind, ClaimRow, DefinitionRow, FeedPosition, TaskRow};
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_core::task::Attempt;
use mainspring_core::time::Timestamp;
use mainspring_store::record::Unreadable;
use mainspring_store::{
    BoxFuture, DefinitionFilter, Ended, Error, FeedPage, JobFilter, LogPage, OccurrenceFilter, Page, Reader,
    ScheduleFilter, ShardId, TaskCount, TaskFilter,
};
use tokio::sync::{mpsc, oneshot};

use crate::connect::Link;
use crate::failure::Failure;
use crate::fetch;

/// A row of the feed: the number of its commit, and its fields.
pub(crate) type FeedEntry = (String, HashMap<String, Vec<u8>>);

/// The number of a feed row's commit.
pub(crate) fn commit_of(id: &str) -> Result<u64, Unreadable> {
    id.split('-').next().and_then(|commit| commit.parse().ok()).ok_or(Unreadable("position of the feed"))
}

/// A read, with the sending of its answer.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What every read of a shard needs.
#[derive(Debug)]
pub(crate) struct Side {
    link: Link,
    tasks_swept: AtomicU64,
    jobs_swept: AtomicU64,
}

impl Side {
    fn new(link: Link) -> Self {
        Self { link, tasks_swept: AtomicU64::new(0), jobs_swept: AtomicU64::new(0) }
    }

    /// The jobs that are not published yet; usually none.
    async fn staged(&self) -> Result<HashSet<Key>, Failure> {
        Ok(fetch::all_of(&self.link, "jobs:staged").await?.into_iter().collect())
    }
}

/// Serves reads, several at a time, until nobody can ask.
pub(crate) async fn run(mut work: mpsc::UnboundedReceiver<Work>) {
    while let Some(work) = work.recv().await {
        tokio::spawn(work);
    }
}

/// See [`Reader`]: of one shard, to itself shard 0.
#[derive(Debug)]
pub(crate) struct RedisReader {
    side: Arc<Side>,
    work: mpsc::UnboundedSender<Work>,
}

impl RedisReader {
    /// Reads over this link, on whatever serves `work`.
    pub(crate) fn new(link: Link, work: mpsc::UnboundedSender<Work>) -> Self {
        Self { side: Arc::new(Side::new(link)), work }
    }

    fn ask<T, F, A>(&self, read: F) -> BoxFuture<Result<T, Error>>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Side>) -> A + Send + 'static,
        A: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let side = self.side.clone();
        let work = async move {
            // Nobody may be waiting any longer.
            _ = reply.send(read(side).await.map_err(Error::from));
        };
        // Where the thread has ended, the work is dropped and its caller hears that nobody answers.
        _ = self.work.send(Box::pin(work));
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(Error::Unavailable("the store is closed".into()))) })
    }
}

impl Reader for RedisReader {
    fn find(&self, kind: ClaimKind, text: Name) -> BoxFuture<Result<Vec<(Name, Key)>, Error>> {
        self.ask(move |side| async move { side.find(kind, &text).await })
    }

    fn claims_to(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<ClaimRow>, Error>> {
        self.ask(move |side| async move { side.claims_to(&keys).await })
    }

    fn find_in_job(&self, job: Key, name: Name) -> BoxFuture<Result<Option<Key>, Error>> {
        self.ask(move |side| async move { side.find_in_job(job, &name).await })
    }

    fn tasks_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<TaskRow>, Error>> {
        self.ask(move |side| async move { side.tasks_by_key(&keys).await })
    }

    fn jobs_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<JobRow>, Error>> {
        self.ask(move |side| async move { side.jobs_by_key(keys).await })
    }

    fn tasks(&self, filter: TaskFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<TaskRow>, Error>> {
        self.ask(move |side| async move { side.tasks(&filter, after, limit).await })
    }

    fn jobs(&self, filter: JobFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<JobRow>, Error>> {
        self.ask(move |side| async move { side.jobs(&filter, after, limit).await })
    }

    fn job_tasks(&self, job: Key, from: u32, limit: usize) -> BoxFuture<Result<Vec<TaskRow>, Error>> {
        self.ask(move |side| async move { side.job_tasks(job, from, limit).await })
    }

    fn chunks(&self, job: Key) -> BoxFuture<Result<Vec<GraphChunk>, Error>> {
        self.ask(move |side| async move { side.chunks(job).await })
    }

    fn attempts(&self, task: Key) -> BoxFuture<Result<Vec<Attempt>, Error>> {
        self.ask(move |side| async move { side.attempts(task).await })
    }

    fn output(&self, task: Key) -> BoxFuture<Result<Option<Arc<str>>, Error>> {
        self.ask(move |side| async move { side.output(task).await })
    }

    fn outputs(&self, tasks: Vec<Key>) -> BoxFuture<Result<Vec<(Key, Arc<str>)>, Error>> {
        self.ask(move |side| async move { side.outputs(&tasks).await })
    }

    fn logs(&self, task: Key, attempt: u32, after: u64, limit: usize) -> BoxFuture<Result<LogPage, Error>> {
        self.ask(move |side| async move { side.logs(task, attempt, after, limit).await })
    }

    fn log_tail(&self, task: Key, attempt: u32, bytes: usize) -> BoxFuture<Result<String, Error>> {
        self.ask(move |side| async move { side.log_tail(task, attempt, bytes).await })
    }

    fn feed(&self, _shard: ShardId, after: FeedPosition, limit: usize) -> BoxFuture<Result<FeedPage, Error>> {
        self.ask(move |side| async move { side.feed(after, limit).await })
    }

    fn definitions(&self, filter: DefinitionFilter) -> BoxFuture<Result<Vec<DefinitionRow>, Error>> {
        self.ask(move |side| async move { side.definitions(&filter).await })
    }

    fn schedules(
        &self,
        filter: ScheduleFilter,
        after: Option<ScheduleName>,
        limit: usize,
    ) -> BoxFuture<Result<Vec<ScheduleRow>, Error>> {
        self.ask(move |side| async move { side.schedules(filter, after, limit).await })
    }

    fn occurrences(
        &self,
        filter: OccurrenceFilter,
        after: Option<Key>,
        limit: usize,
    ) -> BoxFuture<Result<Page<OccurrenceRow>, Error>> {
        self.ask(move |side| async move { side.occurrences(filter, after, limit).await })
    }

    fn task_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<TaskCount>, Error>> {
        self.ask(move |side| async move { side.task_counts(tenant.as_deref(), bound).await })
    }

    fn job_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<(JobStatus, u64)>, Error>> {
        self.ask(move |side| async move { side.job_counts(tenant.as_deref(), bound).await })
    }

    fn audit(&self, until: Option<Timestamp>, limit: usize) -> BoxFuture<Result<Vec<AuditRow>, Error>> {
        self.ask(move |side| async move { side.audit(until, limit).await })
    }

    fn ended_tasks(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<Ended>, Error>> {
        self.ask(move |side| async move { side.ended_tasks(before, limit).await })
    }

    fn ended_jobs(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<Ended>, Error>> {
        self.ask(move |side| async move { side.ended_jobs(before, limit).await })
    }
}
