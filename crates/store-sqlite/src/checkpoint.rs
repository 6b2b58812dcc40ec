//! Moves pages from the write-ahead log into the database file, on a thread of its own.
//!
//! A checkpoint beside a busy writer never catches up with it, and SQLite starts the log afresh only once all of it was
//! moved. So when the log has grown large, the writer moves the little that the thread left over, between two commits.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use mainspring_store::Error;
use rusqlite::Connection;

use crate::connect;
use crate::failure::Failure;

/// Pages of new log that are worth a checkpoint.
const CHECKPOINT_PAGES: u64 = 4_000;
/// Pages of log from which the writer lends a hand.
const LARGE_PAGES: u64 = 16_000;
/// Pages of log that an operator should hear of: something keeps an old read transaction open.
const ALARM_PAGES: u64 = 100_000;

/// The write-ahead log as the writer and the checkpointing thread see it.
#[derive(Debug)]
pub(crate) struct Wal {
    /// Pages in the log after the last commit.
    pages: Arc<AtomicU64>,
    page_bytes: u64,
    /// How far the last checkpoint came.
    moved: AtomicU64,
    checkpoints: AtomicU64,
    /// The thread left something over and the log is large.
    lend_a_hand: AtomicBool,
    alarmed: AtomicBool,
    wake: SyncSender<()>,
}

impl Wal {
    pub(crate) fn new(page_bytes: u32, wake: SyncSender<()>) -> Self {
        Self {
            pages: Arc::default(),
            page_bytes: u64::from(page_bytes),
            moved: AtomicU64::new(0),
            checkpoints: AtomicU64::new(0),
            lend_a_hand: AtomicBool::new(false),
            alarmed: AtomicBool::new(false),
            wake,
        }
    }

    /// Bytes in the log, and checkpoints so far.
    pub(crate) fn figures(&self) -> (u64, u64) {
        (self.pages.load(Ordering::Relaxed) * self.page_bytes, self.checkpoints.load(Ordering::Relaxed))
    }

    /// Wakes the thread. A full channel means that it has been woken already.
    pub(crate) fn wake(&self) {
        _ = self.wake.try_send(());
    }

    /// Has the connection report the length of the log after each commit.
    pub(crate) fn watch(&self, db: &mut Connection) -> Result<(), Error> {
        let seen = self.pages.clone();
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(u64::try_from(pages).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        };
        db.wal_hook(Some(hook)).map_err(|error| Failure::from(error).into())
    }

    /// Called by the writer between commits.
    pub(crate) fn after_commit(&self, db: &mut Connection) {
        if self.lend_a_hand.swap(false, Ordering::AcqRel) {
            self.checkpoint(db);
        }
        let pages = self.pages.load(Ordering::Relaxed);
        let moved = self.moved.load(Ordering::Relaxed);
        let fresh = if pages < moved { pages } else { pages - moved };
        if fresh >= CHECKPOINT_PAGES {
            self.wake();
        }
    }

    /// Moves what can be moved without waiting for anybody. An error is not fatal: the log only grows.
    fn checkpoint(&self, db: &Connection) {
        let moved = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok((row.get::<_, i64>(1)?.max(0) as u64, row.get::<_, i64>(2)?.max(0) as u64))
        });
        match moved {
            Ok((pages, moved)) => {
                self.checkpoints.fetch_add(1, Ordering::Relaxed);
                self.moved.store(moved, Ordering::Relaxed);
                self.lend_a_hand.store(moved < pages && pages > LARGE_PAGES, Ordering::Release);
                self.alarm(pages);
            }
            Err(error) => tracing::warn!(%error, "a checkpoint failed"),
        }
    }

    fn alarm(&self, pages: u64) {
        let over = pages > ALARM_PAGES;
        if over && !self.alarmed.swap(over, Ordering::Relaxed) {
            let bytes = pages * self.page_bytes;
            tracing::warn!(bytes, "the write-ahead log is large: a reader keeps it, or the disk is slow");
        } else if !over {
            self.alarmed.store(false, Ordering::Relaxed);
        }
    }
}

/// Serves wake-ups until the writer is gone.
pub(crate) fn run(path: &Path, wal: &Wal, wake: &Receiver<()>, stop: &AtomicBool) {
    let mut db = None;
    while wake.recv().is_ok() && !stop.load(Ordering::Acquire) {
        if db.is_none() {
            match connect::checkpointer(path) {
                Ok(opened) => db = Some(opened),
                Err(error) => tracing::warn!(%error, "cannot open the database for a checkpoint"),
            }
        }
        if let Some(db) = &db {
            wal.checkpoint(db);
        }
    }
}
