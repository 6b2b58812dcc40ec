//! Finds what has ended long enough ago to be deleted, oldest first, and the claims that lead to it.
//!
//! Nothing is indexed by its end: that would cost every task. Old rows stand at the front of their table, and a mark
//! remembers how far the front holds nothing to delete, so that a deep backlog there is not looked at again and again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainspring_core::id::Key;
use mainspring_core::row::{ClaimName, ClaimRow};
use mainspring_core::time::Timestamp;

use crate::failure::Failure;
use crate::rows::{CLAIM_COLUMNS, Cells, claim};
use crate::sql::{BEGIN_READING, Session, Statement};

/// Rows that one call may look at.
const SCAN_ROWS_MAX: i64 = 50_000;

/// Which tasks have ended.
pub(super) const TASKS: (&str, &str) = ("@tasks", "job IS NULL AND status >= 5 AND ended_at < $3");
/// Which jobs have ended.
pub(super) const JOBS: (&str, &str) = ("@jobs", "parent IS NULL AND status >= 3 AND sweep IS NULL AND ended_at < $3");

type Found = Vec<(Key, Vec<ClaimName>)>;

pub(super) async fn ended(
    db: Arc<Session>,
    (table, condition): (&str, &str),
    mark: Arc<AtomicU64>,
    before: Timestamp,
    limit: usize,
) -> Result<Found, Failure> {
    // What was accepted at `before` or later has a larger sequence number than this, and ended later.
    let end = Key::first_sequence_at(before).saturating_add(1) << 12;
    let from = mark.load(Ordering::Relaxed);
    let bound =
        |sql: String| Statement::new(sql).int(from as i64).int(end as i64).int(before.as_millis()).int(limit as i64);
    let scanned = format!(
        "WITH scanned AS (
            SELECT key, coalesce({condition}, false) AS ended FROM {table} WHERE key > $1 AND key < $2
            ORDER BY key LIMIT {SCAN_ROWS_MAX}
        )"
    );
    let keys = bound(format!("{scanned} SELECT key FROM scanned WHERE ended ORDER BY key LIMIT $4"));
    let whole = bound(format!("{scanned} SELECT count(*), max(key), $4 FROM scanned"));
    let answers = db.transact(BEGIN_READING, vec![keys, whole]).await?;
    let keys = answers[0].iter().map(|row| Cells::of(row).key()).collect::<Result<Vec<_>, _>>()?;
    let mut cells = answers[1].first().map(Cells::of).ok_or_else(|| Failure::Diverged("no answer".to_owned()))?;
    let (seen, last) = (cells.int()?, cells.int_or_null()?.map_or(from, |key| key as u64));
    let is_cut = keys.len() >= limit || seen >= SCAN_ROWS_MAX;
    let next = match keys.first() {
        Some(first) if is_cut => first.raw() - 1,
        None if is_cut => last,
        // At the end it starts from the front again: there, something may have ended meanwhile.
        _ => 0,
    };
    mark.store(next, Ordering::Relaxed);
    with_claims(&db, keys).await
}

/// The claims that lead to these keys.
pub(super) async fn claims_to(db: Arc<Session>, keys: Vec<Key>) -> Result<Vec<ClaimRow>, Failure> {
    leading_to(&db, &keys).await
}

async fn leading_to(db: &Session, keys: &[Key]) -> Result<Vec<ClaimRow>, Failure> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("{CLAIM_COLUMNS} WHERE c.target = ANY($1) ORDER BY c.kind, c.tenant, c.text");
    let asked = Statement::new(sql).ints(keys.iter().map(|key| key.raw() as i64).collect());
    db.query(asked).await?.iter().map(claim).collect()
}

async fn with_claims(db: &Session, keys: Vec<Key>) -> Result<Found, Failure> {
    let mut claims: HashMap<Key, Vec<ClaimName>> = HashMap::new();
    for row in leading_to(db, &keys).await? {
        claims.entry(row.target).or_default().push(row.name);
    }
    Ok(keys.into_iter().map(|key| (key, claims.remove(&key).unwrap_or_default())).collect())
}
