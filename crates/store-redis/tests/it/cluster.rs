//! Shards on the servers of a Redis Cluster.

use std::collections::BTreeSet;

use mainspring_store::conformance::wait;
use mainspring_store::{CommitAnswer, NodeRow, Store, TaskFilter};
use mainspring_store_redis::RedisStore;

use crate::clock::until;
use crate::rows::{acquire_shard, commit, inserting_in, key_in};
use crate::server::{RedisServer, fresh_prefix};

/// Two servers that know each other and have half of the slots each.
fn cluster() -> [RedisServer; 2] {
    let servers = [RedisServer::of_cluster(), RedisServer::of_cluster()];
    for (server, slots) in servers.iter().zip([["0", "8191"], ["8192", "16383"]]) {
        server.cli(&["cluster", "addslotsrange", slots[0], slots[1]]);
    }
    let (port, bus) = (servers[1].port.to_string(), servers[1].cli(&["config", "get", "cluster-port"]));
    let bus = bus.lines().last().expect("it is set").to_owned();
    assert_eq!(servers[0].cli(&["cluster", "meet", "127.0.0.1", &port, &bus]), "OK");
    for server in &servers {
        until("the cluster is ready", || {
            let info = server.cli(&["cluster", "info"]);
            let ready = info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384");
            (ready && info.contains("cluster_known_nodes:2")).then_some(())
        });
    }
    servers
}

fn keys(server: &RedisServer) -> BTreeSet<String> {
    server.cli(&["--scan"]).lines().map(str::to_owned).collect()
}

/// The slot of a shard of a server's cluster.
fn slot(server: &RedisServer, shard: u16) -> String {
    server.cli(&["cluster", "keyslot", &format!("{{b{shard:02}}}")])
}

#[test]
fn a_redis_cluster_keeps_all_keys_of_a_shard_on_one_server() {
    let servers = cluster();
    let url = format!("redis://127.0.0.1:{}/0?shards=8&prefix={}", servers[0].port, fresh_prefix());
    let store = RedisStore::open(&url).expect("it will do");
    for shard in 0..8 {
        let fence = acquire_shard(&*store, shard);
        assert_eq!(commit(&*store, &fence, inserting_in(&*store, shard, 1, 1)), CommitAnswer::Committed);
        let loaded = wait(store.load(fence)).expect("the fence is in force").tasks;
        assert_eq!(loaded.iter().map(|row| row.key).collect::<Vec<_>>(), [key_in(&*store, shard, 1)]);
    }
    let spread: Vec<usize> = servers.iter().map(|server| keys(server).len()).collect();
    assert!(spread.iter().all(|number| *number > 0), "both have some: {spread:?}");
    let all: BTreeSet<String> = servers.iter().flat_map(keys).collect();
    for shard in 0..8 {
        let tag = format!("{{b{shard:02}}}");
        let slots = all.iter().filter(|key| key.contains(&tag)).map(|key| servers[0].cli(&["cluster", "keyslot", key]));
        assert_eq!(slots.collect::<BTreeSet<_>>(), BTreeSet::from([slot(&servers[0], shard)]));
    }
    let page = wait(store.reader().tasks(TaskFilter::default(), None, 20)).expect("it can be read");
    assert_eq!(page.items.len(), 8, "lists are of all servers");
}

#[test]
fn a_beat_sees_the_shards_of_all_servers_of_a_cluster() {
    let servers = cluster();
    let url = format!("redis://127.0.0.1:{}/0?shards=8&prefix={}", servers[1].port, fresh_prefix());
    let store = RedisStore::open(&url).expect("it will do");
    let fences: Vec<_> = (0..8).map(|shard| acquire_shard(&*store, shard)).collect();
    let node = NodeRow { id: "a".into(), address: None, about: "x".into(), process: "".into(), version: "1".into() };
    let roster = wait(store.members().expect("it has them").beat(node)).expect("the store is there");
    let held: Vec<_> = roster.shards.iter().map(|held| (held.epoch, held.owner.clone())).collect();
    assert_eq!(held, fences.iter().map(|fence| (fence.epoch, Some(fence.owner.clone()))).collect::<Vec<_>>());
}

#[test]
fn a_shard_that_moves_to_another_server_is_found_there() {
    let servers = cluster();
    let url = format!("redis://127.0.0.1:{}/0?shards=8&prefix={}", servers[0].port, fresh_prefix());
    let store = RedisStore::open(&url).expect("it will do");
    let in_first = |shard: &u16| slot(&servers[0], *shard).parse::<u16>().expect("it is a number") < 8_192;
    // Not the control shard, so that a beat must find both.
    let shard = (1..8).find(in_first).expect("one of them is there");
    let fence = acquire_shard(&*store, shard);
    assert_eq!(commit(&*store, &fence, inserting_in(&*store, shard, 1, 1)), CommitAnswer::Committed);
    let node = NodeRow { id: "a".into(), address: None, about: "x".into(), process: "".into(), version: "1".into() };
    let beat = || wait(store.members().expect("it has them").beat(node.clone())).expect("the store is there");
    beat();
    wait(store.reader().tasks_by_key(vec![key_in(&*store, shard, 1)])).expect("it can be read");
    move_slot(&servers, &slot(&servers[0], shard));
    // A commit is sent once: it is not known, and was not written.
    let answer = commit(&*store, &fence, inserting_in(&*store, shard, 2, 2));
    assert!(matches!(answer, CommitAnswer::Unknown { .. }), "{answer:?}");
    let again = acquire_shard(&*store, shard);
    assert_eq!((again.incarnation, again.epoch), (fence.incarnation, fence.epoch + 1));
    assert_eq!(wait(store.load(again.clone())).expect("in force").tasks.len(), 1);
    assert_eq!(commit(&*store, &again, inserting_in(&*store, shard, 2, 2)), CommitAnswer::Committed);
    assert_eq!(beat().shards[usize::from(shard)].epoch, again.epoch);
    let rows = wait(store.reader().tasks_by_key(vec![key_in(&*store, shard, 2)])).expect("it can be read");
    assert_eq!(rows.len(), 1);
}

/// Moves a slot with its keys from the first server to the second.
fn move_slot(servers: &[RedisServer; 2], slot: &str) {
    let [from, to] = servers;
    let ids = servers.each_ref().map(|server| server.cli(&["cluster", "myid"]));
    to.cli(&["cluster", "setslot", slot, "importing", &ids[0]]);
    from.cli(&["cluster", "setslot", slot, "migrating", &ids[1]]);
    let found = from.cli(&["cluster", "getkeysinslot", slot, "1000"]);
    let mut words = vec!["migrate", "127.0.0.1"];
    let port = to.port.to_string();
    words.extend([port.as_str(), "", "0", "5000", "keys"]);
    words.extend(found.lines());
    assert_eq!(from.cli(&words), "OK");
    for server in [to, from] {
        assert_eq!(server.cli(&["cluster", "setslot", slot, "node", &ids[1]]), "OK");
    }
}
