//! Schedules over HTTP: they fire, keep their ledger, and are told what to do.

use serde_json::{Value, json};

use crate::support::{Reply, Server, Worker};

const ALL: &str = "/api/v1/schedules";

fn ledger(page: &Value) -> Vec<(String, String)> {
    let word = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    page["items"].as_array().unwrap().iter().map(|item| (word(item, "status"), word(item, "cause"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_each_second_and_knows_its_instant() {
    let server = Server::start().await;
    let body = json!({"name": "tick", "cron": "* * * * * *", "task": {"type": "mine", "command": "true"}});
    let made = server.post(ALL, &body).await.good(201);
    assert_eq!((&made["generation"], &made["paused"]), (&json!(1), &json!(false)));
    let path = format!("{ALL}/tick");
    let page = server.until(&format!("{path}/occurrences"), |page| page["items"].as_array().unwrap().len() >= 3).await;
    let items = page["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["status"] == "fired" && item["cause"] == "time"), "{page}");
    let mut instants: Vec<&str> = items.iter().map(|item| item["instant"].as_str().unwrap()).collect();
    let count = instants.len();
    instants.dedup();
    assert_eq!(instants.len(), count, "each instant once");
    assert!(instants.iter().all(|at| at.ends_with(".000Z")), "{instants:?}");
    let id = items[0]["taskId"].as_str().unwrap();
    let task = server.get(&format!("/api/v1/tasks/{id}")).await.good(200);
    assert_eq!(task["env"]["MAINSPRING_SCHEDULED_AT"], items[0]["instant"], "{task}");
    let paused = server.order(&format!("{path}/pause")).await.good(200);
    assert_eq!(paused["paused"], true);
    assert_eq!(server.get(&format!("{path}/why")).await.good(200)["next"], json!([]));
    server.order(&format!("{path}/resume")).await.good(200);
    let next = server.get(&format!("{path}/next?n=3")).await.good(200);
    assert_eq!(next["items"].as_array().unwrap().len(), 3);
    let listed = server.get(ALL).await.good(200);
    assert_eq!(listed["items"][0]["name"], "tick");
    server.call("DELETE", &path, &[], "").await.good(204);
    server.get(&path).await.refused(404, "not_found");
    let kept = server.get(&format!("{path}/occurrences?limit=2")).await.good(200);
    assert!(!ledger(&kept).is_empty() && kept["nextCursor"].is_string(), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_installs_changes_and_removes_its_schedule() {
    let server = Server::start().await;
    let definition = "/api/v1/definitions/jobs/report";
    let body = |schedule: Value| json!({"job": "report", "schedule": schedule, "tasks": {"a": {"type": "mine"}}});
    server.put(definition, &body(json!({"cron": "0 6 * * *", "timezone": "Europe/Berlin"}))).await.good(201);
    let path = format!("{ALL}/report");
    let made = server.get(&path).await.good(200);
    assert_eq!((&made["ofDefinition"], &made["spec"]["job"]), (&json!(true), &json!("report")));
    let fired = server.order(&format!("{path}/trigger")).await.good(201);
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.complete(json!(null)).await;
    let id = fired["jobId"].as_str().unwrap();
    let job = server.get(&format!("/api/v1/jobs/{id}?wait=20s")).await.good(200);
    let made_from = json!({"name": "report", "version": 1});
    assert_eq!((&job["status"], &job["definition"]), (&json!("completed"), &made_from));
    // The same again changes nothing; another rule is another generation.
    server.put(definition, &body(json!({"cron": "0 6 * * *", "timezone": "Europe/Berlin"}))).await.good(200);
    assert_eq!(server.get(&path).await.good(200)["generation"], 1);
    server.put(definition, &body(json!({"every": "1h"}))).await.good(200);
    assert_eq!(server.get(&path).await.good(200)["generation"], 2);
    // Only the definition may change it.
    server.put(&path, &json!({"every": "2h", "job": "report"})).await.refused(409, "id_taken");
    server.call("DELETE", &path, &[], "").await.refused(409, "id_taken");
    server.put(definition, &json!({"job": "report", "tasks": {"a": {"type": "mine"}}})).await.good(200);
    server.get(&path).await.refused(404, "not_found");
    server.put(definition, &body(json!({"every": "1h"}))).await.good(200);
    server.call("DELETE", definition, &[], "").await.good(204);
    server.get(&path).await.refused(404, "not_found");
    let audit = server.get(&format!("{path}/occurrences")).await.good(200);
    assert_eq!(ledger(&audit), [("fired".to_owned(), "trigger".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_backfilled_once() {
    let server = Server::start().await;
    let body = json!({"name": "daily", "cron": "0 6 * * *", "task": {"type": "mine", "payload": 1}});
    server.post(ALL, &body).await.good(201);
    let path = format!("{ALL}/daily/backfill");
    let range =
        |dry| json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-03T12:00:00Z", "concurrency": 2, "dryRun": dry});
    let look = server.post(&path, &range(true)).await.good(200);
    assert_eq!((&look["count"], &look["dryRun"]), (&json!(3), &json!(true)));
    assert_eq!(look["first"][0], "2026-01-01T06:00:00.000Z");
    server.post(&path, &range(false)).await.good(200);
    server.post(&path, &range(false)).await.refused(409, "wrong_state");
    let mut worker = Worker::new(&server, "w1", "mine");
    for _ in 0..3 {
        worker.complete(json!(null)).await;
    }
    server.until(&format!("{ALL}/daily"), |schedule| schedule.get("backfill").is_none()).await;
    let again = server.post(&path, &range(false)).await.good(200);
    assert_eq!((&again["count"], &again["firedBefore"]), (&json!(0), &json!(3)));
    let one = server.get(&format!("{ALL}/daily/occurrences?instant=2026-01-02T06:00:00Z")).await.good(200);
    assert_eq!(ledger(&one), [("fired".to_owned(), "backfill".to_owned())]);
    let future = json!({"from": "2126-01-01T00:00:00Z", "to": "2126-01-03T12:00:00Z"});
    server.post(&path, &future).await.refused(422, "invalid_value");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_scheduled_is_refused_with_its_place() {
    let server = Server::start().await;
    for (fields, code, place) in [
        (json!({"cron": "0 0 30 2 *", "job": "x"}), "invalid_value", "/cron"),
        (json!({"cron": "0 6 * * *", "timezone": "Europe/Berln", "job": "x"}), "invalid_value", "/timezone"),
        (json!({"every": "1h", "job": "nobody"}), "invalid_value", "/job"),
        (json!({"at": "2020-01-01T00:00:00Z", "task": {"type": "mine"}}), "invalid_value", ""),
        (json!({"every": "1h", "job": {"jobId": "j", "tasks": {"a": "ls"}}}), "invalid_value", "/job/jobId"),
    ] {
        let mut body = fields.clone();
        body["name"] = json!("bad");
        let problem = server.post(ALL, &body).await.refused(422, code);
        assert_eq!(problem["errors"][0]["pointer"], place, "{problem}");
    }
    server.get(&format!("{ALL}/bad")).await.refused(404, "not_found");
    let good = json!({"name": "good", "every": "1h", "task": {"type": "mine"}});
    server.post(ALL, &good).await.good(201);
    server.post(ALL, &good).await.refused(409, "id_taken");
    server.order(&format!("{ALL}/nobody/trigger")).await.refused(404, "not_found");
}

/// Two that follow each other: whoever comes later is refused, also where both come at once.
#[tokio::test(flavor = "multi_thread")]
async fn no_two_changes_at_once_close_a_loop() {
    let server = Server::start().await;
    let follows =
        |name: &str, after: &str| json!({"job": name, "schedule": {"after": after}, "tasks": {"a": {"type": "mine"}}});
    let refused = |reply: &Reply| {
        let code = reply.json()["code"].clone();
        assert!(reply.status == 422 && code == "cycle", "{}", reply.text());
    };
    for round in 0..12 {
        let [a, b, c] = ["a", "b", "c"].map(|name| format!("{name}{round}"));
        let path = |name: &str| format!("/api/v1/definitions/jobs/{name}");
        server.put(&path(&c), &follows(&c, &b)).await.good(201);
        let (path_a, path_b, body_a, body_b) = (path(&a), path(&b), follows(&a, &c), follows(&b, &a));
        let both = tokio::join!(server.put(&path_a, &body_a), server.put(&path_b, &body_b));
        match (both.0.status, both.1.status) {
            (201, _) => refused(&both.1),
            (_, 201) => refused(&both.0),
            _ => panic!("{} {}", both.0.text(), both.1.text()),
        }
        // What was refused left nothing behind.
        let (kept, other) = if both.0.status == 201 { (&a, &b) } else { (&b, &a) };
        server.get(&path(kept)).await.good(200);
        server.get(&path(other)).await.refused(404, "not_found");
        server.get(&format!("{ALL}/{other}")).await.refused(404, "not_found");
    }
    for round in 0..12 {
        let [a, b] = ["x", "y"].map(|name| format!("{name}{round}"));
        for name in [&a, &b] {
            let body = json!({"job": name, "tasks": {"a": {"type": "mine"}}});
            server.put(&format!("/api/v1/definitions/jobs/{name}"), &body).await.good(201);
        }
        let own = |name: &str, after: &str, job: &str| json!({"name": name, "after": after, "job": job});
        let (first, second) = (own(&format!("s{a}"), &a, &b), own(&format!("s{b}"), &b, &a));
        let both = tokio::join!(server.post(ALL, &first), server.post(ALL, &second));
        let there = [&both.0, &both.1].into_iter().filter(|reply| reply.status == 201).count();
        assert!(there < 2, "both are there: {} {}", both.0.text(), both.1.text());
        [&both.0, &both.1].into_iter().filter(|reply| reply.status != 201).for_each(refused);
        let left = server.get(ALL).await.good(200)["items"].take();
        let left = left.as_array().unwrap().iter().filter(|item| item["name"].as_str().unwrap().ends_with(&a[1..]));
        let left = left.filter(|item| item["name"].as_str().unwrap().starts_with('s')).count();
        assert_eq!(left, there, "what was refused left nothing behind");
        for name in [format!("s{a}"), format!("s{b}")] {
            server.call("DELETE", &format!("{ALL}/{name}"), &[], "").await;
        }
    }
}
