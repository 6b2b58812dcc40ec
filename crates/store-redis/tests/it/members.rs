//! The list of nodes where Redis does not do well.

use std::sync::Arc;

use mainspring_store::conformance::wait;
use mainspring_store::{CommitAnswer, Error, Members, NodeRow, Roster, Store};
use mainspring_store_redis::RedisStore;

use crate::clock::until;
use crate::rows::{acquire_shard, commit, inserting_in};
use crate::server::RedisServer;

fn node(id: &str) -> NodeRow {
    NodeRow { id: id.into(), address: None, about: "x".into(), process: "".into(), version: "1".into() }
}

fn beat(store: &dyn Store) -> Result<Roster, Error> {
    wait(members(store).beat(node("a")))
}

fn members(store: &dyn Store) -> Arc<dyn Members> {
    store.members().expect("a cluster can be formed")
}

#[test]
fn a_node_shows_that_it_lives_although_the_memory_is_full() {
    let server = RedisServer::start();
    let store = RedisStore::open(&server.url_of(2)).expect("it will do");
    server.cli(&["config", "set", "maxmemory", "1"]);
    assert_eq!(beat(&*store).expect("it needs no room").nodes.len(), 1);
    let figure = |name| store.figures().into_iter().find(|(known, _)| *known == name).expect("it is there").1;
    assert_eq!(figure("redis_max_bytes"), 1, "a beat looks how full the memory is");
    assert!(figure("redis_used_bytes") > 1);
}

#[test]
fn a_beat_outlives_the_loss_of_its_connection_and_a_restart_of_redis() {
    let mut server = RedisServer::start();
    let store = RedisStore::open(&server.url_of(2)).expect("it will do");
    let first = beat(&*store).expect("the store is there");
    server.cli(&["client", "kill", "type", "normal"]);
    server.cli(&["script", "flush"]);
    let second = beat(&*store).expect("it is tried again");
    assert_ne!(first.nodes[0].1, second.nodes[0].1);
    server.kill();
    assert!(matches!(beat(&*store), Err(Error::Unavailable(_))));
    server.restart();
    until("Redis is back", || beat(&*store).ok());
}

#[test]
fn a_database_that_vanished_is_made_anew_by_a_beat_with_its_number_of_shards() {
    let server = RedisServer::start();
    let url = server.url_of(2);
    let store = RedisStore::open(&url).expect("it will do");
    let old = beat(&*store).expect("the store is there");
    server.cli(&["flushall"]);
    let new = beat(&*store).expect("the store is there");
    assert_ne!((old.key, &[0; 32]), (new.key.clone(), &*new.key));
    let (base, _) = url.split_once("shards=2&").expect("it has it");
    let prefix = url.split_once("prefix=").expect("it has one").1;
    assert_eq!(RedisStore::open(&format!("{base}prefix={prefix}")).expect("it is there").shards(), 2);
}

#[test]
fn a_beat_waits_for_no_commit() {
    let server = RedisServer::start();
    let store = RedisStore::open(&server.url_of(2)).expect("it will do");
    let fence = acquire_shard(&*store, 1);
    let ours: Vec<_> = server.cli(&["client", "list"]).lines().map(str::to_owned).collect();
    beat(&*store).expect("the store is there");
    let with_beat = server.cli(&["client", "list"]).lines().count();
    assert_eq!(with_beat, ours.len() + 1, "it has a connection of its own");
    assert_eq!(commit(&*store, &fence, inserting_in(&*store, 1, 1, 1)), CommitAnswer::Committed);
}
