//! Fences, atomic commits and the order of calls.

use std::sync::Arc;

use mainspring_core::row::{Changes, HighWater, ReadSet, Snapshot};
use mainspring_core::task::{Place, TaskStatus};

use super::make::{at, chain, ended, key, state, task, task_in};
use super::{Factory, Shard, wait};
use crate::store::{CommitAnswer, Error, Fence, ShardCommit, ShardId};

fn inserting(number: u64) -> Changes {
    Changes { insert_tasks: vec![task(number)], ..Changes::default() }
}

/// A commit under a fence, with its number as it is.
fn commit_under(shard: &Shard, fence: Fence, number: u64, mut changes: Changes) -> CommitAnswer {
    changes.high_water.commit = number;
    wait(shard.store.commit(vec![ShardCommit { fence, changes: Arc::new(changes) }])).remove(0)
}

fn is_unknown(answer: &CommitAnswer) -> bool {
    matches!(answer, CommitAnswer::Unknown { .. })
}

pub fn the_first_epoch_is_not_zero(open: Factory<'_>) {
    let shard = Shard::new(open);
    assert!(shard.fence.epoch > 0 && shard.fence.incarnation > 0);
    assert_eq!((shard.fence.shard, &*shard.fence.owner), (ShardId(0), "owner"));
}

pub fn an_acquire_gives_a_larger_epoch(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let first = shard.fence.clone();
    shard.acquire_again();
    assert!(shard.fence.epoch > first.epoch);
    assert_eq!(shard.fence.incarnation, first.incarnation);
}

pub fn a_shard_that_does_not_exist_is_refused(open: Factory<'_>) {
    let store = open();
    assert!(wait(store.acquire(ShardId(u16::MAX), "owner".into(), None)).is_err());
}

pub fn an_old_fence_is_rejected_with_the_epoch_in_force(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let old = shard.fence.clone();
    shard.acquire_again();
    let epoch = shard.fence.epoch;
    assert_eq!(commit_under(&shard, old, 1, inserting(1)), CommitAnswer::Rejected { epoch });
    shard.commit(inserting(1));
}

pub fn a_rejected_commit_changes_nothing(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(inserting(1));
    let before = shard.load();
    let old = shard.fence.clone();
    shard.acquire_again();
    commit_under(&shard, old, 2, inserting(2));
    assert_eq!(shard.load(), before);
    assert_eq!(shard.whole(key(2)), None);
}

pub fn a_fence_of_another_incarnation_is_rejected(open: Factory<'_>) {
    let shard = Shard::new(open);
    let fence = Fence { incarnation: shard.fence.incarnation + 1, ..shard.fence.clone() };
    assert!(matches!(commit_under(&shard, fence, 1, inserting(1)), CommitAnswer::Rejected { .. }));
}

pub fn a_fence_of_another_owner_is_refused(open: Factory<'_>) {
    let shard = Shard::new(open);
    let fence = Fence { owner: "thief".into(), ..shard.fence.clone() };
    assert_ne!(commit_under(&shard, fence, 1, inserting(1)), CommitAnswer::Committed);
    assert_eq!(shard.load().tasks, []);
}

pub fn a_load_with_an_old_fence_is_a_conflict(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let old = shard.fence.clone();
    shard.acquire_again();
    assert!(matches!(wait(shard.store.load(old)), Err(Error::Conflict(_))));
}

pub fn a_read_with_an_old_fence_is_a_conflict(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let old = shard.fence.clone();
    shard.acquire_again();
    let set = ReadSet { tasks: vec![key(1)], ..ReadSet::default() };
    assert!(matches!(wait(shard.store.read(old, set)), Err(Error::Conflict(_))));
}

pub fn a_prune_with_an_old_fence_is_a_conflict(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let old = shard.fence.clone();
    shard.acquire_again();
    assert!(matches!(wait(shard.store.prune(old, at(0), at(0), 10)), Err(Error::Conflict(_))));
}

