//! Several nodes on one database: any of them takes anything, and one that is killed is missed for a moment only.

use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::process::{Kind, Place, mainspring};
use crate::redis::Redis;
use crate::wait;

fn owners(place: &Place) -> Vec<String> {
    let view = place.call("GET", "/api/v1/cluster", None);
    let shards = view["shards"].as_array().expect("shards are a list").iter();
    shards.map(|shard| shard["nodeId"].as_str().unwrap_or_default().to_owned()).collect()
}

/// How many nodes serve every shard of the place's cluster; 0 while one is not served.
fn nodes(place: &Place) -> usize {
    let mut owners = owners(place);
    owners.sort_unstable();
    owners.dedup();
    if owners.iter().any(String::is_empty) { 0 } else { owners.len() }
}

fn two_nodes_share_the_work_and_one_is_killed(first: &Place) {
    let mut killed = first.start("serve");
    let second = Place::beside(first);
    let _server = second.start("serve");
    wait::until(30, "two nodes that share the shards", || (nodes(&second) == 2).then_some(()));
    let _worker = second.worker("w", &["--lease", "3s", "--concurrency", "8"]);
    let ids: Vec<String> = (0..200).map(|number| format!("t{number}")).collect();
    let tasks: Vec<_> = ids.iter().map(|id| json!({"taskId": id, "run": "sleep 0.01", "retries": 3})).collect();
    first.call("POST", "/api/v1/tasks", Some(&json!(tasks)));
    let chain: Vec<_> = (0..20)
        .map(|number| {
            let needs: Vec<String> = (number > 0).then(|| format!("c{}", number - 1)).into_iter().collect();
            json!({"taskId": format!("c{number}"), "type": "shell", "run": "true", "needs": needs, "retries": 3})
        })
        .collect();
    first.call("POST", "/api/v1/jobs", Some(&json!({"jobId": "chain", "tasks": chain})));
    killed.kill();
    assert_eq!(second.wait_for_end("/api/v1/jobs/chain", 60)["status"], "completed");
    for id in &ids {
        assert_eq!(second.wait_for_end(&format!("/api/v1/tasks/{id}"), 60)["status"], "completed");
    }
    wait::until(10, "one node that serves every shard", || (nodes(&second) == 1).then_some(()));
    // The cluster as the command line shows it.
    let url = format!("http://{}", second.address);
    let shown = mainspring().args(["doctor", "--server", &url, "-o", "json"]).output().expect("the binary runs");
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stdout));
}

#[test]
fn two_nodes_share_the_work_on_postgres() {
    two_nodes_share_the_work_and_one_is_killed(&Place::on(Kind::Postgres));
}

#[test]
fn two_nodes_share_the_work_on_redis() {
    two_nodes_share_the_work_and_one_is_killed(&Place::on(Kind::Redis));
}

#[test]
fn two_nodes_share_the_work_on_two_redises() {
    let folders = [(); 2].map(|()| TempDir::new().expect("a temporary folder can be made"));
    let databases = folders.each_ref().map(|folder| Redis::start(folder.path()));
    let place = Place::at(databases.each_ref().map(Redis::url).join(","));
    two_nodes_share_the_work_and_one_is_killed(&place);
    // Each has its half of the shards, and nothing of the other's.
    for (database, shards) in databases.iter().zip([0..8, 8..16]) {
        let keys = database.cli(&["--scan", "--pattern", "ms:{b*}:*:status"]);
        let own = shards.map(|shard| format!("ms:{{b{shard:02}}}:")).collect::<Vec<_>>();
        assert!(keys.lines().count() > 50, "{keys}");
        assert!(keys.lines().all(|key| own.iter().any(|own| key.starts_with(own))), "{keys}");
    }
}

/// Runs SQL in one session.
fn psql(place: &Place, script: &str) -> String {
    let mut command = Command::new("psql");
    command.args(["-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", &place.store(), "-c", script]);
    let output = command.output().expect("psql is installed");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn what_an_application_enqueues_in_its_own_transaction_runs_once_and_what_it_rolls_back_does_not() {
    let place = Place::on(Kind::Postgres);
    let mut server = place.start("serve");
    let _worker = place.worker("w", &["--lease", "3s"]);
    let witness = place.path("witness");
    psql(&place, "CREATE TABLE orders (id int)");
    let run = format!("echo $MAINSPRING_TASK_ID >> {}", witness.display());
    let enqueue = |id: &str| {
        let task = json!({"taskId": id, "run": run, "retries": 3});
        format!("SELECT mainspring.enqueue($task${task}$task$::jsonb)")
    };
    let id = psql(&place, &format!("BEGIN; INSERT INTO orders VALUES (1); {}; COMMIT", enqueue("paid")));
    assert_eq!(id, "paid");
    psql(&place, &format!("BEGIN; INSERT INTO orders VALUES (2); {}; ROLLBACK", enqueue("regretted")));
    assert_eq!(
        wait::until(10, "task that was enqueued", || {
            let reply = place.try_call("GET", "/api/v1/tasks/paid?wait=2s", None).ok()?;
            (reply.body["status"] == "completed").then_some(reply.status)
        }),
        200
    );
    assert_eq!(place.try_call("GET", "/api/v1/tasks/regretted", None).expect("it answers").status, 404);
    // A server that is killed while it takes rows in takes none twice and loses none.
    let many: Vec<String> = (0..100).map(|number| enqueue(&format!("e{number}"))).collect();
    psql(&place, &many.join(";"));
    server.kill();
    let _server = place.start("serve");
    for number in 0..100 {
        wait::until(30, "task that was enqueued", || {
            let reply = place.try_call("GET", &format!("/api/v1/tasks/e{number}?wait=2s"), None).ok()?;
            (reply.body["status"] == "completed").then_some(())
        });
    }
    psql(&place, "SELECT mainspring.enqueue('{\"type\": \"noop\", \"what\": 1}')");
    let reason = wait::until(10, "refusal that is kept", || {
        Some(psql(&place, "SELECT reason FROM mainspring.inbox_rejected")).filter(|reason| !reason.is_empty())
    });
    assert!(reason.contains("what"), "{reason}");
    assert_eq!(psql(&place, "SELECT count(*) FROM mainspring.inbox"), "0");
}
