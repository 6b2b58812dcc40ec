//! Keeps the counts of tasks and jobs by status, with every commit.
//!
//! An update must know what the row was before. For tasks that are in the core's memory this is remembered here, so that
//! the hot path reads nothing and rewrites no index that does not change; for others the row is asked.

use std::collections::{BTreeMap, HashMap};

use mainspring_core::id::{Key, Name};
use mainspring_core::row::TaskRow;
use mainspring_core::task::{Place, TaskState};
use rusqlite::{Connection, OptionalExtension, Result};

/// A tenant's queue, by number.
type Line = u32;

/// What a row is before an update.
#[derive(Clone, Copy, Debug)]
struct Before {
    line: Line,
    status: u8,
    place: Place,
}

/// Counts that the transaction at hand changes.
#[derive(Debug, Default)]
pub(super) struct Counts {
    lines: Vec<(Name, Name)>,
    numbers: HashMap<(Name, Name), Line>,
    /// The line that was asked for last.
    latest: Option<Line>,
    /// Tasks in the core's memory. Only a shortcut: a task may be missing.
    known: HashMap<Key, Before>,
    tasks: BTreeMap<(Line, u8), i64>,
    jobs: BTreeMap<(Name, u8), i64>,
}

impl Counts {
    /// Forgets everything, after a transaction that was not committed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
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

    fn add(&mut self, line: Line, status: u8, number: i64) {
        *self.tasks.entry((line, status)).or_default() += number;
    }

    /// A task was inserted.
    pub(super) fn insert_task(&mut self, row: &TaskRow, queue: &Name) {
        let line = self.line(&row.tenant, queue);
        self.enter(row.key, line, &row.state);
    }

    fn enter(&mut self, key: Key, line: Line, state: &TaskState) {
        let status = state.status as u8;
        self.add(line, status, 1);
        if state.place == Place::Hot {
            self.known.insert(key, Before { line, status, place: Place::Hot });
        }
    }

    /// A page took a task into the core's memory: it will be updated soon.
    pub(super) fn paged(&mut self, row: &TaskRow) {
        if let Some(spec) = &row.spec {
            let line = self.line(&row.tenant, &spec.queue);
            let before = Before { line, status: row.state.status as u8, place: row.state.place };
            self.known.insert(row.key, before);
        }
    }

    /// A task is about to be updated: whether its place stays as it is; `None` if it does not exist.
    pub(super) fn update_task(&mut self, db: &Connection, key: Key, state: &TaskState) -> Result<Option<bool>> {
        let (line, status, place) = match self.known.remove(&key) {
            Some(before) => (before.line, before.status, Some(before.place)),
            None => match self.ask(db, key)? {
                Some((line, status)) => (line, status, None),
                None => return Ok(None),
            },
        };
        self.add(line, status, -1);
        self.enter(key, line, state);
        Ok(Some(place == Some(Place::Hot) && state.place == Place::Hot))
    }

    /// A task is about to be deleted; false if it does not exist.
    pub(super) fn delete_task(&mut self, db: &Connection, key: Key) -> Result<bool> {
        let known = self.known.remove(&key).map(|before| (before.line, before.status));
        let found = match known {
            Some(known) => Some(known),
            None => self.ask(db, key)?,
        };
        if let Some((line, status)) = found {
            self.add(line, status, -1);
        }
        Ok(found.is_some())
    }

    fn ask(&mut self, db: &Connection, key: Key) -> Result<Option<(Line, u8)>> {
        let mut ask = db.prepare_cached("SELECT tenant, queue, status FROM tasks WHERE key = ?1")?;
        let found = ask.query_row([key.raw() as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let line = |(tenant, queue, status): (Name, Name, u8)| (self.line(&tenant, &queue), status);
        Ok(found.map(line))
    }

    /// A job changed from one status to another, came or went.
    pub(super) fn job(&mut self, tenant: &Name, before: Option<u8>, after: Option<u8>) {
        for (status, number) in [(before, -1), (after, 1)] {
            if let Some(status) = status {
                *self.jobs.entry((tenant.clone(), status)).or_default() += number;
            }
        }
    }

    /// Writes what changed.
    pub(super) fn flush(&mut self, db: &Connection) -> Result<()> {
        let mut put = db.prepare_cached(
            "INSERT INTO task_counts VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET number = number + excluded.number",
        )?;
        for ((line, status), number) in std::mem::take(&mut self.tasks) {
            if number != 0 {
                let (tenant, queue) = &self.lines[line as usize];
                put.execute((&**tenant, &**queue, status, number))?;
            }
        }
        let mut put = db.prepare_cached(
            "INSERT INTO job_counts VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET number = number + excluded.number",
        )?;
        for ((tenant, status), number) in std::mem::take(&mut self.jobs) {
            if number != 0 {
                put.execute((&*tenant, status, number))?;
            }
        }
        Ok(())
    }
}
