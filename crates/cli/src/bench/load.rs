//! Submits tasks: in bulk over a few connections, or one per request over many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::connection::{Connection, Target, request};
use crate::clock;

/// Connections that submit in bulk.
pub(super) const BULK_CONNECTIONS: u32 = 4;
const TASKS: &str = "/api/v1/tasks";

/// The JSON of one no-op task.
pub(super) fn task(payload_bytes: usize, delay_seconds: u64) -> Value {
    let mut task = json!({"type": "noop", "payload": "x".repeat(payload_bytes.saturating_sub(2))});
    if delay_seconds > 0 {
        task["delaySeconds"] = json!(delay_seconds);
    }
    task
}

/// What to submit, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub tasks: u64,
    pub batch: u32,
    pub connections: u32,
    pub payload_bytes: usize,
    pub delay_seconds: u64,
}

impl Load {
    /// Submits everything; gives when it began and how long it took until the last answer.
    pub(super) async fn submit(self, target: &Target) -> anyhow::Result<(Instant, Duration)> {
        let task = serde_json::to_string(&task(self.payload_bytes, self.delay_seconds))?;
        let left = Arc::new(AtomicU64::new(self.tasks));
        let shared = Arc::new(Prepared {
            full: self.body(target, &task, u64::from(self.batch)),
            task,
            load: self,
            target: target.clone(),
        });
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(Connection::open(target).await?);
        }
        let started = clock::instant();
        let mut senders = JoinSet::new();
        for connection in connections {
            senders.spawn(send(connection, shared.clone(), left.clone()));
        }
        while let Some(ended) = senders.join_next().await {
            ended??;
        }
        Ok((started, started.elapsed()))
    }

    fn body(&self, target: &Target, task: &str, count: u64) -> Vec<u8> {
        let body =
            if self.batch == 1 { task.to_owned() } else { format!("[{}]", vec![task; count as usize].join(",")) };
        request(target, "POST", TASKS, body.as_bytes())
    }
}

struct Prepared {
    full: Vec<u8>,
    task: String,
    load: Load,
    target: Target,
}

async fn send(mut connection: Connection, shared: Arc<Prepared>, left: Arc<AtomicU64>) -> anyhow::Result<()> {
    let batch = u64::from(shared.load.batch);
    loop {
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(batch)));
        let count = before.unwrap_or(0).min(batch);
        if count == 0 {
            return Ok(());
        }
        let rest;
        let bytes = if count == batch {
            &shared.full
        } else {
            rest = shared.load.body(&shared.target, &shared.task, count);
            &rest
        };
        let answer = connection.expect(bytes).await?;
        ensure!(!contains(answer, b"\"problem\":{"), "a task was refused: {}", String::from_utf8_lossy(answer));
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
