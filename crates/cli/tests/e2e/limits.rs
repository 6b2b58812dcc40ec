//! A limit smaller than the number of shards, over two servers on one database, one of which is killed.

use std::collections::BTreeSet;

use serde_json::json;

use crate::process::{Kind, Place};
use crate::wait;

/// What a task says in the witness when it starts and when it ends.
fn script(witness: &str) -> String {
    format!("echo \"+$MAINSPRING_TASK_ID\" >> {witness}; sleep 0.3; echo \"-$MAINSPRING_TASK_ID\" >> {witness}")
}

/// The most tasks that ran at a time. One that starts again has been stopped before.
fn most_at_a_time(witness: &str) -> usize {
    let (mut running, mut most) = (BTreeSet::new(), 0);
    for line in witness.lines() {
        match line.split_at(1) {
            ("+", task) => _ = running.insert(task),
            (_, task) => _ = running.remove(task),
        }
        most = running.len().max(most);
    }
    most
}

fn three_at_a_time(kind: Kind) {
    let first = Place::on(kind);
    let mut killed = first.start("serve");
    let second = Place::beside(&first);
    let _server = second.start("serve");
    wait::until(30, "two nodes that share the shards", || {
        let shards = second.call("GET", "/api/v1/cluster", None)["shards"].as_array()?.clone();
        let owners: BTreeSet<String> = shards.iter().filter_map(|s| s["nodeId"].as_str().map(str::to_owned)).collect();
        (owners.len() == 2 && shards.iter().all(|shard| shard["nodeId"].is_string())).then_some(())
    });
    second.call("PATCH", "/api/v1/queues/default", Some(&json!({"concurrency": 3})));
    let witness = second.path("witness");
    std::fs::write(&witness, "").expect("the folder is there");
    let run = script(&witness.display().to_string());
    let ids: Vec<String> = (0..40).map(|number| format!("t{number}")).collect();
    let tasks: Vec<_> = ids.iter().map(|id| json!({"taskId": id, "run": run, "retries": 3})).collect();
    second.call("POST", "/api/v1/tasks", Some(&json!(tasks)));
    let _worker = second.worker("w", &["--concurrency", "20"]);
    let seen = || std::fs::read_to_string(&witness).unwrap_or_default();
    wait::until(60, "ten tasks that have ended", || (seen().matches('-').count() >= 10).then_some(()));
    killed.kill();
    for id in &ids {
        assert_eq!(second.wait_for_end(&format!("/api/v1/tasks/{id}"), 120)["status"], "completed");
    }
    assert_eq!(most_at_a_time(&seen()), 3, "{}", seen());
}

#[test]
fn a_queue_that_may_run_three_runs_three_over_sixteen_shards_through_a_failover_on_postgres() {
    three_at_a_time(Kind::Postgres);
}

#[test]
fn a_queue_that_may_run_three_runs_three_over_sixteen_shards_through_a_failover_on_redis() {
    three_at_a_time(Kind::Redis);
}
