//! A worker session's call to one shard, and its answer, in the core's terms.

use std::sync::Arc;
use std::time::Duration;

use mainspring_core::effect::Grant;
use mainspring_core::event::{AttemptEnded, LogLine, Offer, Progress, RequestId};
use mainspring_core::id::{Name, SessionId, Token};
use mainspring_core::row::Directive;

/// A call, read and checked.
#[derive(Clone, Debug)]
pub struct Call {
    /// The worker's `workerId`.
    pub worker: Name,
    /// Its session: a fresh id for each start of its process.
    pub session: SessionId,
    /// The number of the call in its session, from 1.
    pub seq: u64,
    /// The newest answer that was read.
    pub ack: u64,
    /// Tells a repeat of a call from another call with the same `seq`.
    pub digest: u64,
    /// What the worker can run.
    pub offer: Arc<Offer>,
    /// Free places.
    pub capacity: u32,
    /// How long to wait for news.
    pub wait: Duration,
    /// The lease time that the worker wants, in milliseconds.
    pub lease_ms: u64,
    /// Attempts that have ended.
    pub outcomes: Vec<AttemptEnded>,
    /// Attempts that still run.
    pub running: Vec<Token>,
    /// Output.
    pub logs: Vec<LogLine>,
    /// Progress.
    pub progress: Vec<Progress>,
    /// What was sent as tokens and is none; answered as stale.
    pub unreadable: Vec<String>,
    /// The worker says good-bye.
    pub leaving: bool,
    /// Whoever calls has not spoken for the session before: what was acknowledged to another is not known to it, so that
    /// every lease which the call does not speak of is granted again.
    pub fresh: bool,
    /// Also answered once no more can be granted to the session than it offers.
    pub settle: bool,
}

impl Call {
    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        let outcomes: usize =
            self.outcomes.iter().map(|ended| 160 + ended.output.as_ref().map_or(0, |o| o.len())).sum();
        let logs: usize = self.logs.iter().map(|line| 64 + line.data.len()).sum();
        outcomes + logs + 24 * self.running.len() + 64 * self.progress.len()
    }
}

/// What a call brings back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The `seq` of the call that it answers.
    pub seq: u64,
    /// Attempts to run.
    pub grants: Arc<Vec<Grant>>,
    /// Tokens whose outcomes are durable.
    pub accepted: Vec<Token>,
    /// Tokens that are no longer good.
    pub stale: Vec<Token>,
    /// Texts that were sent as tokens and are none; stale on the wire.
    pub unreadable: Vec<String>,
    /// Tokens of attempts to stop.
    pub cancel: Vec<Token>,
    /// What the worker shall do.
    pub directive: Directive,
    /// How many grants may still be on their way.
    pub offered: u32,
    /// A later call of the session was here before: somebody else speaks for it by now.
    pub outdated: bool,
}

impl Answer {
    /// Nothing to do.
    pub fn empty(seq: u64, directive: Directive) -> Self {
        Self {
            seq,
            grants: Arc::default(),
            accepted: Vec::new(),
            stale: Vec::new(),
            unreadable: Vec::new(),
            cancel: Vec::new(),
            directive,
            offered: 0,
            outdated: false,
        }
    }

    pub(super) fn with_verdict(self, accepted: Vec<Token>, stale: Vec<Token>, unreadable: Vec<String>) -> Self {
        Self { accepted, stale, unreadable, ..self }
    }
}

/// Why a call is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The session belongs to another worker.
    OtherWorker {
        /// The session.
        session: SessionId,
        /// Who named it.
        worker: Name,
    },
    /// Another live process speaks for this worker.
    WorkerInUse(Name),
    /// Nobody knows whether its outcomes were taken.
    OutcomeUnknown,
    /// The shard stops before it knows the answer; nothing of the call was applied.
    Stopped,
}

/// Whoever waits for the answer to a call.
pub trait Caller {
    /// Answers; false if nobody listens any more.
    fn answer(self, answer: Result<Answer, Refused>) -> bool;
}

/// Whoever runs the gateway.
pub trait Host {
    /// A number for a request that the gateway makes itself; no two are the same while the shard is loaded.
    fn request(&self) -> RequestId;

    /// A worker has begun a session.
    fn see(&self, worker: &Name);
}
