//! Lists schedules and their ledger.

use mainspring_core::id::Key;
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_store::{OccurrenceFilter, Page, ScheduleFilter};
use rusqlite::Connection;

use crate::failure::Failure;
use crate::rows::{OCCURRENCE_COLUMNS, SCHEDULE_COLUMNS, occurrence, schedule};

pub(super) fn schedules(
    db: &Connection,
    filter: &ScheduleFilter,
    after: Option<&ScheduleName>,
    limit: usize,
) -> Result<Vec<ScheduleRow>, Failure> {
    let mut ask = db.prepare_cached(&format!(
        "{SCHEDULE_COLUMNS} WHERE (name, tenant) > (?1, ?2) AND (?3 IS NULL OR tenant = ?3)
            AND (?4 IS NULL OR name = ?4) ORDER BY name, tenant LIMIT ?5"
    ))?;
    let (name, tenant) = after.map_or(("", ""), |after| (&*after.name, &*after.tenant));
    let mut rows = ask.query((name, tenant, filter.tenant.as_deref(), filter.name.as_deref(), limit as i64))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(schedule(row)?);
    }
    Ok(found)
}

pub(super) fn occurrences(
    db: &Connection,
    filter: &OccurrenceFilter,
    after: Option<Key>,
    limit: usize,
) -> Result<Page<OccurrenceRow>, Failure> {
    let by_instant = if filter.instant.is_some() { "first = ?4" } else { "?4 IS NULL" };
    let mut ask = db.prepare_cached(&format!(
        "{OCCURRENCE_COLUMNS} WHERE name = ?1 AND tenant = ?2 AND key < ?3 AND {by_instant} ORDER BY key DESC LIMIT ?5"
    ))?;
    let below = after.map_or(i64::MAX, |key| key.raw() as i64);
    let (id, instant) = (&filter.schedule, filter.instant.map(|at| at.as_millis()));
    let mut rows = ask.query((&*id.name, &*id.tenant, below, instant, limit as i64 + 1))?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(occurrence(row)?);
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|row| row.key);
    Ok(Page { items, next })
}
