//! SIGTERM at random moments (R28 in short): the same final states, and no attempt is charged.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::history::{self, witness_script};
use crate::process::{Kind, Place, Process, on_every_store};
use crate::wait;

const ROUNDS: u64 = 4;

fn terminate(process: &mut Process) {
    process.signal(Signal::TERM);
    wait::until(30, "end after SIGTERM", || process.ended());
}

fn submit(place: &Place, count: usize, seconds: f64) -> Vec<String> {
    let run = witness_script(&place.path("witness"), &format!("sleep {seconds}"));
    let ids: Vec<String> = (0..count).map(|number| format!("d{number}")).collect();
    let tasks: Vec<Value> =
        ids.iter().map(|id| json!({"taskId": id, "type": "shell", "run": run, "retries": 0})).collect();
    place.call("POST", "/api/v1/tasks", Some(&json!(tasks)));
    ids
}

/// Every task completed although it may not fail even once, and whatever was handed back cost nothing.
fn no_attempt_was_charged(place: &Place, ids: &[String]) {
    let summary = history::check(place, ids, &place.path("witness"));
    assert_eq!(summary.completed, ids.len(), "{summary:?}");
    for id in ids {
        for attempt in place.attempts(&format!("/api/v1/tasks/{id}")) {
            let status = attempt["status"].as_str().unwrap_or_default();
            assert!(matches!(status, "success" | "interrupted"), "{id} was charged: {attempt}");
        }
    }
}

on_every_store! {
    a_server_with_its_worker_stops_and_comes_back_at_no_cost
    a_worker_stops_and_comes_back_at_no_cost
}

fn a_server_with_its_worker_stops_and_comes_back_at_no_cost(kind: Kind) {
    let place = Place::on(kind);
    let mut server = place.start("dev");
    let ids = submit(&place, 60, 0.2);
    for round in 0..ROUNDS {
        wait::pace(Duration::from_millis(200 + 170 * round));
        terminate(&mut server);
        server = place.start("dev");
    }
    no_attempt_was_charged(&place, &ids);
}

fn a_worker_stops_and_comes_back_at_no_cost(kind: Kind) {
    let place = Place::on(kind);
    let _server = place.start("serve");
    let mut worker = place.worker("draining", &["--concurrency", "4"]);
    let ids = submit(&place, 40, 0.2);
    for round in 0..ROUNDS {
        wait::pace(Duration::from_millis(300 + 110 * round));
        terminate(&mut worker);
        worker = place.worker("draining", &["--concurrency", "4"]);
    }
    no_attempt_was_charged(&place, &ids);
}
