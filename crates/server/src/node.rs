//! The node: owns a shard of a store and runs its core.
//!
//! One thread, the shard actor, drains a bounded mailbox into the core's driver, commits, and lets effects go
//! only after their commit has returned. Callers are async: each call is one message and one answer, whatever number of
//! tasks it carries, so nothing on the hot path costs a lock, a channel or an await per task.
//!
//! ```text
//!  submit_tasks ┐              ┌──────────── shard thread ────────────┐
//!  submit_job   ├─▶ mailbox ──▶│ gateway ─▶ driver ─▶ commit (1 ahead) │──▶ store
//!  order        │  (2 lanes)   │    ▲                     │           │
//!  exchange     ┘              └────┴──── effects ◀───────┘───────────┘
//! ```

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainspring_core::effect::{Answer, Refusal, Submitted};
use mainspring_core::event::{NewTask, Order, SubmitJob};
use mainspring_core::id::{Key, Name};
use mainspring_core::job::JobStatus;
use mainspring_core::limits::BATCH_TASKS_MAX;
use mainspring_core::shard::ShardConfig;
use mainspring_protocol::exchange::ExchangeRequest;
use mainspring_store::{Reader, Store};
use tokio::sync::{oneshot, watch};

use crate::clock::{Clock, SystemClock};

mod actor;
mod convert;
mod ending;
mod exchange;
mod figures;
mod gateway;
mod mailbox;
mod open_call;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "used by the cluster"))]
mod peer;
mod recovery;
mod retention;
mod session;
mod shared;
#[cfg(test)]
mod tests;
mod trouble;
#[cfg_attr(not(test), expect(dead_code, reason = "used by the cluster"))]
mod wire;
mod workers;

pub use exchange::ExchangeAnswer;
pub use figures::{Histogram, NodeFigures, Readiness};

use mailbox::Message;
use shared::Shared;

