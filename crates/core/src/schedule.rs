//! Schedules: what submits work at instants, and the ledger of what became of each instant.
//!
//! The core knows no calendar. It keeps which instants are covered, asks outside what is due ([`Ask`]), checks the answer
//! ([`Planned`]) and applies it whole: records, work and the next due instant stand in one commit (I13, I14).

use std::sync::Arc;

use crate::event::{NewTask, RequestId, SubmitJob};
use crate::id::{Bucket, IdKind, Key, Name};
use crate::time::Timestamp;

/// Names a schedule: unique per tenant. Everything about it lives in the bucket of its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleName {
    /// Whose.
    pub tenant: Name,
    /// Its name.
    pub name: Name,
}

impl ScheduleName {
    /// The bucket in which it and its work live.
    pub fn bucket(&self) -> Bucket {
        Bucket::of_text(&self.name)
    }
}

/// What happens at an instant while work of an earlier one is not done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Both run.
    #[default]
    Allow,
    /// The new one does not run.
    Skip,
    /// One new one waits for the earlier to end; further ones do not run.
    BufferOne,
    /// The earlier is cancelled, the new one runs at once.
    CancelRunning,
}

impl Overlap {
    /// All of them, in the order of their stored numbers.
    pub const ALL: [Overlap; 4] = [Self::Allow, Self::Skip, Self::BufferOne, Self::CancelRunning];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Skip => "skip",
            Self::BufferOne => "buffer_one",
            Self::CancelRunning => "cancel_running",
        }
    }
}

/// A schedule: one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Its name.
    pub id: ScheduleName,
    /// What it does while earlier work of its own runs.
    pub overlap: Overlap,
    /// Installed by the job definition of the same name, which alone may change or remove it.
    pub of_definition: bool,
    /// When it is due and what it submits: the text of a JSON object, at most
    /// [`crate::limits::SCHEDULE_BODY_BYTES_MAX`]. The core never reads it.
    pub body: Arc<str>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What changes.
    pub state: ScheduleState,
}

/// The mutable state of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleState {
    /// 1, and one more with each edit.
    pub generation: u32,
    /// When this generation was made.
    pub changed_at: Timestamp,
    /// Nothing is due while set; what goes by is recorded by the resume.
    pub paused: bool,
    /// Every nominal instant up to this one is recorded, buffered, or older than the schedule. Never goes back.
    pub covered: Timestamp,
    /// What comes after it.
    pub next: Next,
    /// The nominal instant that was fired last.
    pub last_instant: Option<Timestamp>,
    /// Work of it that has not ended; empty under [`Overlap::Allow`]. At most [`crate::limits::SCHEDULE_RUNS_MAX`].
    pub running: Vec<Target>,
    /// The instant that waits for `running` to end, under [`Overlap::BufferOne`].
    pub buffered: Option<Timestamp>,
    /// A range that is being made up for.
    pub backfill: Option<Backfill>,
    /// The jobs that it follows; `None`: it goes by time.
    pub after: Option<After>,
}

impl ScheduleState {
    /// Everything up to this instant is handled; `next` comes after it, unless the schedule follows jobs.
    pub(crate) fn cover(&mut self, instant: Timestamp, next: Next) {
        self.covered = self.covered.max(instant);
        self.next = next;
        if let Some(after) = &mut self.after {
            after.due.retain(|at| *at > instant);
            self.next = after.next();
        }
    }
}

/// What a schedule knows of the jobs that it follows. An occurrence is due once a job of each definition has completed since the
/// one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// The definitions, at most [`crate::limits::FOLLOWED_DEFINITIONS_MAX`], and whether a job of it has completed.
    pub names: Vec<(Name, bool)>,
    /// Instants that are due, ascending, at most [`crate::limits::FOLLOWING_DUE_MAX`].
    pub due: Vec<Timestamp>,
    /// By shard, the last number of a completed job that was heard from it: nothing counts twice.
    pub heard: Vec<(u16, u64)>,
}

impl After {
    /// What comes next.
    pub(crate) fn next(&self) -> Next {
        self.due.first().map_or(Next::Never, |at| Next::At { instant: *at, due: *at })
    }

    /// The same, following these definitions from now on; `None` if it follows none.
    pub(crate) fn following(names: &[Name], before: Option<After>) -> Option<After> {
        let heard = before.map(|before| before.heard).unwrap_or_default();
        let names: Vec<_> = names.iter().map(|name| (name.clone(), false)).collect();
        (!names.is_empty()).then_some(After { names, due: Vec::new(), heard })
    }

