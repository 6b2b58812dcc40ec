//! Lists, newest first, within a scan budget. What has an index is read through it; the rest is filtered row by row.

use std::collections::HashSet;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{JobRow, JobStatus};
use mainspring_core::row::{AuditRow, DefinitionRow, TaskRow};
use mainspring_core::task::TaskStatus;
use mainspring_core::time::Timestamp;
use mainspring_store::{DefinitionFilter, JobFilter, Page, TaskFilter, job_matches, task_matches};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::details::{last_task, staged};
use super::ids::Lookup;
use super::scan::Scan;
use crate::failure::Failure;
use crate::rows::{Bodies, Cells, JOB_COLUMNS, TaskDecoder, definition_kind, job};
use crate::writer::one;

/// Cold rows up to which a list sorts them itself rather than scanning the table.
const COLD_SORTED_MAX: i64 = 20_000;
/// Keys that are taken from an index at a time.
pub(super) const KEYS_AT_ONCE: usize = 1_000;

pub(super) fn tasks(
    db: &Connection,
    filter: &TaskFilter,
    after: Option<Key>,
    limit: usize,
    now: Timestamp,
) -> Result<Page<TaskRow>, Failure> {
    let staged = staged(db)?;
    let mut decoder = TaskDecoder::new(Bodies::Left);
    let mut scan = Scan::new(limit);
    let mut below = after.map_or(i64::MAX, |key| key.raw() as i64);
    let mut look = |row: &Row<'_>, scan: &mut Scan<TaskRow>| -> Result<(), Failure> {
        scan.look(Key::from_raw(row.get::<_, i64>(0)? as u64));
        if filter.tenant.as_deref().is_some_and(|tenant| row.get_ref(1).is_ok_and(|t| t.as_str() != Ok(tenant))) {
            return Ok(());
        }
        let (row, _) = decoder.decode(row)?;
        if row.job.is_none_or(|job| !staged.contains(&job)) && task_matches(&row, filter, now) {
            scan.items.push(row);
        }
        Ok(())
    };
    let select = TaskDecoder::new(Bodies::Left).select();
    let source = match Lookup::of_tasks(db, filter)? {
        Some(lookup) => Some(Source::Ids(lookup)),
        None => task_sources(db, filter)?.map(Source::Indexes),
    };
    let Some(source) = source else {
        let (sql, bounds) = task_scan(db, &select, filter, below)?;
        let mut ask = db.prepare_cached(&sql)?;
        let mut rows = ask.query(params_from_iter(bounds))?;
        while !scan.is_over()
            && let Some(row) = rows.next()?
        {
            look(row, &mut scan)?;
        }
        return Ok(scan.page(|row| row.key));
    };
    let by_key = format!("{select} WHERE key = ?1");
    while !scan.is_over() {
        let found = source.below(db, below)?;
        let number = found.items.len();
        for key in found.items {
            if scan.is_over() {
                break;
            }
            let mut ask = db.prepare_cached(&by_key)?;
            let mut rows = ask.query([key.raw() as i64])?;
            if let Some(row) = rows.next()? {
                look(row, &mut scan)?;
            }
        }
        let Some(next) = found.next else { break };
        if !scan.is_over() {
            scan.pass(KEYS_AT_ONCE.saturating_sub(number), next);
            below = next.raw() as i64;
        }
    }
    Ok(scan.page(|row| row.key))
}

/// Where the keys of a filter's tasks come from.
enum Source {
    Ids(Lookup),
    Indexes(Vec<String>),
}

impl Source {
    fn below(&self, db: &Connection, below: i64) -> Result<Page<Key>, Failure> {
        match self {
            Self::Ids(lookup) => lookup.below(db, below),
            Self::Indexes(sources) => keys_below(db, sources, below),
        }
    }
}

/// The scan of the table, or of a job's part of it.
fn task_scan(db: &Connection, select: &str, filter: &TaskFilter, below: i64) -> Result<(String, Vec<Value>), Failure> {
    let Some(job) = filter.job else {
        return Ok((format!("{select} WHERE key < ?1 ORDER BY key DESC"), vec![below.into()]));
    };
    let last = last_task(db, job)?;
    let sql = format!("{select} WHERE key < ?1 AND key BETWEEN ?2 AND ?3 ORDER BY key DESC");
    Ok((sql, vec![below.into(), (job.raw() as i64).into(), (last.raw() as i64).into()]))
}

