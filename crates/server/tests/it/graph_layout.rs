//! Graphs as they are drawn: positions, folding, the critical path; and the course of the last hour.

use serde_json::{Value, json};

use crate::support::Server;

/// A job of `width` chains of three, each chain in a group of its own.
fn chains(width: u32) -> Value {
    let chain = |of: u32| {
        let task = move |step: u32| {
            let needs = if step == 0 { json!([]) } else { json!([format!("c{of}-{}", step - 1)]) };
            json!({"taskId": format!("c{of}-{step}"), "type": "noop", "needs": needs, "group": format!("chain {of}")})
        };
        (0..3).map(task)
    };
    json!({"jobId": "drawn", "jobName": "Drawn", "tasks": (0..width).flat_map(chain).collect::<Vec<_>>()})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_is_laid_out_with_its_critical_path() {
    let server = Server::start().await;
    server.post("/api/v1/jobs", &chains(3)).await.good(201);
    let drawn = server.get("/api/v1/jobs/drawn/graph/layout").await.good(200);
    let nodes = drawn["nodes"].as_array().unwrap();
    assert_eq!((nodes.len(), drawn["edges"].as_array().unwrap().len(), &drawn["collapse"]), (9, 6, &json!("none")));
    for edge in drawn["edges"].as_array().unwrap() {
        let x = |end: usize| nodes[edge[end].as_u64().unwrap() as usize]["x"].as_i64().unwrap();
        assert!(x(0) < x(1), "{edge}");
    }
    assert_eq!((drawn["criticalPath"].as_array().unwrap().len(), &drawn["criticalMs"]), (3, &json!(0)));
    let again = server.get("/api/v1/jobs/drawn/graph/layout").await.good(200);
    assert_eq!(again, drawn, "a kept layout is the same one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_is_folded_by_group_and_opened_again() {
    let server = Server::start().await;
    server.post("/api/v1/jobs", &chains(4)).await.good(201);
    let folded = server.get("/api/v1/jobs/drawn/graph/layout?collapse=group").await.good(200);
    let nodes = folded["nodes"].as_array().unwrap();
    assert_eq!((nodes.len(), &folded["tasks"]), (4, &json!(12)));
    assert_eq!((&nodes[0]["id"], &nodes[0]["states"]["pending"]), (&json!("group:chain 0"), &json!(2)));
    let opened = server.get("/api/v1/jobs/drawn/graph/layout?collapse=group&expand=group%3Achain%200").await.good(200);
    assert_eq!(opened["nodes"].as_array().unwrap().len(), 6);
    let states = server.get("/api/v1/jobs/drawn/graph/layout?collapse=state").await.good(200);
    assert_eq!(states["nodes"].as_array().unwrap().len(), 3);
    let refused = server.get("/api/v1/jobs/drawn/graph/layout?collapse=groop").await.refused(400, "invalid_query");
    assert_eq!(refused["hint"], "did you mean `group`?");
    server.get("/api/v1/jobs/no-such/graph/layout").await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_hour_starts_empty() {
    let server = Server::start().await;
    let history = server.get("/api/v1/stats/history").await.good(200);
    assert_eq!((history["stepSeconds"].as_u64(), history["points"].as_array().map(Vec::len)), (Some(5), Some(0)));
}
