//! What callers and the shard's thread share: the mailbox, the figures, readiness, and the number of the newest commit.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use mainspring_core::effect::{Answer, Evaluate};
use mainspring_core::event::{Evaluated, Event, RequestId, Settings};
use mainspring_core::id::{Bucket, Name};
use mainspring_core::loan::LoanMessage;
use mainspring_core::schedule::{Ask, ScheduleName};
use mainspring_node::followed::Followed;
use mainspring_node::gateway::{Call, Host};
use mainspring_store::{Description, Fence, Reader, ShardId, Store};
use tokio::sync::{oneshot, watch};

use super::exchange::ExchangeAnswer;
use super::figures::{BATCH_BOUNDS_ROWS, COMMIT_BOUNDS_US, NodeFigures, Readiness, Recorder};
use super::followers::Question;
use super::mailbox::{Answers, ExchangeAnswers, Mailbox, Message};
use super::questions::Questions;
use super::{CallError, NodeConfig};
use crate::clock::Clock;

/// Workers that are remembered to have called.
const SEEN_MAX: usize = 100_000;

/// See the module.
pub(super) struct Shared {
    pub(super) mailbox: Mailbox,
    pub(super) clock: Arc<dyn Clock>,
    /// The number of the newest durable commit.
    pub(super) commit: AtomicU64,
    wakes: Wakes,
    /// Ready tasks that no session has room for.
    pub(super) demand: AtomicU64,
    pub(super) shard: ShardId,
    pub(super) shards: u16,
    /// Whether other processes may have the shard.
    pub(super) is_shared: bool,
    pub(super) commit_us: Recorder,
    pub(super) commit_rows: Recorder,
    pub(super) reloads: AtomicU64,
    pub(super) sessions: AtomicU64,
    pub(super) calls: AtomicU64,
    /// The store, for what does not go through the core.
    pub(super) store: Arc<dyn Store>,
    mailbox_bytes_max: usize,
    description: Description,
    fence: Mutex<Option<Fence>>,
    reasons: Mutex<BTreeMap<&'static str, String>>,
    /// What the core was told of the settings.
    followed: Mutex<Followed>,
    /// Workers that have called.
    seen: Mutex<HashSet<Name>>,
    /// The store lacks what it had acknowledged: the shard is to be taken over anew.
    distrusted: AtomicBool,
    next_request: AtomicU64,
    thread: OnceLock<Thread>,
    /// Tasks whose expressions [`super::evaluate`] shall evaluate.
    pub(super) evaluations: Questions<Evaluate>,
    /// Schedules that [`super::planner`] shall look at.
    pub(super) plans: Questions<Ask>,
    /// What the shard tells others about the limits that they share.
    pub(super) loans: Questions<LoanMessage>,
    stopped: watch::Sender<bool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("figures", &self.figures()).finish_non_exhaustive()
    }
}

/// What all shards of a process ring when something happens in one of them.
#[derive(Clone, Debug)]
pub(super) struct Wakes {
    /// For those who read what is committed. Who listens shows whether anybody does.
    pub(super) commits: watch::Sender<u64>,
    /// For other nodes that want to know.
    pub(super) afar: watch::Sender<u64>,
    /// Changes when a shard of this process has work left over that it had not, or none any more.
    pub(super) demands: watch::Sender<u64>,
    /// What [`super::followers`] shall do for the shards.
    pub(super) follows: Arc<Questions<(ShardId, Question)>>,
    /// Definitions whose schedules [`super::installed`] shall look after.
    pub(super) installs: Arc<Questions<ScheduleName>>,
}

impl Wakes {
    pub(super) fn new() -> Self {
        let [commits, afar, demands] = [0; 3].map(watch::Sender::new);
        Self { commits, afar, demands, follows: Arc::default(), installs: Arc::default() }
    }
}

