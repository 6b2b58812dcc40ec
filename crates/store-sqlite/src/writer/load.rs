//! What the writer gives back to the core: the snapshot of a load and the rows of a read set.

use std::collections::{BTreeSet, HashSet};

use mainspring_core::id::Key;
use mainspring_core::row::{HighWater, LanePage, QueueRow, ReadSet, Rows, Snapshot, TaskRow, TimerPage, WorkerRow};
use mainspring_core::task::LaneId;
use mainspring_core::time::Timestamp;
use mainspring_store::record::{SweepRecord, decode_graph};
use rusqlite::{Connection, OptionalExtension, Params, Row, TransactionBehavior};

use super::count::Counts;
use super::jobs::{self, chunk_key};
use super::tasks;
use crate::failure::Failure;
use crate::rows::{
    Bodies, CLAIM_COLUMNS, Cells, JOB_COLUMNS, SCHEDULE_COLUMNS, TaskDecoder, claim, definition_kind, directive, job,
    lane, limits, loan, schedule,
};

/// Deletes jobs that were never published, with their tasks, graphs and claims.
pub(super) fn remove_staged(db: &Connection, counts: &mut Counts) -> Result<(), Failure> {
    let staged: Vec<Key> = list(db, &staged_jobs("key"), |row| Cells::of(row).key())?;
    for job in staged {
        let of_job = format!("SELECT key FROM tasks WHERE job = {}", job.raw());
        let mut keys: Vec<Key> = list(db, &of_job, |row| Cells::of(row).key())?;
        for key in &keys {
            tasks::delete(db, *key, counts)?;
        }
        keys.push(job);
        for key in keys {
            db.prepare_cached("DELETE FROM claims WHERE target = ?1")?.execute([key.raw() as i64])?;
        }
        jobs::delete(db, job, counts)?;
    }
    Ok(())
}

/// The query for a column of the jobs that are not published yet.
pub(crate) fn staged_jobs(column: &str) -> String {
    // A range instead of LIKE, so that the index of sweeps serves it.
    let from = SweepRecord::STAGING;
    format!("SELECT {column} FROM jobs WHERE sweep IS NOT NULL AND sweep >= '{from}' AND sweep < '{from}~'")
}

