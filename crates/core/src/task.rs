//! A task's mutable state, and the table of its legal moves.
//!
//! ```text
//!                 ┌────────── retry, loss, snooze, interruption ─────────┐
//!                 ▼                                                      │
//!  submit ─▶ pending ──▶ scheduled ──▶ ready ──▶ running ──▶ completed   │
//!               │  │          │  ▲       │  ▲      │  │  └──▶ failed ────┼─▶ (redrive, rerun: next generation)
//!               │  ├──▶ waiting ─┴───────┼──┘      │  └────────────────────▶ scheduled | ready | waiting (held)
//!               │  │       └─▶ completed | failed (an approval, a group)
//!               │  └──▶ completed | failed (by its expressions alone)
//!               └──▶ skipped             └─────────┴──▶ cancelled
//! ```
//! Terminal states absorb; only an operator's redrive or rerun leaves them, and opens the next generation (I5).

use std::sync::Arc;

use crate::id::{Key, Name, SessionId};
use crate::time::Timestamp;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskStatus {
    /// Waits for its parents.
    Pending,
    /// Waits for a time: a delay or a backoff.
    Scheduled,
    /// Waits for somebody: an approval, a signal, or release from hold.
    Waiting,
    /// Waits for a worker.
    Ready,
    /// A worker holds its lease.
    Running,
    /// Ended well.
    Completed,
    /// Failed for good.
    Failed,
    /// Was cancelled.
    Cancelled,
    /// Was never due, see [`SkipReason`].
    Skipped,
}

impl TaskStatus {
    /// All states, in the order of their stored numbers.
    pub const ALL: [TaskStatus; 9] = [
        TaskStatus::Pending,
        TaskStatus::Scheduled,
        TaskStatus::Waiting,
        TaskStatus::Ready,
        TaskStatus::Running,
        TaskStatus::Completed,
        TaskStatus::Failed,
        TaskStatus::Cancelled,
        TaskStatus::Skipped,
    ];

    /// Whether it has ended.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Skipped)
    }

    /// The word on the wire and in a store's `status` column.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Scheduled => "scheduled",
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// Reads [`TaskStatus::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// The table of legal moves (I5). A submission enters at `pending`, `scheduled`, `waiting` or `ready`, which
    /// is not a move. `next_generation` is true for an operator's redrive or rerun.
    pub fn may_become(self, next: TaskStatus, next_generation: bool) -> bool {
        use TaskStatus::{Cancelled, Completed, Failed, Pending, Ready, Running, Scheduled, Skipped, Waiting};
        if next_generation {
            return self.is_terminal() && matches!(next, Pending | Scheduled | Waiting | Ready | Skipped);
        }
        match self {
            Pending => matches!(next, Scheduled | Waiting | Ready | Completed | Cancelled | Skipped | Failed),
            Scheduled => matches!(next, Ready | Cancelled | Failed),
            Waiting => matches!(next, Ready | Scheduled | Completed | Failed | Cancelled),
            Ready => matches!(next, Running | Scheduled | Cancelled | Failed),
            Running => matches!(next, Completed | Failed | Cancelled | Scheduled | Ready | Waiting),
            Completed | Failed | Cancelled | Skipped => false,
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It did its work.
    Success,
    /// Its code failed.
    Failure,
    /// It ran, or was silent, for too long.
    Timeout,
    /// Its worker vanished.
    Lost,
    /// It was called off.
    Cancelled,
    /// It asked to be run later, at no cost to its retries.
    Snoozed,
    /// Its worker handed it back while draining, at no cost.
    Interrupted,
}

impl Outcome {
    /// All outcomes, in the order of their stored numbers.
    pub const ALL: [Outcome; 7] = [
        Outcome::Success,
        Outcome::Failure,
        Outcome::Timeout,
        Outcome::Lost,
        Outcome::Cancelled,
        Outcome::Snoozed,
        Outcome::Interrupted,
    ];

    /// The word on the wire and in stores.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
            Self::Snoozed => "snoozed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Reads [`Outcome::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// Why a task was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Its own condition was false, or its trigger rule wished for a failure or a skip that did not happen.
    Condition,
    /// Its trigger rule can no longer hold because a parent failed or was cancelled.
    UpstreamFailed,
    /// Its trigger rule can no longer hold because a parent was skipped.
    UpstreamSkipped,
}

impl SkipReason {
    /// The word on the wire and in stores.
    pub fn word(self) -> &'static str {
        match self {
            Self::Condition => "condition",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamSkipped => "upstream_skipped",
        }
    }

    /// Reads [`SkipReason::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Condition, Self::UpstreamFailed, Self::UpstreamSkipped].into_iter().find(|reason| reason.word() == word)
    }
}

