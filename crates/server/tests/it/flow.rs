//! What happens between the tasks of a job: data, conditions, instances, sub-jobs, approvals, parameters.

use serde_json::{Value, json};

use crate::support::{Server, Worker};

async fn task(server: &Server, job: &str, task: &str) -> Value {
    server.get(&format!("/api/v1/jobs/{job}/tasks/{task}")).await.good(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_for_each_runs_for_each_item_and_its_outputs_are_one_list() {
    let server = Server::start().await;
    let job = json!({"jobId": "j", "params": {"region": "eu"}, "tasks": {
        "list": {"type": "mine"},
        "each": {"type": "mine", "needs": "list", "forEach": "${{ tasks.list.output.files }}", "if": "item != 'b'",
            "payload": {"file": "${{ item }}", "place": "${{ index }}", "region": "${{ params.region }}"}},
        "join": {"type": "mine", "needs": "each", "if": "size(tasks.each.outputs) == 3",
            "payload": "${{ tasks.each.outputs }}"}}});
    server.job(job).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.complete(json!({"files": ["a", "b", "c"]})).await;
    for (name, payload) in [
        ("each~0", json!({"file": "a", "place": 0, "region": "eu"})),
        ("each~2", json!({"file": "c", "place": 2, "region": "eu"})),
    ] {
        let grant = worker.grant().await;
        assert_eq!((&grant["taskId"], &grant["jobId"], &grant["payload"]), (&json!(name), &json!("j"), &payload));
        let group = task(&server, "j", "each").await;
        assert_eq!((&group["status"], &group["instances"]["total"]), (&json!("waiting"), &json!(3)), "{group}");
        worker.report(json!({"token": grant["token"], "status": "success", "output": {"of": name}})).await;
    }
    let joined = worker.complete(json!(null)).await;
    assert_eq!(joined["payload"], json!([{"of": "each~0"}, null, {"of": "each~2"}]));
    assert_eq!(server.ended("/api/v1/jobs/j").await["status"], "completed");
    let group = task(&server, "j", "each").await;
    assert_eq!((&group["status"], &group["childJobId"]), (&json!("completed"), &Value::Null));
    assert_eq!((&group["instances"]["completed"], &group["instances"]["skipped"]), (&json!(2), &json!(1)));

    // An instance is addressed like a task.
    let one = task(&server, "j", "each~2").await;
    assert_eq!(
        (&one["output"], &one["jobId"], &one["status"]),
        (&json!({"of": "each~2"}), &json!("j"), &json!("completed"))
    );
    assert_eq!(task(&server, "j", "each~1").await["skipReason"], "condition");
    let attempts = server.get("/api/v1/jobs/j/tasks/each~2/attempts").await.good(200);
    assert_eq!(attempts["items"][0]["taskId"], "each~2");
    server.get("/api/v1/jobs/j/tasks/each~3").await.refused(404, "not_found");
    server.get("/api/v1/jobs/j/tasks/list~0").await.refused(404, "not_found");
    let page = server.get("/api/v1/jobs/j/tasks/each/instances?limit=2").await.good(200);
    let names = |page: &Value| -> Vec<Value> {
        page["items"].as_array().unwrap().iter().map(|item| item["taskId"].clone()).collect()
    };
    assert_eq!(names(&page), [json!("each~0"), json!("each~1")]);
    let cursor = page["nextCursor"].as_str().expect("there are more");
    let page = server.get(&format!("/api/v1/jobs/j/tasks/each/instances?limit=2&cursor={cursor}")).await.good(200);
    assert_eq!((names(&page), &page["nextCursor"]), (vec![json!("each~2")], &Value::Null));
    let skipped = server.get("/api/v1/jobs/j/tasks/each/instances?status=skipped").await.good(200);
    assert_eq!(names(&skipped), [json!("each~1")]);
    assert_eq!(server.get("/api/v1/jobs").await.good(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_for_each_completes_at_once() {
    let server = Server::start().await;
    let job = json!({"jobId": "j", "tasks": {
        "each": {"type": "mine", "forEach": []},
        "after": {"type": "mine", "needs": "each", "payload": "${{ tasks.each.outputs }}"}}});
    server.job(job).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    assert_eq!(worker.complete(json!(null)).await["payload"], json!([]));
    assert_eq!(server.ended("/api/v1/jobs/j").await["status"], "completed");
    assert_eq!(server.get("/api/v1/jobs/j/tasks/each/instances").await.good(200)["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_fails_takes_its_task_down_without_a_retry() {
    let server = Server::start().await;
    let job = json!({"jobId": "j", "tasks": {
        "a": {"type": "mine"},
        "b": {"type": "mine", "needs": "a", "retries": 5, "if": "tasks.a.output.rows > 0"},
        "c": {"type": "mine", "needs": "a", "payload": {"x": ["${{ tasks.a.output.list[3] }}"]}},
        "d": {"type": "mine", "needs": "b", "trigger": "one_failed", "payload": "${{ tasks.b.status }}"},
        "e": {"type": "mine", "needs": "a", "if": "tasks.a.output.list[0] == 2"}}});
    server.job(job).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.complete(json!({"list": [1]})).await;
    assert_eq!(worker.complete(json!(null)).await["payload"], "failed");
    assert_eq!(server.ended("/api/v1/jobs/j").await["status"], "failed");
    let b = task(&server, "j", "b").await;
    assert_eq!(
        (&b["status"], &b["attempt"], &b["error"]["type"]),
        (&json!("failed"), &json!(0), &json!("expression_failed"))
    );
    let message = b["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("`if`: `tasks.a.output.rows > 0`: `tasks.a.output` has no field `rows`"), "{message}");
    let message = task(&server, "j", "c").await["error"]["message"].take();
    assert!(message.as_str().unwrap().starts_with("`payload/x/0`: `${{ tasks.a.output.list[3] }}`:"), "{message}");
    let e = task(&server, "j", "e").await;
    assert_eq!((&e["status"], &e["skipReason"]), (&json!("skipped"), &json!("condition")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_waits_for_its_answer_over_a_restart() {
    let server = Server::start().await;
    let job = json!({"jobId": "j", "tasks": {
        "ask": {"approval": {"timeout": "8h"}}, "no": {"approval": {}},
        "after": {"type": "mine", "needs": "ask", "payload": "${{ tasks.ask.output.comment }}"},
        "late": {"type": "mine", "needs": "no"}}});
    server.job(job).await;
    let path = "/api/v1/jobs/j/tasks/ask";
    let waiting = server.until(path, |task| task["status"] == "waiting").await;
    assert!(waiting["approvalUntil"].is_string(), "{waiting}");
    let why = server.get(&format!("{path}/why")).await.good(200);
    assert_eq!(why["gates"][0]["gate"], "approval", "{why}");
    let server = server.restart().await;
    server.post(&format!("{path}/signal"), &json!({"approved": "yes"})).await.refused(422, "invalid_value");
    server.post(&format!("{path}/signal"), &json!({})).await.refused(422, "missing_field");
    let answer = json!({"approved": true, "comment": "looks good"});
    assert_eq!(server.post(&format!("{path}/signal"), &answer).await.good(200)["status"], "completed");
    server.post(&format!("{path}/signal"), &answer).await.refused(409, "wrong_state");
    let refused = server.post("/api/v1/jobs/j/tasks/no/signal", &json!({"approved": false})).await.good(200);
    assert_eq!((&refused["status"], &refused["error"]["type"]), (&json!("failed"), &json!("approval_refused")));
    let mut worker = Worker::new(&server, "w1", "mine");
    assert_eq!(worker.complete(json!(null)).await["payload"], "looks good");
    let output = task(&server, "j", "ask").await["output"].take();
    assert_eq!((&output["approved"], &output["comment"]), (&json!(true), &json!("looks good")));
    assert!(output["by"].is_string(), "{output}");
    assert_eq!(server.ended("/api/v1/jobs/j").await["status"], "failed");
    let alone = server.task(json!({"type": "mine"})).await;
    server.post(&format!("/api/v1/tasks/{alone}/signal"), &answer).await.refused(409, "wrong_state");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sub_job_carries_a_task_out_and_returns_what_its_tasks_did() {
    let server = Server::start().await;
    let leaf = json!({"params": {"day": {"type": "string", "required": true}, "n": 1}, "tasks": {
        "one": {"type": "mine", "payload": {"day": "${{ params.day }}", "n": "${{ params.n }}"}},
        "two": {"type": "mine", "needs": "one", "if": "false"}}});
    server.put("/api/v1/definitions/jobs/leaf", &leaf).await.good(201);
    let job = json!({"jobId": "j", "params": {"day": "monday"}, "tasks": {
        "sub": {"job": "leaf", "params": {"day": "${{ params.day }}"}},
        "after": {"type": "mine", "needs": "sub", "payload": "${{ tasks.sub.output }}"}}});
    server.job(job).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    let grant = worker.complete(json!("done")).await;
    assert_eq!((&grant["taskId"], &grant["payload"]), (&json!("one"), &json!({"day": "monday", "n": 1})));
    assert_eq!(worker.complete(json!(null)).await["payload"], json!({"one": "done", "two": null}));
    assert_eq!(server.ended("/api/v1/jobs/j").await["status"], "completed");
    let child = task(&server, "j", "sub").await["childJobId"].as_str().expect("it has a sub-job").to_owned();
    let view = server.get(&format!("/api/v1/jobs/{child}")).await.good(200);
    assert_eq!(
        (&view["definition"], &view["parent"]),
        (&json!({"name": "leaf", "version": 1}), &json!({"jobId": "j", "taskId": "sub"}))
    );
    assert_eq!(view["params"], json!({"day": "monday", "n": 1}));
    let listed =
        |page: Value| page["items"].as_array().unwrap().iter().map(|item| item["jobId"].clone()).collect::<Vec<_>>();
    assert_eq!(listed(server.get("/api/v1/jobs").await.good(200)), [json!("j")]);
    assert_eq!(listed(server.get("/api/v1/jobs?q=parent:j").await.good(200)), [json!(child)]);
    server.get("/api/v1/jobs?q=parent:nope").await.refused(404, "not_found");

    let unknown = json!({"tasks": {"sub": {"job": "laef"}}});
    server.post("/api/v1/jobs", &unknown).await.refused(422, "unknown_definition");
    let itself = json!({"tasks": {"a": {"job": "leaf2"}}});
    server.put("/api/v1/definitions/jobs/leaf2", &itself).await.refused(422, "cycle");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_runs_with_checked_parameters() {
    let server = Server::start().await;
    let definition = json!({"params": {"region": "eu", "limit": {"type": "integer", "default": 3}, "day": {"required": true}},
        "tasks": {"a": {"type": "mine", "payload": {"all": "${{ params }}"}}}});
    server.put("/api/v1/definitions/jobs/d", &definition).await.good(201);
    let run = async |params: Value| server.post("/api/v1/definitions/jobs/d/run", &json!({"params": params})).await;
    let problem = run(json!({})).await.refused(422, "missing_field");
    assert_eq!(problem["errors"][0]["pointer"], "/params/day");
    let problem = run(json!({"day": 1, "limit": "x"})).await.refused(422, "invalid_value");
    assert_eq!(problem["errors"][0]["pointer"], "/params/limit");
    let problem = run(json!({"dya": 1})).await.refused(422, "unknown_field");
    assert!(problem["errors"][0]["hint"].as_str().unwrap().contains("`day`"), "{problem}");
    let job = run(json!({"day": {"type": "x"}, "region": "us"})).await.good(201);
    let mut worker = Worker::new(&server, "w1", "mine");
    let grant = worker.complete(json!(null)).await;
    assert_eq!(grant["payload"], json!({"all": {"day": {"type": "x"}, "limit": 3, "region": "us"}}));
    let job = server.ended(&format!("/api/v1/jobs/{}", job["jobId"].as_str().unwrap())).await;
    assert_eq!(job["params"], json!({"day": {"type": "x"}, "limit": 3, "region": "us"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rerun_evaluates_anew() {
    let server = Server::start().await;
    let job = json!({"jobId": "j", "tasks": {
        "a": {"type": "mine"},
        "b": {"type": "mine", "needs": "a", "payload": {"from": "${{ tasks.a.output }}", "kept": 1}},
        "c": {"type": "mine", "needs": "b", "forEach": "${{ tasks.b.output }}", "payload": "${{ item }}"}}});
    server.job(job).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    for round in [1, 2] {
        worker.complete(json!(round)).await;
        assert_eq!(worker.complete(json!([round, round])).await["payload"], json!({"from": round, "kept": 1}));
        for _ in 0..2 {
            assert_eq!(worker.complete(json!(null)).await["payload"], json!(round));
        }
        assert_eq!(server.ended("/api/v1/jobs/j").await["status"], "completed");
        if round == 1 {
            server.post("/api/v1/jobs/j/rerun", &json!({"from": "start"})).await.good(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_too_large_fails_its_task_with_its_size() {
    let server = Server::start().await;
    server.job(json!({"jobId": "j", "tasks": {"a": {"type": "mine", "retries": 3}}})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.complete(json!("x".repeat(256 << 10))).await;
    assert_eq!(server.ended("/api/v1/jobs/j").await["status"], "failed");
    let error = task(&server, "j", "a").await["error"].take();
    assert_eq!(error["type"], "output_too_large");
    assert!(error["message"].as_str().unwrap().contains("262146 bytes"), "{error}");
}