/// Reads everything that must be in memory.
pub(super) fn snapshot(db: &Connection) -> Result<Snapshot, Failure> {
    let (incarnation, high_water) =
        db.query_row("SELECT incarnation, time, sequence, lease, commits FROM shard WHERE id = 0", [], |row| {
            let high_water = HighWater {
                time: Timestamp::from_millis(row.get(1)?),
                sequence: row.get::<_, i64>(2)? as u64,
                lease: row.get::<_, i64>(3)? as u64,
                commit: row.get::<_, i64>(4)? as u64,
            };
            Ok((row.get(0)?, high_water))
        })?;
    let mut decoder = TaskDecoder::new(Bodies::Resident);
    let hot = format!("{} WHERE place = 0 ORDER BY key", decoder.select());
    let tasks = list(db, &hot, |row| Ok(decoder.decode(row)?.0))?;
    let swept_or_watched = "SELECT key FROM jobs WHERE sweep IS NOT NULL UNION ALL
        SELECT key FROM jobs WHERE status < 3 AND rare IS NOT NULL AND parent IS NULL";
    let swept: Vec<Key> = list(db, swept_or_watched, |row| Cells::of(row).key())?;
    let wanted: BTreeSet<Key> = tasks.iter().filter_map(|row| row.job).chain(swept).collect();
    let mut jobs = Vec::with_capacity(wanted.len());
    for key in wanted {
        jobs.extend(one(db, &format!("{JOB_COLUMNS} WHERE key = ?1"), key.raw() as i64, job)?);
    }
    Ok(Snapshot {
        incarnation,
        high_water,
        lanes: list(db, "SELECT lane, queue, tenant, executor, labels, type, limits FROM lanes ORDER BY lane", lane)?,
        cold_ready: list(db, "SELECT lane, count(*) FROM tasks WHERE place = 1 GROUP BY lane ORDER BY lane", |row| {
            let mut cells = Cells::of(row);
            Ok((LaneId(cells.next()?), cells.next::<i64>()? as u64))
        })?,
        cold_timers: db.query_row("SELECT count(*) FROM tasks WHERE place = 2", [], |row| row.get::<_, i64>(0))? as u64,
        next_timer: earliest_timer(db, 0)?,
        queues: list(db, "SELECT name, paused FROM queues ORDER BY name", |row| {
            let mut cells = Cells::of(row);
            Ok(QueueRow { name: cells.next()?, paused: cells.next()? })
        })?,
        limits: list(db, "SELECT scope, name, data FROM limits ORDER BY scope, name", limits)?,
        loans: list(
            db,
            "SELECT scope, name, kind, peer, given, returned FROM loans ORDER BY scope, name, kind, peer",
            loan,
        )?,
        backlog: list(
            db,
            "SELECT tenant, sum(number) FROM task_counts WHERE status < 5 GROUP BY 1 HAVING sum(number) > 0 ORDER BY 1",
            |row| {
                let mut cells = Cells::of(row);
                Ok((cells.next()?, cells.next::<i64>()? as u64))
            },
        )?,
        workers: list(db, "SELECT worker, directive FROM workers ORDER BY worker", |row| {
            let mut cells = Cells::of(row);
            Ok(WorkerRow { worker: cells.next()?, directive: directive(&mut cells)? })
        })?,
        schedules: list(db, &format!("{SCHEDULE_COLUMNS} ORDER BY tenant, name"), schedule)?,
        definitions: list(
            db,
            "SELECT kind, tenant, name, max(version) FROM definitions GROUP BY kind, tenant, name ORDER BY 1, 2, 3",
            |row| {
                let mut cells = Cells::of(row);
                Ok((definition_kind(&mut cells)?, cells.next()?, cells.next()?, cells.next()?))
            },
        )?,
        tasks,
        jobs,
    })
}

/// Reads the rows of a read set, all of them as of one moment.
pub(super) fn rows(db: &mut Connection, set: &ReadSet, counts: &mut Counts) -> Result<Rows, Failure> {
    // One transaction: without it every statement would take and drop the file's lock.
    let reading = db.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let mut tasks = TaskReader::new(&reading, set.tasks.len());
    tasks.by_key(&set.tasks)?;
    let asked = tasks.found.len();
    for page in &set.lanes {
        lane_page(&reading, page, &mut tasks)?;
    }
    let next_timer = match &set.timers {
        Some(page) => timer_page(&reading, page, &mut tasks)?,
        None => None,
    };
    tasks.found[asked..].iter().for_each(|row| counts.paged(row));
    let mut out = Rows { next_timer, tasks: tasks.found, ..Rows::default() };
    for key in &set.jobs {
        out.jobs.extend(one(&reading, &format!("{JOB_COLUMNS} WHERE key = ?1"), key.raw() as i64, job)?);
    }
    for (job, number) in &set.chunks {
        let sql = "SELECT data FROM chunks WHERE key = ?1";
        let read = |row: &Row<'_>| Ok(decode_graph(*job, *number, row.get_ref(0)?.as_blob().unwrap_or_default())?);
        out.chunks.extend(one(&reading, sql, chunk_key(*job, *number), read)?);
    }
    if !set.claims.is_empty() {
        let mut ask =
            reading.prepare_cached(&format!("{CLAIM_COLUMNS} WHERE kind = ?1 AND text = ?2 AND tenant = ?3"))?;
        for name in &set.claims {
            let mut found = ask.query((name.kind as u8, &*name.text, &*name.tenant))?;
            if let Some(row) = found.next()? {
                out.claims.push(claim(row)?);
            }
        }
    }
    Ok(out)
}

