//! The connection: addresses, headers, and how an answer becomes a value or an [`Error`].

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use mainspring_protocol::exchange::{ExchangeReply, ExchangeRequest};
use mainspring_protocol::problem::Problem;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take, beyond what the call itself asks the server to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Media type of JSON.
pub(crate) const JSON: &str = "application/json";

/// A client of one server. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    base: Url,
    tenant: Option<String>,
}

/// One call, before it is sent.
#[derive(Debug, Default)]
pub(crate) struct Call<'a> {
    /// Segments below `/api/v1`.
    pub path: Vec<&'a str>,
    /// Query parameters.
    pub query: Vec<(&'static str, String)>,
    /// More headers.
    pub headers: Vec<(HeaderName, String)>,
    /// The body and its media type.
    pub body: Option<(Vec<u8>, &'static str)>,
    /// How long the server may hold the answer back on purpose.
    pub wait: Duration,
    /// Whether the answer has no end.
    pub endless: bool,
}

impl Client {
    /// A client of the server at `base_url` (`http://127.0.0.1:7070`, with or without a path), with a bearer token if
    /// the server asks for one. Opens no connection yet.
    ///
    /// # Errors
    /// [`Error::Address`] if `base_url` is not an `http` or `https` URL, or the token cannot stand in a header.
    pub fn new(base_url: &str, token: Option<String>) -> Result<Self, Error> {
        let address = |reason: String| Error::Address { address: base_url.to_owned(), reason };
        let base = Url::parse(base_url).map_err(|error| address(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(address("it must start with http:// or https://".to_owned()));
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| address("the token has characters that a header cannot carry".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let builder = reqwest::Client::builder()
            .user_agent(concat!("mainspring/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT);
        let builder = if base.scheme() == "https" { with_system_roots(builder) } else { without_tls(builder) };
        let http = builder.build().map_err(|error| address(chain(&error)))?;
        Ok(Self { http, base, tenant: None })
    }

    /// The same client, asking about this tenant (`userId`) only.
    #[must_use]
    pub fn for_tenant(mut self, tenant: Option<String>) -> Self {
        self.tenant = tenant;
        self
    }

    /// The server's address, without a slash at its end.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// One turn of a worker: outcomes, renewals and capacity up; grants, cancels and a directive down. Returns when the
    /// server has something to say or after `waitMs`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn exchange(&self, request: &ExchangeRequest) -> Result<ExchangeReply, Error> {
        let wait = Duration::from_millis(request.wait_ms);
        let body = Some((self.encode(request)?, JSON));
        self.call(Method::POST, Call { path: vec!["workers", "exchange"], body, wait, ..Call::default() }).await
    }

    /// Reads `path` below `/api/v1`.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: Vec<&str>,
        query: Vec<(&'static str, String)>,
    ) -> Result<T, Error> {
        self.call(Method::GET, Call { path, query, ..Call::default() }).await
    }

    /// Sends a JSON body to `path` below `/api/v1`.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: Vec<&str>, body: &impl Serialize) -> Result<T, Error> {
        let body = Some((self.encode(body)?, JSON));
        self.call(Method::POST, Call { path, body, ..Call::default() }).await
    }

    /// Makes a call and reads its answer. An empty answer reads as JSON `null`.
    pub(crate) async fn call<T: DeserializeOwned>(&self, method: Method, call: Call<'_>) -> Result<T, Error> {
        let response = self.send(method, call).await?;
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let bytes = if bytes.is_empty() { b"null".as_slice() } else { &bytes };
        serde_json::from_slice(bytes).map_err(|error| self.decode(error.to_string()))
    }

    /// Makes a call; gives the response once its head is there and says success.
    pub(crate) async fn send(&self, method: Method, call: Call<'_>) -> Result<Response, Error> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(&call.path);
        }
        self.send_to(method, url, call).await
    }

    async fn send_to(&self, method: Method, mut url: Url, call: Call<'_>) -> Result<Response, Error> {
        let tenant = self.tenant.as_ref().map(|tenant| ("userId", tenant));
        if !call.query.is_empty() || tenant.is_some() {
            url.query_pairs_mut()
                .extend_pairs(call.query.iter().map(|(name, value)| (*name, value)))
                .extend_pairs(tenant);
        }
        let mut request = self.http.request(method, url).header(ACCEPT, "application/json, application/problem+json");
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        if let Some((body, media_type)) = call.body {
            request = request.header(CONTENT_TYPE, media_type).body(body);
        }
        if !call.endless {
            request = request.timeout(ANSWER_TIMEOUT.saturating_add(call.wait));
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response).await) }
    }

    async fn refusal(&self, response: Response) -> Error {
        let status = response.status();
        match response.bytes().await {
            Err(error) => self.unreachable(&error),
            Ok(bytes) => match serde_json::from_slice::<Problem>(&bytes) {
                Ok(problem) => Error::Problem(Box::new(problem)),
                Err(_) => self.decode(format!("status {status} without a problem document")),
            },
        }
    }

    pub(crate) fn encode(&self, value: &impl Serialize) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(value).map_err(|error| self.decode(format!("the request cannot be written: {error}")))
    }

    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> Error {
        if error.is_decode() {
            return self.decode(chain(error));
        }
        Error::Unreachable { address: self.address().to_owned(), reason: chain(error) }
    }

    pub(crate) fn decode(&self, reason: String) -> Error {
        Error::Decode { address: self.address().to_owned(), reason }
    }
}

/// TLS with the roots of the operating system. Loading them takes some milliseconds, so only `https` pays for it.
fn with_system_roots(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    // A provider that somebody installed before is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder
}

/// A TLS setting that trusts nobody, for a client that never speaks TLS.
fn without_tls(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions of TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    builder.tls_backend_preconfigured(config)
}

/// The causes of an error, outermost first, without the URL and without repeats.
fn chain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        cause = error.source();
    }
    if error.is_timeout() {
        parts.insert(0, "no answer in time".to_owned());
    }
    if parts.is_empty() { error.to_string() } else { parts.join(": ") }
}
