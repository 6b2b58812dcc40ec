//! The read side: a few connections of its own, so that neither the shard nor an async runtime waits for a list.

mod details;
mod ids;
mod lists;
mod records;
mod retention;
mod schedules;

use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, JobRow, JobStatus};
use mainspring_core::row::{AuditRow, ClaimKind, ClaimName, ClaimRow, DefinitionRow, FeedPosition, TaskRow};
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_core::task::{Attempt, TaskStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::{
    BoxFuture, DefinitionFilter, Error, FeedPage, JobFilter, LogPage, OccurrenceFilter, Page, Reader, ScheduleFilter,
    ShardId, TaskFilter, TaskMark,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::clock;
use crate::connect;
use crate::failure::Failure;
use crate::sql::Session;
use crate::url::Target;

/// Connections for reading, opened as they are needed.
struct Pool {
    target: Target,
    permits: Semaphore,
    idle: Mutex<Vec<Arc<Session>>>,
}

impl Pool {
    async fn take(&self) -> Result<Arc<Session>, Error> {
        while let Some(session) = self.pop() {
            if !session.is_closed() {
                return Ok(session);
            }
        }
        Ok(Arc::new(connect::session(&self.target).await?))
    }

    fn pop(&self) -> Option<Arc<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, session: Arc<Session>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}

/// See [`Reader`].
pub(crate) struct PostgresReader {
    runtime: Handle,
    shards: u16,
    pool: Arc<Pool>,
    tasks_swept: Arc<AtomicU64>,
    jobs_swept: Arc<AtomicU64>,
}

impl PostgresReader {
    pub(crate) fn new(runtime: Handle, target: Target, shards: u16, connections: usize) -> Self {
        let permits = Semaphore::new(connections.max(1));
        let pool = Arc::new(Pool { target, permits, idle: Mutex::default() });
        Self { runtime, shards, pool, tasks_swept: Arc::default(), jobs_swept: Arc::default() }
    }

    pub(crate) fn ask<T, F>(&self, read: impl FnOnce(Arc<Session>) -> F + Send + 'static) -> BoxFuture<Result<T, Error>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let pool = self.pool.clone();
        let reading = self.runtime.spawn(async move {
            let closed = |_| Error::Unavailable("the store is closed".to_owned());
            let _permit = pool.permits.acquire().await.map_err(closed)?;
            let session = pool.take().await?;
            let answer = read(session.clone()).await;
            if !answer.as_ref().is_err_and(Failure::ends_connection) {
                pool.give_back(session);
            }
            answer.map_err(Error::from)
        });
        let ended = |_| Err(Error::Unavailable("the store is closed".to_owned()));
        Box::pin(async move { reading.await.unwrap_or_else(ended) })
    }
}

impl Reader for PostgresReader {
    fn find(&self, kind: ClaimKind, text: Name) -> BoxFuture<Result<Vec<(Name, Key)>, Error>> {
        self.ask(move |db| details::find(db, kind, text))
    }

    fn claims_to(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<ClaimRow>, Error>> {
        self.ask(move |db| retention::claims_to(db, keys))
    }

    fn find_in_job(&self, job: Key, name: Name) -> BoxFuture<Result<Option<Key>, Error>> {
        self.ask(move |db| details::find_in_job(db, job, name))
    }

    fn tasks_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<TaskRow>, Error>> {
        self.ask(move |db| details::tasks_by_key(db, keys))
    }

    fn jobs_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<JobRow>, Error>> {
        self.ask(move |db| details::jobs_by_key(db, keys))
    }

    fn tasks(&self, filter: TaskFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<TaskRow>, Error>> {
        self.ask(move |db| lists::tasks(db, filter, after, limit, clock::now()))
    }

    fn jobs(&self, filter: JobFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<JobRow>, Error>> {
        self.ask(move |db| lists::jobs(db, filter, after, limit, clock::now()))
    }

    fn job_tasks(&self, job: Key, from: u32, limit: usize) -> BoxFuture<Result<Vec<TaskRow>, Error>> {
        self.ask(move |db| details::job_tasks(db, job, from, limit))
    }

    fn marks(&self, job: Key, from: u32, limit: usize) -> BoxFuture<Result<Vec<TaskMark>, Error>> {
        self.ask(move |db| details::marks(db, job, from, limit))
    }

    fn chunks(&self, job: Key) -> BoxFuture<Result<Vec<GraphChunk>, Error>> {
        self.ask(move |db| details::chunks(db, job))
    }

    fn attempts(&self, task: Key) -> BoxFuture<Result<Vec<Attempt>, Error>> {
        self.ask(move |db| records::attempts(db, task))
    }

    fn output(&self, task: Key) -> BoxFuture<Result<Option<Arc<str>>, Error>> {
        self.ask(move |db| records::output(db, task))
    }

    fn outputs(&self, tasks: Vec<Key>) -> BoxFuture<Result<Vec<(Key, Arc<str>)>, Error>> {
        self.ask(move |db| records::outputs(db, tasks))
    }

    fn logs(&self, task: Key, attempt: u32, after: u64, limit: usize) -> BoxFuture<Result<LogPage, Error>> {
        self.ask(move |db| records::logs(db, task, attempt, after, limit))
    }

    fn log_tail(&self, task: Key, attempt: u32, bytes: usize) -> BoxFuture<Result<String, Error>> {
        self.ask(move |db| records::log_tail(db, task, attempt, bytes))
    }

    fn feed(&self, shard: ShardId, after: FeedPosition, limit: usize) -> BoxFuture<Result<FeedPage, Error>> {
        let exists = crate::exists(shard, self.shards);
        self.ask(move |db| async move {
            exists?;
            records::feed(db, shard, after, limit).await
        })
    }

    fn definitions(&self, filter: DefinitionFilter) -> BoxFuture<Result<Vec<DefinitionRow>, Error>> {
        self.ask(move |db| records::definitions(db, filter))
    }

    fn schedules(
        &self,
        filter: ScheduleFilter,
        after: Option<ScheduleName>,
        limit: usize,
    ) -> BoxFuture<Result<Vec<ScheduleRow>, Error>> {
        self.ask(move |db| schedules::schedules(db, filter, after, limit))
    }

    fn occurrences(
        &self,
        filter: OccurrenceFilter,
        after: Option<Key>,
        limit: usize,
    ) -> BoxFuture<Result<Page<OccurrenceRow>, Error>> {
        self.ask(move |db| schedules::occurrences(db, filter, after, limit))
    }

    fn task_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<(Name, TaskStatus, u64)>, Error>> {
        self.ask(move |db| records::task_counts(db, tenant, bound))
    }

    fn job_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<(JobStatus, u64)>, Error>> {
        self.ask(move |db| records::job_counts(db, tenant, bound))
    }

    fn audit(&self, until: Option<Timestamp>, limit: usize) -> BoxFuture<Result<Vec<AuditRow>, Error>> {
        self.ask(move |db| records::audit(db, until, limit))
    }

    fn ended_tasks(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<(Key, Vec<ClaimName>)>, Error>> {
        let swept = self.tasks_swept.clone();
        self.ask(move |db| retention::ended(db, retention::TASKS, swept, before, limit))
    }

    fn ended_jobs(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<(Key, Vec<ClaimName>)>, Error>> {
        let swept = self.jobs_swept.clone();
        self.ask(move |db| retention::ended(db, retention::JOBS, swept, before, limit))
    }
}
