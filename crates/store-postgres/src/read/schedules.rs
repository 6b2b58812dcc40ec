//! Lists schedules and their ledger.

use std::sync::Arc;

use mainspring_core::id::Key;
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_store::{OccurrenceFilter, Page, ScheduleFilter};
use tokio_postgres::types::Type;

use crate::failure::Failure;
use crate::rows::{OCCURRENCE_COLUMNS, SCHEDULE_COLUMNS, occurrence, schedule};
use crate::sql::{Session, Statement};
use crate::text::stored;

pub(super) async fn schedules(
    db: Arc<Session>,
    filter: ScheduleFilter,
    after: Option<ScheduleName>,
    limit: usize,
) -> Result<Vec<ScheduleRow>, Failure> {
    let sql = format!(
        "{SCHEDULE_COLUMNS} WHERE (name, tenant) > ($1, $2) AND ($3 IS NULL OR tenant = $3)
            AND ($4 IS NULL OR name = $4) ORDER BY name, tenant LIMIT $5"
    );
    let (name, tenant) = after.as_ref().map_or(("", ""), |after| (&*after.name, &*after.tenant));
    let asked = Statement::new(sql)
        .text(name)
        .text(tenant)
        .bind(filter.tenant.as_deref().map(stored), Type::TEXT)
        .bind(filter.name.as_deref().map(stored), Type::TEXT)
        .int(limit as i64);
    db.query(asked).await?.iter().map(schedule).collect()
}

pub(super) async fn occurrences(
    db: Arc<Session>,
    filter: OccurrenceFilter,
    after: Option<Key>,
    limit: usize,
) -> Result<Page<OccurrenceRow>, Failure> {
    let by_instant = if filter.instant.is_some() { "first = $4" } else { "$4 IS NULL" };
    let sql = format!(
        "{OCCURRENCE_COLUMNS} WHERE name = $1 AND tenant = $2 AND key < $3 AND {by_instant} ORDER BY key DESC LIMIT $5"
    );
    let asked = Statement::new(sql)
        .text(&filter.schedule.name)
        .text(&filter.schedule.tenant)
        .int(after.map_or(i64::MAX, |key| key.raw() as i64))
        .bind(filter.instant.map(|at| at.as_millis()), Type::INT8)
        .int(limit as i64 + 1);
    let mut items = db.query(asked).await?.iter().map(occurrence).collect::<Result<Vec<_>, _>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|row| row.key);
    Ok(Page { items, next })
}
