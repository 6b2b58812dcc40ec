//! W2: from the call that submits a task to the start of its body, on an idle system, one task at a time.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio::sync::mpsc;

use super::Site;
use super::connection::{Connection, Target, request};
use super::figures::{ms, percentile};
use super::load::task;
use super::session::Sessions;
use crate::clock;

/// How long the system rests between two tasks, so that each one finds it idle.
const PAUSE: Duration = Duration::from_millis(3);
/// Tasks before the first that counts: connections and caches warm up.
const WARM_UP: u64 = 20;

pub(super) async fn w2(site: &mut Site<'_>) -> anyhow::Result<()> {
    let tasks = site.tasks(1_000);
    let target = site.server().await?;
    let measured = starts(&target, tasks, site.args.payload_bytes).await?;
    note(site, tasks, &measured);
    Ok(())
}

/// Writes the figures of some measured starts.
pub(super) fn note(site: &mut Site<'_>, tasks: u64, sorted: &[Duration]) {
    let bytes = site.args.payload_bytes;
    site.note("latencyTasks", json!(tasks));
    site.note("pauseMs", json!(PAUSE.as_millis() as u64));
    site.note("payloadBytes", json!(bytes));
    site.figure("start_p50_ms", ms(percentile(sorted, 0.5)));
    site.figure("start_p99_ms", ms(percentile(sorted, 0.99)));
}

/// Measures `tasks` starts; sorted.
pub(super) async fn starts(target: &Target, tasks: u64, payload_bytes: usize) -> anyhow::Result<Vec<Duration>> {
    let (sender, mut starts) = mpsc::unbounded_channel();
    let mut sessions = Sessions::start(target, 1, 16, Some(sender));
    let mut connection = Connection::open(target).await?;
    let submit = request(target, "POST", "/api/v1/tasks", serde_json::to_string(&task(payload_bytes, 0))?.as_bytes());
    let mut measured = Vec::new();
    for number in 0..WARM_UP + tasks {
        tokio::time::sleep(PAUSE).await;
        let called = clock::instant();
        let (answer, start) = tokio::join!(connection.expect(&submit), starts.recv());
        answer?;
        let start = start.context("the worker session ended")?;
        sessions.accepted(number + 1).await?;
        if number >= WARM_UP {
            measured.push(start - called);
        }
    }
    sessions.stop().await?;
    measured.sort_unstable();
    Ok(measured)
}
