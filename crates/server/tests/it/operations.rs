//! What an operator reads: health, figures, why, the audit; and streams to readers who are gone, late or slow.

use std::time::Duration;

use serde_json::{Value, json};

use crate::raw::Raw;
use crate::support::{Server, Worker};

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_the_actuator_have_their_shapes() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz").await.good(200), json!({"status": "ok"}));
    let ready = server.get("/readyz").await.good(200);
    assert_eq!((&ready["status"], &ready["store"]), (&json!("ready"), &json!("sqlite")));
    let health = server.get("/actuator/health").await.good(200);
    assert_eq!(health["status"], "UP");
    for component in ["node", "store"] {
        assert_eq!(health["components"][component]["status"], "UP", "{health}");
    }
    let info = server.get("/actuator/info").await.good(200);
    assert_eq!(info["build"]["name"], "mainspring");
    assert!(info["build"]["version"].is_string() && info["process"]["startedAt"].is_string(), "{info}");
    server.get("/healthz?x=1").await.refused(400, "invalid_query");
}

/// Samples of a page in Prometheus' format by name and labels.
fn samples(page: &str) -> Vec<(&str, f64)> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, value)| (name, value.parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_have_the_names_of_the_contract_and_count_right() {
    let server = Server::start().await;
    let backoff = json!({"type": "fixed", "initial": 0});
    server
        .task(json!({"type": "mine", "retries": 1, "backoff": backoff, "userId": "secret-user", "taskId": "secret-id"}))
        .await;
    let mut worker = Worker::new(&server, "secret-worker", "mine");
    worker.fail("no").await;
    worker.complete(json!(null)).await;
    server.task(json!({"type": "none", "queue": "q1"})).await;
    server.get("/api/v1/tasks/secret-id?wait=20s").await.good(200);
    let reply = server.get("/metrics").await;
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let page = reply.text();
    for (name, kind) in [
        ("mainspring_tasks", "gauge"),
        ("mainspring_attempts_total", "counter"),
        ("mainspring_attempt_duration_seconds", "histogram"),
        ("mainspring_start_latency_seconds", "histogram"),
        ("mainspring_retries_total", "counter"),
        ("mainspring_ready_age_seconds", "gauge"),
        ("mainspring_commit_seconds", "histogram"),
        ("mainspring_mailbox_bytes", "gauge"),
        ("mainspring_shard_epoch", "gauge"),
    ] {
        assert!(page.contains(&format!("# TYPE {name} {kind}\n")), "{name}");
        assert_eq!(page.matches(&format!("# TYPE {name} ")).count(), 1, "{name}");
    }
    let samples = samples(page);
    let value = |wanted: &str| samples.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    assert_eq!(value("mainspring_tasks{queue=\"q1\",status=\"ready\"}"), Some(1.0));
    assert_eq!(value("mainspring_tasks{queue=\"default\",status=\"completed\"}"), Some(1.0));
    let attempts =
        |outcome: &str| format!("mainspring_attempts_total{{queue=\"default\",type=\"mine\",outcome=\"{outcome}\"}}");
    assert_eq!(value(&attempts("success")), Some(1.0));
    assert_eq!(value(&attempts("failure")), Some(1.0));
    assert_eq!(value("mainspring_retries_total{queue=\"default\",type=\"mine\"}"), Some(1.0));
    assert_eq!(value("mainspring_attempt_duration_seconds_count"), Some(2.0));
    assert!(value("mainspring_commit_seconds_count").unwrap() >= 3.0);
    assert!(!page.contains("secret"), "labels name no tenant, id or worker");
    assert_eq!(server.get("/actuator/prometheus").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_do_not_grow_with_the_words_that_clients_make_up() {
    let server = Server::start().await;
    let batch: Vec<Value> =
        (0..300).map(|number| json!({"type": "noop", "queue": format!("queue{number:03}")})).collect();
    server.post("/api/v1/tasks", &batch.into()).await.good(200);
    let page = server.get("/metrics").await;
    let queues = page.text().matches("mainspring_tasks{queue=\"queue").count();
    assert_eq!(queues, 200);
    assert!(page.text().contains("mainspring_tasks{queue=\"other\",status=\"ready\"} 100\n"), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_queues_and_workers_agree_on_what_there_is() {
    let server = Server::start().await;
    server.task(json!({"type": "mine", "taskId": "t"})).await;
    server.task(json!({"type": "mine", "queue": "q1", "delaySeconds": 60})).await;
    server.job(json!({"jobId": "j", "tasks": {"a": {"type": "mine"}, "b": {"type": "mine", "needs": "a"}}})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.exchange(json!({"labels": {"zone": "a"}, "capacity": 2})).await;
    let stats = server.until("/api/v1/stats", |stats| stats["running"] == 2).await;
    let count = |status: &str| stats["tasks"][status]["count"].as_u64();
    assert_eq!((count("running"), count("scheduled"), count("pending")), (Some(2), Some(1), Some(1)), "{stats}");
    assert_eq!((&stats["workers"], &stats["jobs"]["running"]["count"]), (&json!(1), &json!(1)));
    assert!(stats["store"].as_str().unwrap().starts_with("sqlite") && stats["version"].is_string(), "{stats}");
    let queues = server.get("/api/v1/queues").await.good(200)["items"].take();
    assert_eq!(queues[1]["name"], "q1");
    assert_eq!(queues[1]["tasks"], json!({"scheduled": {"count": 1}}));
    let workers = server.get("/api/v1/workers").await.good(200)["items"].take();
    assert_eq!((&workers[0]["workerId"], &workers[0]["labels"]), (&json!("w1"), &json!({"zone": "a"})));
    let mut running = workers[0]["running"].as_array().unwrap().clone();
    running.sort_by_key(ToString::to_string);
    assert_eq!(running, [json!({"taskId": "a", "jobId": "j"}), json!({"taskId": "t"})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_knows_every_gate() {
    let server = Server::start().await;
    let gates = async |path: &str| -> Vec<String> {
        let gates = server.get(&format!("/api/v1/{path}/why")).await.good(200)["gates"].take();
        let gates = gates.as_array().unwrap().iter();
        gates
            .inspect(|gate| assert!(!gate["detail"].as_str().unwrap().is_empty(), "{gate}"))
            .map(|gate| gate["gate"].as_str().unwrap().to_owned())
            .collect()
    };
    let backoff = json!({"type": "fixed", "initial": "1h", "jitter": "none"});
    server.task(json!({"taskId": "retries", "type": "mine", "retries": 1, "backoff": backoff})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.fail("no").await;
    assert_eq!(gates("tasks/retries").await, ["backoff"]);
    server.task(json!({"taskId": "later", "type": "mine", "delaySeconds": 60})).await;
    assert_eq!(gates("tasks/later").await, ["scheduled"]);
    server.task(json!({"taskId": "lonely", "type": "gpu", "labels": {"zone": "b"}})).await;
    let why = server.get("/api/v1/tasks/lonely/why").await.good(200)["gates"][0].take();
    assert_eq!(why["gate"], "no_worker");
    assert!(why["detail"].as_str().unwrap().contains("zone=b"), "{why}");
    server.task(json!({"taskId": "runs", "type": "mine"})).await;
    let grant = worker.grant().await;
    let why = server.get("/api/v1/tasks/runs/why").await.good(200)["gates"][0].take();
    assert_eq!((&why["gate"], &why["holder"]["workerId"]), (&json!("running"), &json!("w1")));
    assert!(why["since"].is_string(), "{why}");
    // The worker is busy; of two that wait one is behind the other.
    server.task(json!({"taskId": "next", "type": "mine", "priority": 5})).await;
    server.task(json!({"taskId": "last", "type": "mine"})).await;
    worker.exchange(json!({"running": [grant["token"]], "capacity": 0, "waitMs": 0})).await;
    assert_eq!(gates("tasks/next").await, ["workers_busy"]);
    assert_eq!(gates("tasks/last").await, ["workers_busy", "behind"]);
    server.order("/api/v1/workers/w1/pause").await.good(200);
    assert_eq!(gates("tasks/next").await, ["workers_paused"]);
    server.order("/api/v1/queues/default/pause").await.good(200);
    assert_eq!(gates("tasks/next").await, ["queue_paused", "workers_paused"]);
    server.job(json!({"jobId": "j", "tasks": {"a": {"type": "gpu"}, "b": {"type": "gpu", "needs": "a"}}})).await;
    server.order("/api/v1/jobs/j/pause").await.good(200);
    assert_eq!(gates("jobs/j/tasks/a").await, ["job_paused", "queue_paused", "no_worker"]);
    assert_eq!(gates("jobs/j/tasks/b").await, ["job_paused", "parents"]);
    let why = server.get("/api/v1/jobs/j/tasks/b/why").await.good(200)["gates"][1].take();
    assert_eq!(why["holder"], json!({"jobId": "j", "taskId": "a"}));
    worker.report(json!({"token": grant["token"], "status": "success"})).await;
    assert_eq!(gates("tasks/runs").await, ["ended"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_says_who_ordered_what_about_what() {
    let server = Server::start().await;
    server.task(json!({"taskId": "t", "type": "mine"})).await;
    server.job(json!({"jobId": "j", "tasks": {"a": {"type": "none"}}})).await;
    Worker::new(&server, "w1", "mine").fail("no").await;
    server.ended("/api/v1/tasks/t").await;
    let json_type = [("content-type", "application/json")];
    server.call("PATCH", "/api/v1/dead-letters/t", &json_type, "{\"payload\":1}").await.good(200);
    server.post("/api/v1/dead-letters/discard", &json!({"ids": ["t"]})).await.good(200);
    server.order("/api/v1/tasks/t/retry").await.good(200);
    server.order("/api/v1/tasks/t/cancel").await.good(200);
    for order in ["pause", "resume", "cancel"] {
        server.order(&format!("/api/v1/jobs/j/{order}")).await.good(200);
    }
    server.ended("/api/v1/jobs/j").await;
    server.order("/api/v1/jobs/j/rerun").await.good(200);
    server.order("/api/v1/queues/q/pause").await.good(200);
    server.order("/api/v1/queues/q/pause").await.good(200);
    server.order("/api/v1/workers/w1/drain").await.good(200);
    server.put("/api/v1/definitions/tasks/d", &json!({"type": "mine"})).await.good(201);
    let items = server.get("/api/v1/audit").await.good(200)["items"].take();
    let told: Vec<(&str, &str)> = items
        .as_array()
        .unwrap()
        .iter()
        .inspect(|record| assert!(record["actor"] == "anonymous" && record["timestamp"].is_string(), "{record}"))
        .map(|record| (record["action"].as_str().unwrap(), record["target"].as_str().unwrap()))
        .collect();
    let wanted = [
        ("definition.apply", "d"),
        ("worker.drain", "w1"),
        ("queue.pause", "q"),
        ("job.rerun", "j"),
        ("job.cancel", "j"),
        ("job.resume", "j"),
        ("job.pause", "j"),
        ("task.cancel", "t"),
        ("task.retry", "t"),
        ("dead_letter.discard", "t"),
        ("dead_letter.edit", "t"),
    ];
    assert_eq!(told, wanted);
    // Several of these orders were of one moment.
    for limit in [1, 2, 5, wanted.len()] {
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server.get(&format!("/api/v1/audit?limit={limit}&cursor={cursor}")).await.good(200);
            let records = page["items"].as_array().unwrap();
            assert!(!records.is_empty() && records.len() <= limit);
            paged.extend(records.iter().cloned());
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = next.to_owned();
        }
        assert_eq!(serde_json::Value::from(paged), items, "{limit} at a time");
    }
    server.get("/api/v1/audit?cursor=a00").await.refused(400, "invalid_cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_does_not_read_is_dropped_and_holds_up_nobody() {
    let server = Server::start_with(|config| {
        config.http.streams_max = 1;
        config.http.write_timeout = Duration::from_millis(500);
        config.http.keep_alive = Duration::from_millis(50);
    })
    .await;
    let mut slow = Raw::open(&server).await;
    slow.send("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    // Its place is taken once it has begun.
    while server.send("GET", "/api/v1/events", &[], "").await.status() != 503 {}
    // More events than sockets and channels hold; submissions go on all the same.
    let batch: Value = vec![json!({"type": "noop", "taskName": "n".repeat(200)}); 10_000].into();
    for _ in 0..4 {
        server.post("/api/v1/tasks", &batch).await.good(200);
    }
    // Dropped after the time limit, it makes room for a reader who reads.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(25);
    while server.send("GET", "/api/v1/events", &[], "").await.status() != 200 {
        assert!(tokio::time::Instant::now() < deadline, "the slow reader still holds its place");
    }
    server.get("/readyz").await.good(200);
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_stopped_has_given_its_store_back() {
    let mut server = Server::start().await;
    for _ in 0..10 {
        // Whatever reads the store while it stops: streams, waits, a worker.
        let stream = server.events("/api/v1/events", None).await;
        let id = server.task(json!({"type": "none"})).await;
        let logs = server.events(&format!("/api/v1/tasks/{id}/logs?follow=true"), None).await;
        server = server.restart().await;
        drop((stream, logs));
    }
    assert_eq!(server.get("/api/v1/tasks").await.good(200)["items"].as_array().unwrap().len(), 10);
}
