//! One shard: the state machine.
//!
//! [`Shard::step`] takes one event and changes rows in memory; [`Shard::seal`] turns everything that changed since the
//! last seal into one [`Changes`]. Each row is written once per seal, however often it moved. The file tree mirrors the
//! ideas: `moves` is the only place where a task changes its status, `residency` decides what stays in memory.

mod dispatch;
mod exchange;
mod figures;
mod flow;
mod followers;
mod groups;
mod lanes;
mod moves;
mod needs;
mod orders;
mod permits;
mod places;
mod residency;
mod schedules;
mod seal;
mod settle;
mod submit;
mod sweep;
mod timers;
mod why;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::effect::{Answer, Effect, Refusal};
use crate::event::{Event, Offer, RequestId};
use crate::graph::Graph;
use crate::id::{Key, Name, SessionId};
use crate::job::{GraphChunk, GraphTask, JobRow};
use crate::limits::GRAPH_CHUNK_TASKS;
use crate::row::{Changes, ClaimName, ClaimRow, DefinitionKind, HighWater, TaskRow, Transition, TransitionKind};
use crate::time::Timestamp;
use lanes::Lanes;

/// How a shard is run. The defaults suit one node with one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardConfig {
    /// Ready tasks of one lane that are always kept in memory. Default 4,096, at least 64.
    pub lane_window: usize,
    /// Ready tasks of all lanes that are kept in memory; beyond it, those outside the windows of their lanes go cold.
    /// Default 50,000.
    pub ready_max: usize,
    /// Timers further away than this many milliseconds are cold. Default 60,000.
    pub horizon_ms: u64,
    /// Timers in memory at most; further ones are cold. Default 50,000.
    pub timers_max: usize,
    /// Rows that rest (pending tasks, quiet jobs) kept in memory as a cache. Default 20,000.
    pub resting_max: usize,
    /// Graph chunks (of 256 tasks) kept in memory as a cache. Default 1,024.
    pub chunks_max: usize,
    /// Rows that one step, and about one batch, may change. Default [`crate::limits::STEP_ROWS_MAX`].
    pub step_rows_max: usize,
    /// How long a worker session may be silent before it ends, in milliseconds, beyond its lease. Default 45,000:
    /// an idle worker is silent as long as its call waits.
    pub session_grace_ms: u64,
    /// A seed for jitter: drawn once per load.
    pub seed: u64,
    /// Whether this is the control shard: it stores the settings and tells of workers that come and go. Others learn the
    /// settings by [`Event::Settings`] and keep them in memory only. Default true.
    pub control: bool,
    /// Which shard of how many this is: limits that hold for all are shared out among them. Default 0 of 1.
    pub shard: u16,
    /// See `shard`.
    pub shards: u16,
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self {
            lane_window: 4_096,
            ready_max: 50_000,
            horizon_ms: 60_000,
            timers_max: 50_000,
            resting_max: 20_000,
            chunks_max: 1_024,
            step_rows_max: crate::limits::STEP_ROWS_MAX,
            session_grace_ms: 45_000,
            seed: 0,
            control: true,
            shard: 0,
            shards: 1,
        }
    }
}

/// A fast fixed hasher for keys: iteration order never decides anything.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = crate::retry::mix(self.0 ^ number);
    }
}

pub(crate) type KeyMap<V> = HashMap<Key, V, BuildHasherDefault<KeyHasher>>;

/// Whether and how a row in memory differs from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dirt {
    Clean,
    Inserted,
    Updated,
}

/// A task in memory.
#[derive(Clone, Debug)]
struct Task {
    row: TaskRow,
    dirt: Dirt,
    /// The commit that holds its last change; 0 if it was only read.
    commit: u64,
    /// Whether it stands in its lane, its timer is armed, or it runs: a task whose row is in memory but is not active
    /// is only cached.
    active: bool,
    /// The lane it stands in, while it is ready and active.
    lane: Option<lanes::Slot>,
    /// The entry in `Shard::timers`, if armed.
    timer: Option<Timestamp>,
    /// Until when the lease is good without renewal. Volatile.
    lease_until: Timestamp,
    /// From when the run time of the attempt counts: its start, or when its grant was sent again. Volatile.
    run_from: Timestamp,
    /// When the task's own code was last heard of. Volatile.
    beat_at: Timestamp,
    /// When its progress went to the feed last; `None`: not in this attempt. Volatile.
    told_at: Option<Timestamp>,
    /// The checkpoint that was noted since the last one was stored. Volatile.
    noted: Option<Arc<str>>,
    /// The job that shall carry it out, while that is being staged. Volatile.
    coming: Option<Key>,
    /// The outcome of the running attempt waits to be stepped: no deadline ends it any more. Volatile.
    reported: bool,
}

