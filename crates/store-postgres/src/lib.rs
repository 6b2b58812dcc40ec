//! The store on PostgreSQL. Its durability class follows from the server's settings: D2 with `synchronous_commit=on`, D3
//! with synchronous standbys, D1 where commits do not wait for the disk.
//!
//! The schema has several shards, any number of which a store may own. One task owns the connection that writes and serves
//! commits and the core's reads strictly in the order in which they were made, each transaction in one round trip; commits of
//! different shards that wait share one. A few connections serve lists, and one the membership. The epoch in front of every
//! commit keeps out who owns a shard no longer.
//!
//! ```text
//!  shards ──▶ queue ──▶ store-write ─▶ BEGIN · (fence · rows · feed row)… · COMMIT ──▶ database
//!  node   ──▶ store-beat ──▶ beat and roster ──────────────────────────────────────────▶   ▲
//!  API    ──▶ store-read ──▶ lists and details ─────────────────────────────────────────────┘
//! ```
//!
//! Nothing is kept in a session, so a pooler in transaction mode may stand between.

mod clock;
mod columns;
mod connect;
mod failure;
mod history;
mod inbox;
mod members;
mod read;
mod rows;
mod schema;
mod sql;
mod text;
mod tls;
mod url;
mod writer;

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use mainspring_core::id::SessionId;
use mainspring_core::row::{ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;
use mainspring_store::{
    BoxFuture, Cluster, CommitAnswer, Description, Error, Fence, Inbox, Members, Part, Reader, ShardCommit, ShardId,
    Store,
};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, oneshot};

use crate::connect::About;
use crate::history::History;
use crate::inbox::PostgresInbox;
use crate::members::PostgresMembers;
use crate::read::PostgresReader;
use crate::url::Target;
use crate::writer::{Call, Reply, Request, Writer};

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The schema, unless the URL names one. Default `mainspring`.
    pub schema: String,
    /// Connections that serve lists. Default 2.
    pub readers: usize,
    /// Which part of a cluster's shards the database holds. Default all.
    pub part: Part,
}

impl Default for Options {
    fn default() -> Self {
        Self { schema: "mainspring".to_owned(), readers: 2, part: Part::default() }
    }
}

/// See the crate. Dropping it finishes what was asked for, gives up its ownership and closes its connections.
pub struct PostgresStore {
    about: About,
    shown: String,
    requests: Option<mpsc::UnboundedSender<Request>>,
    reader: Arc<PostgresReader>,
    members: Arc<PostgresMembers>,
    inbox: Arc<PostgresInbox>,
    history: Arc<History>,
    /// End the threads that read and beat.
    stop: Vec<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").field("database", &self.shown).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Opens the database that `url` names and brings its schema up to date. Blocks until that is done.
    ///
    /// # Errors
    /// `Unavailable` if the database cannot be reached, lets the role not in or is read-only; `Incompatible` if the URL asks
    /// for what cannot be done, the role has not the rights, or the schema belongs to a newer version.
    pub fn open(url: &str, options: Options) -> Result<Arc<Self>, Error> {
        let target = Target { part: options.part, ..Target::parse(url, &options.schema)? };
        let shown = target.shown();
        let (opened, has_opened) = std::sync::mpsc::sync_channel(1);
        let (requests, queue) = mpsc::unbounded_channel();
        let place = target.clone();
        let history = Arc::new(History::default());
        let known = history.clone();
        let writing = thread("store-write", move |_| async move {
            match connect::open(&place).await {
                Ok((session, about)) => {
                    let writer = Writer::new(place, session, holder(), about.cluster.shards, known);
                    // Whoever opens waits for this.
                    _ = opened.send(Ok(about));
                    writer.run(queue).await;
                }
                Err(error) => _ = opened.send(Err(error)),
            }
        })?;
        let ended = |_| Err(Error::Unavailable("opening it was cut off".to_owned()));
        let about = has_opened.recv().unwrap_or_else(ended)?;
        let (reading, reads, stop_reading) = runtime("store-read")?;
        let (beating, beats, stop_beating) = runtime("store-beat")?;
        let waits = inbox::Waits::default();
        let members = Arc::new(PostgresMembers::new(beats, target.clone(), waits.clone()));
        let reader = Arc::new(PostgresReader::new(reads, target, about.cluster.shards, options.readers));
        let inbox = Arc::new(PostgresInbox::new(&requests, reader.clone(), waits));
        let (stop, threads) = (vec![stop_reading, stop_beating], vec![writing, reading, beating]);
        Ok(Arc::new(Self { about, shown, requests: Some(requests), reader, members, inbox, history, stop, threads }))
    }