/// Queries for the keys of a filter's tasks, where indexes serve it: below `?1`, newest first, at most `?2`.
fn task_sources(db: &Connection, filter: &TaskFilter) -> Result<Option<Vec<String>>, Failure> {
    const END: &str = "AND key < ?1 ORDER BY key DESC LIMIT ?2";
    if filter.job.is_some() {
        return Ok(None);
    }
    if filter.dead {
        return Ok(Some(vec![format!("SELECT key FROM tasks INDEXED BY tasks_dead WHERE dead = 1 {END}")]));
    }
    if filter.statuses.is_empty() {
        return Ok(None);
    }
    let mut sources = Vec::new();
    for status in &filter.statuses {
        let number = *status as u8;
        let hot = format!(
            "SELECT key FROM tasks INDEXED BY tasks_place WHERE place = 0 AND lane = 0 AND rank = 0 AND status = {number} {END}"
        );
        match status {
            TaskStatus::Pending | TaskStatus::Waiting => sources.push(format!(
                "SELECT key FROM tasks INDEXED BY tasks_waiting WHERE status = {number} AND status IN (0, 2) {END}"
            )),
            TaskStatus::Failed => {
                sources.push(format!("SELECT key FROM tasks INDEXED BY tasks_failed WHERE status = 6 {END}"));
            }
            TaskStatus::Running => sources.push(hot),
            TaskStatus::Scheduled | TaskStatus::Ready => {
                let place = if *status == TaskStatus::Ready { 1 } else { 2 };
                if is_deep(db, place)? {
                    return Ok(None);
                }
                sources.push(hot);
                sources.push(format!(
                    "SELECT key FROM tasks INDEXED BY tasks_place WHERE place = {place} AND status = {number} {END}"
                ));
                // At rest while its job is paused, and after that until the sweep of the job has reached it.
                for job in ["jobs.status = 2 AND jobs.status < 3", "jobs.sweep IS NOT NULL"] {
                    sources.push(format!(
                        "SELECT t.key FROM jobs CROSS JOIN tasks t INDEXED BY tasks_of_job ON t.job = jobs.key
                        WHERE {job} AND t.place IS NULL AND t.status = {number}
                        AND t.key < ?1 ORDER BY t.key DESC LIMIT ?2"
                    ));
                }
            }
            TaskStatus::Completed | TaskStatus::Cancelled | TaskStatus::Skipped => return Ok(None),
        }
    }
    Ok(Some(sources))
}

/// Whether so many rows are cold that a scan finds them sooner than a sort.
fn is_deep(db: &Connection, place: i64) -> Result<bool, Failure> {
    let mut ask = db.prepare_cached("SELECT count(*) FROM (SELECT 1 FROM tasks WHERE place = ?1 LIMIT ?2)")?;
    Ok(ask.query_row((place, COLD_SORTED_MAX), |row| row.get::<_, i64>(0))? == COLD_SORTED_MAX)
}

/// The next keys of several sources together.
fn keys_below(db: &Connection, sources: &[String], below: i64) -> Result<Page<Key>, Failure> {
    let mut keys = Vec::new();
    for sql in sources {
        let mut ask = db.prepare_cached(sql)?;
        let found = ask.query_map((below, KEYS_AT_ONCE as i64), |row| row.get::<_, i64>(0))?;
        for key in found {
            keys.push(Key::from_raw(key? as u64));
        }
    }
    keys.sort_unstable_by(|a, b| b.cmp(a));
    keys.dedup();
    keys.truncate(KEYS_AT_ONCE);
    let next = keys.last().copied().filter(|_| keys.len() == KEYS_AT_ONCE);
    Ok(Page { items: keys, next })
}

