//! What comes out of the core. The commit of the batch that made an effect returns BEFORE the effect leaves.

use std::sync::Arc;

use crate::event::RequestId;
use crate::id::{Key, Name, SessionId, Token};
use crate::job::JobRow;
use crate::loan::LoanMessage;
use crate::permit::{LimitRow, LimitedBy, Rate};
use crate::row::Directive;
use crate::schedule::{Ask, ScheduleFigures, ScheduleName, Target};
use crate::spec::TaskSpec;
use crate::task::{Outcome, TaskStatus};
use crate::time::Timestamp;

/// Something to do once the batch is durable. Doing it twice is harmless.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Answers a request. What it acknowledges is durable BEFORE it leaves.
    Reply {
        /// Whom.
        to: RequestId,
        /// What.
        answer: Result<Answer, Refusal>,
    },
    /// Answers the outcomes of an exchange. The outcomes are durable BEFORE it leaves.
    Exchanged {
        /// Whom.
        to: RequestId,
        /// Tokens whose outcomes were taken, now or before.
        accepted: Vec<Token>,
        /// Tokens (of outcomes, renewals, logs) that are no longer good.
        stale: Vec<Token>,
        /// What the worker shall do.
        directive: Directive,
    },
    /// Gives a worker session the right to run an attempt. The lease is durable BEFORE it leaves.
    Grant(Grant),
    /// Takes that right back: the worker shall stop the attempt. The end of the lease is durable BEFORE it leaves.
    Revoke {
        /// Whose.
        session: SessionId,
        /// Which.
        token: Token,
    },
    /// Asks whoever evaluates expressions for the verdict on a task, answered by [`crate::event::Event::Evaluated`]. That
    /// the task waits for it is durable BEFORE it leaves; after a load it is sent again.
    Evaluate(Evaluate),
    /// Tells a worker session what to do. A pause, and its end, are durable BEFORE it leaves.
    Direct {
        /// Whom.
        session: SessionId,
        /// What.
        directive: Directive,
    },
    /// Asks what a schedule shall do; answered by [`crate::event::Event::Planned`]. It can be derived from the schedule's
    /// row, and is sent again after a load. The row is durable BEFORE it leaves.
    Plan(Box<Ask>),
    /// Asks for the jobs of the hooks of a job that has ended; answered by [`crate::event::Event::Hooked`]. Sent again after ten
    /// seconds without an answer, and after a load. BEFORE it leaves, the end of the job is durable.
    Hook(Box<JobRow>),
    /// Jobs of definitions that have completed, by their numbers, ascending: each shard is to be told of all of them by
    /// [`crate::event::Order::JobsEnded`]. Once all have answered, [`crate::event::Event::Announced`]. Nothing further is announced before that;
    /// sent again like [`Effect::Hook`]. BEFORE it leaves, the ends are durable.
    Announce(Vec<(u64, JobRow)>),
    /// The job definition of this name was applied or deleted: the schedule of its name, which lives in another shard, is to
    /// be what its newest version says. Nobody answers; it is sent for every definition after a load. BEFORE it leaves, the
    /// version is durable.
    Install(ScheduleName),
    /// Tells another shard about a limit that both share. What it says of loans is durable BEFORE it leaves. It may be lost:
    /// whoever needs an answer says it again.
    Loan(Box<LoanMessage>),
}

/// Which task's values are to be computed: its `flow` is in the graph of the job, at `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluate {
    /// The task.
    pub task: Key,
    /// Its job.
    pub job: Key,
    /// Its place in the job's graph.
    pub index: u32,
    /// For which generation; the verdict repeats it.
    pub generation: u32,
}

/// The right to run one attempt, and what to run.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Whose.
    pub session: SessionId,
    /// The lease.
    pub token: Token,
    /// Whose work it is.
    pub tenant: Name,
    /// The task's id: the given one, or `None` for the text of its key.
    pub given_id: Option<Name>,
    /// The job's key and given id, for a task of a job.
    pub job: Option<(Key, Option<Name>)>,
    /// Which generation.
    pub generation: u32,
    /// Which attempt.
    pub attempt: u32,
    /// What to run. Its body is empty if it is larger than [`crate::limits::RESIDENT_BODY_BYTES_MAX`]; the gateway
    /// then reads it from the store.
    pub spec: Arc<TaskSpec>,
    /// What an earlier attempt of this generation noted last with its progress: JSON text.
    pub checkpoint: Option<Arc<str>>,
    /// How long the lease lasts without renewal, in milliseconds.
    pub lease_ms: u64,
}

