//! Whatever is sent, the answer says what is wrong, where, and how to mend it; nothing of it is half-applied, and the
//! server is as well afterwards as before.

use mainspring_protocol::problem::Code;
use serde_json::{Value, json};

use crate::support::{Reply, Server, Worker};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";

/// A body for `POST /api/v1/tasks` that is refused: the code, and the place of its first problem.
const BAD_TASKS: &[(&str, &str, &str)] = &[
    ("", "invalid_json", ""),
    ("{", "invalid_json", ""),
    ("{\"type\":\"noop\"} x", "invalid_json", ""),
    ("{\"type\":\"no\0op\"}", "invalid_json", ""),
    ("\u{feff}{\"type\":\"noop\"}", "invalid_json", ""),
    ("7", "invalid_value", ""),
    ("{}", "missing_field", "/type"),
    ("{\"type\":7}", "invalid_value", "/type"),
    ("{\"type\":\"noop\",\"retrys\":3}", "unknown_field", "/retrys"),
    ("{\"type\":\"noop\",\"type\":\"noop\"}", "duplicate_key", "/type"),
    ("{\"type\":\"noop\",\"retries\":-1}", "invalid_value", "/retries"),
    ("{\"type\":\"noop\",\"retries\":1.5}", "invalid_value", "/retries"),
    ("{\"type\":\"noop\",\"retries\":1001}", "limit_exceeded", "/retries"),
    ("{\"type\":\"noop\",\"retries\":99999999999999999999999}", "limit_exceeded", "/retries"),
    ("{\"type\":\"noop\",\"priority\":10}", "limit_exceeded", "/priority"),
    ("{\"type\":\"noop\",\"delaySeconds\":-1}", "invalid_value", "/delaySeconds"),
    ("{\"type\":\"noop\",\"delaySeconds\":1e300}", "limit_exceeded", "/delaySeconds"),
    ("{\"type\":\"noop\",\"delaySeconds\":\"soon\"}", "invalid_value", "/delaySeconds"),
    ("{\"type\":\"noop\",\"timeout\":0}", "invalid_value", "/timeout"),
    ("{\"type\":\"noop\",\"timeout\":\"31d\"}", "limit_exceeded", "/timeout"),
    ("{\"type\":\"noop\",\"runAt\":\"tomorrow\"}", "invalid_value", "/runAt"),
    ("{\"type\":\"noop\",\"taskId\":\"../etc\"}", "invalid_value", "/taskId"),
    ("{\"type\":\"noop\",\"taskId\":\"\"}", "invalid_value", "/taskId"),
    ("{\"type\":\"noop\",\"taskName\":\"a\\u0000b\"}", "invalid_value", "/taskName"),
    ("{\"type\":\"noop\",\"payload\":\"\\ud800\"}", "invalid_value", "/payload"),
    ("{\"command\":[\"echo\",\"a\\u0000b\"]}", "invalid_value", "/command/1"),
    ("{\"command\":\"echo 'open\"}", "invalid_value", "/command"),
    ("{\"command\":\"a\",\"run\":\"b\"}", "conflicting_fields", ""),
    ("{\"type\":\"noop\",\"unique\":{\"key\":\"a\",\"policy\":\"ask\"}}", "invalid_value", "/unique/policy"),
    ("{\"type\":\"noop\",\"rateLimit\":\"soon\"}", "invalid_value", "/rateLimit"),
    ("{\"approval\":{}}", "invalid_value", "/approval"),
    ("{\"type\":\"noop\",\"if\":\"true\"}", "invalid_value", "/if"),
    ("{\"type\":\"noop\",\"payload\":\"${{ params.x }}\"}", "invalid_value", "/payload"),
];

