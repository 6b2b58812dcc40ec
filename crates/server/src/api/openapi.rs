//! The OpenAPI 3.1 description, made from the route table and the schemas of the wire types.

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use mainspring_core::limits::{BATCH_TASKS_MAX, NAME_CHARS_MAX};
use mainspring_protocol::problem::{self, Code, Problem};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::call::Answer;
use super::call::Call;
use super::codes;
use super::params::USER_ID;
use super::reply::with_type;
use super::route::{self, AnswerKind, BodyKind, Param, Route};

/// The OpenAPI 3.1 description of the API.
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in route::all() {
        let operation = operation(route, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    let problem = schemas.subschema_for::<Problem>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Mainspring",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A durable scheduler of tasks and of jobs, which are graphs of tasks.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "responses": {
                "Problem": {
                    "description": "Refused; `code` says why, `errors` where.",
                    "content": {problem::MEDIA_TYPE: {"schema": problem}},
                },
            },
        },
    })
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = route
        .segments()
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let tenant = route.is_versioned().then_some(USER_ID);
    parameters.extend(route.query.iter().chain(tenant.as_ref()).map(parameter));
    if route.status == 201 || route.body == BodyKind::Tasks {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "minLength": 1, "maxLength": NAME_CHARS_MAX},
            "description": "The same key and body again gives the same answer; another body is refused with 409.",
        }));
    }
    let good = StatusCode::from_u16(route.status).ok().and_then(|status| status.canonical_reason()).unwrap_or("OK");
    let mut operation = json!({
        "operationId": route.operation,
        "tags": [route.tag()],
        "summary": route.summary,
        "responses": {
            route.status.to_string(): answer(route, good, schemas),
            "default": {"$ref": "#/components/responses/Problem"},
        },
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = request_body(route, schemas) {
        operation["requestBody"] = body;
    }
    for (status, codes) in codes::by_status(route) {
        operation["responses"][status.to_string()] = refusal(&codes);
    }
    if let AnswerKind::JsonOrUnready = route.answer {
        operation["responses"]["503"] = answer(route, "Not ready; `reasons` say why.", schemas);
    }
    if route.takes_batches() {
        operation["responses"]["200"] = json!({
            "description": "A batch: one result or problem per item, in order.",
            "content": {"application/json": {"schema": route::schema::<super::submit::BatchView>()(schemas)}},
        });
    }
    operation
}

/// The refusals of one status; `x-codes` names them for programs, the description for people.
fn refusal(codes: &BTreeSet<Code>) -> Value {
    let words: Vec<&str> = codes.iter().map(|code| code.word()).collect();
    let described: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.word(), code.title())).collect();
    json!({
        "description": described.join("; "),
        "content": {problem::MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        "x-codes": words,
    })
}

fn parameter(param: &Param) -> Value {
    json!({"name": param.name, "in": "query", "description": param.about, "schema": {"type": param.kind}})
}

fn request_body(route: &Route, schemas: &mut SchemaGenerator) -> Option<Value> {
    let schema = route.request.map_or_else(|| json!({"type": "object"}), |schema| schema(schemas).to_value());
    let one = json!({"schema": schema});
    let content = match route.body {
        BodyKind::None => return None,
        BodyKind::OptionalJson if route.request.is_none() => return None,
        BodyKind::OptionalJson | BodyKind::Json | BodyKind::Exchange => json!({"application/json": one}),
        BodyKind::Document => json!({"application/json": one, "application/yaml": one}),
        BodyKind::Tasks if !route.takes_batches() => json!({"application/json": one}),
        BodyKind::Tasks => json!({
            "application/json": {"schema": {"oneOf": [schema, {
                "type": "array", "items": schema, "maxItems": BATCH_TASKS_MAX,
            }]}},
            "application/x-ndjson": one,
        }),
    };
    Some(json!({"required": route.body != BodyKind::OptionalJson, "content": content}))
}

fn answer(route: &Route, description: &str, schemas: &mut SchemaGenerator) -> Value {
    let events = json!({"schema": {"type": "string"}});
    let content = match route.answer {
        AnswerKind::Nothing => return json!({"description": description}),
        AnswerKind::Json(schema) => json!({"application/json": {"schema": schema(schemas)}}),
        AnswerKind::AnyJson | AnswerKind::JsonOrUnready => json!({"application/json": {"schema": {}}}),
        AnswerKind::Events => json!({"text/event-stream": events}),
        AnswerKind::JsonOrEvents(schema) => {
            json!({"application/json": {"schema": schema(schemas)}, "text/event-stream": events})
        }
        AnswerKind::Text(media_type) => json!({media_type: {"schema": {"type": "string"}}}),
    };
    json!({"description": description, "content": content})
}

/// `GET /openapi.json`
pub(crate) async fn get(_call: Call) -> Answer {
    static TEXT: LazyLock<Bytes> =
        LazyLock::new(|| serde_json::to_vec(&openapi()).expect("the description serializes").into());
    let response: Response = with_type(StatusCode::OK, "application/json", TEXT.clone());
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_the_description_leads_somewhere() {
        let document = openapi();
        let text = document.to_string();
        for rest in text.split("\"$ref\":\"#").skip(1) {
            let pointer = rest.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "`#{pointer}` leads nowhere");
        }
    }

    #[test]
    fn every_operation_has_an_id_of_its_own_and_a_summary() {
        let mut ids = BTreeSet::new();
        for route in route::all() {
            assert!(ids.insert(route.operation), "`{}` is used twice", route.operation);
            assert!(!route.summary.is_empty(), "{}", route.path);
        }
    }
    #[test]
    fn a_body_of_tasks_is_one_task_or_an_array_of_them_and_not_both() {
        let document = openapi();
        let of = |path: &str| {
            document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"].clone()
        };
        let task = json!({"$ref": "#/components/schemas/Task"});
        assert_eq!(of("/tasks/schedule"), task);
        let either = of("/api/v1/tasks");
        assert_eq!((&either["oneOf"][0], &either["oneOf"][1]["items"]), (&task, &task));
        assert_eq!(either["oneOf"][1]["type"], "array");
        assert_eq!(document["components"]["schemas"]["Task"]["type"], "object");
    }

    #[test]
    fn a_node_that_is_not_ready_says_so_in_json() {
        let unready = &openapi()["paths"]["/readyz"]["get"]["responses"]["503"];
        assert!(unready["content"]["application/json"].is_object(), "{unready}");
    }
}