/// A job in memory.
#[derive(Clone, Debug)]
struct Job {
    row: JobRow,
    dirt: Dirt,
    commit: u64,
    /// Active tasks in memory, its own and those of jobs inside of it; it stays as long as there is one.
    active: u32,
    /// Tasks of it that are settling.
    settling: u32,
    /// The submission that is being staged, and whom to answer once it is published.
    staging: Option<(Arc<Graph>, Option<RequestId>)>,
}

/// A connected worker session, or the memory of one that still holds leases after a load.
#[derive(Clone, Debug)]
struct Session {
    worker: Name,
    offer: Arc<Offer>,
    credits: u32,
    leases: BTreeSet<Key>,
    lease_ms: u64,
    since: Timestamp,
    heard_at: Timestamp,
    connected: bool,
    /// It was told to finish and leave. That is for this process of the worker, not for the next. Volatile.
    draining: bool,
    /// Groups that it can serve, as of `groups_known` groups.
    groups: Vec<usize>,
    groups_known: usize,
}

/// Work that the shard does by itself, each piece within the step budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// Make a row active that a page or a load brought. First, because everything else counts on it.
    Admit(Key),
    /// Judge a job whose deadline has come. There are few, and much other work must not make them late.
    Deadline(Key),
    /// Carry the end of a task to its neighbours.
    Settle(Key),
    /// Go on with the sweep of a job.
    Sweep(Key),
    /// Start a task whose time has come, or judge one whose time is up.
    Timer(Key),
}

/// The state machine of one shard.
#[derive(Clone, Debug)]
pub(crate) struct Shard {
    config: ShardConfig,
    incarnation: u32,
    now: Timestamp,
    high_water: HighWater,
    tasks: KeyMap<Task>,
    jobs: KeyMap<Job>,
    chunks: HashMap<(Key, u32), Arc<GraphChunk>>,
    chunk_order: VecDeque<(u64, (Key, u32))>,
    /// What a read said about claims (commit 0), and claims made since, with the commit that holds them.
    claims: HashMap<ClaimName, (Option<ClaimRow>, u64)>,
    /// Tasks that do not exist, or no longer after the commit with this number (0: says a read).
    absent_tasks: KeyMap<u64>,
    /// The same of jobs: a key that somebody made up may name something of the other kind.
    absent_jobs: KeyMap<u64>,
    lanes: Lanes,
    timers: BTreeSet<(Timestamp, Key)>,
    /// Deadlines of live jobs.
    deadlines: BTreeSet<(Timestamp, Key)>,
    /// By tenant and definition.
    lines: BTreeMap<(Name, Name), places::Line>,
    scheduled: usize,
    cold_timers: u64,
    cold_timers_active: u32,
    next_cold_timer: Option<Timestamp>,
    timers_paging: bool,
    /// The earliest cold timer made since the page that is being read was asked for.
    cold_timer_made: Option<Timestamp>,
    sessions: BTreeMap<SessionId, Session>,
    sessions_checked_at: Timestamp,
    rotation: u64,
    paused_queues: BTreeSet<Name>,
    paused_workers: BTreeSet<Name>,
    permits: permits::Permits,
    postponed: submit::Postponed,
    definitions: BTreeMap<(DefinitionKind, Name, Name), u32>,
    schedules: schedules::Schedules,
    followers: followers::Followers,
    work: BTreeSet<Work>,
    /// How much of `work` is [`Work::Admit`].
    admitting: usize,
    recovering: bool,
    /// No event was stepped since the load: nobody can be granted anything yet, and nothing is written but what is due.
    untouched: bool,
    // Since the last seal:
    dirty_tasks: Vec<Key>,
    dirty_jobs: Vec<Key>,
    changes: Changes,
    rows: usize,
    bytes: usize,
    effects: Vec<Effect>,
    /// Where in a split bulk order the present part starts.
    part_offset: u64,
    // Residency:
    retiring: VecDeque<(u64, Key)>,
    resting: VecDeque<Key>,
    retiring_jobs: VecDeque<(u64, Key)>,
    resting_jobs: VecDeque<Key>,
    figures: figures::Counters,
}

