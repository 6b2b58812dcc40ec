//! How many task lifecycles a second the store carries: each task is inserted as running in one commit and completed in the
//! next, as when a worker waits for it.
//!
//! ```text
//! cargo run --release -p mainspring-store-sqlite --example lifecycles -- FILE [TASKS [BATCH [PAGE_BYTES [CACHE_KIB]]]]
//! ```
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::row::{Changes, TaskRow, Transition, TransitionKind};
use mainspring_core::spec::{Class, Policy, TaskSpec};
use mainspring_core::task::{Attempt, Lease, Outcome, Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::{BoxFuture, CommitAnswer, ShardCommit, ShardId, Store};
use mainspring_store_sqlite::{Options, SqliteStore};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait<T>(mut future: BoxFuture<T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// What all tasks share, as in a batch that was parsed together.
struct Work {
    tenant: Name,
    worker: Name,
    session: Name,
    kind: Name,
    queue: Name,
    policy: Arc<Policy>,
    now: i64,
}

impl Work {
    fn key(&self, number: u64) -> Key {
        let bucket = Bucket::new((number.wrapping_mul(0x9e37_79b9) >> 7) as u16);
        Key::new(Key::first_sequence_at(Timestamp::from_millis(self.now)) + number, bucket)
    }

    fn running(&self, number: u64, at: Timestamp) -> TaskState {
        let attempt = Attempt {
            number: 1,
            generation: 1,
            worker: self.worker.clone(),
            started_at: at,
            ended_at: None,
            outcome: None,
            error: None,
            lease: number,
        };
        let (session, worker) = (self.session.clone(), self.worker.clone());
        TaskState {
            attempt: 1,
            ready_at: Some(at),
            last: Some(attempt),
            lease: Some(Lease { number, session, worker, lease_ms: 15_000 }),
            ..TaskState::new(TaskStatus::Running, Place::Hot)
        }
    }

    fn task(&self, number: u64, at: Timestamp) -> TaskRow {
        let spec = TaskSpec {
            kind: self.kind.clone(),
            title: None,
            queue: self.queue.clone(),
            class: Class { executor: self.kind.clone(), labels: Arc::from([]) },
            priority: 0,
            expires_at_ms: None,
            policy: self.policy.clone(),
            limits: Arc::default(),
            body: format!(r#"{{"payload":{{"number":{number},"text":"{}"}}}}"#, "x".repeat(70)).into(),
            tags: Arc::from([]),
        };
        TaskRow {
            tenant: self.tenant.clone(),
            state: self.running(number, at),
            ..TaskRow::new(self.key(number), spec, at)
        }
    }

    /// Inserts `from..to` as running and completes the `batch` tasks before.
    fn changes(&self, commit: u64, from: u64, to: u64, batch: u64) -> Changes {
        let at = Timestamp::from_millis(self.now + commit as i64);
        let event = |kind, number| {
            let task = Some(self.key(number));
            Transition { kind, at, task, job: None, attempt: 1, subject: None }
        };
        let mut changes = Changes::default();
        changes.high_water.commit = commit;
        for number in from..to {
            changes.insert_tasks.push(self.task(number, at));
            changes.feed.push(event(TransitionKind::TaskSubmitted, number));
            changes.feed.push(event(TransitionKind::TaskStarted, number));
        }
        for number in from.saturating_sub(batch)..from {
            let mut state = self.running(number, at);
            state.status = TaskStatus::Completed;
            state.place = Place::Rest;
            state.ended_at = Some(at);
            state.lease = None;
            let last = state.last.as_mut().expect("it ran");
            last.ended_at = Some(at);
            last.outcome = Some(Outcome::Success);
            changes.update_tasks.push((self.key(number), state));
            changes.feed.push(event(TransitionKind::TaskComplete, number));
        }
        changes
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a file")?;
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (tasks, batch) = (number(500_000)?, number(1_000)?);
    let mut options = Options::default();
    options.page_bytes = u32::try_from(number(u64::from(options.page_bytes))?)?;
    options.cache_kib = u32::try_from(number(u64::from(options.cache_kib))?)?;

    let store = SqliteStore::open(&path, options)?;
    let fence = wait(store.acquire(ShardId(0), "bench".into(), None))?;
    let name = |text: &str| -> Name { text.into() };
    let work = Work {
        tenant: name("default"),
        worker: name("host-1a2b"),
        session: name("01J9Z3K5X7"),
        kind: name("noop"),
        queue: name("default"),
        policy: Arc::default(),
        now: 1_795_000_000_000,
    };
    let start = Instant::now();
    let mut building = std::time::Duration::ZERO;
    let mut in_flight: Option<BoxFuture<Vec<CommitAnswer>>> = None;
    for commit in 1..=tasks.div_ceil(batch) {
        let built = Instant::now();
        let changes = Arc::new(work.changes(commit, (commit - 1) * batch, commit * batch, batch));
        building += built.elapsed();
        if let Some(answer) = in_flight.take() {
            assert_eq!(wait(answer), [CommitAnswer::Committed]);
        }
        in_flight = Some(store.commit(vec![ShardCommit { fence: fence.clone(), changes }]));
    }
    if let Some(answer) = in_flight {
        assert_eq!(wait(answer), [CommitAnswer::Committed]);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{tasks} lifecycles in batches of {batch}: {:.0} /s, {:.2} us each (building them {:.2} us); {:?}",
        tasks as f64 / seconds,
        seconds * 1e6 / tasks as f64,
        building.as_secs_f64() * 1e6 / tasks as f64,
        store.figures()
    );
    Ok(())
}
