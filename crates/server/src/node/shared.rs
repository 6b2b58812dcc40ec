//! What callers and the shard's thread share: the mailbox, the figures, readiness, and the number of the newest commit.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;

use mainspring_core::effect::Answer;
use mainspring_core::event::RequestId;
use mainspring_core::id::Name;
use mainspring_store::{Description, Fence, Reader, Store};
use tokio::sync::{oneshot, watch};

use super::exchange::Call;
use super::figures::{BATCH_BOUNDS_ROWS, COMMIT_BOUNDS_US, NodeFigures, Readiness, Recorder};
use super::mailbox::{Answers, ExchangeAnswers, Mailbox, Message};
use super::{CallError, NodeConfig};
use crate::clock::Clock;

/// Workers that are remembered to have called.
const SEEN_MAX: usize = 100_000;

/// See the module.
pub(super) struct Shared {
    pub(super) mailbox: Mailbox,
    pub(super) reader: Arc<dyn Reader>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) commits: watch::Sender<u64>,
    pub(super) commit_us: Recorder,
    pub(super) commit_rows: Recorder,
    pub(super) reloads: AtomicU64,
    pub(super) sessions: AtomicU64,
    pub(super) calls: AtomicU64,
    /// Longest wait of one exchange, in milliseconds.
    pub(super) wait_ms_max: u64,
    /// The store, for what does not go through the core.
    pub(super) store: Arc<dyn Store>,
    mailbox_bytes_max: usize,
    description: Description,
    fence: Mutex<Option<Fence>>,
    reasons: Mutex<BTreeMap<&'static str, String>>,
    /// Workers that have called.
    seen: Mutex<HashSet<Name>>,
    next_request: AtomicU64,
    thread: OnceLock<Thread>,
    stopped: watch::Sender<bool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("figures", &self.figures()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(store: &Arc<dyn Store>, config: &NodeConfig) -> Self {
        Self {
            mailbox: Mailbox::new(config.mailbox_bytes_max),
            reader: store.reader(),
            clock: Arc::clone(&config.clock),
            commits: watch::Sender::new(0),
            commit_us: Recorder::new(&COMMIT_BOUNDS_US),
            commit_rows: Recorder::new(&BATCH_BOUNDS_ROWS),
            reloads: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            wait_ms_max: config.wait_ms_max,
            mailbox_bytes_max: config.mailbox_bytes_max,
            store: Arc::clone(store),
            description: store.describe(),
            fence: Mutex::default(),
            reasons: Mutex::default(),
            seen: Mutex::default(),
            next_request: AtomicU64::new(1),
            thread: OnceLock::new(),
            stopped: watch::Sender::new(false),
        }
    }

    /// A number for a new request.
    pub(super) fn request(&self) -> RequestId {
        self.next_request.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a message to the shard and waits for its answer.
    pub(super) async fn call(&self, message: impl FnOnce(Answers) -> Message) -> Result<Answer, CallError> {
        let (answer, receiver) = oneshot::channel();
        self.push(message(answer))?;
        // A dropped sender means that the shard went down with the request in its hands.
        receiver.await.unwrap_or(Err(CallError::OutcomeUnknown))
    }

    /// Sends an exchange to the shard; what it returns hangs up when it is dropped.
    pub(super) fn exchange(&self, call: Call, answer: ExchangeAnswers) -> Result<Hangup<'_>, CallError> {
        let request = self.request();
        self.push(Message::Exchange { request, call: Box::new(call), answer })?;
        Ok(Hangup { shared: Some(self), request })
    }

    fn push(&self, message: Message) -> Result<(), CallError> {
        self.mailbox.push(message)?;
        self.wake();
        Ok(())
    }

    /// The proof of ownership in force, as far as this node knows.
    pub(super) fn fence(&self) -> Option<Fence> {
        self.fence.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The shard was taken over, or given up.
    pub(super) fn set_fence(&self, fence: Option<Fence>) {
        *self.fence.lock().unwrap_or_else(PoisonError::into_inner) = fence;
    }

    /// Wakes the shard's thread.
    pub(super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Remembers the shard's thread.
    pub(super) fn runs_on(&self, thread: Thread) {
        let _ = self.thread.set(thread);
    }

    /// Takes nothing more in.
    pub(super) fn close(&self) {
        self.mailbox.close();
        self.wake();
    }

    /// The shard's thread has ended. It lets go of the store BEFORE it says so, so that whoever waits can open it again.
    pub(super) fn stop(self: Arc<Self>) {
        let stopped = self.stopped.clone();
        drop(self);
        stopped.send_replace(true);
    }

    /// Waits until the shard's thread has ended.
    pub(super) async fn stopped(&self) {
        // The sender lives in `self`, so the wait can only end well.
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// A worker has begun a session. Beyond a bound, which only random names reach, all are forgotten.
    pub(super) fn see(&self, worker: &Name) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            seen.clear();
        }
        seen.insert(worker.clone());
    }

    pub(super) fn has_seen(&self, worker: &Name) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(worker)
    }

    /// Notes why the node is not ready, or that this reason has gone.
    pub(super) fn set_reason(&self, word: &'static str, reason: Option<String>) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        match reason {
            Some(reason) => reasons.insert(word, reason),
            None => reasons.remove(word),
        };
    }

    pub(super) fn readiness(&self) -> Readiness {
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        Readiness { reasons: reasons.iter().map(|(word, reason)| (*word, reason.clone())).collect() }
    }

    pub(super) fn figures(&self) -> NodeFigures {
        NodeFigures {
            commit_us: self.commit_us.read(),
            commit_rows: self.commit_rows.read(),
            commit: *self.commits.borrow(),
            mailbox_bytes: self.mailbox.bytes(),
            mailbox_bytes_max: self.mailbox_bytes_max,
            epoch: self.fence().map_or(0, |fence| fence.epoch),
            reloads: self.reloads.load(Ordering::Relaxed),
            sessions: self.sessions.load(Ordering::Relaxed),
            calls: self.calls.load(Ordering::Relaxed),
            store: self.description.clone(),
            store_figures: self.store.figures(),
            readiness: self.readiness(),
        }
    }
}

/// Tells the shard that the caller of an exchange is gone, unless it was disarmed.
pub(super) struct Hangup<'a> {
    shared: Option<&'a Shared>,
    request: RequestId,
}

impl Hangup<'_> {
    pub(super) fn disarm(mut self) {
        self.shared = None;
    }
}

impl Drop for Hangup<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared {
            // A full or closed mailbox loses it; the session's silence then says the same later.
            let _ = shared.push(Message::Hangup { request: self.request });
        }
    }
}
