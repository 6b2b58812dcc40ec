//! The node over the in-memory store and the real core.

mod faults;
mod installed;
mod renewed;
mod sessions;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use mainspring_core::effect::Submitted;
use mainspring_core::event::{NewTask, Start};
use mainspring_core::id::{Name, Token};
use mainspring_core::row::{ReadSet, Rows, Snapshot};
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::TaskStatus;
use mainspring_core::time::Timestamp;
use mainspring_protocol::exchange::{ExchangeRequest, OutcomeReport, OutcomeStatus};
use mainspring_protocol::token;
use mainspring_store::{
    BoxFuture, CommitAnswer, Description, Error, Fence, MemoryStore, Reader, ShardCommit, ShardId, Store,
};
use tokio::sync::Semaphore;

use super::{CallError, ExchangeAnswer, Exchanged, Node, NodeConfig, NodeFigures};

/// Far beyond anything a test waits for: a hang becomes a failure.
const HANG: Duration = Duration::from_secs(20);

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("the node answers")
}

async fn start(store: &MemoryStore) -> Arc<Node> {
    within(Node::start(Arc::new(store.clone()), NodeConfig::default())).await.expect("the node starts")
}

fn task(body: &str) -> NewTask {
    NewTask {
        tenant: "default".into(),
        given_id: None,
        idempotency_key: None,
        body_hash: 0,
        spec: Arc::new(TaskSpec::new("noop".into(), body.into())),
        start: Start::Now,
        unique: None,
    }
}

fn named(id: &str) -> NewTask {
    NewTask { given_id: Some(id.into()), body_hash: 7, ..task("{}") }
}

async fn submit(node: &Node, task: NewTask) -> Submitted {
    let mut results = within(node.submit_tasks(vec![task])).await.expect("the node accepts");
    results.pop().expect("one result").expect("the core accepts")
}

async fn status(node: &Node, submitted: &Submitted) -> TaskStatus {
    let rows = node.reader().tasks_by_key(vec![submitted.key]).await.expect("the store reads");
    rows[0].state.status
}

/// A worker's side of a session.
struct Worker {
    id: Name,
    session: Name,
    seq: u64,
    ack: u64,
}

impl Worker {
    fn new(id: &str, session: &str) -> Self {
        Self { id: id.into(), session: session.into(), seq: 0, ack: 0 }
    }

    fn request(&mut self, capacity: u32, wait_ms: u64) -> ExchangeRequest {
        self.seq += 1;
        ExchangeRequest {
            worker_id: self.id.to_string(),
            session_id: self.session.to_string(),
            seq: self.seq,
            ack: self.ack,
            types: vec!["noop".to_owned()],
            capacity,
            wait_ms,
            ..ExchangeRequest::default()
        }
    }

    /// A call whose answer arrives.
    async fn call(&mut self, node: &Node, request: ExchangeRequest) -> ExchangeAnswer {
        let answer = one(within(node.exchange(request)).await.expect("the node answers the exchange"));
        self.ack = self.ack.max(answer.seq);
        answer
    }

    async fn poll(&mut self, node: &Node, capacity: u32, wait_ms: u64) -> ExchangeAnswer {
        let request = self.request(capacity, wait_ms);
        self.call(node, request).await
    }
}

/// The answer of the only shard.
fn one(answer: Exchanged) -> ExchangeAnswer {
    match answer {
        Exchanged::One(answer) => answer,
        Exchanged::Many(answer) => panic!("there are several shards: {answer:?}"),
    }
}

/// Waits until the node's figures say so.
async fn until(node: &Node, holds: impl Fn(&NodeFigures) -> bool) {
    within(async {
        while !holds(&node.figures()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A call that is left waiting.
fn spawn_call(
    node: &Arc<Node>,
    request: ExchangeRequest,
) -> tokio::task::JoinHandle<Result<ExchangeAnswer, CallError>> {
    let node = Arc::clone(node);
    tokio::spawn(async move { node.exchange(request).await.map(one) })
}

fn spawn_submit(node: &Arc<Node>) -> tokio::task::JoinHandle<Submitted> {
    let node = Arc::clone(node);
    tokio::spawn(async move { submit(&node, task("{}")).await })
}

fn success(token: Token) -> OutcomeReport {
    OutcomeReport {
        token: token::encode(token),
        status: OutcomeStatus::Success,
        output: None,
        error: None,
        retryable: None,
        retry_after: None,
    }
}

fn tokens(answer: &ExchangeAnswer) -> Vec<Token> {
    answer.grants.iter().map(|grant| grant.token).collect()
}

/// An in-memory store whose commits are answered one per permit.
struct GatedStore {
    inner: MemoryStore,
    commits: Arc<Semaphore>,
}

impl GatedStore {
    fn new() -> (Arc<Self>, Arc<Semaphore>) {
        let commits = Arc::new(Semaphore::new(0));
        (Arc::new(Self { inner: MemoryStore::new(), commits: Arc::clone(&commits) }), commits)
    }
}

impl Store for GatedStore {
    fn describe(&self) -> Description {
        self.inner.describe()
    }

    fn acquire(&self, shard: ShardId, owner: Name, dead: Option<u64>) -> BoxFuture<Result<Fence, Error>> {
        self.inner.acquire(shard, owner, dead)
    }

    fn release(&self, fence: Fence) -> BoxFuture<Result<(), Error>> {
        self.inner.release(fence)
    }

    fn load(&self, fence: Fence) -> BoxFuture<Result<Snapshot, Error>> {
        self.inner.load(fence)
    }

    fn commit(&self, commits: Vec<ShardCommit>) -> BoxFuture<Vec<CommitAnswer>> {
        let answer = self.inner.commit(commits);
        let permits = Arc::clone(&self.commits);
        Box::pin(async move {
            permits.acquire().await.expect("the gate stays open or shut").forget();
            answer.await
        })
    }

    fn read(&self, fence: Fence, set: ReadSet) -> BoxFuture<Result<Rows, Error>> {
        self.inner.read(fence, set)
    }

    fn prune(&self, fence: Fence, before: Timestamp, now: Timestamp, limit: usize) -> BoxFuture<Result<u64, Error>> {
        self.inner.prune(fence, before, now, limit)
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.inner.reader()
    }
}
