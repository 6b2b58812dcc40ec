//! What goes wrong between us and Redis, and what is still true afterwards.

use std::collections::BTreeSet;

use mainspring_core::row::Changes;
use mainspring_core::task::{Place, TaskStatus};
use mainspring_store::conformance::wait;
use mainspring_store::{CommitAnswer, Error, ShardId, Store};
use mainspring_store_redis::RedisStore;

use crate::clock::until;
use crate::rows::{acquire, commit, inserting, key, loaded, task};
use crate::server::{RedisServer, shared};

fn is_unknown(answer: &CommitAnswer) -> bool {
    matches!(answer, CommitAnswer::Unknown { .. })
}

/// All keys of a server.
fn keys(server: &RedisServer) -> BTreeSet<String> {
    server.cli(&["--scan"]).lines().map(str::to_owned).collect()
}

/// Commits until an answer is not good; gives back the last number that was acknowledged.
fn commit_until_lost(store: &dyn Store, mut harm: impl FnMut(u64)) -> u64 {
    let fence = acquire(store);
    for number in 1..100_000 {
        harm(number);
        match commit(store, &fence, inserting(number, number, "{}")) {
            CommitAnswer::Committed => {}
            answer => {
                assert!(is_unknown(&answer), "{answer:?}");
                assert!(
                    is_unknown(&commit(store, &fence, inserting(number, number, "{}"))),
                    "the fence is out of force"
                );
                return number - 1;
            }
        }
    }
    panic!("no commit was lost");
}

#[test]
fn a_commit_whose_connection_is_killed_is_unknown_and_then_there_or_not() {
    let server = RedisServer::start();
    let store = RedisStore::open(&server.url()).expect("it will do");
    for round in 0..5 {
        let fence = acquire(&*store);
        let before = loaded(&*store, &fence);
        let next = before.len() as u64 + 1;
        // A commit of four megabytes is on its way for a while: kill its connection meanwhile.
        let large = inserting(next, next, &"x".repeat(4 << 20));
        let answer = store.commit(vec![mainspring_store::ShardCommit { fence, changes: std::sync::Arc::new(large) }]);
        server.cli(&["client", "kill", "type", "normal"]);
        let answer = wait(answer).remove(0);
        let fence = acquire(&*store);
        let after = loaded(&*store, &fence);
        if answer == CommitAnswer::Committed {
            assert_eq!(after.len(), before.len() + 1, "round {round}: what was acknowledged is there");
        } else {
            assert!(is_unknown(&answer), "{answer:?}");
            assert!(after.len() - before.len() <= 1, "round {round}");
        }
        assert!(fence.epoch > 1 && fence.incarnation == 1);
        let next = after.len() as u64 + 1;
        assert_eq!(commit(&*store, &fence, inserting(next, next, "{}")), CommitAnswer::Committed);
    }
}

#[test]
fn a_restart_of_redis_loses_nothing_that_was_acknowledged() {
    let mut server = RedisServer::start();
    let store = RedisStore::open(&server.url()).expect("it will do");
    let fence = acquire(&*store);
    (1..=200).for_each(|number| {
        assert_eq!(commit(&*store, &fence, inserting(number, number, "{}")), CommitAnswer::Committed);
    });
    server.kill();
    assert!(is_unknown(&commit(&*store, &fence, inserting(201, 201, "{}"))));
    assert!(matches!(wait(store.acquire(ShardId(0), "owner".into(), None)), Err(Error::Unavailable(_))));
    server.restart();
    let fence = until("Redis is loaded", || wait(store.acquire(ShardId(0), "owner".into(), None)).ok());
    assert_eq!(fence.incarnation, 1, "nothing went back");
    assert_eq!(loaded(&*store, &fence), (1..=200).collect::<Vec<_>>());
    assert_eq!(commit(&*store, &fence, inserting(201, 201, "{}")), CommitAnswer::Committed);
}

#[test]
fn a_redis_that_is_killed_among_commits_keeps_every_acknowledged_one() {
    let mut server = RedisServer::start();
    let store = RedisStore::open(&server.url()).expect("it will do");
    let acknowledged = {
        let server = &mut server;
        commit_until_lost(&*store, |number| {
            if number == 300 {
                server.kill();
            }
        })
    };
    server.restart();
    let fence = until("Redis is loaded", || wait(store.acquire(ShardId(0), "owner".into(), None)).ok());
    assert_eq!(loaded(&*store, &fence), (1..=acknowledged).collect::<Vec<_>>());
}

