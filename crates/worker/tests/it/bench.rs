//! A worker in this process, and the server it works for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mainspring_protocol::duration::WireDuration;
use mainspring_protocol::exchange::{GrantMessage, OutcomeReport};
use mainspring_worker::{RunError, Served, ShellConfig, Shutdown, Stopper, Urgency, WorkerConfig};
use serde_json::value::RawValue;
use tokio::task::JoinHandle;

use crate::server::Server;

pub(crate) struct Bench {
    pub(crate) server: Arc<Server>,
    pub(crate) stopper: Stopper,
    worker: JoinHandle<Result<Served, RunError>>,
}

impl Bench {
    pub(crate) fn start(config: WorkerConfig) -> Self {
        let server = Server::new();
        let (stopper, shutdown) = Shutdown::new();
        let worker = tokio::spawn(mainspring_worker::run(config, Arc::clone(&server) as _, shutdown));
        Self { server, stopper, worker }
    }

    /// Grants the attempt and waits for its outcome.
    pub(crate) async fn run(&self, grant: GrantMessage) -> OutcomeReport {
        let token = grant.token.clone();
        self.server.submit(grant);
        self.server.outcome(&token).await
    }

    /// Waits until the worker has ended by itself.
    pub(crate) async fn ended(self) -> Result<Served, RunError> {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.worker).await;
        ended.expect("it ends within a minute").expect("it does not panic")
    }

    /// Drains it.
    pub(crate) async fn drain(self) -> Served {
        self.stopper.raise(Urgency::Drain);
        self.ended().await.expect("a drained worker ends well")
    }
}

/// A worker that runs commands under the supervisor that Cargo built beside this program.
pub(crate) fn shell_config() -> WorkerConfig {
    let shell = ShellConfig {
        supervisor: env!("CARGO_BIN_EXE_mainspring-supervise").into(),
        supervisor_arguments: Vec::new(),
        kill_grace: Duration::from_millis(300),
        ..ShellConfig::default()
    };
    WorkerConfig { shell: Some(shell), lease: Duration::from_secs(5), ..WorkerConfig::default() }
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A grant with a token of its own.
pub(crate) fn grant(kind: &str) -> GrantMessage {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    GrantMessage {
        token: format!("it-{}-{number}", std::process::id()),
        task_id: format!("task-{number}"),
        kind: kind.to_owned(),
        generation: 1,
        attempt: 1,
        lease_ms: 5_000,
        fence: number,
        ..GrantMessage::default()
    }
}

pub(crate) fn noop(payload: &str) -> GrantMessage {
    GrantMessage { payload: Some(json(payload)), ..grant("noop") }
}

pub(crate) fn script(script: &str) -> GrantMessage {
    GrantMessage { run: Some(script.to_owned()), ..grant("shell") }
}

pub(crate) fn command(argv: &[&str]) -> GrantMessage {
    GrantMessage { command: Some(argv.iter().map(|argument| (*argument).to_owned()).collect()), ..grant("shell") }
}

pub(crate) fn within(grant: GrantMessage, timeout_ms: u64) -> GrantMessage {
    GrantMessage { timeout: Some(WireDuration::from_ms(timeout_ms)), ..grant }
}

pub(crate) fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("valid JSON")
}

pub(crate) fn error_kind(outcome: &OutcomeReport) -> &str {
    outcome.error.as_ref().map_or("", |error| &error.kind)
}

pub(crate) fn error_message(outcome: &OutcomeReport) -> &str {
    outcome.error.as_ref().map_or("", |error| &error.message)
}