    /// Whether a completed job of a shard was heard of before.
    pub(crate) fn has_heard(&self, source: u16, number: u64) -> bool {
        self.heard.iter().any(|(shard, last)| *shard == source && *last >= number)
    }

    /// Remembers that it was.
    pub(crate) fn hear(&mut self, source: u16, number: u64) {
        match self.heard.iter_mut().find(|(shard, _)| *shard == source) {
            Some((_, last)) => *last = number,
            None => self.heard.push((source, number)),
        }
    }
}

/// The first nominal instant that is not covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nobody has looked yet.
    Unplanned,
    /// There is none.
    Never,
    /// This one.
    At {
        /// The nominal instant.
        instant: Timestamp,
        /// When it fires: the same, plus its jitter.
        due: Timestamp,
    },
}

/// A range of past instants whose work is submitted now, except where an instant was fired before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// Everything up to here is done.
    pub cursor: Timestamp,
    /// The last instant of the range.
    pub to: Timestamp,
    /// How many may run side by side, 1 to [`crate::limits::BACKFILL_CONCURRENCY_MAX`].
    pub concurrency: u32,
    /// Those that have not ended.
    pub running: Vec<Target>,
    /// How many were submitted.
    pub fired: u32,
}

/// What an occurrence submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A standalone task.
    Task(Key),
    /// A job.
    Job(Key),
}

impl Target {
    /// The key.
    pub fn key(self) -> Key {
        match self {
            Self::Task(key) | Self::Job(key) => key,
        }
    }

    /// The text of its id.
    pub fn id(self) -> String {
        match self {
            Self::Task(key) => key.id(IdKind::Task),
            Self::Job(key) => key.id(IdKind::Job),
        }
    }

    pub(crate) fn job_and_task(self) -> (Option<Key>, Option<Key>) {
        match self {
            Self::Task(key) => (None, Some(key)),
            Self::Job(key) => (Some(key), None),
        }
    }
}

/// Why something fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Its time came.
    Time,
    /// Somebody triggered it.
    Trigger,
    /// A backfill.
    Backfill,
}

impl Cause {
    /// All of them, in the order of their stored numbers.
    pub const ALL: [Cause; 3] = [Self::Time, Self::Trigger, Self::Backfill];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Trigger => "trigger",
            Self::Backfill => "backfill",
        }
    }
}

/// Why an instant, or a range of them, fired nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PassReason {
    /// It was missed, and the policy is to skip what was.
    Missed,
    /// It was missed, and a newer one stands for it.
    Coalesced,
    /// More were due than may run at once.
    BurstCap,
    /// Earlier work was not done.
    Overlap,
    /// The schedule was paused.
    Paused,
    /// The schedule was edited before it was handled.
    Edited,
    /// The schedule was deleted before it was handled.
    Deleted,
    /// Its work could not be made: the record says why.
    Invalid,
}

impl PassReason {
    /// All of them, in the order of their stored numbers.
    pub const ALL: [PassReason; 8] = [
        Self::Missed,
        Self::Coalesced,
        Self::BurstCap,
        Self::Overlap,
        Self::Paused,
        Self::Edited,
        Self::Deleted,
        Self::Invalid,
    ];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Coalesced => "coalesced",
            Self::BurstCap => "burst_cap",
            Self::Overlap => "overlap",
            Self::Paused => "paused",
            Self::Edited => "edited",
            Self::Deleted => "deleted",
            Self::Invalid => "invalid",
        }
    }
}

/// A record of the ledger: what became of an instant, or of all instants of a range. Never changed, deleted by age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OccurrenceRow {
    /// Its key, in the schedule's bucket; records made later have larger ones.
    pub key: Key,
    /// Whose.
    pub schedule: ScheduleName,
    /// Under which generation.
    pub generation: u32,
    /// Why.
    pub cause: Cause,
    /// The instant, or the first of the range.
    pub first: Timestamp,
    /// The instant, or the last of the range.
    pub last: Timestamp,
    /// What it submitted, or why nothing.
    pub result: Result<Target, PassReason>,
    /// What makes it [`PassReason::Invalid`].
    pub detail: Option<Name>,
}

/// Asks outside what a schedule shall do. Sent again after ten seconds without an answer, and after a load.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The schedule as it is.
    pub row: ScheduleRow,
    /// Shard time: nothing later than this may fire.
    pub now: Timestamp,
    /// What is asked.
    pub want: Want,
}

