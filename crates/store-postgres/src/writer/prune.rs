//! Folds the counts, and forgets feed rows and claims that nobody needs any longer.

use mainspring_core::time::Timestamp;
use mainspring_store::{Error, Fence};

use super::{Writer, fence_check};
use crate::failure::Failure;
use crate::rows::Cells;
use crate::sql::{BEGIN_WRITING, Statement};

/// The differences that are not folded yet.
const DIFFERENCES: &str = "SELECT entry ->> 0 AS tenant, entry ->> 1 AS queue, (entry ->> 2)::smallint AS status,
        sum((entry ->> 3)::bigint)::bigint AS number
    FROM @shards AS s JOIN @feed AS f ON f.shard = s.id AND f.number > s.folded, jsonb_array_elements(f.counts) AS entry
    WHERE s.id = 0 GROUP BY 1, 2, 3";

const FORGET_FEED: &str = "WITH oldest AS (
        SELECT f.number, f.at FROM @feed AS f, @shards AS s
        WHERE s.id = 0 AND f.shard = 0 AND f.number <= s.folded AND f.at IS NOT NULL ORDER BY f.number LIMIT $2
    ), old AS (
        SELECT max(number) AS number FROM oldest
        WHERE number < coalesce((SELECT min(number) FROM oldest WHERE at >= $1), 9223372036854775807)
    ), gone AS (
        DELETE FROM @feed USING old WHERE feed.shard = 0 AND feed.number <= old.number RETURNING feed.at
    ), noted AS (
        UPDATE @shards AS s SET pruned = old.number FROM old WHERE s.id = 0 AND old.number IS NOT NULL
    )
    SELECT count(at) FROM gone";

const FORGET_CLAIMS: &str = "WITH gone AS (
        DELETE FROM @claims WHERE (kind, text, tenant) IN (
            SELECT kind, text, tenant FROM @claims WHERE expires_at < $1 ORDER BY kind, tenant, text LIMIT $2
        ) RETURNING 1
    )
    SELECT count(*) FROM gone";

/// Adds the counts of a query (`tenant, queue, status, number`) to those that stand.
pub(super) fn add_counts(
    out: &mut Vec<Statement<'_>>,
    query: &str,
    bind: impl Fn(Statement<'static>) -> Statement<'static>,
) {
    for (which, names) in [("IS NOT NULL", "tenant, queue, status"), ("IS NULL", "tenant, status")] {
        out.push(bind(Statement::new(format!(
            "INSERT INTO @counts AS c (tenant, queue, status, number)
                SELECT tenant, queue, status, number FROM ({query}) AS d WHERE queue {which} AND number <> 0
            ON CONFLICT ({names}) WHERE queue {which} DO UPDATE SET number = c.number + excluded.number"
        ))));
    }
}

/// Folds what the feed rows since the last fold say into the rows that are kept.
pub(super) fn fold(out: &mut Vec<Statement<'_>>) {
    add_counts(out, DIFFERENCES, |statement| statement);
    out.push(Statement::new(
        "UPDATE @shards AS s
        SET time = f.time, sequence = f.sequence, lease = f.lease, folded = f.number
        FROM (SELECT * FROM @feed WHERE shard = 0 ORDER BY number DESC LIMIT 1) AS f
        WHERE s.id = 0 AND f.number > s.folded",
    ));
}

impl Writer {
    pub(super) async fn prune(
        &mut self,
        fence: &Fence,
        feed_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<u64, Error> {
        self.owned(fence)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statements = vec![fence_check(fence)];
        fold(&mut statements);
        statements.push(Statement::new(FORGET_FEED).int(feed_before.as_millis()).int(limit));
        statements.push(Statement::new(FORGET_CLAIMS).int(now.as_millis()).int(limit));
        let answers = self.session().await?.transact(BEGIN_WRITING, statements).await;
        let forgotten = answers.and_then(|answers| {
            let counts = answers.iter().rev().take(2).filter_map(|rows| rows.first());
            counts.map(|row| Cells::of(row).wide()).sum::<Result<u64, Failure>>()
        });
        if forgotten.is_ok() {
            self.unfolded = 0;
        }
        forgotten.map_err(|failure| self.failed(failure))
    }
}
