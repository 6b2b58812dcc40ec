//! The shard actor: one thread that owns the core's driver and the gateway.
//!
//! ```text
//!  loop: drain the mailbox ─▶ push events ─▶ poll the driver ─▶ order commits and reads
//!        a commit returned ─▶ release its effects            ─▶ answer callers and workers
//!        nothing to do     ─▶ park until a call, a store answer, or the next deadline
//! ```
//! Stepping goes on while a commit is in flight; what arrives meanwhile makes the next batch. So an idle shard commits a
//! single call at once, and a busy one commits in large batches, without any timer.
//!
//! A commit that was refused, or whose fate nobody knows, ends the driver: see `recovery`.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use mainspring_core::driver::{Driver, Io, Ticket};
use mainspring_core::effect::{Effect, Grant, Refusal};
use mainspring_core::event::{Command, Event, RequestId, SubmitTasks};
use mainspring_core::id::{Bucket, SessionId};
use mainspring_core::row::{Changes, Rows};
use mainspring_core::time::Timestamp;
use mainspring_node::gateway::{Gateway, Turn};
use mainspring_store::{BoxFuture, CommitAnswer, Error, Fence, ShardCommit, Store};
use tokio::sync::oneshot;

use super::ending::Ending;
use super::exchange::Waiter;
use super::figures::rows_of;
use super::followers::Question;
use super::mailbox::{Answers, Message, Room};
use super::shared::Shared;
use super::taken::Taken;
use super::trouble::{Parked, Trouble};
use super::{CallError, NodeConfig, StartError};
use crate::clock::ShardTime;

/// Longest sleep: bounds what a clock that jumped can do to a deadline.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// How long after a failed read the same is asked for again.
const READ_AGAIN: Duration = Duration::from_millis(100);
/// Not ready: rows cannot be read.
const READ: &str = "store_read";
/// How long a stop waits for what was taken in to become durable.
const FLUSH_MAX: Duration = Duration::from_secs(10);

/// The shard's state, on its own thread.
pub(super) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Arc<dyn Store>,
    pub(super) config: NodeConfig,
    pub(super) owner: SessionId,
    pub(super) fence: Fence,
    /// `None` only while it is loaded anew.
    pub(super) driver: Option<Driver>,
    pub(super) gateway: Gateway<Waiter>,
    pub(super) time: ShardTime,
    clock_held: bool,
    pub(super) callers: HashMap<RequestId, Answers>,
    pub(super) commit: Option<CommitInFlight>,
    pub(super) read: Option<(Ticket, BoxFuture<Result<Rows, Error>>)>,
    /// A read that failed, and when the driver may ask for it again.
    pub(super) failed_read: Option<(Ticket, Duration)>,
    /// Why commits fail, until one succeeds.
    pub(super) trouble: Option<Trouble>,
    /// A commit that waits until the store may be tried again.
    pub(super) held: Option<(Ticket, Changes)>,
    /// Exchanges that wait for the store to come back.
    pub(super) parked: Vec<Parked>,
    /// Rows of the store's inbox that become tasks.
    pub(super) taken: Taken,
    /// What may still be taken into the batch that is being gathered.
    pub(super) room: Room,
    /// Nothing that the driver was told is still on its way back.
    pub(super) quiet: bool,
    pub(super) waker: Waker,
    next_bucket: u16,
    inbox: Vec<Message>,
    events: Vec<Event>,
}

/// A commit that the store has not answered yet.
pub(super) struct CommitInFlight {
    ticket: Ticket,
    number: u64,
    ordered_at: Duration,
    answer: BoxFuture<Vec<CommitAnswer>>,
}

/// Why the driver must be given up.
#[derive(Debug)]
pub(super) enum Lost {
    /// A commit was refused: the shard is at this epoch.
    Rejected(u64),
    /// Nobody knows what became of a commit.
    Unknown(String),
    /// The store could not be read.
    Read(Error),
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Takes the shard over and starts its thread; returns once it serves. `dead`: the epoch of an owner that shows no life.
pub(super) async fn start(
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    config: NodeConfig,
    owner: SessionId,
    dead: Option<u64>,
) -> Result<(), StartError> {
    let fence = store.acquire(shared.shard, owner.clone(), dead).await?;
    let snapshot = match store.load(fence.clone()).await {
        Ok(snapshot) => snapshot,
        Err(error) => {
            // The load's error is the one to report.
            let _ = store.release(fence).await;
            return Err(error.into());
        }
    };
    let runtime = tokio::runtime::Handle::current();
    let (started, has_started) = oneshot::channel();
    let thread = std::thread::Builder::new().name(format!("shard-{}", shared.shard.0));
    let run = move || {
        // Futures of stores may need the runtime's timers and threads.
        let _guard = runtime.enter();
        shared.runs_on(std::thread::current());
        let mut ending = Ending::new(Arc::clone(&shared));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut actor = Actor::new(Arc::clone(&shared), store, config, owner, fence);
            actor.install(snapshot);
            let _ = started.send(());
            actor.run();
        }));
        ending.end(shared, outcome);
    };
    thread.spawn(run).map_err(StartError::Thread)?;
    has_started.await.map_err(|_| StartError::Core)
}

