//! The loop of a worker: one exchange after another, and the attempts in between.
//!
//! ```text
//!            ┌──────── compose: outcomes, logs, running, capacity ────────┐
//!            │                                                            ▼
//!   attempts, feeds ◀── grants, cancels, directive ◀── reply ◀──── TaskSource
//! ```
//! At most one call that carries outcomes is under way; what ends meanwhile travels together in the next one, so the
//! batches grow with the load and a single outcome leaves at once. A call that only waits for work is overtaken (a
//! higher `seq` ends it) when there is something to say. Renewal is part of every call, and a call leaves at least
//! every third of a lease while something runs.

mod flight;
mod reply;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use mainspring_protocol::exchange::DirectiveName;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use crate::attempt::{Event, Stop};
use crate::clock;
use crate::config::WorkerConfig;
use crate::desk::Desk;
use crate::executor::Executors;
use crate::lanes::Lanes;
use crate::outbox::Outbox;
use crate::random;
use crate::shutdown::{Shutdown, Urgency};
use crate::source::TaskSource;
use flight::{Flight, Landing, Pace};

/// Output waits at most this long for company.
const LOG_PAUSE: Duration = Duration::from_millis(100);
/// How long the last words may take when nothing runs any more.
const FAREWELL: Duration = Duration::from_secs(10);
/// The same after a second signal.
const CURT_FAREWELL: Duration = Duration::from_secs(2);

/// What a worker did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Attempts that it started.
    pub attempts: u64,
}

/// Why a worker ended other than by request.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The other side refuses this worker; `code` is the stable word of the problem.
    #[error("the server refuses this worker ({code}): {message}")]
    Refused {
        /// The stable word.
        code: String,
        /// What it said.
        message: String,
    },
    /// The configuration cannot work.
    #[error("invalid worker configuration: {0}")]
    Config(String),
}

/// Runs a worker until `shutdown` or a `drain` directive has it leave.
///
/// When this returns, nothing that it started is left. Dropping the future ends everything at once; the other side
/// learns of it when the leases run out.
///
/// # Errors
/// See [`RunError`].
pub async fn run(config: WorkerConfig, source: Arc<dyn TaskSource>, shutdown: Shutdown) -> Result<Served, RunError> {
    if config.concurrency == 0 {
        return Err(RunError::Config("`concurrency` must be at least 1".to_owned()));
    }
    if config.lease < Duration::from_secs(1) {
        return Err(RunError::Config("`lease` must be at least 1 s".to_owned()));
    }
    // A handler outlives `exec` as the default: where SIGCHLD is ignored, as this program may have been started, the
    // kernel reaps children unseen, and theirs too.
    let children = signal(SignalKind::child());
    drop(children.map_err(|error| RunError::Config(format!("cannot listen to SIGCHLD: {error}")))?);
    let config = Arc::new(config);
    let executors = Executors::new(Arc::clone(&config)).map_err(RunError::Config)?;
    let (events, incoming) = mpsc::unbounded_channel();
    let worker = Worker {
        session: format!("{}{}", config.session_prefix, random::hex::<16>()),
        types: config.types(),
        lanes: Lanes::start(&events),
        tasks: JoinSet::new(),
        desk: Desk::default(),
        outbox: Outbox::default(),
        flights: VecDeque::new(),
        pace: Pace::default(),
        seq: 0,
        ack: 0,
        directive: DirectiveName::Run,
        directed_by: 0,
        urgency: Urgency::Run,
        told_to_leave: false,
        flush_at: None,
        expiry_check_at: clock::now(),
        interrupt_at: None,
        give_up_at: None,
        left: false,
        served: Served::default(),
        events,
        executors,
        source,
        config,
    };
    worker.work(incoming, shutdown).await
}

struct Worker {
    config: Arc<WorkerConfig>,
    source: Arc<dyn TaskSource>,
    executors: Executors,
    events: UnboundedSender<Event>,
    lanes: Lanes,
    /// Attempts with a tokio task of their own.
    tasks: JoinSet<()>,
    desk: Desk,
    outbox: Outbox,
    session: String,
    types: Vec<String>,
    seq: u64,
    ack: u64,
    /// Calls under way, oldest first.
    flights: VecDeque<Flight>,
    pace: Pace,
    directive: DirectiveName,
    /// The call whose answer gave the directive.
    directed_by: u64,
    urgency: Urgency,
    /// The server wants this worker to leave.
    told_to_leave: bool,
    /// When waiting output leaves at the latest.
    flush_at: Option<Instant>,
    expiry_check_at: Instant,
    /// When the drain's grace is over.
    interrupt_at: Option<Instant>,
    /// When to leave without the last words.
    give_up_at: Option<Instant>,
    /// The farewell was answered.
    left: bool,
    served: Served,
}

