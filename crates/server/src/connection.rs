//! Sockets: accepts connections within a bound, speaks HTTP/1.1 on each with timeouts, ends them gracefully.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mainspring_protocol::problem::{self, Code, Problem};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::serve::HttpLimits;

/// What a connection over the bound is told before it is closed.
static TOO_MANY: LazyLock<Vec<u8>> = LazyLock::new(too_many);
/// The pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes that may be buffered of one connection: bounds a request's head.
const BUFFER_BYTES: usize = 256 << 10;
/// Header fields of one request.
const HEADERS_MAX: usize = 64;

/// Accepts connections until `stop`, then gives those in flight `finish_within` to end.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    limits: HttpLimits,
    stop: CancellationToken,
    finish_within: Duration,
) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let connections = TaskTracker::new();
    let abort = CancellationToken::new();
    let shared = Arc::new(limits);
    loop {
        let socket = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match socket {
            Ok((socket, _)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let connection = serve(socket, router.clone(), Arc::clone(&shared), stop.clone(), place);
                    let abort = abort.clone();
                    connections.spawn(async move {
                        tokio::select! { () = connection => {}, () = abort.cancelled() => {} }
                    });
                }
                Err(_) => {
                    connections.spawn(turn_away(socket));
                }
            },
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(finish_within, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "cutting connections that did not finish in time");
        abort.cancel();
        connections.wait().await;
    }
}

async fn serve(
    socket: TcpStream,
    router: Router,
    limits: Arc<HttpLimits>,
    stop: CancellationToken,
    place: OwnedSemaphorePermit,
) {
    set_options(&socket, limits.write_timeout);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            Ok::<_, Infallible>(
                Service::call(&mut router, request.map(Body::new)).await.unwrap_or_else(|never| match never {}),
            )
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(BUFFER_BYTES)
        .max_headers(HEADERS_MAX)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended badly");
    }
    drop(place);
}

fn set_options(socket: &TcpStream, write_timeout: Duration) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    // Ends a connection whose other side does not take what was sent, a full window included.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(socket, write_timeout.as_millis() as u32) {
        tracing::debug!(%error, "failed to set TCP_USER_TIMEOUT");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = write_timeout;
}

async fn turn_away(mut socket: TcpStream) {
    let farewell = async {
        socket.write_all(&TOO_MANY).await?;
        socket.shutdown().await
    };
    // A client that does not read its refusal is not waited for.
    let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
}

/// Head and body as they go over the wire; the length is the body's own.
fn too_many() -> Vec<u8> {
    let problem = Problem::new(Code::Overloaded, "too many connections are open").retry_after_ms(1_000);
    let body = serde_json::to_string(&problem).expect("a problem serializes");
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: {}\r\nRetry-After: 1\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        problem::MEDIA_TYPE,
        body.len()
    );
    (head + &body).into_bytes()
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_of_a_connection_states_its_length() {
        let text = std::str::from_utf8(&TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "the body has {} bytes", body.len());
        let problem: Problem = serde_json::from_str(body).unwrap();
        assert_eq!((problem.code, problem.status), (Code::Overloaded, 503));
    }
}
