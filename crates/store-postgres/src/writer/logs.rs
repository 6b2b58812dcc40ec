//! Writes log chunks: each carries the running total of its attempt, and a flood loses its middle.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use mainspring_core::id::Key;
use mainspring_core::row::LogRow;
use mainspring_store::{LogTrim, log_trim};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::columns::{Columns, small};
use crate::failure::Failure;
use crate::rows::{Cells, deflate};
use crate::sql::Statement;

/// What is stored of the attempts that print.
#[derive(Default)]
pub(super) struct Printed {
    totals: BTreeMap<(Key, u32), u64>,
    /// Chunks that are there already.
    numbers: BTreeSet<(Key, u32, u64)>,
}

/// Asks for what is stored of the attempts of these chunks.
pub(super) fn ask(rows: &[LogRow], out: &mut Vec<Statement<'_>>) {
    let attempts: BTreeSet<(Key, u32)> = rows.iter().map(|row| (row.task, row.attempt)).collect();
    let totals = "SELECT v.task, v.attempt,
            (SELECT total FROM @logs AS l WHERE l.task = v.task AND l.attempt = v.attempt 
                AND l.task >= $3 AND l.task <= $4 ORDER BY number DESC LIMIT 1)
        FROM unnest($1, $2) AS v(task, attempt)";
    // The bounds say which partitions are concerned.
    let bound = |key: Option<Key>| key.map_or(0, |key| key.raw() as i64);
    let first = bound(attempts.first().map(|(task, _)| *task));
    let last = bound(attempts.last().map(|(task, _)| *task));
    let tasks = attempts.iter().map(|(task, _)| task.raw() as i64).collect();
    let totals = Statement::new(totals).ints(tasks);
    let numbers = attempts.iter().map(|(_, attempt)| i64::from(*attempt)).collect();
    out.push(totals.ints(numbers).int(first).int(last));
    let known = "SELECT l.task, l.attempt, l.number FROM unnest($1, $2, $3) AS v(task, attempt, number)
        JOIN @logs AS l ON l.task = v.task AND l.attempt = v.attempt AND l.number = v.number
            AND l.task >= $4 AND l.task <= $5";
    let known = Statement::new(known).ints(rows.iter().map(|row| row.task.raw() as i64).collect());
    let known = known.ints(rows.iter().map(|row| i64::from(row.attempt)).collect());
    out.push(known.ints(rows.iter().map(|row| row.number as i64).collect()).int(first).int(last));
}

impl Printed {
    /// Reads the answers to [`ask`].
    pub(super) fn read(totals: &[Row], numbers: &[Row]) -> Result<Self, Failure> {
        let mut out = Self::default();
        for row in totals {
            let mut cells = Cells::of(row);
            let attempt = (cells.key()?, cells.small()?);
            out.totals.insert(attempt, cells.int_or_null()?.unwrap_or_default() as u64);
        }
        for row in numbers {
            let mut cells = Cells::of(row);
            out.numbers.insert((cells.key()?, cells.small()?, cells.wide()?));
        }
        Ok(out)
    }
}

/// Writes the chunks that are new, then cuts what is too much.
pub(super) fn statements<'a>(rows: &'a [LogRow], mut printed: Printed, out: &mut Vec<Statement<'a>>) {
    let mut fresh: Vec<(&LogRow, u64)> = Vec::with_capacity(rows.len());
    let mut cuts: BTreeMap<(Key, u32), LogTrim> = BTreeMap::new();
    for row in rows {
        if !printed.numbers.insert((row.task, row.attempt, row.number)) {
            continue;
        }
        let total = printed.totals.entry((row.task, row.attempt)).or_default();
        let before = *total;
        *total += row.data.len() as u64;
        fresh.push((row, *total));
        if let Some(trim) = log_trim(before, *total) {
            cuts.insert((row.task, row.attempt), trim);
        }
    }
    if fresh.is_empty() {
        return;
    }
    let packed: Vec<Option<Vec<u8>>> = fresh.iter().map(|(row, _)| deflate(&row.data)).collect();
    let mut columns = Columns::new(fresh.len());
    columns.ints("task", fresh.iter().map(|(row, _)| Some(row.task.raw() as i64)));
    columns.ints("attempt", fresh.iter().map(|(row, _)| small(row.attempt)));
    columns.ints("number", fresh.iter().map(|(row, _)| Some(row.number as i64)));
    columns.ints("stream", fresh.iter().map(|(row, _)| Some(row.stream as i64)));
    columns.ints("at", fresh.iter().map(|(row, _)| Some(row.at.as_millis())));
    columns.ints("bytes", fresh.iter().map(|(row, _)| Some(row.data.len() as i64)));
    columns.ints("total", fresh.iter().map(|(_, total)| Some(*total as i64)));
    columns.flags("deflated", packed.iter().map(Option::is_some));
    let data = fresh.iter().zip(packed).map(|((row, _), packed)| match packed {
        Some(bytes) => Cow::Owned(bytes),
        None => Cow::Borrowed(row.data.as_bytes()),
    });
    columns.bytes("data", data);
    out.push(columns.insert("@logs", "ON CONFLICT DO NOTHING"));
    for ((task, attempt), trim) in cuts {
        let cut = "DELETE FROM @logs WHERE task = $1 AND attempt = $2 AND total - bytes >= $3 AND total <= $4";
        let cut = Statement::new(cut).int(task.raw() as i64).int(i64::from(attempt));
        out.push(cut.bind(trim.from as i64, Type::INT8).bind(trim.to as i64, Type::INT8));
    }
}
