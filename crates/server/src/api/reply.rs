//! Answers: JSON, text, problems.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use mainspring_protocol::problem::{self, Code, Problem};
use mainspring_store::Error;
use serde::Serialize;

use super::call::{Answer, Refused};
use crate::node::CallError;

/// JSON of `value`.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let mut bytes = Vec::with_capacity(512);
    serde_json::to_writer(&mut bytes, value).map_err(|error| internal(&error))?;
    Ok(json_bytes(status, bytes))
}

/// JSON of `value`, 200.
pub(crate) fn ok(value: &impl Serialize) -> Answer {
    json(StatusCode::OK, value)
}

/// JSON text that was written already.
pub(crate) fn json_bytes(status: StatusCode, bytes: Vec<u8>) -> Response {
    with_type(status, "application/json", bytes)
}

/// Text of any type.
pub(crate) fn with_type(status: StatusCode, media_type: &'static str, bytes: impl Into<Body>) -> Response {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 204.
pub(crate) fn nothing() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A refusal.
pub(crate) fn problem(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = serde_json::to_vec(problem).expect("a problem serializes");
    let mut response = with_type(status, problem::MEDIA_TYPE, bytes);
    if let Some(ms) = problem.retry_after_ms {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000).max(1)));
    }
    response
}

/// A fault of ours: the log gets the reason, the client does not.
pub(crate) fn internal(error: &dyn std::fmt::Display) -> Refused {
    tracing::error!(%error, "a request failed for a fault of the server");
    Box::new(Problem::new(Code::Internal, "the server failed; its log has the details"))
}

/// What a call of the node that was not carried out is answered with.
pub(crate) fn not_called(error: CallError) -> Refused {
    Box::new(match error {
        CallError::Refused(refusal) => Problem::from(&refusal),
        CallError::Overloaded { retry_after_ms } => {
            Problem::new(Code::Overloaded, "more work is waiting than fits").retry_after_ms(retry_after_ms)
        }
        CallError::OutcomeUnknown => Problem::new(Code::OutcomeUnknown, error.to_string())
            .with_hint("repeat the request with the same id or Idempotency-Key")
            .retry_after_ms(1_000),
        CallError::Stopped => Problem::new(Code::Stopping, error.to_string()).retry_after_ms(1_000),
        CallError::Invalid(detail) => Problem::new(Code::InvalidValue, detail),
        CallError::WorkerIdInUse(_) => Problem::new(Code::WorkerIdInUse, error.to_string())
            .with_hint("give each worker process a `workerId` of its own"),
        CallError::Unavailable(_) => Problem::new(Code::StoreUnavailable, error.to_string()).retry_after_ms(1_000),
    })
}

/// What a read that failed is answered with.
pub(crate) fn not_read(error: Error) -> Refused {
    match error {
        Error::Unavailable(_) => {
            tracing::warn!(%error, "the store was not available for a read");
            Box::new(Problem::new(Code::StoreUnavailable, error.to_string()).retry_after_ms(1_000))
        }
        Error::Conflict(_) | Error::Corrupt(_) | Error::Incompatible(_) => internal(&error),
    }
}
