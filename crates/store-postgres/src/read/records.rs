//! Reads what stands beside tasks and jobs: attempts, outputs, logs, the feed, definitions, counts, audit.

use std::collections::HashMap;
use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::JobStatus;
use mainspring_core::row::{AuditRow, DefinitionRow, FeedPosition};
use mainspring_core::task::{Attempt, TaskStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::record::decode_feed;
use mainspring_store::{DefinitionFilter, FeedPage, LogPage, ShardId, log_cut, text_tail};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::failure::Failure;
use crate::rows::{
    ATTEMPT_COLUMNS, Bodies, Cells, LOG_COLUMNS, TaskDecoder, attempt, definition_kind, log, task_columns,
};
use crate::sql::{BEGIN_READING, Session, Statement};
use crate::text::stored;

/// Feed rows that are read at a time.
const FEED_ROWS: usize = 128;
/// Log chunks that are read at a time where only their end is wanted.
const TAIL_ROWS: i64 = 32;

/// What belongs to a task that was deleted may still be in its partition.
const STANDS: &str = "EXISTS (SELECT 1 FROM @tasks WHERE key = $1)";

pub(super) async fn attempts(db: Arc<Session>, task: Key) -> Result<Vec<Attempt>, Failure> {
    let key = task.raw() as i64;
    let last = format!("SELECT {} FROM @tasks AS t WHERE key = $1", task_columns(Bodies::Left));
    let asked = vec![
        Statement::new(format!("{ATTEMPT_COLUMNS} WHERE task = $1 AND {STANDS} ORDER BY number")).int(key),
        Statement::new(last).int(key),
    ];
    let answers = db.transact(BEGIN_READING, asked).await?;
    let mut found = answers[0].iter().map(attempt).collect::<Result<Vec<_>, _>>()?;
    if let Some(row) = answers[1].first() {
        found.extend(TaskDecoder::new(Bodies::Left).decode(row)?.row.state.last);
    }
    Ok(found)
}

pub(super) async fn output(db: Arc<Session>, task: Key) -> Result<Option<Arc<str>>, Failure> {
    let asked =
        Statement::new(format!("SELECT output FROM @outputs WHERE task = $1 AND {STANDS}")).int(task.raw() as i64);
    db.query(asked).await?.first().map(|row| Cells::of(row).name()).transpose()
}

pub(super) async fn outputs(db: Arc<Session>, tasks: Vec<Key>) -> Result<Vec<(Key, Arc<str>)>, Failure> {
    let keys = tasks.iter().map(|task| task.raw() as i64).collect();
    let sql = "SELECT task, output FROM @outputs AS o WHERE task = ANY($1)
        AND EXISTS (SELECT 1 FROM @tasks WHERE key = o.task)";
    let rows = db.query(Statement::new(sql).ints(keys)).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let mut cells = Cells::of(row);
        found.insert(cells.key()?, cells.name()?);
    }
    Ok(tasks.iter().filter_map(|task| found.remove_entry(task)).collect())
}

pub(super) async fn logs(
    db: Arc<Session>,
    task: Key,
    number: u32,
    after: u64,
    limit: usize,
) -> Result<LogPage, Failure> {
    let bound = |sql: String| Statement::new(sql).int(task.raw() as i64).int(i64::from(number)).int(after as i64);
    let before =
        "SELECT total FROM @logs WHERE task = $1 AND attempt = $2 AND number < $3 ORDER BY number DESC LIMIT 1";
    let page = format!(
        "{LOG_COLUMNS} WHERE task = $1 AND attempt = $2 AND number >= $3 AND {STANDS} ORDER BY number LIMIT $4"
    );
    let asked = vec![bound(before.to_owned()), bound(page).int(limit as i64)];
    let answers = db.transact(BEGIN_READING, asked).await?;
    let mut total = answers[0].first().map(|row| Cells::of(row).wide()).transpose()?.unwrap_or_default();
    let (mut items, mut next) = (Vec::new(), after);
    for row in &answers[1] {
        let (row, end) = log(task, number, row)?;
        let cut = end.saturating_sub(row.data.len() as u64).saturating_sub(total);
        if cut > 0 {
            items.push(log_cut(task, number, row.number, row.at, cut));
        }
        total = end;
        next = row.number + 1;
        items.push(row);
    }
    Ok(LogPage { items, next })
}