/// What is asked about a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// What is due after `covered`, and what comes next.
    Due,
    /// The work of the buffered instant.
    Buffered,
    /// The next instant of the backfill.
    Backfill,
}

/// The answer to an [`Ask`]. One that no longer fits is ignored.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Which schedule.
    pub schedule: ScheduleName,
    /// The generation that was asked about.
    pub generation: u32,
    /// What was found.
    pub plan: Plan,
}

/// What a schedule shall do.
#[derive(Clone, Debug)]
pub enum Plan {
    /// For [`Want::Due`].
    Due {
        /// The `covered` that was asked about.
        covered: Timestamp,
        /// Ranges that pass, oldest first.
        passed: Vec<Passed>,
        /// The oldest instant to fire, after all of `passed`. Further ones are asked for again.
        fire: Option<Fire>,
        /// What comes after `passed` and `fire`.
        next: Next,
    },
    /// For [`Want::Buffered`].
    Buffered(Fire),
    /// For [`Want::Backfill`].
    Backfill {
        /// The `cursor` that was asked about.
        cursor: Timestamp,
        /// Everything up to here was fired before: go on behind it. Without `fire` only.
        skipped: Option<Timestamp>,
        /// The next instant that was never fired; without it and `skipped` the range is done.
        fire: Option<Fire>,
    },
}

/// Nominal instants that do not fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// Why.
    pub reason: PassReason,
}

/// An instant and its work.
#[derive(Clone, Debug)]
pub struct Fire {
    /// The nominal instant.
    pub instant: Timestamp,
    /// What to submit.
    pub work: Work,
}

/// What an occurrence submits. Ids, keys and buckets in it are overwritten.
#[derive(Clone, Debug)]
pub enum Work {
    /// A job.
    Job(Box<SubmitJob>),
    /// A standalone task.
    Task(Box<NewTask>),
    /// Nothing: it could not be made, for this reason.
    Broken(Name),
}

/// An order about a schedule.
#[derive(Clone, Debug)]
pub enum ScheduleOrder {
    /// Makes or changes it; a change of `overlap` or `body` opens a generation. Answered by
    /// [`crate::effect::Answer::Version`] with the generation.
    Put {
        /// What must be there before.
        expect: Expect,
        /// Whether the job definition of its name installs it.
        of_definition: bool,
        /// See [`ScheduleRow::overlap`].
        overlap: Overlap,
        /// See [`ScheduleRow::body`].
        body: Arc<str>,
        /// The definitions whose jobs it follows; empty: it goes by time.
        after: Vec<Name>,
    },
    /// Removes it. Its ledger stays until it is old.
    Delete {
        /// Whether the job definition of its name does so.
        of_definition: bool,
    },
    /// Pauses or resumes it.
    Pause(bool),
    /// Submits its work now, whatever its overlap policy. Answered by [`crate::effect::Answer::Fired`].
    Trigger(Box<Fire>),
    /// Makes up for a range of past instants.
    Backfill {
        /// The first instant.
        from: Timestamp,
        /// The last instant; not after what is covered.
        to: Timestamp,
        /// How many may run side by side.
        concurrency: u32,
    },
    /// Ends a backfill; what it has submitted goes on.
    StopBackfill,
}

/// What an order expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing of this name.
    Absent,
    /// A schedule.
    Present,
    /// Either.
    Any,
}

/// A fired occurrence whose job is still being staged: applied when it is published.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    pub(crate) schedule: ScheduleName,
    pub(crate) cause: Cause,
    pub(crate) instant: Timestamp,
    /// What comes next, for [`Cause::Time`].
    pub(crate) next: Option<Next>,
    /// Whom to answer, for [`Cause::Trigger`].
    pub(crate) to: Option<RequestId>,
}

/// Figures of the schedules of a shard. Counts are since the shard was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleFigures {
    /// Those that are not paused.
    pub active: u64,
    /// Those that are.
    pub paused: u64,
    /// Occurrences that submitted work.
    pub fired: u64,
    /// Instants and ranges that passed, by [`PassReason`].
    pub passed: [u64; PassReason::ALL.len()],
    /// Milliseconds from the due instant to the submission, by bucket: upper bounds in
    /// [`crate::effect::START_LATENCY_BOUNDS_MS`], then the rest. Those that were missed count too.
    pub lag: [u64; 11],
    /// Sum of lags, in milliseconds.
    pub lag_sum_ms: u64,
}