/// How a node is run. The defaults suit one machine.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// How the core keeps its memory. Its seed is drawn anew at each load unless it is set (not 0).
    pub shard: ShardConfig,
    /// How long ended tasks and jobs are kept, in milliseconds; `None` keeps them for good. Default 7 days.
    pub retention_ms: Option<u64>,
    /// How often what is past its retention is looked for. Default one minute.
    pub retention_every: Duration,
    /// Bytes that may wait in each of the mailbox's two lanes. Default 64 MiB.
    pub mailbox_bytes_max: usize,
    /// Events taken into one batch. Default 4,000.
    pub batch_events_max: usize,
    /// Bytes taken into one batch. Default 16 MiB.
    pub batch_bytes_max: usize,
    /// Longest wait of one exchange. Default 30 s.
    pub wait_ms_max: u64,
    /// Where time comes from. Default the system's clocks.
    pub clock: Arc<dyn Clock>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            shard: ShardConfig::default(),
            retention_ms: Some(7 * 86_400_000),
            retention_every: Duration::from_secs(60),
            mailbox_bytes_max: 64 << 20,
            batch_events_max: 4_000,
            batch_bytes_max: 16 << 20,
            wait_ms_max: 30_000,
            clock: Arc::new(SystemClock::new()),
        }
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be had, or not be read.
    #[error("failed to take the store over: {0}")]
    Store(#[from] mainspring_store::Error),
    /// No thread for the shard.
    #[error("failed to start the shard's thread: {0}")]
    Thread(#[source] std::io::Error),
    /// The core could not be built from what the store loaded.
    #[error("failed to build the shard from what is stored; the log has the details")]
    Core,
}

/// Why a call was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The core refused it; nothing of it was applied.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The mailbox is full; nothing of it was applied.
    #[error("the node is overloaded; try again in {retry_after_ms} ms")]
    Overloaded {
        /// When to try again.
        retry_after_ms: u64,
    },
    /// Nobody knows whether it was applied; repeat it with the same id or key.
    #[error("the outcome is unknown; repeat with the same key")]
    OutcomeUnknown,
    /// The node is shutting down, or its shard has stopped; nothing of it was applied.
    #[error("the node has stopped")]
    Stopped,
    /// The request makes no sense; nothing of it was applied.
    #[error("{0}")]
    Invalid(String),
    /// Two live worker processes use one `workerId`; this one is turned away.
    #[error("another live process uses the workerId `{0}`")]
    WorkerIdInUse(Name),
    /// The store could not be read just now.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}

/// A running node. Dropping it stops the shard without a flush of the mailbox; use [`Node::shutdown`].
#[derive(Debug)]
pub struct Node {
    shared: Arc<Shared>,
    retention: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Node {
    /// Takes the shard of a store over, loads it and starts to serve. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the store is owned by another process, cannot be reached, or holds what cannot be read.
    pub async fn start(store: Arc<dyn Store>, config: NodeConfig) -> Result<Arc<Node>, StartError> {
        let shared = Arc::new(Shared::new(&store, &config));
        actor::start(Arc::clone(&shared), store, config.clone()).await?;
        let retention = config
            .retention_ms
            .map(|keep_ms| tokio::spawn(retention::run(Arc::clone(&shared), keep_ms, config.retention_every)));
        Ok(Arc::new(Node { shared, retention: Mutex::new(retention) }))
    }

    /// Accepts standalone tasks: one result each, in order. They are durable when this returns.
    ///
    /// # Errors
    /// Nothing was accepted, except under [`CallError::OutcomeUnknown`].
    pub async fn submit_tasks(&self, tasks: Vec<NewTask>) -> Result<Vec<Result<Submitted, Refusal>>, CallError> {
        if tasks.len() > BATCH_TASKS_MAX {
            return Err(CallError::Invalid(format!(
                "a batch of {} tasks is too large, the limit is {BATCH_TASKS_MAX}",
                tasks.len()
            )));
        }
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        match self.shared.call(|answer| Message::Tasks { tasks, answer }).await? {
            Answer::Tasks(results) => Ok(results),
            other => unreachable!("tasks were answered by {other:?}"),
        }
    }

    /// Accepts a job: its key, its status, and whether it had been accepted before. It is durable when this returns.
    /// `to` and `bucket` of the job are overwritten.
    ///
    /// # Errors
    /// Nothing was accepted, except under [`CallError::OutcomeUnknown`].
    pub async fn submit_job(&self, job: SubmitJob) -> Result<(Key, JobStatus, bool), CallError> {
        match self.shared.call(|answer| Message::Job { job: Box::new(job), answer }).await? {
            Answer::Job { key, status, repeated } => Ok((key, status, repeated)),
            other => unreachable!("a job was answered by {other:?}"),
        }
    }

    /// Carries out an operator's order. What it acknowledges is durable when this returns.
    ///
    /// # Errors
    /// Nothing was done, except under [`CallError::OutcomeUnknown`].
    pub async fn order(&self, actor: Name, order: Order) -> Result<Answer, CallError> {
        self.shared.call(|answer| Message::Order { actor, order, answer }).await
    }

    /// One call of a worker session. Waits as the request says; dropping the future hangs up, and what it would have
    /// brought comes with the session's next call.
    ///
    /// # Errors
    /// The worker repeats the call as it is after any error but [`CallError::Invalid`] and
    /// [`CallError::WorkerIdInUse`].
    pub async fn exchange(&self, request: ExchangeRequest) -> Result<ExchangeAnswer, CallError> {
        let call = convert::call(request, &self.shared)?;
        let (answer, receiver) = oneshot::channel();
        let hangup = self.shared.exchange(call, answer)?;
        let answer = receiver.await;
        hangup.disarm();
        answer.unwrap_or(Err(CallError::OutcomeUnknown))?.with_bodies(self.shared.reader.as_ref()).await
    }

    /// The read side of the store: committed rows.
    pub fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.shared.reader)
    }

    /// The number of the newest durable commit; changes with each. Readers that follow the feed wake on it.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.shared.commits.subscribe()
    }

    /// Whether a worker has called since the node started.
    pub fn has_seen(&self, worker: &Name) -> bool {
        self.shared.has_seen(worker)
    }

    /// Figures of the node itself; those of the shard come from [`Order::Figures`].
    pub fn figures(&self) -> NodeFigures {
        self.shared.figures()
    }

    /// Whether the node can do its work now, and if not, why.
    pub fn readiness(&self) -> Readiness {
        self.shared.readiness()
    }

    /// Stops: takes nothing new, commits what it has taken, ends long polls, gives the shard back. Idempotent.
    pub async fn shutdown(&self) {
        if let Some(retention) = self.end_retention() {
            // It holds the store until it has ended; that it was aborted is no news.
            let _ = retention.await;
        }
        self.shared.close();
        self.shared.stopped().await;
    }

    fn end_retention(&self) -> Option<tokio::task::JoinHandle<()>> {
        let retention = self.retention.lock().unwrap_or_else(PoisonError::into_inner).take();
        retention.inspect(tokio::task::JoinHandle::abort)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end_retention();
        self.shared.close();
    }
}
