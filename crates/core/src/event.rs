//! What goes into the core: one closed set of events, each carrying everything a decision about it needs.

mod key_claim;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::graph::Graph;
use crate::id::{Bucket, Key, Name, SessionId, Token};
use crate::job::{FailurePolicy, Followed, RerunFrom};
use crate::loan::LoanMessage;
use crate::permit::{LimitRow, LimitScope, LimitsPatch, shared_key};
use crate::row::{ClaimName, DefinitionKind, Directive, LogStream};
use crate::schedule::{Planned, ScheduleName, ScheduleOrder};
use crate::spec::{Body, TaskSpec};
use crate::task::{Failure, Outcome};
use crate::time::Timestamp;

pub use self::key_claim::KeyClaim;

/// Whom a reply goes to. Numbered by the runtime; the core only carries it.
pub type RequestId = u64;

/// Something that happened, or somebody's wish.
#[derive(Clone, Debug)]
pub enum Event {
    /// Standalone tasks, answered by [`crate::effect::Answer::Tasks`].
    SubmitTasks(SubmitTasks),
    /// A job, answered by [`crate::effect::Answer::Job`].
    SubmitJob(Box<SubmitJob>),
    /// What a worker says, answered by [`crate::effect::Effect::Exchanged`].
    Exchange(Exchange),
    /// A worker session ended: it left (drained), was replaced, or fell silent.
    EndSession(EndSession),
    /// A node is dead, and with it the worker inside it: the sessions of that worker are lost. Its sessions' ids start
    /// with this name and a dot.
    EndNode(Name),
    /// What the control shard's settings are, for a shard that does not own them.
    Settings(Settings),
    /// What came out of an [`crate::effect::Effect::Evaluate`]. One that comes late, twice, for another generation, or once
    /// the job is being cancelled changes nothing. In a paused job it counts: a pause stops nothing but grants.
    Evaluated(Evaluated),
    /// What a schedule shall do: the answer to [`crate::effect::Effect::Plan`].
    Planned(Box<Planned>),
    /// The jobs of the hooks of a job that has ended: the answer to [`crate::effect::Effect::Hook`].
    Hooked(Box<Hooked>),
    /// Every shard knows of what was announced under numbers up to this one, see [`crate::effect::Effect::Announce`].
    Announced(u64),
    /// What another shard says about a limit that both share.
    Loan(Box<LoanMessage>),
    /// An operator's order about a task or a job.
    Command(Command),
}

/// What follows the end of a job.
#[derive(Clone, Debug)]
pub struct Hooked {
    /// The job that has ended.
    pub job: Key,
    /// Its generation when this was asked for; an answer for another one is ignored.
    pub generation: u32,
    /// What to submit, in the bucket and for the tenant of the job. Ids, keys and buckets in it are overwritten.
    pub jobs: Vec<SubmitJob>,
}

/// A job of a definition that has completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedJob {
    /// Its number among those that its shard announces: ascending, and never used again.
    pub number: u64,
    /// Whose.
    pub tenant: Name,
    /// Of which definition.
    pub definition: Name,
    /// When it ended, in the time of its shard.
    pub at: Timestamp,
}

/// The verdict on a task whose values were computed.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The task.
    pub task: Key,
    /// The generation that was asked about.
    pub generation: u32,
    /// What came out.
    pub verdict: Verdict,
}

/// What a task does now that its values are known.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It goes on: to its delay and its attempts, or to its approval.
    Run {
        /// Replaces the task's body for this generation; `None`: the body stays as it is, also as an earlier generation
        /// left it. So a task whose body has expressions needs one in every generation.
        body: Option<Body>,
    },
    /// Its `if` was false: it is skipped, reason `condition`.
    Skip,
    /// It fails for good; never retried.
    Fail(Failure),
    /// It completes at once: a `forEach` over nothing.
    Complete {
        /// JSON text of its output.
        output: Option<Arc<str>>,
    },
    /// This job carries it out. For [`crate::job::Step::Group`] only, which in turn knows no [`Verdict::Run`].
    Child(Box<ChildJob>),
}

/// The job that carries out a group. It lives in the bucket of the job that it is inside of, belongs to the same tenant,
/// and is cancelled, paused, resumed and deleted with it.
#[derive(Clone, Debug)]
pub struct ChildJob {
    /// Its tasks; at most [`crate::limits::INSTANCES_MAX`] if they are instances.
    pub graph: Graph,
    /// The human name.
    pub title: Option<Name>,
    /// Everything else, as JSON text.
    pub body: Arc<str>,
    /// Tags.
    pub tags: Arc<[Name]>,
    /// What the failure of a task does to the others.
    pub failure_policy: FailurePolicy,
    /// Whether its tasks are the instances of a `forEach`: then it goes by the id of the job that it is inside of.
    pub instances: bool,
}

