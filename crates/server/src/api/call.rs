//! One request on its way to its operation: captured segments, query parameters and body, each checked.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use mainspring_core::id::Name;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::submit::parse_idempotency_key;

use super::body::{self, Bytes};
use super::guard;
use super::params::Params;
use super::route::{BodyKind, Route};
use super::state::Api;

/// Why a request was refused.
pub(crate) type Refused = Box<Problem>;
/// What an operation gives back.
pub(crate) type Answer = Result<Response, Refused>;

/// A refusal with this code.
pub(crate) fn refuse(code: Code, detail: impl Into<String>) -> Refused {
    Box::new(Problem::new(code, detail))
}

/// One request.
pub(crate) struct Call {
    pub api: Arc<Api>,
    pub route: &'static Route,
    pub headers: HeaderMap,
    pub params: Params,
    segments: Option<RawPathParams>,
    /// Behind a lock only because a body cannot be shared between threads; never contended.
    body: Mutex<Body>,
}

impl Call {
    /// Checks everything that does not depend on the operation, then carries it out.
    pub(crate) async fn carry_out(
        api: Arc<Api>,
        route: &'static Route,
        mut head: Parts,
        body: Body,
    ) -> Result<Response, Refused> {
        guard::check(&head)?;
        let segments = if route.path.contains('{') {
            let segments = RawPathParams::from_request_parts(&mut head, &()).await;
            Some(segments.map_err(|_| refuse(Code::InvalidPath, "the path is not UTF-8 once its escapes are read"))?)
        } else {
            None
        };
        let params = Params::read(route, head.uri.query())?;
        let call = Self { api, route, headers: head.headers, params, segments, body: Mutex::new(body) };
        (route.run)(call).await
    }

    /// A captured segment, percent-decoded.
    pub(crate) fn segment(&self, name: &str) -> &str {
        let segments = self.segments.as_ref().expect("the route has captured segments");
        segments.iter().find(|(key, _)| *key == name).map(|(_, value)| value).expect("the route captures this segment")
    }

    /// The tenant that the caller asks about; `None`: any.
    pub(crate) fn tenant(&self) -> Option<Name> {
        self.params.text("userId").map(Name::from)
    }

    /// Who asks, for the audit.
    pub(crate) fn actor(&self) -> Name {
        // There is no authentication yet: everybody is the same.
        Name::from("anonymous")
    }

    /// Reads the whole body within the limit of the route.
    pub(crate) async fn read(&mut self) -> Result<Bytes, Refused> {
        let limits = &*self.api.limits();
        let max = match self.route.body {
            BodyKind::Tasks | BodyKind::Document | BodyKind::Exchange => limits.submit_bytes_max,
            BodyKind::None | BodyKind::OptionalJson | BodyKind::Json => limits.body_bytes_max,
        };
        let body = std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner));
        body::read(body, &self.headers, max, limits, &self.api.bytes_in_flight).await
    }

    /// Reads a JSON body. An empty one reads as `T::default()` where the route allows it.
    pub(crate) async fn json<T: serde::de::DeserializeOwned + Default>(&mut self) -> Result<T, Refused> {
        let bytes = self.read().await?;
        let optional = self.route.body == BodyKind::OptionalJson;
        if optional && bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(T::default());
        }
        self.media_type(&["application/json"])?;
        Ok(mainspring_protocol::decode::from_slice(&bytes)?)
    }

    /// The position in `known` of the body's media type; a body without one counts as the first.
    pub(crate) fn media_type(&self, known: &[&str]) -> Result<usize, Refused> {
        let Some(header) = self.headers.get("content-type") else { return Ok(0) };
        let text = header.to_str().unwrap_or("");
        let essence = text.split(';').next().unwrap_or("").trim();
        known.iter().position(|known| known.eq_ignore_ascii_case(essence)).ok_or_else(|| {
            let detail = format!("`{}` is not read here", essence.chars().take(100).collect::<String>());
            Box::new(
                Problem::new(Code::UnsupportedMediaType, detail)
                    .with_hint(format!("send it with `Content-Type: {}`", known.join("` or `"))),
            )
        })
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &'static str) -> Result<Option<&str>, Refused> {
        let Some(value) = self.headers.get(name) else { return Ok(None) };
        let text =
            value.to_str().map_err(|_| refuse(Code::InvalidHeader, format!("the header `{name}` is not ASCII")))?;
        Ok(Some(text))
    }

    /// The `Idempotency-Key`, if one was sent.
    pub(crate) fn idempotency_key(&self) -> Result<Option<Name>, Refused> {
        let Some(key) = self.header("idempotency-key")? else { return Ok(None) };
        Ok(Some(parse_idempotency_key(key.trim().trim_matches('"').as_bytes())?))
    }

    /// Runs `work` unless the server is told to stop first.
    pub(crate) async fn unless_stopping<T>(&self, work: impl Future<Output = T>) -> Result<T, Refused> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.api.stop.cancelled() => {
                Err(Box::new(Problem::new(Code::Stopping, "the server is stopping").retry_after_ms(1_000)))
            }
        }
    }
}
