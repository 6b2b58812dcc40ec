//! Lists, newest first, within a scan budget. What has an index is read through it; the rest is filtered row by row.

use std::sync::Arc;
use std::time::Duration;

use mainspring_core::id::Key;
use mainspring_core::job::{JobRow, JobStatus};
use mainspring_core::row::TaskRow;
use mainspring_core::task::TaskStatus;
use mainspring_core::time::Timestamp;
use mainspring_store::{JobFilter, Page, TaskFilter, job_matches, task_matches};
use tokio_postgres::Row;

use super::details::{published, raw};
use super::ids::Lookup;
use crate::clock::Deadline;
use crate::failure::Failure;
use crate::rows::{Bodies, Cells, JOB_COLUMNS, TaskDecoder, job, task_columns};
use crate::sql::{Session, Statement};
use crate::writer::staged_jobs;

/// Rows that one page may look at.
const SCAN_ROWS_MAX: usize = 50_000;
/// Longest time that one page may look.
const SCAN_TIME_MAX: Duration = Duration::from_millis(50);
/// Cold rows up to which a list sorts them itself rather than scanning the table.
const COLD_SORTED_MAX: i64 = 20_000;
/// Most rows that are taken at a time.
const ROWS_AT_ONCE: usize = 5_000;

/// A page in the making.
struct Scan<T> {
    items: Vec<T>,
    limit: usize,
    seen: usize,
    deadline: Deadline,
    /// How many rows to take next.
    step: usize,
    /// Only keys below this are still to be looked at.
    below: i64,
}

impl<T> Scan<T> {
    fn new(after: Option<Key>, limit: usize) -> Self {
        let below = after.map_or(i64::MAX, |key| key.raw() as i64);
        let (deadline, step) = (Deadline::after(SCAN_TIME_MAX), (limit + 1).clamp(16, ROWS_AT_ONCE));
        Self { items: Vec::new(), limit, seen: 0, deadline, step, below }
    }

    /// Looks at a row; `item` is there if it fits.
    fn look(&mut self, key: Key, item: Option<T>) {
        self.seen += 1;
        self.below = key.raw() as i64;
        self.items.extend(item);
    }

    /// The page, once there is one item more than it holds, nothing more to look at, or the budget is spent.
    fn is_over(&mut self, rows: usize) -> Option<bool> {
        if self.items.len() > self.limit || rows < self.step {
            return Some(false);
        }
        self.step = (self.step * 4).min(ROWS_AT_ONCE);
        self.is_spent().then_some(true)
    }

    fn is_spent(&self) -> bool {
        self.seen >= SCAN_ROWS_MAX || self.deadline.has_passed()
    }

    /// As [`Scan::is_over`] after a piece of a look-up, which says where it ends.
    fn is_over_at(&mut self, next: Option<Key>) -> Option<bool> {
        let Some(next) = next.filter(|_| self.items.len() <= self.limit) else { return Some(false) };
        self.below = next.raw() as i64;
        self.is_spent().then_some(true)
    }

    fn page(mut self, is_spent: bool, key: impl Fn(&T) -> Key) -> Page<T> {
        let next = if self.items.len() > self.limit {
            self.items.truncate(self.limit);
            self.items.last().map(key)
        } else {
            is_spent.then(|| Key::from_raw(self.below as u64))
        };
        Page { items: self.items, next }
    }
}

pub(super) async fn tasks(
    db: Arc<Session>,
    filter: TaskFilter,
    after: Option<Key>,
    limit: usize,
    now: Timestamp,
) -> Result<Page<TaskRow>, Failure> {
    let mut decoder = TaskDecoder::new(Bodies::Left);
    let mut scan = Scan::new(after, limit);
    let mut look = |row: &Row, scan: &mut Scan<TaskRow>| -> Result<(), Failure> {
        let is_published: Option<bool> = row.try_get(row.len() - 1)?;
        let task = decoder.decode(row)?.row;
        let fits = is_published == Some(true) && task_matches(&task, &filter, now);
        scan.look(task.key, fits.then_some(task));
        Ok(())
    };
    if let Some(lookup) = Lookup::of_tasks(&db, &filter).await? {
        let columns = task_columns(Bodies::Left);
        let sql =
            format!("SELECT {columns}, {} FROM @tasks AS t WHERE t.key = ANY($1) ORDER BY t.key DESC", published());
        loop {
            let found = lookup.below(&db, scan.below).await?;
            let rows = db.query(Statement::new(sql.as_str()).ints(raw(&found.items))).await?;
            rows.iter().try_for_each(|row| look(row, &mut scan))?;
            if let Some(is_spent) = scan.is_over_at(found.next) {
                return Ok(scan.page(is_spent, |row| row.key));
            }
        }
    }
    let source = source(&db, &filter).await?;
    let sql =
        format!("SELECT {}, {} FROM ({source}) AS t ORDER BY t.key DESC", task_columns(Bodies::Left), published());
    loop {
        let asked = Statement::new(sql.as_str()).int(scan.below).int(scan.step as i64);
        let asked = match filter.job {
            Some(job) => asked.int(job.raw() as i64),
            None => asked,
        };
        let rows = db.query(asked).await?;
        rows.iter().try_for_each(|row| look(row, &mut scan))?;
        if let Some(is_spent) = scan.is_over(rows.len()) {
            return Ok(scan.page(is_spent, |row| row.key));
        }
    }
}

