//! Bytes without manners and bodies beyond the bounds, over bare sockets: each gets an answer or the door, none takes
//! anything from those who behave.

use std::time::Duration;

use serde_json::json;

use crate::raw::{Raw, ask};
use crate::support::Server;

const POST: &str = "POST /api/v1/tasks HTTP/1.1\r\nContent-Type: application/json";

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_a_socket_is_turned_away_and_harms_nobody() {
    let server = Server::start().await;
    let garbage: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n{\"type\":\"noop\"}",
    ];
    for bytes in garbage {
        let mut raw = Raw::open(&server).await;
        raw.send(bytes).await;
        raw.end().await;
        if let Some(reply) = raw.reply().await {
            assert!(matches!(reply.status, 400 | 505), "{reply:?}");
        }
    }
    let header = format!("X-Long: {}", "x".repeat(1 << 20));
    let reply = ask(&server, &format!("GET /healthz HTTP/1.1\r\n{header}"), "").await;
    assert!(reply.is_none_or(|reply| reply.status == 431), "a head of a megabyte was read");
    let many: String = (0..200).map(|number| format!("\r\nX-{number}: 1")).collect();
    let reply = ask(&server, &format!("GET /healthz HTTP/1.1{many}"), "").await;
    assert!(reply.is_none_or(|reply| reply.status == 431), "200 header fields were read");
    server.get("/readyz").await.good(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_or_is_chunked_wrongly_creates_nothing() {
    let server = Server::start().await;
    let chunked = format!("{POST}\r\nTransfer-Encoding: chunked");
    for body in ["zz\r\n{\"type\":\"noop\"}\r\n0\r\n\r\n", "fffffffffffffffff\r\n{}", "-1\r\n\r\n"] {
        // Where the framing is lost nothing more can be read; the connection ends, with or without a word.
        if let Some(reply) = ask(&server, &chunked, body).await {
            reply.refused(400, "invalid_json");
        }
    }
    let task = "{\"type\":\"noop\"}";
    let whole = format!("5\r\n{}\r\na\r\n{}\r\n0\r\n\r\n", &task[..5], &task[5..]);
    ask(&server, &chunked, whole).await.expect("an answer").good(201);
    // The announced length is longer than what comes.
    let mut raw = Raw::open(&server).await;
    raw.send(format!("{POST}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 999\r\n\r\n{task}")).await;
    raw.end().await;
    if let Some(reply) = raw.reply().await {
        reply.refused(400, "invalid_json");
    }
    let items = server.get("/api/v1/tasks").await.good(200)["items"].take();
    assert_eq!(items.as_array().unwrap().len(), 1, "{items}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_is_let_go_and_who_is_quick_is_served_meanwhile() {
    let server = Server::start_with(|config| {
        config.http.head_timeout = Duration::from_millis(200);
        config.http.body_timeout = Duration::from_millis(200);
    })
    .await;
    let mut slow_head = Raw::open(&server).await;
    slow_head.send("GET /healthz HTTP/1.1\r\nHost: loc").await;
    let mut slow_body = Raw::open(&server).await;
    slow_body.send(format!("{POST}\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{{\"type\"")).await;
    let task = "{\"type\":\"noop\"}";
    ask(&server, &format!("{POST}\r\nContent-Length: {}", task.len()), task).await.expect("an answer").good(201);
    // Both end although neither of them ever hangs up.
    let head = slow_head.reply().await;
    assert!(head.is_none_or(|reply| reply.status == 408), "a head without an end was answered");
    slow_body.reply().await.expect("an answer").refused(400, "invalid_json");
    ask(&server, "GET /readyz HTTP/1.1", "").await.expect("an answer").good(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_its_limit_is_read_to_its_end_and_refused() {
    let server = Server::start_with(|config| {
        config.http.submit_bytes_max = 1 << 20;
        config.http.body_bytes_max = 1 << 10;
    })
    .await;
    let large = json!({"type": "noop", "payload": "x".repeat(10 << 20)}).to_string();
    for (path, body) in [
        ("/api/v1/tasks", large.as_str()),
        ("/api/v1/jobs", large.as_str()),
        ("/api/v1/dead-letters/redrive", &large[..2_000]),
        ("/api/v1/queues/q/pause", &large[..2_000]),
    ] {
        let headers = [("content-type", "application/json")];
        let problem = server.call("POST", path, &headers, body.to_owned()).await.refused(413, "body_too_large");
        assert!(problem["detail"].as_str().unwrap().contains("the limit is 1"), "{problem}");
    }
    // Without a length it is found out on the way.
    let mut raw = Raw::open(&server).await;
    raw.send(format!("{POST}\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")).await;
    for _ in 0..40 {
        raw.send(format!("10000\r\n{}\r\n", "x".repeat(0x1_0000))).await;
    }
    raw.send("0\r\n\r\n").await;
    raw.reply().await.expect("an answer").refused(413, "body_too_large");
    // Who waits for leave to send is told before a byte.
    let head = format!("{POST}\r\nExpect: 100-continue\r\nContent-Length: 9999999");
    ask(&server, &head, "").await.expect("an answer").refused(413, "body_too_large");
    assert_eq!(server.get("/api/v1/tasks").await.good(200)["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_for_one_task_is_refused_within_a_good_body() {
    let server = Server::start().await;
    let payload = server.post("/api/v1/tasks", &json!({"type": "noop", "payload": "x".repeat(10 << 20)})).await;
    assert_eq!(payload.refused(422, "limit_exceeded")["errors"][0]["pointer"], "/payload");
    let deep = format!("{{\"type\":\"noop\",\"payload\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let headers = [("content-type", "application/json")];
    server.call("POST", "/api/v1/tasks", &headers, deep.clone()).await.refused(422, "limit_exceeded");
    server.call("POST", "/api/v1/jobs", &headers, deep.clone()).await.refused(422, "limit_exceeded");
    server.call("POST", "/api/v1/dead-letters/redrive", &headers, deep).await.refused(422, "limit_exceeded");
    let many = format!("[{}]", vec!["{\"type\":\"noop\"}"; 10_001].join(","));
    server.call("POST", "/api/v1/tasks", &headers, many).await.refused(422, "limit_exceeded");
    let ids = json!({"ids": vec!["x"; 10_001]});
    server.post("/api/v1/dead-letters/redrive", &ids).await.refused(422, "limit_exceeded");
    let yaml = [("content-type", "application/yaml")];
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{below}]\n");
    }
    bomb += "tasks: {t: {type: noop, payload: *a11}}\n";
    server.call("POST", "/api/v1/jobs", &yaml, bomb).await.refused(422, "limit_exceeded");
    let deep = format!("tasks: {}{}", "[".repeat(50_000), "]".repeat(50_000));
    let reply = server.call("POST", "/api/v1/jobs", &yaml, deep).await;
    assert!(matches!(reply.status, 400 | 422), "{reply:?}");
    assert_eq!(server.get("/api/v1/tasks").await.good(200)["items"], json!([]));
    assert_eq!(server.get("/api/v1/jobs").await.good(200)["items"], json!([]));
    server.get("/readyz").await.good(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_told_so_and_a_closed_one_makes_room() {
    let server = Server::start_with(|config| config.http.connections_max = 1).await;
    let mut first = Raw::open(&server).await;
    first.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n").await;
    // Accepted in order: the first holds the only place.
    let reply = Raw::open(&server).await.reply().await.expect("a farewell");
    assert_eq!(reply.header("content-length"), reply.body.len().to_string());
    assert_eq!(reply.header("retry-after"), "1");
    reply.refused(503, "overloaded");
    first.end().await;
    first.rest().await;
    // The place is given back a moment after its connection has ended.
    while ask(&server, "GET /healthz HTTP/1.1", "").await.is_none_or(|reply| reply.status != 200) {}
}
