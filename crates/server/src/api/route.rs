//! The route table: one list from which the router and the OpenAPI description are both made.

use std::sync::LazyLock;

use axum::http::Method;
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::call::{Answer, Call};

/// What carries a call out.
pub(crate) type Run = fn(Call) -> BoxFuture<'static, Answer>;
/// Names a type's schema among the components.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One operation of the API.
#[derive(Debug)]
pub(crate) struct Route {
    pub method: Method,
    /// With `{name}` for each captured segment.
    pub path: &'static str,
    /// The OpenAPI `operationId`, unique.
    pub operation: &'static str,
    /// One line.
    pub summary: &'static str,
    pub run: Run,
    /// Query parameters that it takes, beside `userId`, which every operation below `/api/v1` takes.
    pub query: Vec<Param>,
    pub body: BodyKind,
    pub request: Option<SchemaOf>,
    /// The status of its good answer.
    pub status: u16,
    pub answer: AnswerKind,
}

/// A query parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    pub name: &'static str,
    /// Its JSON Schema type.
    pub kind: &'static str,
    pub about: &'static str,
}

/// What an operation reads of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    /// Nothing.
    None,
    /// JSON, up to the small limit; may be left out.
    OptionalJson,
    /// JSON, up to the small limit.
    Json,
    /// JSON or NDJSON, up to the large limit.
    Tasks,
    /// JSON or YAML, up to the large limit.
    Document,
    /// The worker's JSON, up to the large limit: outputs and logs travel in it.
    Exchange,
}

/// What an operation answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AnswerKind {
    /// JSON of this schema.
    Json(SchemaOf),
    /// JSON without a schema of ours.
    AnyJson,
    /// The same, of status 503 where the node cannot do its work.
    JsonOrUnready,
    /// Server-sent events.
    Events,
    /// JSON of this schema, or server-sent events with `?follow=true`.
    JsonOrEvents(SchemaOf),
    /// Text of this media type.
    Text(&'static str),
    /// No body.
    Nothing,
}

/// The schema of `T`.
pub(crate) fn schema<T: JsonSchema>() -> SchemaOf {
    SchemaGenerator::subschema_for::<T>
}

impl Route {
    fn new(method: Method, path: &'static str, operation: &'static str, summary: &'static str, run: Run) -> Self {
        Self {
            method,
            path,
            operation,
            summary,
            run,
            query: Vec::new(),
            body: BodyKind::None,
            request: None,
            status: 200,
            answer: AnswerKind::AnyJson,
        }
    }

    pub(crate) fn get(path: &'static str, operation: &'static str, summary: &'static str, run: Run) -> Self {
        Self::new(Method::GET, path, operation, summary, run)
    }

    pub(crate) fn post(path: &'static str, operation: &'static str, summary: &'static str, run: Run) -> Self {
        Self { body: BodyKind::OptionalJson, ..Self::new(Method::POST, path, operation, summary, run) }
    }

    pub(crate) fn put(path: &'static str, operation: &'static str, summary: &'static str, run: Run) -> Self {
        Self { body: BodyKind::Document, ..Self::new(Method::PUT, path, operation, summary, run) }
    }

    pub(crate) fn patch(path: &'static str, operation: &'static str, summary: &'static str, run: Run) -> Self {
        Self { body: BodyKind::Json, ..Self::new(Method::PATCH, path, operation, summary, run) }
    }

    pub(crate) fn delete(path: &'static str, operation: &'static str, summary: &'static str, run: Run) -> Self {
        Self { status: 204, answer: AnswerKind::Nothing, ..Self::new(Method::DELETE, path, operation, summary, run) }
    }

    /// Takes these query parameters too.
    pub(crate) fn query(mut self, params: &[Param]) -> Self {
        self.query.extend_from_slice(params);
        self
    }

    /// Reads this kind of body, described by the schema of `T`.
    pub(crate) fn reads<T: JsonSchema>(self, body: BodyKind) -> Self {
        self.reads_as(body, schema::<T>())
    }

    /// Reads this kind of body, described by this schema.
    pub(crate) fn reads_as(mut self, body: BodyKind, schema: SchemaOf) -> Self {
        self.body = body;
        self.request = Some(schema);
        self
    }

    /// Whether its body may hold several tasks.
    pub(crate) fn takes_batches(&self) -> bool {
        self.body == BodyKind::Tasks && self.is_versioned()
    }

    /// Answers JSON of `T`.
    pub(crate) fn gives<T: JsonSchema>(mut self) -> Self {
        self.answer = AnswerKind::Json(schema::<T>());
        self
    }

    /// Answers 201.
    pub(crate) fn created(mut self) -> Self {
        self.status = 201;
        self
    }

    pub(crate) fn answers(mut self, answer: AnswerKind) -> Self {
        self.answer = answer;
        self
    }

    /// The names of the captured segments.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Whether it lies below `/api/v1`.
    pub(crate) fn is_versioned(&self) -> bool {
        self.path.starts_with("/api/v1/")
    }

    /// The group it is shown under: the segment after `/api/v1`.
    pub(crate) fn tag(&self) -> &'static str {
        if self.path == "/tasks/schedule" {
            return "tasks";
        }
        self.path.strip_prefix("/api/v1/").map_or("operations", |rest| rest.split('/').next().unwrap_or(rest))
    }
}

/// Every operation.
pub(crate) fn all() -> &'static [Route] {
    static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
        let mut routes = Vec::new();
        routes.extend(super::submit::routes());
        routes.extend(super::tasks::routes());
        routes.extend(super::task_details::routes());
        routes.extend(super::groups::routes());
        routes.extend(super::jobs::routes());
        routes.extend(super::job_details::routes());
        routes.extend(super::graph_layout::routes());
        routes.extend(super::definitions::routes());
        routes.extend(super::versions::routes());
        routes.extend(super::schedules::routes());
        routes.extend(super::queues::routes());
        routes.extend(super::limits::routes());
        routes.extend(super::workers::routes());
        routes.extend(super::cluster::routes());
        routes.extend(super::config::routes());
        routes.extend(super::dead_letters::routes());
        routes.extend(super::events::routes());
        routes.extend(super::stats::routes());
        routes.extend(super::history::routes());
        routes.extend(super::health::routes());
        routes
    });
    &ROUTES
}
