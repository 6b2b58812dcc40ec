//! The store on Redis 7. Its durability class follows from how Redis keeps its append-only file: D2 with `appendfsync
//! always`, else D1.
//!
//! A database has a number of shards, which share nothing but the server. One thread writes all shards of the process over
//! one connection: each shard's commits and reads are served strictly in the order in which they were made, those of different
//! shards are pipelined. A commit is one script inside Redis, which checks the fence before it writes. Beats go over a
//! connection of their own, and lists are served over a third.
//!
//! ```text
//!  shard 0 ──▶ queue ──┐
//!  shard 1 ──▶ queue ──┼▶ store-write ──▶ EVALSHA commit ──▶ ┌───────┐
//!  API     ──▶ queue ───▶ store-read  ◀───────────────────── │ Redis │ ──▶ append-only file
//!  members ──▶ queue ───▶ store-beat  ──▶ EVALSHA beat ────▶ └───────┘
//! ```
//! What stands where is drawn in `keys.rs`; the page of the guide on Redis is for people who run it.

mod clock;
mod connect;
mod failure;
mod fetch;
mod keys;
mod members;
mod memory;
mod meta;
mod ops;
mod read;
mod record;
mod script;
mod url;
mod writer;

use std::ops::Range;
use std::sync::{Arc, mpsc as blocking};
use std::thread::{Builder, JoinHandle};

use mainspring_core::id::SessionId;
use mainspring_core::row::{ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;
use mainspring_store::{
    BoxFuture, Cluster, CommitAnswer, Description, Error, Fence, History, Members, MergedReader, Part, Reader,
    ShardCommit, ShardId, Store,
};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

pub use keys::{PREFIX, SHARDS, SHARDS_MAX, status_key};

use crate::connect::{Found, Link, Net};
use crate::members::{RedisMembers, Table};
use crate::memory::Memory;
use crate::meta::{Holder, Made};
use crate::read::RedisReader;
use crate::url::StoreUrl;
use crate::writer::{Reply, Request, Writer};

/// An hour, or 100,000 tasks: all of it is memory.
const HISTORY: History = History { keep_ms: 3_600_000, tasks_max: 100_000 };

/// See the crate. Dropping it finishes what was asked for and gives its shards back.
pub struct RedisStore {
    found: Found,
    made: Made,
    memory: Arc<Memory>,
    /// Where the requests of each shard that is here go, in order.
    requests: Vec<Queue>,
    reader: Option<Arc<MergedReader>>,
    members: Arc<RedisMembers>,
    writing: Option<JoinHandle<()>>,
}

type Queue = mpsc::UnboundedSender<Request>;

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("detail", &self.found.detail).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects to the Redis that `url` names, looks whether it will do, and makes the database if there is none. Blocks for
    /// a moment; takes no ownership yet.
    ///
    /// # Errors
    /// `Incompatible` if it will not do, or the URL is bad: with what mends it. `Unavailable` if it cannot be reached, or
    /// refuses the password.
    pub fn open(url: &str) -> Result<Arc<Self>, Error> {
        Self::open_part(url, Part::default())
    }

    /// The same for one of several over which the shards of a cluster are spread.
    ///
    /// # Errors
    /// The same, and `Incompatible` if it is another part of the cluster, or part of another one.
    pub fn open_part(url: &str, part: Part) -> Result<Arc<Self>, Error> {
        let url = StoreUrl::parse(url)?;
        let memory = Arc::<Memory>::default();
        let (opened, has_opened) = blocking::channel();
        let writing = on_a_thread("store-write", serve(url.clone(), part, memory.clone(), opened))?;
        let ended = || Error::Unavailable("the store's thread has ended".to_owned());
        let (found, made, requests) = has_opened.recv().map_err(|_| ended())??;
        let (shards, holds) = (made.cluster.shards, made.holds.clone());
        let (work, queue) = mpsc::unbounded_channel();
        let net = Arc::new(Net::new(url.clone()));
        let part =
            |shard| Arc::new(RedisReader::new(Link::new(net.clone(), ShardId(shard)), work.clone())) as Arc<dyn Reader>;
        let parts = holds.clone().map(|shard| (part(shard), 1)).collect();
        let reader = Some(Arc::new(MergedReader::of_range(parts, holds.start, shards)));
        let (members, asks) = RedisMembers::new();
        let table = Table::new(&Arc::new(Net::new(url)), &made, memory.clone());
        // These end on their own once nobody can ask, and nobody needs to wait for that.
        on_a_thread("store-read", read::run(queue))?;
        on_a_thread("store-beat", table.run(asks))?;
        Ok(Arc::new(Self { found, made, memory, requests, reader, members: Arc::new(members), writing: Some(writing) }))
    }

    /// What was settled when the cluster was made.
    pub fn cluster(&self) -> &Cluster {
        &self.made.cluster
    }

    /// The shards whose rows this database holds.
    pub fn holds(&self) -> Range<u16> {
        self.made.holds.clone()
    }

    fn queue(&self, shard: ShardId) -> Option<&Queue> {
        self.requests.get(usize::from(shard.0.checked_sub(self.made.holds.start)?))
    }

    fn ask<T: Send + 'static>(
        &self,
        shard: ShardId,
        request: impl FnOnce(Reply<Result<T, Error>>) -> Request,
    ) -> BoxFuture<Result<T, Error>> {
        let Some(queue) = self.queue(shard) else {
            let holds = &self.made.holds;
            let absent = format!("there is no shard {} here, only {} to {}", shard.0, holds.start, holds.end - 1);
            let absent = Error::Incompatible(absent);
            return Box::pin(async move { Err(absent) });
        };
        let (reply, answer) = oneshot::channel();
        // Where the thread has ended, the request is dropped with its reply, and the caller hears so.
        _ = queue.send(request(reply));
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(Error::Unavailable(CLOSED.to_owned()))) })
    }
}

