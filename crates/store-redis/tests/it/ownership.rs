//! Who has a shard: one holder at a time, and another one only when it gave the shard back or was judged dead.

use mainspring_store::conformance::wait;
use mainspring_store::{CommitAnswer, Error, Fence, ShardId, Store};
use mainspring_store_redis::RedisStore;

use crate::rows::{acquire, acquire_shard, commit, inserting, inserting_in, loaded};
use crate::server::{RedisServer, shared};

fn take(store: &dyn Store, dead: Option<u64>) -> Result<Fence, Error> {
    wait(store.acquire(ShardId(0), "second".into(), dead))
}

#[test]
fn a_second_server_is_refused_while_the_first_lives_and_takes_over_what_it_left() {
    let url = shared().url();
    let first = RedisStore::open(&url).expect("it will do");
    let fence = acquire(&*first);
    assert_eq!(commit(&*first, &fence, inserting(1, 1, "{}")), CommitAnswer::Committed);
    let second = RedisStore::open(&url).expect("it will do");
    let error = take(&*second, None).expect_err("the first lives");
    let named = format!("another server (process {}", std::process::id());
    assert!(matches!(&error, Error::Conflict(text) if text.contains(&named)), "{error:?}");
    // A server that is given up hands over at once.
    drop(first);
    let taken = take(&*second, None).expect("nobody has it");
    assert_eq!(loaded(&*second, &taken), [1]);
}

#[test]
fn a_holder_that_was_judged_dead_is_replaced_and_can_commit_no_more() {
    let url = shared().url();
    let first = RedisStore::open(&url).expect("it will do");
    let fence = acquire(&*first);
    let second = RedisStore::open(&url).expect("it will do");
    assert!(matches!(take(&*second, Some(fence.epoch + 1)), Err(Error::Conflict(_))), "that is another epoch");
    let taken = take(&*second, Some(fence.epoch)).expect("its holder was judged dead");
    assert!(taken.epoch > fence.epoch);
    let refused = commit(&*first, &fence, inserting(1, 1, "{}"));
    assert_eq!(refused, CommitAnswer::Rejected { epoch: taken.epoch });
    assert!(matches!(wait(first.load(fence)), Err(Error::Conflict(_))));
    // What the first one does as it ends takes nothing from the second.
    drop(first);
    assert_eq!(commit(&*second, &taken, inserting(1, 1, "{}")), CommitAnswer::Committed);
    let third = RedisStore::open(&url).expect("it will do");
    assert!(matches!(take(&*third, None), Err(Error::Conflict(_))));
}

#[test]
fn a_server_that_ends_after_an_unknown_commit_leaves_no_shard_behind() {
    let url = shared().url_of(2);
    let first = RedisStore::open(&url).expect("it will do");
    let fences = [acquire_shard(&*first, 0), acquire_shard(&*first, 1)];
    let answer = commit(&*first, &fences[0], inserting_in(&*first, 0, 1, 7));
    assert!(matches!(answer, CommitAnswer::Unknown { .. }), "{answer:?}");
    drop(first);
    let second = RedisStore::open(&url).expect("it will do");
    acquire_shard(&*second, 0);
    acquire_shard(&*second, 1);
}

#[test]
fn a_holder_of_the_past_keeps_nobody_out_after_redis_went_back() {
    let server = RedisServer::start();
    let url = server.url();
    let prefix = url.split_once("prefix=").expect("it has one").1;
    let store = RedisStore::open(&url).expect("it will do");
    acquire(&*store);
    let fence = acquire(&*store);
    // As a replica knew it that lagged: an earlier holder had not given the shard back yet.
    let shard = format!("{prefix}:{{b00}}:shard");
    server.cli(&["hset", &shard, "epoch", "1", "holder", "somebody", "who", "process 1"]);
    let again = acquire(&*store);
    assert!(again.incarnation > fence.incarnation && again.epoch > fence.epoch, "{again:?}");
    let other = RedisStore::open(&url).expect("it will do");
    server.cli(&["hset", &shard, "holder", "somebody"]);
    assert!(matches!(take(&*other, None), Err(Error::Conflict(_))), "who never had it believes the record");
}

#[test]
fn a_program_of_the_first_format_keeps_its_shard_while_its_lease_stands() {
    let server = shared();
    let prefix = crate::server::fresh_prefix();
    let (shard, lease) = (format!("{prefix}:{{b00}}:shard"), format!("{prefix}:{{b00}}:owner"));
    server.cli(&["hset", &shard, "schema", "1", "incarnation", "1", "epoch", "4", "owner", "old", "commit", "0"]);
    server.cli(&["hset", &lease, "instance", "i", "beat", "i 7", "who", "process 7"]);
    let store = RedisStore::open(&format!("redis://127.0.0.1:{}/0?prefix={prefix}", server.port));
    let store = store.expect("it will do");
    assert_eq!(store.shards(), 1);
    let error = take(&*store, Some(4)).expect_err("it lives");
    assert!(matches!(&error, Error::Conflict(text) if text.contains("process 7")), "{error:?}");
    server.cli(&["del", &lease]);
    let fence = take(&*store, None).expect("nobody has it");
    assert_eq!((fence.epoch, server.cli(&["hget", &shard, "schema"])), (5, "2".to_owned()));
}
