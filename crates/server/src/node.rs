//! The node: owns shards of a store and runs their cores.
//!
//! One thread per shard, the shard actor, drains a bounded mailbox into the core's driver, commits, and lets effects go
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
use mainspring_core::schedule::ScheduleName;
use mainspring_core::shard::ShardConfig;
use mainspring_protocol::exchange::ExchangeRequest;
use mainspring_store::{Reader, ShardId, Store};
use tokio::sync::watch;

use crate::clock::{Clock, SystemClock};

mod actor;
mod cluster;
mod convert;
mod ending;
mod evaluate;
mod exchange;
mod figures;
mod followers;
mod installed;
mod mailbox;
mod peer;
mod planner;
mod questions;
mod recovery;
mod retention;
mod shared;
mod taken;
#[cfg(test)]
mod tests;
mod trouble;
mod wire;

pub use cluster::{ClusterView, Exchanged, NodeView, ShardView};
pub(crate) use cluster::{Inside, ROOT as CLUSTER_ROOT};
pub use exchange::ExchangeAnswer;
pub use figures::{Histogram, NodeFigures, Readiness};
pub(crate) use peer::SEAL;
pub(crate) use planner::{has_fired, seed_of};

use cluster::Cluster;

/// How often, and how far apart, an order is tried whose job is still busy.
const BUSY_TRIES: u32 = 100;
const BUSY_WAIT: Duration = Duration::from_millis(20);

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
    /// Where other nodes reach this one, `http://host:port`. Default nowhere: then no node can pass a call on to it.
    pub advertise: Option<String>,
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
            advertise: None,
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
    cluster: Arc<Cluster>,
    /// What works beside the shards: retention, followers.
    beside: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

impl Node {
    /// Takes the only shard of a store over, or its share of them beside other nodes, and starts to serve. Must be called
    /// inside a tokio runtime.
    ///
    /// # Errors
    /// When the store is owned by another process and cannot be shared, cannot be reached, or holds what cannot be read.
    pub async fn start(store: Arc<dyn Store>, config: NodeConfig) -> Result<Arc<Node>, StartError> {
        let (keep_ms, every) = (config.retention_ms, config.retention_every);
        let cluster = Cluster::start(store, config).await?;
        let mut beside = vec![
            tokio::spawn(followers::run(Arc::clone(&cluster))),
            tokio::spawn(installed::run(Arc::clone(&cluster))),
        ];
        beside.extend(keep_ms.map(|keep_ms| tokio::spawn(retention::run(Arc::clone(&cluster), keep_ms, every))));
        Ok(Arc::new(Node { cluster, beside: Mutex::new(beside) }))
    }

    /// Names this start of the node. The session of a worker that lives in this process starts with it and a dot, so that
    /// it ends with the node.
    pub fn id(&self) -> &Name {
        &self.cluster.me.id
    }

    /// Nodes and shards as this node sees them.
    pub fn cluster(&self) -> ClusterView {
        self.cluster.for_people()
    }

    /// How many shards there are.
    pub fn shards(&self) -> u16 {
        self.cluster.shards
    }

    /// The number of the newest durable commit of a shard; `None` where this node does not know it.
    pub fn head(&self, shard: u16) -> Option<u64> {
        self.cluster.head(ShardId(shard))
    }

    /// What the internal API may do.
    pub(crate) fn inside(&self) -> Inside {
        Inside::new(Arc::clone(&self.cluster))
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
        self.cluster.submit_tasks(tasks).await
    }

    /// Accepts a job: its key, its status, and whether it had been accepted before. It is durable when this returns.
    /// `to` and `bucket` of the job are overwritten.
    ///
    /// # Errors
    /// Nothing was accepted, except under [`CallError::OutcomeUnknown`].
    pub async fn submit_job(&self, job: SubmitJob) -> Result<(Key, JobStatus, bool), CallError> {
        self.cluster.submit_job(job).await
    }

    /// Carries out an operator's order. What it acknowledges is durable when this returns.
    ///
    /// # Errors
    /// Nothing was done, except under [`CallError::OutcomeUnknown`].
    pub async fn order(&self, actor: Name, order: Order) -> Result<Answer, CallError> {
        for _ in 0..BUSY_TRIES {
            match self.cluster.order(actor.clone(), order.clone()).await {
                // The end of the generation before is still being told to those who follow it.
                Err(CallError::Refused(Refusal::Busy))
                    if matches!(order, Order::RerunJob(..) | Order::RetryTask(_)) =>
                {
                    tokio::time::sleep(BUSY_WAIT).await;
                }
                answer => return answer,
            }
        }
        Err(CallError::Refused(Refusal::Busy))
    }

    /// Has the schedule of a job definition follow its newest version; nothing if it does already. It comes to that by itself;
    /// this is for those who want to know when, or why not.
    ///
    /// # Errors
    /// Why it does not follow yet.
    pub(crate) async fn install(&self, actor: Name, id: &ScheduleName) -> Result<(), CallError> {
        installed::follow(&self.cluster, &actor, id).await
    }

    /// One call of a worker session. Waits as the request says; dropping the future hangs up, and what it would have
    /// brought comes with the session's next call.
    ///
    /// # Errors
    /// The worker repeats the call as it is after any error but [`CallError::Invalid`] and
    /// [`CallError::WorkerIdInUse`].
    pub async fn exchange(&self, request: ExchangeRequest) -> Result<Exchanged, CallError> {
        self.cluster.exchange(request).await
    }

    /// The read side of the store: committed rows.
    pub fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.cluster.reader)
    }

    /// Changes with each durable commit, soon also with those of other nodes. Readers that follow the feed wake on it.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.cluster.wakes.commits.subscribe()
    }

    /// Whether this node serves the control shard, whose owner does what one node does for all.
    pub(crate) fn serves_control(&self) -> bool {
        self.cluster.serves_control()
    }

    /// Whether a worker has called since the node started.
    pub fn has_seen(&self, worker: &Name) -> bool {
        self.cluster.has_seen(worker)
    }

    /// Figures of the node itself; those of the shards come from [`Order::Figures`].
    pub fn figures(&self) -> NodeFigures {
        self.cluster.figures()
    }

    /// Whether the node can do its work now, and if not, why.
    pub fn readiness(&self) -> Readiness {
        self.cluster.readiness()
    }

    /// Stops: takes nothing new, commits what it has taken, ends long polls, gives its shards back. Idempotent.
    pub async fn shutdown(&self) {
        for task in self.end_beside() {
            // It holds the store until it has ended; that it was aborted is no news.
            let _ = task.await;
        }
        self.cluster.shutdown().await;
    }

    fn end_beside(&self) -> Vec<tokio::task::JoinHandle<()>> {
        let tasks = std::mem::take(&mut *self.beside.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        tasks
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end_beside();
        self.cluster.close();
    }
}
