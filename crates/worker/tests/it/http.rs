//! `http` tasks against real sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use mainspring_protocol::duration::WireDuration;
use mainspring_protocol::exchange::{GrantMessage, OutcomeStatus, StreamName};
use mainspring_worker::{HttpConfig, WorkerConfig};

use crate::bench::{Bench, error_kind, error_message, grant, json, within};

/// A plain web server that answers by path.
struct Web {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Web {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let record = Arc::clone(&record);
                std::thread::spawn(move || serve(stream, address, &record));
            }
        });
        Self { address, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

fn serve(mut stream: std::net::TcpStream, address: SocketAddr, record: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    loop {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if reader.read_line(&mut request).unwrap_or(0) == 0 {
                return;
            }
        }
        let length =
            request.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).expect("the body");
        let path = request.split(' ').nth(1).unwrap_or("").to_owned();
        record.lock().expect("no panic").push(request + &String::from_utf8_lossy(&body));
        let (status, header, body) = match path.as_str() {
            "/json" => ("200 OK", String::new(), "{\"rows\": 3}".to_owned()),
            "/text" => ("200 OK", String::new(), "plain words".to_owned()),
            "/large" => ("200 OK", String::new(), format!("[{}1]", "1,".repeat(200_000))),
            "/busy" => ("429 Too Many Requests", "Retry-After: 7\r\n".to_owned(), "later".to_owned()),
            "/down" => ("503 Service Unavailable", String::new(), String::new()),
            "/missing" => ("404 Not Found", String::new(), "no such thing".to_owned()),
            "/hop" => ("302 Found", "Location: /json\r\n".to_owned(), String::new()),
            "/loop" => ("307 Temporary Redirect", "Location: /loop\r\n".to_owned(), String::new()),
            "/inside" => ("302 Found", format!("Location: http://10.0.0.1:{}/\r\n", address.port()), String::new()),
            _ => return,
        };
        let answer = format!("HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\n\r\n{body}", body.len());
        if path == "/hang" || stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn config(allow_loopback: bool) -> WorkerConfig {
    WorkerConfig { http: Some(HttpConfig { allow: Vec::new(), allow_loopback }), ..WorkerConfig::default() }
}

fn request(body: &str) -> GrantMessage {
    GrantMessage { http: Some(json(body)), ..grant("http") }
}

fn get(url: &str) -> GrantMessage {
    request(&format!("{{\"url\": \"{url}\"}}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_json_body_is_the_output_and_any_other_a_log() {
    let (web, bench) = (Web::start(), Bench::start(config(true)));
    assert_eq!(bench.run(get(&web.url("/json"))).await.output.expect("an output").get(), "{\"rows\": 3}");
    for (path, log) in [("/text", "plain words"), ("/large", "[1,1,")] {
        let task = get(&web.url(path));
        let token = task.token.clone();
        let outcome = bench.run(task).await;
        assert!(outcome.status == OutcomeStatus::Success && outcome.output.is_none());
        assert!(bench.server.log(&token, StreamName::Stdout).starts_with(log));
    }
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn method_headers_body_and_identity_are_sent() {
    let (web, bench) = (Web::start(), Bench::start(config(true)));
    let task = request(&format!(
        r#"{{"method": "put", "url": "{}", "headers": {{"X-Colour": "blue"}}, "json": {{"a": 1}}}}"#,
        web.url("/json")
    ));
    let (token, id) = (task.token.clone(), task.task_id.clone());
    assert_eq!(bench.run(task).await.status, OutcomeStatus::Success);
    let seen = web.requests().remove(0);
    assert!(seen.starts_with("PUT /json HTTP/1.1") && seen.ends_with(r#"{"a": 1}"#), "{seen}");
    for line in [
        "x-colour: blue",
        "content-type: application/json",
        "traceparent: 00-",
        &format!("mainspring-token: {token}"),
        &format!("mainspring-task-id: {id}"),
        "mainspring-attempt: 1",
    ] {
        assert!(seen.lines().any(|found| found.starts_with(line)), "{line} is not in {seen}");
    }
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_say_whether_a_retry_makes_sense() {
    let (web, bench) = (Web::start(), Bench::start(config(true)));
    for (path, retryable, after) in [("/busy", true, Some(7_000)), ("/down", true, None), ("/missing", false, None)] {
        let outcome = bench.run(get(&web.url(path))).await;
        assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Failure, "http_status"), "{path}");
        assert_eq!(
            (outcome.retryable, outcome.retry_after),
            (Some(retryable), after.map(WireDuration::from_ms)),
            "{path}"
        );
    }
    let fine = request(&format!(r#"{{"url": "{}", "successStatus": [404]}}"#, web.url("/missing")));
    assert_eq!(bench.run(fine).await.status, OutcomeStatus::Success);
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_and_bounded_and_checked() {
    let (web, bench) = (Web::start(), Bench::start(config(true)));
    assert_eq!(bench.run(get(&web.url("/hop"))).await.output.expect("an output").get(), "{\"rows\": 3}");
    assert_eq!(error_kind(&bench.run(get(&web.url("/loop"))).await), "http_redirects");
    assert_eq!(web.requests().iter().filter(|request| request.contains("/loop")).count(), 6);
    assert_eq!(error_kind(&bench.run(get(&web.url("/inside"))).await), "http_forbidden_address");
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_addresses_are_refused_by_number_and_by_name() {
    let (web, bench) = (Web::start(), Bench::start(config(false)));
    let port = web.address.port();
    for host in
        ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1", "169.254.169.254"]
    {
        let outcome = bench.run(get(&format!("http://{host}:{port}/json"))).await;
        assert_eq!(
            (error_kind(&outcome), outcome.retryable),
            ("http_forbidden_address", Some(false)),
            "{host}: {}",
            error_message(&outcome)
        );
    }
    assert!(web.requests().is_empty());
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_refused_in_words() {
    let bench = Bench::start(config(true));
    for (task, words) in [
        (grant("http"), "needs `http`"),
        (get("ftp://example.com/"), "not an http or https address"),
        (get("no address"), "is not an address"),
        (request(r#"{"url": "http://localhost/", "headers": {"a b": "c"}}"#), "not a header's name"),
        (request(r#"{"url": "http://localhost/", "headers": {"a": "c\nd"}}"#), "value of header"),
    ] {
        let outcome = bench.run(task).await;
        assert!(error_message(&outcome).contains(words) && outcome.retryable == Some(false), "{words}: {outcome:?}");
    }
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_refusal_are_failures_in_time() {
    let (web, bench) = (Web::start(), Bench::start(config(true)));
    let broken = bench.run(get(&web.url("/hang"))).await;
    assert_eq!((broken.status, error_kind(&broken)), (OutcomeStatus::Failure, "http_unreachable"));
    let deaf = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", deaf.local_addr().expect("bound"));
    assert_eq!(bench.run(within(get(&url), 100)).await.status, OutcomeStatus::Timeout);
    let limited = request(&format!(r#"{{"url": "{url}", "timeout": 0.1}}"#));
    assert_eq!(bench.run(limited).await.status, OutcomeStatus::Timeout);
    bench.drain().await;
}