/// A body for `POST /api/v1/jobs` that is refused.
const BAD_JOBS: &[(&str, &str, &str, &str)] = &[
    (JSON, "[]", "invalid_value", ""),
    (JSON, "{\"tasks\":[]}", "invalid_value", "/tasks"),
    (JSON, "{\"tasks\":{\"a\":{\"type\":\"noop\",\"needs\":[\"a\"]}}}", "self_dependency", "/tasks/a/needs/0"),
    (JSON, "{\"tasks\":{\"a\":{\"type\":\"noop\",\"needs\":[\"b\"]}}}", "unknown_dependency", "/tasks/a/needs/0"),
    (JSON, "{\"tasks\":{\"a\":{\"type\":\"noop\",\"trigger\":\"all_fine\"}}}", "invalid_value", "/tasks/a/trigger"),
    (JSON, "{\"tasks\":{\"a\":{\"type\":\"noop\",\"retries\":-1}}}", "invalid_value", "/tasks/a/retries"),
    (JSON, "{\"tasks\":{\"a\":\"true\"},\"failurPolicy\":\"continue\"}", "unknown_field", "/failurPolicy"),
    (JSON, "{\"tasks\":{\"a\":\"true\"},\"schedule\":{\"cron\":\"60 * * * *\"}}", "invalid_value", "/schedule/cron"),
    (JSON, "{\"tasks\":{\"a\":\"true\"},\"notify\":[]}", "not_supported_yet", "/notify"),
    (JSON, "{\"tasks\":[\"nowhere\"]}", "unknown_task", "/tasks/0"),
    (JSON, "{\"tasks\":{\"a\":{\"run\":\"a\",\"if\":\"tasks.b.output\"}}}", "invalid_expression", "/tasks/a/if"),
    (JSON, "{\"tasks\":{\"a\":{\"job\":\"nowhere\"}}}", "unknown_definition", "/tasks/a/job"),
    (YAML, "tasks: {a: [", "invalid_yaml", ""),
    (YAML, "tasks:\n  a: echo\n  a: echo\n", "duplicate_key", ""),
    (YAML, "a: &a [x, x]\nb: &b [*a, *a]\ntasks: {t: *b}\n---\nx: 1\n", "invalid_yaml", ""),
];

/// What a request for a list can say wrongly.
const BAD_QUERIES: &[(&str, u16, &str, &str)] = &[
    ("/api/v1/tasks?limt=5", 400, "invalid_query", "?limt"),
    ("/api/v1/tasks?limit=0", 400, "invalid_query", "?limit"),
    ("/api/v1/tasks?limit=1001", 400, "invalid_query", "?limit"),
    ("/api/v1/tasks?limit=-1", 400, "invalid_query", "?limit"),
    ("/api/v1/tasks?limit=5&limit=6", 400, "invalid_query", "?limit"),
    ("/api/v1/tasks?status=faild", 400, "invalid_query", "?status"),
    ("/api/v1/tasks?q=%ff", 400, "invalid_query", "?q=%ff"),
    ("/api/v1/tasks?wait=1s", 400, "invalid_query", "?wait"),
    ("/api/v1/jobs/x?wait=99999999999999999999", 404, "not_found", ""),
];

fn first_pointer(problem: &Value) -> &str {
    problem["errors"][0]["pointer"].as_str().unwrap_or("")
}

/// Checks a problem's shape; gives it back.
#[track_caller]
fn refused(reply: Reply, code: &str, place: &str, about: &str) -> Value {
    let known = Code::from_word(code).unwrap();
    let problem = reply.refused(known.status(), code);
    assert_eq!(first_pointer(&problem), place, "{about}: {problem}");
    assert!(problem["type"].as_str().unwrap().ends_with(code), "{problem}");
    assert_eq!(problem["title"], known.title());
    problem
}

