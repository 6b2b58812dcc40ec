//! Runs `http` tasks: one request (and its redirects), judged by its status.

mod answer;

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mainspring_protocol::exchange::GrantMessage;
use mainspring_protocol::submit::HttpRequest;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, StatusCode, Url};

use super::guard::{Forbidden, Guard};
use super::{Seat, duration};
use crate::attempt::AttemptEnd;
use crate::config::HttpConfig;
use crate::random;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request may take if neither it nor its task says so.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Redirects followed.
const REDIRECTS_MAX: usize = 5;

/// Calls for `http` tasks; connections are kept for the next.
pub(crate) struct Caller {
    client: Client,
    guard: Guard,
}

/// One request to make.
struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<String>,
}

impl Caller {
    pub(crate) fn new(config: &HttpConfig) -> Result<Self, String> {
        // Another part of the program may have chosen a provider already; that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Guard::new(config)?;
        let client = Client::builder()
            .dns_resolver(Arc::new(guard.clone()))
            // Each redirect is checked here, and a proxy would resolve names unchecked.
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("mainspring/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("cannot make an HTTP client: {error}"))?;
        Ok(Self { client, guard })
    }

    /// Sends it and follows its redirects.
    async fn send(&self, mut request: Request) -> Result<reqwest::Response, AttemptEnd> {
        for _ in 0..=REDIRECTS_MAX {
            self.check(&request.url)?;
            let mut call = self.client.request(request.method.clone(), request.url.clone());
            call = call.headers(request.headers.clone());
            if let Some(body) = &request.body {
                call = call.body(body.clone());
            }
            let answer = call.send().await.map_err(|error| unreached(&error))?;
            match redirected(&answer, &mut request) {
                Some(result) => result?,
                None => return Ok(answer),
            }
        }
        Err(AttemptEnd::failure("http_redirects", format!("more than {REDIRECTS_MAX} redirects")).retryable(false))
    }

    /// Addresses written as numbers never reach the resolver.
    fn check(&self, url: &Url) -> Result<(), AttemptEnd> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad(format!("`{}` is not an http or https address", url.as_str())));
        }
        let host = url.host_str().ok_or_else(|| bad("the address has no host"))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => self.guard.check(host, &[address]).map_err(|refusal| forbidden(&refusal)),
            Err(_) => Ok(()),
        }
    }
}

/// Runs the attempt; timeouts and orders are watched around it.
pub(super) async fn run(caller: Arc<Caller>, seat: Seat) -> AttemptEnd {
    let (request, wish) = match prepare(&seat.grant) {
        Ok(prepared) => prepared,
        Err(end) => return end,
    };
    let limit = duration(wish.timeout)
        .or(if seat.grant.timeout.is_some() { None } else { Some(REQUEST_TIMEOUT) })
        .unwrap_or(Duration::from_secs(30 * 86_400));
    let call = async {
        match caller.send(request).await {
            Ok(answer) => answer::judge(answer, &wish.success_status, &seat.feed).await,
            Err(end) => end,
        }
    };
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| AttemptEnd::timeout(limit))
}

fn prepare(grant: &GrantMessage) -> Result<(Request, HttpRequest), AttemptEnd> {
    let text = grant.http.as_ref().ok_or_else(|| bad("an `http` task needs `http`"))?.get();
    let wish: HttpRequest = serde_json::from_str(text).map_err(|error| bad(format!("`http` does not fit: {error}")))?;
    let url = Url::parse(&wish.url).map_err(|error| bad(format!("`{}` is not an address: {error}", wish.url)))?;
    let mut headers = own_headers(grant);
    for (name, value) in &wish.headers {
        let name: HeaderName = name.parse().map_err(|_| bad(format!("`{name}` is not a header's name")))?;
        let value =
            HeaderValue::from_str(value).map_err(|_| bad(format!("the value of header `{name}` is invalid")))?;
        headers.insert(name, value);
    }
    let body = match (&wish.json, &wish.body) {
        (Some(json), _) => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Some(json.get().to_owned())
        }
        (None, body) => body.clone(),
    };
    let default = if body.is_some() { Method::POST } else { Method::GET };
    let method = match &wish.method {
        Some(method) => method.to_ascii_uppercase().parse().map_err(|_| bad(format!("`{method}` is not a method")))?,
        None => default,
    };
    Ok((Request { method, url, headers, body }, wish))
}

/// What every executor hands over; the task's own headers win.
fn own_headers(grant: &GrantMessage) -> HeaderMap {
    let own = [
        ("mainspring-task-id", Some(grant.task_id.clone())),
        ("mainspring-job-id", grant.job_id.clone()),
        ("mainspring-attempt", Some(grant.attempt.to_string())),
        ("mainspring-token", Some(grant.token.clone())),
        ("mainspring-fence", Some(grant.fence.to_string())),
        ("traceparent", Some(grant.traceparent.clone().unwrap_or_else(random::traceparent))),
    ];
    let valid = |(name, value): (&'static str, Option<String>)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(&value?).ok()?))
    };
    own.into_iter().filter_map(valid).collect()
}

/// Turns the request into the one that a redirect asks for; `None` if the answer is none.
fn redirected(answer: &reqwest::Response, request: &mut Request) -> Option<Result<(), AttemptEnd>> {
    let status = answer.status();
    let follows = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = answer.headers().get(LOCATION).filter(|_| follows)?;
    let target = location.to_str().ok().and_then(|location| request.url.join(location).ok());
    let Some(target) = target else { return Some(Err(bad("redirected to something that is not an address"))) };
    let rewrites = status == StatusCode::SEE_OTHER && request.method != Method::HEAD
        || matches!(status.as_u16(), 301 | 302) && request.method == Method::POST;
    if rewrites {
        (request.method, request.body) = (Method::GET, None);
        request.headers.remove(CONTENT_TYPE);
    }
    if target.origin() != request.url.origin() {
        // Credentials are for the host they were written for.
        for secret in [AUTHORIZATION, COOKIE, HeaderName::from_static("mainspring-token")] {
            request.headers.remove(secret);
        }
    }
    request.url = target;
    Some(Ok(()))
}

fn unreached(error: &reqwest::Error) -> AttemptEnd {
    let mut cause = error.source();
    let mut words = error.to_string();
    while let Some(inner) = cause {
        if let Some(refusal) = inner.downcast_ref::<Forbidden>() {
            return forbidden(refusal);
        }
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    AttemptEnd::failure("http_unreachable", words)
}

fn forbidden(refusal: &Forbidden) -> AttemptEnd {
    AttemptEnd::failure("http_forbidden_address", refusal.to_string()).retryable(false)
}

fn bad(message: impl Into<String>) -> AttemptEnd {
    AttemptEnd::failure("bad_task", message).retryable(false)
}
