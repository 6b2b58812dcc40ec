//! What the node does while commits fail, as on a full disk: it says so, tries again ever more rarely, and refuses new
//! work at once instead of leaving its outcome in doubt.
//!
//! ```text
//!  commit fails ─▶ shard loaded anew ─▶ next commit held until `retry_at` ─▶ succeeds: the trouble is over
//!        ▲                                                                 └▶ fails: twice the wait
//! ```
//! The first failure is followed by a try at once: most of what goes wrong once goes right the second time.

use std::time::Duration;

use mainspring_core::driver::Ticket;
use mainspring_core::event::RequestId;
use mainspring_core::row::Changes;
use mainspring_node::gateway::{Answer, Call, CutOff};

use super::CallError;
use super::actor::{Actor, Lost};
use super::exchange::Waiter;
use super::mailbox::{ExchangeAnswers, Message};

/// First and longest wait before commits are tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// After how long a store that nothing is to be written to is tried, so that the trouble ends without new work.
const IDLE: Duration = BACKOFF.1;
/// Not ready: the last commit failed.
const WRITE: &str = "store_write";

/// Commits fail.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The store's own words.
    reason: String,
    /// The wait after the next failure.
    pub(super) backoff: Duration,
    failed_at: Duration,
    /// Until then no commit is tried.
    retry_at: Duration,
    /// The submission that was let in to see how it fares.
    pub(super) probe: Option<RequestId>,
}

/// An exchange that waits for the store.
pub(super) struct Parked {
    pub(super) due: Duration,
    pub(super) answer: ExchangeAnswers,
    pub(super) what: What,
}

pub(super) enum What {
    /// It was being served when the shard was lost, and is answered with this.
    Poll(Answer),
    /// It has not been served yet.
    Call(RequestId, Box<Call>),
}

impl Parked {
    /// A poll that was cut short by the loss of the shard.
    pub(super) fn of(cut: CutOff<Waiter>) -> Self {
        Self { due: cut.due, answer: cut.caller.0, what: What::Poll(cut.answer) }
    }

    fn end(self, reason: &str) {
        let answer = match self.what {
            What::Poll(answer) => Ok(answer),
            What::Call(..) => Err(CallError::Unavailable(reason.to_owned())),
        };
        // A caller that went away does not need its answer.
        let _ = self.answer.send(answer);
    }
}

impl Actor {
    /// A commit failed, through no other owner.
    pub(super) fn commit_failed(&mut self, reason: &str) {
        let now = self.shared.clock.monotonic();
        let (wait, backoff) = match &self.trouble {
            None => (Duration::ZERO, BACKOFF.0),
            Some(trouble) => (trouble.backoff, (trouble.backoff * 2).min(BACKOFF.1)),
        };
        let reason = format!("the last commit failed: {reason}");
        self.shared.set_reason(WRITE, Some(reason.clone()));
        self.trouble = Some(Trouble { reason, backoff, failed_at: now, retry_at: now + wait, probe: None });
    }

    /// A commit succeeded.
    pub(super) fn store_writes(&mut self) {
        if self.trouble.take().is_some() {
            self.shared.set_reason(WRITE, None);
            tracing::info!("the store can be written again");
        }
    }

    /// Refuses a submission while the store is not to be tried, or is being tried by another one.
    pub(super) fn refuse_in_trouble(&self, now: Duration, message: Message) -> Option<Message> {
        let Some(trouble) = &self.trouble else { return Some(message) };
        let probing = trouble.probe.is_some_and(|request| self.callers.contains_key(&request));
        let free = now >= trouble.retry_at && !probing && self.commit.is_none() && self.held.is_none();
        match message {
            Message::Tasks { answer, .. } | Message::Inbox { answer, .. } | Message::Job { answer, .. } if !free => {
                let _ = answer.send(Err(CallError::Unavailable(trouble.reason.clone())));
                None
            }
            message => Some(message),
        }
    }

    /// Hands a commit to the store, or keeps it until the store may be tried again.
    pub(super) fn order_or_hold(&mut self, ticket: Ticket, changes: Changes, now: Duration) {
        if self.trouble.as_ref().is_some_and(|trouble| now < trouble.retry_at) {
            assert!(self.held.is_none(), "at most one commit is on its way");
            self.held = Some((ticket, changes));
            self.refill();
        } else {
            self.order_commit(ticket, changes, now);
        }
    }

