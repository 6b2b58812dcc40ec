//! A Redis that will not do is refused before anything is written to it, with what mends it.

use mainspring_store::conformance::wait;
use mainspring_store::{Error, ShardId, Store};
use mainspring_store_redis::RedisStore;

use crate::server::{RedisServer, shared};

fn refusal(url: &str) -> Error {
    RedisStore::open(url).expect_err("it will not do")
}

#[test]
fn an_evicting_policy_is_refused_with_the_command_that_mends_it() {
    let server = RedisServer::with(&["--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"]);
    let error = refusal(&server.url());
    assert!(matches!(error, Error::Incompatible(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("`redis-cli config set maxmemory-policy noeviction`"), "{text}");
    server.cli(&["config", "set", "maxmemory-policy", "noeviction"]);
    RedisStore::open(&server.url()).expect("the command mended it");
}

#[test]
fn a_redis_without_an_append_only_file_is_refused_unless_that_is_said_to_be_fine() {
    let server = RedisServer::with(&["--appendonly", "no"]);
    let text = refusal(&server.url()).to_string();
    assert!(text.contains("`redis-cli config set appendonly yes`") && text.contains("`?aof=optional`"), "{text}");
    let store = RedisStore::open(&format!("{}&aof=optional", server.url())).expect("that was allowed");
    assert_eq!(store.describe().durability.class(), "D0");
    server.cli(&["config", "set", "appendonly", "yes"]);
    RedisStore::open(&server.url()).expect("the command mended it");
}

#[test]
fn durability_is_that_of_the_append_only_file() {
    let server = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let always = RedisStore::open(&server.url()).expect("it will do").describe();
    assert_eq!((always.name, always.durability.class()), ("redis", "D2"));
    let everysec = RedisStore::open(&shared().url()).expect("it will do").describe();
    assert_eq!(everysec.durability.class(), "D1");
    assert!(everysec.detail.contains("a loss of power may lose the last second"), "{}", everysec.detail);
}

#[test]
fn a_wrong_password_is_named_and_not_shown() {
    let server = RedisServer::with(&["--appendonly", "yes", "--requirepass", "right"]);
    for user in ["", ":wrong@"] {
        let text = refusal(&format!("redis://{user}127.0.0.1:{}", server.port)).to_string();
        assert!(text.contains("password") && !text.contains("wrong@"), "{text}");
    }
    RedisStore::open(&format!("redis://:right@127.0.0.1:{}", server.port)).expect("this is the password");
}

#[test]
fn a_replica_is_refused_and_its_primary_named() {
    let primary = shared().port.to_string();
    let replica = RedisServer::with(&["--appendonly", "yes", "--replicaof", "127.0.0.1", &primary]);
    let text = refusal(&replica.url()).to_string();
    assert!(text.contains(&format!("name its primary, 127.0.0.1:{primary}")), "{text}");
}

#[test]
fn a_newer_schema_is_refused() {
    let url = shared().url();
    let prefix = url.split_once("prefix=").expect("it has one").1;
    let store = RedisStore::open(&url).expect("it will do");
    shared().cli(&["hset", &format!("{prefix}:{{b00}}:shard"), "schema", "3"]);
    let newer = |error: &Error| matches!(error, Error::Incompatible(text) if text.contains("schema version 3"));
    let error = wait(store.acquire(ShardId(0), "owner".into(), None)).expect_err("it is newer");
    assert!(newer(&error), "{error:?}");
    shared().cli(&["hset", &format!("{prefix}:{{b00}}:meta"), "schema", "3"]);
    assert!(newer(&refusal(&url)));
}

#[test]
fn nobody_there_is_unavailable() {
    let mut server = RedisServer::start();
    server.kill();
    assert!(matches!(refusal(&server.url()), Error::Unavailable(_)));
}
