//! The internal API: what nodes of one cluster ask of each other. It is not described to clients; every call and every
//! answer is sealed with the cluster's key, and nothing is done before the seal was checked.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::post;

use super::body;
use super::reply::{problem, with_type};
use super::state::Api;
use crate::node::{CLUSTER_ROOT, Inside, SEAL};

/// Bytes of one call: a worker's exchange may bring the large limit, and is passed on with a little around it.
const BYTES_EXTRA: usize = 1 << 20;

/// The routes, for nodes only.
pub(crate) fn router(api: &Arc<Api>) -> Router {
    let (api, inside) = (Arc::clone(api), Arc::new(api.node.inside()));
    let answer = move |request: Request| {
        let (api, inside) = (Arc::clone(&api), Arc::clone(&inside));
        async move { answer(&api, &inside, request).await }
    };
    Router::new().route(&format!("{CLUSTER_ROOT}{{*call}}"), post(answer))
}

async fn answer(api: &Api, inside: &Inside, request: Request<Body>) -> Response {
    let limits = api.limits();
    let bytes_max = limits.submit_bytes_max + BYTES_EXTRA;
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let body = match body::read(body, &head.headers, bytes_max, &limits, &api.bytes_in_flight).await {
        Ok(body) => body,
        Err(refused) => return problem(&refused),
    };
    let admitted = inside.admit(head.method.as_str(), path, &head.headers, &body);
    let (key, nonce) = match admitted {
        Ok(admitted) => admitted,
        Err(turned) => {
            tracing::warn!(reason = turned.reason, path, "a call was refused: it is not from a node of this cluster");
            return sealed(turned.status, turned.reason.into_bytes(), turned.seal);
        }
    };
    let (status, body) = inside.answer(path, &body).await;
    let seal = Inside::seal(&key, &nonce, status, &body);
    sealed(status, body, Some(seal))
}

fn sealed(status: u16, body: Vec<u8>, seal: Option<String>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = with_type(status, "application/octet-stream", body);
    if let Some(seal) = seal {
        response.headers_mut().insert(SEAL, HeaderValue::from_str(&seal).expect("a seal is hex digits"));
    }
    response
}