    /// What was settled when the cluster was made.
    pub fn cluster(&self) -> &Cluster {
        &self.about.cluster
    }

    /// The shards whose rows this database holds.
    pub fn holds(&self) -> Range<u16> {
        self.about.holds.clone()
    }

    fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
        closed: impl FnOnce(String) -> T + Send + 'static,
    ) -> BoxFuture<T> {
        let (reply, answer) = oneshot::channel();
        let queue = self.requests.as_ref().expect("it ends only when the store is dropped");
        // Where the task has ended, the request is dropped with its reply, and the caller hears so.
        _ = queue.send(request(reply));
        Box::pin(async move { answer.await.unwrap_or_else(|_| closed("the store is closed".to_owned())) })
    }
}

/// Runs a future on a thread of its own, with a runtime that the future gets the handle of.
fn thread<F: Future<Output = ()>>(
    name: &str,
    run: impl FnOnce(Handle) -> F + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    let cannot = |error: std::io::Error| Error::Unavailable(format!("cannot start a thread: {error}"));
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    let spawned = Builder::new().name(name.to_owned()).spawn(move || {
        let handle = runtime.handle().clone();
        runtime.block_on(run(handle));
    });
    spawned.map_err(cannot)
}

/// A thread with a runtime for whatever is spawned, until it is told to stop.
fn runtime(name: &str) -> Result<(JoinHandle<()>, Handle, oneshot::Sender<()>), Error> {
    let (handles, handle) = std::sync::mpsc::sync_channel(1);
    let (stop, stopped) = oneshot::channel();
    let running = thread(name, move |runtime| async move {
        _ = handles.send(runtime);
        // It ends with the store, told or dropped.
        _ = stopped.await;
    })?;
    let closed = |_| Error::Unavailable("a thread of the store has ended".to_owned());
    Ok((running, handle.recv().map_err(closed)?, stop))
}

/// A name that no other store has.
fn holder() -> String {
    let random = || RandomState::new().hash_one((std::thread::current().id(), std::process::id()));
    format!("{:016x}{:016x}", random(), random())
}

/// Refuses a shard beyond the last.
fn exists(shard: ShardId, shards: u16) -> Result<(), Error> {
    if shard.0 < shards {
        return Ok(());
    }
    Err(Error::Incompatible(format!("shard {} does not exist: there are {shards}", shard.0)))
}

fn unavailable<T>(reason: String) -> Result<T, Error> {
    Err(Error::Unavailable(reason))
}

impl Store for PostgresStore {
    fn describe(&self) -> Description {
        Description { name: "postgres", durability: self.about.durability, detail: self.about.detail.clone() }
    }

    fn shards(&self) -> u16 {
        self.about.cluster.shards
    }

    fn members(&self) -> Option<Arc<dyn Members>> {
        Some(self.members.clone())
    }

    fn inbox(&self) -> Option<Arc<dyn Inbox>> {
        Some(self.inbox.clone())
    }

    fn acquire(&self, shard: ShardId, owner: SessionId, dead: Option<u64>) -> BoxFuture<Result<Fence, Error>> {
        self.ask(|reply| Request::Acquire { shard, owner, dead, reply }, unavailable)
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
        self.ask(|reply| Request::Commit(Call { commits, taken: Vec::new(), reply }), unknown)
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
        let pruned = self.ask(|reply| Request::Prune { fence, feed_before, now, limit, reply }, unavailable);
        let (reader, history) = (self.reader.clone(), self.history.clone());
        Box::pin(async move {
            let pruned = pruned.await?;
            // Over a connection of its own, so that no commit waits.
            if history.is_due()
                && let Err(error) = reader.ask(move |db| history.keep(db, now, feed_before)).await
            {
                tracing::warn!(%error, "failed to look after the partitions of the history");
            }
            Ok(pruned)
        })
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.reader.clone()
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.requests = None;
        self.stop.clear();
        for thread in self.threads.drain(..) {
            _ = thread.join();
        }
    }
}
