//! The HTTP API: routes, what they read and answer, and how they refuse.
//!
//! [`route`] holds the one table of operations; the router and the OpenAPI description are made from it. A request
//! goes through [`call`] (segments, query parameters, body, each checked), then through its operation, and whatever is
//! refused leaves as `application/problem+json`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use mainspring_protocol::problem::{Code, Problem};

mod address;
mod backfills;
mod body;
mod bulk;
mod call;
mod cluster;
mod codes;
mod config;
mod cursor;
mod dead_letters;
mod definitions;
mod docs;
mod events;
mod graph_collapse;
mod graph_layout;
mod graph_shape;
mod groups;
mod guard;
mod health;
mod history;
pub(crate) mod installed;
mod internal;
mod job_details;
mod jobs;
mod limits;
mod logs;
mod metrics;
mod names;
mod openapi;
mod params;
mod queues;
mod reply;
mod route;
mod schedule_next;
mod schedules;
mod selection;
mod state;
mod stats;
mod stream;
mod submit;
mod task_details;
mod tasks;
mod versions;
mod wait;
mod workers;

pub use openapi::openapi;
pub(crate) use state::Api;

/// Segments below `/api/v1` that are understood, and not built.
const NOT_BUILT: [&str; 3] = ["profiles", "notifications", "tokens"];

/// The router over what nodes ask of each other.
pub(crate) fn internal(api: &Arc<Api>) -> Router {
    internal::router(api).fallback(no_route)
}

/// The router over all operations.
pub(crate) fn router(api: Arc<Api>) -> Router {
    history::keep(&api);
    let mut router = Router::new();
    for route in route::all() {
        let api = Arc::clone(&api);
        let answer = move |request: Request| {
            let api = Arc::clone(&api);
            async move {
                let (head, body) = request.into_parts();
                call::Call::carry_out(api, route, head, body).await.unwrap_or_else(|refused| reply::problem(&refused))
            }
        };
        router = router.route(route.path, on(filter(&route.method), answer));
    }
    router = router.merge(internal::router(&api));
    router.fallback(no_route).method_not_allowed_fallback(no_method)
}

fn filter(method: &Method) -> MethodFilter {
    MethodFilter::try_from(method.clone()).expect("the table uses ordinary methods")
}

async fn no_route(request: Request<Body>) -> Response {
    let (head, _) = request.into_parts();
    if let Some(file) = dashboard(&head) {
        return file;
    }
    let path = head.uri.path();
    let first = path.strip_prefix("/api/v1/").and_then(|rest| rest.split('/').next()).unwrap_or("");
    if NOT_BUILT.contains(&first) {
        return reply::problem(&Problem::new(Code::NotSupportedYet, format!("`/api/v1/{first}` is not built yet")));
    }
    let problem = Problem::new(Code::NoSuchRoute, format!("there is nothing at `{}`", params::cut(path)));
    reply::problem(&problem.with_hint("`/docs` lists every address"))
}

/// A file of the dashboard, behind the same guard as the API.
fn dashboard(head: &Parts) -> Option<Response> {
    let file = crate::dashboard::answer(head)?;
    Some(guard::check(head).map_or_else(|refused| reply::problem(&refused), |()| file))
}

async fn no_method(request: Request<Body>) -> Response {
    let (head, _) = request.into_parts();
    if let Some(file) = dashboard(&head) {
        return file;
    }
    let detail = format!("`{}` does not take {}", params::cut(head.uri.path()), head.method);
    reply::problem(
        &Problem::new(Code::MethodNotAllowed, detail).with_hint("the header `Allow` names the methods it takes"),
    )
}