/// A batch of standalone tasks. Each is judged alone; one bad element spoils no other.
#[derive(Clone, Debug)]
pub struct SubmitTasks {
    /// Whom to answer.
    pub to: RequestId,
    /// The bucket in which the server names those tasks that have no id of their own.
    pub bucket: Bucket,
    /// The tasks.
    pub tasks: Vec<NewTask>,
}

/// A standalone task to be.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Whom it belongs to.
    pub tenant: Name,
    /// The id its client chose.
    pub given_id: Option<Name>,
    /// The idempotency key (of a batch: `key/index`).
    pub idempotency_key: Option<Name>,
    /// Hash of the submitted body; compared only where an id or a key was given.
    pub body_hash: u128,
    /// What to do.
    pub spec: Arc<TaskSpec>,
    /// When it may start.
    pub start: Start,
    /// What it must be the only one of. Not beside `given_id` and `idempotency_key`.
    pub unique: Option<Unique>,
}

/// A key that one task of a tenant holds at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// The key.
    pub key: Name,
    /// How long it is held, in milliseconds from the submission; `None`: while the task is live.
    pub window_ms: Option<u64>,
    /// What a second task does.
    pub policy: UniquePolicy,
}

/// What a task does whose key another one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniquePolicy {
    /// It is refused.
    Reject,
    /// It replaces a holder that has not started.
    Replace,
    /// It gives its body and its start to a holder that has not started.
    Debounce,
}

impl NewTask {
    /// The bucket that what its client chose leads to; `None`: the server may choose. An idempotency key stands with the
    /// task, wherever that is.
    pub fn home(&self) -> Option<Bucket> {
        let chosen = self.given_id.as_ref().or(self.unique.as_ref().map(|unique| &unique.key));
        let chosen = chosen.or_else(|| shared_key(&self.spec.limits)).or(self.idempotency_key.as_ref());
        chosen.map(|text| Bucket::of_text(text))
    }
}

/// When a task may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At once.
    Now,
    /// This many milliseconds after it was accepted.
    After(u64),
    /// At this instant; a past one means at once.
    At(Timestamp),
}

/// A job to be. Its graph was validated by [`Graph::build`].
#[derive(Clone, Debug)]
pub struct SubmitJob {
    /// Whom to answer.
    pub to: RequestId,
    /// The bucket in which the server names it if its client did not.
    pub bucket: Bucket,
    /// Whom it belongs to.
    pub tenant: Name,
    /// The id its client chose.
    pub given_id: Option<Name>,
    /// The idempotency key.
    pub idempotency_key: Option<Name>,
    /// Hash of the submitted body.
    pub body_hash: u128,
    /// The human name.
    pub title: Option<Name>,
    /// What the failure of a task does.
    pub failure_policy: FailurePolicy,
    /// Everything else, as JSON text.
    pub body: Arc<str>,
    /// Tags.
    pub tags: Arc<[Name]>,
    /// The tasks.
    pub graph: Arc<Graph>,
    /// See [`crate::job::JobRow::deadline_ms`].
    pub deadline_ms: Option<u64>,
    /// See [`crate::job::JobRow::active_key`].
    pub active_key: Option<(Name, u32)>,
    /// See [`crate::job::JobState::followed`].
    pub followed: Followed,
}

impl SubmitJob {
    /// A job of the tenant `default` that leaves everything else at its default: without a name, with the body `{}`, and
    /// its tasks go on when one fails.
    pub fn new(to: RequestId, bucket: Bucket, graph: Graph) -> Self {
        Self {
            to,
            bucket,
            tenant: "default".into(),
            given_id: None,
            idempotency_key: None,
            body_hash: 0,
            title: None,
            failure_policy: FailurePolicy::Continue,
            body: "{}".into(),
            tags: Arc::from([]),
            graph: Arc::new(graph),
            deadline_ms: None,
            active_key: None,
            followed: Followed::default(),
        }
    }

    /// What is to be claimed for it first, where its key leads to another shard than [`SubmitJob::home`].
    pub fn key_claim(&self) -> Option<KeyClaim> {
        let key = self.idempotency_key.clone()?;
        Some(KeyClaim { tenant: self.tenant.clone(), key, body_hash: self.body_hash, home: self.home()? })
    }