impl Worker {
    async fn work(
        mut self,
        mut incoming: UnboundedReceiver<Event>,
        mut shutdown: Shutdown,
    ) -> Result<Served, RunError> {
        let mut calls = FuturesUnordered::new();
        let mut batch = Vec::new();
        let timer = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(timer);
        loop {
            let now = clock::now();
            self.hurry(shutdown.urgency(), now);
            self.keep_time(now);
            if self.left || self.gives_up(now) {
                return Ok(self.served);
            }
            if self.should_call(now) {
                calls.push(self.call(now));
            }
            let wake_at = self.wake_at(now);
            if timer.deadline().into_std() != wake_at {
                timer.as_mut().reset(wake_at.into());
            }
            tokio::select! {
                biased;
                () = shutdown.changed() => {}
                // Before the answers: a source that answers at once would hide that attempts have ended.
                _ = incoming.recv_many(&mut batch, 1_024) => self.take_events(&mut batch),
                Some(landing) = calls.next() => self.land(landing).await?,
                () = &mut timer => {}
            }
            // A source that answers without ever waiting must not keep the attempts of this thread from their turn.
            tokio::task::coop::consume_budget().await;
        }
    }

    fn is_leaving(&self) -> bool {
        self.urgency != Urgency::Run || self.told_to_leave
    }

    /// Follows the shutdown.
    fn hurry(&mut self, urgency: Urgency, now: Instant) {
        if urgency <= self.urgency {
            return;
        }
        self.urgency = urgency;
        self.pace.hasten();
        if urgency == Urgency::Stop {
            self.desk.stop_all(Stop::Now);
        } else {
            self.interrupt_at = Some(now + self.config.drain_grace);
        }
        tracing::info!(running = self.desk.running_count(), ?urgency, "the worker ends");
    }

    /// What is due: leases that ran out, the end of the grace, the limit of the farewell.
    fn keep_time(&mut self, now: Instant) {
        if self.desk.running_count() > 0 && now >= self.expiry_check_at {
            let expired = self.desk.stop_expired(now);
            if expired > 0 {
                tracing::warn!(expired, "leases could not be renewed in time; their attempts are killed");
            }
            self.expiry_check_at =
                now + (self.config.lease / 50).clamp(Duration::from_millis(10), Duration::from_millis(250));
        }
        if self.interrupt_at.is_some_and(|at| at <= now) {
            self.interrupt_at = None;
            self.desk.stop_all(Stop::Interrupt);
        }
        if self.is_leaving() && self.desk.running_count() == 0 && self.give_up_at.is_none() {
            let patience = if self.urgency == Urgency::Stop { CURT_FAREWELL } else { FAREWELL };
            self.give_up_at = Some(now + patience);
        }
    }

    fn gives_up(&mut self, now: Instant) -> bool {
        let curt = self.urgency == Urgency::Stop && self.desk.running_count() == 0;
        if curt {
            let soon = now + CURT_FAREWELL;
            self.give_up_at = Some(self.give_up_at.map_or(soon, |at| at.min(soon)));
        }
        let over = self.desk.running_count() == 0 && self.give_up_at.is_some_and(|at| at <= now);
        if over {
            tracing::warn!("the server cannot be reached; leaving without the last words");
        }
        over
    }

    /// Whether everything was said, so that only the good-bye is left.
    fn is_done(&self) -> bool {
        self.is_leaving() && self.desk.is_clear() && !self.outbox.has_outcomes()
    }

    /// When something is due next.
    fn wake_at(&self, now: Instant) -> Instant {
        let mut at = now + Duration::from_secs(3_600);
        if self.desk.running_count() > 0 {
            at = at.min(self.expiry_check_at);
            if let Some(flight) = self.flights.back() {
                at = at.min(flight.sent_at + self.config.lease / 3);
            }
        }
        let dates = [self.flush_at, self.interrupt_at, self.give_up_at, self.overdue_at()];
        dates
            .into_iter()
            .chain([self.pace.wait_until(), self.pace.rest_until()])
            .flatten()
            .filter(|date| *date > now)
            .fold(at, Instant::min)
            .max(now + Duration::from_millis(1))
    }

    fn overdue_at(&self) -> Option<Instant> {
        self.flights.front().map(|flight| flight.overdue_at)
    }

    fn take_events(&mut self, batch: &mut Vec<Event>) {
        for event in batch.drain(..) {
            match event {
                Event::Said(token) => {
                    if let Some(feed) = self.desk.feed(&token) {
                        self.outbox.speaks(Arc::clone(feed));
                        self.flush_at.get_or_insert_with(|| clock::now() + LOG_PAUSE);
                    }
                }
                Event::Ended(token, end) => {
                    if let Some(feed) = self.desk.end(&token) {
                        self.outbox.outcome(end.into_report(token.to_string()), Some(feed));
                    }
                }
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// Lands a call.
    async fn land(&mut self, landing: Landing) -> Result<(), RunError> {
        let Some(index) = self.flights.iter().position(|flight| flight.seq == landing.seq) else { return Ok(()) };
        let flight = self.flights.remove(index).expect("it was just found");
        match landing.reply {
            Ok(reply) => {
                self.pace.succeeded();
                self.take_reply(flight, reply);
                Ok(())
            }
            Err(error) => self.take_error(flight, error).await,
        }
    }
}
