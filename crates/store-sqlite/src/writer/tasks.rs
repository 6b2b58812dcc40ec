//! Writes tasks. This is the hot path: an insert and an update of one row each, and nothing else, for a standalone task.

use mainspring_core::id::Key;
use mainspring_core::limits::RESIDENT_BODY_BYTES_MAX;
use mainspring_core::row::{Changes, TaskRow};
use mainspring_core::spec::Body;
use mainspring_core::task::{Place, TaskState};
use mainspring_store::record::{RareSpec, RareState, encode_names};
use rusqlite::{Connection, Result};

use super::bind::Rows;
use super::count::Counts;
use crate::failure::Failure;
use crate::rows::EMPTY_BODY;

/// `place` of a row in the core's memory.
pub(crate) const HOT: i64 = 0;
/// `place` of a cold ready row.
pub(crate) const COLD_READY: i64 = 1;
/// `place` of a cold timer.
pub(crate) const COLD_TIMER: i64 = 2;

const INSERT: &str = "INSERT INTO tasks (
    key, tenant, id, job, type, queue, title, priority, created_at, rare_spec, tags, body,
    status, place, lane, rank, due, ready_at, started_at, attempt_ended_at, ended_at, generation, attempt, worker, lease,
    session, lease_ms, outcome, error_type, error_message, error_trace, dead, rare_state
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const UPDATE: &str = "UPDATE tasks SET
    status = ?, place = ?, lane = ?, rank = ?, due = ?, ready_at = ?, started_at = ?, attempt_ended_at = ?, ended_at = ?,
    generation = ?, attempt = ?, worker = ?, lease = ?, session = ?, lease_ms = ?, outcome = ?, error_type = ?,
    error_message = ?, error_trace = ?, dead = ?, rare_state = ?
WHERE key = ?";

/// For a row that stays in the core's memory: SQLite rewrites an index wherever its columns are named.
const UPDATE_IN_PLACE: &str = "UPDATE tasks SET
    status = ?, due = ?, ready_at = ?, started_at = ?, attempt_ended_at = ?, ended_at = ?,
    generation = ?, attempt = ?, worker = ?, lease = ?, session = ?, lease_ms = ?, outcome = ?, error_type = ?,
    error_message = ?, error_trace = ?, dead = ?, rare_state = ?
WHERE key = ?";

/// The rank of a cold ready row follows from its priority, which an update does not carry.
const RANK: &str = "UPDATE tasks SET rank = 9 - priority WHERE key = ?";

/// Applies the changes of tasks, in their order.
pub(super) fn apply(db: &Connection, changes: &Changes, counts: &mut Counts) -> Result<(), Failure> {
    insert(db, &changes.insert_tasks, counts)?;
    update(db, &changes.update_tasks, counts)?;
    rewrite(db, &changes.rewrite_bodies)?;
    for key in &changes.delete_tasks {
        delete(db, *key, counts)?;
    }
    Ok(())
}

fn insert(db: &Connection, rows: &[TaskRow], counts: &mut Counts) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut out = Rows::prepare(db, INSERT)?;
    for row in rows {
        let Some(spec) = row.spec.as_deref() else {
            return Err(Failure::Diverged(format!("task {:?} is inserted without a spec", row.key)));
        };
        out.wide(row.key.raw())?;
        out.name(&row.tenant)?;
        out.text(row.given_id.as_deref())?;
        out.int_or_null(row.job.map(|job| job.raw() as i64))?;
        out.name(&spec.kind)?;
        out.name(&spec.queue)?;
        out.name_or_null(spec.title.as_ref())?;
        out.int(spec.priority)?;
        out.int(row.created_at.as_millis())?;
        out.text(RareSpec::encode(spec, row.trigger, row.parents).as_deref())?;
        out.text(encode_names(&spec.tags).as_deref())?;
        let in_graph = row.job.is_some() && spec.body.len() <= RESIDENT_BODY_BYTES_MAX;
        out.text(Some(&*spec.body).filter(|body| !in_graph && *body != EMPTY_BODY))?;
        let rank = if matches!(row.state.place, Place::ColdReady { .. }) {
            Some(i64::from(9_u8.saturating_sub(spec.priority)))
        } else {
            None
        };
        out.int(row.state.status as u8)?;
        place(&mut out, &row.state, rank)?;
        course(&mut out, &row.state)?;
        out.run()?;
        counts.insert_task(row, &spec.queue);
    }
    Ok(())
}

