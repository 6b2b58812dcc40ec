//! `mainspring migrate-store`: everything of a store in another one, and the work goes on there.

use std::process::Output;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::postgres::Postgres;
use crate::process::{Place, Process, mainspring};
use crate::redis::Redis;
use crate::wait;

fn migrate(from: &str, to: &str) -> Output {
    mainspring().args(["--quiet", "migrate-store", from, to]).output().expect("the binary runs")
}

/// Migrates; what was printed must say that everything is the same.
fn migrated(from: &str, to: &str) -> String {
    let output = migrate(from, to);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{from} to {to}: {said}\n{printed}");
    assert!(!printed.contains("DIFFERENT"), "{printed}");
    printed
}

/// How many rows of a kind a table of `migrate-store` shows.
fn rows(table: &str, kind: &str) -> u64 {
    let line = table.lines().find_map(|line| line.strip_prefix(kind)).unwrap_or_else(|| panic!("no {kind}: {table}"));
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number follows")
}

fn refused(output: &Output, code: i32, said: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(code) && text.contains(said), "{:?}: {text}", output.status);
}

/// A script whose first attempt never ends.
fn twice(place: &Place) -> String {
    let mark = place.path("started").display().to_string();
    format!(
        "if [ -e {mark} ]; then echo '{{\"again\": true}}' > \"$MAINSPRING_OUTPUT\"; else touch {mark}; sleep 1000; fi"
    )
}

/// Leaves work of all kinds behind, in the middle, and the worker that runs some of it; that one is stopped.
fn leave_work(place: &Place) -> Process {
    let mut server = place.start("serve");
    let worker = place.worker("first", &["--lease", "2s", "--concurrency", "2"]);
    place.call("POST", "/api/v1/queues/held/pause", None);
    let chain = json!({"jobId": "chain", "tasks": [
        {"taskId": "a", "run": "echo one; echo '{\"n\": 1}' > \"$MAINSPRING_OUTPUT\""},
        {"taskId": "b", "run": "echo two", "needs": ["a"], "queue": "held"},
        {"taskId": "c", "run": "echo three", "needs": ["b"], "env": {"LARGE": "x".repeat(20_000)}},
    ]});
    place.call("POST", "/api/v1/jobs", Some(&chain));
    let tasks = json!([
        {"taskId": "dead", "type": "shell", "run": "echo no >&2; exit 3", "retries": 1},
        {"taskId": "far", "type": "noop", "delaySeconds": 100_000_000},
        {"taskId": "twice", "type": "shell", "run": twice(place), "retries": 3},
    ]);
    place.call("POST", "/api/v1/tasks", Some(&tasks));
    place.call("POST", "/api/v1/tasks", Some(&keyed()));
    let broken = json!({"taskId": "x", "run": "grep -q mended \"$MAINSPRING_PAYLOAD\"", "payload": {"state": "broken"}, "retries": 0});
    place.call("POST", "/api/v1/jobs", Some(&json!({"jobId": "broken", "tasks": [broken]})));
    place.wait_for_end("/api/v1/jobs/broken", 30);
    let mended = json!({"payload": {"state": "mended"}});
    place.call("PATCH", "/api/v1/dead-letters/broken/x", Some(&mended));
    place.wait_for_end("/api/v1/jobs/chain/tasks/a", 30);
    place.wait_for_end("/api/v1/tasks/dead", 30);
    wait::until(30, "start of `twice`", || place.path("started").exists().then_some(()));
    wait::until(30, "ready `b`", || (status(place, "/api/v1/jobs/chain/tasks/b") == "ready").then_some(()));
    worker.signal(Signal::STOP);
    server.kill();
    worker
}

/// A task that is sent with a key.
fn keyed() -> Value {
    json!({"type": "noop", "delaySeconds": 100_000_000, "idempotencyKey": "only-once"})
}