/// Where the rows of a task belong between memory and store. Committed with the row, so that a load knows what to
/// bring back and a page request knows the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Must be in memory: ready inside its lane's window, running, due within the horizon, or settling.
    Hot,
    /// Ready, behind its lane's window; paged in by (lane, `9 − priority`, key).
    ColdReady {
        /// The lane it stands in.
        lane: LaneId,
    },
    /// Due beyond the horizon; paged in by (due, key).
    ColdTimer,
    /// Moves only when something names it: pending, waiting, terminal.
    Rest,
}

/// A lane: ready tasks of one (queue, tenant, class). Numbered per shard, stored in the lanes table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u32);

/// The mutable state of a task: what an update writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskState {
    /// Where it stands.
    pub status: TaskStatus,
    /// Where its row belongs.
    pub place: Place,
    /// 1 at submission; each redrive or rerun opens the next.
    pub generation: u32,
    /// The number of the last attempt, over all generations; 0 before the first.
    pub attempt: u32,
    /// Failures and timeouts in this generation.
    pub failures: u32,
    /// Losses in this generation.
    pub losses: u32,
    /// Snoozes in this generation.
    pub snoozes: u32,
    /// When `scheduled`: the instant it becomes ready. When it waits for an approval: the instant it fails without one.
    /// Otherwise the last such instant, if any.
    pub due: Option<Timestamp>,
    /// When it became ready last.
    pub ready_at: Option<Timestamp>,
    /// When it became terminal.
    pub ended_at: Option<Timestamp>,
    /// The last attempt (earlier ones are rows of their own); `None` before the first.
    pub last: Option<Attempt>,
    /// The lease, while `running`.
    pub lease: Option<Lease>,
    /// Ended parents by how they ended; zero for a standalone task.
    pub parents: ParentCounts,
    /// Why it was skipped, when `skipped`.
    pub skip_reason: Option<SkipReason>,
    /// Whether this failed task counts as handled: a `one_failed` or `all_failed` child of it completed.
    pub handled: bool,
    /// Set while its end is still being carried to its neighbours.
    pub settling: Option<Settling>,
    /// A worker was lost and `onWorkerLost: hold` keeps it `waiting`.
    pub held: bool,
    /// Whether it stands among the dead letters (failed for good, neither redriven nor discarded).
    pub dead: bool,
    /// `pending`, its trigger holds, and the verdict on its expressions has not come.
    pub evaluating: bool,
    /// The job that carries it out, or did so last in this generation.
    pub child: Option<Key>,
    /// What the last attempt of this generation noted for the next: JSON text.
    pub checkpoint: Option<Arc<str>>,
    /// Why it failed, where no attempt did: its expressions, its approval, or the job that carried it out.
    pub failure: Option<Failure>,
}

impl TaskState {
    /// Of a task in its first generation that nothing has happened to.
    pub fn new(status: TaskStatus, place: Place) -> Self {
        Self {
            status,
            place,
            generation: 1,
            attempt: 0,
            failures: 0,
            losses: 0,
            snoozes: 0,
            due: None,
            ready_at: None,
            ended_at: None,
            last: None,
            lease: None,
            parents: ParentCounts::default(),
            skip_reason: None,
            handled: false,
            settling: None,
            held: false,
            dead: false,
            evaluating: false,
            child: None,
            checkpoint: None,
            failure: None,
        }
    }
}

/// How far the end of a task has been carried to its neighbours. Children first, then, for a rescue task that
/// completed, the failed parents that it handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    /// The next of its children to be told.
    Children(u32),
    /// The next of its parents to be marked as handled.
    Parents(u32),
}

/// How many parents ended in each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParentCounts {
    /// Completed.
    pub completed: u32,
    /// Failed, cancelled, or skipped because something upstream failed.
    pub failed: u32,
    /// Skipped for another reason.
    pub skipped: u32,
}

impl ParentCounts {
    /// Parents that have ended.
    pub fn ended(self) -> u32 {
        self.completed + self.failed + self.skipped
    }
}

/// One execution of a task by one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// 1..k over all generations.
    pub number: u32,
    /// The generation it belongs to.
    pub generation: u32,
    /// Which worker ran it.
    pub worker: Name,
    /// When it was granted.
    pub started_at: Timestamp,
    /// When its outcome was accepted; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// What went wrong, if anything.
    pub error: Option<Failure>,
    /// The lease it ran under.
    pub lease: u64,
}

/// The right of one worker session to run one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Strictly increasing over the shard.
    pub number: u64,
    /// The session that holds it.
    pub session: SessionId,
    /// The worker of that session.
    pub worker: Name,
    /// How long one renewal lasts, in milliseconds.
    pub lease_ms: u64,
}

/// What went wrong in an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable word for the kind of error: an exception's class, `exit_code`, `timeout`, `expired`, …
    pub kind: Name,
    /// What to tell a person; at most 16 KiB, the cut marked.
    pub message: Name,
    /// A stack trace or the like, if the worker sent one; at most 64 KiB.
    pub trace: Option<Name>,
}
