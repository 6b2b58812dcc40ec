//! Reads single things: tasks and jobs by key, and what stands beside them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, JobRow};
use mainspring_core::limits::GRAPH_CHUNK_TASKS;
use mainspring_core::row::{ClaimKind, FeedPosition, TaskRow};
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::{Attempt, TaskStatus};
use mainspring_store::record::{Unreadable, decode_feed, decode_graph};
use mainspring_store::{FeedPage, LogPage, TaskMark, log_cut, text_tail};
use rusqlite::{Connection, OptionalExtension};

use crate::failure::Failure;
use crate::rows::{ATTEMPT_COLUMNS, Bodies, Cells, JOB_COLUMNS, TaskDecoder, attempt, inflate, job, log};
use crate::writer::{chunk_key, list, one, staged_jobs};

/// The jobs that are not published yet; usually none.
pub(super) fn staged(db: &Connection) -> Result<HashSet<Key>, Failure> {
    Ok(list(db, &staged_jobs("key"), |row| Cells::of(row).key())?.into_iter().collect())
}

pub(super) fn find(db: &Connection, kind: ClaimKind, text: &str) -> Result<Vec<(Name, Key)>, Failure> {
    let staged = staged(db)?;
    let mut ask =
        db.prepare_cached("SELECT tenant, target FROM claims WHERE kind = ?1 AND text = ?2 ORDER BY tenant")?;
    let mut rows = ask.query((kind as u8, text))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::of(row);
        let (tenant, target) = (cells.next()?, cells.key()?);
        if !staged.contains(&target) {
            found.push((tenant, target));
        }
    }
    Ok(found)
}

pub(super) fn find_in_job(db: &Connection, job: Key, name: &str) -> Result<Option<Key>, Failure> {
    if staged(db)?.contains(&job) {
        return Ok(None);
    }
    let mut ask = db.prepare_cached("SELECT key FROM tasks WHERE job = ?1 AND id = ?2 ORDER BY key LIMIT 1")?;
    let found = ask.query_row((job.raw() as i64, name), |row| row.get::<_, i64>(0)).optional()?;
    Ok(found.map(|key| Key::from_raw(key as u64)))
}

pub(super) fn tasks_by_key(db: &Connection, keys: &[Key]) -> Result<Vec<TaskRow>, Failure> {
    let staged = staged(db)?;
    let mut decoder = TaskDecoder::new(Bodies::Stored);
    let sql = format!("{} WHERE key = ?1", decoder.select());
    let mut graphs = HashMap::new();
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let Some((mut row, in_graph)) = one(db, &sql, key.raw() as i64, |row| decoder.decode(row))? else { continue };
        if row.job.is_some_and(|job| staged.contains(&job)) {
            continue;
        }
        if in_graph && let (Some(job), Some(spec)) = (row.job, row.spec.as_mut()) {
            let body = body_in_graph(db, &mut graphs, job, row.key)?;
            *spec = Arc::new(TaskSpec { body, ..(**spec).clone() });
        }
        found.push(row);
    }
    Ok(found)
}

/// The body of a job's task as its graph has it.
fn body_in_graph(
    db: &Connection,
    graphs: &mut HashMap<(Key, u32), GraphChunk>,
    job: Key,
    task: Key,
) -> Result<Arc<str>, Failure> {
    let index = job.index_of(task);
    let number = index / GRAPH_CHUNK_TASKS;
    let chunk = match graphs.entry((job, number)) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => {
            let chunk = one(db, "SELECT data FROM chunks WHERE key = ?1", chunk_key(job, number), |row| {
                Ok(decode_graph(job, number, row.get_ref(0)?.as_blob().unwrap_or_default())?)
            })?;
            place.insert(chunk.ok_or(Unreadable("graph of a job"))?)
        }
    };
    let task = chunk.tasks.get((index % GRAPH_CHUNK_TASKS) as usize);
    Ok(task.ok_or(Unreadable("graph of a job"))?.spec.body.clone())
}

