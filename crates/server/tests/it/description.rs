//! `/openapi.json` says what the server does: every address, every way to be refused; `/docs` shows it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Server, Worker};

/// An address with headers and a body that it should not like.
type Probe<'a> = (&'a str, &'a [(&'a str, &'a str)], String);

/// An operation of the description.
struct Operation {
    method: String,
    path: String,
    value: Value,
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().unwrap();
    let each = |(path, methods): (&String, &Value)| -> Vec<Operation> {
        let methods = methods.as_object().unwrap().iter();
        let one = |(method, value): (&String, &Value)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            value: value.clone(),
        };
        methods.map(one).collect()
    };
    paths.iter().flat_map(each).collect()
}

impl Operation {
    /// The path with every segment filled in by something that does not exist.
    fn address(&self) -> String {
        self.path.replace("{kind}", "tasks").replace('{', "no-").replace('}', "")
    }

    /// The problem codes that it names for a status.
    fn codes(&self, status: u16) -> BTreeSet<&str> {
        let codes = self.value["responses"][status.to_string()]["x-codes"].as_array();
        codes.into_iter().flatten().map(|code| code.as_str().unwrap()).collect()
    }
}

/// Every value under a key, wherever it stands.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if name == key {
                    found.push(member);
                }
                all(member, key, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| all(element, key, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_has_the_shape_of_openapi_3_1() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.good(200);
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut references = Vec::new();
    all(&document, "$ref", &mut references);
    assert!(references.len() > 50, "{}", references.len());
    for reference in references {
        let pointer = reference.as_str().unwrap().strip_prefix('#').expect("references stay in the document");
        assert!(document.pointer(pointer).is_some(), "`{pointer}` leads nowhere");
    }
    let operations = operations(&document);
    let ids: BTreeSet<_> =
        operations.iter().map(|operation| operation.value["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len(), "an operationId is used twice");
    for operation in &operations {
        let parameters = operation.value["parameters"].as_array().cloned().unwrap_or_default();
        let in_path: BTreeSet<_> =
            parameters.iter().filter(|one| one["in"] == "path").map(|one| one["name"].as_str().unwrap()).collect();
        let captured: BTreeSet<_> =
            operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(in_path, captured, "{} {}", operation.method, operation.path);
        for parameter in parameters {
            assert!(parameter["schema"].is_object(), "{parameter}");
            assert!(parameter["in"] != "path" || parameter["required"] == true, "{parameter}");
        }
        for (status, response) in operation.value["responses"].as_object().unwrap() {
            let named = response["description"].is_string() || response["$ref"].is_string();
            assert!(named, "{} {}: {status} has no description", operation.method, operation.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_described_address_is_there_and_the_contracts_are_described() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.good(200);
    for operation in operations(&document) {
        // Streams do not end; their head says enough.
        let response = server.send(&operation.method, &operation.address(), &[], "").await;
        let status = response.status().as_u16();
        assert_ne!(status, 405, "{} {}", operation.method, operation.path);
        if status == 404 {
            let reply = server.call(&operation.method, &operation.address(), &[], "").await;
            assert_eq!(reply.json()["code"], "not_found", "{} {}", operation.method, operation.path);
        }
    }
    for (method, path) in [
        ("post", "/tasks/schedule"),
        ("post", "/api/v1/tasks"),
        ("get", "/api/v1/tasks"),
        ("get", "/api/v1/tasks/{taskId}/attempts"),
        ("get", "/api/v1/tasks/{taskId}/logs"),
        ("get", "/api/v1/tasks/{taskId}/why"),
        ("post", "/api/v1/tasks/{taskId}/cancel"),
        ("post", "/api/v1/tasks/{taskId}/retry"),
        ("post", "/api/v1/tasks/{taskId}/signal"),
        ("post", "/api/v1/jobs"),
        ("get", "/api/v1/jobs/{jobId}/graph"),
        ("get", "/api/v1/jobs/{jobId}/events"),
        ("get", "/api/v1/jobs/{jobId}/tasks"),
        ("get", "/api/v1/jobs/{jobId}/attempts"),
        ("get", "/api/v1/jobs/{jobId}/tasks/{taskId}/why"),
        ("post", "/api/v1/jobs/{jobId}/rerun"),
        ("post", "/api/v1/jobs/{jobId}/pause"),
        ("post", "/api/v1/jobs/{jobId}/resume"),
        ("put", "/api/v1/definitions/{kind}/{name}"),
        ("post", "/api/v1/definitions/{kind}/{name}/run"),
        ("patch", "/api/v1/queues/{queue}"),
        ("post", "/api/v1/workers/{worker}/drain"),
        ("post", "/api/v1/workers/exchange"),
        ("post", "/api/v1/dead-letters/redrive"),
        ("patch", "/api/v1/dead-letters/{taskId}"),
        ("post", "/api/v1/tasks/bulk"),
        ("post", "/api/v1/jobs/bulk"),
        ("post", "/api/v1/dead-letters/bulk"),
        ("get", "/api/v1/audit"),
        ("get", "/api/v1/events"),
        ("get", "/api/v1/stats"),
        ("get", "/actuator/prometheus"),
    ] {
        assert!(document["paths"][path][method].is_object(), "{method} {path} is not described");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_one_that_its_address_is_described_with() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.good(200);
    let json_type = [("content-type", "application/json"), ("idempotency-key", "")];
    let plain = [("content-type", "text/plain")];
    let foreign = [("origin", "https://evil.example"), ("content-type", "application/json")];
    let mut refusals = 0;
    for operation in operations(&document) {
        let address = operation.address();
        let asked = format!("{address}?nope=1&limit=0");
        let probes: [Probe<'_>; 9] = [
            (&asked, &[], String::new()),
            (&address, &plain, "{}".to_owned()),
            (&address, &json_type, "{".to_owned()),
            (&address, &json_type, "[]".to_owned()),
            (&address, &json_type, "{\"nope\":1,\"type\":7}".to_owned()),
            (&address, &json_type, json!({"action": "nope", "q": "nope:1", "ids": ["x"], "workerId": ""}).to_string()),
            (&address, &json_type[..1], json!({"payload": 1}).to_string()),
            (&address, &json_type[..1], json!({"tasks": ["nowhere"], "concurrency": 1}).to_string()),
            (&address, &foreign, "{}".to_owned()),
        ];
        for (path, headers, body) in probes {
            let response = server.send(&operation.method, path, headers, body.clone()).await;
            let status = response.status().as_u16();
            if status < 400 {
                continue;
            }
            let reply = server.call(&operation.method, path, headers, body.clone()).await;
            let code = reply.json()["code"].as_str().unwrap().to_owned();
            reply.refused(status, &code);
            let described = operation.codes(status);
            assert!(described.contains(&*code), "{} {path} {body}: {status} {code} of {described:?}", operation.method);
            refusals += 1;
        }
    }
    assert!(refusals > 150, "{refusals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_state_refuses_is_described_too() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.good(200);
    server.task(json!({"taskId": "live", "type": "none"})).await;
    server.task(json!({"taskId": "done", "type": "mine"})).await;
    server.job(json!({"jobId": "j", "tasks": {"a": {"type": "none"}}})).await;
    Worker::new(&server, "w1", "mine").complete(json!(null)).await;
    server.ended("/api/v1/tasks/done").await;
    for (method, described, path, body, code) in [
        ("POST", "/api/v1/tasks/{taskId}/cancel", "/api/v1/tasks/done/cancel", json!({}), "wrong_state"),
        ("POST", "/api/v1/tasks/{taskId}/retry", "/api/v1/tasks/done/retry", json!({}), "wrong_state"),
        ("POST", "/api/v1/tasks/{taskId}/signal", "/api/v1/tasks/live/signal", json!({}), "wrong_state"),
        ("DELETE", "/api/v1/tasks/{taskId}", "/api/v1/tasks/live", json!(null), "wrong_state"),
        ("DELETE", "/api/v1/jobs/{jobId}", "/api/v1/jobs/j", json!(null), "wrong_state"),
        ("POST", "/api/v1/jobs/{jobId}/rerun", "/api/v1/jobs/j/rerun", json!({}), "wrong_state"),
        ("POST", "/api/v1/dead-letters/redrive", "/api/v1/dead-letters/redrive", json!({"ids": ["done"]}), "not_dead"),
        ("POST", "/api/v1/dead-letters/discard", "/api/v1/dead-letters/discard", json!({"ids": ["nope"]}), "not_found"),
        ("PATCH", "/api/v1/dead-letters/{taskId}", "/api/v1/dead-letters/done", json!({"payload": 1}), "not_dead"),
        ("POST", "/api/v1/tasks/bulk", "/api/v1/tasks/bulk", json!({"action": "retry", "q": "job:nope"}), "not_found"),
        ("POST", "/api/v1/tasks", "/api/v1/tasks", json!({"taskId": "live", "type": "other"}), "id_taken"),
        ("POST", "/api/v1/jobs", "/api/v1/jobs", json!({"jobId": "j", "tasks": {"b": "true"}}), "id_taken"),
    ] {
        let reply = server.call(method, path, &[("content-type", "application/json")], body.to_string()).await;
        let status = reply.status;
        reply.refused(status, code);
        let operation = operations(&document).into_iter().find(|one| one.method == method && one.path == described);
        let codes = operation.expect(described);
        assert!(codes.codes(status).contains(code), "{method} {described}: {code} of {:?}", codes.codes(status));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_are_a_page_that_needs_nothing_from_elsewhere() {
    let server = Server::start().await;
    let reply = server.get("/docs").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
    let page = reply.text();
    assert!(page.starts_with("<!doctype html>") && page.contains("/openapi.json"), "{page}");
    for elsewhere in ["src=\"http", "href=\"http", "@import", "//cdn"] {
        assert!(!page.contains(elsewhere), "the page loads {elsewhere}");
    }
}