pub(super) fn jobs(
    db: &Connection,
    filter: &JobFilter,
    after: Option<Key>,
    limit: usize,
    now: Timestamp,
) -> Result<Page<JobRow>, Failure> {
    let staged: HashSet<Key> = staged(db)?;
    let mut scan = Scan::new(limit);
    let mut below = after.map_or(i64::MAX, |key| key.raw() as i64);
    let look = |row: JobRow, scan: &mut Scan<JobRow>| {
        scan.look(row.key);
        if !staged.contains(&row.key) && job_matches(&row, filter, now) {
            scan.items.push(row);
        }
    };
    if let Some(lookup) = Lookup::of_jobs(db, filter)? {
        let by_key = format!("{JOB_COLUMNS} WHERE key = ?1");
        while !scan.is_over() {
            let found = lookup.below(db, below)?;
            for key in found.items {
                if scan.is_over() {
                    break;
                }
                if let Some(row) = one(db, &by_key, key.raw() as i64, job)? {
                    look(row, &mut scan);
                }
            }
            let Some(next) = found.next else { break };
            below = next.raw() as i64;
        }
        return Ok(scan.page(|row| row.key));
    }
    let live = |status: &JobStatus| !status.is_terminal();
    let index = if !filter.statuses.is_empty() && filter.statuses.iter().all(live) {
        "+status < 3 AND key IN (SELECT key FROM jobs INDEXED BY jobs_live WHERE status < 3) AND"
    } else if filter.statuses == [JobStatus::Failed] {
        "status = 4 AND"
    } else {
        ""
    };
    let mut ask = db.prepare_cached(&format!("{JOB_COLUMNS} WHERE {index} key < ?1 ORDER BY key DESC"))?;
    let mut rows = ask.query([below])?;
    while !scan.is_over()
        && let Some(row) = rows.next()?
    {
        look(job(row)?, &mut scan);
    }
    drop(rows);
    Ok(scan.page(|row| row.key))
}

pub(super) fn definitions(db: &Connection, filter: &DefinitionFilter) -> Result<Vec<DefinitionRow>, Failure> {
    let mut ask = db.prepare_cached(
        "SELECT kind, tenant, name, version, body, at, actor FROM definitions
        WHERE kind = ?1 AND (?2 IS NULL OR tenant = ?2) AND (?3 IS NULL OR name = ?3)
        ORDER BY tenant, name, version DESC",
    )?;
    let mut rows = ask.query((filter.kind as u8, filter.tenant.as_deref(), filter.name.as_deref()))?;
    let mut found: Vec<DefinitionRow> = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::of(row);
        let row = DefinitionRow {
            kind: definition_kind(&mut cells)?,
            tenant: cells.next()?,
            name: cells.next()?,
            version: cells.next()?,
            body: cells.next()?,
            at: cells.instant()?,
            actor: cells.next()?,
        };
        let older = found.last().is_some_and(|last| last.tenant == row.tenant && last.name == row.name);
        if filter.name.is_some() || !older {
            found.push(row);
        }
    }
    if filter.name.is_none() {
        found.retain(|row| row.body.is_some());
    }
    Ok(found)
}

pub(super) fn task_counts(
    db: &Connection,
    tenant: Option<&str>,
    bound: u64,
) -> Result<Vec<(Name, TaskStatus, u64)>, Failure> {
    let mut ask = db.prepare_cached(
        "SELECT queue, status, sum(number) FROM task_counts WHERE ?1 IS NULL OR tenant = ?1
        GROUP BY queue, status HAVING sum(number) > 0 ORDER BY queue, status",
    )?;
    let mut rows = ask.query([tenant])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::of(row);
        let (queue, status) = (cells.next()?, cells.one_of(&TaskStatus::ALL, "status of a task")?);
        found.push((queue, status, (cells.next::<i64>()? as u64).min(bound)));
    }
    Ok(found)
}

pub(super) fn job_counts(db: &Connection, tenant: Option<&str>, bound: u64) -> Result<Vec<(JobStatus, u64)>, Failure> {
    let mut ask = db.prepare_cached(
        "SELECT status, sum(number) FROM job_counts WHERE ?1 IS NULL OR tenant = ?1
        GROUP BY status HAVING sum(number) > 0 ORDER BY status",
    )?;
    let mut rows = ask.query([tenant])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::of(row);
        let status = cells.one_of(&JobStatus::ALL, "status of a job")?;
        found.push((status, (cells.next::<i64>()? as u64).min(bound)));
    }
    Ok(found)
}

pub(super) fn audit(db: &Connection, until: Option<Timestamp>, limit: usize) -> Result<Vec<AuditRow>, Failure> {
    let mut ask = db.prepare_cached(
        "SELECT at, actor, action, target, detail FROM audit WHERE at <= ?1 ORDER BY number DESC LIMIT ?2",
    )?;
    let mut rows = ask.query((until.map_or(i64::MAX, Timestamp::as_millis), limit as i64))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::of(row);
        found.push(AuditRow {
            at: cells.instant()?,
            actor: cells.next()?,
            action: cells.next()?,
            target: cells.next()?,
            detail: cells.next()?,
        });
    }
    Ok(found)
}
