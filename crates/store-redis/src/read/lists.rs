//! Lists with filters, and counts.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{JobRow, JobStatus};
use mainspring_core::row::{AuditRow, DefinitionRow, TaskRow};
use mainspring_core::task::TaskStatus;
use mainspring_core::time::Timestamp;
use mainspring_store::record::Unreadable;
use mainspring_store::{DefinitionFilter, JobFilter, Page, TaskCount, TaskFilter, job_matches, task_matches};
use redis::Pipeline;

use super::Side;
use super::ids::Lookup;
use super::scan::{ROWS_AT_ONCE, Scan};
use crate::clock;
use crate::failure::Failure;
use crate::fetch;
use crate::record::{Names, StoredSpec, Take, decode_audit, decode_definition, decode_state};

impl Side {
    pub(super) async fn tasks(
        &self,
        filter: &TaskFilter,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Page<TaskRow>, Failure> {
        let (staged, now) = (self.staged().await?, clock::now());
        let job = match filter.job {
            Some(job) => Some((job, self.tasks_in(job).await?)),
            None => None,
        };
        let lookup = Lookup::of_tasks(self, filter).await?;
        let (indexes, mut names) = (task_indexes(filter), Names::default());
        let (mut scan, mut below) = (Scan::<TaskRow>::new(limit), after);
        loop {
            let step = scan.step();
            let Page { items: keys, next } = match (&lookup, job) {
                (Some(lookup), _) => lookup.below(self, below).await?,
                (None, Some((job, tasks))) => full(keys_of_job(job, tasks, below, step), step),
                (None, None) => full(self.keys_below(&indexes, below, step).await?, step),
            };
            for (at, (key, found)) in keys.iter().zip(fetch::tasks(&self.link, &keys).await?).enumerate() {
                scan.look(*key);
                if let Some(row) = found.map(|found| bodiless(*key, &found, &mut names)).transpose()?
                    && row.job.is_none_or(|job| !staged.contains(&job))
                    && task_matches(&row, filter, now)
                {
                    scan.items.push(row);
                }
                if at + 1 < keys.len() && scan.is_over() {
                    return Ok(scan.page(false, |row| row.key));
                }
            }
            let Some(next) = next else { return Ok(scan.page(true, |row| row.key)) };
            if lookup.is_some() {
                scan.pass(ROWS_AT_ONCE.saturating_sub(keys.len()), next);
            }
            if scan.is_over() {
                return Ok(scan.page(false, |row| row.key));
            }
            below = Some(next);
        }
    }

    pub(super) async fn jobs(
        &self,
        filter: &JobFilter,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Page<JobRow>, Failure> {
        let (staged, now) = (self.staged().await?, clock::now());
        let live = |status: &JobStatus| !status.is_terminal();
        let indexes: &[&str] = if !filter.statuses.is_empty() && filter.statuses.iter().all(live) {
            &["jobs:live"]
        } else if filter.statuses == [JobStatus::Failed] {
            &["jobs:failed"]
        } else {
            &["jobs:live", "jobs:ended"]
        };
        let lookup = Lookup::of_jobs(self, filter).await?;
        let (mut scan, mut below) = (Scan::<JobRow>::new(limit), after);
        loop {
            let step = scan.step();
            let Page { items: keys, next } = match &lookup {
                Some(lookup) => lookup.below(self, below).await?,
                None => full(self.keys_below(indexes, below, step).await?, step),
            };
            for row in fetch::jobs(&self.link, &keys).await? {
                if scan.is_over() {
                    return Ok(scan.page(false, |row| row.key));
                }
                scan.look(row.key);
                if !staged.contains(&row.key) && job_matches(&row, filter, now) {
                    scan.items.push(row);
                }
            }
            if next.is_none() || scan.is_over() {
                return Ok(scan.page(next.is_none(), |row| row.key));
            }
            below = next;
        }
    }

    pub(super) async fn definitions(&self, filter: &DefinitionFilter) -> Result<Vec<DefinitionRow>, Failure> {
        let mut found = Vec::new();
        for (name, record) in self.hash("definitions").await? {
            let row = decode_definition(&name, &record)?;
            let fits = row.kind == filter.kind
                && filter.tenant.as_ref().is_none_or(|tenant| *tenant == row.tenant)
                && filter.name.as_ref().is_none_or(|name| *name == row.name);
            if fits {
                found.push(row);
            }
        }
        found.sort_by(|a, b| (&a.tenant, &a.name, b.version).cmp(&(&b.tenant, &b.name, a.version)));
        if filter.name.is_none() {
            found.dedup_by(|later, kept| (&later.tenant, &later.name) == (&kept.tenant, &kept.name));
            found.retain(|row| row.body.is_some());
        }
        Ok(found)
    }

    pub(super) async fn task_counts(&self, tenant: Option<&str>, bound: u64) -> Result<Vec<TaskCount>, Failure> {
        let mut counts = BTreeMap::<(Name, TaskStatus), i64>::new();
        for (field, number) in self.hash("counts:tasks").await? {
            let mut from = Take::new(&field);
            let read = (from.text(), from.text(), from.one_of(&TaskStatus::ALL), count(&number));
            let (Some(whose), Some(queue), Some(status), Some(number)) = read else {
                return Err(Unreadable("count of tasks").into());
            };
            if tenant.is_none_or(|tenant| tenant == whose) {
                *counts.entry((queue.into(), status)).or_default() += number;
            }
        }
        let counts = counts.into_iter().filter(|(_, number)| *number > 0);
        Ok(counts.map(|((queue, status), number)| (queue, status, (number as u64).min(bound))).collect())
    }

    pub(super) async fn job_counts(&self, tenant: Option<&str>, bound: u64) -> Result<Vec<(JobStatus, u64)>, Failure> {
        let mut counts = BTreeMap::<JobStatus, i64>::new();
        for (field, number) in self.hash("counts:jobs").await? {
            let mut from = Take::new(&field);
            let (Some(whose), Some(status), Some(number)) = (from.text(), from.one_of(&JobStatus::ALL), count(&number))
            else {
                return Err(Unreadable("count of jobs").into());
            };
            if tenant.is_none_or(|tenant| tenant == whose) {
                *counts.entry(status).or_default() += number;
            }
        }
        let counts = counts.into_iter().filter(|(_, number)| *number > 0);
        Ok(counts.map(|(status, number)| (status, (number as u64).min(bound))).collect())
    }

    pub(super) async fn audit(&self, until: Option<Timestamp>, limit: usize) -> Result<Vec<AuditRow>, Failure> {
        let (mut found, mut from) = (Vec::new(), 0);
        while found.len() < limit {
            // All that is asked for, where nothing is passed over.
            let step = if until.is_none() { limit } else { ROWS_AT_ONCE };
            let mut pipeline = Pipeline::new();
            pipeline.cmd("LRANGE").arg(self.link.keys().one("audit")).arg(from).arg(from + step - 1);
            let mut answers = self.link.read(&pipeline).await?.into_iter();
            let records: Vec<Vec<u8>> = fetch::next(&mut answers)?;
            let rows = records.iter().map(|record| decode_audit(record)).collect::<Result<Vec<_>, _>>()?;
            found.extend(rows.into_iter().filter(|row| until.is_none_or(|until| row.at <= until)));
            if records.len() < step {
                break;
            }
            from += step;
        }
        found.truncate(limit);
        Ok(found)
    }

    /// All fields of a hash.
    async fn hash(&self, name: &str) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Failure> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HGETALL").arg(self.link.keys().one(name));
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        fetch::next(&mut answers)
    }
}

fn count(number: &[u8]) -> Option<i64> {
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// A row as a list shows it.
pub(super) fn bodiless(key: Key, [spec, state]: &[Vec<u8>; 2], names: &mut Names) -> Result<TaskRow, Failure> {
    let mut stored = StoredSpec::decode(spec, names)?;
    stored.spec.body = names.get("");
    Ok(stored.row(key, decode_state(state, names)?))
}

/// Keys that an index gave, with more behind them if they are as many as were asked for.
fn full(keys: Vec<Key>, step: usize) -> Page<Key> {
    let next = keys.last().copied().filter(|_| keys.len() == step);
    Page { items: keys, next }
}

/// The keys that a job's tasks may have, newest first.
fn keys_of_job(job: Key, tasks: u32, below: Option<Key>, number: usize) -> Vec<Key> {
    // So many of its keys lie below the bound.
    let end = match below.map(|below| below.raw().saturating_sub(1).saturating_sub(job.raw()) >> 12) {
        Some(lower) => lower.min(u64::from(tasks)) as u32,
        None => tasks,
    };
    (0..end).rev().take(number).map(|index| job.task_of_job(index)).collect()
}

/// The indexes that have all tasks that a filter may find.
fn task_indexes(filter: &TaskFilter) -> Vec<&'static str> {
    if filter.dead {
        return vec!["dead"];
    }
    let of = |status: &TaskStatus| -> &'static [&'static str] {
        match status {
            TaskStatus::Running => &["hot"],
            TaskStatus::Failed => &["failed"],
            status if status.is_terminal() => &["ended"],
            _ => &["hot", "quiet"],
        }
    };
    let statuses: HashSet<TaskStatus> = filter.statuses.iter().copied().collect();
    if statuses.is_empty() {
        return vec!["hot", "quiet", "ended"];
    }
    let indexes: BTreeSet<&'static str> = statuses.iter().flat_map(of).copied().collect();
    indexes.into_iter().collect()
}