pub(super) async fn log_tail(db: Arc<Session>, task: Key, number: u32, bytes: usize) -> Result<String, Failure> {
    let sql = format!(
        "{LOG_COLUMNS} WHERE task = $1 AND attempt = $2 AND number < $3 AND {STANDS} ORDER BY number DESC LIMIT {TAIL_ROWS}"
    );
    let (mut parts, mut length, mut below) = (Vec::new(), 0, i64::MAX);
    loop {
        let asked = Statement::new(sql.as_str()).int(task.raw() as i64).int(i64::from(number)).int(below);
        let rows = db.query(asked).await?;
        for row in &rows {
            let (row, _) = log(task, number, row)?;
            below = row.number as i64;
            if length < bytes {
                length += row.data.len();
                parts.push(row.data);
            }
        }
        if length >= bytes || (rows.len() as i64) < TAIL_ROWS {
            break;
        }
    }
    parts.reverse();
    Ok(text_tail(&parts.concat(), bytes).to_owned())
}

pub(super) async fn feed(
    db: Arc<Session>,
    shard: ShardId,
    after: FeedPosition,
    limit: usize,
) -> Result<FeedPage, Failure> {
    // Whoever follows the news needs what came since the last fold, which is in the newest partitions.
    let events = "SELECT number, data FROM @feed WHERE shard = $3 AND number >= $1 AND data IS NOT NULL
            AND number > (SELECT pruned FROM @folds WHERE shard = $3)
            AND time >= (SELECT CASE WHEN $1 > folded THEN time ELSE '-9223372036854775808' END FROM @folds WHERE shard = $3)
        ORDER BY number LIMIT $2";
    let ends = "SELECT s.pruned, coalesce(f.number, s.folded), f.data FROM @folds AS s
        LEFT JOIN LATERAL (SELECT number, data FROM @feed WHERE shard = $1 AND number > s.pruned AND time >= s.time
            ORDER BY number DESC LIMIT 1) AS f ON true
        WHERE s.shard = $1";
    let shard = i64::from(shard.0);
    let (mut items, mut from) = (Vec::new(), after.commit);
    loop {
        let events = Statement::new(events).int(from as i64).int(FEED_ROWS as i64).int(shard);
        let asked = vec![events, Statement::new(ends).int(shard)];
        let answers = db.transact(BEGIN_READING, asked).await?;
        for row in &answers[0] {
            let mut cells = Cells::of(row);
            let commit = cells.wide()?;
            let events = decode_feed(cells.bytes()?)?;
            let placed = events.into_iter().zip(0..).map(|(event, index)| (FeedPosition { commit, index }, event));
            items.extend(placed.filter(|(position, _)| *position > after).take(limit - items.len()));
            from = commit + 1;
        }
        if items.len() >= limit || answers[0].len() < FEED_ROWS {
            return page(items, &answers[1]);
        }
    }
}

fn page(items: Vec<(FeedPosition, mainspring_core::row::Transition)>, ends: &[Row]) -> Result<FeedPage, Failure> {
    let row = ends.first().ok_or_else(|| Failure::Diverged("the row of the shard is gone".to_owned()))?;
    let mut cells = Cells::of(row);
    let (pruned, commit) = (cells.wide()?, cells.wide()?);
    let length = decode_feed(cells.bytes()?)?.len();
    let earliest = if pruned == 0 { 0 } else { pruned + 1 };
    Ok(FeedPage {
        items,
        earliest: FeedPosition { commit: earliest, index: 0 },
        latest: FeedPosition { commit, index: length.saturating_sub(1) as u32 },
    })
}

