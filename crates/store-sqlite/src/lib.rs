//! The store on one SQLite file: the embedded mode of Mainspring. Durability class D2: what was committed survives a loss
//! of power.
//!
//! One thread owns the writing connection and serves commits and the core's reads strictly in the order in which they were
//! made. A few threads with read-only connections serve lists. Another one checkpoints. A lock file beside the database
//! names its owner.
//!
//! ```text
//!  shard ──▶ queue ──▶ store-write ──▶ write-ahead log ──▶ store-checkpoint ──▶ file
//!  API   ──▶ queue ──▶ store-read-0, -1 ◀──────┴───────────────────────────────┘
//! ```

mod backup;
mod checkpoint;
mod clock;
mod connect;
mod failure;
mod lock;
mod read;
mod rows;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use mainspring_core::id::SessionId;
use mainspring_core::row::{ReadSet, Rows, Snapshot};
use mainspring_core::time::Timestamp;
use mainspring_store::{
    BoxFuture, CommitAnswer, Description, Durability, Error, Fence, Reader, ShardCommit, ShardId, Store,
};
use tokio::sync::oneshot;

pub use crate::backup::{Copied, CopyError, backup, restore};
use crate::checkpoint::Wal;
use crate::lock::Ownership;
use crate::read::{Pool, SqliteReader};
use crate::writer::{Reply, Request, Writer};

/// How a file is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether a commit waits until the disk has it (`synchronous=FULL`). Without it a loss of power may lose the last
    /// commits, and the store says so. Default true.
    pub sync: bool,
    /// Bytes of a page, for a new file. A power of two from 512 to 65,536. Default 4,096.
    pub page_bytes: u32,
    /// Memory for pages of the writing connection, in KiB, used as needed. Default 16,384.
    pub cache_kib: u32,
    /// Threads that serve lists. Default 2.
    pub readers: usize,
    /// Pages that the file may have; beyond it the store behaves as if the disk were full. Default none.
    pub pages_max: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { sync: true, page_bytes: 4_096, cache_kib: 16_384, readers: 2, pages_max: None }
    }
}

/// See the crate. Dropping it finishes what was asked for, closes the file and gives up its ownership.
pub struct SqliteStore {
    path: PathBuf,
    sync: bool,
    requests: Option<Sender<Request>>,
    wal: Arc<Wal>,
    stop: Arc<AtomicBool>,
    reader: Arc<SqliteReader>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file at `path`, or creates it, and takes ownership of it.
    ///
    /// # Errors
    /// `Conflict` if another server has it; `Incompatible` if it belongs to another program or a newer version, `Corrupt`
    /// if it is no database: then nothing was written. `Unavailable` if it cannot be opened or written.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Arc<Self>, Error> {
        let path = path.as_ref();
        if path.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(Error::Unavailable(format!("the path `{}` contains a NUL byte", path.display())));
        }
        let path = lock::settle(path)?;
        let ownership = Arc::new(Ownership::take(&path)?);
        let db = connect::writer(&path, &options)?;
        let (wake, woken) = sync_channel(1);
        let wal = Arc::new(Wal::new(options.page_bytes, wake));
        let writer = Writer::new(path.clone(), options.clone(), wal.clone(), db, ownership.clone())?;
        let reader = Arc::new(SqliteReader::new(Arc::new(Pool::start(&path, options.readers, &ownership)?)));
        let (requests, queue) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let cannot = |error| Error::Unavailable(format!("cannot start a thread: {error}"));
        let writing = Builder::new().name("store-write".into()).spawn(move || writer.run(&queue)).map_err(cannot)?;
        let (file, seen, end) = (path.clone(), wal.clone(), stop.clone());
        let moving = Builder::new().name("store-checkpoint".into());
        let move_pages = move || {
            checkpoint::run(&file, &seen, &woken, &end);
            drop(ownership);
        };
        let moving = moving.spawn(move_pages).map_err(cannot)?;
        let threads = vec![writing, moving];
        Ok(Arc::new(Self { path, sync: options.sync, requests: Some(requests), wal, stop, reader, threads }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
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

fn unavailable<T>(reason: String) -> Result<T, Error> {
    Err(Error::Unavailable(reason))
}

impl Store for SqliteStore {
    fn describe(&self) -> Description {
        let (durability, sync) =
            if self.sync { (Durability::PowerLoss, "FULL") } else { (Durability::ProcessCrash, "NORMAL") };
        let detail = format!("{} journal_mode=WAL synchronous={sync}", self.path.display());
        Description { name: "sqlite", durability, detail }
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

    fn figures(&self) -> Vec<(&'static str, u64)> {
        let (wal_bytes, checkpoints) = self.wal.figures();
        let file_bytes = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        vec![("file_bytes", file_bytes), ("wal_bytes", wal_bytes), ("checkpoints", checkpoints)]
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.reader.clone()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.requests = None;
        self.stop.store(true, Ordering::Release);
        self.wal.wake();
        for thread in self.threads.drain(..) {
            _ = thread.join();
        }
    }
}