/// Reads whole tasks in one order of queries, each task once.
struct TaskReader<'a> {
    db: &'a Connection,
    decoder: TaskDecoder,
    seen: HashSet<Key>,
    found: Vec<TaskRow>,
}

impl<'a> TaskReader<'a> {
    fn new(db: &'a Connection, count: usize) -> Self {
        let decoder = TaskDecoder::new(Bodies::Resident);
        Self { db, decoder, seen: HashSet::with_capacity(count), found: Vec::with_capacity(count) }
    }

    /// Reads the tasks that fit a condition; says how many there are, known ones included.
    fn page(&mut self, condition: &str, parameters: impl Params) -> Result<u32, Failure> {
        let mut ask = self.db.prepare_cached(&format!("{} {condition}", self.decoder.select()))?;
        let mut rows = ask.query(parameters)?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            let (task, _) = self.decoder.decode(row)?;
            if self.seen.insert(task.key) {
                self.found.push(task);
            }
        }
        Ok(count)
    }

    fn by_key(&mut self, keys: &[Key]) -> Result<(), Failure> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut ask = self.db.prepare_cached(&format!("{} WHERE key = ?1", self.decoder.select()))?;
        for key in keys.iter().filter(|key| self.seen.insert(**key)) {
            let mut rows = ask.query([key.raw() as i64])?;
            if let Some(row) = rows.next()? {
                self.found.push(self.decoder.decode(row)?.0);
            }
        }
        Ok(())
    }
}

fn lane_page(db: &Connection, page: &LanePage, tasks: &mut TaskReader<'_>) -> Result<(), Failure> {
    tasks.page("WHERE place = 1 AND lane = ?1 ORDER BY rank, key LIMIT ?2", (page.lane.0, page.limit))?;
    if page.oldest == 0 {
        return Ok(());
    }
    let mut next_rank =
        db.prepare_cached("SELECT min(rank) FROM tasks WHERE place = 1 AND lane = ?1 AND rank >= ?2")?;
    let mut rank = 0_i64;
    while let Some(found) = next_rank.query_row((page.lane.0, rank), |row| row.get::<_, Option<i64>>(0))? {
        let oldest = "WHERE place = 1 AND lane = ?1 AND rank = ?2 ORDER BY key LIMIT ?3";
        tasks.page(oldest, (page.lane.0, found, page.oldest))?;
        rank = found + 1;
    }
    Ok(())
}

fn timer_page(db: &Connection, page: &TimerPage, tasks: &mut TaskReader<'_>) -> Result<Option<Timestamp>, Failure> {
    let due = "WHERE place = 2 AND lane = 0 AND rank <= ?1 ORDER BY rank, key LIMIT ?2";
    let read = tasks.page(due, (page.until.as_millis(), page.limit))?;
    earliest_timer(db, read)
}

/// The due instant of the earliest cold timer after the first `skip` ones.
fn earliest_timer(db: &Connection, skip: u32) -> Result<Option<Timestamp>, Failure> {
    let mut ask =
        db.prepare_cached("SELECT rank FROM tasks WHERE place = 2 AND lane = 0 ORDER BY rank, key LIMIT 1 OFFSET ?1")?;
    Ok(ask.query_row([skip], |row| row.get(0)).optional()?.map(Timestamp::from_millis))
}

/// All rows of a query without parameters.
pub(crate) fn list<T>(
    db: &Connection,
    sql: &str,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut ask = db.prepare_cached(sql)?;
    let mut rows = ask.query([])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(read(row)?);
    }
    Ok(out)
}

/// The row of a query by key, if it exists.
pub(crate) fn one<T>(
    db: &Connection,
    sql: &str,
    key: i64,
    read: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut ask = db.prepare_cached(sql)?;
    let mut rows = ask.query([key])?;
    rows.next()?.map(read).transpose()
}