pub(super) async fn definitions(db: Arc<Session>, filter: DefinitionFilter) -> Result<Vec<DefinitionRow>, Failure> {
    let sql = "SELECT kind, tenant, name, version, body, at, actor FROM @definitions
        WHERE kind = $1 AND ($2 IS NULL OR tenant = $2) AND ($3 IS NULL OR name = $3)
        ORDER BY tenant, name, version DESC";
    let asked = Statement::new(sql)
        .int(filter.kind as i64)
        .bind(filter.tenant.as_deref().map(stored), Type::TEXT)
        .bind(filter.name.as_deref().map(stored), Type::TEXT);
    let mut found: Vec<DefinitionRow> = Vec::new();
    for row in &db.query(asked).await? {
        let mut cells = Cells::of(row);
        let row = DefinitionRow {
            kind: definition_kind(&mut cells)?,
            tenant: cells.name()?,
            name: cells.name()?,
            version: cells.small()?,
            body: cells.name_or_null()?,
            at: cells.instant()?,
            actor: cells.name()?,
        };
        let older = found.last().is_some_and(|last| last.tenant == row.tenant && last.name == row.name);
        if filter.name.is_some() || !older {
            found.push(row);
        }
    }
    if filter.name.is_none() {
        found.retain(|row| row.body.is_some());
    }
    Ok(found)
}

pub(super) async fn task_counts(
    db: Arc<Session>,
    tenant: Option<Name>,
    bound: u64,
) -> Result<Vec<(Name, TaskStatus, u64)>, Failure> {
    let sql = "SELECT queue, status, sum(number)::bigint FROM @counts_now
        WHERE queue IS NOT NULL AND ($1 IS NULL OR tenant = $1)
        GROUP BY queue, status HAVING sum(number) > 0 ORDER BY queue, status";
    let asked = Statement::new(sql).bind(tenant.as_deref().map(stored), Type::TEXT);
    let read = |row: &Row| {
        let mut cells = Cells::of(row);
        Ok((cells.name()?, cells.one_of(&TaskStatus::ALL, "status of a task")?, cells.wide()?.min(bound)))
    };
    db.query(asked).await?.iter().map(read).collect()
}

pub(super) async fn job_counts(
    db: Arc<Session>,
    tenant: Option<Name>,
    bound: u64,
) -> Result<Vec<(JobStatus, u64)>, Failure> {
    let sql = "SELECT status, sum(number)::bigint FROM @counts_now
        WHERE queue IS NULL AND ($1 IS NULL OR tenant = $1) GROUP BY status HAVING sum(number) > 0 ORDER BY status";
    let asked = Statement::new(sql).bind(tenant.as_deref().map(stored), Type::TEXT);
    let read = |row: &Row| {
        let mut cells = Cells::of(row);
        Ok((cells.one_of(&JobStatus::ALL, "status of a job")?, cells.wide()?.min(bound)))
    };
    db.query(asked).await?.iter().map(read).collect()
}

pub(super) async fn audit(db: Arc<Session>, until: Option<Timestamp>, limit: usize) -> Result<Vec<AuditRow>, Failure> {
    // Several shards write it.
    let sql =
        "SELECT at, actor, action, target, detail FROM @audit WHERE at <= $1 ORDER BY at DESC, number DESC LIMIT $2";
    let read = |row: &Row| {
        let mut cells = Cells::of(row);
        Ok(AuditRow {
            at: cells.instant()?,
            actor: cells.name()?,
            action: cells.name()?,
            target: cells.name()?,
            detail: cells.name()?,
        })
    };
    let until = until.map_or(i64::MAX, Timestamp::as_millis);
    db.query(Statement::new(sql).int(until).int(limit as i64)).await?.iter().map(read).collect()
}