/// A query for the newest rows below `$1`, at most `$2`, that a filter may want.
async fn source(db: &Session, filter: &TaskFilter) -> Result<String, Failure> {
    const END: &str = "AND key < $1 ORDER BY key DESC LIMIT $2";
    if filter.job.is_some() {
        let last = "SELECT key + (tasks::bigint << 12) FROM @jobs WHERE key = $3";
        return Ok(format!("SELECT * FROM @tasks WHERE key > $3 AND key <= ({last}) AND job + 0 = $3 {END}"));
    }
    let table = format!("SELECT * FROM @tasks WHERE true {END}");
    if filter.dead {
        return Ok(format!("SELECT * FROM @tasks WHERE dead {END}"));
    }
    let Some(places) = places(&filter.statuses) else { return Ok(table) };
    for place in places.iter().filter(|place| **place == 1 || **place == 2) {
        let deep = format!("SELECT count(*) FROM (SELECT 1 FROM @tasks WHERE place = {place} LIMIT $1) AS cold");
        let rows = db.query(Statement::new(deep).int(COLD_SORTED_MAX)).await?;
        if rows.first().map(|row| Cells::of(row).int()).transpose()? == Some(COLD_SORTED_MAX) {
            return Ok(table);
        }
    }
    let statuses: Vec<String> = filter.statuses.iter().map(|status| (*status as u8).to_string()).collect();
    let statuses = statuses.join(", ");
    let of = |place: &i64| format!("(SELECT * FROM @tasks WHERE place = {place} AND status IN ({statuses}) {END})");
    let parts: Vec<String> = places.iter().map(of).collect();
    Ok(format!("SELECT * FROM ({}) AS parts ORDER BY key DESC LIMIT $2", parts.join(" UNION ALL ")))
}

/// Where tasks with these states stand, if indexes lead there.
fn places(statuses: &[TaskStatus]) -> Option<Vec<i64>> {
    if statuses.is_empty() {
        return None;
    }
    // What has just ended is in memory until its end was carried to its neighbours.
    let mut places = vec![0];
    for status in statuses {
        match status {
            TaskStatus::Pending => places.push(3),
            // An approval with a timeout far away is a cold timer.
            TaskStatus::Waiting => places.extend([2, 3]),
            TaskStatus::Running => {}
            TaskStatus::Ready => places.extend([1, 3]),
            TaskStatus::Scheduled => places.extend([2, 3]),
            TaskStatus::Failed => places.push(4),
            TaskStatus::Completed | TaskStatus::Cancelled | TaskStatus::Skipped => return None,
        }
    }
    places.sort_unstable();
    places.dedup();
    Some(places)
}

pub(super) async fn jobs(
    db: Arc<Session>,
    filter: JobFilter,
    after: Option<Key>,
    limit: usize,
    now: Timestamp,
) -> Result<Page<JobRow>, Failure> {
    let mut scan = Scan::new(after, limit);
    let look = |row: &Row, scan: &mut Scan<JobRow>| -> Result<(), Failure> {
        let row = job(row)?;
        let fits = job_matches(&row, &filter, now);
        scan.look(row.key, fits.then_some(row));
        Ok(())
    };
    if let Some(lookup) = Lookup::of_jobs(&db, &filter).await? {
        let sql = format!("{JOB_COLUMNS} WHERE key = ANY($1) AND key NOT IN ({}) ORDER BY key DESC", staged_jobs());
        loop {
            let found = lookup.below(&db, scan.below).await?;
            let rows = db.query(Statement::new(sql.as_str()).ints(raw(&found.items))).await?;
            rows.iter().try_for_each(|row| look(row, &mut scan))?;
            if let Some(is_spent) = scan.is_over_at(found.next) {
                return Ok(scan.page(is_spent, |row| row.key));
            }
        }
    }
    let live = |status: &JobStatus| !status.is_terminal();
    let index = if !filter.statuses.is_empty() && filter.statuses.iter().all(live) {
        "status < 3"
    } else if filter.statuses == [JobStatus::Failed] {
        "status = 4"
    } else {
        "true"
    };
    let sql = format!(
        "{JOB_COLUMNS} WHERE {index} AND key < $1 AND key NOT IN ({}) ORDER BY key DESC LIMIT $2",
        staged_jobs()
    );
    loop {
        let rows = db.query(Statement::new(sql.as_str()).int(scan.below).int(scan.step as i64)).await?;
        rows.iter().try_for_each(|row| look(row, &mut scan))?;
        if let Some(is_spent) = scan.is_over(rows.len()) {
            return Ok(scan.page(is_spent, |row| row.key));
        }
    }
}
