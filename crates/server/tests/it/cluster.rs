//! Several servers over one database in memory: any of them answers anything.

use std::sync::Arc;

use mainspring_core::id::Bucket;
use mainspring_server::{ServeConfig, serve_store};
use mainspring_store::{CommitFault, MemoryMembers, MemoryStore, ShardId, Sharded, Store};
use serde_json::{Value, json};

use crate::support::{Server, Worker};

const SHARDS: usize = 8;
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// A database in memory that any number of servers of this process share.
struct Database {
    shards: Vec<MemoryStore>,
    members: MemoryMembers,
}

impl Database {
    fn new() -> Self {
        let shards: Vec<_> = (0..SHARDS as u16).map(MemoryStore::of_shard).collect();
        Self { members: MemoryMembers::new(shards.clone()), shards }
    }

    fn open(&self) -> Arc<dyn Store> {
        let shards = self.shards.iter().map(MemoryStore::another).collect();
        Arc::new(Sharded::in_memory(shards, self.members.clone()))
    }

    async fn server(&self) -> Server {
        let config = ServeConfig::new("127.0.0.1:0".parse().unwrap(), "memory:");
        let store = self.open();
        Server::over(|stopped| serve_store(config, store, stopped)).await
    }

    /// Two servers that share the shards evenly.
    async fn pair(&self) -> (Server, Server) {
        let (a, b) = (self.server().await, self.server().await);
        for server in [&a, &b] {
            server.until("/api/v1/cluster", |view| is_shared(view, SHARDS / 2)).await;
        }
        (a, b)
    }
}

/// Whether two nodes serve so many shards each.
fn is_shared(view: &Value, each: usize) -> bool {
    let nodes = view["nodes"].as_array().unwrap();
    nodes.len() == 2 && nodes.iter().all(|node| node["shards"].as_array().unwrap().len() == each)
}

