//! A transaction of somebody else that stays open: it keeps the rows of before, and with them their index entries. What the
//! store does must not pass them again and again. Counted, not timed.

use std::sync::Arc;

use mainspring_core::id::{Bucket, Key};
use mainspring_core::row::{Changes, LanePage, ReadSet, TaskRow, TimerPage};
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::{Attempt, LaneId, Lease, Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::conformance::{Shard, wait};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::{Held, SHARED, poll_until, schema};

const TASKS: u64 = 2_000;
const PAGE: u32 = 100;
const LANE: LaneId = LaneId(1);

/// Holds everything that is there now.
const HOLD: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class";

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000 + ms as i64)
}

fn key(number: u64) -> Key {
    Key::new(Key::first_sequence_at(at(0)) + number, Bucket::new(7))
}

fn cold_ready() -> TaskState {
    TaskState::new(TaskStatus::Ready, Place::ColdReady { lane: LANE })
}

fn cold_timer(number: u64) -> TaskState {
    TaskState { due: Some(at(number)), ..TaskState::new(TaskStatus::Scheduled, Place::ColdTimer) }
}

fn task(number: u64, priority: u8, state: TaskState) -> TaskRow {
    let spec = TaskSpec { priority, ..TaskSpec::new("noop".into(), "{}".into()) };
    TaskRow { state, ..TaskRow::new(key(number), spec, at(number)) }
}

fn insert(shard: &mut Shard, rows: impl Iterator<Item = TaskRow>) {
    shard.commit(Changes { insert_tasks: rows.collect(), ..Changes::default() });
}

fn shard(url: &str) -> Shard {
    Shard::of(PostgresStore::open(url, Options::default()).expect("it is new"))
}

/// Reads pages until none is left, ending the tasks of each before the next; gives the order in which they came.
fn drain(shard: &mut Shard, set: &ReadSet, mut between: impl FnMut(&mut Shard)) -> Vec<Key> {
    let mut order = Vec::new();
    loop {
        let rows = wait(shard.store.read(shard.fence.clone(), set.clone())).expect("the fence is in force").tasks;
        if rows.is_empty() {
            return order;
        }
        let ended = |row: &TaskRow| (row.key, TaskState::new(TaskStatus::Completed, Place::Rest));
        order.extend(rows.iter().map(|row| row.key));
        shard.commit(Changes { update_tasks: rows.iter().map(ended).collect(), ..Changes::default() });
        between(shard);
    }
}

/// A figure about a table or index, once the store's connections have told theirs and are gone.
fn figure(url: &str, sql: &str) -> u64 {
    let schema = schema(url);
    let sessions = format!("SELECT 1 FROM pg_stat_activity WHERE application_name = '{schema}'");
    poll_until("the connections are closed", || SHARED.sql(&sessions).is_empty());
    let found = SHARED.sql(&format!("SELECT coalesce(sum({sql} AND schemaname = '{schema}'"));
    found[0].parse().expect("it is a number")
}

fn entries_read(url: &str, index: &str) -> u64 {
    figure(url, &format!("idx_tup_read), 0) FROM pg_stat_user_indexes WHERE indexrelname = '{index}'"))
}

fn named(url: &str) -> String {
    url.replacen('?', &format!("?application_name={}&", schema(url)), 1)
}

fn lane_page() -> ReadSet {
    ReadSet { lanes: vec![LanePage { lane: LANE, limit: PAGE, oldest: 6 }], ..ReadSet::default() }
}

#[test]
fn draining_a_backlog_reads_each_of_its_rows_a_few_times_at_most() {
    let url = SHARED.fresh();
    let mut shard = shard(&named(&url));
    insert(&mut shard, (0..TASKS).map(|number| task(number, 5, cold_ready())));
    let mut held = Held::start(HOLD);
    let order = drain(&mut shard, &lane_page(), |_| {});
    assert_eq!(order, (0..TASKS).map(key).collect::<Vec<_>>());
    drop(shard);
    let read = entries_read(&url, "tasks_cold_ready");
    assert!((TASKS..4 * TASKS).contains(&read), "{read} entries for {TASKS} tasks");
    held.end("ROLLBACK");
}

#[test]
fn draining_timers_reads_each_of_them_a_few_times_at_most() {
    let url = SHARED.fresh();
    let mut shard = shard(&named(&url));
    insert(&mut shard, (0..TASKS).map(|number| task(number, 5, cold_timer(number))));
    let mut held = Held::start(HOLD);
    let timers = Some(TimerPage { until: at(TASKS), limit: PAGE });
    let order = drain(&mut shard, &ReadSet { timers, ..ReadSet::default() }, |_| {});
    assert_eq!(order, (0..TASKS).map(key).collect::<Vec<_>>());
    drop(shard);
    let read = entries_read(&url, "tasks_cold_timers");
    assert!((TASKS..8 * TASKS).contains(&read), "{read} entries for {TASKS} timers");
    held.end("ROLLBACK");
}

