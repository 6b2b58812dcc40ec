//! What is settled when a database is made.

use mainspring_store::{CommitAnswer, Error, Store};
use mainspring_store_redis::RedisStore;

use crate::rows::{acquire, commit, inserting, loaded};
use crate::server::{fresh_prefix, shared};

fn url(prefix: &str, query: &str) -> String {
    format!("redis://127.0.0.1:{}/0?prefix={prefix}{query}", shared().port)
}

#[test]
fn a_database_keeps_the_number_of_shards_that_it_was_made_with() {
    let prefix = fresh_prefix();
    let open = |query| RedisStore::open(&url(&prefix, query));
    assert_eq!(open("&shards=4").expect("it is new").shards(), 4);
    assert_eq!(open("").expect("it has 4").shards(), 4);
    assert_eq!(open("&shards=4").expect("it has 4").shards(), 4);
    let error = open("&shards=8").expect_err("it has 4");
    let said = |text: &str| text.contains("has 4 shards") && text.contains("leave `shards=` out of the URL");
    assert!(matches!(&error, Error::Incompatible(text) if said(text)), "{error:?}");
    assert_eq!(open("").expect("the refusal changed nothing").shards(), 4);
}

#[test]
fn a_database_is_made_with_sixteen_shards_unless_the_url_says_otherwise() {
    let store = RedisStore::open(&url(&fresh_prefix(), "")).expect("it is new");
    assert_eq!(store.shards(), 16);
    assert!(store.describe().detail.ends_with("shards=16"), "{}", store.describe().detail);
}

#[test]
fn a_database_of_the_first_format_keeps_its_one_shard_and_its_rows() {
    let prefix = fresh_prefix();
    let store = RedisStore::open(&url(&prefix, "&shards=1")).expect("it is new");
    let fence = acquire(&*store);
    assert_eq!(commit(&*store, &fence, inserting(1, 1, "{}")), CommitAnswer::Committed);
    drop(store);
    // What the first format had not.
    shared().cli(&["del", &format!("{prefix}:{{b00}}:meta")]);
    shared().cli(&["hset", &format!("{prefix}:{{b00}}:shard"), "schema", "1"]);
    let error = RedisStore::open(&url(&prefix, "&shards=16")).expect_err("it has one");
    assert!(matches!(&error, Error::Incompatible(text) if text.contains("has 1 shards")), "{error:?}");
    let store = RedisStore::open(&url(&prefix, "")).expect("it is an old one");
    assert_eq!(store.shards(), 1);
    let fence = acquire(&*store);
    assert_eq!(loaded(&*store, &fence), [1]);
}
