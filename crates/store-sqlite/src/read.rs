//! The read side: a few read-only connections, each on a thread of its own, so that neither the writer nor an async
//! runtime waits for a list.

mod details;
mod ids;
mod lists;
mod retention;
mod scan;
mod schedules;

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

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
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::clock::{self, Deadline};
use crate::connect;
use crate::failure::Failure;
use crate::lock::Ownership;

/// Longest time of one read transaction: an old one keeps the write-ahead log from starting afresh.
const READ_TIME_MAX: Duration = Duration::from_secs(1);

type Work = Box<dyn FnOnce(Result<&mut Connection, Error>) + Send>;

/// The threads that read.
pub(crate) struct Pool {
    work: Option<Sender<Work>>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    pub(crate) fn start(path: &Path, threads: usize, ownership: &Arc<Ownership>) -> Result<Self, Error> {
        let (work, queue) = channel::<Work>();
        let queue = Arc::new(Mutex::new(queue));
        let start = |number: usize| {
            let (path, queue, owned) = (path.to_owned(), queue.clone(), ownership.clone());
            let name = format!("store-read-{number}");
            let spawned = std::thread::Builder::new().name(name).spawn(move || {
                serve(&path, &queue);
                drop(owned);
            });
            spawned.map_err(|error| Error::Unavailable(format!("cannot start a thread: {error}")))
        };
        let threads = (0..threads.max(1)).map(start).collect::<Result<_, _>>()?;
        Ok(Self { work: Some(work), threads })
    }

    fn push(&self, work: Work) {
        let queue = self.work.as_ref().expect("it ends only when it is dropped");
        // Where every thread has ended, the work is dropped and its caller hears that nobody answers.
        _ = queue.send(work);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.work = None;
        for thread in self.threads.drain(..) {
            _ = thread.join();
        }
    }
}

fn serve(path: &Path, queue: &Mutex<Receiver<Work>>) {
    let mut db: Option<Connection> = None;
    loop {
        let work = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = work else { return };
        if db.is_none() {
            match connect::reader(path) {
                Ok(opened) => db = Some(opened),
                Err(error) => {
                    work(Err(error));
                    continue;
                }
            }
        }
        work(Ok(db.as_mut().expect("it was just opened")));
    }
}

/// Reads inside one transaction that ends in time.
fn transact<T>(db: &mut Connection, read: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
    let deadline = Deadline::after(READ_TIME_MAX);
    db.progress_handler(10_000, Some(move || deadline.has_passed()))?;
    let transaction = db.transaction()?;
    let answer = read(&transaction)?;
    transaction.finish()?;
    Ok(answer)
}

/// See [`Reader`].
pub(crate) struct SqliteReader {
    pool: Arc<Pool>,
    tasks_swept: Arc<AtomicU64>,
    jobs_swept: Arc<AtomicU64>,
}

impl SqliteReader {
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, tasks_swept: Arc::default(), jobs_swept: Arc::default() }
    }

    fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> BoxFuture<Result<T, Error>> {
        let (reply, answer) = oneshot::channel();
        self.pool.push(Box::new(move |db| {
            let read = db.and_then(|db| transact(db, read).map_err(Error::from));
            // Nobody may be waiting any longer.
            _ = reply.send(read);
        }));
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(Error::Unavailable("the store is closed".into()))) })
    }
}

impl Reader for SqliteReader {
    fn find(&self, kind: ClaimKind, text: Name) -> BoxFuture<Result<Vec<(Name, Key)>, Error>> {
        self.ask(move |db| details::find(db, kind, &text))
    }

    fn claims_to(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<ClaimRow>, Error>> {
        self.ask(move |db| retention::claims_of(db, &keys))
    }

    fn find_in_job(&self, job: Key, name: Name) -> BoxFuture<Result<Option<Key>, Error>> {
        self.ask(move |db| details::find_in_job(db, job, &name))
    }

    fn tasks_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<TaskRow>, Error>> {
        self.ask(move |db| details::tasks_by_key(db, &keys))
    }

    fn jobs_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<JobRow>, Error>> {
        self.ask(move |db| details::jobs_by_key(db, &keys))
    }

    fn tasks(&self, filter: TaskFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<TaskRow>, Error>> {
        self.ask(move |db| lists::tasks(db, &filter, after, limit, clock::now()))
    }

    fn jobs(&self, filter: JobFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<JobRow>, Error>> {
        self.ask(move |db| lists::jobs(db, &filter, after, limit, clock::now()))
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
        self.ask(move |db| details::attempts(db, task))
    }

    fn output(&self, task: Key) -> BoxFuture<Result<Option<Arc<str>>, Error>> {
        self.ask(move |db| details::output(db, task))
    }

    fn outputs(&self, tasks: Vec<Key>) -> BoxFuture<Result<Vec<(Key, Arc<str>)>, Error>> {
        self.ask(move |db| details::outputs(db, &tasks))
    }

    fn logs(&self, task: Key, attempt: u32, after: u64, limit: usize) -> BoxFuture<Result<LogPage, Error>> {
        self.ask(move |db| details::logs(db, task, attempt, after, limit))
    }

    fn log_tail(&self, task: Key, attempt: u32, bytes: usize) -> BoxFuture<Result<String, Error>> {
        self.ask(move |db| details::log_tail(db, task, attempt, bytes))
    }

    fn feed(&self, _shard: ShardId, after: FeedPosition, limit: usize) -> BoxFuture<Result<FeedPage, Error>> {
        self.ask(move |db| details::feed(db, after, limit))
    }

    fn definitions(&self, filter: DefinitionFilter) -> BoxFuture<Result<Vec<DefinitionRow>, Error>> {
        self.ask(move |db| lists::definitions(db, &filter))
    }

    fn schedules(
        &self,
        filter: ScheduleFilter,
        after: Option<ScheduleName>,
        limit: usize,
    ) -> BoxFuture<Result<Vec<ScheduleRow>, Error>> {
        self.ask(move |db| schedules::schedules(db, &filter, after.as_ref(), limit))
    }

    fn occurrences(
        &self,
        filter: OccurrenceFilter,
        after: Option<Key>,
        limit: usize,
    ) -> BoxFuture<Result<Page<OccurrenceRow>, Error>> {
        self.ask(move |db| schedules::occurrences(db, &filter, after, limit))
    }

    fn task_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<(Name, TaskStatus, u64)>, Error>> {
        self.ask(move |db| lists::task_counts(db, tenant.as_deref(), bound))
    }

    fn job_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<(JobStatus, u64)>, Error>> {
        self.ask(move |db| lists::job_counts(db, tenant.as_deref(), bound))
    }

    fn audit(&self, until: Option<Timestamp>, limit: usize) -> BoxFuture<Result<Vec<AuditRow>, Error>> {
        self.ask(move |db| lists::audit(db, until, limit))
    }

    fn ended_tasks(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<(Key, Vec<ClaimName>)>, Error>> {
        let swept = self.tasks_swept.clone();
        self.ask(move |db| retention::ended_tasks(db, &swept, before, limit))
    }

    fn ended_jobs(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<(Key, Vec<ClaimName>)>, Error>> {
        let swept = self.jobs_swept.clone();
        self.ask(move |db| retention::ended_jobs(db, &swept, before, limit))
    }
}
