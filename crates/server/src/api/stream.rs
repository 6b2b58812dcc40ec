//! Server-sent events: a bounded channel between whoever produces messages and the connection. A client that does not read
//! stops its producer, never the server; silence is filled with comments.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use mainspring_protocol::problem::{Code, Problem};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::call::Answer;
use super::state::Api;

/// Chunks that may wait for a client to read.
const CHUNKS_WAITING: usize = 8;
/// What fills silence.
const COMMENT: &[u8] = b": still here\n\n";

/// Nobody listens any more, or the server is stopping.
#[derive(Debug)]
pub(crate) struct Closed;

/// Where a producer puts its messages.
pub(crate) struct Listener {
    chunks: mpsc::Sender<Bytes>,
    keep_alive: Duration,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

/// Opens a stream that `produce` fills, until it returns, the client leaves or the server stops.
pub(crate) fn open<F>(api: &Arc<Api>, produce: impl FnOnce(Listener) -> F) -> Answer
where
    F: Future<Output = Result<(), Closed>> + Send + 'static,
{
    let Ok(place) = Arc::clone(&api.streams).try_acquire_owned() else {
        let detail = format!("{} streams are open, the limit", api.limits().streams_max);
        return Err(Box::new(Problem::new(Code::Overloaded, detail).retry_after_ms(1_000)));
    };
    let (chunks, receiver) = mpsc::channel(CHUNKS_WAITING);
    let listener = Listener { chunks, keep_alive: api.limits().keep_alive, stop: api.stop.clone(), _place: place };
    let work = produce(listener);
    api.producers.spawn(async move {
        // A stream that ended because nobody listens needs no word.
        let _ = work.await;
    });
    let body = Body::from_stream(ReceiverStream::new(receiver).map(Ok::<_, Infallible>));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

impl Listener {
    /// Sends what was written with [`message`]; waits while the client is behind.
    pub(crate) async fn send(&self, messages: Vec<u8>) -> Result<(), Closed> {
        if messages.is_empty() {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Closed),
            sent = self.chunks.send(messages.into()) => sent.map_err(|_| Closed),
        }
    }

    /// Waits for something while keeping the connection alive.
    pub(crate) async fn until<T>(&self, something: impl Future<Output = T>) -> Result<T, Closed> {
        let mut something = std::pin::pin!(something);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Closed),
                () = self.chunks.closed() => return Err(Closed),
                done = something.as_mut() => return Ok(done),
                () = tokio::time::sleep(self.keep_alive) => {
                    // A full channel shows life enough.
                    let _ = self.chunks.try_send(Bytes::from_static(COMMENT));
                }
            }
        }
    }
}

/// Writes one message. `data` is one line, as all our JSON is.
pub(crate) fn message(out: &mut Vec<u8>, id: Option<&str>, event: Option<&str>, data: &impl serde::Serialize) {
    for (field, value) in [("id: ", id), ("event: ", event)] {
        if let Some(value) = value {
            out.extend_from_slice(field.as_bytes());
            out.extend_from_slice(value.as_bytes());
            out.push(b'\n');
        }
    }
    out.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut *out, data).expect("a view serializes into memory");
    out.extend_from_slice(b"\n\n");
}