impl Shard {
    /// Carries out one event whose rows are all in memory (see `needs`).
    pub(crate) fn step(&mut self, event: Event) {
        self.untouched = false;
        match event {
            Event::SubmitTasks(submission) => self.submit_tasks(submission),
            Event::SubmitJob(submission) => self.submit_job(*submission),
            Event::Exchange(exchange) => self.exchange(exchange),
            Event::EndSession(end) => self.end_session(&end.session, end.reason),
            Event::EndNode(node) => self.end_node(&node),
            Event::Settings(settings) => self.follow(settings),
            Event::Evaluated(evaluated) => self.evaluated(evaluated),
            Event::Planned(planned) => self.planned(*planned),
            Event::Hooked(hooked) => self.hooked(*hooked),
            Event::Announced(through) => self.announced(through),
            Event::Loan(message) => self.hear_of_loan(*message),
            Event::Command(command) => self.command(command),
        }
    }

    /// The next piece of the shard's own work; while rows of a load are still to be admitted, only those.
    pub(crate) fn next_work(&mut self) -> Option<Work> {
        let first = self.work.first().copied()?;
        if self.is_recovering() && !matches!(first, Work::Admit(_)) {
            return None;
        }
        self.work.pop_first()
    }

    /// Puts work back that waited for rows.
    pub(crate) fn put_back(&mut self, work: Vec<Work>) {
        self.work.extend(work);
    }

    /// Carries out a piece of work whose rows are all in memory.
    pub(crate) fn carry_on(&mut self, work: Work) {
        match work {
            Work::Admit(key) => self.admit(key),
            Work::Settle(key) => self.settle(key),
            Work::Sweep(key) => self.sweep(key),
            Work::Timer(key) => self.fire(key),
            Work::Deadline(key) => self.exceed(key),
        }
    }

    /// Where the part of a split bulk order that is stepped next starts.
    pub(crate) fn set_part_offset(&mut self, offset: u64) {
        self.part_offset = offset;
    }

    /// Whether rows that a page or a load brought are still to be made active.
    pub(crate) fn is_admitting(&self) -> bool {
        self.admitting > 0
    }

    /// Whether rows of the load are still to be made active: until then nothing else is let in.
    pub(crate) fn is_recovering(&mut self) -> bool {
        self.recovering &= self.admitting > 0;
        self.recovering
    }

    /// Whom staged and postponed submissions are to be answered to.
    pub(crate) fn staged_requests(&self) -> Vec<RequestId> {
        let staged = self.jobs.values().filter_map(|job| job.staging.as_ref().and_then(|(_, to)| *to));
        let postponed = self.postponed_requests();
        staged.chain(self.schedules.staged_requests()).chain(postponed).collect()
    }

    /// Sets the time of the following steps; never goes back.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.high_water.time = self.now;
    }

    pub(crate) fn step_rows_max(&self) -> usize {
        self.config.step_rows_max
    }

    fn reply(&mut self, to: RequestId, answer: Result<Answer, Refusal>) {
        self.effects.push(Effect::Reply { to, answer });
    }

    fn mint(&mut self, bucket: crate::id::Bucket, count: u64) -> Key {
        let first = Key::first_sequence_at(self.now).max(self.high_water.sequence + 1);
        self.high_water.sequence = first + count - 1;
        Key::new(first, bucket)
    }

    fn tell(&mut self, kind: TransitionKind, task: Option<Key>, job: Option<Key>, attempt: u32, subject: Option<Name>) {
        self.changes.feed.push(Transition { kind, at: self.now, task, job, attempt, subject });
    }

    fn task(&self, key: Key) -> &Task {
        self.tasks.get(&key).expect("the task was in the read set")
    }

    fn task_mut(&mut self, key: Key) -> &mut Task {
        self.tasks.get_mut(&key).expect("the task was in the read set")
    }

    fn job(&self, key: Key) -> &Job {
        self.jobs.get(&key).expect("the job was in the read set")
    }

    fn job_mut(&mut self, key: Key) -> &mut Job {
        self.jobs.get_mut(&key).expect("the job was in the read set")
    }

    /// The part of a job's graph that describes this task.
    fn node(&self, job: Key, index: u32) -> &GraphTask {
        let chunk = self.chunks.get(&(job, index / GRAPH_CHUNK_TASKS)).expect("the chunk was in the read set");
        &chunk.tasks[(index % GRAPH_CHUNK_TASKS) as usize]
    }

    /// Marks a task as changed; its row is written once at the next seal.
    fn touch(&mut self, key: Key) {
        let task = self.tasks.get_mut(&key).expect("a touched task is in memory");
        if task.dirt == Dirt::Clean {
            task.dirt = Dirt::Updated;
            self.dirty_tasks.push(key);
            self.rows += 1;
        }
    }

    fn touch_job(&mut self, key: Key) {
        let job = self.jobs.get_mut(&key).expect("a touched job is in memory");
        if job.dirt == Dirt::Clean {
            job.dirt = Dirt::Updated;
            self.dirty_jobs.push(key);
            self.rows += 1;
        }
    }
}
