//! One owner at a time among several servers, and who takes over when it is gone.

use std::sync::Arc;
use std::time::Duration;

use mainspring_core::id::Key;
use mainspring_core::job::{FailurePolicy, JobRow, JobState, JobStatus};
use mainspring_core::row::{Changes, QueueRow, ReadSet};
use mainspring_core::time::Timestamp;
use mainspring_store::conformance::{Shard, wait};
use mainspring_store::{CommitAnswer, Error, NodeRow, ShardCommit, ShardId, Store};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::{Held, SHARED, now, poll_until, schema};

fn open(url: &str) -> Arc<dyn Store> {
    PostgresStore::open(url, Options::default()).expect("it can be opened")
}

fn queue(name: &str) -> Changes {
    Changes { put_queues: vec![QueueRow { name: name.into(), paused: true }], ..Changes::default() }
}

#[test]
fn what_another_store_holds_is_refused_at_once_and_named() {
    let url = SHARED.fresh();
    let mut first = Shard::of(open(&url));
    let second = open(&url);
    // Also while a commit has the row locked.
    let held = Held::start(&format!("SELECT 1 FROM {}.shards FOR KEY SHARE", schema(&url)));
    let from = now();
    let refused = wait(second.acquire(ShardId(0), "second".into(), None)).expect_err("the first has it");
    assert!(matches!(&refused, Error::Conflict(text) if text.contains("held by owner under epoch")), "{refused}");
    assert!(from.elapsed() < Duration::from_secs(1));
    drop(held);
    first.commit(queue("a"));
}

#[test]
fn a_server_that_ended_leaves_its_shard_at_once() {
    let url = SHARED.fresh();
    let mut first = Shard::of(open(&url));
    first.commit(queue("a"));
    drop(first);
    let from = now();
    let second = Shard::of(open(&url));
    assert_eq!(second.load().queues.len(), 1);
    assert!(from.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_dead_owner_is_followed_only_after_its_commit_on_the_way() {
    let url = SHARED.fresh();
    let mut first = Shard::of(open(&url));
    first.commit(queue("a"));
    let (second, name) = (open(&url), schema(&url));
    // A late commit of the first: it has the fence and its feed row, and has not ended.
    let mut late = Held::start(&format!(
        "SELECT 1 FROM {name}.shards FOR KEY SHARE; INSERT INTO {name}.queues VALUES ('late', true);
        INSERT INTO {name}.feed (shard, number, time, sequence, lease) VALUES (0, 2, 0, 0, 0)"
    ));
    let acquiring = second.acquire(ShardId(0), "second".into(), Some(first.fence.epoch));
    let waits = format!(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%{name}%shards%FOR UPDATE%'"
    );
    poll_until("the second waits", || !SHARED.sql(&waits).is_empty());
    late.end("COMMIT");
    let fence = wait(acquiring).expect("the first was judged dead");
    assert_eq!(fence.epoch, first.fence.epoch + 1);
    let mut changes = queue("c");
    changes.high_water.commit = 3;
    let commit = ShardCommit { fence: fence.clone(), changes: Arc::new(changes) };
    assert_eq!(wait(second.commit(vec![commit])), [CommitAnswer::Committed], "it knows of the late one");
    let names: Vec<_> = wait(second.load(fence)).expect("in force").queues.into_iter().map(|row| row.name).collect();
    assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "c", "late"]);
}

#[test]
fn a_store_that_closes_gives_all_its_shards_back() {
    let url = SHARED.fresh_of(4);
    let first = open(&url);
    let fences: Vec<_> = (0..3).map(|shard| wait(first.acquire(ShardId(shard), "a".into(), None))).collect();
    assert!(fences.iter().all(Result::is_ok));
    let second = open(&url);
    wait(second.acquire(ShardId(3), "b".into(), None)).expect("nobody has it");
    drop(first);
    for shard in 0..3 {
        wait(second.acquire(ShardId(shard), "b".into(), None)).expect("it was given back");
    }
    let third = open(&url);
    assert!(wait(third.acquire(ShardId(3), "c".into(), None)).is_err(), "another's is not given back");
}

/// Two stores of which the second took the shard over although the first lives.
fn usurped() -> (Shard, Shard) {
    let url = SHARED.fresh();
    let mut first = Shard::of(open(&url));
    first.commit(queue("a"));
    SHARED.sql(&format!("UPDATE {}.shards SET holder = NULL", schema(&url)));
    let second = Shard::of(open(&url));
    (first, second)
}

