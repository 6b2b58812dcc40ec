//! Writes what stands beside tasks and jobs: attempts, outputs, logs, claims, settings, definitions, audit, feed.

use mainspring_core::row::{AttemptRow, Changes, ClaimName, ClaimRow, LaneRow, LogRow};
use mainspring_store::log_trim;
use mainspring_store::record::{encode_feed, encode_key_limits, encode_limits, encode_names};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension, Result};

use crate::failure::Failure;
use crate::rows::deflate;

/// Applies the changes that are neither tasks nor jobs, in their order.
pub(super) fn apply(db: &Connection, changes: &Changes) -> Result<(), Failure> {
    changes.insert_attempts.iter().try_for_each(|row| attempt(db, row))?;
    for row in &changes.put_outputs {
        let mut put = db.prepare_cached("INSERT OR REPLACE INTO outputs VALUES (?1, ?2)")?;
        put.execute((row.task.raw() as i64, &*row.output))?;
    }
    changes.insert_logs.iter().try_for_each(|row| log(db, row))?;
    changes.put_claims.iter().try_for_each(|row| claim(db, row))?;
    changes.delete_claims.iter().try_for_each(|name| delete_claim(db, name))?;
    changes.insert_lanes.iter().try_for_each(|row| lane(db, row))?;
    settings(db, changes)?;
    for row in &changes.insert_audit {
        let mut put =
            db.prepare_cached("INSERT INTO audit (at, actor, action, target, detail) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        put.execute((row.at.as_millis(), &*row.actor, &*row.action, &*row.target, &*row.detail))?;
    }
    if let Some(last) = changes.feed.last() {
        let mut put = db.prepare_cached("INSERT OR REPLACE INTO feed VALUES (?1, ?2, ?3)")?;
        put.execute((changes.high_water.commit as i64, last.at.as_millis(), encode_feed(&changes.feed)))?;
    }
    Ok(())
}

fn attempt(db: &Connection, row: &AttemptRow) -> Result<()> {
    let attempt = &row.attempt;
    let error = attempt.error.as_ref();
    let mut put =
        db.prepare_cached("INSERT OR REPLACE INTO attempts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
    put.execute((
        row.task.raw() as i64,
        attempt.number,
        attempt.generation,
        &*attempt.worker,
        attempt.started_at.as_millis(),
        attempt.ended_at.map(|at| at.as_millis()),
        attempt.outcome.map(|outcome| outcome as u8),
        error.map(|error| &*error.kind),
        error.map(|error| &*error.message),
        error.and_then(|error| error.trace.as_deref()),
        attempt.lease as i64,
    ))?;
    Ok(())
}

fn log(db: &Connection, row: &LogRow) -> Result<()> {
    let (task, attempt, number) = (row.task.raw() as i64, row.attempt, row.number as i64);
    let mut last =
        db.prepare_cached("SELECT total FROM logs WHERE task = ?1 AND attempt = ?2 ORDER BY number DESC LIMIT 1")?;
    let before = last.query_row((task, attempt), |row| row.get::<_, i64>(0)).optional()?.unwrap_or_default() as u64;
    let total = before + row.data.len() as u64;
    let packed = deflate(&row.data);
    let data = match &packed {
        Some(bytes) => ToSqlOutput::from(&bytes[..]),
        None => ToSqlOutput::from(&*row.data),
    };
    let mut put = db.prepare_cached("INSERT OR IGNORE INTO logs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    let columns =
        (task, attempt, number, row.stream as u8, row.at.as_millis(), row.data.len() as i64, total as i64, data);
    if put.execute(columns)? == 0 {
        return Ok(());
    }
    if let Some(trim) = log_trim(before, total) {
        let mut cut = db.prepare_cached(
            "DELETE FROM logs WHERE task = ?1 AND attempt = ?2 AND total - bytes >= ?3 AND total <= ?4",
        )?;
        cut.execute((task, attempt, trim.from as i64, trim.to as i64))?;
    }
    Ok(())
}

fn claim(db: &Connection, row: &ClaimRow) -> Result<()> {
    let name = &row.name;
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO claims VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let expires_at = row.expires_at.map(|at| at.as_millis());
    let hash = row.body_hash.to_be_bytes();
    put.execute((name.kind as u8, &*name.text, &*name.tenant, row.target.raw() as i64, hash, expires_at))?;
    Ok(())
}

fn delete_claim(db: &Connection, name: &ClaimName) -> Result<()> {
    let mut drop = db.prepare_cached("DELETE FROM claims WHERE kind = ?1 AND text = ?2 AND tenant = ?3")?;
    drop.execute((name.kind as u8, &*name.text, &*name.tenant))?;
    Ok(())
}

fn lane(db: &Connection, row: &LaneRow) -> Result<()> {
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO lanes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    let name = &row.name;
    let kind = Some(&*name.kind).filter(|kind| **kind != *name.class.executor);
    let (labels, limits) = (encode_names(&name.class.labels), encode_key_limits(&name.limits));
    put.execute((row.lane.0, &*name.queue, &*name.tenant, &*name.class.executor, labels, kind, limits))?;
    Ok(())
}

fn settings(db: &Connection, changes: &Changes) -> Result<()> {
    for row in &changes.put_queues {
        let mut put = db.prepare_cached("INSERT OR REPLACE INTO queues VALUES (?1, ?2)")?;
        put.execute((&*row.name, row.paused))?;
    }
    for row in &changes.put_limits {
        let mut put = db.prepare_cached("INSERT OR REPLACE INTO limits VALUES (?1, ?2, ?3)")?;
        put.execute((row.scope as u8, &*row.name, encode_limits(&row.limits)))?;
    }
    for row in &changes.put_loans {
        let mut put = db.prepare_cached("INSERT OR REPLACE INTO loans VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        let of = &row.of;
        let (given, returned) = (row.given as i64, row.returned as i64);
        put.execute((of.scope as u8, &*of.name, of.kind as u8, row.peer, given, returned))?;
    }
    for row in &changes.put_workers {
        let mut put = db.prepare_cached("INSERT OR REPLACE INTO workers VALUES (?1, ?2)")?;
        put.execute((&*row.worker, row.directive as u8))?;
    }
    for row in &changes.insert_definitions {
        let mut put = db.prepare_cached(
            "INSERT OR REPLACE INTO definitions (kind, tenant, name, version, at, body, actor)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let (at, body) = (row.at.as_millis(), row.body.as_deref());
        put.execute((row.kind as u8, &*row.tenant, &*row.name, row.version, at, body, &*row.actor))?;
    }
    Ok(())
}
