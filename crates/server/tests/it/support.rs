//! A server on a free port over a file in a temporary folder, a client, and a worker that speaks the exchange by hand.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mainspring_server::{Running, ServeConfig, ServeError, serve};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Longest time anything here may take; a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server and its client.
pub(crate) struct Server {
    pub(crate) running: Running,
    stop: oneshot::Sender<()>,
    http: Client<HttpConnector, Full<Bytes>>,
    dir: TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of a good answer.
    #[track_caller]
    pub(crate) fn good(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem of a refusal, checked for its shape.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        problem
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), |_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut ServeConfig)) -> Self {
        Self::start_in(TempDir::new().unwrap(), change).await
    }

    async fn start_in(dir: TempDir, change: impl FnOnce(&mut ServeConfig)) -> Self {
        // The same checks over several shards: `memory:?shards=16`. What restarts a server needs a file.
        let other = std::env::var("MAINSPRING_TEST_STORE").ok();
        let url = other.unwrap_or_else(|| format!("sqlite:{}", dir.path().join("test.db").display()));
        let mut config = ServeConfig::new("127.0.0.1:0".parse().unwrap(), url);
        change(&mut config);
        Self { dir, ..Self::over(|stopped| serve(config, stopped)).await }
    }

    /// The server that `run` runs until what it is given resolves.
    pub(crate) async fn over<F>(run: impl FnOnce(BoxFuture<'static, ()>) -> F) -> Self
    where
        F: Future<Output = Result<Running, ServeError>>,
    {
        let (stop, stopped) = oneshot::channel();
        let running = run(Box::pin(async {
            // A test that ends without a word drops its end.
            let _ = stopped.await;
        }));
        let running = running.await.unwrap();
        Self { running, stop, http: Client::builder(TokioExecutor::new()).build_http(), dir: TempDir::new().unwrap() }
    }

    /// Stops the server and starts another one on the same file.
    pub(crate) async fn restart(self) -> Self {
        let dir = self.stop().await;
        Self::start_in(dir, |_| {}).await
    }

    /// Stops the server; gives back its folder.
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.running.finished()).await.expect("the server stops in time");
        self.dir
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.addr)
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        tokio::time::timeout(PATIENCE, self.http.request(request)).await.expect("an answer in time").unwrap()
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let (head, body) = self.send(method, path, headers, body).await.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect()).await.expect("a body in time").unwrap().to_bytes();
        Reply { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, &[("content-type", "application/json")], body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.call("PUT", path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// Submits one task; gives its id.
    pub(crate) async fn task(&self, task: Value) -> String {
        self.post("/api/v1/tasks", &task).await.good(201)["taskId"].as_str().unwrap().to_owned()
    }

    /// Submits a job; gives its id.
    pub(crate) async fn job(&self, job: Value) -> String {
        self.post("/api/v1/jobs", &job).await.good(201)["jobId"].as_str().unwrap().to_owned()
    }

    /// An order without a body.
    pub(crate) async fn order(&self, path: &str) -> Reply {
        self.call("POST", path, &[], "").await
    }

    /// Reads an object again and again until it is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let value = self.get(path).await.good(200);
            if wanted(&value) {
                return value;
            }
            assert!(tokio::time::Instant::now() < deadline, "{path} stays {value}");
            tokio::task::yield_now().await;
        }
    }

    /// The task or job once it has ended.
    pub(crate) async fn ended(&self, path: &str) -> Value {
        let value = self.get(&format!("{path}?wait=25s")).await.good(200);
        assert!(value["endTime"].is_string(), "{value}");
        value
    }

    /// Opens a stream of events.
    pub(crate) async fn events(&self, path: &str, last_event_id: Option<&str>) -> Events {
        let id = last_event_id.map(|id| ("last-event-id", id));
        let headers: Vec<_> = id.into_iter().chain([("accept", "text/event-stream")]).collect();
        let response = self.send("GET", path, &headers, "").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { body: response.into_body(), rest: String::new() }
    }
}

/// A stream of server-sent events.
pub(crate) struct Events {
    body: Incoming,
    rest: String,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) id: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) data: Value,
}

impl Events {
    /// The next message; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.rest.split_once("\n\n") {
                let message = parse(message);
                self.rest = rest.to_owned();
                match message {
                    Some(message) => return Some(message),
                    None => continue,
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("an event in time")?;
            if let Ok(data) = frame.expect("the stream is whole").into_data() {
                self.rest.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }

    /// Messages up to and including the one that `last` holds for.
    pub(crate) async fn until(&mut self, last: impl Fn(&Message) -> bool) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
            if last(messages.last().unwrap()) {
                return messages;
            }
        }
        panic!("the stream ended after {messages:?}");
    }

    /// Every message to the end.
    pub(crate) async fn rest(mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }
}

impl Message {
    pub(crate) fn kind(&self) -> &str {
        self.event.as_deref().or_else(|| self.data["eventType"].as_str()).unwrap_or("")
    }
}

/// `None` for a comment.
fn parse(text: &str) -> Option<Message> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let data = field("data: ")?;
    Some(Message { id: field("id: "), event: field("event: "), data: serde_json::from_str(&data).unwrap() })
}

/// A worker that speaks the exchange by hand.
pub(crate) struct Worker<'a> {
    server: &'a Server,
    base: Value,
    seq: u64,
}

impl<'a> Worker<'a> {
    /// A worker for tasks of type `kind` with one place.
    pub(crate) fn new(server: &'a Server, name: &str, kind: &str) -> Self {
        Self::session(server, name, &format!("{name}-session"), kind)
    }

    /// The same, as another process start of it.
    pub(crate) fn session(server: &'a Server, name: &str, session: &str, kind: &str) -> Self {
        let base = json!({
            "workerId": name, "sessionId": session, "queues": ["default"], "types": [kind],
            "capacity": 1, "waitMs": 5000,
        });
        Self { server, base, seq: 0 }
    }

    /// One turn; `change` is merged into the request.
    pub(crate) async fn exchange(&mut self, change: Value) -> Value {
        self.seq += 1;
        let mut request = self.base.clone();
        request["seq"] = json!(self.seq);
        request["ack"] = json!(self.seq - 1);
        for (name, value) in change.as_object().unwrap() {
            request[name] = value.clone();
        }
        self.server.post("/api/v1/workers/exchange", &request).await.good(200)
    }

    /// Waits for a task.
    pub(crate) async fn grant(&mut self) -> Value {
        for _ in 0..5 {
            let reply = self.exchange(json!({})).await;
            if let Some(grant) = reply["grants"].as_array().and_then(|grants| grants.first()) {
                return grant.clone();
            }
        }
        panic!("nothing was granted");
    }

    /// Reports an outcome and waits until it is accepted.
    pub(crate) async fn report(&mut self, outcome: Value) {
        let token = outcome["token"].clone();
        let reply = self.exchange(json!({"outcomes": [outcome], "capacity": 0, "waitMs": 0})).await;
        assert_eq!(reply["accepted"], json!([token]), "{reply}");
    }

    /// Takes one task and completes it with this output.
    pub(crate) async fn complete(&mut self, output: Value) -> Value {
        let grant = self.grant().await;
        self.report(json!({"token": grant["token"], "status": "success", "output": output})).await;
        grant
    }

    /// Takes one task and fails it with this message.
    pub(crate) async fn fail(&mut self, message: &str) -> Value {
        let grant = self.grant().await;
        let error = json!({"type": "Broken", "message": message});
        self.report(json!({"token": grant["token"], "status": "failure", "error": error})).await;
        grant
    }
}