/// A good answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// One entry per submitted task, in order.
    Tasks(Vec<Result<Submitted, Refusal>>),
    /// The job was accepted.
    Job {
        /// Its key.
        key: Key,
        /// Its status word's source.
        status: crate::job::JobStatus,
        /// Whether it was accepted earlier under the same id or key.
        repeated: bool,
    },
    /// The order was carried out, or its durable marker was set.
    Done,
    /// How many of the named things the order took; others were not in a state for it.
    Took(Vec<Key>),
    /// Which keys may be used, in the order of their claims: the others were used with another body.
    Claimed(Vec<bool>),
    /// The versions that were applied, in the order of the definitions.
    Versions(Vec<u32>),
    /// The generation of a schedule that was applied.
    Version(u32),
    /// What a schedule submitted.
    Fired(Target),
    /// What keeps a task from running.
    Gates(Vec<Gate>),
    /// The figures of the shard.
    Figures(Box<Figures>),
    /// The connected worker sessions.
    Sessions(Vec<SessionView>),
}

/// An accepted task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its key; its id is the one its client chose, or the text of the key.
    pub key: Key,
    /// Where it stands.
    pub status: TaskStatus,
    /// When it becomes ready, if scheduled.
    pub run_at: Option<Timestamp>,
    /// Whether it was accepted earlier under the same id or key.
    pub repeated: bool,
}

/// Why something was not done. Nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such task or job.
    #[error("no such task or job")]
    NotFound,
    /// The id is taken by something with another body.
    #[error("the id `{0}` is taken by another body")]
    IdTaken(Name),
    /// The idempotency key was used with another body.
    #[error("the idempotency key `{0}` was used with another body")]
    KeyReused(Name),
    /// Another task holds the unique key.
    #[error("the task `{}` holds the unique key `{key}`", holder.id(crate::id::IdKind::Task))]
    NotUnique {
        /// The key.
        key: Name,
        /// Who holds it.
        holder: Key,
    },
    /// The tenant has used up what it may submit.
    #[error("the tenant `{tenant}` has used up what it may submit now")]
    QuotaExceeded {
        /// Whose quota.
        tenant: Name,
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// The tenant would have more unfinished tasks than it may.
    #[error(
        "the tenant `{tenant}` may have {max} unfinished tasks (`maxBacklog`) and has {there}; there is no room for {tasks} more"
    )]
    BacklogFull {
        /// Whose quota.
        tenant: Name,
        /// How many unfinished tasks it may have.
        max: u64,
        /// How many it has; where several shards share the quota, as far as this one knows.
        there: u64,
        /// How many were to come.
        tasks: u64,
    },
    /// The limit of a key is kept by another shard than the one that an id, or another key, leads to.
    #[error("the limit of the key `{0}` is kept by another shard than its task would live in")]
    KeyElsewhere(Name),
    /// The order does not fit the state.
    #[error("cannot {order} what is {status}")]
    WrongState {
        /// The order's verb.
        order: &'static str,
        /// The status word.
        status: &'static str,
    },
    /// The task is not among the dead letters.
    #[error("not among the dead letters")]
    NotDead,
    /// A sweep over the job is still going on; try again shortly.
    #[error("the job is still busy with an earlier order")]
    Busy,
    /// Too many schedules of the shard follow jobs.
    #[error("more than {max} schedules of one shard follow jobs", max = crate::limits::FOLLOWING_SCHEDULES_MAX)]
    TooManyFollowers,
    /// No such schedule.
    #[error("no such schedule")]
    NoSchedule,
    /// A schedule of this name is there, or belongs to another way of making it.
    #[error("{}", if *.of_definition { "the schedule belongs to the definition of its name" } else { "a schedule of this name exists" })]
    ScheduleTaken {
        /// Whether the definition of its name has installed it.
        of_definition: bool,
    },
    /// No such definition.
    #[error("no such definition")]
    NoDefinition,
    /// The newest version of a definition is another one than was expected; 0 where there is none.
    #[error("the newest version of `{name}` is {version}, another one than was expected")]
    OtherVersion {
        /// The definition.
        name: Name,
        /// Its newest version.
        version: u32,
    },
    /// More definitions at once than one step applies.
    #[error("{0} definitions at once exceed the limit of {max}", max = crate::limits::DEFINITIONS_MAX)]
    TooManyDefinitions(u32),
    /// Nobody serves its shard just now; repeat it.
    #[error("nobody serves it just now; repeat it with the same key")]
    NotServed,
    /// The commit's fate is unknown; repeat with the same key.
    #[error("the outcome is unknown; repeat with the same key")]
    OutcomeUnknown,
}

