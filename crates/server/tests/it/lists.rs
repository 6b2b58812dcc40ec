//! Lists: filters, the query language, pages that stay whole while tasks arrive, tenants, counts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Server, Worker};

/// The ids of a list, sorted.
async fn ids(server: &Server, path: &str, name: &str) -> Vec<String> {
    let items = server.get(path).await.good(200)["items"].take();
    let mut ids: Vec<_> =
        items.as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace(' ', "%20").replace('"', "%22").replace('<', "%3C").replace('>', "%3E")
}

/// Tasks of many kinds, one of them dead, one running, and a job.
async fn populate(server: &Server) {
    server.task(json!({"taskId": "bad", "type": "bad", "taskName": "Import rows"})).await;
    Worker::new(server, "w-bad", "bad").fail("row 7 of table %x_ is broken").await;
    server.task(json!({"taskId": "runs", "type": "runs", "queue": "default", "priority": 3})).await;
    Worker::new(server, "w-runs", "runs").grant().await;
    server
        .task(json!({"taskId": "mail-1", "type": "email", "queue": "email", "tags": ["nightly", "a b"],
        "priority": 9, "taskName": "Send mail", "payload": "secret"}))
        .await;
    server
        .task(json!({"taskId": "mail-2", "type": "email", "queue": "email-slow", "tags": ["hourly"], "userId": "u1"}))
        .await;
    server.task(json!({"taskId": "later", "type": "noop", "delaySeconds": 3600})).await;
    server
        .job(json!({"jobId": "j1", "jobName": "Daily report", "tags": ["nightly"],
        "tasks": {"first": {"type": "step"}, "second": {"type": "step", "needs": "first"}}}))
        .await;
    server.job(json!({"jobId": "j2", "userId": "u1", "tasks": {"only": {"type": "step"}}})).await;
    server.order("/api/v1/jobs/j2/cancel").await.good(200);
    server.ended("/api/v1/jobs/j2").await;
}

const ALL: &[&str] = &["bad", "first", "later", "mail-1", "mail-2", "only", "runs", "second"];