#[test]
fn a_read_outlives_the_loss_of_its_connection() {
    let server = RedisServer::start();
    let store = RedisStore::open(&server.url()).expect("it will do");
    let fence = acquire(&*store);
    assert_eq!(commit(&*store, &fence, inserting(1, 1, "{}")), CommitAnswer::Committed);
    server.cli(&["client", "kill", "type", "normal"]);
    assert_eq!(loaded(&*store, &fence), [1], "for the core");
    server.cli(&["client", "kill", "type", "normal"]);
    let found = wait(store.reader().tasks_by_key(vec![key(1)])).expect("it can be read");
    assert_eq!(found.len(), 1, "for people");
}

#[test]
fn full_memory_refuses_a_commit_and_writes_nothing_of_it() {
    let server = RedisServer::start();
    let store = RedisStore::open(&server.url()).expect("it will do");
    let fence = acquire(&*store);
    assert_eq!(commit(&*store, &fence, inserting(1, 1, "{}")), CommitAnswer::Committed);
    let before = keys(&server);
    // Full at once, so that our own estimate of it is stale and Redis itself must refuse.
    server.cli(&["config", "set", "maxmemory", "1"]);
    let answer = commit(&*store, &fence, inserting(2, 2, "{}"));
    assert!(matches!(&answer, CommitAnswer::Unknown { reason } if reason.contains("maxmemory")), "{answer:?}");
    assert_eq!(keys(&server), before, "not a key is new");
    let fence = acquire(&*store);
    assert_eq!(loaded(&*store, &fence), [1]);
    // Now the estimate is fresh and refuses as well; what ends or deletes goes through.
    assert!(is_unknown(&commit(&*store, &fence, inserting(2, 2, "{}"))));
    let fence = acquire(&*store);
    let mut ending = Changes::default();
    ending.high_water.commit = 2;
    let mut state = task(1, "{}").state;
    (state.status, state.place) = (TaskStatus::Cancelled, Place::Rest);
    ending.update_tasks = vec![(key(1), state)];
    assert_eq!(commit(&*store, &fence, ending), CommitAnswer::Committed);
    server.cli(&["config", "set", "maxmemory", "0"]);
    let fence = acquire(&*store);
    assert_eq!(commit(&*store, &fence, inserting(2, 3, "{}")), CommitAnswer::Committed);
    assert_eq!(loaded(&*store, &fence), [2]);
}

#[test]
fn a_redis_that_went_back_begins_a_new_incarnation() {
    let server = RedisServer::start();
    let store = RedisStore::open(&server.url()).expect("it will do");
    let mut fence = acquire(&*store);
    for number in 1..=10 {
        assert_eq!(commit(&*store, &fence, inserting(number, number, "{}")), CommitAnswer::Committed);
    }
    // As after a fail-over to a replica that had nothing yet.
    server.cli(&["flushall"]);
    let answer = commit(&*store, &fence, inserting(11, 11, "{}"));
    assert_ne!(answer, CommitAnswer::Committed);
    let old = fence.clone();
    fence = acquire(&*store);
    assert!(fence.incarnation > old.incarnation && fence.epoch > old.epoch, "{fence:?} after {old:?}");
    assert!(loaded(&*store, &fence).is_empty());
    assert!(matches!(commit(&*store, &old, inserting(1, 1, "{}")), CommitAnswer::Rejected { .. }));
    assert_eq!(commit(&*store, &fence, inserting(1, 1, "{}")), CommitAnswer::Committed);
}

#[test]
fn another_run_of_redis_begins_a_new_incarnation_unless_who_takes_the_shard_knows_its_last_commit() {
    let mut server = RedisServer::start();
    let url = server.url();
    let open = || RedisStore::open(&url).expect("it will do");
    let take = |store: &dyn Store, dead| wait(store.acquire(ShardId(0), "other".into(), dead)).expect("it is dead");
    let first = open();
    let fence = acquire(&*first);
    assert_eq!(commit(&*first, &fence, inserting(1, 1, "{}")), CommitAnswer::Committed);
    // In the same run nobody can have missed anything.
    let second = open();
    let fence = take(&*second, Some(fence.epoch));
    assert_eq!(fence.incarnation, 1);
    server.kill();
    server.restart();
    let fence = until("Redis is loaded", || wait(second.acquire(ShardId(0), "other".into(), None)).ok());
    assert_eq!(fence.incarnation, 1, "this one knows what it committed");
    server.kill();
    server.restart();
    let third = open();
    let taken = take(&*third, Some(fence.epoch));
    assert_eq!(taken.incarnation, 2, "whoever knew what was committed is gone");
    let refused = commit(&*second, &fence, inserting(2, 2, "{}"));
    assert!(matches!(refused, CommitAnswer::Rejected { .. } | CommitAnswer::Unknown { .. }), "{refused:?}");
    // Given back, there was nothing under way.
    drop(third);
    server.kill();
    server.restart();
    assert_eq!(acquire(&*open()).incarnation, 2);
}

