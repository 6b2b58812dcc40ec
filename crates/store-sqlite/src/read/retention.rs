//! Finds what has ended long enough ago to be deleted, oldest first, and the claims that lead to it.
//!
//! Nothing is indexed by its end: that would cost every task. Old rows stand at the front of their table, and a mark
//! remembers how far the front holds nothing to delete, so that a deep backlog there is not looked at again and again.

use std::sync::atomic::{AtomicU64, Ordering};

use mainspring_core::id::Key;
use mainspring_core::row::{ClaimName, ClaimRow};
use mainspring_core::time::Timestamp;
use rusqlite::Connection;

use crate::failure::Failure;
use crate::rows::{CLAIM_COLUMNS, Cells, claim};

/// Rows that one call may look at.
const SCAN_ROWS_MAX: usize = 50_000;

const TASKS: &str = "SELECT key, job IS NULL AND status >= 5 AND ended_at < ?3 FROM tasks
    WHERE key > ?1 AND key < ?2 ORDER BY key LIMIT ?4";
const JOBS: &str = "SELECT key, parent IS NULL AND status >= 3 AND sweep IS NULL AND ended_at < ?3 FROM jobs
    WHERE key > ?1 AND key < ?2 ORDER BY key LIMIT ?4";

type Found = Vec<(Key, Vec<ClaimName>)>;

pub(super) fn ended_tasks(
    db: &Connection,
    mark: &AtomicU64,
    before: Timestamp,
    limit: usize,
) -> Result<Found, Failure> {
    ended(db, TASKS, mark, before, limit)
}

pub(super) fn ended_jobs(db: &Connection, mark: &AtomicU64, before: Timestamp, limit: usize) -> Result<Found, Failure> {
    ended(db, JOBS, mark, before, limit)
}

fn ended(db: &Connection, sql: &str, mark: &AtomicU64, before: Timestamp, limit: usize) -> Result<Found, Failure> {
    // What was accepted at `before` or later has a larger sequence number than this, and ended later.
    let end = Key::first_sequence_at(before).saturating_add(1) << 12;
    let from = mark.load(Ordering::Relaxed);
    let mut ask = db.prepare_cached(sql)?;
    let mut rows = ask.query((from as i64, end as i64, before.as_millis(), SCAN_ROWS_MAX as i64))?;
    let (mut keys, mut seen, mut last) = (Vec::new(), 0, from);
    while keys.len() < limit
        && let Some(row) = rows.next()?
    {
        let mut cells = Cells::of(row);
        let key = cells.key()?;
        if cells.next::<Option<bool>>()? == Some(true) {
            keys.push(key);
        }
        seen += 1;
        last = key.raw();
    }
    let is_cut = keys.len() >= limit || seen >= SCAN_ROWS_MAX;
    let next = match keys.first() {
        Some(first) if is_cut => first.raw() - 1,
        None if is_cut => last,
        // At the end it starts from the front again: there, something may have ended meanwhile.
        _ => 0,
    };
    mark.store(next, Ordering::Relaxed);
    keys.into_iter().map(|key| Ok((key, claims_to(db, key)?.into_iter().map(|row| row.name).collect()))).collect()
}

/// The claims that lead to these keys.
pub(super) fn claims_of(db: &Connection, keys: &[Key]) -> Result<Vec<ClaimRow>, Failure> {
    let mut found = Vec::new();
    for key in keys {
        found.extend(claims_to(db, *key)?);
    }
    Ok(found)
}

fn claims_to(db: &Connection, key: Key) -> Result<Vec<ClaimRow>, Failure> {
    let mut ask = db.prepare_cached(&format!("{CLAIM_COLUMNS} WHERE target = ?1 ORDER BY kind, tenant, text"))?;
    let mut rows = ask.query([key.raw() as i64])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(claim(row)?);
    }
    Ok(found)
}
