//! Reads schedules and their ledger.

use mainspring_core::id::Key;
use mainspring_core::schedule::{Cause, OccurrenceRow, Overlap, ScheduleName, ScheduleRow};
use mainspring_store::record::{decode_result, decode_schedule_state};
use tokio_postgres::Row;

use super::Cells;
use crate::failure::Failure;

/// The start of a query whose rows [`schedule`] reads.
pub(crate) const SCHEDULE_COLUMNS: &str =
    "SELECT name, tenant, overlap, of_definition, created_at, body, state FROM @schedules";

/// Reads a schedule.
pub(crate) fn schedule(row: &Row) -> Result<ScheduleRow, Failure> {
    let mut cells = Cells::of(row);
    let (name, tenant) = (cells.name()?, cells.name()?);
    Ok(ScheduleRow {
        id: ScheduleName { tenant, name },
        overlap: cells.one_of(&Overlap::ALL, "overlap of a schedule")?,
        of_definition: cells.flag()?,
        created_at: cells.instant()?,
        body: cells.name()?,
        state: decode_schedule_state(&cells.text()?.unwrap_or_default())?,
    })
}

/// The start of a query whose rows [`occurrence`] reads.
pub(crate) const OCCURRENCE_COLUMNS: &str =
    "SELECT key, tenant, name, generation, cause, first, last, result, work, detail FROM @occurrences";

/// Reads a record of the ledger.
pub(crate) fn occurrence(row: &Row) -> Result<OccurrenceRow, Failure> {
    let mut cells = Cells::of(row);
    let key = cells.key()?;
    let schedule = ScheduleName { tenant: cells.name()?, name: cells.name()? };
    let generation = cells.small()?;
    let cause = cells.one_of(&Cause::ALL, "cause of an occurrence")?;
    let (first, last) = (cells.instant()?, cells.instant()?);
    let number = cells.int()?;
    let work = cells.int_or_null()?.map(|key| Key::from_raw(key as u64));
    let result = decode_result(u8::try_from(number).unwrap_or(u8::MAX), work)?;
    Ok(OccurrenceRow { key, schedule, generation, cause, first, last, result, detail: cells.name_or_null()? })
}