pub fn a_released_shard_takes_no_commit(open: Factory<'_>) {
    let shard = Shard::new(open);
    wait(shard.store.release(shard.fence.clone())).expect("the fence is in force");
    assert_ne!(commit_under(&shard, shard.fence.clone(), 1, inserting(1)), CommitAnswer::Committed);
}

pub fn a_release_with_an_old_fence_is_a_conflict(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let old = shard.fence.clone();
    shard.acquire_again();
    assert!(matches!(wait(shard.store.release(old)), Err(Error::Conflict(_))));
    shard.commit(inserting(1));
}

pub fn a_released_shard_can_be_acquired(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(inserting(1));
    wait(shard.store.release(shard.fence.clone())).expect("the fence is in force");
    shard.acquire_again();
    assert_eq!(shard.load().tasks, [task(1)]);
}

pub fn an_empty_store_loads_empty(open: Factory<'_>) {
    let shard = Shard::new(open);
    let incarnation = shard.fence.incarnation;
    assert_eq!(shard.load(), Snapshot { incarnation, ..Snapshot::default() });
}

pub fn the_high_waters_read_back(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let high_water = HighWater { time: at(5), sequence: (1 << 51) - 1, lease: (1 << 62) + 1, commit: 1 };
    shard.commit(Changes { high_water, ..Changes::default() });
    assert_eq!(shard.load().high_water, high_water);
}

pub fn a_commit_that_skips_a_number_is_not_applied(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(inserting(1));
    assert!(is_unknown(&commit_under(&shard, shard.fence.clone(), 3, inserting(2))));
    shard.acquire_again();
    assert_eq!(shard.load().tasks, [task(1)]);
}

pub fn a_repeated_commit_number_is_not_applied(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(inserting(1));
    assert!(is_unknown(&commit_under(&shard, shard.fence.clone(), 1, inserting(2))));
    shard.acquire_again();
    assert_eq!(shard.load().tasks, [task(1)]);
    shard.commit(inserting(2));
}

pub fn after_an_unknown_commit_the_fence_is_out_of_force(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    assert!(is_unknown(&commit_under(&shard, shard.fence.clone(), 7, inserting(1))));
    assert!(is_unknown(&shard.try_commit(inserting(1))));
    assert!(matches!(wait(shard.store.load(shard.fence.clone())), Err(Error::Conflict(_))));
    shard.acquire_again();
    shard.commit(inserting(1));
}

pub fn a_task_that_exists_is_not_inserted_again(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(inserting(1));
    let other = task_in(1, state(TaskStatus::Waiting, Place::Rest));
    let changes = Changes { insert_tasks: vec![task(2), other], ..Changes::default() };
    assert!(is_unknown(&shard.try_commit(changes)));
    shard.acquire_again();
    assert_eq!(shard.load().tasks, [task(1)]);
}

pub fn a_job_that_exists_is_not_inserted_again(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let job = chain(10, 1).job;
    shard.commit(Changes { insert_jobs: vec![job.clone()], ..Changes::default() });
    let again = Changes { insert_tasks: vec![task(1)], insert_jobs: vec![job], ..Changes::default() };
    assert!(is_unknown(&shard.try_commit(again)));
    shard.acquire_again();
    assert_eq!(shard.load().tasks, []);
}

pub fn a_failed_commit_is_not_applied_in_part(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(inserting(5));
    let before = (shard.load(), shard.ask(|reader| reader.task_counts(None, 100)));
    let changes = Changes {
        insert_tasks: vec![task(1), task(5)],
        update_tasks: vec![(key(5), ended(TaskStatus::Completed, 9))],
        ..Changes::default()
    };
    assert!(is_unknown(&shard.try_commit(changes)));
    shard.acquire_again();
    assert_eq!((shard.load(), shard.ask(|reader| reader.task_counts(None, 100))), before);
}

