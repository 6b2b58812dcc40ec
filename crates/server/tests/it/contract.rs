//! The exchange with lost replies and stale tokens, idempotency, dead letters and `/why`, as a worker and a client see them.

use serde_json::json;

use crate::support::{Server, Worker};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_give_the_same_task_and_another_body_is_refused() {
    let server = Server::start().await;
    let headers = [("content-type", "application/json"), ("idempotency-key", "k1")];
    let body = json!({"type": "mine", "payload": {"n": 1}, "retries": 1}).to_string();
    let first = server.call("POST", "/api/v1/tasks", &headers, body.clone()).await.good(201);
    let second = server.call("POST", "/api/v1/tasks", &headers, body).await.good(201);
    assert_eq!(first["taskId"], second["taskId"]);
    assert_eq!(second["repeated"], true);
    let other = json!({"type": "mine", "payload": {"n": 2}}).to_string();
    server.call("POST", "/api/v1/tasks", &headers, other).await.refused(409, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_of_a_batch_covers_each_of_its_elements() {
    let server = Server::start().await;
    let headers = [("content-type", "application/json"), ("idempotency-key", "batch")];
    let body = json!([{"type": "a"}, {"type": "b"}]).to_string();
    let first = server.call("POST", "/api/v1/tasks", &headers, body.clone()).await.good(200);
    let second = server.call("POST", "/api/v1/tasks", &headers, body).await.good(200);
    assert_ne!(first["items"][0]["taskId"], first["items"][1]["taskId"]);
    for index in 0..2 {
        assert_eq!(first["items"][index]["taskId"], second["items"][index]["taskId"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_element_spoils_no_other_of_a_batch() {
    let server = Server::start().await;
    let batch = json!([{"type": "noop"}, {"type": "noop", "retrys": 3}, {"type": "noop", "delaySeconds": 60}]);
    let items = server.post("/api/v1/tasks", &batch).await.good(200)["items"].take();
    assert_eq!(items[0]["status"], "ready");
    assert_eq!(items[1]["problem"]["code"], "unknown_field");
    assert_eq!(items[2]["status"], "scheduled");
    assert!(items[2]["runAt"].is_string());
    let lines = "{\"type\":\"noop\"}\nnonsense\n{\"type\":\"noop\"}\n";
    let headers = [("content-type", "application/x-ndjson")];
    let items = server.call("POST", "/api/v1/tasks", &headers, lines).await.good(200)["items"].take();
    assert_eq!(items.as_array().unwrap().len(), 3);
    assert!(items[1]["problem"].is_object() && items[2]["taskId"].is_string(), "{items}");
    assert_eq!(server.post("/api/v1/tasks", &json!([])).await.good(200), json!({"items": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_was_lost_is_repeated_with_the_same_token() {
    let server = Server::start().await;
    let id = server.task(json!({"type": "mine"})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    let first = worker.exchange(json!({"ack": 0})).await;
    let second = worker.exchange(json!({"ack": 0})).await;
    assert_eq!(first["grants"][0]["taskId"], json!(id));
    assert_eq!(first["grants"][0]["token"], second["grants"][0]["token"]);
    assert_eq!(second["grants"][0]["attempt"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_token_is_stale_and_changes_nothing() {
    let server = Server::start().await;
    let backoff = json!({"type": "fixed", "initial": 0});
    let id = server.task(json!({"type": "mine", "retries": 1, "backoff": backoff})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    let first = worker.fail("no").await;
    let second = worker.grant().await;
    assert_eq!(second["attempt"], 2);
    assert_ne!(first["token"], second["token"]);
    let late = json!({"outcomes": [{"token": first["token"], "status": "success"}], "capacity": 0, "waitMs": 0});
    worker.exchange(late).await;
    assert_eq!(server.get(&format!("/api/v1/tasks/{id}")).await.good(200)["status"], "running");
    worker.report(json!({"token": second["token"], "status": "success", "output": {"n": 7}})).await;
    let task = server.get(&format!("/api/v1/tasks/{id}?wait=20s")).await.good(200);
    assert_eq!((&task["status"], &task["output"]), (&json!("completed"), &json!({"n": 7})));
    let attempts = server.get(&format!("/api/v1/tasks/{id}/attempts")).await.good(200)["items"].take();
    assert_eq!(attempts[0]["status"], "failure");
    assert_eq!(attempts[0]["error"]["message"], "no");
    assert_eq!(attempts[1]["status"], "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_grouped_edited_and_redriven() {
    let server = Server::start().await;
    let id = server.task(json!({"type": "mine", "payload": {"n": 1}, "tags": ["keep"]})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.fail("row 17 is bad").await;
    let letters = server.get("/api/v1/dead-letters").await.good(200);
    assert_eq!(letters["items"][0]["id"], json!(id));
    assert_eq!(letters["groups"][0]["count"], 1);
    assert_eq!(letters["groups"][0]["fingerprint"], "Broken: row # is bad");
    let path = format!("/api/v1/dead-letters/{id}");
    let json_type = [("content-type", "application/json")];
    let edited = server.call("PATCH", &path, &json_type, "{\"payload\":{\"n\":2}}").await.good(200);
    assert_eq!(edited["payload"], json!({"n": 2}));
    let ids = json!({"ids": [id], "dryRun": true});
    assert_eq!(server.post("/api/v1/dead-letters/redrive", &ids).await.good(200)["count"], 1);
    assert_eq!(server.get(&format!("/api/v1/tasks/{id}")).await.good(200)["status"], "failed");
    let redriven = server.post("/api/v1/dead-letters/redrive", &json!({"ids": [id]})).await.good(200);
    assert_eq!(redriven["items"], json!([id]));
    let grant = worker.grant().await;
    assert_eq!((&grant["generation"], &grant["payload"]), (&json!(2), &json!({"n": 2})));
    assert_eq!(server.get("/api/v1/dead-letters").await.good(200)["items"], json!([]));
    server.post("/api/v1/dead-letters/redrive", &json!({"ids": [id]})).await.refused(409, "not_dead");
    let audit = server.get("/api/v1/audit").await.good(200)["items"].take();
    assert!(audit.as_array().unwrap().iter().any(|record| record["target"].as_str().unwrap().contains(&id)), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_discarded_by_query() {
    let server = Server::start().await;
    let mut worker = Worker::new(&server, "w1", "mine");
    let keep = server.task(json!({"type": "mine", "tags": ["keep"]})).await;
    worker.fail("a").await;
    let drop = server.task(json!({"type": "mine", "tags": ["drop"]})).await;
    worker.fail("b").await;
    let discard = json!({"q": "tag:drop"});
    assert_eq!(server.post("/api/v1/dead-letters/discard", &discard).await.good(200)["items"], json!([drop]));
    let left = server.get("/api/v1/dead-letters").await.good(200)["items"].take();
    assert_eq!(left[0]["taskId"], json!(keep));
    assert_eq!(left.as_array().unwrap().len(), 1);
    server.post("/api/v1/dead-letters/discard", &json!({})).await.refused(422, "missing_field");
    server
        .post("/api/v1/dead-letters/discard", &json!({"q": "", "ids": [keep]}))
        .await
        .refused(422, "conflicting_fields");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_names_the_gate_that_a_task_stands_before() {
    let server = Server::start().await;
    let gate = async |path: &str| {
        let why = server.get(&format!("{path}/why")).await.good(200);
        why["gates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|gate| gate["gate"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let ready = format!("/api/v1/tasks/{}", server.task(json!({"type": "mine"})).await);
    assert_eq!(gate(&ready).await, ["no_worker"]);
    let later = format!("/api/v1/tasks/{}", server.task(json!({"type": "mine", "delaySeconds": 60})).await);
    assert_eq!(gate(&later).await, ["scheduled"]);
    server.post("/api/v1/queues/default/pause", &json!({})).await.good(200);
    assert!(gate(&ready).await.contains(&"queue_paused".to_owned()));
    server.post("/api/v1/queues/default/resume", &json!({})).await.good(200);
    let tasks = json!([{"taskId": "a", "type": "mine"}, {"taskId": "b", "type": "mine", "needs": ["a"]}]);
    server.job(json!({"jobId": "j", "tasks": tasks})).await;
    let why = server.get("/api/v1/jobs/j/tasks/b/why").await.good(200);
    assert_eq!(why["gates"][0]["gate"], "parents");
    assert_eq!(why["gates"][0]["holder"]["taskId"], "a");
    server.post("/api/v1/jobs/j/pause", &json!({})).await.good(200);
    assert!(gate("/api/v1/jobs/j/tasks/a").await.contains(&"job_paused".to_owned()));
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.grant().await;
    assert_eq!(gate(&ready).await, ["running"]);
    server.post(&format!("{later}/cancel"), &json!({})).await.good(200);
    assert_eq!(gate(&later).await, ["ended"]);
    server.get("/api/v1/tasks/nope/why").await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_answers_as_soon_as_the_task_has_ended() {
    let server = Server::start().await;
    let id = server.task(json!({"type": "mine"})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    let path = format!("/api/v1/tasks/{id}?wait=20s");
    let (task, _) = tokio::join!(server.get(&path), worker.complete(json!("done")));
    let task = task.good(200);
    assert_eq!((&task["status"], &task["output"]), (&json!("completed"), &json!("done")));
    let other = server.task(json!({"type": "mine"})).await;
    let task = server.get(&format!("/api/v1/tasks/{other}?wait=10ms")).await.good(200);
    assert_eq!(task["status"], "ready");
    server.get(&format!("/api/v1/tasks/{other}?wait=soon")).await.refused(400, "invalid_query");
}