const CLOSED: &str = "the store is closed";

/// Runs it on a thread of its own.
fn on_a_thread(name: &str, work: impl Future<Output = ()> + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Unavailable(format!("cannot start a runtime: {error}")))?;
    let started = Builder::new().name(name.into()).spawn(move || runtime.block_on(work));
    started.map_err(|error| Error::Unavailable(format!("cannot start a thread: {error}")))
}

/// What is known once the database is open.
type Opened = (Found, Made, Vec<Queue>);

/// Writes all shards that are here until nobody can ask.
async fn serve(url: StoreUrl, part: Part, memory: Arc<Memory>, opened: blocking::Sender<Result<Opened, Error>>) {
    let (wanted, net) = (url.shards, Arc::new(Net::new(url)));
    let made = match meta::open(&Link::new(net.clone(), ShardId::CONTROL), wanted, &part).await {
        Ok(made) => made,
        // Whoever opens it waits for this.
        Err(failure) => {
            _ = opened.send(Err(failure.into()));
            return;
        }
    };
    let mut found = net.found().expect("a connection was just made");
    let (holds, all) = (made.holds.clone(), made.cluster.shards);
    let here =
        if holds.len() == usize::from(all) { all.to_string() } else { format!("{}..{}/{all}", holds.start, holds.end) };
    found.detail = format!("{} shards={here}", found.detail);
    let holder = Arc::new(Holder::new());
    let (mut writers, mut queues) = (JoinSet::new(), Vec::new());
    for shard in holds.map(ShardId) {
        let (requests, queue) = mpsc::unbounded_channel();
        let link = Link::new(net.clone(), shard);
        writers.spawn(Writer::new(shard, &made, link, memory.clone(), holder.clone()).run(queue));
        queues.push(requests);
    }
    _ = opened.send(Ok((found, made, queues)));
    while writers.join_next().await.is_some() {}
}

impl Store for RedisStore {
    fn describe(&self) -> Description {
        Description { name: "redis", durability: self.found.durability, detail: self.found.detail.clone() }
    }

    fn shards(&self) -> u16 {
        self.made.cluster.shards
    }

    fn members(&self) -> Option<Arc<dyn Members>> {
        Some(self.members.clone())
    }

    fn acquire(&self, shard: ShardId, owner: SessionId, dead: Option<u64>) -> BoxFuture<Result<Fence, Error>> {
        self.ask(shard, |reply| Request::Acquire { owner, dead, reply })
    }

    fn release(&self, fence: Fence) -> BoxFuture<Result<(), Error>> {
        self.ask(fence.shard, |reply| Request::Release(fence, reply))
    }

    fn load(&self, fence: Fence) -> BoxFuture<Result<Snapshot, Error>> {
        self.ask(fence.shard, |reply| Request::Load(fence, reply))
    }

    fn commit(&self, commits: Vec<ShardCommit>) -> BoxFuture<Vec<CommitAnswer>> {
        let send = |commit: ShardCommit| {
            let (reply, answer) = oneshot::channel();
            // Where there is no such shard, or the thread has ended, the reply is dropped.
            if let Some(queue) = self.queue(commit.fence.shard) {
                _ = queue.send(Request::Commit(commit, reply));
            }
            answer
        };
        let answers: Vec<_> = commits.into_iter().map(send).collect();
        Box::pin(async move {
            let mut done = Vec::with_capacity(answers.len());
            for answer in answers {
                done.push(answer.await.unwrap_or_else(|_| CommitAnswer::Unknown { reason: CLOSED.to_owned() }));
            }
            done
        })
    }

    fn read(&self, fence: Fence, set: ReadSet) -> BoxFuture<Result<Rows, Error>> {
        self.ask(fence.shard, |reply| Request::Read(fence, set, reply))
    }

    fn prune(
        &self,
        fence: Fence,
        feed_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<Result<u64, Error>> {
        self.ask(fence.shard, |reply| Request::Prune { fence, feed_before, now, limit, reply })
    }

    fn history(&self) -> Option<History> {
        Some(HISTORY)
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        let [used, bound] = self.memory.figures();
        vec![("redis_used_bytes", used), ("redis_max_bytes", bound)]
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.reader.clone().expect("it ends only when the store is dropped")
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.requests.clear();
        self.reader = None;
        if let Some(thread) = self.writing.take() {
            _ = thread.join();
        }
    }
}
