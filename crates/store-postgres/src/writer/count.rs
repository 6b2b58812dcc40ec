//! By how much a commit changes the counts of tasks and jobs: written into its feed row, folded into the table of counts
//! now and then.
//!
//! An update must know what the row was before. For rows that the core works on this is remembered here, so that the hot
//! path reads nothing; others are asked for.

use std::collections::{BTreeMap, HashMap};

use mainspring_core::id::{Key, Name};
use mainspring_core::job::JobRow;
use mainspring_core::row::Changes;
use mainspring_core::task::Place;
use serde_json::{Value, json};

use crate::text::stored;

/// Rows of all shards that may be remembered; beyond it all of a shard are forgotten and asked for again.
const KNOWN_MAX: usize = 500_000;
/// At least so many of each shard.
const KNOWN_MIN: usize = 8_000;

/// A tenant's queue, by number.
type Line = u32;

/// What is known of rows, and what the commit at hand changes.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Rows that may be remembered.
    known_max: usize,
    lines: Vec<(Name, Name)>,
    numbers: HashMap<(Name, Name), Line>,
    /// The line that was asked for last.
    latest: Option<Line>,
    /// Only a shortcut: a row may be missing.
    tasks: HashMap<Key, (Line, u8)>,
    /// Likewise.
    jobs: HashMap<Key, (Option<Name>, u8)>,
    task_changes: BTreeMap<(Line, u8), i64>,
    job_changes: BTreeMap<(Name, u8), i64>,
}

impl Counts {
    /// Those of one shard among so many.
    pub(super) fn new(shards: u16) -> Self {
        Self { known_max: (KNOWN_MAX / usize::from(shards)).max(KNOWN_MIN), ..Self::default() }
    }

    /// Forgets everything, after a transaction that was not committed.
    pub(super) fn clear(&mut self) {
        *self = Self { known_max: self.known_max, ..Self::default() };
    }

    fn line(&mut self, tenant: &Name, queue: &Name) -> Line {
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

    /// A task was read.
    pub(super) fn know_task(&mut self, key: Key, tenant: &Name, queue: &Name, status: u8) {
        if self.tasks.len() >= self.known_max {
            self.tasks.clear();
        }
        let line = self.line(tenant, queue);
        self.tasks.insert(key, (line, status));
    }

    /// A job was read. Without a tenant it is not counted.
    pub(super) fn know_job(&mut self, key: Key, tenant: Option<Name>, status: u8) {
        if self.jobs.len() >= self.known_max {
            self.jobs.clear();
        }
        self.jobs.insert(key, (tenant, status));
    }

    /// Takes the inserts of a commit in, and gives the tasks and jobs it changes whose rows must be asked for.
    pub(super) fn enter(&mut self, changes: &Changes) -> (Vec<i64>, Vec<i64>) {
        for row in &changes.insert_tasks {
            let Some(spec) = &row.spec else { continue };
            let status = row.state.status as u8;
            self.know_task(row.key, &row.tenant, &spec.queue, status);
            let line = self.line(&row.tenant, &spec.queue);
            *self.task_changes.entry((line, status)).or_default() += 1;
        }
        for row in &changes.insert_jobs {
            let status = row.state.status as u8;
            self.know_job(row.key, counted(row), status);
            self.count_job(counted(row), status, 1);
        }
        let tasks = changes.update_tasks.iter().map(|(key, _)| *key).chain(changes.delete_tasks.iter().copied());
        let jobs = changes.update_jobs.iter().map(|(key, _)| *key).chain(changes.delete_jobs.iter().copied());
        let tasks = tasks.filter(|key| !self.tasks.contains_key(key)).map(|key| key.raw() as i64).collect();
        let jobs = jobs.filter(|key| !self.jobs.contains_key(key)).map(|key| key.raw() as i64).collect();
        (tasks, jobs)
    }

    /// Takes the updates and deletes of a commit in. Rows that were asked for and are not known do not exist.
    pub(super) fn change(&mut self, changes: &Changes) {
        for (key, state) in &changes.update_tasks {
            let Some((line, before)) = self.tasks.remove(key) else { continue };
            let status = state.status as u8;
            *self.task_changes.entry((line, before)).or_default() -= 1;
            *self.task_changes.entry((line, status)).or_default() += 1;
            // What comes to rest is seldom changed again, unless this very commit deletes it.
            if state.place != Place::Rest || !changes.delete_tasks.is_empty() {
                self.tasks.insert(*key, (line, status));
            }
        }
        for key in &changes.delete_tasks {
            if let Some((line, before)) = self.tasks.remove(key) {
                *self.task_changes.entry((line, before)).or_default() -= 1;
            }
        }
        for (key, state) in &changes.update_jobs {
            let Some((tenant, before)) = self.jobs.remove(key) else { continue };
            let status = state.status as u8;
            self.count_job(tenant.clone(), before, -1);
            self.count_job(tenant.clone(), status, 1);
            self.jobs.insert(*key, (tenant, status));
        }
        for key in &changes.delete_jobs {
            if let Some((tenant, before)) = self.jobs.remove(key) {
                self.count_job(tenant, before, -1);
            }
        }
        self.forget_ended(changes);
    }

    fn count_job(&mut self, tenant: Option<Name>, status: u8, number: i64) {
        if let Some(tenant) = tenant {
            *self.job_changes.entry((tenant, status)).or_default() += number;
        }
    }

    /// Jobs that have ended are seldom changed again.
    fn forget_ended(&mut self, changes: &Changes) {
        for (key, _) in changes.update_jobs.iter().filter(|(_, state)| state.status.is_terminal()) {
            self.jobs.remove(key);
        }
    }

    /// What changed, as the feed row has it; `None` where nothing did.
    pub(super) fn take(&mut self) -> Option<String> {
        let mut entries: Vec<Value> = Vec::new();
        for ((line, status), number) in std::mem::take(&mut self.task_changes) {
            let (tenant, queue) = &self.lines[line as usize];
            if number != 0 {
                entries.push(json!([stored(tenant), stored(queue), status, number]));
            }
        }
        for ((tenant, status), number) in std::mem::take(&mut self.job_changes) {
            if number != 0 {
                entries.push(json!([stored(&tenant), Value::Null, status, number]));
            }
        }
        (!entries.is_empty()).then(|| Value::from(entries).to_string())
    }
}

/// Under whom a job is counted: one that carries out a group of another one is not.
pub(super) fn counted(row: &JobRow) -> Option<Name> {
    row.parent.is_none().then(|| row.tenant.clone())
}
