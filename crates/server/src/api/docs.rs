//! `/docs`: one page that renders the OpenAPI description; it loads nothing from anywhere else.

use axum::http::{HeaderName, HeaderValue, StatusCode};

use super::call::{Answer, Call};
use super::reply::with_type;

const PAGE: &str = include_str!("docs.html");
/// Nothing but what the page itself carries, and the description.
const POLICY: &str = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /docs`
pub(crate) async fn get(_call: Call) -> Answer {
    let mut response = with_type(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    response.headers_mut().insert(HeaderName::from_static("content-security-policy"), HeaderValue::from_static(POLICY));
    Ok(response)
}
