//! Writes schedules and their ledger.

use mainspring_core::row::Changes;
use mainspring_core::schedule::{Next, OccurrenceRow, ScheduleName, ScheduleRow, ScheduleState};
use mainspring_core::time::Timestamp;
use mainspring_store::record::{encode_result, encode_schedule_state, first_key_at};
use rusqlite::{Connection, Result};

use crate::failure::Failure;

/// Applies what changed of schedules, in the order of the fields of [`Changes`].
pub(super) fn apply(db: &Connection, changes: &Changes) -> Result<(), Failure> {
    for id in &changes.delete_schedules {
        let mut drop = db.prepare_cached("DELETE FROM schedules WHERE name = ?1 AND tenant = ?2")?;
        drop.execute((&*id.name, &*id.tenant))?;
    }
    changes.put_schedules.iter().try_for_each(|row| put(db, row))?;
    changes.update_schedules.iter().try_for_each(|(id, state)| update(db, id, state))?;
    changes.insert_occurrences.iter().try_for_each(|row| record(db, row))?;
    Ok(())
}

fn next_due(state: &ScheduleState) -> Option<i64> {
    match state.next {
        Next::At { due, .. } if !state.paused => Some(due.as_millis()),
        _ => None,
    }
}

fn put(db: &Connection, row: &ScheduleRow) -> Result<()> {
    let mut put =
        db.prepare_cached("INSERT OR REPLACE INTO schedules VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    put.execute((
        &*row.id.name,
        &*row.id.tenant,
        row.overlap as u8,
        row.of_definition,
        row.created_at.as_millis(),
        row.state.generation,
        row.state.paused,
        next_due(&row.state),
        encode_schedule_state(&row.state),
        &*row.body,
    ))?;
    Ok(())
}

fn update(db: &Connection, id: &ScheduleName, state: &ScheduleState) -> Result<()> {
    let mut update = db.prepare_cached(
        "UPDATE schedules SET generation = ?3, paused = ?4, next_due = ?5, state = ?6 WHERE name = ?1 AND tenant = ?2",
    )?;
    let record = encode_schedule_state(state);
    update.execute((&*id.name, &*id.tenant, state.generation, state.paused, next_due(state), record))?;
    Ok(())
}

fn record(db: &Connection, row: &OccurrenceRow) -> Result<()> {
    let (result, work) = encode_result(row.result);
    let mut put =
        db.prepare_cached("INSERT OR REPLACE INTO occurrences VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    put.execute((
        row.key.raw() as i64,
        &*row.schedule.tenant,
        &*row.schedule.name,
        row.generation,
        row.cause as u8,
        row.first.as_millis(),
        row.last.as_millis(),
        result,
        work.map(|key| key.raw() as i64),
        row.detail.as_deref(),
    ))?;
    Ok(())
}

/// Forgets records of the ledger that were made before an instant.
pub(super) fn prune(db: &Connection, before: Timestamp, limit: i64) -> Result<usize> {
    db.execute(
        "DELETE FROM occurrences WHERE key IN (SELECT key FROM occurrences WHERE key < ?1 ORDER BY key LIMIT ?2)",
        (first_key_at(before).raw() as i64, limit),
    )
}
