//! A node that was stopped for so long that others took its shards wakes up, and the first thing it hears is a worker that has
//! not acknowledged a grant: it does not hand it out once more, for the task was called off meanwhile (I20).

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::{places, serves_all, shard_of, wait_until_shared};
use crate::process::{Kind, Place};
use crate::wait;

/// A call of a worker that acknowledges nothing.
fn exchange(place: &Place, seq: u64, wait_ms: u64) -> Option<Value> {
    let body = json!({"workerId": "w", "sessionId": "s", "seq": seq, "ack": 0, "types": ["*"], "capacity": 1,
        "waitMs": wait_ms, "leaseMs": 3_000});
    let reply = place.try_call("POST", "/api/v1/workers/exchange", Some(&body)).ok()?;
    (reply.status == 200).then_some(reply.body)
}

fn grants(answer: &Value) -> usize {
    answer["grants"].as_array().map_or(0, Vec::len)
}

fn a_grant_is_not_repeated_by_a_node_that_lost_its_shard(kind: Kind) {
    let places = places(kind);
    let _survivor = places[0].start("serve");
    let victim = places[1].start("serve");
    let shards = wait_until_shared(&places);
    let id =
        (0..).map(|number| format!("t{number}")).find(|id| shards.contains(&shard_of(id))).expect("there are many");
    places[1].call("POST", "/api/v1/tasks", Some(&json!({"taskId": id, "type": "any", "retries": 3})));
    let mut seq = 0;
    wait::until(30, "grant", || {
        seq += 1;
        exchange(&places[1], seq, 1_000).filter(|answer| grants(answer) == 1)
    });
    victim.signal(Signal::STOP);
    wait::until(30, "other owner", || serves_all(&places[0]).then_some(()));
    places[0].call("POST", &format!("/api/v1/tasks/{id}/cancel"), None);
    let end = places[0].wait_for_end(&format!("/api/v1/tasks/{id}"), 60);
    assert_eq!(end["status"], "cancelled", "{end}");
    thread::scope(|scope| {
        // What it asks waits in the socket: the node hears it before it can have asked the store anything.
        let asking = scope.spawn(|| exchange(&places[1], seq + 1, 0));
        wait::pace(Duration::from_millis(300));
        victim.signal(Signal::CONT);
        let answer = asking.join().expect("it does not panic");
        assert_eq!(answer.as_ref().map_or(0, grants), 0, "a task that was called off is granted again: {answer:?}");
    });
    for later in 2..6 {
        let answer = exchange(&places[1], seq + later, 300);
        assert_eq!(answer.as_ref().map_or(0, grants), 0, "a task that was called off is granted again: {answer:?}");
    }
}

#[test]
fn a_grant_is_not_repeated_by_a_node_that_lost_its_shard_on_redis() {
    a_grant_is_not_repeated_by_a_node_that_lost_its_shard(Kind::Redis);
}
