//! How many commits and task lifecycles a second the store carries: each shard has a thread that inserts tasks as running in
//! one commit and completes them in the next, one commit in flight and one in the making.
//!
//! ```text
//! cargo run --release -p mainspring-store-postgres --example commits -- URL [COMMITS [BATCH [SHARDS]]]
//! ```
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use mainspring_core::id::{Bucket, Key};
use mainspring_core::row::{Changes, TaskRow, Transition, TransitionKind};
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::{Attempt, Lease, Outcome, Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::conformance::wait;
use mainspring_store::{BoxFuture, CommitAnswer, Fence, ShardCommit, ShardId, Store};
use mainspring_store_postgres::{Options, PostgresStore};

const START_MS: i64 = 1_795_000_000_000;

fn running(number: u64, at: Timestamp) -> TaskState {
    let last = Attempt {
        number: 1,
        generation: 1,
        worker: "host-1a2b".into(),
        started_at: at,
        ended_at: None,
        outcome: None,
        error: None,
        lease: number,
    };
    let lease = Lease { number, session: "01J9Z3K5X7".into(), worker: "host-1a2b".into(), lease_ms: 15_000 };
    TaskState {
        attempt: 1,
        ready_at: Some(at),
        last: Some(last),
        lease: Some(lease),
        ..TaskState::new(TaskStatus::Running, Place::Hot)
    }
}

fn completed(number: u64, at: Timestamp) -> TaskState {
    let mut state = running(number, at);
    (state.status, state.place, state.ended_at, state.lease) = (TaskStatus::Completed, Place::Rest, Some(at), None);
    if let Some(last) = &mut state.last {
        (last.ended_at, last.outcome) = (Some(at), Some(Outcome::Success));
    }
    state
}

fn task(key: Key, number: u64, at: Timestamp) -> TaskRow {
    let spec = TaskSpec::new(
        "noop".into(),
        format!(r#"{{"payload":{{"number":{number},"text":"{}"}}}}"#, "x".repeat(70)).into(),
    );
    TaskRow { state: running(number, at), ..TaskRow::new(key, spec, at) }
}

/// A commit that inserts `batch` tasks and completes those of the commit before.
fn changes(fence: &Fence, shards: u16, commit: u64, batch: u64) -> Changes {
    let at = Timestamp::from_millis(START_MS + commit as i64);
    let (first, end) = fence.shard.buckets(shards);
    let key = |number: u64| {
        let bucket = Bucket::new(first + (number % u64::from(end - first)) as u16);
        Key::new(Key::first_sequence_at(Timestamp::from_millis(START_MS)) + number, bucket)
    };
    let event = |kind, number| Transition { kind, at, task: Some(key(number)), job: None, attempt: 1, subject: None };
    let mut out = Changes::default();
    out.high_water.commit = commit;
    for number in (commit - 1) * batch..commit * batch {
        out.insert_tasks.push(task(key(number), number, at));
        out.feed.push(event(TransitionKind::TaskStarted, number));
    }
    for number in (commit - 1).saturating_sub(1) * batch..(commit - 1) * batch {
        out.update_tasks.push((key(number), completed(number, at)));
        out.feed.push(event(TransitionKind::TaskComplete, number));
    }
    out
}

/// Gives the commits a second in each tenth of the run.
fn run(store: &dyn Store, fence: &Fence, commits: u64, batch: u64) -> Vec<u64> {
    let mut in_flight: Option<BoxFuture<Vec<CommitAnswer>>> = None;
    let (tenth, mut rates, mut since) = ((commits / 10).max(1), Vec::new(), Instant::now());
    for number in 1..=commits {
        if number % tenth == 0 {
            rates.push((tenth as f64 / since.elapsed().as_secs_f64()) as u64);
            since = Instant::now();
        }
        let changes = Arc::new(changes(fence, store.shards(), number, batch));
        if let Some(answer) = in_flight.take() {
            assert_eq!(wait(answer), [CommitAnswer::Committed]);
        }
        in_flight = Some(store.commit(vec![ShardCommit { fence: fence.clone(), changes }]));
    }
    if let Some(answer) = in_flight {
        assert_eq!(wait(answer), [CommitAnswer::Committed]);
    }
    rates
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("name an empty database")?;
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (commits, batch, shards) = (number(1_000)?, number(100)?, number(1)?);
    let store = PostgresStore::open(&url, Options::default())?;
    let fences = (0..u16::try_from(shards)?).map(|shard| wait(store.acquire(ShardId(shard), "bench".into(), None)));
    let fences = fences.collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    let rates = std::thread::scope(|scope| {
        let running: Vec<_> = fences.iter().map(|fence| scope.spawn(|| run(&*store, fence, commits, batch))).collect();
        let rates = running.into_iter().map(|thread| thread.join().expect("its commits succeed"));
        rates.collect::<Vec<_>>()
    });
    let seconds = start.elapsed().as_secs_f64();
    let all = (commits * shards) as f64;
    println!(
        "{shards} shards, {commits} commits each, of {batch} tasks: {:.0} commits/s, {:.0} lifecycles/s; commits/s of shard 0 by tenth: {:?}",
        all / seconds,
        all * batch as f64 / seconds,
        rates[0]
    );
    Ok(())
}