pub fn commits_wait_in_the_order_in_which_they_were_made(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let commit = |number: u64| {
        let mut changes = inserting(number);
        changes.high_water.commit = number;
        ShardCommit { fence: shard.fence.clone(), changes: Arc::new(changes) }
    };
    let waiting: Vec<_> = (1..=50).map(|number| shard.store.commit(vec![commit(number)])).collect();
    for answer in waiting.into_iter().rev() {
        assert_eq!(wait(answer), [CommitAnswer::Committed]);
    }
    shard.acquire_again();
    assert_eq!(shard.load().tasks.len(), 50);
}

pub fn a_read_sees_the_commits_made_before_it(open: Factory<'_>) {
    let shard = Shard::new(open);
    let mut changes = inserting(1);
    changes.high_water.commit = 1;
    let commit = ShardCommit { fence: shard.fence.clone(), changes: Arc::new(changes) };
    let committing = shard.store.commit(vec![commit]);
    let set = ReadSet { tasks: vec![key(1)], ..ReadSet::default() };
    let reading = shard.store.read(shard.fence.clone(), set);
    assert_eq!(wait(reading).expect("the fence is in force").tasks, [task(1)]);
    assert_eq!(wait(committing), [CommitAnswer::Committed]);
}

pub fn a_load_sees_the_commits_made_before_it(open: Factory<'_>) {
    let shard = Shard::new(open);
    let mut changes = inserting(1);
    changes.high_water.commit = 1;
    let commit = ShardCommit { fence: shard.fence.clone(), changes: Arc::new(changes) };
    let committing = shard.store.commit(vec![commit]);
    let loading = shard.store.load(shard.fence.clone());
    assert_eq!(wait(loading).expect("the fence is in force").tasks, [task(1)]);
    assert_eq!(wait(committing), [CommitAnswer::Committed]);
}

pub fn answers_come_one_per_shard_in_order(open: Factory<'_>) {
    let shard = Shard::new(open);
    let mut changes = inserting(1);
    changes.high_water.commit = 1;
    let good = ShardCommit { fence: shard.fence.clone(), changes: Arc::new(changes) };
    let old = Fence { epoch: shard.fence.epoch - 1, ..shard.fence.clone() };
    let bad = ShardCommit { fence: old, changes: Arc::default() };
    let answers = wait(shard.store.commit(vec![bad, good]));
    let epoch = shard.fence.epoch;
    assert_eq!(answers, [CommitAnswer::Rejected { epoch }, CommitAnswer::Committed]);
}

pub fn an_update_of_an_absent_row_changes_nothing(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(Changes {
        update_tasks: vec![(key(1), ended(TaskStatus::Completed, 1))],
        rewrite_bodies: vec![(key(1), "[]".into())],
        update_jobs: vec![(key(10), chain(10, 1).job.state)],
        ..Changes::default()
    });
    assert_eq!(shard.whole(key(1)), None);
    assert_eq!(shard.ask(|reader| reader.task_counts(None, 10)), []);
    assert_eq!(shard.ask(|reader| reader.job_counts(None, 10)), []);
}

pub fn a_delete_of_an_absent_row_changes_nothing(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(inserting(1));
    shard.commit(Changes { delete_tasks: vec![key(2)], delete_jobs: vec![key(10)], ..Changes::default() });
    assert_eq!(shard.load().tasks, [task(1)]);
}

pub fn changes_apply_in_the_order_of_their_fields(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let done = ended(TaskStatus::Completed, 4);
    shard.commit(Changes {
        insert_tasks: vec![task(1), task(2)],
        update_tasks: vec![(key(1), done.clone()), (key(2), done.clone())],
        rewrite_bodies: vec![(key(1), "[1]".into())],
        delete_tasks: vec![key(2)],
        ..Changes::default()
    });
    let row = shard.whole(key(1)).expect("it was inserted");
    assert_eq!((row.state, &*row.spec.expect("it is whole").body), (done, "[1]"));
    assert_eq!(shard.whole(key(2)), None);
}

pub fn the_store_describes_itself(open: Factory<'_>) {
    let described = open().describe();
    assert!(!described.name.is_empty() && !described.detail.is_empty());
    assert!(described.durability.class().starts_with('D'));
}