    /// Orders the commit that was kept, once its time has come.
    pub(super) fn order_held(&mut self, now: Duration) {
        if self.trouble.as_ref().is_none_or(|trouble| now >= trouble.retry_at)
            && let Some((ticket, changes)) = self.held.take()
        {
            self.order_commit(ticket, changes, now);
        }
    }

    /// Waits no longer: the node stops.
    pub(super) fn try_store_at_once(&mut self) {
        if let Some(trouble) = &mut self.trouble {
            trouble.retry_at = Duration::ZERO;
        }
        self.parked.drain(..).for_each(|parked| parked.end("the node is stopping"));
    }

    /// Writes to a store that nothing else is written to: takes over what this node owns already.
    pub(super) fn probe_idle_store(&mut self, now: Duration) -> Result<bool, Lost> {
        let due = self.trouble.as_ref().is_some_and(|trouble| now >= trouble.failed_at + IDLE);
        let idle = self.commit.is_none() && self.held.is_none() && self.read.is_none() && self.failed_read.is_none();
        if !due || !idle || !self.quiet {
            return Ok(false);
        }
        match self.block_on(self.store.acquire(self.shared.shard, self.owner.clone(), None)) {
            Ok(fence) if fence.incarnation == self.fence.incarnation && fence.epoch == self.fence.epoch + 1 => {
                self.shared.set_fence(Some(fence.clone()));
                self.fence = fence;
                self.store_writes();
                Ok(true)
            }
            // Somebody else had it in between: what is in memory may be out of date.
            Ok(fence) => Err(Lost::Rejected(fence.epoch)),
            Err(error) => Err(Lost::Unknown(error.to_string())),
        }
    }

    /// When the store is tried again, or a parked exchange ends.
    pub(super) fn store_wake_at(&self) -> Option<Duration> {
        let trouble = self.trouble.as_ref();
        let held = trouble.filter(|_| self.held.is_some()).map(|trouble| trouble.retry_at);
        let idle = trouble.filter(|_| self.commit.is_none()).map(|trouble| trouble.failed_at + IDLE);
        let parked = self.parked.iter().map(|parked| parked.due).min();
        [held, idle, parked].into_iter().flatten().min()
    }

    /// Polls that were cut short by the loss of the shard: they wait at least until the store is tried again.
    pub(super) fn park_polls(&mut self, polls: Vec<Parked>) {
        let retry_at = self.trouble.as_ref().map_or(Duration::ZERO, |trouble| trouble.retry_at);
        self.parked.extend(polls.into_iter().map(|poll| Parked { due: poll.due.min(retry_at), ..poll }));
        let now = self.shared.clock.monotonic();
        self.expire_parked(now);
    }

    /// An exchange that cannot be served now.
    pub(super) fn park(&mut self, request: RequestId, call: Box<Call>, answer: ExchangeAnswers) {
        let due = self.shared.clock.monotonic() + call.wait;
        self.parked.push(Parked { due, answer, what: What::Call(request, call) });
    }

    /// Ends the exchanges that have waited long enough.
    pub(super) fn expire_parked(&mut self, now: Duration) -> bool {
        let due: Vec<Parked> =
            self.parked.extract_if(.., |parked| parked.due <= now || parked.answer.is_closed()).collect();
        let progress = !due.is_empty();
        let reason = self.trouble.as_ref().map_or("the shard is being loaded", |trouble| trouble.reason.as_str());
        due.into_iter().for_each(|parked| parked.end(reason));
        progress
    }

    /// The shard serves again: so are the exchanges that waited for it, for what is left of their time.
    pub(super) fn serve_parked(&mut self) {
        let now = self.shared.clock.monotonic();
        for parked in std::mem::take(&mut self.parked) {
            match parked.what {
                What::Poll(_) => self.parked.push(parked),
                What::Call(request, mut call) => {
                    call.wait = parked.due.saturating_sub(now);
                    self.take(now, Message::Exchange { request, call, answer: parked.answer });
                    self.push_events();
                }
            }
        }
    }
}
