//! Calls on their way: when to make one, what it says, and how long to wait after one that failed.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mainspring_protocol::exchange::{DirectiveName, ExchangeReply, ExchangeRequest};

use super::{LOG_PAUSE, Worker};
use crate::clock;
use crate::outbox::Cargo;
use crate::random;
use crate::source::SourceError;

/// Calls under way at most: one that waits, one that overtook it, one more if the server hangs.
const FLIGHTS_MAX: usize = 3;
/// The first pause after a failed call; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The time from one call to the next when the first brought nothing: a source that does not wait for news is not
/// asked without pause.
const REST: Duration = Duration::from_millis(20);
/// What an answer may take beyond what the call asks the server to wait.
const ANSWER: Duration = Duration::from_secs(10);

/// A call under way.
pub(super) struct Flight {
    pub(super) seq: u64,
    pub(super) sent_at: Instant,
    /// When it counts as lost.
    pub(super) overdue_at: Instant,
    pub(super) cargo: Cargo,
    /// What it said about capacity.
    capacity: u32,
    pub(super) farewell: bool,
}

/// A call that came back.
pub(super) struct Landing {
    pub(super) seq: u64,
    pub(super) reply: Result<ExchangeReply, SourceError>,
}

/// Slows down while calls fail or bring nothing.
#[derive(Default)]
pub(super) struct Pace {
    failures: u32,
    wait_until: Option<Instant>,
    rest_until: Option<Instant>,
}

impl Pace {
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The call that was sent then brought nothing to do.
    pub(super) fn rest(&mut self, sent_at: Instant) {
        self.rest_until = Some(sent_at + REST);
    }

    /// Until when only a call that has something to say is worth making.
    pub(super) fn rest_until(&self) -> Option<Instant> {
        self.rest_until
    }

    /// Another call failed, and asked for this pause, if any. Half of each pause is random, so that the workers of a
    /// server that comes back do not come all at once.
    pub(super) fn failed(&mut self, asked: Option<Duration>) {
        let full = PAUSE_MIN.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX);
        let dice = u32::from_str_radix(&random::hex::<2>(), 16).unwrap_or(0);
        let pause = full / 2 + full.mul_f64(f64::from(dice) / 131_072.0);
        self.failures += 1;
        self.wait_until = Some(clock::now() + pause.max(asked.unwrap_or_default()));
    }

    /// Something changed that is worth a call now.
    pub(super) fn hasten(&mut self) {
        self.wait_until = None;
    }

    pub(super) fn wait_until(&self) -> Option<Instant> {
        self.wait_until
    }
}

impl Worker {
    /// Whether a call is worth making now.
    pub(super) fn should_call(&self, now: Instant) -> bool {
        if self.pace.wait_until().is_some_and(|until| now < until) || self.flights.len() >= FLIGHTS_MAX {
            return false;
        }
        let Some(newest) = self.flights.back() else {
            let rests = self.pace.rest_until().is_some_and(|until| now < until);
            return !rests || self.outbox.has_outcomes() || self.is_done();
        };
        let stalled = newest.sent_at + self.config.lease / 3 <= now;
        if newest.cargo.has_outcomes() || newest.farewell {
            // Its answer is a commit away: what is new goes with the next. A lease does not wait for it.
            return stalled && self.desk.running_count() > 0;
        }
        let renew = stalled && self.desk.running_count() > 0;
        let flush = self.outbox.has_logs() && self.flush_at.is_some_and(|at| at <= now);
        let shrunk = self.capacity() < newest.capacity && self.is_leaving();
        renew || flush || shrunk || self.outbox.has_outcomes() || self.is_done()
    }

    /// How many more attempts it can take.
    fn capacity(&self) -> u32 {
        // With so many outcomes unheard, something is wrong on the way.
        let choked = self.outbox.outcome_count() > 4 * self.config.concurrency as usize + 1_000;
        if self.is_leaving() || self.directive != DirectiveName::Run || choked {
            return 0;
        }
        let running = u32::try_from(self.desk.running_count()).unwrap_or(u32::MAX);
        self.config.concurrency.saturating_sub(running)
    }

    /// Makes a call that says everything that is to be said now.
    pub(super) fn call(&mut self, now: Instant) -> BoxFuture<'static, Landing> {
        self.seq += 1;
        let farewell = self.is_done();
        let capacity = self.capacity();
        let mut request = ExchangeRequest {
            worker_id: self.config.worker_id.clone(),
            session_id: self.session.clone(),
            seq: self.seq,
            ack: self.ack,
            queues: self.config.queues.clone(),
            types: self.types.clone(),
            labels: self.config.labels.clone(),
            capacity,
            lease_ms: Some(clock::millis(self.config.lease)),
            running: self.desk.tokens().collect(),
            leaving: farewell,
            ..ExchangeRequest::default()
        };
        let cargo = self.outbox.load(&mut request);
        // While something runs, the next renewal is due after a third of the lease.
        let wait =
            if request.running.is_empty() { self.config.wait } else { self.config.wait.min(self.config.lease / 3) };
        let wait = if farewell { Duration::ZERO } else { wait };
        request.wait_ms = clock::millis(wait);
        self.flush_at = self.outbox.has_logs().then(|| now + LOG_PAUSE);
        let (seq, overdue_at) = (self.seq, now + wait + ANSWER);
        self.flights.push_back(Flight { seq, sent_at: now, overdue_at, cargo, capacity, farewell });
        let source = std::sync::Arc::clone(&self.source);
        async move {
            let answer = tokio::time::timeout_at(overdue_at.into(), source.exchange(request)).await;
            let reply = answer.unwrap_or_else(|_| Err(SourceError::Unreachable("no answer in time".to_owned())));
            Landing { seq, reply }
        }
        .boxed()
    }
}