fn status(place: &Place, path: &str) -> String {
    place.call("GET", path, None)["status"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn work_that_moved_through_every_store_goes_on_where_it_stood() {
    let place = Place::new();
    let (postgres, redis) = (Postgres::start(), Redis::start(place.folder.path()));
    let first = leave_work(&place);
    let end = format!("sqlite:{}", place.path("end.db").display());
    let stores = [place.store(), format!("{}?shards=8", postgres.url()), redis.url(), end.clone()];
    let tables: Vec<String> = stores.windows(2).map(|pair| migrated(&pair[0], &pair[1])).collect();
    let counts = [("tasks ", 8), ("jobs", 2), ("graph chunks", 2), ("outputs", 1), ("queue settings", 1)];
    for (kind, number) in
        counts.into_iter().chain([("earlier attempts", 1), ("of them moving", 4), ("ids and keys", 6)])
    {
        assert_eq!(tables.each(kind), [number; 3], "{kind}: {}", tables[0]);
    }
    // On the same address, so that whoever asks finds the same server.
    let mut command = mainspring();
    command.current_dir(place.folder.path());
    command.args(["serve", "--listen", &place.address.to_string(), "--store", &end]);
    let _server = place.start_with(command);
    // It wakes up in time to renew its lease, but that lease is void.
    first.signal(Signal::CONT);
    goes_on(&place);
}

trait Each {
    fn each(&self, kind: &str) -> Vec<u64>;
}

impl Each for Vec<String> {
    fn each(&self, kind: &str) -> Vec<u64> {
        self.iter().map(|table| rows(table, kind)).collect()
    }
}

/// Looks at what was left, and brings it to its end.
fn goes_on(place: &Place) {
    assert_eq!(status(place, "/api/v1/jobs/chain/tasks/a"), "completed");
    assert_eq!(status(place, "/api/v1/jobs/chain/tasks/b"), "ready");
    assert_eq!(status(place, "/api/v1/tasks/far"), "scheduled");
    let queues = place.call("GET", "/api/v1/queues", None);
    let held = queues["items"].as_array().expect("a list").iter().find(|queue| queue["name"] == "held");
    assert_eq!(held.expect("it has a setting")["paused"], true, "{queues}");
    assert_eq!(place.call("GET", "/api/v1/jobs/chain/tasks/a", None)["output"]["n"], 1);
    assert_eq!(place.attempts("/api/v1/tasks/dead").len(), 2);
    assert_eq!(place.call("GET", "/api/v1/dead-letters", None)["items"].as_array().map(Vec::len), Some(2));
    let again = place.call("POST", "/api/v1/tasks", Some(&keyed()));
    assert_eq!(again["repeated"], true, "the key leads to the task that is there: {again}");
    let _worker = place.worker("second", &["--lease", "2s", "--concurrency", "2"]);
    place.call("POST", "/api/v1/queues/held/resume", None);
    assert_eq!(place.wait_for_end("/api/v1/jobs/chain", 60)["status"], "completed");
    place.call("POST", "/api/v1/dead-letters/redrive", Some(&json!({"ids": ["broken/x"]})));
    assert_eq!(place.wait_for_end("/api/v1/jobs/broken", 60)["status"], "completed", "its new payload came along");
    let twice = place.wait_for_end("/api/v1/tasks/twice", 60);
    assert_eq!((&twice["status"], &twice["output"]["again"]), (&json!("completed"), &json!(true)), "{twice}");
    let attempts = place.attempts("/api/v1/tasks/twice");
    let told: Vec<_> = attempts.iter().filter_map(|attempt| attempt["status"].as_str()).collect();
    assert_eq!((told, &attempts[0]["workerId"]), (vec!["lost", "success"], &json!("first")), "{attempts:?}");
}

#[test]
fn a_store_that_a_server_runs_on_is_not_migrated() {
    let place = Place::new();
    let _server = place.start("serve");
    place.call("POST", "/api/v1/tasks", Some(&json!({"taskId": "kept", "type": "noop"})));
    let to = format!("sqlite:{}", place.path("to.db").display());
    refused(&migrate(&place.store(), &to), 5, "stop the server first");
    assert_eq!(status(&place, "/api/v1/tasks/kept"), "ready");
}

#[test]
fn only_an_empty_store_is_migrated_to_and_only_one_that_is_there_from() {
    let place = Place::new();
    let mut server = place.start("serve");
    place.call("POST", "/api/v1/tasks", Some(&json!({"taskId": "kept", "type": "noop"})));
    server.kill();
    let to = format!("sqlite:{}", place.path("to.db").display());
    assert_eq!(rows(&migrated(&place.store(), &to), "tasks "), 1);
    refused(&migrate(&place.store(), &to), 5, "TO is not empty");
    refused(&migrate(&to, &to), 2, "the same store");
    refused(&migrate("sqlite:absent.db", &to), 3, "there is no file");
    refused(&migrate(&to, "memory:"), 2, "a store in memory");
    assert!(!place.path("absent.db").exists());
}

/// A store in Redis with a task, whose one shard a node `ghost` holds.
fn haunted(place: &Place, redis: &Redis) -> String {
    let mut server = place.start("serve");
    place.call("POST", "/api/v1/tasks", Some(&json!({"taskId": "kept", "type": "noop"})));
    server.kill();
    let url = format!("{}?shards=1", redis.url());
    migrated(&place.store(), &url);
    redis.cli(&["hset", "ms:{b00}:shard", "holder", "else", "owner", "ghost", "who", "process 7 on mars"]);
    url
}

#[test]
fn shards_that_a_dead_server_left_behind_are_taken_once_it_was_silent() {
    let place = Place::new();
    let redis = Redis::start(place.folder.path());
    let from = haunted(&place, &redis);
    let to = format!("sqlite:{}", place.path("to.db").display());
    assert_eq!(rows(&migrated(&from, &to), "tasks "), 1);
    assert_eq!(redis.cli(&["hget", "ms:{b00}:shard", "owner"]), "", "it was given back");
    assert_eq!(redis.cli(&["hkeys", "ms:{b00}:nodes"]), "", "nobody is left in the list");
}

#[test]
fn shards_of_a_server_that_beats_are_left_alone() {
    let place = Place::new();
    let redis = Redis::start(place.folder.path());
    let from = haunted(&place, &redis);
    let to = format!("sqlite:{}", place.path("to.db").display());
    let mut command = mainspring();
    let command = command.args(["migrate-store", &from, &to]);
    let mut migrating = Process::start(command, &place.path("migrate.log"));
    let mut beats = 0;
    let ended = wait::until(60, "refusal", || {
        beats += 1;
        let row = json!({"beat": beats, "address": null, "about": "", "process": "", "version": "1"}).to_string();
        redis.cli(&["hset", "ms:{b00}:nodes", "ghost", &row]);
        migrating.ended()
    });
    let said = migrating.printed();
    assert!(ended.code() == Some(5) && said.contains("process 7 on mars"), "{ended}: {said}");
    assert_eq!(redis.cli(&["hget", "ms:{b00}:shard", "owner"]), "ghost");
    assert_eq!(redis.cli(&["hkeys", "ms:{b00}:nodes"]), "ghost");
}
