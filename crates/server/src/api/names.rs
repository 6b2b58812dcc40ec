//! From keys in rows back to the ids that people use.

use std::collections::HashMap;

use mainspring_core::id::{IdKind, Key, Name};
use mainspring_core::row::TaskRow;

use super::address::{job_id, task_id};
use super::call::Refused;
use super::reply::not_read;
use super::state::Api;

/// Entries kept by one holder of names; beyond that it starts anew.
const NAMES_MAX: usize = 20_000;

/// Ids of tasks and jobs by key, read once and kept.
#[derive(Debug, Default)]
pub(crate) struct Names {
    tasks: HashMap<Key, Named>,
    jobs: HashMap<Key, Named>,
}

#[derive(Debug)]
struct Named {
    id: String,
    /// `None` if it no longer exists.
    tenant: Option<Name>,
}

impl Names {
    /// The ids of the jobs that these tasks belong to.
    pub(crate) async fn of_jobs(api: &Api, rows: &[TaskRow]) -> Result<Self, Refused> {
        let mut names = Self::default();
        names.learn(api, std::iter::empty(), rows.iter().filter_map(|row| row.job)).await?;
        Ok(names)
    }

    /// Reads what is not known yet. What no longer exists gets the text of its key.
    pub(crate) async fn learn(
        &mut self,
        api: &Api,
        tasks: impl Iterator<Item = Key>,
        jobs: impl Iterator<Item = Key>,
    ) -> Result<(), Refused> {
        if self.tasks.len() + self.jobs.len() > NAMES_MAX {
            *self = Self::default();
        }
        let unknown = missing(&self.tasks, tasks);
        if !unknown.is_empty() {
            let rows = api.reader.tasks_by_key(unknown.clone()).await.map_err(not_read)?;
            self.tasks.extend(unknown.into_iter().map(|key| (key, gone(key, IdKind::Task))));
            let named = |row: &TaskRow| (row.key, Named { id: task_id(row), tenant: Some(row.tenant.clone()) });
            self.tasks.extend(rows.iter().map(named));
        }
        let unknown = missing(&self.jobs, jobs);
        if !unknown.is_empty() {
            let rows = api.reader.jobs_by_key(unknown.clone()).await.map_err(not_read)?;
            self.jobs.extend(unknown.into_iter().map(|key| (key, gone(key, IdKind::Job))));
            self.jobs
                .extend(rows.iter().map(|row| (row.key, Named { id: job_id(row), tenant: Some(row.tenant.clone()) })));
        }
        Ok(())
    }

    /// The id of a task that was learned.
    pub(crate) fn task(&self, key: Key) -> Option<&str> {
        self.tasks.get(&key).map(|named| named.id.as_str())
    }

    /// The id of a job that was learned.
    pub(crate) fn job(&self, key: Key) -> Option<&str> {
        self.jobs.get(&key).map(|named| named.id.as_str())
    }

    /// Whom a learned task or job belongs to.
    pub(crate) fn tenant(&self, task: Option<Key>, job: Option<Key>) -> Option<&Name> {
        let of_task = task.and_then(|key| self.tasks.get(&key)).and_then(|named| named.tenant.as_ref());
        of_task.or_else(|| self.jobs.get(&job?)?.tenant.as_ref())
    }

    /// The id of the job of a task, if it has one.
    pub(crate) fn job_of(&self, row: &TaskRow) -> Option<&str> {
        self.job(row.job?)
    }
}

fn gone(key: Key, kind: IdKind) -> Named {
    Named { id: key.id(kind), tenant: None }
}

fn missing(known: &HashMap<Key, Named>, wanted: impl Iterator<Item = Key>) -> Vec<Key> {
    let mut missing: Vec<Key> = wanted.filter(|key| !known.contains_key(key)).collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}