pub(super) fn jobs_by_key(db: &Connection, keys: &[Key]) -> Result<Vec<JobRow>, Failure> {
    let staged = staged(db)?;
    let sql = format!("{JOB_COLUMNS} WHERE key = ?1");
    let mut found = Vec::with_capacity(keys.len());
    for key in keys.iter().filter(|key| !staged.contains(key)) {
        found.extend(one(db, &sql, key.raw() as i64, job)?);
    }
    Ok(found)
}

pub(super) fn job_tasks(db: &Connection, job: Key, from: u32, limit: usize) -> Result<Vec<TaskRow>, Failure> {
    if staged(db)?.contains(&job) {
        return Ok(Vec::new());
    }
    let last = last_task(db, job)?;
    let mut decoder = TaskDecoder::new(Bodies::Left);
    let mut ask = db.prepare_cached(&format!(
        "{} WHERE key BETWEEN ?1 AND ?2 AND +job = ?3 ORDER BY key LIMIT ?4",
        decoder.select()
    ))?;
    let first = job.task_of_job(from).raw() as i64;
    let mut rows = ask.query((first, last.raw() as i64, job.raw() as i64, limit as i64))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(decoder.decode(row)?.0);
    }
    Ok(found)
}

pub(super) fn marks(db: &Connection, job: Key, from: u32, limit: usize) -> Result<Vec<TaskMark>, Failure> {
    if staged(db)?.contains(&job) {
        return Ok(Vec::new());
    }
    let last = last_task(db, job)?;
    let mut ask = db.prepare_cached(
        "SELECT key, status, attempt, iif(lease IS NULL, NULL, started_at), ended_at FROM tasks
        WHERE key BETWEEN ?1 AND ?2 AND +job = ?3 ORDER BY key LIMIT ?4",
    )?;
    let first = job.task_of_job(from).raw() as i64;
    let mut rows = ask.query((first, last.raw() as i64, job.raw() as i64, limit as i64))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::of(row);
        let index = job.index_of(cells.key()?);
        let status = cells.one_of(&TaskStatus::ALL, "status of a task")?;
        let (attempt, started_at, ended_at) = (cells.next()?, cells.time()?, cells.time()?);
        found.push(TaskMark { index, status, attempt, started_at, ended_at });
    }
    Ok(found)
}

/// The key of a job's last task; its own key if there is no such job.
pub(super) fn last_task(db: &Connection, job: Key) -> Result<Key, Failure> {
    let tasks = one(db, "SELECT tasks FROM jobs WHERE key = ?1", job.raw() as i64, |row| Ok(row.get::<_, u32>(0)?))?;
    Ok(tasks.map_or(job, |tasks| job.task_of_job(tasks.saturating_sub(1))))
}

pub(super) fn chunks(db: &Connection, job: Key) -> Result<Vec<GraphChunk>, Failure> {
    if staged(db)?.contains(&job) {
        return Ok(Vec::new());
    }
    let last = last_task(db, job)?;
    let mut ask =
        db.prepare_cached("SELECT number, data FROM chunks WHERE key BETWEEN ?1 AND ?2 AND job = ?1 ORDER BY key")?;
    let mut rows = ask.query((job.raw() as i64, last.raw() as i64))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(decode_graph(job, row.get(0)?, row.get_ref(1)?.as_blob().unwrap_or_default())?);
    }
    Ok(found)
}

pub(super) fn attempts(db: &Connection, task: Key) -> Result<Vec<Attempt>, Failure> {
    let mut ask = db.prepare_cached(&format!("{ATTEMPT_COLUMNS} WHERE task = ?1 ORDER BY number"))?;
    let mut rows = ask.query([task.raw() as i64])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(attempt(row)?);
    }
    let mut decoder = TaskDecoder::new(Bodies::Left);
    let sql = format!("{} WHERE key = ?1", decoder.select());
    let last = one(db, &sql, task.raw() as i64, |row| Ok(decoder.decode(row)?.0.state.last))?;
    found.extend(last.flatten());
    Ok(found)
}

