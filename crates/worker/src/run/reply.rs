//! What an answer, or its absence, does to the worker.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mainspring_protocol::exchange::{DirectiveName, ExchangeReply, GrantMessage};

use super::flight::Flight;
use super::{RunError, Worker};
use crate::attempt::{AttemptEnd, Event, Stop};
use crate::clock;
use crate::executor::{Choice, Seat, panic_text};
use crate::feed::Feed;
use crate::source::SourceError;

impl Worker {
    pub(super) fn take_reply(&mut self, flight: Flight, reply: ExchangeReply) {
        self.ack = self.ack.max(flight.seq);
        self.left |= flight.farewell && self.is_done();
        let under_way = self.flights.back().map(|newest| newest.seq);
        for token in self.outbox.heard(flight.cargo, &reply) {
            self.desk.settle(token, under_way);
        }
        self.desk.renewed(flight.seq, flight.sent_at);
        let mut is_news = !(reply.grants.is_empty() && reply.accepted.is_empty() && reply.stale.is_empty());
        for token in &reply.stale {
            self.desk.stop(token, Stop::Stale);
        }
        for token in &reply.cancel {
            is_news |= self.desk.stop(token, Stop::Cancel);
        }
        // An overtaken call may be answered late: the newest directive stands.
        if flight.seq > self.directed_by {
            self.directed_by = flight.seq;
            is_news |= reply.directive != self.directive;
            self.direct(reply.directive);
        }
        if !is_news {
            self.pace.rest(flight.sent_at);
        }
        for grant in reply.grants {
            self.take_grant(grant);
        }
        self.desk.forget_before(self.flights.front().map_or(u64::MAX, |oldest| oldest.seq));
    }

    fn direct(&mut self, directive: DirectiveName) {
        if directive != self.directive {
            tracing::info!(directive = directive.word(), "the server directs");
            self.directive = directive;
        }
        self.told_to_leave |= directive == DirectiveName::Drain;
    }

    fn take_grant(&mut self, mut grant: GrantMessage) {
        if self.desk.knows(&grant.token) {
            return;
        }
        if self.is_leaving() {
            self.done(grant.token, Stop::Interrupt.end());
            return;
        }
        self.served.attempts += 1;
        match self.executors.choose(&grant) {
            Choice::Done(end) => self.done(std::mem::take(&mut grant.token), end),
            Choice::Small(start) => {
                let (token, future) = self.seat(grant, start);
                self.lanes.run((token, future));
            }
            Choice::Large(start) => {
                let (token, future) = self.seat(grant, start);
                let events = self.events.clone();
                self.tasks.spawn(async move {
                    // An end that is never told would keep the lease for ever.
                    let end = AssertUnwindSafe(future).catch_unwind().await.unwrap_or_else(|panic| {
                        AttemptEnd::failure("worker_error", format!("the worker failed: {}", panic_text(&*panic)))
                    });
                    // The loop may have ended.
                    let _ = events.send(Event::Ended(token, end));
                });
            }
        }
    }

    fn done(&mut self, token: String, end: AttemptEnd) {
        self.desk.note_ended(token.clone());
        self.outbox.outcome(end.into_report(token), None);
    }

    fn seat(
        &mut self,
        grant: GrantMessage,
        start: Box<dyn FnOnce(Seat) -> BoxFuture<'static, AttemptEnd> + Send>,
    ) -> (Arc<str>, BoxFuture<'static, AttemptEnd>) {
        let token: Arc<str> = Arc::from(grant.token.as_str());
        let lease = if grant.lease_ms == 0 { self.config.lease } else { Duration::from_millis(grant.lease_ms) };
        let feed = Arc::new(Feed::new(Arc::clone(&token), self.events.clone()));
        let control = self.desk.begin(&feed, lease, clock::now(), self.seq + 1);
        let future = start(Seat { grant: Arc::new(grant), feed, control });
        (token, future)
    }

    pub(super) async fn take_error(&mut self, flight: Flight, error: SourceError) -> Result<(), RunError> {
        self.outbox.unheard(flight.cargo);
        match error {
            SourceError::Unreachable(message) => {
                tracing::debug!(%message, "the exchange failed");
                self.pace.failed(None);
            }
            SourceError::Overloaded { retry_after, message } => {
                tracing::debug!(%message, "the server is overloaded");
                // Whatever is asked: a lease that is not renewed costs the attempt.
                let longest = if self.desk.running_count() > 0 { self.config.lease / 3 } else { Duration::MAX };
                self.pace.failed(Some(retry_after.min(longest)));
            }
            SourceError::TooLarge(message) => {
                let bytes = self.outbox.shrink();
                tracing::warn!(%message, bytes, "the exchange was too large; the next carries less");
                self.pace.failed(None);
            }
            SourceError::Refused { code, message } => {
                self.desk.stop_all(Stop::Now);
                // Processes are ended before this returns; small futures are dropped with their lanes.
                while self.tasks.join_next().await.is_some() {}
                return Err(RunError::Refused { code, message });
            }
        }
        Ok(())
    }
}