#[test]
fn a_status_stands_under_a_key_that_a_person_can_write() {
    let url = shared().url();
    let prefix = url.split_once("prefix=").expect("it has one").1;
    let store = RedisStore::open(&url).expect("it will do");
    let fence = acquire(&*store);
    let mut changes = inserting(1, 1, "{}");
    changes.insert_tasks[0].given_id = Some("task_101".into());
    changes.insert_tasks.push(task(2, "{}"));
    assert_eq!(commit(&*store, &fence, changes), CommitAnswer::Committed);
    let status = |task: &str| shared().cli(&["get", &format!("{prefix}:{{b00}}:default:-:{task}:status")]);
    let made = key(2).id(mainspring_core::id::IdKind::Task);
    assert_eq!([status("task_101"), status(&made)], ["ready", "ready"]);
    let mut changes = Changes::default();
    changes.high_water.commit = 2;
    let mut state = task(1, "{}").state;
    (state.status, state.place) = (TaskStatus::Completed, Place::Rest);
    changes.update_tasks = vec![(key(1), state)];
    changes.delete_tasks = vec![key(2)];
    assert_eq!(commit(&*store, &fence, changes), CommitAnswer::Committed);
    assert_eq!([status("task_101"), status(&made)], ["completed", ""]);
}

#[test]
fn a_deleted_task_leaves_no_key_behind() {
    let server = RedisServer::start();
    let store = RedisStore::open(&server.url()).expect("it will do");
    let fence = acquire(&*store);
    let mut changes = Changes::default();
    changes.high_water.commit = 1;
    assert_eq!(commit(&*store, &fence, changes.clone()), CommitAnswer::Committed);
    let before = keys(&server);
    let mut with = inserting(1, 2, &"x".repeat(10_000));
    with.feed.clear();
    assert_eq!(commit(&*store, &fence, with), CommitAnswer::Committed);
    assert!(keys(&server).len() > before.len());
    changes.high_water.commit = 3;
    changes.delete_tasks = vec![key(1)];
    assert_eq!(commit(&*store, &fence, changes), CommitAnswer::Committed);
    let left: Vec<String> = keys(&server).difference(&before).cloned().collect();
    // Counts stay, at zero.
    assert!(left.iter().all(|key| key.ends_with(":counts:tasks")), "{left:?}");
}

#[test]
fn a_snapshot_taken_with_redis_cli_is_a_backup() {
    let server = RedisServer::start();
    let url = server.url();
    let store = RedisStore::open(&url).expect("it will do");
    let fence = acquire(&*store);
    assert_eq!(commit(&*store, &fence, inserting(1, 1, "{}")), CommitAnswer::Committed);
    drop(store);
    let copy = tempfile::tempdir().expect("a temporary folder can be made");
    let file = copy.path().join("backup.rdb");
    let answer = server.cli(&["--rdb", file.to_str().expect("it is text")]);
    assert!(file.exists(), "{answer}");
    let other = RedisServer::over(copy, &["--appendonly", "no", "--dbfilename", "backup.rdb"]);
    other.cli(&["config", "set", "appendonly", "yes"]);
    let query = url.split_once('?').expect("it has one").1;
    let prefix = query.split_once("prefix=").expect("it has one").1;
    other.cli(&["hincrby", &format!("{prefix}:{{b00}}:shard"), "incarnation", "1"]);
    let store = RedisStore::open(&format!("redis://127.0.0.1:{}/0?{query}", other.port)).expect("it will do");
    let restored = acquire(&*store);
    assert!(restored.incarnation > fence.incarnation, "older leases are void");
    assert_eq!(loaded(&*store, &restored), [1]);
}