fn update(db: &Connection, updates: &[(Key, TaskState)], counts: &mut Counts) -> Result<(), Failure> {
    if updates.is_empty() {
        return Ok(());
    }
    let (mut moves, mut stays) = (Rows::prepare(db, UPDATE)?, Rows::prepare(db, UPDATE_IN_PLACE)?);
    for (key, next) in updates {
        let Some(in_place) = counts.update_task(db, *key, next)? else { continue };
        let out = if in_place { &mut stays } else { &mut moves };
        out.int(next.status as u8)?;
        if !in_place {
            place(out, next, None)?;
        }
        course(out, next)?;
        out.wide(key.raw())?;
        out.run()?;
        if matches!(next.place, Place::ColdReady { .. }) {
            db.prepare_cached(RANK)?.execute([key.raw() as i64])?;
        }
    }
    Ok(())
}

/// Binds `place`, `lane` and `rank`.
fn place(out: &mut Rows<'_>, state: &TaskState, cold_rank: Option<i64>) -> Result<()> {
    let (place, lane, rank) = match state.place {
        Place::Hot => (Some(HOT), Some(0), Some(0)),
        Place::ColdReady { lane } => (Some(COLD_READY), Some(i64::from(lane.0)), cold_rank),
        Place::ColdTimer => (Some(COLD_TIMER), Some(0), Some(state.due.unwrap_or_default().as_millis())),
        Place::Rest => (None, None, None),
    };
    out.int_or_null(place)?;
    out.int_or_null(lane)?;
    out.int_or_null(rank)
}

/// Binds the columns from `due` to `rare_state`.
fn course(out: &mut Rows<'_>, state: &TaskState) -> Result<()> {
    let last = state.last.as_ref();
    out.time(state.due)?;
    out.time(state.ready_at)?;
    out.time(last.map(|last| last.started_at))?;
    out.time(last.and_then(|last| last.ended_at))?;
    out.time(state.ended_at)?;
    out.int(state.generation)?;
    out.int(state.attempt)?;
    out.name_or_null(last.map(|last| &last.worker))?;
    out.int_or_null(last.map(|last| last.lease as i64))?;
    let lease = state.lease.as_ref();
    out.name_or_null(lease.map(|lease| &lease.session))?;
    out.int_or_null(lease.map(|lease| lease.lease_ms as i64))?;
    out.int_or_null(last.and_then(|last| last.outcome).map(|outcome| outcome as u8))?;
    let error = last.and_then(|last| last.error.as_ref());
    out.name_or_null(error.map(|error| &error.kind))?;
    out.text(error.map(|error| &*error.message))?;
    out.text(error.and_then(|error| error.trace.as_deref()))?;
    out.flag(state.dead)?;
    out.text(RareState::encode(state).as_deref())
}

fn rewrite(db: &Connection, bodies: &[(Key, Body)]) -> Result<(), Failure> {
    for (key, body) in bodies {
        let mut put = db.prepare_cached("UPDATE tasks SET body = ?2, edited = 1 WHERE key = ?1")?;
        put.execute((key.raw() as i64, &**body))?;
    }
    Ok(())
}

/// Deletes a task with its attempts, output and logs.
pub(super) fn delete(db: &Connection, key: Key, counts: &mut Counts) -> Result<(), Failure> {
    if !counts.delete_task(db, key)? {
        return Ok(());
    }
    for sql in [
        "DELETE FROM tasks WHERE key = ?1",
        "DELETE FROM attempts WHERE task = ?1",
        "DELETE FROM outputs WHERE task = ?1",
        "DELETE FROM logs WHERE task = ?1",
    ] {
        db.prepare_cached(sql)?.execute([key.raw() as i64])?;
    }
    Ok(())
}