pub(super) fn outputs(db: &Connection, tasks: &[Key]) -> Result<Vec<(Key, Arc<str>)>, Failure> {
    let each = tasks.iter().map(|task| Ok(output(db, *task)?.map(|text| (*task, text))));
    each.filter_map(Result::transpose).collect()
}

pub(super) fn output(db: &Connection, task: Key) -> Result<Option<Arc<str>>, Failure> {
    one(db, "SELECT output FROM outputs WHERE task = ?1", task.raw() as i64, |row| Ok(row.get(0)?))
}

pub(super) fn logs(db: &Connection, task: Key, attempt: u32, after: u64, limit: usize) -> Result<LogPage, Failure> {
    let of = (task.raw() as i64, attempt, after as i64);
    let mut ask = db.prepare_cached(
        "SELECT total FROM logs WHERE task = ?1 AND attempt = ?2 AND number < ?3 ORDER BY number DESC LIMIT 1",
    )?;
    let mut total = ask.query_row(of, |row| row.get::<_, i64>(0)).optional()?.unwrap_or_default() as u64;
    let mut ask = db.prepare_cached(
        "SELECT number, stream, at, data, total FROM logs WHERE task = ?1 AND attempt = ?2 AND number >= ?3
        ORDER BY number LIMIT ?4",
    )?;
    let mut rows = ask.query((of.0, of.1, of.2, limit as i64))?;
    let (mut items, mut next) = (Vec::new(), after);
    while let Some(row) = rows.next()? {
        let (row, end) = log(task, attempt, row)?;
        let cut = end.saturating_sub(row.data.len() as u64).saturating_sub(total);
        if cut > 0 {
            items.push(log_cut(task, attempt, row.number, row.at, cut));
        }
        total = end;
        next = row.number + 1;
        items.push(row);
    }
    Ok(LogPage { items, next })
}

pub(super) fn log_tail(db: &Connection, task: Key, attempt: u32, bytes: usize) -> Result<String, Failure> {
    let mut ask = db.prepare_cached("SELECT data FROM logs WHERE task = ?1 AND attempt = ?2 ORDER BY number DESC")?;
    let mut rows = ask.query((task.raw() as i64, attempt))?;
    let (mut parts, mut length) = (Vec::new(), 0);
    while length < bytes
        && let Some(row) = rows.next()?
    {
        let part = inflate(row.get_ref(0)?)?;
        length += part.len();
        parts.push(part);
    }
    parts.reverse();
    Ok(text_tail(&parts.concat(), bytes).to_owned())
}

pub(super) fn feed(db: &Connection, after: FeedPosition, limit: usize) -> Result<FeedPage, Failure> {
    let mut items = Vec::new();
    let mut ask = db.prepare_cached("SELECT number, data FROM feed WHERE number >= ?1 ORDER BY number")?;
    let mut rows = ask.query([after.commit as i64])?;
    while items.len() < limit
        && let Some(row) = rows.next()?
    {
        let commit = row.get::<_, i64>(0)? as u64;
        let events = decode_feed(row.get_ref(1)?.as_blob().unwrap_or_default())?;
        let placed = events.into_iter().zip(0..).map(|(event, index)| (FeedPosition { commit, index }, event));
        items.extend(placed.filter(|(position, _)| *position > after).take(limit - items.len()));
    }
    let mut ask = db.prepare_cached("SELECT commits, pruned, data FROM shard LEFT JOIN feed ON number = commits")?;
    let (commit, pruned, last) = ask.query_row([], |row| {
        let data = row.get_ref(2)?.as_blob_or_null().unwrap_or_default().map(<[u8]>::to_vec);
        Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64, data))
    })?;
    let length = last.map(|data| decode_feed(&data)).transpose()?.map_or(0, |events| events.len());
    let earliest = if pruned == 0 { 0 } else { pruned + 1 };
    Ok(FeedPage {
        items,
        earliest: FeedPosition { commit: earliest, index: 0 },
        latest: FeedPosition { commit, index: length.saturating_sub(1) as u32 },
    })
}
