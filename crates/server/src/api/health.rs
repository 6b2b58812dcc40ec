//! Whether the server lives and can work, for probes and for those used to Spring's actuator.

use axum::http::StatusCode;
use mainspring_protocol::time;
use serde_json::json;

use super::call::{Answer, Call};
use super::cluster::warnings;
use super::reply::{json, ok};
use super::route::{AnswerKind, Route};
use super::{docs, metrics, openapi};

const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn routes() -> Vec<Route> {
    let text = AnswerKind::Text(EXPOSITION);
    vec![
        Route::get("/healthz", "health", "Whether the process lives", |call| Box::pin(alive(call))),
        Route::get("/readyz", "ready", "Whether the node can do its work", |call| Box::pin(ready(call)))
            .answers(AnswerKind::JsonOrUnready),
        Route::get("/metrics", "metrics", "Figures for Prometheus", |call| Box::pin(metrics::get(call))).answers(text),
        Route::get("/actuator/health", "actuatorHealth", "Health in Spring's shape", |call| {
            Box::pin(actuator_health(call))
        })
        .answers(AnswerKind::JsonOrUnready),
        Route::get("/actuator/info", "actuatorInfo", "Build and store in Spring's shape", |call| {
            Box::pin(actuator_info(call))
        }),
        Route::get("/actuator/prometheus", "actuatorPrometheus", "Figures for Prometheus", |call| {
            Box::pin(metrics::get(call))
        })
        .answers(text),
        Route::get("/openapi.json", "openapi", "This description", |call| Box::pin(openapi::get(call))),
        Route::get("/docs", "docs", "This description as a page", |call| Box::pin(docs::get(call)))
            .answers(AnswerKind::Text("text/html; charset=utf-8")),
    ]
}

async fn alive(_call: Call) -> Answer {
    ok(&json!({"status": "ok"}))
}

async fn ready(call: Call) -> Answer {
    let reasons = reasons(&call);
    if reasons.is_empty() {
        let store = &call.api.store;
        let mut view = json!({"status": "ready", "store": store.name, "durability": store.durability.class()});
        let warnings = warnings(&call.api);
        if !warnings.is_empty() {
            view["warnings"] = json!(warnings);
        }
        return ok(&view);
    }
    let reasons: Vec<_> =
        reasons.into_iter().map(|(reason, detail)| json!({"reason": reason, "detail": detail})).collect();
    json(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "not_ready", "reasons": reasons}))
}

fn reasons(call: &Call) -> Vec<(&'static str, String)> {
    let mut reasons = call.api.node.readiness().reasons;
    if call.api.stop.is_cancelled() {
        reasons.push(("stopping", "the server is stopping".to_owned()));
    }
    reasons
}

async fn actuator_health(call: Call) -> Answer {
    let reasons = reasons(&call);
    let (status, word) =
        if reasons.is_empty() { (StatusCode::OK, "UP") } else { (StatusCode::SERVICE_UNAVAILABLE, "OUT_OF_SERVICE") };
    let details: serde_json::Map<_, _> =
        reasons.into_iter().map(|(reason, detail)| (reason.to_owned(), detail.into())).collect();
    let store = &call.api.store;
    json(
        status,
        &json!({"status": word, "components": {
            "node": {"status": word, "details": details},
            "store": {"status": word, "details": {
                "name": store.name, "durability": store.durability.class(), "detail": store.detail,
            }},
        }}),
    )
}

async fn actuator_info(call: Call) -> Answer {
    let store = &call.api.store;
    ok(&json!({
        "build": {"name": "mainspring", "version": env!("CARGO_PKG_VERSION")},
        "store": {"name": store.name, "durability": store.durability.class(), "detail": store.detail},
        "process": {"startedAt": time::format(call.api.started_at)},
    }))
}
