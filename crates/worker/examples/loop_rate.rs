//! How many no-ops a second go through the worker's loop alone: grants in, outcomes out, no server and no wire.
//!
//! `cargo run --release -p mainspring-worker --example loop_rate -- [batch] [tasks]` prints one line of JSON.

#![expect(clippy::disallowed_methods, reason = "this program measures time")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mainspring_protocol::exchange::{ExchangeReply, ExchangeRequest, GrantMessage};
use mainspring_worker::{Shutdown, SourceError, Stopper, TaskSource, Urgency, WorkerConfig};

/// Grants a full batch on every call and takes every outcome.
struct Endless {
    granted: AtomicU64,
    accepted: AtomicU64,
    tasks: u64,
    stopper: Stopper,
}

impl TaskSource for Endless {
    fn exchange(&self, request: ExchangeRequest) -> BoxFuture<'_, Result<ExchangeReply, SourceError>> {
        let accepted: Vec<String> = request.outcomes.into_iter().map(|outcome| outcome.token).collect();
        let total = self.accepted.fetch_add(accepted.len() as u64, Ordering::Relaxed) + accepted.len() as u64;
        if total >= self.tasks {
            self.stopper.raise(Urgency::Drain);
        }
        let count = u64::from(request.capacity).min(self.tasks - self.granted.load(Ordering::Relaxed));
        let first = self.granted.fetch_add(count, Ordering::Relaxed);
        let grants = (first..first + count).map(grant).collect();
        let reply = ExchangeReply { seq: request.seq, grants, accepted, ..ExchangeReply::default() };
        async move { Ok(reply) }.boxed()
    }
}

fn grant(number: u64) -> GrantMessage {
    let payload = format!(
        "{{\"to\":\"user{number:09}@example.com\",\"subject\":\"hello\",\"body\":\"a payload of about a hundred bytes\"}}"
    );
    GrantMessage {
        token: format!("L0000000000000000{number:016x}"),
        task_id: format!("t{number:013}"),
        kind: "noop".to_owned(),
        attempt: 1,
        lease_ms: 15_000,
        payload: serde_json::value::RawValue::from_string(payload).ok(),
        ..GrantMessage::default()
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let batch: u32 = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let tasks: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let (stopper, shutdown) = Shutdown::new();
    let source = Endless { granted: AtomicU64::new(0), accepted: AtomicU64::new(0), tasks, stopper };
    let config = WorkerConfig { concurrency: batch, ..WorkerConfig::default() };
    let started = Instant::now();
    let served = mainspring_worker::run(config, Arc::new(source), shutdown).await?;
    let seconds = started.elapsed().as_secs_f64();
    let per_second = served.attempts as f64 / seconds;
    println!("{{\"batch\": {batch}, \"tasks\": {}, \"perSecond\": {per_second:.0}}}", served.attempts);
    Ok(())
}
