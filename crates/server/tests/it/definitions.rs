//! Definitions: versions with a history, references to them by name, jobs made from them.

use serde_json::{Value, json};

use crate::support::{Server, Worker};

const TASKS: &str = "/api/v1/definitions/tasks";
const JOBS: &str = "/api/v1/definitions/jobs";

fn versions(history: &Value) -> Vec<u64> {
    history["items"].as_array().unwrap().iter().map(|item| item["version"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_put_is_a_version_and_a_delete_is_one_too() {
    let server = Server::start().await;
    let path = format!("{TASKS}/mail");
    let first = server.put(&path, &json!({"type": "mine", "retries": 1})).await.good(201);
    assert_eq!(first, json!({"name": "mail", "version": 1}));
    let second = server.put(&path, &json!({"type": "mine", "retries": 2})).await.good(200);
    assert_eq!(second["version"], 2);
    let newest = server.get(&path).await.good(200);
    assert_eq!((&newest["name"], &newest["version"]), (&json!("mail"), &json!(2)));
    assert_eq!(newest["body"]["retries"], 2);
    assert!(newest["appliedAt"].is_string(), "{newest}");
    let history = server.get(&format!("{path}/versions")).await.good(200);
    let mut known = versions(&history);
    known.sort_unstable();
    assert_eq!(known, [1, 2], "{history}");
    let listed = server.get(TASKS).await.good(200)["items"].take();
    assert!(listed.as_array().unwrap().iter().any(|item| item["name"] == "mail"), "{listed}");
    assert_eq!(server.get(JOBS).await.good(200)["items"], json!([]));
    server.call("DELETE", &path, &[], "").await.good(204);
    server.get(&path).await.refused(404, "not_found");
    server.call("DELETE", &path, &[], "").await.refused(404, "not_found");
    assert_eq!(versions(&server.get(&format!("{path}/versions")).await.good(200)).len(), 3);
    let listed = server.get(TASKS).await.good(200)["items"].take();
    assert!(!listed.as_array().unwrap().iter().any(|item| item["name"] == "mail"), "a deleted one is listed: {listed}");
    // A name that comes back goes on counting, over a restart too.
    let server = server.restart().await;
    assert_eq!(server.put(&path, &json!({"type": "mine"})).await.good(200)["version"], 4);
    server.get(&format!("{TASKS}/nope/versions")).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_definition_runs_and_its_jobs_keep_the_version_they_began_with() {
    let server = Server::start().await;
    let path = format!("{JOBS}/report");
    let body = |step: &str| json!({"job": "report", "tasks": {"a": {"type": "mine", "payload": step}}});
    server.put(&path, &body("old")).await.good(201);
    let first = server.post(&format!("{path}/run"), &json!({})).await.good(201);
    server.put(&path, &body("new")).await.good(200);
    let second = server.post(&format!("{path}/run"), &json!({})).await.good(201);
    assert_ne!(first["jobId"], second["jobId"]);
    let mut worker = Worker::new(&server, "w1", "mine");
    let steps =
        [worker.complete(json!(null)).await["payload"].take(), worker.complete(json!(null)).await["payload"].take()];
    assert_eq!(steps, [json!("old"), json!("new")]);
    for (job, version) in [(&first, 1), (&second, 2)] {
        let id = job["jobId"].as_str().unwrap();
        let job = server.get(&format!("/api/v1/jobs/{id}?wait=20s")).await.good(200);
        assert_eq!(
            (&job["status"], &job["definition"]),
            (&json!("completed"), &json!({"name": "report", "version": version}))
        );
    }
    server.post(&format!("{path}/run"), &json!({"parms": {}})).await.refused(422, "unknown_field");
    server.post(&format!("{path}/run"), &json!({"params": {"a": 1}})).await.refused(422, "unknown_field");
    server.post(&format!("{JOBS}/nope/run"), &json!({})).await.refused(404, "not_found");
    server.put(&format!("{TASKS}/t"), &json!({"type": "mine"})).await.good(201);
    server.post(&format!("{TASKS}/t/run"), &json!({})).await.refused(422, "not_supported_yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_a_key_is_one_job_however_often_it_is_asked_for() {
    let server = Server::start().await;
    server.put(&format!("{JOBS}/once"), &json!({"tasks": {"a": {"type": "mine"}}})).await.good(201);
    let headers = [("idempotency-key", "monday")];
    let path = format!("{JOBS}/once/run");
    let first = server.call("POST", &path, &headers, "").await.good(201);
    let again = server.call("POST", &path, &headers, "").await.good(201);
    assert_eq!((&again["jobId"], &again["repeated"]), (&first["jobId"], &json!(true)));
    assert_eq!(server.get("/api/v1/jobs").await.good(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_tasks_names_definitions_and_an_unknown_name_is_named() {
    let server = Server::start().await;
    server
        .put(&format!("{TASKS}/task_101"), &json!({"taskId": "task_101", "type": "mine", "payload": 1}))
        .await
        .good(201);
    let job = json!({"jobId": "job_1", "tasks": ["task_101", "task_102"]});
    let problem = server.post("/api/v1/jobs", &job).await.refused(422, "unknown_task");
    assert_eq!(problem["errors"][0]["pointer"], "/tasks/1");
    assert!(problem["detail"].as_str().unwrap().contains("task_102"), "{problem}");
    server.get("/api/v1/jobs/job_1").await.refused(404, "not_found");
    // A definition beside an object in the same request.
    let inline = json!({"jobId": "job_1", "tasks": ["task_101", {"taskId": "task_102", "type": "mine", "payload": 2}],
        "dependencies": {"task_102": ["task_101"]}});
    server.post("/api/v1/jobs", &inline).await.good(201);
    let mut worker = Worker::new(&server, "w1", "mine");
    assert_eq!(worker.complete(json!(null)).await["payload"], 1);
    assert_eq!(worker.complete(json!(null)).await["payload"], 2);
    // What a job was made from may change and go; the job does not.
    server.call("DELETE", &format!("{TASKS}/task_101"), &[], "").await.good(204);
    server.post("/api/v1/jobs/job_1/rerun", &json!({"from": "start"})).await.good(200);
    assert_eq!(worker.complete(json!(null)).await["payload"], 1);
    server.post("/api/v1/jobs", &json!({"tasks": ["task_101"]})).await.refused(422, "unknown_task");
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_checked_when_they_are_put() {
    let server = Server::start().await;
    let path = format!("{JOBS}/bad");
    let ring = json!({"tasks": {"a": {"type": "mine", "needs": "b"}, "b": {"type": "mine", "needs": "a"}}});
    server.put(&path, &ring).await.refused(422, "cycle");
    server.put(&path, &json!({"tasks": ["nowhere"]})).await.refused(422, "unknown_task");
    server.put(&path, &json!({"job": "other", "tasks": {"a": "true"}})).await.refused(422, "conflicting_fields");
    server
        .put(&path, &json!({"tasks": {"a": "true"}, "schedule": {"every": "1h", "after": ["x"]}}))
        .await
        .refused(422, "conflicting_fields");
    server.put(&format!("{TASKS}/bad"), &json!({"type": "mine", "retrys": 1})).await.refused(422, "unknown_field");
    server.put(&format!("{TASKS}/a%20b"), &json!({"type": "mine"})).await.refused(422, "invalid_value");
    server.get(&path).await.refused(404, "not_found");
    let yaml = "job: good\ntasks:\n  a: echo a\n";
    let headers = [("content-type", "application/yaml")];
    server.call("PUT", &format!("{JOBS}/good"), &headers, yaml).await.good(201);
    server.post(&format!("{JOBS}/good/run"), &json!({})).await.good(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_definitions_are_its_own_and_fall_back_on_the_default_ones() {
    let server = Server::start().await;
    server.put(&format!("{TASKS}/mail?userId=u1"), &json!({"type": "mine", "payload": "u1"})).await.good(201);
    server.put(&format!("{TASKS}/mail?userId=u2"), &json!({"type": "mine", "payload": "u2"})).await.good(201);
    server.put(&format!("{TASKS}/shared"), &json!({"type": "mine", "payload": "all"})).await.good(201);
    let problem = server.get(&format!("{TASKS}/mail")).await.refused(409, "ambiguous_id");
    assert!(problem["hint"].as_str().unwrap().contains("?userId=u1"), "{problem}");
    assert_eq!(server.get(&format!("{TASKS}/mail?userId=u2")).await.good(200)["body"]["payload"], "u2");
    server.post("/api/v1/jobs", &json!({"tasks": ["mail"]})).await.refused(422, "unknown_task");
    server.post("/api/v1/jobs", &json!({"userId": "u1", "tasks": ["mail", "shared"]})).await.good(201);
    let mut worker = Worker::new(&server, "w1", "mine");
    let mut payloads = vec![
        worker.complete(json!(null)).await["payload"].take(),
        worker.complete(json!(null)).await["payload"].take(),
    ];
    payloads.sort_by_key(ToString::to_string);
    assert_eq!(payloads, [json!("all"), json!("u1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_definition_again_is_no_new_version() {
    let server = Server::start().await;
    let path = format!("{JOBS}/report");
    let yaml = |text: &'static str| {
        let (server, path) = (&server, path.clone());
        async move { server.call("PUT", &path, &[("content-type", "application/yaml")], text).await }
    };
    yaml("job: report\ntasks:\n  a: echo a\n").await.good(201);
    let again = yaml("# a comment\njob:   report\ntasks: {a: echo a}\n").await.good(200);
    assert_eq!(again, json!({"name": "report", "version": 1, "unchanged": true}));
    let versions = server.get(&format!("{path}/versions")).await.good(200);
    assert_eq!(versions["items"].as_array().unwrap().len(), 1, "{versions}");
    assert_eq!(versions["items"][0]["appliedBy"], "anonymous");
    // Each change is in the audit log, what changed nothing is not.
    server.put(&path, &json!({"tasks": {"a": "true"}})).await.good(200);
    server.call("DELETE", &path, &[], "").await.good(204);
    let audit = server.get("/api/v1/audit").await.good(200);
    let told: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|item| (&item["action"], &item["detail"])).collect();
    let detail = |version: u32| json!({"kind": "job", "userId": "default", "version": version});
    let (apply, delete) = (json!("definition.apply"), json!("definition.delete"));
    assert_eq!(told, [(&delete, &detail(3)), (&apply, &detail(2)), (&apply, &detail(1))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_read_compared_and_gone_back_to() {
    let server = Server::start().await;
    let path = format!("{TASKS}/mail");
    server.put(&path, &json!({"type": "mine", "retries": 1})).await.good(201);
    server.put(&path, &json!({"type": "mine", "retries": 5, "queue": "slow"})).await.good(200);
    let first = server.get(&format!("{path}?version=1")).await;
    assert_eq!(first.header("etag"), "\"1\"");
    assert_eq!(first.good(200)["body"]["retries"], 1);
    let problem = server.get(&format!("{path}?version=9")).await.refused(404, "not_found");
    assert_eq!(problem["hint"], "its newest is 2");
    server.get(&format!("{path}?version=0")).await.refused(400, "invalid_query");
    let diff = server.get(&format!("{path}/diff")).await.good(200);
    let changes = json!([
        {"op": "add", "path": "/queue", "after": "slow"},
        {"op": "replace", "path": "/retries", "before": 1, "after": 5},
    ]);
    let expected = json!({"kind": "task", "name": "mail", "from": 1, "to": 2, "changes": changes});
    assert_eq!(sorted(diff), sorted(expected));
    let back = server.get(&format!("{path}/diff?from=2&to=1")).await.good(200);
    assert_eq!(back["changes"].as_array().unwrap().len(), 2, "{back}");
    let applied = server.post(&format!("{path}/rollback"), &json!({"version": 1})).await.good(200);
    assert_eq!(applied, json!({"name": "mail", "version": 3}));
    assert_eq!(server.get(&path).await.good(200)["body"], json!({"type": "mine", "retries": 1}));
    let same = server.get(&format!("{path}/diff?from=1&to=3")).await.good(200);
    assert_eq!(same["changes"], json!([]));
    let again = server.post(&format!("{path}/rollback"), &json!({"version": 1})).await.good(200);
    assert_eq!(again, json!({"name": "mail", "version": 3, "unchanged": true}));
    server.post(&format!("{path}/rollback"), &json!({"version": 7})).await.refused(404, "not_found");
    server.post(&format!("{path}/rollback"), &json!({})).await.refused(422, "missing_field");
    server.call("DELETE", &path, &[], "").await.good(204);
    server.post(&format!("{path}/rollback"), &json!({"version": 4})).await.refused(422, "invalid_value");
    assert_eq!(server.get(&format!("{path}?version=4")).await.good(200)["body"], json!(null));
    server.post(&format!("{path}/rollback"), &json!({"version": 2})).await.good(200);
    assert_eq!(server.get(&path).await.good(200)["version"], 5);
}

/// The changes in the order of their paths.
fn sorted(mut diff: Value) -> Value {
    diff["changes"].as_array_mut().unwrap().sort_by_key(|change| change["path"].to_string());
    diff
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_names_the_version_it_saw_overwrites_no_other() {
    let server = Server::start().await;
    let path = format!("{TASKS}/mail");
    let put = |header: (&'static str, &'static str), retries: u32| {
        let (server, path) = (&server, path.clone());
        async move {
            let headers = [header, ("content-type", "application/json")];
            server.call("PUT", &path, &headers, json!({"type": "mine", "retries": retries}).to_string()).await
        }
    };
    put(("if-match", "*"), 1).await.refused(412, "version_mismatch");
    let first = put(("if-none-match", "*"), 1).await;
    assert_eq!(first.header("etag"), "\"1\"");
    put(("if-none-match", "*"), 1).await.refused(412, "version_mismatch");
    put(("if-match", "\"1\""), 2).await.good(200);
    let problem = put(("if-match", "\"1\""), 3).await.refused(412, "version_mismatch");
    assert!(problem["detail"].as_str().unwrap().contains("has version 2"), "{problem}");
    put(("if-match", "\"1\", \"2\""), 3).await.good(200);
    put(("if-match", "three"), 3).await.refused(400, "invalid_header");
    server.call("DELETE", &path, &[("if-match", "\"2\"")], "").await.refused(412, "version_mismatch");
    server.call("DELETE", &path, &[("if-match", "\"3\"")], "").await.good(204);
    put(("if-none-match", "*"), 1).await.good(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_at_once_make_one_version_each() {
    let server = Server::start().await;
    let path = format!("{TASKS}/hot");
    let puts = (0..6).map(|number| {
        let (server, path) = (&server, &path);
        async move { server.put(path, &json!({"type": "mine", "retries": number})).await.status }
    });
    let statuses = futures_util::future::join_all(puts).await;
    assert!(statuses.iter().all(|status| [200, 201].contains(status)), "{statuses:?}");
    let mut known = versions(&server.get(&format!("{path}/versions")).await.good(200));
    known.sort_unstable();
    assert_eq!(known, [1, 2, 3, 4, 5, 6]);
}