#[test]
fn a_commit_of_an_owner_that_was_replaced_is_rejected() {
    let (mut first, mut second) = usurped();
    let epoch = second.fence.epoch;
    assert!(epoch > first.fence.epoch);
    assert_eq!(first.try_commit(queue("late")), CommitAnswer::Rejected { epoch });
    second.commit(queue("b"));
    let names: Vec<_> = second.load().queues.iter().map(|row| row.name.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
    let again = wait(first.store.acquire(ShardId(0), "first".into(), None));
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
}

#[test]
fn an_owner_that_was_replaced_reads_nothing() {
    let (first, _second) = usurped();
    let set = || ReadSet { jobs: vec![Key::from_raw(1)], ..ReadSet::default() };
    assert!(matches!(wait(first.store.read(first.fence.clone(), set())), Err(Error::Conflict(_))));
    let (first, _second) = usurped();
    assert!(matches!(wait(first.store.load(first.fence.clone())), Err(Error::Conflict(_))));
    let (first, _second) = usurped();
    let zero = Default::default();
    assert!(matches!(wait(first.store.prune(first.fence.clone(), zero, zero, 9)), Err(Error::Conflict(_))));
}

#[test]
fn a_restored_database_has_a_new_incarnation() {
    let url = SHARED.fresh();
    let mut shard = Shard::of(open(&url));
    let before = shard.fence.incarnation;
    shard.acquire_again();
    assert_eq!(shard.fence.incarnation, before);
    // Another cluster, or another timeline after a failover.
    SHARED.sql(&format!("UPDATE {}.shards SET origin = origin || '0'", schema(&url)));
    shard.acquire_again();
    assert_eq!(shard.fence.incarnation, before + 1);
    // A dump that was restored into the same cluster.
    let restore =
        "ALTER TABLE SCHEMA.shards RENAME TO before; CREATE TABLE SCHEMA.shards (LIKE SCHEMA.before INCLUDING ALL);
        INSERT INTO SCHEMA.shards SELECT * FROM SCHEMA.before";
    SHARED.sql(&restore.replace("SCHEMA", schema(&url)));
    shard.acquire_again();
    assert_eq!(shard.fence.incarnation, before + 2);
    assert_eq!(shard.load().incarnation, before + 2);
}

#[test]
fn a_database_that_went_back_tells_so_with_the_roster_and_begins_a_new_incarnation() {
    let url = SHARED.fresh();
    let mut shard = Shard::of(open(&url));
    shard.commit(queue("a"));
    shard.commit(queue("b"));
    let node = NodeRow { id: "n".into(), address: None, about: "".into(), process: "".into(), version: "".into() };
    let told = |shard: &Shard| {
        let roster = wait(shard.store.members().expect("it is shared").beat(node.clone())).expect("it answers");
        (roster.shards[0].epoch, roster.shards[0].commit)
    };
    let before = shard.fence.clone();
    assert_eq!(told(&shard), (before.epoch, Some(2)));
    SHARED.sql(&format!("DELETE FROM {}.feed WHERE number = 2", schema(&url)));
    assert_eq!(told(&shard), (before.epoch, Some(1)));
    shard.acquire_again();
    assert_eq!((shard.fence.incarnation, shard.fence.epoch), (before.incarnation + 1, before.epoch + 1));
    // Also where the last owner's own entry is lost: nobody is ever given the same epoch twice.
    let before = shard.fence.clone();
    SHARED.sql(&format!("UPDATE {}.shards SET epoch = epoch - 1, incarnation = incarnation - 1", schema(&url)));
    shard.acquire_again();
    assert_eq!((shard.fence.incarnation, shard.fence.epoch), (before.incarnation + 1, before.epoch + 1));
    let before = shard.fence.clone();
    shard.acquire_again();
    assert_eq!(
        (shard.fence.incarnation, shard.fence.epoch),
        (before.incarnation, before.epoch + 1),
        "all is well again"
    );
}

fn job(number: u64) -> JobRow {
    let state = JobState::new(JobStatus::Pending);
    JobRow {
        key: Key::from_raw(number),
        tenant: "default".into(),
        given_id: None,
        title: None,
        failure_policy: FailurePolicy::Continue,
        tasks: 1,
        body: "{}".into(),
        tags: Arc::from([]),
        created_at: Timestamp::from_millis(number as i64),
        state,
        parent: None,
        ancestors: Arc::default(),
        deadline_ms: None,
        active_key: None,
    }
}

#[test]
fn counts_and_high_waters_hold_across_many_folds_and_owners() {
    let url = SHARED.fresh();
    let mut shard = Shard::of(open(&url));
    for number in 1..=600 {
        shard.commit(Changes { insert_jobs: vec![job(number)], ..Changes::default() });
    }
    let counted = |shard: &Shard| shard.ask(|reader| reader.job_counts(None, u64::MAX));
    assert_eq!(counted(&shard), [(JobStatus::Pending, 600)]);
    let folded = format!("SELECT folded FROM {}.folds", schema(&url));
    assert!(SHARED.sql(&folded)[0].parse::<u64>().expect("it is a number") > 500, "it folds as it goes");
    let high_water = shard.load().high_water;
    assert_eq!(high_water.commit, 600);
    drop(shard);
    let mut shard = Shard::of(open(&url));
    assert_eq!(shard.load().high_water, high_water);
    let keys = (1..=200).map(Key::from_raw).collect();
    shard.commit(Changes { delete_jobs: keys, ..Changes::default() });
    assert_eq!(counted(&shard), [(JobStatus::Pending, 400)]);
}