    /// The bucket that what its client chose leads to; `None`: the server may choose.
    pub fn home(&self) -> Option<Bucket> {
        let of_tasks = || self.graph.tasks().iter().find_map(|task| shared_key(&task.spec.limits));
        let chosen = self.given_id.as_ref().or_else(of_tasks).or(self.idempotency_key.as_ref());
        chosen.map(|text| Bucket::of_text(text))
    }
}

/// What a worker session says in one call, already freed of repeats by the gateway.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Whom to answer.
    pub to: RequestId,
    /// The session.
    pub session: SessionId,
    /// Its `workerId`.
    pub worker: Name,
    /// What it can run.
    pub offer: Arc<Offer>,
    /// How many more attempts it can take now, less those granted and not yet seen by it.
    pub credits: u32,
    /// How long its leases last, in milliseconds.
    pub lease_ms: u64,
    /// Attempts that ended.
    pub outcomes: Vec<AttemptEnded>,
    /// Attempts that still run: renews their leases.
    pub running: Vec<Token>,
    /// Output of running attempts.
    pub logs: Vec<LogLine>,
    /// Progress of running attempts.
    pub progress: Vec<Progress>,
    /// Set in the first call that this node sees of the session: leases of it that appear neither in `running`
    /// nor in `outcomes` are granted again with the same token.
    pub resume: bool,
}

/// What a worker can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Queues it serves, in no order; empty means every queue.
    pub queues: Vec<Name>,
    /// Executors: task types, and `shell` if it runs commands; `*` means any type but `shell`.
    pub executors: Vec<Name>,
    /// Its labels as `name=value`, sorted.
    pub labels: Vec<Name>,
}

/// The end of an attempt, as its worker reports it.
#[derive(Clone, Debug)]
pub struct AttemptEnded {
    /// Under which token it ran.
    pub token: Token,
    /// How it ended.
    pub outcome: Outcome,
    /// JSON text of its output, for a success.
    pub output: Option<Arc<str>>,
    /// What went wrong.
    pub error: Option<Failure>,
    /// The worker's own word on whether a retry makes sense; `None`: the policy decides.
    pub retryable: Option<bool>,
    /// When to try again, in milliseconds from now; required for a snooze, overrides the backoff otherwise.
    pub retry_after_ms: Option<u64>,
}

/// A piece of what a running attempt printed.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// Under which token it runs.
    pub token: Token,
    /// The worker's own number of the chunk, from 0 per attempt.
    pub number: u64,
    /// Where it came from.
    pub stream: LogStream,
    /// The text.
    pub data: Arc<str>,
}

/// How far a running attempt got.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Under which token it runs.
    pub token: Token,
    /// 0 to 100.
    pub percent: Option<u8>,
    /// What it does now.
    pub message: Option<Name>,
    /// What the next attempt shall go on from: JSON text, at most [`crate::limits::CHECKPOINT_BYTES_MAX`] bytes. Stored
    /// at most once a second; the last one counts.
    pub checkpoint: Option<Arc<str>>,
}

/// A worker session that ended.
#[derive(Clone, Debug)]
pub struct EndSession {
    /// The session.
    pub session: SessionId,
    /// Why.
    pub reason: SessionEnd,
}

/// Why a worker session ended. Leases it still holds are resolved at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// It said good-bye; its leases count as interrupted.
    Left,
    /// It fell silent, or a new session of the same worker replaced it; its leases are lost.
    Lost,
}

/// The settings of the control shard that decide what is granted: all of them, each time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Queues that are paused.
    pub paused_queues: BTreeSet<Name>,
    /// Workers that are paused.
    pub paused_workers: BTreeSet<Name>,
    /// Limits that are set.
    pub limits: Vec<LimitRow>,
}

/// An operator's order.
#[derive(Clone, Debug)]
pub struct Command {
    /// Whom to answer.
    pub to: RequestId,
    /// Who orders it, for the audit.
    pub actor: Name,
    /// What.
    pub order: Order,
}

/// A definition to apply, or to delete.
#[derive(Clone, Debug)]
pub struct Define {
    /// What it is a template of.
    pub kind: DefinitionKind,
    /// Whose.
    pub tenant: Name,
    /// Its name.
    pub name: Name,
    /// JSON text; `None` deletes it.
    pub body: Option<Arc<str>>,
    /// The version that must be the newest one, 0 where there must be none yet; `None`: whatever it is.
    pub after: Option<u32>,
    /// Job definitions of the same tenant that it was checked against, and their newest versions, 0 where there was none:
    /// those must still be the newest when it is applied. So no two changes make together what each alone may not.
    pub seen: Vec<(Name, u32)>,
}

