//! Writes schedules and their ledger.

use mainspring_core::row::Changes;
use mainspring_core::schedule::{Next, ScheduleState};
use mainspring_store::ShardId;
use mainspring_store::record::{encode_result, encode_schedule_state};

use super::records::last_of;
use crate::columns::{Columns, small};
use crate::sql::Statement;

/// Forgets records of the ledger below a key; the shard stands as `#`.
pub(super) const FORGET_OCCURRENCES: &str = "WITH gone AS (
        DELETE FROM @occurrences WHERE key IN (
            SELECT key FROM @occurrences WHERE shard = # AND key < $1 ORDER BY key LIMIT $2
        ) RETURNING 1
    )
    SELECT count(*) FROM gone";

fn next_due(state: &ScheduleState) -> Option<i64> {
    match state.next {
        Next::At { due, .. } if !state.paused => Some(due.as_millis()),
        _ => None,
    }
}

/// Adds what changed of schedules, in the order of the fields of [`Changes`].
pub(super) fn schedules<'a>(shard: ShardId, changes: &'a Changes, out: &mut Vec<Statement<'a>>) {
    let gone = last_of(&changes.delete_schedules, |id| id);
    if !gone.is_empty() {
        let mut columns = Columns::new(gone.len());
        columns.texts("name", gone.iter().map(|id| Some(&*id.name)));
        columns.texts("tenant", gone.iter().map(|id| Some(&*id.tenant)));
        out.push(columns.delete("@schedules"));
    }
    let puts = last_of(&changes.put_schedules, |row| &row.id);
    if !puts.is_empty() {
        let mut columns = Columns::new(puts.len());
        columns.texts("name", puts.iter().map(|row| Some(&*row.id.name)));
        columns.texts("tenant", puts.iter().map(|row| Some(&*row.id.tenant)));
        columns.ints("shard", puts.iter().map(|_| Some(i64::from(shard.0))));
        columns.ints("overlap", puts.iter().map(|row| Some(row.overlap as i64)));
        columns.flags("of_definition", puts.iter().map(|row| row.of_definition));
        columns.ints("created_at", puts.iter().map(|row| Some(row.created_at.as_millis())));
        columns.texts("body", puts.iter().map(|row| Some(&*row.body)));
        state(&mut columns, puts.iter().map(|row| &row.state));
        out.push(columns.put("@schedules", "name, tenant"));
    }
    // Each a statement of its own: an update by arrays goes by one column, and these have two.
    for (id, new) in &changes.update_schedules {
        let sql = "UPDATE @schedules SET generation = $3, paused = $4, next_due = $5, state = $6
            WHERE name = $1 AND tenant = $2";
        let statement = Statement::new(sql).text(&id.name).text(&id.tenant).int(i64::from(new.generation as i32));
        let statement = statement.bind(new.paused, tokio_postgres::types::Type::BOOL);
        let statement = statement.bind(next_due(new), tokio_postgres::types::Type::INT8);
        out.push(statement.bind(encode_schedule_state(new), tokio_postgres::types::Type::TEXT));
    }
    occurrences(shard, changes, out);
}

fn state<'a, 's>(columns: &mut Columns<'a>, states: impl Iterator<Item = &'s ScheduleState> + Clone) {
    columns.ints("generation", states.clone().map(|state| small(state.generation)));
    columns.flags("paused", states.clone().map(|state| state.paused));
    columns.ints("next_due", states.clone().map(next_due));
    columns.made("state", states.map(|state| Some(encode_schedule_state(state))));
}

fn occurrences<'a>(shard: ShardId, changes: &'a Changes, out: &mut Vec<Statement<'a>>) {
    let rows = last_of(&changes.insert_occurrences, |row| row.key);
    if rows.is_empty() {
        return;
    }
    let mut columns = Columns::new(rows.len());
    columns.ints("key", rows.iter().map(|row| Some(row.key.raw() as i64)));
    columns.ints("shard", rows.iter().map(|_| Some(i64::from(shard.0))));
    columns.texts("name", rows.iter().map(|row| Some(&*row.schedule.name)));
    columns.texts("tenant", rows.iter().map(|row| Some(&*row.schedule.tenant)));
    columns.ints("generation", rows.iter().map(|row| small(row.generation)));
    columns.ints("cause", rows.iter().map(|row| Some(row.cause as i64)));
    columns.ints("first", rows.iter().map(|row| Some(row.first.as_millis())));
    columns.ints("last", rows.iter().map(|row| Some(row.last.as_millis())));
    columns.ints("result", rows.iter().map(|row| Some(i64::from(encode_result(row.result).0))));
    columns.ints("work", rows.iter().map(|row| encode_result(row.result).1.map(|key| key.raw() as i64)));
    columns.texts("detail", rows.iter().map(|row| row.detail.as_deref()));
    out.push(columns.put("@occurrences", "key"));
}
