//! The store on Redis 7. Its durability class follows from how Redis keeps its append-only file: D2 with `appendfsync
//! always`, else D1.
//!
//! One thread owns the writing connection and serves commits and the core's reads strictly in the order in which they were
//! made; a commit is one script inside Redis, which checks the fence before it writes. The lease is kept alive over a
//! connection of its own, and lists are served over a third.
//!
//! ```text
//!  shard ──▶ queue ──▶ store-write ──▶ EVALSHA commit ──▶ ┌───────┐
//!                          └ beat every second ─────────▶ │ Redis │ ──▶ append-only file
//!  API   ──▶ queue ──▶ store-read ◀────────────────────── └───────┘
//! ```
//! What stands where is drawn in `keys.rs`; the page of the guide on Redis is for people who run it.

mod clock;
mod connect;
mod failure;
mod fetch;
mod keys;
mod lease;
mod ops;
mod read;
mod record;
mod script;
mod url;
mod writer;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc as blocking};
use std::thread::{Builder, JoinHandle};

use mainspring_core::id::SessionId;
use mainspring_core::row::{ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;
use mainspring_store::{
    BoxFuture, CommitAnswer, Description, Error, Fence, History, Reader, ShardCommit, ShardId, Store,
};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

pub use keys::{PREFIX, status_key};

use crate::connect::{Found, Link};
use crate::lease::Lease;
use crate::read::{RedisReader, Side};
use crate::url::StoreUrl;
use crate::writer::{Reply, Request, Writer};

/// An hour, or 100,000 tasks: all of it is memory.
const HISTORY: History = History { keep_ms: 3_600_000, tasks_max: 100_000 };

/// See the crate. Dropping it finishes what was asked for and gives the shard back.
pub struct RedisStore {
    found: Found,
    lease: Arc<Lease>,
    requests: Option<mpsc::UnboundedSender<Request>>,
    reader: Option<Arc<RedisReader>>,
    writing: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("detail", &self.found.detail).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects to the Redis that `url` names, and looks whether it will do. Blocks for a moment; takes no ownership yet.
    ///
    /// # Errors
    /// `Incompatible` if it will not do, or the URL is bad: with what mends it. `Unavailable` if it cannot be reached, or
    /// refuses the password.
    pub fn open(url: &str) -> Result<Arc<Self>, Error> {
        let url = StoreUrl::parse(url)?;
        let instance = format!("{:016x}", RandomState::new().hash_one(std::thread::current().id()));
        let lease = Arc::new(Lease::new(instance, who()));
        let (requests, queue) = mpsc::unbounded_channel();
        let (reader, work) = RedisReader::new();
        let (opened, has_opened) = blocking::channel();
        let cannot = |error| Error::Unavailable(format!("cannot start a thread: {error}"));
        let (held, address) = (lease.clone(), url.clone());
        let runtime = runtime()?;
        let write = move || runtime.block_on(serve(address, held, queue, opened));
        let writing = Builder::new().name("store-write".into()).spawn(write).map_err(cannot)?;
        let ended = || Error::Unavailable("the store's thread has ended".to_owned());
        let found = has_opened.recv().map_err(|_| ended())??;
        let runtime = self::runtime()?;
        let side = Side::new(Link::new(url));
        // It ends on its own once nobody can ask, and nobody needs to wait for that.
        let read = move || runtime.block_on(read::run(side, work));
        Builder::new().name("store-read".into()).spawn(read).map_err(cannot)?;
        let (reader, writing) = (Some(Arc::new(reader)), Some(writing));
        Ok(Arc::new(Self { found, lease, requests: Some(requests), reader, writing }))
    }

    fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
        closed: impl FnOnce(String) -> T + Send + 'static,
    ) -> BoxFuture<T> {
        let (reply, answer) = oneshot::channel();
        let queue = self.requests.as_ref().expect("it ends only when the store is dropped");
        // Where the thread has ended, the request is dropped with its reply, and the caller hears so.
        _ = queue.send(request(reply));
        Box::pin(async move { answer.await.unwrap_or_else(|_| closed("the store is closed".to_owned())) })
    }
}

fn runtime() -> Result<Runtime, Error> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Error::Unavailable(format!("cannot start a runtime: {error}")))
}

async fn serve(
    url: StoreUrl,
    lease: Arc<Lease>,
    queue: mpsc::UnboundedReceiver<Request>,
    opened: blocking::Sender<Result<Found, Error>>,
) {
    let link = Arc::new(Link::new(url.clone()));
    let connected = link.connection().await.map_err(Error::from);
    let found = connected.map(|_| link.found().expect("a connection was just made"));
    let is_open = found.is_ok();
    // Whoever opens it waits for this.
    _ = opened.send(found);
    if is_open {
        let beat = tokio::spawn(lease::beat(lease.clone(), Link::new(url)));
        Writer::new(link, lease).run(queue).await;
        beat.abort();
    }
}

/// This process, for people.
fn who() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "unknown host" } else { host };
    format!("process {} on {host}", std::process::id())
}

fn unavailable<T>(reason: String) -> Result<T, Error> {
    Err(Error::Unavailable(reason))
}

impl Store for RedisStore {
    fn describe(&self) -> Description {
        Description { name: "redis", durability: self.found.durability, detail: self.found.detail.clone() }
    }

    fn acquire(&self, shard: ShardId, owner: SessionId, _dead: Option<u64>) -> BoxFuture<Result<Fence, Error>> {
        self.ask(|reply| Request::Acquire(shard, owner, reply), unavailable)
    }

    fn release(&self, fence: Fence) -> BoxFuture<Result<(), Error>> {
        self.ask(|reply| Request::Release(fence, reply), unavailable)
    }

    fn load(&self, fence: Fence) -> BoxFuture<Result<Snapshot, Error>> {
        self.ask(|reply| Request::Load(fence, reply), unavailable)
    }

    fn commit(&self, commits: Vec<ShardCommit>) -> BoxFuture<Vec<CommitAnswer>> {
        let number = commits.len();
        let unknown = move |reason| vec![CommitAnswer::Unknown { reason }; number];
        self.ask(|reply| Request::Commit(commits, reply), unknown)
    }

    fn read(&self, fence: Fence, set: ReadSet) -> BoxFuture<Result<Rows, Error>> {
        self.ask(|reply| Request::Read(fence, set, reply), unavailable)
    }

    fn prune(
        &self,
        fence: Fence,
        feed_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<Result<u64, Error>> {
        self.ask(|reply| Request::Prune { fence, feed_before, now, limit, reply }, unavailable)
    }

    fn history(&self) -> Option<History> {
        Some(HISTORY)
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        let [used, bound] = self.lease.memory.each_ref().map(|figure| figure.load(Ordering::Relaxed));
        vec![("redis_used_bytes", used), ("redis_max_bytes", bound)]
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.reader.clone().expect("it ends only when the store is dropped")
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.requests = None;
        self.reader = None;
        if let Some(thread) = self.writing.take() {
            _ = thread.join();
        }
    }
}
