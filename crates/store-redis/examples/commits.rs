//! Measures commits: each shard of an empty database commits new tasks, one commit behind the other, all shards at once.
//!
//! `cargo run --release --example commits -- 'redis://127.0.0.1:6379/0?prefix=bench&shards=16' COMMITS TASKS`
#![expect(clippy::disallowed_methods, reason = "it measures")]

use std::sync::Arc;
use std::time::Instant;

use mainspring_core::id::{Bucket, Key};
use mainspring_core::row::{Changes, TaskRow};
use mainspring_core::spec::TaskSpec;
use mainspring_core::time::Timestamp;
use mainspring_store::conformance::wait;
use mainspring_store::{CommitAnswer, ShardCommit, ShardId, Store};
use mainspring_store_redis::RedisStore;

fn task(key: Key) -> TaskRow {
    TaskRow::new(key, TaskSpec::new("noop".into(), "{}".into()), Timestamp::from_millis(5))
}

fn drive(store: &dyn Store, shard: u16, commits: u64, tasks: u64) {
    let fence = wait(store.acquire(ShardId(shard), "owner".into(), None)).expect("nobody else owns it");
    let (first, _) = ShardId(shard).buckets(store.shards());
    for number in 1..=commits {
        let keys = (0..tasks).map(|task| Key::new(1_000_000 + number * tasks + task, Bucket::new(first)));
        let mut changes = Changes { insert_tasks: keys.map(task).collect(), ..Changes::default() };
        changes.high_water.commit = number;
        let commit = ShardCommit { fence: fence.clone(), changes: Arc::new(changes) };
        assert_eq!(wait(store.commit(vec![commit])), [CommitAnswer::Committed]);
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, commits, tasks] = words.as_slice() else { panic!("usage: URL COMMITS TASKS") };
    let [commits, tasks] = [commits, tasks].map(|word| word.parse::<u64>().expect("it is a number"));
    let store = RedisStore::open(url).expect("it will do");
    let shards = store.shards();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for shard in 0..shards {
            let store = &*store;
            scope.spawn(move || drive(store, shard, commits, tasks));
        }
    });
    let (seconds, all) = (start.elapsed().as_secs_f64(), (u64::from(shards) * commits) as f64);
    println!("{shards} shards: {:.0} commits/s, {:.0} tasks/s", all / seconds, all * tasks as f64 / seconds);
}