/// The server answers, can work, and has no task but these.
async fn is_well(server: &Server, tasks: &[String]) {
    server.get("/healthz").await.good(200);
    server.get("/readyz").await.good(200);
    let items = server.get("/api/v1/tasks?limit=1000").await.good(200)["items"].take();
    let mut found: Vec<_> = items.as_array().unwrap().iter().map(|task| task["taskId"].as_str().unwrap()).collect();
    let mut wanted: Vec<_> = tasks.iter().map(String::as_str).collect();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_body_is_refused_at_its_place_and_leaves_nothing_behind() {
    let server = Server::start().await;
    let kept = server.task(json!({"type": "noop"})).await;
    let headers = [("content-type", JSON)];
    for (body, code, place) in BAD_TASKS {
        for path in ["/api/v1/tasks", "/tasks/schedule"] {
            refused(server.call("POST", path, &headers, *body).await, code, place, body);
        }
    }
    for (media_type, body, code, place) in BAD_JOBS {
        let headers = [("content-type", *media_type)];
        let problem = refused(server.call("POST", "/api/v1/jobs", &headers, *body).await, code, place, body);
        assert!(*media_type == JSON || problem["errors"][0]["line"].is_u64() || *code == "invalid_yaml", "{problem}");
        let reply = server.call("PUT", "/api/v1/definitions/jobs/x", &headers, *body).await;
        assert!(matches!(reply.status, 400 | 422), "{body}: {reply:?}");
    }
    refused(server.call("POST", "/api/v1/tasks", &headers, vec![0xff, 0xfe]).await, "invalid_json", "", "not UTF-8");
    let all = server.post("/api/v1/tasks", &json!({"type": "noop", "retries": -1, "priority": "x", "nam": 1})).await;
    let problem = all.refused(422, "invalid");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 3, "{problem}");
    server.get("/api/v1/definitions/jobs/x").await.refused(404, "not_found");
    assert_eq!(server.get("/api/v1/jobs").await.good(200)["items"], json!([]));
    is_well(&server, &[kept]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_word_is_answered_with_the_nearest_known_one() {
    let server = Server::start().await;
    let hint = |problem: &Value| problem["hint"].as_str().unwrap_or_default().to_owned();
    let problem =
        server.post("/api/v1/tasks", &json!({"type": "noop", "retrys": 1})).await.refused(422, "unknown_field");
    assert!(hint(&problem).contains("`retries`"), "{problem}");
    assert!(problem["errors"][0]["hint"].as_str().unwrap().contains("`retries`"), "{problem}");
    for (path, word) in [
        ("/api/v1/tasks?limt=1", "`limit`"),
        ("/api/v1/tasks?status=faild", "`failed`"),
        ("/api/v1/tasks?q=stauts:failed", "`status`"),
        ("/api/v1/tasks?q=status:faild", "`failed`"),
        ("/api/v1/events?type=TASK_COMPLETED", "`TASK_COMPLETE`"),
    ] {
        let problem = server.get(path).await.refused(400, "invalid_query");
        assert!(hint(&problem).contains(word), "{path}: {problem}");
    }
    let problem =
        server.post("/api/v1/tasks/bulk", &json!({"action": "cancle", "q": ""})).await.refused(422, "invalid_value");
    assert!(hint(&problem).contains("`cancel`"), "{problem}");
    let problem = server.post("/api/v1/jobs/x/rerun", &json!({"form": "start"})).await.refused(422, "unknown_field");
    assert!(hint(&problem).contains("`from`"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_queries_cursors_and_ids_are_refused_with_their_names() {
    let server = Server::start().await;
    for (path, status, code, place) in BAD_QUERIES {
        let problem = server.get(path).await.refused(*status, code);
        assert_eq!(first_pointer(&problem), *place, "{path}: {problem}");
    }
    for path in ["/api/v1/tasks", "/api/v1/jobs", "/api/v1/dead-letters"] {
        for cursor in ["x", "k000000000000000100", "k7fffffffffffffff", "i000000000000000000", "%F0%9F%98%80"] {
            server.get(&format!("{path}?cursor={cursor}")).await.refused(400, "invalid_cursor");
        }
        server.get(&format!("{path}?sort=createdAt")).await.refused(422, "not_supported_yet");
        let problem = server.get(&format!("{path}?sort=bogus")).await.refused(400, "invalid_query");
        assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains("`-createdAt`")), "{problem}");
    }
    for event in ["x", "e1", "e1-zz", "E1-0", "e01-0"] {
        let headers = [("last-event-id", event)];
        server.call("GET", "/api/v1/events", &headers, "").await.refused(400, "invalid_cursor");
    }
    let long = "x".repeat(4_000);
    for id in ["%00", "..%2F..%2Fetc%2Fpasswd", "%F0%9F%98%80", "task_zzzz", long.as_str()] {
        for path in [format!("/api/v1/tasks/{id}"), format!("/api/v1/jobs/{id}"), format!("/api/v1/jobs/{id}/tasks/a")]
        {
            server.get(&path).await.refused(404, "not_found");
        }
    }
    server.get("/api/v1/tasks/%ff").await.refused(400, "invalid_path");
    server.post("/api/v1/queues/a%20b/pause", &json!({})).await.refused(400, "invalid_path");
    server.get(&format!("/api/v1/tasks?q={long}{long}{long}")).await.refused(400, "invalid_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_address_or_no_method_of_one_is_a_problem_too() {
    let server = Server::start().await;
    for path in ["/nope", "/api/v1", "/api/v1/", "/api/v1/task", "/api/v1/tasks/", "/api/v2/tasks"] {
        server.get(path).await.refused(404, "no_such_route");
    }
    server.get("/api/v1/definitions/queues").await.refused(404, "no_such_route");
    for part in ["notifications", "tokens"] {
        server.get(&format!("/api/v1/{part}")).await.refused(422, "not_supported_yet");
        server.post(&format!("/api/v1/{part}"), &json!({})).await.refused(422, "not_supported_yet");
    }
    for (method, path, allowed) in [
        ("DELETE", "/api/v1/tasks", &["GET", "POST"][..]),
        ("PUT", "/api/v1/jobs/x", &["GET", "DELETE"]),
        ("GET", "/tasks/schedule", &["POST"]),
        ("POST", "/healthz", &["GET"]),
        ("BREW", "/api/v1/stats", &["GET"]),
    ] {
        let reply = server.call(method, path, &[], "").await;
        let allow = reply.header("allow").to_owned();
        assert!(allowed.iter().all(|method| allow.split(',').any(|word| word.trim() == *method)), "{path}: {allow}");
        reply.refused(405, "method_not_allowed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_another_type_are_refused_with_the_type_that_is_read() {
    let server = Server::start().await;
    let body = json!({"type": "noop"}).to_string();
    for (method, path) in [
        ("POST", "/api/v1/tasks"),
        ("POST", "/tasks/schedule"),
        ("POST", "/api/v1/jobs"),
        ("PUT", "/api/v1/definitions/tasks/a"),
        ("POST", "/api/v1/workers/exchange"),
        ("POST", "/api/v1/dead-letters/redrive"),
        ("PATCH", "/api/v1/dead-letters/a"),
        ("PATCH", "/api/v1/queues/a"),
        ("POST", "/api/v1/queues/a/pause"),
    ] {
        for media_type in ["text/plain", "application/xml", "", "json"] {
            let reply = server.call(method, path, &[("content-type", media_type)], body.clone()).await;
            let problem = reply.refused(415, "unsupported_media_type");
            assert!(problem["hint"].as_str().unwrap().contains(JSON), "{path}: {problem}");
        }
    }
    let charset = [("content-type", "application/json; charset=utf-8")];
    server.call("POST", "/api/v1/tasks", &charset, body).await.good(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_the_same_and_another_body_a_conflict() {
    let server = Server::start().await;
    let task = json!({"type": "noop", "taskId": "t", "payload": {"a": 1, "b": 2}});
    let first = server.post("/api/v1/tasks", &task).await.good(201);
    let again = server
        .call(
            "POST",
            "/api/v1/tasks",
            &[("content-type", JSON)],
            " {\"payload\":{\"b\":2,\"a\":1},\"taskId\":\"t\",\"type\":\"noop\"}",
        )
        .await
        .good(201);
    assert_eq!((&first["taskId"], &again["repeated"]), (&again["taskId"], &json!(true)));
    let mut other = task.clone();
    other["payload"]["a"] = json!(2);
    let problem = server.post("/api/v1/tasks", &other).await.refused(409, "id_taken");
    assert!(problem["hint"].is_string(), "{problem}");
    let batch = server.post("/api/v1/tasks", &json!([other, task, {"type": "noop", "taskId": "t"}])).await.good(200);
    assert_eq!(batch["items"][0]["problem"]["code"], "id_taken");
    assert_eq!(batch["items"][1]["repeated"], true);
    assert_eq!(batch["items"][2]["problem"]["code"], "id_taken");
    let long = "k".repeat(257);
    for key in ["", "  ", "\"\"", long.as_str(), "k".repeat(100_000).as_str()] {
        let headers = [("content-type", JSON), ("idempotency-key", key)];
        for (path, body) in [("/api/v1/tasks", &task), ("/api/v1/jobs", &json!({"tasks": {"a": "true"}}))] {
            server.call("POST", path, &headers, body.to_string()).await.refused(400, "invalid_header");
        }
    }
    let headers = [("content-type", JSON), ("idempotency-key", &long[1..])];
    server.call("POST", "/api/v1/jobs", &headers, json!({"tasks": {"a": "true"}}).to_string()).await.good(201);
    is_well(&server, &["t".to_owned(), "a".to_owned()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_says_nonsense_is_refused_or_told_what_is_stale() {
    let server = Server::start().await;
    let id = server.task(json!({"type": "mine"})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    let token = worker.grant().await["token"].clone();
    let path = "/api/v1/workers/exchange";
    let good = json!({"workerId": "w2", "sessionId": "s", "seq": 1});
    for (change, code) in [
        (json!({"workerId": ""}), "invalid_value"),
        (json!({"workerId": "x".repeat(129)}), "invalid_value"),
        (json!({"workerId": "a\nb"}), "invalid_value"),
        (json!({"seq": 0}), "invalid_value"),
        (json!({"seq": -1}), "invalid_value"),
        (json!({"capacity": -1}), "invalid_value"),
        (json!({"capacity": 1e12}), "invalid_value"),
        (json!({"waitMS": 5}), "unknown_field"),
        (json!({"queues": vec!["q"; 257]}), "invalid_value"),
        (json!({"outcomes": [{"token": token, "status": "fine"}]}), "invalid_value"),
    ] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        server.post(path, &body).await.refused(422, code);
    }
    server.post(path, &json!({"sessionId": "s", "seq": 1})).await.refused(422, "missing_field");
    // Tokens of nobody, and of somebody else's session.
    let lies = json!({"outcomes": [{"token": "nonsense", "status": "success"}, {"token": token, "status": "success"}]});
    let reply = Worker::new(&server, "liar", "mine").exchange(merge(&lies, &json!({"waitMs": 0, "capacity": 0}))).await;
    let stale = reply["stale"].as_array().unwrap();
    assert!(stale.contains(&json!("nonsense")) && stale.contains(&token), "{reply}");
    assert_eq!(server.get(&format!("/api/v1/tasks/{id}")).await.good(200)["status"], "running");
    // An output beyond its limit is a failure of the attempt, not of everything else that the worker has to say.
    worker.report(json!({"token": token, "status": "success", "output": "x".repeat(300_000)})).await;
    let task = server.get(&format!("/api/v1/tasks/{id}?wait=20s")).await.good(200);
    assert_eq!((&task["status"], &task["error"]["type"]), (&json!("failed"), &json!("output_too_large")));
    is_well(&server, &[id]).await;
}

fn merge(one: &Value, other: &Value) -> Value {
    let mut both = one.clone();
    both.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    both
}
