//! Profiles: named defaults of tasks, taken over when work is accepted.

use serde_json::{Value, json};

use crate::support::Server;

const PROFILES: &str = "/api/v1/profiles";

async fn task(server: &Server, task: Value) -> Value {
    let id = server.task(task).await;
    server.get(&format!("/api/v1/tasks/{id}")).await.good(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_takes_from_its_profile_what_it_does_not_say_itself() {
    let server = Server::start().await;
    let bulk = json!({"queue": "bulk", "priority": 2, "retries": 7, "timeout": "1h", "onWorkerLost": "fail",
        "backoff": {"type": "fixed", "initial": "30s"}, "labels": {"zone": "a"}, "tags": ["night"]});
    server.put(&format!("{PROFILES}/bulk"), &bulk).await.good(201);
    let plain = task(&server, json!({"type": "mine", "profile": "bulk"})).await;
    let said = json!({"type": "mine", "profile": "bulk", "queue": "own", "retries": 1});
    let said = task(&server, said).await;
    assert_eq!((&plain["queue"], &plain["priority"], &plain["retries"]), (&json!("bulk"), &json!(2), &json!(7)));
    assert_eq!((&plain["timeout"], &plain["tags"]), (&json!(3600), &json!(["night"])), "{plain}");
    assert_eq!((&said["queue"], &said["priority"], &said["retries"]), (&json!("own"), &json!(2), &json!(1)));
    // What was accepted keeps what held then; what comes later takes what holds now.
    server.put(&format!("{PROFILES}/bulk"), &json!({"retries": 9})).await.good(200);
    let id = plain["taskId"].as_str().unwrap();
    assert_eq!(server.get(&format!("/api/v1/tasks/{id}")).await.good(200)["retries"], 7);
    let later = task(&server, json!({"type": "mine", "profile": "bulk"})).await;
    assert_eq!((&later["retries"], &later["queue"]), (&json!(9), &json!("default")));
    let versions = server.get("/api/v1/definitions/profiles/bulk/versions").await.good(200);
    assert_eq!(versions["items"].as_array().unwrap().len(), 2);
    assert_eq!(versions["items"][0]["kind"], "profile");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nearer_layer_of_a_job_goes_before_the_farther_one() {
    let server = Server::start().await;
    for (name, body) in [
        ("far", json!({"queue": "far", "retries": 1, "priority": 1, "timeout": 10})),
        ("near", json!({"retries": 3, "timeout": 30})),
    ] {
        server.put(&format!("{PROFILES}/{name}"), &body).await.good(201);
    }
    let job = json!({"jobId": "j", "profile": "far", "defaults": {"retries": 2, "timeout": 20}, "tasks": {
        "plain": {"type": "mine"},
        "own": {"type": "mine", "profile": "near", "timeout": 40},
        "script": "true",
    }});
    server.post("/api/v1/jobs", &job).await.good(201);
    let fields = async |task: &str| {
        let view = server.get(&format!("/api/v1/jobs/j/tasks/{task}")).await.good(200);
        json!([view["queue"], view["priority"], view["retries"], view["timeout"]])
    };
    assert_eq!(fields("plain").await, json!(["far", 1, 2, 20]));
    assert_eq!(fields("own").await, json!(["far", 1, 3, 40]));
    assert_eq!(fields("script").await, json!(["far", 1, 2, 20]));
    // The job's own priority goes before that of its profile.
    let job = json!({"jobId": "p", "profile": "far", "priority": 8, "tasks": {"a": {"type": "mine"}}});
    server.post("/api/v1/jobs", &job).await.good(201);
    assert_eq!(server.get("/api/v1/jobs/p/tasks/a").await.good(200)["priority"], 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_profile_is_refused_and_the_nearest_is_named() {
    let server = Server::start().await;
    server.put(&format!("{PROFILES}/nightly"), &json!({"retries": 1})).await.good(201);
    let single = server.post("/api/v1/tasks", &json!({"type": "mine", "profile": "nightyl"})).await;
    let problem = single.refused(422, "unknown_profile");
    assert_eq!(
        (&problem["errors"][0]["pointer"], &problem["errors"][0]["hint"]),
        (&json!("/profile"), &json!("did you mean `nightly`?"))
    );
    let job = json!({"profile": "none", "tasks": {"a": {"type": "mine", "profile": "nightly"}}});
    let problem = server.post("/api/v1/jobs", &job).await.refused(422, "unknown_profile");
    assert_eq!(problem["errors"][0]["pointer"], "/profile");
    let job = json!({"tasks": {"a": {"type": "mine", "profile": "none"}}, "defaults": {"profile": "nightly"}});
    let problem = server.post("/api/v1/jobs", &job).await.refused(422, "invalid");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");
    // In a batch one bad element spoils no other.
    let batch = json!([{"type": "mine", "profile": "nightly"}, {"type": "mine", "profile": "no"}, {"type": "mine"}]);
    let items = server.post("/api/v1/tasks", &batch).await.good(200)["items"].take();
    assert_eq!(
        (&items[0]["status"], &items[1]["problem"]["code"], &items[2]["status"]),
        (&json!("ready"), &json!("unknown_profile"), &json!("ready"))
    );
    // A definition names only profiles that are there.
    let definition = json!({"type": "mine", "profile": "no"});
    server.put("/api/v1/definitions/tasks/t", &definition).await.refused(422, "unknown_profile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_holds_only_what_profiles_may_hold() {
    let server = Server::start().await;
    let path = format!("{PROFILES}/p");
    for (body, code) in [
        (json!({"command": "ls"}), "invalid_value"),
        (json!({"retrys": 1}), "unknown_field"),
        (json!({"retries": -1}), "invalid_value"),
        (json!({"profile": "q"}), "conflicting_fields"),
        (json!([]), "invalid_value"),
    ] {
        server.put(&path, &body).await.refused(422, code);
    }
    server.get(&path).await.refused(404, "not_found");
    let yaml = "profile: p\nretries: 2\n# a comment\n";
    server.call("PUT", &path, &[("content-type", "application/yaml")], yaml).await.good(201);
    let listed = server.get(PROFILES).await.good(200);
    assert_eq!((&listed["items"][0]["name"], &listed["items"][0]["body"]["retries"]), (&json!("p"), &json!(2)));
    server.call("DELETE", &path, &[], "").await.good(204);
    assert_eq!(server.get(PROFILES).await.good(200)["items"], json!([]));
    server.post("/api/v1/tasks", &json!({"type": "mine", "profile": "p"})).await.refused(422, "unknown_profile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_profile_goes_before_the_default_one() {
    let server = Server::start().await;
    server.put(&format!("{PROFILES}/p"), &json!({"retries": 1})).await.good(201);
    server.put(&format!("{PROFILES}/p?userId=u1"), &json!({"retries": 2})).await.good(201);
    let retries = async |task: Value| self::task(&server, task).await["retries"].clone();
    assert_eq!(retries(json!({"type": "mine", "profile": "p"})).await, 1);
    assert_eq!(retries(json!({"type": "mine", "profile": "p", "userId": "u1"})).await, 2);
    assert_eq!(retries(json!({"type": "mine", "profile": "p", "userId": "u2"})).await, 1);
}
