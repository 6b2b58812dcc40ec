//! Shards that are spread over several databases: which of them holds what, and what is refused.

use std::sync::Arc;

use mainspring_store::conformance::wait;
use mainspring_store::{Error, NodeRow, ShardId, Store};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::conformance::spread;
use crate::server::{SHARED, schema, sql_at};

fn node() -> NodeRow {
    NodeRow { id: "n".into(), address: None, about: "x".into(), process: "".into(), version: "1".into() }
}

fn refusal(urls: [&str; 2]) -> String {
    let error = spread(urls).err().expect("it must be refused");
    assert!(matches!(error, Error::Incompatible(_)), "{error}");
    error.to_string()
}

#[test]
fn each_database_has_its_half_of_the_shards_and_the_roster_tells_of_all() {
    let urls = [SHARED.fresh_of(5), SHARED.fresh_of(5)];
    let store: Arc<dyn Store> = spread([&urls[0], &urls[1]]).expect("they are new");
    assert_eq!(store.shards(), 5);
    let ids = |url: &str| {
        let ids = format!("SELECT string_agg(id::text, ' ' ORDER BY id) FROM {}.shards", schema(url));
        sql_at(&SHARED.database("postgres"), &ids).expect("it can be read").remove(0)
    };
    assert_eq!((ids(&urls[0]).as_str(), ids(&urls[1]).as_str()), ("0 1", "2 3 4"));
    wait(store.acquire(ShardId(3), "me".into(), None)).expect("nobody has it");
    let roster = wait(store.members().expect("they are shared").beat(node())).expect("both answer");
    let owned: Vec<_> = roster.shards.iter().map(|held| (held.shard.0, held.owner.is_some())).collect();
    assert_eq!(owned, [(0, false), (1, false), (2, false), (3, true), (4, false)]);
}

#[test]
fn databases_in_another_order_alone_or_of_others_are_refused() {
    let (ours, theirs) = ([SHARED.fresh_of(4), SHARED.fresh_of(4)], [SHARED.fresh_of(4), SHARED.fresh_of(4)]);
    drop(spread([&ours[0], &ours[1]]).expect("they are new"));
    drop(spread([&theirs[0], &theirs[1]]).expect("they are new"));
    let said = refusal([&ours[1], &ours[0]]);
    assert!(said.contains("the shards 2 to 3 of 4") && said.contains("1 of 2"), "{said}");
    let said = refusal([&ours[0], &theirs[1]]);
    assert!(said.contains("another cluster"), "{said}");
    let alone = PostgresStore::open(&ours[0], Options::default()).expect_err("the other half is missing").to_string();
    assert!(alone.contains("in the order in which they were first named"), "{alone}");
    drop(spread([&ours[0], &ours[1]]).expect("nothing was changed by that"));
}

#[test]
fn a_task_is_enqueued_in_the_database_of_its_shard() {
    let urls = [SHARED.fresh_of(4), SHARED.fresh_of(4)];
    let store = spread([&urls[0], &urls[1]]).expect("they are new");
    let enqueue = |url: &str, task: &str| {
        sql_at(&SHARED.database("postgres"), &format!("SELECT {}.enqueue('{task}'::jsonb)", schema(url)))
    };
    for _ in 0..8 {
        enqueue(&urls[1], r#"{"type": "noop"}"#).expect("it finds an id of its own");
    }
    let inbox = store.inbox().expect("both have one");
    let waiting = |shard| wait(inbox.waiting(ShardId(shard), i64::MIN, 100)).expect("it is there").len();
    assert_eq!(((0..2).map(waiting).sum::<usize>(), (2..4).map(waiting).sum::<usize>()), (0, 8));
    let answers: Vec<bool> = urls.iter().map(|url| enqueue(url, r#"{"taskId": "mine"}"#).is_ok()).collect();
    assert_eq!(answers.iter().filter(|taken| **taken).count(), 1, "just one database has the shard of an id");
    wait(store.members().expect("they are shared").beat(node())).expect("both answer");
    assert!(inbox.waits_for().iter().any(|shard| shard.0 >= 2), "{:?}", inbox.waits_for());
}