impl Shared {
    pub(super) fn new(store: &Arc<dyn Store>, config: &NodeConfig, shard: ShardId, wakes: &Wakes) -> Self {
        Self {
            evaluations: Questions::default(),
            plans: Questions::default(),
            loans: Questions::default(),
            shard,
            shards: store.shards(),
            is_shared: store.members().is_some(),
            commit: AtomicU64::new(0),
            distrusted: AtomicBool::new(false),
            demand: AtomicU64::new(0),
            wakes: wakes.clone(),
            mailbox: Mailbox::new(config.mailbox_bytes_max),
            clock: Arc::clone(&config.clock),
            commit_us: Recorder::new(&COMMIT_BOUNDS_US),
            commit_rows: Recorder::new(&BATCH_BOUNDS_ROWS),
            reloads: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            mailbox_bytes_max: config.mailbox_bytes_max,
            store: Arc::clone(store),
            description: store.describe(),
            fence: Mutex::default(),
            reasons: Mutex::default(),
            followed: Mutex::default(),
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

    /// The store lacks what it had acknowledged of this shard.
    pub(super) fn distrust(&self) {
        self.distrusted.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Whether that was said since it was asked last.
    pub(super) fn is_distrusted(&self) -> bool {
        self.distrusted.swap(false, Ordering::Relaxed)
    }

    /// Tells the core a verdict.
    ///
    /// # Errors
    /// The mailbox is full, or closed.
    pub(super) fn say(&self, evaluated: Evaluated) -> Result<(), CallError> {
        self.push(Message::Evaluated(Box::new(evaluated)))
    }

    /// Becomes true once the shard's thread has ended.
    pub(super) fn when_stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    /// Asks [`super::followers`] for the core.
    pub(super) fn follow_up(&self, question: Question) {
        self.wakes.follows.ask((self.shard, question));
    }

    /// Has [`super::installed`] look after the schedule of a definition.
    pub(super) fn install(&self, id: ScheduleName) {
        self.wakes.installs.ask(id);
    }

    /// Tells the core of the cluster. A full mailbox loses it, and the next beat repeats it.
    pub(super) fn tell(&self, news: Event) {
        let _ = self.push(Message::News(news));
    }

    /// Tells the core the settings of the control shard, if it has not heard them. `asked_at`: before the store was asked
    /// for them. A full mailbox loses them, and the next beat tells them again.
    pub(super) fn follow(&self, settings: &Settings, asked_at: Duration) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if followed.lacks(settings, asked_at) && self.push(Message::News(Event::Settings(settings.clone()))).is_ok() {
            followed.told(settings);
        }
    }

    /// See [`Followed::anew`].
    pub(super) fn follow_anew(&self) {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).anew(self.clock.monotonic());
    }

    /// Carries out an exchange; dropping the future hangs up.
    pub(super) async fn exchange_here(&self, call: Call, reader: &dyn Reader) -> Result<ExchangeAnswer, CallError> {
        let (answer, receiver) = oneshot::channel();
        let hangup = self.exchange(call, answer)?;
        let answer = receiver.await;
        hangup.disarm();
        ExchangeAnswer::new(answer.unwrap_or(Err(CallError::OutcomeUnknown))?).with_bodies(reader).await
    }

    /// The shard has made a commit of this number durable, or was loaded at it.
    pub(super) fn committed(&self, number: u64) {
        self.commit.store(number, Ordering::Relaxed);
        self.wakes.commits.send_modify(|commits| *commits = commits.wrapping_add(1));
        self.wakes.afar.send_modify(|commits| *commits = commits.wrapping_add(1));
    }

    /// How much ready work is left over. Whoever has room for it hears when there is any, and when
    /// there is none any more.
    pub(super) fn demands(&self, left: u64) {
        if (self.demand.swap(left, Ordering::Relaxed) == 0) != (left == 0) {
            self.wakes.demands.send_modify(|demands| *demands = demands.wrapping_add(1));
        }
    }

    /// Whether the shard's thread has ended.
    pub(super) fn has_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// One of the shard's buckets, in turn; the control bucket takes nothing.
    pub(super) fn bucket(&self, turn: u16) -> Bucket {
        let (first, end) = self.shard.buckets(self.shards);
        match Bucket::new(first + turn % (end - first)) {
            Bucket::CONTROL if end > 1 => Bucket::new(1),
            bucket => bucket,
        }
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
            commit: self.commit.load(Ordering::Relaxed),
            mailbox_bytes: self.mailbox.bytes(),
            mailbox_bytes_max: self.mailbox_bytes_max,
            epochs: vec![(self.shard.0, self.fence().map_or(0, |fence| fence.epoch))],
            reloads: self.reloads.load(Ordering::Relaxed),
            sessions: self.sessions.load(Ordering::Relaxed),
            calls: self.calls.load(Ordering::Relaxed),
            store: self.description.clone(),
            store_figures: self.store.figures(),
            readiness: self.readiness(),
        }
    }
}

impl Host for Shared {
    fn request(&self) -> RequestId {
        Self::request(self)
    }

    /// Beyond a bound, which only random names reach, all are forgotten.
    fn see(&self, worker: &Name) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            seen.clear();
        }
        seen.insert(worker.clone());
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
