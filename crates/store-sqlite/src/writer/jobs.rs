//! Writes jobs and their graphs.

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{FailurePolicy, GraphChunk, JobRow, JobState};
use mainspring_core::limits::GRAPH_CHUNK_TASKS;
use mainspring_core::row::Changes;
use mainspring_store::record::{RareJob, SweepRecord, encode_graph, encode_names, job_flags};
use rusqlite::{Connection, OptionalExtension, Result};

use super::bind::Rows;
use super::count::Counts;
use crate::failure::Failure;
use crate::rows::EMPTY_BODY;

const INSERT: &str = "INSERT INTO jobs (
    key, tenant, id, title, failure_policy, tasks, created_at, tags, body, parent, rare,
    status, completed, failed, cancelled, skipped, unhandled, flags, generation, sweep, started_at, ended_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const UPDATE: &str = "UPDATE jobs SET
    status = ?, completed = ?, failed = ?, cancelled = ?, skipped = ?, unhandled = ?, flags = ?, generation = ?, sweep = ?,
    started_at = ?, ended_at = ?
WHERE key = ?";

/// Applies the changes of jobs and graphs, in their order.
pub(super) fn apply(db: &Connection, changes: &Changes, counts: &mut Counts) -> Result<(), Failure> {
    insert(db, &changes.insert_jobs, counts)?;
    update(db, &changes.update_jobs, counts)?;
    for key in &changes.delete_jobs {
        delete(db, *key, counts)?;
    }
    for chunk in &changes.insert_chunks {
        insert_chunk(db, chunk)?;
    }
    Ok(())
}

fn insert(db: &Connection, rows: &[JobRow], counts: &mut Counts) -> Result<(), Failure> {
    for row in rows {
        let mut out = Rows::prepare(db, INSERT)?;
        out.wide(row.key.raw())?;
        out.name(&row.tenant)?;
        out.text(row.given_id.as_deref())?;
        out.text(row.title.as_deref())?;
        out.int(i64::from(row.failure_policy == FailurePolicy::FailFast))?;
        out.int(row.tasks)?;
        out.int(row.created_at.as_millis())?;
        out.text(encode_names(&row.tags).as_deref())?;
        out.text(Some(&*row.body).filter(|body| *body != EMPTY_BODY))?;
        out.int_or_null(row.parent.map(|key| key.raw() as i64))?;
        out.text(RareJob::encode(row).as_deref())?;
        state(&mut out, &row.state)?;
        out.run()?;
        if row.parent.is_none() {
            counts.job(&row.tenant, None, Some(row.state.status as u8));
        }
    }
    Ok(())
}

fn update(db: &Connection, updates: &[(Key, JobState)], counts: &mut Counts) -> Result<(), Failure> {
    for (key, next) in updates {
        let Some((tenant, before)) = before(db, *key)? else { continue };
        let mut out = Rows::prepare(db, UPDATE)?;
        state(&mut out, next)?;
        out.wide(key.raw())?;
        out.run()?;
        if let Some(tenant) = tenant {
            counts.job(&tenant, Some(before), Some(next.status as u8));
        }
    }
    Ok(())
}

/// Tenant (`None`: it is not counted) and status of a job as it stands.
fn before(db: &Connection, key: Key) -> Result<Option<(Option<Name>, u8)>> {
    let mut ask =
        db.prepare_cached("SELECT CASE WHEN parent IS NULL THEN tenant END, status FROM jobs WHERE key = ?1")?;
    ask.query_row([key.raw() as i64], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Binds the columns from `status` to `ended_at`.
fn state(out: &mut Rows<'_>, state: &JobState) -> Result<()> {
    out.int(state.status as u8)?;
    out.int(state.counts.completed)?;
    out.int(state.counts.failed)?;
    out.int(state.counts.cancelled)?;
    out.int(state.counts.skipped)?;
    out.int(state.unhandled)?;
    out.int(job_flags(state))?;
    out.int(state.generation)?;
    out.text(state.sweep.as_ref().map(SweepRecord::encode).as_deref())?;
    out.time(state.started_at)?;
    out.time(state.ended_at)
}

/// Deletes a job and its graph.
pub(super) fn delete(db: &Connection, key: Key, counts: &mut Counts) -> Result<(), Failure> {
    let Some((tenant, status)) = before(db, key)? else { return Ok(()) };
    let tasks: u32 =
        db.prepare_cached("SELECT tasks FROM jobs WHERE key = ?1")?.query_row([key.raw() as i64], |row| row.get(0))?;
    let last = key.task_of_job(tasks);
    let mut drop = db.prepare_cached("DELETE FROM chunks WHERE key BETWEEN ?1 AND ?2 AND job = ?1")?;
    drop.execute((key.raw() as i64, last.raw() as i64))?;
    db.prepare_cached("DELETE FROM jobs WHERE key = ?1")?.execute([key.raw() as i64])?;
    if let Some(tenant) = tenant {
        counts.job(&tenant, Some(status), None);
    }
    Ok(())
}

/// The row of a chunk stands at the key of its first task.
pub(crate) fn chunk_key(job: Key, number: u32) -> i64 {
    job.task_of_job(number.saturating_mul(GRAPH_CHUNK_TASKS)).raw() as i64
}

fn insert_chunk(db: &Connection, chunk: &GraphChunk) -> Result<(), Failure> {
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO chunks VALUES (?1, ?2, ?3, ?4)")?;
    let key = chunk_key(chunk.job, chunk.number);
    put.execute((key, chunk.job.raw() as i64, chunk.number, encode_graph(chunk)))?;
    Ok(())
}