/// One thing that keeps a task from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It has ended.
    Ended(TaskStatus),
    /// It runs.
    Running {
        /// On which worker.
        worker: Name,
        /// Since when.
        since: Timestamp,
    },
    /// Parents that have not ended, at most ten of `left`.
    Parents {
        /// Their task keys.
        waiting_for: Vec<Key>,
        /// How many in all.
        left: u32,
    },
    /// Its time has not come.
    Scheduled {
        /// When it comes.
        until: Timestamp,
        /// Whether this is the wait before a retry.
        backoff: bool,
    },
    /// Its worker was lost, and it is held until somebody retries it.
    Held,
    /// It waits for an approval.
    Approval {
        /// When it fails without one.
        until: Option<Timestamp>,
    },
    /// Its expressions are being computed.
    Evaluating,
    /// It is carried out by a job that has not ended.
    Group {
        /// That job.
        child: Key,
    },
    /// Its job waits until fewer jobs of the same definition are live (`maxActive`).
    JobQueued {
        /// The definition.
        definition: Name,
        /// How many of it may be live.
        limit: u32,
    },
    /// Its job is paused.
    JobPaused,
    /// Its job is being cancelled, published or rerun.
    JobBusy,
    /// Its queue is paused.
    QueuePaused {
        /// The queue.
        queue: Name,
    },
    /// As many tasks of its queue run as may.
    QueueLimit {
        /// The queue.
        queue: Name,
        /// How many may run.
        max: u32,
        /// Running tasks of this shard that have its places, at most ten.
        holders: Vec<Key>,
        /// Places that other shards have, as far as this one knows.
        elsewhere: u32,
    },
    /// As many tasks of its type run as may.
    TypeLimit {
        /// The type.
        kind: Name,
        /// How many may run.
        max: u32,
        /// Running tasks of this shard that have its places, at most ten.
        holders: Vec<Key>,
        /// Places that other shards have, as far as this one knows.
        elsewhere: u32,
    },
    /// As many tasks with its `concurrencyKey` run as it allows.
    KeyLimit {
        /// The key.
        key: Name,
        /// How many may run.
        max: u32,
        /// Running tasks that have its places, at most ten.
        holders: Vec<Key>,
    },
    /// Tasks start as fast as they may.
    RateLimit {
        /// What is limited.
        of: LimitedBy,
        /// Its name.
        name: Name,
        /// The rate.
        rate: Rate,
        /// When the next one may start; `None`: not before another of the shards that share the rate passes it on.
        until: Option<Timestamp>,
    },
    /// No connected worker serves its queue with its class.
    NoWorker {
        /// The queue.
        queue: Name,
        /// The executor it needs.
        executor: Name,
        /// The labels it needs.
        labels: Vec<Name>,
    },
    /// Workers that could run it are paused or draining.
    WorkersPaused {
        /// How many.
        workers: u32,
    },
    /// Workers that could run it are busy.
    WorkersBusy {
        /// How many.
        workers: u32,
    },
    /// Tasks of its lane that go first.
    Behind {
        /// How many with a higher priority.
        higher_priority: u64,
        /// How many of the same priority that are older.
        older: u64,
    },
}

/// Figures of a shard. Counts are since the shard was loaded, gauges are now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Live tasks by queue and status, cold ones included; `pending` and `waiting` are counted from when they were met.
    pub tasks: Vec<(Name, TaskStatus, u64)>,
    /// Attempts ended by queue, type and outcome.
    pub attempts: Vec<(Name, Name, Outcome, u64)>,
    /// Retries by queue and type.
    pub retries: Vec<(Name, Name, u64)>,
    /// Milliseconds that the oldest ready task of each queue has waited.
    pub ready_age_ms: Vec<(Name, u64)>,
    /// Rows in memory: tasks, jobs, graph chunks.
    pub resident: (u64, u64, u64),
    /// Live leases.
    pub leases: u64,
    /// Paused queues.
    pub paused_queues: Vec<Name>,
    /// Limits that are set, by scope and name.
    pub limits: Vec<LimitRow>,
    /// Start latencies (ready to granted) by bucket: upper bounds in [`START_LATENCY_BOUNDS_MS`], then the rest.
    pub start_latency: Vec<u64>,
    /// Sum of start latencies, in milliseconds.
    pub start_latency_sum_ms: u64,
    /// Durations of attempts by bucket: upper bounds in [`DURATION_BOUNDS_MS`], then the rest.
    pub duration: Vec<u64>,
    /// Sum of durations, in milliseconds.
    pub duration_sum_ms: u64,
    /// Schedules.
    pub schedules: ScheduleFigures,
}

/// Upper bounds of the start latency's buckets, in milliseconds.
pub const START_LATENCY_BOUNDS_MS: [u64; 10] = [1, 5, 10, 50, 100, 500, 1_000, 10_000, 60_000, 600_000];
/// Upper bounds of the attempt duration's buckets, in milliseconds.
pub const DURATION_BOUNDS_MS: [u64; 10] = [1, 10, 100, 500, 1_000, 5_000, 30_000, 60_000, 600_000, 3_600_000];

/// A connected worker session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Its `workerId`.
    pub worker: Name,
    /// The session.
    pub session: SessionId,
    /// What it can run.
    pub offer: Arc<crate::event::Offer>,
    /// Attempts it runs.
    pub running: Vec<Key>,
    /// Free places.
    pub credits: u32,
    /// What it was told.
    pub directive: Directive,
    /// When it was first seen.
    pub since: Timestamp,
    /// When it was last heard of.
    pub heard_at: Timestamp,
}
