//! Worker sessions of the benchmark: the whole exchange protocol, with a body of work that returns at once.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::connection::{Connection, Target, write_request};
use crate::clock;

const EXCHANGE: &str = "/api/v1/workers/exchange";
/// How long an idle exchange may be held by the server.
const WAIT_MS: u32 = 5_000;

/// What the sessions have done so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    accepted: AtomicU64,
    stale: AtomicU64,
    target: AtomicU64,
    reached: Notify,
    stop: watch::Sender<bool>,
}

/// Worker sessions that run until they are stopped.
#[derive(Debug)]
pub(super) struct Sessions {
    tally: Arc<Tally>,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    grants: Vec<Granted<'a>>,
    #[serde(borrow, default)]
    accepted: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    stale: Vec<Cow<'a, str>>,
    #[serde(default)]
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct Granted<'a> {
    #[serde(borrow)]
    token: Cow<'a, str>,
}

impl Sessions {
    /// Starts sessions. Each start of a task's body is reported to `starts`, if somebody wants to know.
    pub(super) fn start(
        target: &Target,
        count: u32,
        capacity: u32,
        starts: Option<mpsc::UnboundedSender<Instant>>,
    ) -> Self {
        let tally = Arc::new(Tally::default());
        let unique = format!("{}-{}", std::process::id(), clock::now().as_millis());
        let tasks = (0..count)
            .map(|number| {
                let session = Session {
                    target: target.clone(),
                    worker: format!("bench-{unique}-{number}"),
                    capacity,
                    tally: tally.clone(),
                    starts: starts.clone(),
                };
                tokio::spawn(session.run())
            })
            .collect();
        Self { tally, tasks }
    }

    /// Waits until this many outcomes were accepted in all; gives the instant at which that was known here.
    pub(super) async fn accepted(&mut self, count: u64) -> anyhow::Result<Instant> {
        self.tally.target.store(count, Ordering::SeqCst);
        loop {
            let reached = self.tally.reached.notified();
            if self.tally.accepted.load(Ordering::SeqCst) >= count {
                return Ok(clock::instant());
            }
            tokio::select! {
                () = reached => {}
                ended = any_end(&mut self.tasks) => ended.context("a worker session ended early")?,
            }
        }
    }

    /// How many outcomes were accepted so far.
    pub(super) fn count(&self) -> u64 {
        self.tally.accepted.load(Ordering::SeqCst)
    }

    /// Has the sessions say good-bye, and checks that none of their outcomes came too late.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.tally.stop.send_replace(true);
        for task in self.tasks {
            task.await??;
        }
        let stale = self.tally.stale.load(Ordering::SeqCst);
        ensure!(stale == 0, "{stale} outcomes came after their lease had ended");
        Ok(())
    }
}

async fn any_end(tasks: &mut [JoinHandle<anyhow::Result<()>>]) -> anyhow::Result<()> {
    let (ended, _, _) = futures_util::future::select_all(tasks.iter_mut()).await;
    ended?
}

struct Session {
    target: Target,
    worker: String,
    capacity: u32,
    tally: Arc<Tally>,
    starts: Option<mpsc::UnboundedSender<Instant>>,
}

impl Session {
    async fn run(self) -> anyhow::Result<()> {
        let mut connection = Connection::open(&self.target).await?;
        let (mut body, mut request, mut outcomes) = (String::new(), Vec::new(), String::new());
        let (mut seq, mut ack) = (0_u64, 0_u64);
        let mut stop = self.tally.stop.subscribe();
        loop {
            seq += 1;
            body.clear();
            write!(
                body,
                r#"{{"workerId":"{0}","sessionId":"{0}","seq":{seq},"ack":{ack},"queues":["default"],"types":["noop"],"capacity":{1},"waitMs":{WAIT_MS},"outcomes":[{outcomes}]}}"#,
                self.worker, self.capacity
            )?;
            write_request(&mut request, &self.target, "POST", EXCHANGE, body.as_bytes());
            let answer = tokio::select! {
                biased;
                answer = connection.expect(&request) => answer?,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let reply: Reply<'_> = serde_json::from_slice(answer).context("cannot read an exchange's reply")?;
            ack = reply.seq.unwrap_or(seq);
            self.work(&reply, &mut outcomes)?;
        }
        // Or it would be taken for one that works, and given tasks, until its lease ends.
        let leave = format!(
            r#"{{"workerId":"{0}","sessionId":"{0}","seq":{1},"ack":{ack},"queues":["default"],"types":["noop"],"capacity":0,"waitMs":0,"leaving":true}}"#,
            self.worker,
            seq + 1
        );
        write_request(&mut request, &self.target, "POST", EXCHANGE, leave.as_bytes());
        Connection::open(&self.target).await?.expect(&request).await?;
        Ok(())
    }

    /// Does the work of the grants, which is nothing, and notes their outcomes.
    fn work(&self, reply: &Reply<'_>, outcomes: &mut String) -> anyhow::Result<()> {
        if let Some(starts) = &self.starts {
            let now = clock::instant();
            for _ in &reply.grants {
                let _ = starts.send(now);
            }
        }
        self.tally.stale.fetch_add(reply.stale.len() as u64, Ordering::Relaxed);
        let accepted = reply.accepted.len() as u64;
        let total = self.tally.accepted.fetch_add(accepted, Ordering::SeqCst) + accepted;
        if accepted > 0 && total >= self.tally.target.load(Ordering::SeqCst) {
            self.tally.reached.notify_waiters();
        }
        outcomes.clear();
        for grant in &reply.grants {
            let comma = if outcomes.is_empty() { "" } else { "," };
            write!(outcomes, r#"{comma}{{"token":"{}","status":"success"}}"#, grant.token)?;
        }
        Ok(())
    }
}
