//! Reads schedules and their ledger.

use mainspring_core::id::Key;
use mainspring_core::schedule::{Cause, OccurrenceRow, Overlap, ScheduleName, ScheduleRow};
use mainspring_store::record::{decode_result, decode_schedule_state};
use rusqlite::Row;

use super::Cells;
use crate::failure::Failure;

/// The start of a query whose rows [`schedule`] reads.
pub(crate) const SCHEDULE_COLUMNS: &str =
    "SELECT name, tenant, overlap, of_definition, created_at, body, state FROM schedules";

/// Reads a schedule.
pub(crate) fn schedule(row: &Row<'_>) -> Result<ScheduleRow, Failure> {
    let mut cells = Cells::of(row);
    let (name, tenant) = (cells.next()?, cells.next()?);
    Ok(ScheduleRow {
        id: ScheduleName { tenant, name },
        overlap: cells.one_of(&Overlap::ALL, "overlap of a schedule")?,
        of_definition: cells.next()?,
        created_at: cells.instant()?,
        body: cells.next()?,
        state: decode_schedule_state(cells.text()?.unwrap_or_default())?,
    })
}

/// The start of a query whose rows [`occurrence`] reads.
pub(crate) const OCCURRENCE_COLUMNS: &str =
    "SELECT key, tenant, name, generation, cause, first, last, result, work, detail FROM occurrences";

/// Reads a record of the ledger.
pub(crate) fn occurrence(row: &Row<'_>) -> Result<OccurrenceRow, Failure> {
    let mut cells = Cells::of(row);
    let key = cells.key()?;
    let schedule = ScheduleName { tenant: cells.next()?, name: cells.next()? };
    let generation = cells.next()?;
    let cause = cells.one_of(&Cause::ALL, "cause of an occurrence")?;
    let (first, last) = (cells.instant()?, cells.instant()?);
    let result: u8 = cells.next()?;
    let work = cells.next::<Option<i64>>()?.map(|key| Key::from_raw(key as u64));
    let result = decode_result(result, work)?;
    Ok(OccurrenceRow { key, schedule, generation, cause, first, last, result, detail: cells.next()? })
}