/// A query and the tasks that it finds.
const QUERIES: &[(&str, &[&str])] = &[
    ("", ALL),
    ("status:failed", &["bad"]),
    ("status:ready,pending", &["first", "mail-1", "mail-2", "second"]),
    ("-status:ready,pending,scheduled,cancelled", &["bad", "runs"]),
    ("status:running status:running", &["runs"]),
    ("queue:email", &["mail-1"]),
    ("queue:email*", &["mail-1", "mail-2"]),
    ("queue:email,email-slow -tag:nightly", &["mail-2"]),
    ("type:email", &["mail-1", "mail-2"]),
    ("-type:email,step,noop,bad", &["runs"]),
    ("tag:nightly", &["mail-1"]),
    ("tag:\"a b\"", &["mail-1"]),
    ("id:mail-1", &["mail-1"]),
    ("taskId:mail*", &["mail-1", "mail-2"]),
    ("name:\"Send mail\"", &["mail-1"]),
    ("taskName:Send*", &["mail-1"]),
    ("name:send*", &[]),
    ("job:j1", &["first", "second"]),
    ("jobId:j1 status:ready", &["first"]),
    ("user:u1", &["mail-2", "only"]),
    ("userId:default status:scheduled", &["later"]),
    ("worker:w-bad", &["bad"]),
    ("workerId:w-*", &["bad", "runs"]),
    ("error:Broken", &["bad"]),
    ("-error:Broken worker:w-*", &["runs"]),
    ("dead:true", &["bad"]),
    ("attempt:1", &["bad", "runs"]),
    ("attempt:>0", &["bad", "runs"]),
    ("attempts:>=1", &["bad", "runs"]),
    ("attempt:<1 queue:email", &["mail-1"]),
    ("attempt:<=0 queue:email", &["mail-1"]),
    ("attempt:>=0 -type:step", &["bad", "later", "mail-1", "mail-2", "runs"]),
    ("priority:9", &["mail-1"]),
    ("priority:>2", &["mail-1", "runs"]),
    ("priority:<=8 priority:>=3", &["runs"]),
    ("duration:<1h", &["bad", "runs"]),
    ("duration:>1h", &[]),
    ("created:<1h -type:step", &["bad", "later", "mail-1", "mail-2", "runs"]),
    ("created:>1h", &[]),
    ("\"send MAIL\"", &["mail-1"]),
    ("import", &["bad"]),
    ("text:broken", &["bad"]),
    ("%x_", &["bad"]),
    ("-mail -step -noop", &["bad", "runs"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_field_and_operator_of_the_query_language_finds_what_it_says() {
    let server = Server::start().await;
    populate(&server).await;
    for (query, wanted) in QUERIES {
        let found = ids(&server, &format!("/api/v1/tasks?q={}", escaped(query)), "taskId").await;
        assert_eq!(found, *wanted, "{query}");
    }
    for (query, wanted) in [
        ("", &["j1", "j2"][..]),
        ("status:cancelled", &["j2"]),
        ("status:running,pending", &["j1"]),
        ("tag:nightly", &["j1"]),
        ("name:Daily*", &["j1"]),
        ("id:j1,j2 user:u1", &["j2"]),
        ("job:j*", &["j1", "j2"]),
        ("report", &["j1"]),
        ("created:<1h", &["j1", "j2"]),
        ("duration:>1h", &[]),
    ] {
        let found = ids(&server, &format!("/api/v1/jobs?q={}", escaped(query)), "jobId").await;
        assert_eq!(found, wanted, "{query}");
    }
    for query in ["nope:1", "status:", "\"open", "attempt:x", "duration:5m", "created:>soon", "-"] {
        server.get(&format!("/api/v1/tasks?q={}", escaped(query))).await.refused(400, "invalid_query");
    }
    server.get("/api/v1/jobs?q=queue:email").await.refused(400, "invalid_query");
    server.get("/api/v1/tasks?q=-dead:true").await.refused(422, "not_supported_yet");
    server.get("/api/v1/tasks?q=job:nope").await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_filter_as_the_query_does_and_together() {
    let server = Server::start().await;
    populate(&server).await;
    for (parameters, wanted) in [
        ("", ALL),
        ("status=failed", &["bad"][..]),
        ("status=failed,running", &["bad", "runs"]),
        ("queue=email&type=email", &["mail-1"]),
        ("queue=email,email-slow", &["mail-1", "mail-2"]),
        ("type=email&tag=hourly", &["mail-2"]),
        ("tag=nightly,hourly", &["mail-1", "mail-2"]),
        ("jobId=j1", &["first", "second"]),
        ("jobId=j1&status=pending", &["second"]),
        ("userId=u1", &["mail-2", "only"]),
        ("userId=u1&q=type:email", &["mail-2"]),
        ("userId=nobody", &[]),
        ("q=type:email&queue=email", &["mail-1"]),
        ("sort=-createdAt&tag=nightly", &["mail-1"]),
    ] {
        assert_eq!(ids(&server, &format!("/api/v1/tasks?{parameters}"), "taskId").await, wanted, "{parameters}");
    }
    server.get("/api/v1/tasks?jobId=nope").await.refused(404, "not_found");
    let list = server.get("/api/v1/tasks?q=id:mail-1").await.good(200)["items"].take();
    assert!(list[0].get("payload").is_none() && list[0].get("output").is_none(), "lists carry no payloads: {list}");
    assert_eq!(server.get("/api/v1/tasks/mail-1").await.good(200)["payload"], "secret");
    assert_eq!(ids(&server, "/api/v1/jobs?status=cancelled", "jobId").await, ["j2"]);
    assert_eq!(ids(&server, "/api/v1/jobs?tag=nightly&userId=default", "jobId").await, ["j1"]);
    assert_eq!(ids(&server, "/api/v1/dead-letters?queue=default", "id").await, ["bad"]);
    assert_eq!(ids(&server, "/api/v1/dead-letters?queue=email", "id").await, [""; 0]);
}

/// All pages from here on, by `limit`; after each page `between` may change the world.
async fn pages(server: &Server, path: &str, name: &str, between: impl AsyncFn(usize)) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        let reply = server.get(&format!("{path}{cursor}")).await.good(200);
        let items = reply["items"].as_array().unwrap();
        found.extend(items.iter().map(|item| item[name].as_str().unwrap().to_owned()));
        let Some(next) = reply["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        between(page).await;
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_stay_whole_while_tasks_arrive() {
    let server = Server::start().await;
    let mut wanted = Vec::new();
    for number in 0..10 {
        wanted.insert(0, server.task(json!({"type": "noop", "payload": number})).await);
    }
    let arrive = async |_| drop(server.task(json!({"type": "noop"})).await);
    assert_eq!(pages(&server, "/api/v1/tasks?limit=3", "taskId", arrive).await, wanted);
    assert_eq!(pages(&server, "/api/v1/tasks?limit=1000", "taskId", async |_| {}).await.len(), 13);
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.insert(
            0,
            server.job(json!({"tasks": {"a": {"type": "noop"}, "b": {"type": "noop"}, "c": {"type": "x"}}})).await,
        );
    }
    let arrive = async |_| drop(server.job(json!({"tasks": {"a": {"type": "noop"}}})).await);
    assert_eq!(pages(&server, "/api/v1/jobs?limit=2", "jobId", arrive).await, jobs);
    let of_job = format!("/api/v1/jobs/{}/tasks?limit=1", jobs[0]);
    assert_eq!(pages(&server, &of_job, "taskId", async |_| {}).await, ["a", "b", "c"]);
    let filtered = format!("/api/v1/tasks?limit=2&jobId={}", jobs[0]);
    assert_eq!(pages(&server, &filtered, "taskId", async |_| {}).await.len(), 3);
    // A cursor of another list is none of this one.
    let next = server.get(&of_job).await.good(200)["nextCursor"].as_str().unwrap().to_owned();
    server.get(&format!("/api/v1/tasks?cursor={next}")).await.refused(400, "invalid_cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_paged_in_their_order() {
    let server = Server::start().await;
    let backoff = json!({"type": "fixed", "initial": 0});
    let id = server.task(json!({"type": "mine", "retries": 4, "backoff": backoff})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    for _ in 0..5 {
        worker.fail("no").await;
    }
    let path = format!("/api/v1/tasks/{id}/attempts?limit=2");
    let mut numbers = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("{path}{cursor}")).await.good(200);
        numbers.extend(page["items"].as_array().unwrap().iter().map(|item| item["attempt"].as_u64().unwrap()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_belongs_to_its_tenant_and_is_ambiguous_without_it() {
    let server = Server::start().await;
    for user in ["u1", "u2"] {
        server.task(json!({"taskId": "t", "type": "noop", "userId": user})).await;
        server.job(json!({"jobId": "j", "userId": user, "tasks": {"a": {"type": "noop"}}})).await;
    }
    for path in
        ["/api/v1/tasks/t", "/api/v1/tasks/t/why", "/api/v1/jobs/j", "/api/v1/jobs/j/tasks/a", "/api/v1/jobs/j/graph"]
    {
        let problem = server.get(path).await.refused(409, "ambiguous_id");
        let hint = problem["hint"].as_str().unwrap();
        assert!(hint.contains("?userId=u1") && hint.contains("?userId=u2"), "{problem}");
        server.get(&format!("{path}?userId=u1")).await.good(200);
        server.get(&format!("{path}?userId=u3")).await.refused(404, "not_found");
    }
    server.order("/api/v1/tasks/t/cancel").await.refused(409, "ambiguous_id");
    server.order("/api/v1/tasks/t/cancel?userId=u2").await.good(200);
    let status =
        async |user: &str| server.get(&format!("/api/v1/tasks/t?userId={user}")).await.good(200)["status"].take();
    assert_eq!((status("u1").await, status("u2").await), (json!("ready"), json!("cancelled")));
    // An id that the server made is one anywhere, and still nobody else's.
    let made = server.task(json!({"type": "noop", "userId": "u1"})).await;
    server.get(&format!("/api/v1/tasks/{made}")).await.good(200);
    server.get(&format!("/api/v1/tasks/{made}?userId=u2")).await.refused(404, "not_found");
    // A task of a job has no address of its own.
    server.get("/api/v1/tasks/a").await.refused(404, "not_found");
    let differs = server.post("/api/v1/tasks?userId=u1", &json!({"type": "noop", "userId": "u2"})).await;
    assert_eq!(differs.refused(422, "conflicting_fields")["errors"][0]["pointer"], "/userId");
    let task = server.post("/api/v1/tasks?userId=u9", &json!({"type": "noop"})).await.good(201);
    let id = task["taskId"].as_str().unwrap();
    assert_eq!(server.get(&format!("/api/v1/tasks/{id}")).await.good(200)["userId"], "u9");
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_bounded_and_say_so() {
    let server = Server::start().await;
    let batch: Value = vec![json!({"type": "noop", "delaySeconds": 3600}); 10_000].into();
    server.post("/api/v1/tasks", &batch).await.good(200);
    let scheduled = async |path: &str| server.get(path).await.good(200)["tasks"]["scheduled"].take();
    for path in ["/api/v1/stats", "/api/v1/stats?userId=default"] {
        assert_eq!(scheduled(path).await, json!({"count": 10_000}), "{path}");
    }
    server.task(json!({"type": "noop", "delaySeconds": 3600})).await;
    for path in ["/api/v1/stats", "/api/v1/stats?userId=default"] {
        assert_eq!(scheduled(path).await, json!({"count": 10_000, "more": true}), "{path}");
    }
    assert_eq!(scheduled("/api/v1/stats?userId=nobody").await, json!(null));
    let queue = server.get("/api/v1/queues?userId=default").await.good(200)["items"][0].take();
    assert_eq!(queue["tasks"]["scheduled"], json!({"count": 10_000, "more": true}));
    let bulk = json!({"action": "cancel", "q": "status:scheduled"});
    let counted = server.post("/api/v1/tasks/bulk", &bulk).await.good(200);
    assert_eq!((&counted["count"], &counted["more"], &counted["dryRun"]), (&json!(10_000), &json!(true), &json!(true)));
    let listed: BTreeSet<_> = counted["items"].as_array().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(listed.len(), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_described_example_of_a_query_works() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.good(200);
    for path in ["/api/v1/tasks", "/api/v1/jobs", "/api/v1/dead-letters"] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().expect("it takes parameters");
        let Some(q) = parameters.iter().find(|parameter| parameter["name"] == "q") else { continue };
        let example = q["description"].as_str().and_then(|about| about.split('`').nth(1)).expect("an example");
        let example = example.replace(' ', "+").replace('>', "%3E");
        server.get(&format!("{path}?q={example}")).await.good(200);
    }
}
