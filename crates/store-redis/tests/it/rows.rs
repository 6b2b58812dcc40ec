//! Rows for the tests.

use std::sync::Arc;

use mainspring_core::id::{Bucket, Key};
use mainspring_core::row::{Changes, TaskRow, Transition, TransitionKind};
use mainspring_core::spec::TaskSpec;
use mainspring_core::time::Timestamp;
use mainspring_store::conformance::wait;
use mainspring_store::{CommitAnswer, Fence, ShardCommit, ShardId, Store};

/// The `number`th key.
pub(crate) fn key(number: u64) -> Key {
    Key::new(1_000_000_000 + number, Bucket::new(7))
}

/// A task that is ready.
pub(crate) fn task(number: u64, body: &str) -> TaskRow {
    TaskRow::new(key(number), TaskSpec::new("noop".into(), body.into()), Timestamp::from_millis(5))
}

/// A commit of one ready task, with an event.
pub(crate) fn inserting(number: u64, commit: u64, body: &str) -> Changes {
    let row = task(number, body);
    let kind = TransitionKind::TaskSubmitted;
    let event = Transition { kind, at: row.created_at, task: Some(row.key), job: None, attempt: 0, subject: None };
    let mut changes = Changes { insert_tasks: vec![row], feed: vec![event], ..Changes::default() };
    changes.high_water.commit = commit;
    changes
}

pub(crate) fn acquire(store: &dyn Store) -> Fence {
    wait(store.acquire(ShardId(0), "owner".into(), None)).expect("nobody else owns it")
}

pub(crate) fn commit(store: &dyn Store, fence: &Fence, changes: Changes) -> CommitAnswer {
    wait(store.commit(vec![ShardCommit { fence: fence.clone(), changes: Arc::new(changes) }])).remove(0)
}

/// The numbers of the tasks that a load brings.
pub(crate) fn loaded(store: &dyn Store, fence: &Fence) -> Vec<u64> {
    let snapshot = wait(store.load(fence.clone())).expect("the fence is in force");
    snapshot.tasks.iter().map(|row| row.key.sequence() - key(0).sequence()).collect()
}

/// A key of this shard; larger numbers are later keys.
pub(crate) fn key_in(store: &dyn Store, shard: u16, number: u64) -> Key {
    let (first, _) = ShardId(shard).buckets(store.shards());
    Key::new(key(number).sequence(), Bucket::new(first))
}

/// Takes a shard that nobody has.
pub(crate) fn acquire_shard(store: &dyn Store, shard: u16) -> Fence {
    wait(store.acquire(ShardId(shard), "owner".into(), None)).expect("nobody else owns it")
}

/// A commit of one ready task of a shard.
pub(crate) fn inserting_in(store: &dyn Store, shard: u16, number: u64, commit: u64) -> Changes {
    let mut changes = inserting(number, commit, "{}");
    changes.insert_tasks[0].key = key_in(store, shard, number);
    changes.feed[0].task = Some(changes.insert_tasks[0].key);
    changes
}
