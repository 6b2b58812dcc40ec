//! Two nodes over a real connection, and what may come between them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::door::{Denied, REMEMBERED_MS, Reason, SKEW_MS_MAX};
use super::*;
use crate::clock::{Clock as _, SystemClock};

const KEY: Key = *b"a key of thirty-two bytes, no le";
const OTHER_KEY: Key = *b"another key of 32 bytes, no less";
/// Far beyond anything a test waits for: a hang becomes a failure.
const HANG: Duration = Duration::from_secs(20);
const NOW_MS: i64 = 1_795_000_000_000;

/// What a node under test does with what it hears and says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Twist {
    None,
    /// On the way, the body of the request is changed.
    Body,
    /// On the way, the request is sent to another path.
    Path,
    /// On the way, each request is delivered twice, and the second answer is the one that arrives.
    Twice,
    /// The node's clock is an hour ahead.
    Clock,
    /// The answer has no seal.
    Unsealed,
    /// The answer has the seal of another status.
    SealOfStatus,
    /// On the way, the body of the answer is changed.
    Answer,
    /// The answer has the seal of another request's answer.
    SealOfOther,
    /// The node answers with this status.
    Status(u16),
}

/// A node that answers with the body it was sent.
async fn node(key: Key, twist: Twist) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("it listens"));
    let door = Arc::new(Door::new());
    let serve = async move {
        loop {
            let (socket, _) = listener.accept().await.expect("a connection");
            let door = Arc::clone(&door);
            let service = service_fn(move |request| answer(key, twist, Arc::clone(&door), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    };
    (address, tokio::spawn(serve))
}

async fn answer(
    key: Key,
    twist: Twist,
    door: Arc<Door>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut body = body.collect().await.expect("the request arrives").to_bytes().to_vec();
    if twist == Twist::Body {
        body[0] ^= 1;
    }
    let path = if twist == Twist::Path { "/elsewhere" } else { head.uri.path() };
    let now_ms = SystemClock::new().wall_ms() + if twist == Twist::Clock { 3_600_000 } else { 0 };
    let admit = || door.admit(&key, head.method.as_str(), path, &head.headers, &body, now_ms);
    if twist == Twist::Twice {
        admit().expect("the first one is let in");
    }
    let (status, nonce, mut text) = match admit() {
        Ok(nonce) => (if let Twist::Status(status) = twist { status } else { 200 }, nonce, body.clone()),
        Err(denied) => (denied.status(), *denied.nonce().expect("it has a number"), denied.to_string().into_bytes()),
    };
    let seal = match twist {
        Twist::SealOfStatus => seal_answer(&key, &nonce, 202, &text),
        Twist::SealOfOther => seal_answer(&key, &Nonce(7), status, &text),
        _ => seal_answer(&key, &nonce, status, &text),
    };
    if twist == Twist::Answer {
        text[0] ^= 1;
    }
    let answer = Response::builder().status(status);
    let answer = if twist == Twist::Unsealed { answer } else { answer.header(SEAL, seal) };
    Ok(answer.body(text.into()).expect("an answer"))
}

async fn ask(address: &str) -> Result<Bytes, PeerError> {
    Peers::new(std::sync::Arc::new(SystemClock::new()))
        .call(&KEY, address, "/cluster/ask", b"what is asked".to_vec(), HANG)
        .await
}

/// Asks a node that is twisted so.
async fn ask_twisted(twist: Twist) -> Result<Bytes, PeerError> {
    let (address, node) = node(KEY, twist).await;
    let answer = ask(&address).await;
    node.abort();
    answer
}

#[tokio::test]
async fn nodes_with_one_key_understand_each_other() {
    let (address, node) = node(KEY, Twist::None).await;
    let peers = Peers::new(std::sync::Arc::new(SystemClock::new()));
    for (body, end) in [("first", ""), ("", ""), ("third", "/")] {
        let address = format!("{address}{end}");
        let answer = peers.call(&KEY, &address, "/cluster/ask", body.into(), HANG).await;
        assert_eq!(answer.expect("an answer"), body);
    }
    node.abort();
}

#[tokio::test]
async fn a_node_with_another_key_refuses_and_the_error_does_not_show_the_key() {
    let (address, node) = node(OTHER_KEY, Twist::None).await;
    let error = ask(&address).await.expect_err("another key");
    assert!(matches!(error, PeerError::Refused(_)), "{error:?}");
    let shown = format!("{error} {error:?}");
    for key in [KEY, OTHER_KEY] {
        assert!(!shown.contains(&*String::from_utf8_lossy(&key)), "{shown}");
        assert!(!shown.contains(&format!("{key:?}")), "{shown}");
        assert!(!shown.contains(blake3::Hash::from_bytes(key).to_hex().as_str()), "{shown}");
    }
    node.abort();
}

#[tokio::test]
async fn a_request_that_was_changed_on_its_way_is_refused() {
    for (twist, word) in [(Twist::Body, "seal"), (Twist::Path, "seal"), (Twist::Clock, "clocks")] {
        let error = ask_twisted(twist).await.expect_err("a changed request");
        assert!(matches!(&error, PeerError::Refused(why) if why.contains(word)), "{twist:?}: {error:?}");
    }
}

#[tokio::test]
async fn the_refusal_of_a_replay_does_not_claim_that_nothing_was_carried_out() {
    let error = ask_twisted(Twist::Twice).await.expect_err("the answer to a replay");
    assert!(matches!(&error, PeerError::Lost(why) if why.contains("taken before")), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_the_peers_is_lost() {
    for twist in [Twist::Unsealed, Twist::SealOfStatus, Twist::SealOfOther, Twist::Answer] {
        let error = ask_twisted(twist).await.expect_err("a forged answer");
        assert!(matches!(&error, PeerError::Lost(why) if why.contains("not sealed")), "{twist:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_sealed_status_says_whether_anything_was_carried_out() {
    for status in [400, 401, 404, 413, 429] {
        let error = ask_twisted(Twist::Status(status)).await.expect_err("no success");
        assert_eq!(error, PeerError::Refused("what is asked".to_owned()), "{status}");
    }
    for status in [202, 302, 409, 500, 503] {
        let error = ask_twisted(Twist::Status(status)).await.expect_err("no success");
        assert!(matches!(&error, PeerError::Lost(why) if why.contains("what is asked")), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn a_dead_port_was_not_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    drop(listener);
    for address in [format!("http://{address}"), format!("https://{address}"), "no address".to_owned()] {
        let error = ask(&address).await.expect_err("nobody listens");
        assert!(matches!(error, PeerError::NotSent(_)), "{address}: {error:?}");
    }
}

/// A node that reads one whole request; gives its address and, once it was read, the connection.
async fn silent_node() -> (SocketAddr, JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let read = async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut heard = Vec::new();
        while !heard.ends_with(b"what is asked") {
            assert_ne!(socket.read_buf(&mut heard).await.expect("the request arrives"), 0, "it ends with its body");
        }
        socket
    };
    (address, tokio::spawn(read))
}

#[tokio::test]
async fn a_connection_that_is_cut_after_the_request_was_read_is_lost() {
    let (address, node) = silent_node().await;
    let asked = tokio::spawn(async move { ask(&format!("http://{address}")).await });
    drop(node.await.expect("the request was read"));
    let error = asked.await.expect("it ends").expect_err("it was cut");
    assert!(matches!(error, PeerError::Lost(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_lost() {
    let (address, node) = silent_node().await;
    let asked = tokio::spawn(async move { ask(&format!("http://{address}")).await });
    let mut socket = node.await.expect("the request was read");
    socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.expect("it is sent");
    drop(socket);
    let error = asked.await.expect("it ends").expect_err("it broke off");
    assert!(matches!(error, PeerError::Lost(_)), "{error:?}");
}

#[tokio::test]
async fn no_answer_in_time_is_lost_and_the_peer_notices() {
    let (address, node) = silent_node().await;
    let peers = Peers::new(std::sync::Arc::new(SystemClock::new()));
    let address = format!("http://{address}");
    let within = Duration::from_millis(200);
    let asked = peers.call(&KEY, &address, "/cluster/ask", b"what is asked".to_vec(), within);
    let error = asked.await.expect_err("nobody answers");
    assert!(matches!(&error, PeerError::Lost(why) if why.contains("200 ms")), "{error:?}");
    let mut socket = node.await.expect("the request was read");
    let read = tokio::time::timeout(HANG, socket.read_u8()).await.expect("the connection is closed");
    read.expect_err("nothing more comes");
}

#[tokio::test]
async fn dropping_a_call_closes_its_connection() {
    let (address, node) = silent_node().await;
    let asked = tokio::spawn(async move { ask(&format!("http://{address}")).await });
    let mut socket = node.await.expect("the request was read");
    asked.abort();
    let read = tokio::time::timeout(HANG, socket.read_u8()).await.expect("the connection is closed");
    read.expect_err("nothing more comes");
}

/// The headers of a request with this number.
fn headers(number: u128, at_ms: i64) -> HeaderMap {
    let seal = seal_request(&KEY, "POST", "/cluster/ask", at_ms, Nonce(number), b"body");
    let headers = [(SEAL, seal.to_hex().to_string()), (NONCE, Nonce(number).to_string()), (AT, at_ms.to_string())];
    let header =
        |(name, value): (&'static str, String)| (name.parse().expect("a name"), value.parse().expect("a value"));
    headers.map(header).into_iter().collect()
}

fn admit(door: &Door, headers: &HeaderMap, now_ms: i64) -> Result<Nonce, Reason> {
    let admitted: Result<Nonce, Denied> = door.admit(&KEY, "POST", "/cluster/ask", headers, b"body", now_ms);
    admitted.map_err(|denied| denied.reason().clone())
}

#[test]
fn a_request_is_let_in_once() {
    let door = Door::new();
    assert_eq!(admit(&door, &headers(1, NOW_MS), NOW_MS), Ok(Nonce(1)));
    assert_eq!(admit(&door, &headers(2, NOW_MS), NOW_MS), Ok(Nonce(2)));
    assert_eq!(admit(&door, &headers(1, NOW_MS), NOW_MS + 1), Err(Reason::Replay));
    assert_eq!(admit(&door, &headers(1, NOW_MS), NOW_MS + SKEW_MS_MAX as i64), Err(Reason::Replay));
    let skew_ms = REMEMBERED_MS;
    assert_eq!(admit(&door, &headers(1, NOW_MS), NOW_MS + skew_ms as i64), Err(Reason::Clock { skew_ms }));
}

#[test]
fn clocks_may_be_five_minutes_apart() {
    let door = Door::new();
    for (number, sign) in [(1, 1), (2, -1)] {
        let at_ms = NOW_MS + sign * SKEW_MS_MAX as i64;
        let skew_ms = SKEW_MS_MAX + 1;
        assert_eq!(admit(&door, &headers(number, at_ms + sign), NOW_MS), Err(Reason::Clock { skew_ms }));
        assert_eq!(admit(&door, &headers(number, at_ms), NOW_MS), Ok(Nonce(number)));
    }
    let far = [i64::MIN, i64::MAX].map(|at_ms| admit(&door, &headers(3, at_ms), NOW_MS).expect_err("it is far off"));
    assert!(far.iter().all(|reason| matches!(reason, Reason::Clock { .. })), "{far:?}");
}

#[test]
fn every_part_of_a_request_is_sealed() {
    let door = Door::new();
    let good = headers(1, NOW_MS);
    let denied = |method, path, headers: &HeaderMap, body: &[u8], key| {
        let denied = door.admit(key, method, path, headers, body, NOW_MS).expect_err("something was changed");
        assert_eq!(denied.status(), 401);
        denied.reason().clone()
    };
    assert_eq!(denied("POST", "/cluster/ask", &good, b"body", &OTHER_KEY), Reason::Seal);
    assert_eq!(denied("PUT", "/cluster/ask", &good, b"body", &KEY), Reason::Seal);
    assert_eq!(denied("POST", "/cluster/other", &good, b"body", &KEY), Reason::Seal);
    assert_eq!(denied("POST/", "cluster/ask", &good, b"body", &KEY), Reason::Seal, "parts do not run together");
    assert_eq!(denied("POST", "/cluster/ask", &good, b"", &KEY), Reason::Seal);
    for (name, value) in [(NONCE, Nonce(2).to_string()), (AT, (NOW_MS + 1).to_string()), (SEAL, "0".repeat(64))] {
        let mut changed = good.clone();
        changed.insert(name, value.parse().expect("a value"));
        assert_eq!(denied("POST", "/cluster/ask", &changed, b"body", &KEY), Reason::Seal, "{name}");
        changed.insert(name, "+1".parse().expect("a value"));
        let unreadable = if name == AT { Reason::Seal } else { Reason::Unsealed };
        assert_eq!(denied("POST", "/cluster/ask", &changed, b"body", &KEY), unreadable, "{name}");
        changed.remove(name);
        assert_eq!(denied("POST", "/cluster/ask", &changed, b"body", &KEY), Reason::Unsealed, "{name}");
    }
    assert_eq!(admit(&door, &good, NOW_MS), Ok(Nonce(1)), "what was denied does not use its number up");
}