/// What an operator can order.
#[derive(Clone, Debug)]
pub enum Order {
    /// Calls a task off: standalone or of a job.
    CancelTask(Key),
    /// Calls a job off.
    CancelJob(Key),
    /// No task of the job is granted until it is resumed.
    PauseJob(Key),
    /// Ends a pause.
    ResumeJob(Key),
    /// Makes a scheduled, held or failed task ready now. A failed or cancelled one opens its next generation; in a job
    /// that is a rerun from it.
    RetryTask(Key),
    /// Answers an approval.
    Signal {
        /// The task that waits for it.
        task: Key,
        /// Completes it if true, else fails it (`approval_refused`).
        approved: bool,
        /// JSON text of its output, if approved; recorded in the audit either way.
        output: Option<Arc<str>>,
    },
    /// Opens the next generation of an ended job.
    RerunJob(Key, RerunFrom),
    /// Takes dead letters off the list and runs them again, in their next generation. A task of a job is a rerun from it.
    Redrive {
        /// The dead letters, at most 10,000.
        tasks: Vec<Key>,
        /// Milliseconds between the starts of two of them; 0 starts all at once.
        spacing_ms: u64,
    },
    /// Takes dead letters off the list for good.
    Discard(Vec<Key>),
    /// Replaces the body of a dead letter. The old one goes into the audit.
    EditBody {
        /// The dead letter.
        task: Key,
        /// Its new body.
        body: Body,
        /// Its old body, as whoever orders it read it: memory may not have it if it is larger than
        /// [`crate::limits::RESIDENT_BODY_BYTES_MAX`].
        before: Option<Body>,
    },
    /// Deletes the rows of ended standalone tasks and ended jobs; live ones are left alone. `forget` names the claims
    /// that lead to them; only those that lead to something deleted are forgotten.
    Delete {
        /// Ended standalone tasks.
        tasks: Vec<Key>,
        /// Ended jobs.
        jobs: Vec<Key>,
        /// Claims to delete with them.
        forget: Vec<ClaimName>,
    },
    /// The same for what is older than is kept. Nobody ordered it, so it is not audited.
    DeleteOld {
        /// Ended standalone tasks.
        tasks: Vec<Key>,
        /// Ended jobs.
        jobs: Vec<Key>,
        /// Claims to delete with them.
        forget: Vec<ClaimName>,
    },
    /// Pauses or resumes a queue.
    PauseQueue {
        /// The queue.
        queue: Name,
        /// Whether nothing is granted from it.
        paused: bool,
    },
    /// Changes the limits of a queue, a type or a tenant.
    SetLimits {
        /// What kind of thing.
        scope: LimitScope,
        /// Which.
        name: Name,
        /// What changes.
        patch: LimitsPatch,
    },
    /// Tells a worker what to do. A pause is kept by `workerId` over its restarts; a drain is for its present session.
    DirectWorker {
        /// The `workerId`.
        worker: Name,
        /// What.
        directive: Directive,
    },
    /// Applies definitions, all of them or, if one is refused, none; answered by [`crate::effect::Answer::Versions`]. At
    /// most [`crate::limits::DEFINITIONS_MAX`].
    Define(Vec<Define>),
    /// Leaves a record in the audit log, of what was done beside the core.
    Record {
        /// What.
        action: Name,
        /// On what.
        target: Name,
        /// JSON text.
        detail: Arc<str>,
    },
    /// Claims idempotency keys of what stands in other shards; answered by [`crate::effect::Answer::Claimed`]. At most
    /// [`crate::limits::KEY_CLAIMS_MAX`].
    ClaimKeys(Vec<KeyClaim>),
    /// An order about a schedule.
    Schedule(ScheduleName, ScheduleOrder),
    /// Jobs of definitions have completed: schedules that follow them hear of it. A shard announces in the order of its numbers, so
    /// what a schedule has heard before is known by the last number alone. At most [`crate::limits::ANNOUNCED_AT_ONCE`].
    JobsEnded {
        /// The shard that they lived in.
        source: u16,
        /// The jobs, by number.
        jobs: Vec<EndedJob>,
    },
    /// Asks what keeps a task from running; answered by [`crate::effect::Answer::Gates`]. Changes nothing.
    Why(Key),
    /// Asks for the figures of the shard; answered by [`crate::effect::Answer::Figures`]. Changes nothing.
    Figures,
    /// Asks for the connected worker sessions; answered by [`crate::effect::Answer::Sessions`]. Changes nothing.
    Sessions,
}