/// Ids that lead to shards of both nodes.
fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_shards_and_any_of_them_takes_any_task() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    let batch: Vec<Value> = ids("t", 64).iter().map(|id| json!({"taskId": id, "type": "mine"})).collect();
    for server in [&a, &b] {
        let items = server.post("/api/v1/tasks", &json!(batch)).await.good(200)["items"].take();
        assert!(items.as_array().unwrap().iter().all(|item| item["status"] == "ready"), "{items}");
    }
    let stats = a.get("/api/v1/stats").await.good(200);
    assert_eq!(stats["tasks"]["ready"]["count"], 64, "a repeat at the other node is the same: {stats}");
    assert_eq!(a.get("/api/v1/tasks?limit=1000").await.good(200)["items"].as_array().unwrap().len(), 64);
    let conflict = json!({"taskId": "t-1", "type": "other"});
    for server in [&a, &b] {
        server.post("/api/v1/tasks", &conflict).await.refused(409, "id_taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_at_one_node_runs_what_belongs_to_the_other() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    let batch: Vec<Value> = ids("t", 32).iter().map(|id| json!({"taskId": id, "type": "mine"})).collect();
    a.post("/api/v1/tasks", &json!(batch)).await.good(200);
    let mut worker = Worker::new(&b, "w1", "mine");
    for _ in 0..32 {
        worker.complete(json!({"ok": true})).await;
    }
    for id in ids("t", 32) {
        assert_eq!(a.ended(&format!("/api/v1/tasks/{id}")).await["status"], "completed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_never_granted_more_than_it_has_room_for() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    let batch: Vec<Value> = ids("t", 200).iter().map(|id| json!({"taskId": id, "type": "mine"})).collect();
    a.post("/api/v1/tasks", &json!(batch)).await.good(200);
    let mut worker = Worker::new(&b, "w1", "mine");
    let (mut held, mut done): (Vec<Value>, usize) = (Vec::new(), 0);
    while done < 200 {
        let capacity = 3 - held.len();
        let outcomes: Vec<Value> = held.drain(..).map(|token| json!({"token": token, "status": "success"})).collect();
        let free = capacity + outcomes.len();
        let reply = worker.exchange(json!({"capacity": free, "outcomes": outcomes, "waitMs": 2_000})).await;
        let accepted = reply["accepted"].as_array().unwrap().len();
        assert_eq!(accepted, outcomes.len(), "{reply}");
        done += accepted;
        held = reply["grants"].as_array().unwrap().iter().map(|grant| grant["token"].clone()).collect();
        assert!(held.len() <= free, "{} grants for {free} places", held.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_reach_their_shard_from_any_node() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    for (place, id) in ids("t", 16).iter().enumerate() {
        a.task(json!({"taskId": id, "type": "mine", "delaySeconds": 600})).await;
        let server = if place % 2 == 0 { &a } else { &b };
        server.order(&format!("/api/v1/tasks/{id}/cancel")).await.good(200);
        assert_eq!(a.get(&format!("/api/v1/tasks/{id}")).await.good(200)["status"], "cancelled");
    }
    let job = b.job(json!({"jobId": "j", "tasks": {"a": {"type": "mine"}, "b": {"type": "mine", "needs": "a"}}})).await;
    for server in [&a, &b] {
        server.order(&format!("/api/v1/jobs/{job}/pause")).await.good(200);
        server.order(&format!("/api/v1/jobs/{job}/resume")).await.good(200);
        let why = server.get(&format!("/api/v1/jobs/{job}/tasks/b/why")).await.good(200);
        assert_eq!(why["gates"][0]["gate"], "parents", "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_at_one_node_holds_at_the_other_within_a_second() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    a.post("/api/v1/queues/default/pause", &json!({})).await.good(200);
    let batch: Vec<Value> = ids("t", 32).iter().map(|id| json!({"taskId": id, "type": "mine"})).collect();
    b.post("/api/v1/tasks", &json!(batch)).await.good(200);
    let mut worker = Worker::new(&b, "w1", "mine");
    let reply = worker.exchange(json!({"capacity": 5, "waitMs": 1_500})).await;
    assert_eq!(reply["grants"], json!([]), "{reply}");
    b.post("/api/v1/queues/default/resume", &json!({})).await.good(200);
    worker.grant().await;
    // The worker is known to the other node too.
    a.until("/api/v1/workers", |list| list["items"][0]["workerId"] == "w1").await;
    a.post("/api/v1/workers/w1/pause", &json!({})).await.good(200);
    let reply = worker.exchange(json!({"capacity": 5, "waitMs": 5_000})).await;
    assert_eq!((&reply["directive"], &reply["grants"]), (&json!("pause"), &json!([])), "{reply}");
    a.post("/api/v1/workers/w1/resume", &json!({})).await.good(200);
    // A grant that was made on the way comes whatever the directive says.
    let mut reply = worker.exchange(json!({"capacity": 0, "waitMs": 5_000})).await;
    while reply["directive"] == "pause" {
        reply = worker.exchange(json!({"capacity": 0, "waitMs": 5_000})).await;
    }
    assert_eq!(reply["directive"], "run", "{reply}");
    a.post("/api/v1/workers/w1/drain", &json!({})).await.good(200);
    let mut reply = worker.exchange(json!({"capacity": 0, "waitMs": 5_000})).await;
    while reply["directive"] == "run" {
        reply = worker.exchange(json!({"capacity": 0, "waitMs": 5_000})).await;
    }
    assert_eq!(reply["directive"], "drain", "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_has_the_events_of_every_node_once_and_goes_on_at_another() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    let mut stream = a.events("/api/v1/events?type=TASK_SUBMITTED", None).await;
    let mut seen = Vec::new();
    let mut last = None;
    for id in ids("t", 16) {
        b.task(json!({"taskId": id, "type": "mine"})).await;
        let event = stream.next().await.unwrap();
        seen.push(event.data["taskId"].as_str().unwrap().to_owned());
        last = event.id;
    }
    assert_eq!(seen, ids("t", 16));
    a.task(json!({"taskId": "after", "type": "mine"})).await;
    let mut stream = b.events("/api/v1/events?type=TASK_SUBMITTED", last.as_deref()).await;
    assert_eq!(stream.next().await.unwrap().data["taskId"], "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_hands_its_shards_over_and_nothing_is_lost() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    let batch: Vec<Value> = ids("t", 64).iter().map(|id| json!({"taskId": id, "type": "mine"})).collect();
    a.post("/api/v1/tasks", &json!(batch)).await.good(200);
    let mut worker = Worker::new(&b, "w1", "mine");
    let grant = worker.grant().await;
    a.stop().await;
    let one = |view: &Value| view["shards"].as_array().unwrap().iter().all(|shard| shard["nodeId"] == view["nodeId"]);
    b.until("/api/v1/cluster", one).await;
    worker.report(json!({"token": grant["token"], "status": "success"})).await;
    for _ in 1..64 {
        worker.complete(json!(null)).await;
    }
    assert_eq!(b.get("/api/v1/stats").await.good(200)["tasks"]["completed"]["count"], 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_not_heard_by_the_internal_api() {
    let database = Database::new();
    let server = database.server().await;
    for path in ["beat", "news", "shards/0/ask", "shards/0/exchange", "shards/0/loan"] {
        let reply = server.post(&format!("/internal/v1/{path}"), &json!({})).await;
        assert_eq!(reply.status, 401, "{}", reply.text());
    }
    assert!(!server.get("/openapi.json").await.text().contains("/internal/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_runs_without_a_pause_on_a_worker_with_places_left() {
    let database = Database::new();
    let server = database.server().await;
    let task = |number: usize| {
        let needs = (number > 0).then(|| format!("t{}", number - 1));
        json!({"taskId": format!("t{number}"), "type": "mine", "needs": needs.into_iter().collect::<Vec<_>>()})
    };
    for job in 0..4 {
        let tasks: Vec<Value> = (0..6).map(task).collect();
        let job = server.job(json!({"jobId": format!("chain-{job}"), "tasks": tasks})).await;
        let mut worker = Worker::session(&server, "w", &format!("session-{job}"), "mine");
        let mut outcomes = Vec::new();
        for number in 0..6 {
            // One place of three is taken at a time: the others stand by elsewhere until there is work.
            let mut reply = worker.exchange(json!({"capacity": 3, "outcomes": outcomes, "waitMs": 2_000})).await;
            if reply["grants"].as_array().unwrap().is_empty() {
                reply = worker.exchange(json!({"capacity": 3, "waitMs": 2_000})).await;
            }
            assert_eq!(reply["grants"][0]["taskId"], json!(format!("t{number}")), "{reply}");
            outcomes = vec![json!({"token": reply["grants"][0]["token"], "status": "success"})];
        }
        worker.exchange(json!({"capacity": 0, "outcomes": outcomes, "waitMs": 0})).await;
        assert_eq!(server.ended(&format!("/api/v1/jobs/{job}")).await["status"], "completed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_before_the_worker_came_is_granted_to_it_at_once() {
    let database = Database::new();
    let server = database.server().await;
    for id in ids("t", 8) {
        server.task(json!({"taskId": id, "type": "mine"})).await;
        let mut worker = Worker::session(&server, "w", &format!("session-{id}"), "mine");
        let reply = worker.exchange(json!({"capacity": 1, "waitMs": 2_000})).await;
        let grant = reply["grants"][0].clone();
        assert_eq!(grant["taskId"], json!(id), "{reply}");
        worker.report(json!({"token": grant["token"], "status": "success"})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_defined_at_one_node_holds_at_the_other_at_once() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    for (retries, server, other) in [(1, &a, &b), (2, &b, &a)] {
        let profile = json!({"retries": retries});
        let status = server.put("/api/v1/profiles/p", &profile).await.status;
        assert_eq!(status, if retries == 1 { 201 } else { 200 });
        for number in 0..8 {
            let id = format!("t-{retries}-{number}");
            other.post("/api/v1/tasks", &json!({"taskId": id, "type": "mine", "profile": "p"})).await.good(201);
            assert_eq!(server.get(&format!("/api/v1/tasks/{id}")).await.good(200)["retries"], retries);
        }
    }
    let stale = a.call("PUT", "/api/v1/profiles/p", &[("if-match", "\"1\"")], "{}").await;
    stale.refused(412, "version_mismatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_smaller_than_the_number_of_shards_holds_for_all_and_is_used_up() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    let set = a.call("PATCH", "/api/v1/queues/default", &JSON, json!({"concurrency": 3}).to_string()).await;
    assert_eq!(set.good(200)["concurrency"], 3);
    let batch: Vec<Value> = ids("t", 40).iter().map(|id| json!({"taskId": id, "type": "mine"})).collect();
    a.post("/api/v1/tasks", &json!(batch)).await.good(200);
    let mut worker = Worker::new(&b, "w1", "mine");
    let (mut held, mut most, mut done) = (Vec::new(), 0, 0);
    let mut rounds = 0;
    while done < 40 {
        // It ends one at a time, once as many run as may.
        let ends = held.len() == 3 || done + held.len() == 40;
        let ended: Vec<Value> = if ends { held.drain(..1).collect() } else { Vec::new() };
        let outcomes: Vec<Value> = ended.iter().map(|token| json!({"token": token, "status": "success"})).collect();
        let reply =
            worker.exchange(json!({"capacity": 40, "outcomes": outcomes, "running": held, "waitMs": 500})).await;
        done += reply["accepted"].as_array().unwrap().len();
        for grant in reply["grants"].as_array().unwrap() {
            assert!(!held.contains(&grant["token"]), "granted to whom it runs at: {reply}");
            held.push(grant["token"].clone());
        }
        most = held.len().max(most);
        assert!(held.len() <= 3, "{held:?} run at a time: {reply}");
        rounds += 1;
        assert!(rounds < 400, "{done} are done and {} run", held.len());
        if done == 5 && held.len() == 3 {
            let waits = a.get("/api/v1/tasks?status=ready&limit=1").await.good(200)["items"][0].take();
            let path = format!("/api/v1/tasks/{}/why", waits["taskId"].as_str().unwrap());
            let why = b.get(&path).await.good(200);
            let gate = why["gates"].as_array().unwrap().iter().find(|gate| gate["gate"] == "queue_limit");
            let detail = gate.unwrap_or_else(|| panic!("no limit in {why}"))["detail"].as_str().unwrap();
            assert!(detail.starts_with("the queue `default` may run 3 tasks"), "{detail}");
        }
    }
    assert_eq!(most, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_unfinished_tasks_holds_for_all_shards() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    let set = a.call("PATCH", "/api/v1/tenants/default", &JSON, json!({"maxBacklog": 20}).to_string()).await;
    assert_eq!(set.good(200)["maxBacklog"], 20);
    let batch: Vec<Value> = ids("t", 40).iter().map(|id| json!({"taskId": id, "type": "mine"})).collect();
    let items = a.post("/api/v1/tasks", &json!(batch)).await.good(200)["items"].take();
    let (taken, refused): (Vec<_>, Vec<_>) =
        items.as_array().unwrap().iter().partition(|item| item["problem"].is_null());
    assert!((10..=20).contains(&taken.len()), "{} of 40 were taken", taken.len());
    assert_eq!(refused[0]["problem"]["code"], "quota_exceeded", "{}", refused[0]);
    let stats = b.get("/api/v1/stats").await.good(200);
    assert_eq!(stats["tasks"]["ready"]["count"], taken.len(), "{stats}");
    let mut worker = Worker::new(&b, "w1", "mine");
    for _ in 0..taken.len() {
        worker.complete(json!(null)).await;
    }
    for id in ids("u", 20) {
        let mut tries = 0;
        while a.post("/api/v1/tasks", &json!({"taskId": id, "type": "mine"})).await.status == 429 {
            tries += 1;
            assert!(tries < 100, "{id} is never taken");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    let refused = b.post("/api/v1/tasks", &json!({"taskId": "one-more", "type": "mine"})).await;
    assert!(refused.header("retry-after").parse::<u32>().is_ok());
    let problem = refused.refused(429, "quota_exceeded");
    assert!(problem["detail"].as_str().unwrap().contains("may have 20 unfinished tasks"), "{problem}");
    assert!(problem["hint"].as_str().unwrap().contains("maxBacklog"), "{problem}");
}

/// Submits under an `Idempotency-Key`.
async fn keyed(server: &Server, path: &str, key: &str, body: &Value) -> crate::support::Reply {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    server.call("POST", path, &headers, body.to_string()).await
}

fn shard_of(text: &str) -> usize {
    usize::from(ShardId::of(Bucket::of_text(text), SHARDS as u16).0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_good_for_one_body_whatever_shards_key_and_ids_lead_to() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    let (mut apart, mut elsewhere) = (0, 0);
    for number in 0..12 {
        let (key, id, other) = (format!("k-{number}"), format!("t-{number}"), format!("o-{number}"));
        apart += usize::from(shard_of(&key) != shard_of(&id));
        elsewhere += usize::from(shard_of(&id) != shard_of(&other));
        let first = json!({"taskId": id, "type": "mine"});
        assert_eq!(keyed(&a, "/api/v1/tasks", &key, &first).await.good(201)["taskId"], id.as_str());
        for server in [&b, &a] {
            assert_eq!(keyed(server, "/api/v1/tasks", &key, &first).await.good(201)["taskId"], id.as_str());
            for body in [json!({"taskId": other, "type": "mine"}), json!({"type": "mine"})] {
                keyed(server, "/api/v1/tasks", &key, &body).await.refused(409, "idempotency_key_reused");
            }
            let job = json!({"jobId": other, "tasks": {"x": {"type": "mine"}}});
            keyed(server, "/api/v1/jobs", &key, &job).await.refused(409, "idempotency_key_reused");
        }
        // And the other way round: the key alone, and then with an id.
        let key = format!("alone-{number}");
        let task = keyed(&b, "/api/v1/tasks", &key, &json!({"type": "mine"})).await.good(201);
        keyed(&a, "/api/v1/tasks", &key, &json!({"taskId": other, "type": "mine"}))
            .await
            .refused(409, "idempotency_key_reused");
        assert_eq!(
            keyed(&a, "/api/v1/tasks", &key, &json!({"type": "mine"})).await.good(201)["taskId"],
            task["taskId"]
        );
    }
    assert!(apart > 3 && elsewhere > 3, "most lead to different shards");
    assert_eq!(a.get("/api/v1/stats").await.good(200)["tasks"]["ready"]["count"], 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_batch_are_good_for_one_body_each() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    let batch: Vec<Value> = ids("t", 20).iter().map(|id| json!({"taskId": id, "type": "mine"})).collect();
    let items = keyed(&a, "/api/v1/tasks", "k", &json!(batch)).await.good(200)["items"].take();
    assert!(items.as_array().unwrap().iter().all(|item| item["status"] == "ready"), "{items}");
    // Every other one has another id now.
    let mut changed = batch.clone();
    changed
        .iter_mut()
        .skip(1)
        .step_by(2)
        .for_each(|task| task["taskId"] = json!(format!("o-{}", task["taskId"].as_str().unwrap())));
    let items = keyed(&b, "/api/v1/tasks", "k", &json!(changed)).await.good(200)["items"].take();
    for (place, item) in items.as_array().unwrap().iter().enumerate() {
        match place % 2 {
            0 => assert_eq!(item["taskId"], batch[place]["taskId"], "{item}"),
            _ => assert_eq!(item["problem"]["code"], "idempotency_key_reused", "{item}"),
        }
    }
    assert_eq!(b.get("/api/v1/stats").await.good(200)["tasks"]["ready"]["count"], 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_between_a_key_and_its_task_is_taken_when_it_is_repeated() {
    let database = Database::new();
    let (a, b) = database.pair().await;
    let faults = [CommitFault::UnknownApplied, CommitFault::UnknownLost];
    for (number, (fault, of_key)) in faults.into_iter().flat_map(|fault| [(fault, true), (fault, false)]).enumerate() {
        let key = format!("k-{number}");
        let away = |text: &String| shard_of(text) != shard_of(&key);
        let id = (0..).map(|try_| format!("t-{number}-{try_}")).find(away).unwrap();
        let body = json!({"taskId": id, "type": "mine"});
        database.shards[shard_of(if of_key { &key } else { &id })].faults().next_commit(fault);
        keyed(&a, "/api/v1/tasks", &key, &body).await.refused(503, "outcome_unknown");
        let missing = !of_key && fault == CommitFault::UnknownLost;
        if missing {
            assert_eq!(b.get(&format!("/api/v1/tasks/{id}")).await.status, 404);
            keyed(&b, "/api/v1/tasks", &key, &json!({"type": "mine"})).await.refused(409, "idempotency_key_reused");
        }
        assert_eq!(keyed(&b, "/api/v1/tasks", &key, &body).await.json()["taskId"], id.as_str(), "{fault:?} {of_key}");
        keyed(&a, "/api/v1/tasks", &key, &json!({"type": "mine"})).await.refused(409, "idempotency_key_reused");
    }
    assert_eq!(a.get("/api/v1/stats").await.good(200)["tasks"]["ready"]["count"], 4);
}