#[test]
fn what_goes_cold_in_front_of_the_pages_that_were_read_is_found() {
    let url = SHARED.fresh();
    let mut shard = shard(&named(&url));
    insert(&mut shard, (100..400).map(|number| task(number, 5, cold_ready())));
    let mut extra = vec![
        // Older than all that are left, by an update, which does not carry the priority.
        Changes { update_tasks: vec![(key(100), cold_ready())], ..Changes::default() },
        // Of a rank that had none.
        Changes { insert_tasks: vec![task(3, 1, cold_ready())], ..Changes::default() },
        Changes { insert_tasks: vec![task(4, 9, cold_ready())], ..Changes::default() },
        // At the end, when the lane is empty.
        Changes { insert_tasks: vec![task(5, 5, cold_ready())], ..Changes::default() },
    ];
    let order = drain(&mut shard, &lane_page(), |shard| {
        if !extra.is_empty() {
            shard.commit(extra.remove(0));
        }
    });
    for found in [100, 3, 4, 5] {
        assert!(order.contains(&key(found)), "task {found} was not found");
    }
    assert_eq!(order.iter().filter(|found| **found == key(100)).count(), 2);

    insert(&mut shard, (200..300).map(|number| task(1_000 + number, 5, cold_timer(number))));
    let mut extra = vec![(key(1_200), cold_timer(7)), (key(1_201), cold_timer(900))];
    let timers = Some(TimerPage { until: at(1_000), limit: 40 });
    let order = drain(&mut shard, &ReadSet { timers, ..ReadSet::default() }, |shard| {
        let back = extra.pop();
        shard.commit(Changes { update_tasks: back.into_iter().collect(), ..Changes::default() });
    });
    assert_eq!(order.len(), 102, "each once, and two that came again");
}

#[test]
fn no_commit_leaves_a_version_of_a_row_that_the_next_one_looks_at() {
    let url = SHARED.fresh();
    let mut shard = shard(&named(&url));
    let mut held = Held::start(HOLD);
    for number in 0..700 {
        insert(&mut shard, std::iter::once(task(number, 5, TaskState::new(TaskStatus::Ready, Place::Hot))));
    }
    drop(shard);
    let updates =
        |table: &str| figure(&url, &format!("n_tup_upd), 0) FROM pg_stat_user_tables WHERE relname = '{table}'"));
    assert!(updates("folds") >= 2, "it folds as it goes");
    // It was taken, and given back.
    assert_eq!(updates("shards"), 2);
    held.end("ROLLBACK");
}

#[test]
fn a_task_that_starts_touches_no_index() {
    let url = SHARED.fresh();
    let mut shard = shard(&named(&url));
    let mut held = Held::start(HOLD);
    let body = format!(r#"{{"payload": "{}"}}"#, "x".repeat(100));
    for page in 0..20 {
        let mut rows: Vec<TaskRow> = (0..100)
            .map(|number| task(page * 100 + number, 5, TaskState::new(TaskStatus::Ready, Place::Hot)))
            .collect();
        for row in &mut rows {
            row.spec = Some(Arc::new(TaskSpec::new("noop".into(), body.as_str().into())));
        }
        insert(&mut shard, rows.into_iter());
    }
    let attempt = Attempt {
        number: 1,
        generation: 1,
        worker: "host-1a2b".into(),
        started_at: at(9_000),
        ended_at: None,
        outcome: None,
        error: None,
        lease: 7,
    };
    let lease = Lease { number: 7, session: "01J9Z3K5X7".into(), worker: "host-1a2b".into(), lease_ms: 15_000 };
    let running = TaskState {
        attempt: 1,
        last: Some(attempt),
        lease: Some(lease),
        ..TaskState::new(TaskStatus::Running, Place::Hot)
    };
    for page in 0..20 {
        let started = (0..100).map(|number| (key(page * 100 + number), running.clone()));
        shard.commit(Changes { update_tasks: started.collect(), ..Changes::default() });
    }
    drop(shard);
    let hot = figure(&url, "n_tup_hot_upd), 0) FROM pg_stat_user_tables WHERE relname = 'tasks'");
    assert_eq!(hot, TASKS, "of so many tasks");
    held.end("ROLLBACK");
}