impl Actor {
    fn new(shared: Arc<Shared>, store: Arc<dyn Store>, config: NodeConfig, owner: SessionId, fence: Fence) -> Self {
        Self {
            gateway: Gateway::new(config.shard.session_grace_ms),
            room: Room { events: config.batch_events_max, bytes: config.batch_bytes_max },
            next_bucket: super::recovery::random() as u16,
            shared,
            store,
            config,
            owner,
            fence,
            driver: None,
            time: ShardTime::default(),
            clock_held: false,
            callers: HashMap::new(),
            commit: None,
            read: None,
            failed_read: None,
            trouble: None,
            held: None,
            parked: Vec::new(),
            taken: Taken::default(),
            quiet: true,
            waker: Waker::from(Arc::new(Unpark(std::thread::current()))),
            inbox: Vec::new(),
            events: Vec::new(),
        }
    }

    fn run(&mut self) {
        while !self.shared.mailbox.is_closed() {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => self.sleep(),
                Err(lost) => {
                    if !self.recover(lost) {
                        return;
                    }
                }
            }
        }
        self.stop();
    }

    /// One round; true if anything happened.
    fn turn(&mut self) -> Result<bool, Lost> {
        if self.shared.is_distrusted() {
            return Err(Lost::Read(Error::Unavailable("it went back behind what it had acknowledged".to_owned())));
        }
        let now = self.shared.clock.monotonic();
        let mut progress = self.take_in(now);
        progress |= self.drive(now)?;
        progress |= self.poll_commit(now)?;
        progress |= self.poll_read(now)?;
        let mut turn = Turn { now, quiet: self.quiet, events: &mut self.events, host: &*self.shared };
        progress |= self.gateway.expire(&mut turn);
        self.push_events();
        progress |= self.expire_parked(now);
        progress |= self.probe_idle_store(now)?;
        let (sessions, calls) = self.gateway.counts();
        self.shared.sessions.store(sessions, Ordering::Relaxed);
        self.shared.calls.store(calls + self.parked.len() as u64, Ordering::Relaxed);
        if self.shared.shards > 1 {
            self.shared.demands(self.driver.as_ref().map_or(0, Driver::demand));
        }
        Ok(progress)
    }

    /// Moves calls from the mailbox into the driver.
    fn take_in(&mut self, now: Duration) -> bool {
        let mut inbox = std::mem::take(&mut self.inbox);
        self.shared.mailbox.drain(&mut self.room, &mut inbox);
        let progress = !inbox.is_empty();
        for message in inbox.drain(..) {
            self.take(now, message);
            self.push_events();
        }
        self.inbox = inbox;
        progress
    }

    pub(super) fn take(&mut self, now: Duration, message: Message) {
        let Some(message) = self.refuse_in_trouble(now, message) else { return };
        let mut turn = Turn { now, quiet: self.quiet, events: &mut self.events, host: &*self.shared };
        match message {
            Message::Exchange { request, call, answer } => self.gateway.call(&mut turn, request, *call, Waiter(answer)),
            Message::Hangup { request } => self.gateway.hangup(&mut turn, request),
            Message::News(event) => self.events.push(event),
            Message::Evaluated(evaluated) => self.events.push(Event::Evaluated(*evaluated)),
            Message::Tasks { tasks, answer } => {
                let submission = SubmitTasks { to: self.await_submission(answer), bucket: self.bucket(), tasks };
                self.events.push(Event::SubmitTasks(submission));
            }
            Message::Inbox { tasks, answer } => {
                let (to, bucket) = (self.await_submission(answer), self.bucket());
                let tasks = self.taken.begin(to, tasks);
                self.events.push(Event::SubmitTasks(SubmitTasks { to, bucket, tasks }));
            }
            Message::Job { mut job, answer } => {
                job.to = self.await_submission(answer);
                job.bucket = self.bucket();
                self.events.push(Event::SubmitJob(job));
            }
            Message::Order { actor, order, answer } => {
                let to = self.await_answer(answer);
                self.events.push(Event::Command(Command { to, actor, order }));
            }
        }
    }

    fn await_answer(&mut self, answer: Answers) -> RequestId {
        let request = self.shared.request();
        self.callers.insert(request, answer);
        request
    }

    /// The first submission in times of trouble shows whether the store can be written again.
    fn await_submission(&mut self, answer: Answers) -> RequestId {
        let request = self.await_answer(answer);
        if let Some(trouble) = &mut self.trouble {
            trouble.probe = Some(request);
        }
        request
    }

    /// Spreads what the server names over the shard's buckets; the control bucket takes none.
    fn bucket(&mut self) -> Bucket {
        self.next_bucket = self.next_bucket.wrapping_add(1);
        self.shared.bucket(self.next_bucket)
    }

    pub(super) fn push_events(&mut self) {
        let Some(driver) = &mut self.driver else { return };
        for event in self.events.drain(..) {
            driver.push(event);
            self.quiet = false;
        }
    }

    /// Lets the driver work until it has nothing more to ask for.
    fn drive(&mut self, now: Duration) -> Result<bool, Lost> {
        let time = self.read_time();
        let mut progress = false;
        while let Some(io) = self.driver.as_mut().and_then(|driver| driver.poll(time)) {
            progress = true;
            match io {
                Io::Commit { ticket, changes } => self.order_or_hold(ticket, changes, now),
                Io::Read { ticket, set } => {
                    let read = self.store.read(self.fence.clone(), set);
                    assert!(self.read.is_none(), "at most one read is in flight");
                    self.read = Some((ticket, read));
                }
                Io::Release(effects) => self.release(effects, now),
            }
        }
        self.quiet = self.driver.as_ref().is_some_and(Driver::is_idle);
        if self.commit.is_none() && self.held.is_none() {
            self.refill();
        }
        Ok(progress)
    }

    pub(super) fn refill(&mut self) {
        self.room = Room { events: self.config.batch_events_max, bytes: self.config.batch_bytes_max };
    }

    pub(super) fn order_commit(&mut self, ticket: Ticket, changes: Changes, now: Duration) {
        self.shared.commit_rows.record(rows_of(&changes));
        let number = changes.high_water.commit;
        let commit = ShardCommit { fence: self.fence.clone(), changes: Arc::new(changes) };
        let answer = self.taken.commit(&self.store, commit);
        assert!(self.commit.is_none(), "at most one commit is in flight");
        self.commit = Some(CommitInFlight { ticket, number, ordered_at: now, answer });
        self.refill();
    }

    pub(super) fn poll_commit(&mut self, now: Duration) -> Result<bool, Lost> {
        self.order_held(now);
        let Some(commit) = &mut self.commit else { return Ok(false) };
        let Poll::Ready(mut answers) = commit.answer.as_mut().poll(&mut Context::from_waker(&self.waker)) else {
            return Ok(false);
        };
        let commit = self.commit.take().expect("it was polled just now");
        match answers.pop() {
            Some(CommitAnswer::Committed) => self.store_writes(),
            Some(CommitAnswer::Rejected { epoch }) => return Err(Lost::Rejected(epoch)),
            Some(CommitAnswer::Unknown { reason }) => return Err(Lost::Unknown(reason)),
            None => return Err(Lost::Unknown("the store gave no answer".to_owned())),
        }
        let done_at = self.shared.clock.monotonic();
        self.shared.commit_us.record_time(done_at.saturating_sub(commit.ordered_at));
        self.shared.committed(commit.number);
        let driver = self.driver.as_mut().expect("a commit in flight has a driver");
        let effects = driver.committed(commit.ticket);
        self.release(effects, now);
        Ok(true)
    }

    fn poll_read(&mut self, now: Duration) -> Result<bool, Lost> {
        if let Some((ticket, at)) = self.failed_read
            && at <= now
        {
            self.failed_read = None;
            self.driver.as_mut().expect("a read has a driver").read_failed(ticket);
            return Ok(true);
        }
        let Some((ticket, read)) = &mut self.read else { return Ok(false) };
        let ticket = *ticket;
        let Poll::Ready(answer) = read.as_mut().poll(&mut Context::from_waker(&self.waker)) else { return Ok(false) };
        self.read = None;
        match answer {
            Ok(rows) => {
                self.driver.as_mut().expect("a read has a driver").loaded(ticket, rows);
                self.quiet = false;
                self.shared.set_reason(READ, None);
            }
            Err(Error::Unavailable(reason)) => {
                tracing::warn!(reason, "failed to read rows; trying again");
                self.shared.set_reason(READ, Some(reason));
                self.failed_read = Some((ticket, now + READ_AGAIN));
            }
            Err(error) => return Err(Lost::Read(error)),
        }
        Ok(true)
    }

    /// Hands effects to whom they are for. Everything they say is durable.
    fn release(&mut self, effects: Vec<Effect>, now: Duration) {
        // Grants of one session come in a row: they are handed over together.
        let mut session: Option<SessionId> = None;
        let mut grants: Vec<Grant> = Vec::new();
        for effect in effects {
            if let Effect::Grant(grant) = effect {
                if session.as_ref().is_none_or(|id| *id != grant.session)
                    && let Some(id) = session.replace(grant.session.clone())
                {
                    self.gateway.granted(&id, &mut grants);
                }
                grants.push(grant);
                continue;
            }
            if let Some(id) = session.take() {
                self.gateway.granted(&id, &mut grants);
            }
            match effect {
                Effect::Grant(_) => unreachable!("handled above"),
                Effect::Reply { to, answer } => self.reply(to, answer),
                Effect::Exchanged { to, accepted, stale, directive } => {
                    self.gateway.exchanged(to, accepted, stale, directive);
                }
                Effect::Revoke { session, token } => self.gateway.revoked(&session, token),
                Effect::Direct { session, directive } => self.gateway.directed(&session, directive),
                Effect::Evaluate(task) => self.shared.evaluations.ask(task),
                Effect::Plan(ask) => self.shared.plans.ask(*ask),
                Effect::Hook(row) => self.shared.follow_up(Question::Hook(row)),
                Effect::Announce(jobs) => self.shared.follow_up(Question::Announce(jobs)),
                Effect::Install(id) => self.shared.install(id),
                Effect::Loan(message) => self.shared.loans.ask(*message),
            }
        }
        if let Some(id) = session {
            self.gateway.granted(&id, &mut grants);
        }
        let mut turn = Turn { now, quiet: false, events: &mut self.events, host: &*self.shared };
        self.gateway.settle(&mut turn);
        self.push_events();
    }

    fn reply(&mut self, to: RequestId, answer: Result<mainspring_core::effect::Answer, Refusal>) {
        self.taken.end(to);
        if let Some(caller) = self.callers.remove(&to) {
            // A caller that went away does not need its answer.
            let _ = caller.send(answer.map_err(|refusal| match refusal {
                Refusal::OutcomeUnknown => CallError::OutcomeUnknown,
                other => CallError::Refused(other),
            }));
        }
    }

    pub(super) fn read_time(&mut self) -> Timestamp {
        let (now, held) = (self.time.now(&*self.shared.clock), self.shared.clock.is_held());
        if held != self.clock_held {
            self.clock_held = held;
            let reason = "the wall clock leapt more than 60 s ahead and is not believed; check the machine's time";
            tracing::warn!(held, "the wall clock's leap changed");
            self.shared.set_reason("clock_leap", held.then(|| reason.to_owned()));
        }
        now
    }

    fn sleep(&mut self) {
        let now = self.shared.clock.monotonic();
        let mut sleep = SLEEP_MAX;
        if let Some(due) = self.gateway.wake_at() {
            sleep = sleep.min(due.saturating_sub(now));
        }
        if let Some((_, at)) = self.failed_read {
            sleep = sleep.min(at.saturating_sub(now));
        }
        if let Some(at) = self.store_wake_at() {
            sleep = sleep.min(at.saturating_sub(now));
        }
        if let Some(at) = self.driver.as_ref().and_then(Driver::wake_at) {
            let time = self.read_time();
            // The driver has just had its turn: another one within the same millisecond would change nothing.
            sleep = sleep.min(Duration::from_millis(at.since(time).max(1)));
        }
        if !sleep.is_zero() {
            std::thread::park_timeout(sleep);
        }
    }

    /// Takes nothing more in, makes durable what was taken, answers whoever waits, and gives the shard back.
    fn stop(&mut self) {
        let until = self.shared.clock.monotonic() + FLUSH_MAX;
        self.try_store_at_once();
        self.gateway.end_polls();
        loop {
            let now = self.shared.clock.monotonic();
            let empty = self.shared.mailbox.is_closed_and_empty();
            let answered = empty && self.callers.is_empty() && !self.gateway.awaits_commit();
            if answered && self.commit.is_none() && self.held.is_none() || now >= until {
                break;
            }
            // Work that nobody waits for goes on after the next start.
            let turn = if answered { self.poll_commit(now) } else { self.turn() };
            self.gateway.end_polls();
            match turn {
                Ok(true) => {}
                // The commit's answer wakes the thread.
                Ok(false) if answered => std::thread::park_timeout(SLEEP_MAX),
                Ok(false) => self.sleep(),
                Err(lost) => {
                    tracing::error!(?lost, "a commit failed during shutdown");
                    self.abandon();
                    return;
                }
            }
        }
        self.abandon();
        if let Err(error) = self.block_on(self.store.release(self.fence.clone())) {
            tracing::warn!(%error, "failed to give the shard back");
        }
    }
}
