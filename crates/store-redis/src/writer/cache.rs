//! What the writer remembers of rows, so that an update is a blind write: where the row stands in the indexes, and what it
//! counts as. Only a shortcut: what is missing is asked for.

use std::collections::{BTreeMap, HashMap};

use mainspring_core::id::{IdKind, Key, Name};
use mainspring_core::job::{JobRow, JobState, JobStatus, SweepKind};
use mainspring_core::task::{Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;

use crate::keys::Keys;
use crate::record::{JobSpec, StoredSpec};

/// Tasks, and jobs, of all shards that are remembered although the core does not hold them.
const RESTING_MAX: usize = 100_000;
/// Attempts of all shards whose log is remembered.
const LOGS_MAX: usize = 1_000;

/// A tenant's queue, by number.
pub(super) type Line = u32;

/// A task as it stands.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) line: Line,
    /// `9 − priority`.
    pub(super) rank: u8,
    pub(super) stands: Stands,
    pub(super) job: Option<(Key, Name)>,
    pub(super) status_key: Box<str>,
}

/// What decides where a task is indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stands {
    pub(super) status: TaskStatus,
    pub(super) place: Place,
    pub(super) due: Timestamp,
    pub(super) dead: bool,
}

impl Stands {
    pub(super) fn of(state: &TaskState) -> Self {
        Self { status: state.status, place: state.place, due: state.due.unwrap_or_default(), dead: state.dead }
    }
}

/// A job as it stands.
#[derive(Clone, Debug)]
pub(super) struct JobEntry {
    pub(super) spec: JobSpec,
    pub(super) stands: JobStands,
}

/// What decides where a job is indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JobStands {
    pub(super) status: JobStatus,
    pub(super) swept: bool,
    pub(super) staged: bool,
    pub(super) watched: bool,
}

impl JobStands {
    pub(super) fn of(spec: &JobSpec, state: &JobState) -> Self {
        let sweep = state.sweep.as_ref();
        let staged = sweep.is_some_and(|sweep| sweep.kind == SweepKind::Staging);
        let watched = spec.is_watched && !state.status.is_terminal();
        Self { status: state.status, swept: sweep.is_some(), staged, watched }
    }
}

/// The chunks of an attempt's log: bytes and running total by number.
pub(super) type LogIndex = BTreeMap<u64, (u64, u64)>;

/// See the module.
#[derive(Debug)]
pub(super) struct Cache {
    /// Shards that share what may be remembered.
    shards: u16,
    pub(super) tasks: HashMap<Key, Entry>,
    pub(super) jobs: HashMap<Key, JobEntry>,
    pub(super) logs: HashMap<(Key, u32), LogIndex>,
    lines: Vec<(Name, Name)>,
    numbers: HashMap<(Name, Name), Line>,
    /// The line that was asked for last.
    latest: Option<Line>,
    /// Tasks at which it is looked for what is remembered without need.
    full: usize,
}

impl Cache {
    /// For one of so many shards.
    pub(super) fn new(shards: u16) -> Self {
        Self {
            shards,
            tasks: HashMap::new(),
            jobs: HashMap::new(),
            logs: HashMap::new(),
            lines: Vec::new(),
            numbers: HashMap::new(),
            latest: None,
            full: 0,
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.shards);
    }

    /// Forgets what is remembered without need, if it is much.
    pub(super) fn trim(&mut self) {
        let shards = usize::from(self.shards);
        if self.tasks.len() > self.full.max(RESTING_MAX / shards) {
            self.tasks.retain(|_, entry| entry.stands.place == Place::Hot);
            // So that the look, which is long, is seldom.
            self.full = 2 * self.tasks.len();
        }
        if self.jobs.len() > RESTING_MAX / shards {
            self.jobs.clear();
        }
        if self.logs.len() > (LOGS_MAX / shards).max(50) {
            self.logs.clear();
        }
    }

    pub(super) fn line(&mut self, tenant: &Name, queue: &Name) -> Line {
        if let Some(line) = self.latest {
            let (known, name) = &self.lines[line as usize];
            if known == tenant && name == queue {
                return line;
            }
        }
        let pair = (tenant.clone(), queue.clone());
        let line = *self.numbers.entry(pair.clone()).or_insert_with(|| {
            self.lines.push(pair);
            (self.lines.len() - 1) as Line
        });
        self.latest = Some(line);
        line
    }

    /// Tenant and queue of a line.
    pub(super) fn names(&self, line: Line) -> (&Name, &Name) {
        let (tenant, queue) = &self.lines[line as usize];
        (tenant, queue)
    }

    /// An entry for a task. A job that is not known is named by its key.
    pub(super) fn entry(&mut self, keys: &Keys, key: Key, stored: &StoredSpec, state: &TaskState) -> Entry {
        let spec = &stored.spec;
        let made = || Name::from(key.id(IdKind::Task));
        let name = stored.given_id.clone().unwrap_or_else(made);
        let job = stored.job.map(|job| match self.jobs.get(&job) {
            Some(known) => (job, known.spec.id.clone()),
            None => (job, job.id(IdKind::Job).into()),
        });
        let status_key = keys.status(&stored.tenant, job.as_ref().map(|(_, id)| &**id), &name).into();
        let line = self.line(&stored.tenant, &spec.queue);
        let rank = 9_u8.saturating_sub(spec.priority);
        Entry { line, rank, stands: Stands::of(state), job: job.map(|(job, _)| (job, name)), status_key }
    }

    /// Remembers a job.
    pub(super) fn job(&mut self, row: &JobRow) {
        let spec = JobSpec::of(row);
        let stands = JobStands::of(&spec, &row.state);
        self.jobs.insert(row.key, JobEntry { spec, stands });
    }
}
