//! The side that asks.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Frame, SizeHint};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{AT, Key, NONCE, Nonce, SEAL, answer_hash, parse_seal, seal_request};
use crate::clock::Clock;

/// How long an unused connection is kept: shorter than any server of ours keeps it, so that a call seldom meets one that
/// is just being closed.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Characters of a peer's own words in an error.
const WORDS_MAX: usize = 300;

/// Why a call brought no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerError {
    /// Nothing reached the peer.
    #[error("failed to reach the peer: {0}")]
    NotSent(String),
    /// It may have been carried out: the call was cut off or timed out, or what came back is not the peer's answer.
    #[error("failed to hear the peer's answer: {0}")]
    Lost(String),
    /// The peer would not listen; nothing was carried out.
    #[error("the peer refused to listen: {0}")]
    Refused(String),
}

/// Calls to other nodes, over connections that are kept for the next call.
#[derive(Debug)]
pub(crate) struct Peers {
    client: Client<HttpConnector, Watched>,
    clock: Arc<dyn Clock>,
}

impl Peers {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { client, clock }
    }

    /// Sends a POST to `{address}{path}`; the answer's body once its seal was checked. Dropping the future closes the
    /// connection.
    ///
    /// # Errors
    /// [`PeerError`] says what is known of the request's fate.
    pub(crate) async fn call(
        &self,
        key: &Key,
        address: &str,
        path: &str,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Bytes, PeerError> {
        let nonce = Nonce::draw().map_err(|error| PeerError::NotSent(format!("no random number: {error}")))?;
        let at_ms = self.clock.wall_ms();
        let seal = seal_request(key, "POST", path, at_ms, nonce, &body);
        let sending = Arc::new(Sending::of(&body));
        let body = Watched { body: Full::new(body.into()), sending: Arc::clone(&sending) };
        let request = Request::post(format!("{}{path}", address.trim_end_matches('/')))
            .header(header::CONTENT_TYPE, "application/json")
            .header(SEAL, seal.to_hex().as_str())
            .header(NONCE, nonce.to_string())
            .header(AT, at_ms)
            .body(body)
            .map_err(|error| PeerError::NotSent(format!("`{address}{path}` is no URL: {error}")))?;
        let gone = |why| if sending.withdraw() { PeerError::NotSent(why) } else { PeerError::Lost(why) };
        let exchange = async {
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|error| match with_causes(&error) {
                why if error.is_connect() => PeerError::NotSent(why),
                why => gone(why),
            })?;
            read(key, nonce, answer).await
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(gone(format!("no answer within {} ms", within.as_millis()))),
        }
    }
}

async fn read<B>(key: &Key, nonce: Nonce, answer: Response<B>) -> Result<Bytes, PeerError>
where
    B: Body<Data = Bytes, Error = hyper::Error>,
{
    let status = answer.status();
    let seal = answer.headers().get(SEAL).and_then(|seal| seal.to_str().ok()).and_then(parse_seal);
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| PeerError::Lost(with_causes(&*error)))?.to_bytes();
    judge(status, seal == Some(answer_hash(key, nonce, status.as_u16(), &body)), body)
}

/// What an answer means. A node with another key cannot seal its refusal so that it is believed; it is taken at its word,
/// since nobody without the key carries anything out. A refusal of what was taken before says nothing about the first time.
fn judge(status: StatusCode, is_sealed: bool, body: Bytes) -> Result<Bytes, PeerError> {
    let words = || String::from_utf8_lossy(&body).chars().take(WORDS_MAX).collect::<String>();
    match status {
        StatusCode::UNAUTHORIZED if !is_sealed => {
            Err(PeerError::Refused("unauthorized; do both nodes have the same cluster key?".to_owned()))
        }
        _ if !is_sealed => Err(PeerError::Lost(format!("the answer ({status}) is not sealed with the cluster key"))),
        StatusCode::OK => Ok(body),
        StatusCode::CONFLICT => Err(PeerError::Lost(words())),
        _ if status.is_client_error() => Err(PeerError::Refused(words())),
        _ => Err(PeerError::Lost(format!("{status}: {}", words()))),
    }
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Whether a request's body has gone to a connection. Exactly one of the two sides has its way.
#[derive(Debug)]
struct Sending(AtomicU8);

impl Sending {
    const WAITS: u8 = 0;
    const TAKEN: u8 = 1;
    const WITHDRAWN: u8 = 2;

    /// An empty body counts as taken: no connection asks for it.
    fn of(body: &[u8]) -> Self {
        Self(AtomicU8::new(if body.is_empty() { Self::TAKEN } else { Self::WAITS }))
    }

    /// A connection asks for the body; it gets it unless the request was given up.
    fn take(&self) -> bool {
        self.become_first(Self::TAKEN)
    }

    /// The request is given up; whether no connection has its body, nor ever will.
    fn withdraw(&self) -> bool {
        self.become_first(Self::WITHDRAWN)
    }

    fn become_first(&self, next: u8) -> bool {
        let exchanged = self.0.compare_exchange(Self::WAITS, next, Ordering::AcqRel, Ordering::Acquire);
        exchanged.map_or_else(|now| now == next, |_| true)
    }
}

struct Watched {
    body: Full<Bytes>,
    sending: Arc<Sending>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !self.sending.take() {
            return Poll::Ready(Some(Err(io::Error::other("the request was given up"))));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(|never| match never {})
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn first_frame(sending: &Arc<Sending>) -> Option<Bytes> {
        let mut body = Watched { body: Full::new("body".into()), sending: Arc::clone(sending) };
        body.frame().await.expect("a frame or an error").ok()?.into_data().ok()
    }

    #[tokio::test]
    async fn a_body_is_either_withdrawn_or_sent() {
        let sending = Arc::new(Sending::of(b"body"));
        assert_eq!(first_frame(&sending).await.as_deref(), Some(&b"body"[..]));
        assert!(!sending.withdraw(), "a connection has it");

        let sending = Arc::new(Sending::of(b"body"));
        assert!(sending.withdraw());
        assert_eq!(first_frame(&sending).await, None, "nobody gets it any more");

        assert!(!Sending::of(b"").withdraw(), "nobody asks for an empty body before it is sent");
    }
}
