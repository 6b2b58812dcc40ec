//! A task through all its endings: success is the least of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mainspring_core::time::Timestamp;
use mainspring_protocol::time;
use mainspring_server::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::support::{Server, Worker};

fn path(id: &str) -> String {
    format!("/api/v1/tasks/{id}")
}

fn now_plus(ms: i64) -> String {
    time::format(Timestamp::from_millis(SystemClock::new().wall_ms() + ms))
}

/// The machine's clock, put forward by some milliseconds.
#[derive(Debug, Default)]
struct Ahead {
    clock: SystemClock,
    ms: AtomicU32,
}

impl Clock for Ahead {
    fn wall_ms(&self) -> i64 {
        self.clock.wall_ms() + i64::from(self.ms.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic() + Duration::from_millis(self.ms.load(Ordering::Relaxed).into())
    }
}

async fn outcomes(server: &Server, id: &str) -> Vec<String> {
    let items = server.get(&format!("{}/attempts", path(id))).await.good(200)["items"].take();
    items.as_array().unwrap().iter().map(|attempt| attempt["status"].as_str().unwrap().to_owned()).collect()
}

fn quick() -> Value {
    json!({"type": "fixed", "initial": 0, "jitter": "none"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_can_be_cancelled_until_it_has_ended_and_retried_after() {
    let server = Server::start().await;
    let ready = server.task(json!({"type": "mine"})).await;
    let cancelled = server.order(&format!("{}/cancel", path(&ready))).await.good(200);
    assert_eq!(cancelled["status"], "cancelled");
    server.order(&format!("{}/cancel", path(&ready))).await.good(200);
    let scheduled = server.task(json!({"type": "mine", "delaySeconds": 3600})).await;
    assert_eq!(server.order(&format!("{}/cancel", path(&scheduled))).await.good(200)["status"], "cancelled");
    // A running one is taken from its worker.
    let id = server.task(json!({"type": "mine"})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    let grant = worker.grant().await;
    assert_eq!(grant["taskId"], json!(id));
    server.order(&format!("{}/cancel", path(&id))).await.good(200);
    let told = worker.exchange(json!({"running": [grant["token"]], "capacity": 0, "waitMs": 1000})).await;
    assert_eq!(told["cancel"], json!([grant["token"]]), "{told}");
    assert_eq!(server.ended(&path(&id)).await["status"], "cancelled");
    assert_eq!(outcomes(&server, &id).await, ["cancelled"]);
    // Retried, it begins a new generation and numbers its attempts on.
    server.order(&format!("{}/retry", path(&id))).await.good(200);
    let grant = worker.complete(json!(1)).await;
    assert_eq!((&grant["generation"], &grant["attempt"]), (&json!(2), &json!(2)));
    assert_eq!(server.ended(&path(&id)).await["status"], "completed");
    server.order(&format!("{}/cancel", path(&id))).await.refused(409, "wrong_state");
    server.order(&format!("{}/retry", path(&id))).await.refused(409, "wrong_state");
    server.order(&format!("{}/signal", path(&id))).await.refused(409, "wrong_state");
    server.order("/api/v1/tasks/nope/cancel").await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_brings_a_waiting_attempt_forward() {
    let server = Server::start().await;
    let backoff = json!({"type": "fixed", "initial": "1h", "jitter": "none"});
    let id = server.task(json!({"type": "mine", "retries": 1, "backoff": backoff})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.fail("no").await;
    let task = server.get(&path(&id)).await.good(200);
    assert_eq!(task["status"], "scheduled");
    let why = server.get(&format!("{}/why", path(&id))).await.good(200);
    assert_eq!((&why["gates"][0]["gate"], &why["gates"][0]["until"]), (&json!("backoff"), &task["runAt"]));
    server.order(&format!("{}/retry", path(&id))).await.good(200);
    worker.fail("no again").await;
    let task = server.ended(&path(&id)).await;
    assert_eq!((&task["status"], &task["dead"]), (&json!("failed"), &json!(true)));
    assert_eq!(outcomes(&server, &id).await, ["failure", "failure"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_to_be_retried_fails_at_once() {
    let server = Server::start().await;
    let mut worker = Worker::new(&server, "w1", "mine");
    let task = json!({"type": "mine", "retries": 5, "nonRetryable": ["Broken"], "backoff": quick()});
    let by_policy = server.task(task).await;
    worker.fail("policy").await;
    let by_worker = server.task(json!({"type": "mine", "retries": 5, "backoff": quick()})).await;
    let grant = worker.grant().await;
    let error = json!({"type": "E", "message": "m", "trace": "t"});
    let outcome = json!({"token": grant["token"], "status": "failure", "retryable": false, "error": error});
    worker.report(outcome).await;
    let elsewhere = json!({"type": "mine", "retries": 5, "retryOn": ["Other"], "backoff": quick()});
    let not_listed = server.task(elsewhere).await;
    worker.fail("not listed").await;
    for id in [&by_policy, &by_worker, &not_listed] {
        let task = server.ended(&path(id)).await;
        assert_eq!((&task["status"], &task["attempt"]), (&json!("failed"), &json!(1)), "{task}");
    }
    assert_eq!(server.get(&path(&by_worker)).await.good(200)["error"], error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_say_when_to_try_again() {
    let server = Server::start().await;
    let mut worker = Worker::new(&server, "w1", "mine");
    let id = server.task(json!({"type": "mine", "retries": 1, "backoff": quick()})).await;
    let grant = worker.grant().await;
    worker.report(json!({"token": grant["token"], "status": "failure", "retryAfter": "1h"})).await;
    let task = server.get(&path(&id)).await.good(200);
    assert_eq!(task["status"], "scheduled", "{task}");
    assert!(task["runAt"].as_str().unwrap() > now_plus(3_000_000).as_str(), "{task}");
    // A snooze costs no retry.
    let id = server.task(json!({"type": "mine"})).await;
    for _ in 0..2 {
        let grant = worker.grant().await;
        worker.report(json!({"token": grant["token"], "status": "snoozed", "retryAfter": 0})).await;
    }
    worker.complete(json!(null)).await;
    assert_eq!(server.ended(&path(&id)).await["status"], "completed");
    assert_eq!(outcomes(&server, &id).await, ["snoozed", "snoozed", "success"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_in_the_queue_fails_as_expired_and_is_a_dead_letter() {
    let server = Server::start().await;
    let id = server.task(json!({"type": "mine", "expiresAt": now_plus(200)})).await;
    let task = server.ended(&path(&id)).await;
    assert_eq!((&task["status"], &task["dead"]), (&json!("failed"), &json!(true)), "{task}");
    let letter = server.get("/api/v1/dead-letters").await.good(200)["items"][0].take();
    assert_eq!(letter["taskId"], json!(id));
    assert_eq!(letter["error"]["type"], "expired", "{letter}");
    assert_eq!(letter["attempt"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_runs_or_is_silent_for_too_long_is_timed_out() {
    let clock = Arc::new(Ahead::default());
    let server = Server::start_with(|config| config.node.clock = Arc::clone(&clock) as Arc<dyn Clock>).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    // Its own worker ends what runs for too long; should that fail to, the server does ten seconds later.
    for (limit, ahead_ms) in [("heartbeatTimeout", 0), ("timeout", 10_500)] {
        let id = server.task(json!({"type": "mine", limit: 0.3})).await;
        let grant = worker.grant().await;
        clock.ms.store(ahead_ms, Ordering::Relaxed);
        let task = server.ended(&path(&id)).await;
        assert_eq!((&task["status"], &task["dead"]), (&json!("failed"), &json!(true)), "{task}");
        assert_eq!(task["error"]["type"], "timeout");
        assert_eq!(outcomes(&server, &id).await, ["timeout"], "{limit}");
        let late = json!({"outcomes": [{"token": grant["token"], "status": "success"}], "capacity": 0, "waitMs": 0});
        let told = worker.exchange(late).await;
        assert!(told["stale"].as_array().unwrap().contains(&grant["token"]), "{told}");
        assert_eq!(server.get(&path(&id)).await.good(200)["status"], "failed");
    }
    let id = server.task(json!({"type": "mine", "timeout": 60, "retries": 1})).await;
    let grant = worker.grant().await;
    worker.report(json!({"token": grant["token"], "status": "timeout"})).await;
    assert_eq!(server.get(&path(&id)).await.good(200)["status"], "scheduled", "a timeout is retried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_takes_its_worker_with_it_three_times_is_poison() {
    let server = Server::start().await;
    let id = server.task(json!({"type": "mine", "retries": 9, "backoff": quick()})).await;
    for process in 0..3 {
        // The next process start of the worker ends the leases of the one before.
        Worker::session(&server, "w1", &format!("start-{process}"), "mine").grant().await;
    }
    let mut last = Worker::session(&server, "w1", "start-3", "mine");
    last.exchange(json!({"waitMs": 0})).await;
    let task = server.ended(&path(&id)).await;
    assert_eq!((&task["status"], &task["dead"]), (&json!("failed"), &json!(true)), "{task}");
    assert_eq!(outcomes(&server, &id).await, ["lost", "lost", "lost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_a_worker_fails_or_holds_a_task_that_says_so() {
    let server = Server::start().await;
    let fails = server.task(json!({"type": "mine", "onWorkerLost": "fail", "retries": 3})).await;
    Worker::session(&server, "w1", "one", "mine").grant().await;
    let holds = server.task(json!({"type": "mine", "onWorkerLost": "hold", "retries": 3})).await;
    Worker::session(&server, "w1", "two", "mine").grant().await;
    let mut worker = Worker::session(&server, "w1", "three", "mine");
    worker.exchange(json!({"waitMs": 0})).await;
    assert_eq!(server.ended(&path(&fails)).await["status"], "failed");
    let held = server.until(&path(&holds), |task| task["status"] == "waiting").await;
    assert_eq!(held["held"], true);
    let why = server.get(&format!("{}/why", path(&holds))).await.good(200);
    assert_eq!(why["gates"][0]["gate"], "held");
    server.order(&format!("{}/signal", path(&holds))).await.refused(409, "wrong_state");
    server.order(&format!("{}/retry", path(&holds))).await.good(200);
    assert_eq!(worker.complete(json!(null)).await["taskId"], json!(holds));
    assert_eq!(server.ended(&path(&holds)).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_task_can_be_deleted_and_a_live_one_cannot() {
    let server = Server::start().await;
    let id = server.task(json!({"type": "mine", "taskId": "t"})).await;
    server.call("DELETE", &path(&id), &[], "").await.refused(409, "wrong_state");
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.complete(json!(null)).await;
    server.ended(&path(&id)).await;
    server.call("DELETE", &path(&id), &[], "").await.good(204);
    server.get(&path(&id)).await.refused(404, "not_found");
    server.call("DELETE", &path(&id), &[], "").await.refused(404, "not_found");
    // Its id is free again.
    assert_eq!(server.post("/api/v1/tasks", &json!({"type": "other", "taskId": "t"})).await.good(201)["taskId"], "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_keys_are_remembered_over_a_restart() {
    let server = Server::start().await;
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    let named = json!({"type": "mine", "taskId": "t"});
    let body = json!({"type": "mine", "payload": 1}).to_string();
    server.post("/api/v1/tasks", &named).await.good(201);
    let keyed = server.call("POST", "/tasks/schedule", &headers, body.clone()).await.good(201);
    let job = json!({"jobId": "j", "tasks": {"a": {"type": "mine"}}});
    server.post("/api/v1/jobs", &job).await.good(201);
    let server = server.restart().await;
    assert_eq!(server.post("/api/v1/tasks", &named).await.good(201)["repeated"], true);
    let again = server.call("POST", "/api/v1/tasks", &headers, body).await.good(201);
    assert_eq!((&again["taskId"], &again["repeated"]), (&keyed["taskId"], &json!(true)));
    assert_eq!(server.post("/api/v1/jobs", &job).await.good(201)["repeated"], true);
    let other = json!({"type": "mine", "payload": 2}).to_string();
    server.call("POST", "/api/v1/tasks", &headers, other).await.refused(409, "idempotency_key_reused");
    server.post("/api/v1/tasks", &json!({"type": "other", "taskId": "t"})).await.refused(409, "id_taken");
    assert_eq!(server.get("/api/v1/tasks").await.good(200)["items"].as_array().unwrap().len(), 3);
}
