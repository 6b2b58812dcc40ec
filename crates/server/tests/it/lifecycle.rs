//! Jobs, and what operators do about them: cancel, pause, rerun; dead letters; pauses of queues and workers.

use serde_json::{Value, json};

use crate::support::{Server, Worker};

/// Statuses of a job's tasks by id.
async fn statuses(server: &Server, job: &str) -> Value {
    let items = server.get(&format!("/api/v1/jobs/{job}/tasks")).await.good(200)["items"].take();
    let one = |task: &Value| (task["taskId"].as_str().unwrap().to_owned(), task["status"].clone());
    Value::Object(items.as_array().unwrap().iter().map(one).collect())
}

async fn skip_reason(server: &Server, job: &str, task: &str) -> Value {
    server.get(&format!("/api/v1/jobs/{job}/tasks/{task}")).await.good(200)["skipReason"].take()
}

/// A chain `a → b → c`.
fn chain(job: &str) -> Value {
    json!({"jobId": job, "tasks": {
        "a": {"type": "mine"}, "b": {"type": "mine", "needs": "a"}, "c": {"type": "mine", "needs": "b"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_takes_its_running_task_back_and_ends() {
    let server = Server::start().await;
    server.job(chain("j")).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    let grant = worker.grant().await;
    server.order("/api/v1/jobs/j/cancel").await.good(200);
    let told = worker.exchange(json!({"running": [grant["token"]], "capacity": 0, "waitMs": 1000})).await;
    assert_eq!(told["cancel"], json!([grant["token"]]), "{told}");
    let job = server.ended("/api/v1/jobs/j").await;
    assert_eq!((&job["status"], &job["tasks"]["cancelled"]), (&json!("cancelled"), &json!(3)));
    assert_eq!(statuses(&server, "j").await, json!({"a": "cancelled", "b": "cancelled", "c": "cancelled"}));
    server.order("/api/v1/jobs/j/pause").await.refused(409, "wrong_state");
    server.order("/api/v1/jobs/j/resume").await.refused(409, "wrong_state");
    server.call("DELETE", "/api/v1/jobs/j", &[], "").await.good(204);
    loop {
        let reply = server.get("/api/v1/jobs/j").await;
        if reply.status == 404 {
            break;
        }
    }
    server.order("/api/v1/jobs/nope/cancel").await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_job_grants_nothing_until_it_is_resumed() {
    let server = Server::start().await;
    server.job(chain("j")).await;
    assert_eq!(server.order("/api/v1/jobs/j/pause").await.good(200)["status"], "paused");
    let mut worker = Worker::new(&server, "w1", "mine");
    assert_eq!(worker.exchange(json!({"waitMs": 50})).await["grants"], json!([]));
    // The pause outlives the server.
    let server = server.restart().await;
    let mut worker = Worker::new(&server, "w1", "mine");
    assert_eq!(worker.exchange(json!({"waitMs": 50})).await["grants"], json!([]));
    server.order("/api/v1/jobs/j/resume").await.good(200);
    for _ in 0..3 {
        worker.complete(json!(null)).await;
    }
    assert_eq!(server.ended("/api/v1/jobs/j").await["status"], "completed");
    server.call("DELETE", "/api/v1/jobs/j", &[], "").await.good(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rerun_from_failed_task_or_start_runs_just_what_it_says() {
    let server = Server::start().await;
    server.job(chain("j")).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    server.order("/api/v1/jobs/j/rerun").await.refused(409, "wrong_state");
    worker.complete(json!(null)).await;
    worker.fail("no").await;
    let job = server.ended("/api/v1/jobs/j").await;
    assert_eq!((&job["status"], &job["unhandledFailures"]), (&json!("failed"), &json!(1)));
    assert_eq!(statuses(&server, "j").await, json!({"a": "completed", "b": "failed", "c": "skipped"}));
    assert_eq!(skip_reason(&server, "j", "c").await, "upstream_failed");
    let rerun = async |worker: &mut Worker<'_>, body: Value, tasks: &[&str]| {
        server.post("/api/v1/jobs/j/rerun", &body).await.good(200);
        for task in tasks {
            assert_eq!(worker.complete(json!(null)).await["taskId"], *task, "{body}");
        }
        let job = server.ended("/api/v1/jobs/j").await;
        assert_eq!(job["status"], "completed");
        job["generation"].as_u64().unwrap()
    };
    assert_eq!(rerun(&mut worker, json!({}), &["b", "c"]).await, 2);
    assert_eq!(rerun(&mut worker, json!({"from": "task", "taskId": "b"}), &["b", "c"]).await, 3);
    assert_eq!(rerun(&mut worker, json!({"from": "start"}), &["a", "b", "c"]).await, 4);
    server.post("/api/v1/jobs/j/rerun", &json!({"from": "failed"})).await.refused(409, "wrong_state");
    server.post("/api/v1/jobs/j/rerun", &json!({"from": "task"})).await.refused(422, "missing_field");
    server.post("/api/v1/jobs/j/rerun", &json!({"from": "task", "taskId": "x"})).await.refused(404, "not_found");
    let both = json!({"from": "start", "taskId": "a"});
    server.post("/api/v1/jobs/j/rerun", &both).await.refused(422, "conflicting_fields");
    // Attempts are numbered on over generations.
    let attempts = server.get("/api/v1/jobs/j/tasks/b/attempts").await.good(200)["items"].take();
    let each = |name: &str| -> Vec<u64> {
        attempts.as_array().unwrap().iter().map(|one| one[name].as_u64().unwrap()).collect()
    };
    assert_eq!((each("attempt"), each("generation")), (vec![1, 2, 3, 4], vec![1, 2, 3, 4]));
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_fast_calls_off_what_has_not_started_except_who_waits_for_failures() {
    let server = Server::start().await;
    server
        .job(json!({"jobId": "j", "failurePolicy": "fail_fast", "tasks": {
        "a": {"type": "mine", "priority": 9}, "slow": {"type": "mine"},
        "after": {"type": "mine", "needs": "slow"}, "clean": {"type": "mine", "needs": "a", "trigger": "one_failed"},
        "always": {"type": "mine", "needs": "after", "trigger": "all_done"}}}))
        .await;
    let mut worker = Worker::new(&server, "w1", "mine");
    assert_eq!(worker.fail("no").await["taskId"], "a");
    let mut left =
        vec![worker.complete(json!(null)).await["taskId"].take(), worker.complete(json!(null)).await["taskId"].take()];
    left.sort_by_key(ToString::to_string);
    assert_eq!(left, [json!("always"), json!("clean")]);
    let job = server.ended("/api/v1/jobs/j").await;
    assert_eq!(job["status"], "completed", "the failure was handled: {job}");
    let expected =
        json!({"a": "failed", "slow": "cancelled", "after": "cancelled", "clean": "completed", "always": "completed"});
    assert_eq!(statuses(&server, "j").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_trigger_rule_reads_its_parents_and_a_skip_says_why() {
    let server = Server::start().await;
    let rules = [
        "all_success",
        "all_done",
        "all_failed",
        "one_success",
        "one_failed",
        "one_done",
        "none_failed",
        "always",
        "all_skipped",
        "none_skipped",
        "none_failed_min_one_success",
    ];
    let mut tasks = json!({"good": {"type": "mine", "priority": 9}, "bad": {"type": "mine", "priority": 8},
        "skipped": {"type": "mine", "needs": "bad"}, "below": {"type": "mine", "needs": "skipped"}});
    for rule in rules {
        tasks[rule] = json!({"type": "late", "needs": ["good", "bad"], "trigger": rule});
    }
    server.job(json!({"jobId": "j", "tasks": tasks})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    assert_eq!(worker.complete(json!(null)).await["taskId"], "good");
    assert_eq!(worker.fail("no").await["taskId"], "bad");
    let mut late = Worker::new(&server, "w2", "late");
    for _ in 0..6 {
        late.complete(json!(null)).await;
    }
    server.ended("/api/v1/jobs/j").await;
    let found = statuses(&server, "j").await;
    let runs = ["all_done", "one_success", "one_failed", "one_done", "always", "none_skipped"];
    for rule in rules {
        let wanted = if runs.contains(&rule) { "completed" } else { "skipped" };
        assert_eq!(found[rule], wanted, "{rule}: {found}");
    }
    assert_eq!(skip_reason(&server, "j", "all_success").await, "upstream_failed");
    assert_eq!(skip_reason(&server, "j", "skipped").await, "upstream_failed");
    assert!(
        ["upstream_skipped", "upstream_failed"].contains(&skip_reason(&server, "j", "below").await.as_str().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_a_job_are_edited_and_redriven_in_it() {
    let server = Server::start().await;
    server.job(json!({"jobId": "j", "tasks": {"a": {"type": "mine", "payload": {"n": 1}}, "b": {"type": "mine", "needs": "a"}}})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.fail("no").await;
    server.ended("/api/v1/jobs/j").await;
    let letters = server.get("/api/v1/dead-letters").await.good(200);
    assert_eq!((&letters["items"][0]["id"], &letters["groups"][0]["ids"]), (&json!("j/a"), &json!(["j/a"])));
    let json_type = [("content-type", "application/json")];
    for (path, n) in [("/api/v1/dead-letters/j/a", 2), ("/api/v1/dead-letters/j%2Fa", 3)] {
        let body = json!({"payload": {"n": n}}).to_string();
        let edited = server.call("PATCH", path, &json_type, body).await.good(200);
        assert_eq!(edited["payload"], json!({"n": n}), "{edited}");
    }
    server.call("PATCH", "/api/v1/dead-letters/j/b", &json_type, "{\"payload\":1}").await.refused(409, "not_dead");
    server.post("/api/v1/dead-letters/redrive", &json!({"ids": ["j/b"]})).await.refused(409, "not_dead");
    server.post("/api/v1/dead-letters/redrive", &json!({"ids": ["j/x"]})).await.refused(404, "not_found");
    let redriven = server.post("/api/v1/dead-letters/redrive", &json!({"ids": ["j/a"]})).await.good(200);
    assert_eq!(redriven["items"], json!(["j/a"]));
    assert_eq!(worker.complete(json!(null)).await["payload"], json!({"n": 3}));
    worker.complete(json!(null)).await;
    let job = server.ended("/api/v1/jobs/j").await;
    assert_eq!((&job["status"], &job["generation"]), (&json!("completed"), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_counts_first_and_keeps_to_its_limit_and_spacing() {
    let server = Server::start().await;
    let mut worker = Worker::new(&server, "w1", "mine");
    for _ in 0..3 {
        server.task(json!({"type": "mine", "tags": ["x"]})).await;
        worker.fail("no").await;
    }
    let path = "/api/v1/dead-letters/redrive";
    let counted = server.post(path, &json!({"q": "tag:x", "dryRun": true, "limit": 2})).await.good(200);
    assert_eq!((&counted["count"], &counted["more"], &counted["dryRun"]), (&json!(2), &json!(true), &json!(true)));
    assert_eq!(server.get("/api/v1/dead-letters").await.good(200)["items"].as_array().unwrap().len(), 3);
    let spaced = json!({"q": "tag:x", "limit": 2, "spacing": "1h"});
    let taken = server.post(path, &spaced).await.good(200);
    assert_eq!((&taken["count"], &taken["more"]), (&json!(2), &json!(true)));
    let mut found: Vec<String> = Vec::new();
    for id in taken["items"].as_array().unwrap() {
        let task = server.get(&format!("/api/v1/tasks/{}", id.as_str().unwrap())).await.good(200);
        found.push(task["status"].as_str().unwrap().to_owned());
    }
    found.sort_unstable();
    assert_eq!(found, ["ready", "scheduled"]);
    let all = json!({"action": "discard", "q": "", "dryRun": false});
    assert_eq!(server.post("/api/v1/dead-letters/bulk", &all).await.good(200)["count"], 1);
    assert_eq!(server.get("/api/v1/dead-letters").await.good(200)["items"], json!([]));
    let failed = server.get("/api/v1/tasks?status=failed").await.good(200)["items"].take();
    assert_eq!(failed.as_array().unwrap().len(), 1, "a discarded dead letter stays a failed task");
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_of_queues_and_workers_hold_their_grants_back_and_last() {
    let server = Server::start().await;
    let quiet = json!({"waitMs": 50});
    assert_eq!(server.order("/api/v1/queues/default/pause").await.good(200)["paused"], true);
    for order in ["pause", "drain"] {
        server.order(&format!("/api/v1/workers/w2/{order}")).await.refused(404, "not_found");
    }
    Worker::new(&server, "w2", "mine").exchange(json!({"waitMs": 0})).await;
    server.order("/api/v1/workers/w2/pause").await.good(200);
    server.task(json!({"type": "mine"})).await;
    assert_eq!(Worker::new(&server, "w1", "mine").exchange(quiet.clone()).await["grants"], json!([]));
    let server = server.restart().await;
    // It was told something before, so that it is known while it is away.
    server.order("/api/v1/workers/w2/pause").await.good(200);
    let mut first = Worker::new(&server, "w1", "mine");
    let mut second = Worker::new(&server, "w2", "mine");
    assert_eq!(first.exchange(quiet.clone()).await["grants"], json!([]));
    let json_type = [("content-type", "application/json")];
    let resumed = server.call("PATCH", "/api/v1/queues/default", &json_type, "{\"paused\":false}").await.good(200);
    assert_eq!(resumed["paused"], false);
    let told = second.exchange(quiet.clone()).await;
    assert_eq!((&told["grants"], &told["directive"]), (&json!([]), &json!("pause")));
    first.complete(json!(null)).await;
    assert_eq!(server.order("/api/v1/workers/w2/resume").await.good(200)["directive"], "run");
    assert_eq!(server.order("/api/v1/workers/w1/drain").await.good(200)["directive"], "drain");
    server.task(json!({"type": "mine"})).await;
    assert_eq!(first.exchange(quiet).await["directive"], "drain");
    second.complete(json!(null)).await;
    let odd = server.call("PATCH", "/api/v1/queues/default", &json_type, "{\"weight\":1}").await;
    odd.refused(422, "unknown_field");
}
