//! Folds the counts, and forgets feed rows, records of the ledger, claims and refused tasks of the inbox that nobody needs any
//! longer. The partitions of the feed are dropped elsewhere (`history.rs`).

use mainspring_core::time::Timestamp;
use mainspring_store::{Error, Fence, ShardId};

use super::{Writer, fence_check};
use crate::failure::Failure;
use crate::rows::Cells;
use crate::sql::{BEGIN_WRITING, Statement};

/// The differences that are not folded yet, of shard `#`.
const DIFFERENCES: &str = "SELECT entry ->> 0 AS tenant, entry ->> 1 AS queue, (entry ->> 2)::smallint AS status,
        sum((entry ->> 3)::bigint)::bigint AS number
    FROM @folds AS s JOIN @feed AS f ON f.shard = s.shard AND f.number > s.folded AND f.time >= s.time,
        jsonb_array_elements(f.counts) AS entry
    WHERE s.shard = # GROUP BY 1, 2, 3";

/// They are no longer read from then on. Where there is a partition for them they stay in it until it is dropped.
const FORGET_FEED: &str = "WITH oldest AS (
        SELECT number, at FROM @feed
        WHERE shard = # AND number > (SELECT pruned FROM @folds WHERE shard = #)
            AND number <= (SELECT folded FROM @folds WHERE shard = #) AND at IS NOT NULL
        ORDER BY number LIMIT $2
    ), old AS (
        SELECT max(number) AS number, count(*) AS events FROM oldest
        WHERE number < coalesce((SELECT min(number) FROM oldest WHERE at >= $1), 9223372036854775807)
    ), gone AS (
        DELETE FROM @feed_rest AS f USING old WHERE f.shard = # AND f.number <= old.number
    ), noted AS (
        UPDATE @folds AS s SET pruned = old.number FROM old WHERE s.shard = # AND old.number IS NOT NULL
    )
    SELECT events FROM old";

const FORGET_CLAIMS: &str = "WITH gone AS (
        DELETE FROM @claims WHERE shard = # AND (kind, text, tenant) IN (
            SELECT kind, text, tenant FROM @claims WHERE shard = # AND expires_at < $1
            ORDER BY kind, tenant, text LIMIT $2
        ) RETURNING 1
    )
    SELECT count(*) FROM gone";

/// As long as the feed is kept. They are of no shard; the control shard forgets them.
const FORGET_REJECTED: &str = "WITH gone AS (
        DELETE FROM @inbox_rejected WHERE number IN (
            SELECT number FROM @inbox_rejected WHERE rejected_at < to_timestamp($1 / 1000.0) ORDER BY number LIMIT $2
        ) RETURNING 1
    )
    SELECT count(*) FROM gone";

/// A statement about one shard, which stands as `#`.
pub(super) fn of_shard(sql: &str, shard: ShardId) -> Statement<'static> {
    Statement::new(sql.replace('#', &shard.0.to_string()))
}

/// Adds the counts of a query (`tenant, queue, status, number`; the shard stands as `#`) to those of the shard.
pub(super) fn add_counts(
    shard: ShardId,
    out: &mut Vec<Statement<'_>>,
    query: &str,
    bind: impl Fn(Statement<'static>) -> Statement<'static>,
) {
    for (which, names) in [("IS NOT NULL", "tenant, queue, status"), ("IS NULL", "tenant, status")] {
        let sql = format!(
            "INSERT INTO @counts AS c (shard, tenant, queue, status, number)
                SELECT #, tenant, queue, status, number FROM ({query}) AS d WHERE queue {which} AND number <> 0
            ON CONFLICT (shard, {names}) WHERE queue {which} DO UPDATE SET number = c.number + excluded.number"
        );
        out.push(bind(of_shard(&sql, shard)));
    }
}

/// Folds what the feed rows since the last fold say into the rows that are kept.
pub(super) fn fold(shard: ShardId, out: &mut Vec<Statement<'_>>) {
    add_counts(shard, out, DIFFERENCES, |statement| statement);
    out.push(of_shard(
        "UPDATE @folds AS s
        SET time = f.time, sequence = f.sequence, lease = f.lease, folded = f.number
        FROM (SELECT * FROM @feed WHERE shard = # AND time >= (SELECT time FROM @folds WHERE shard = #)
            ORDER BY number DESC LIMIT 1) AS f
        WHERE s.shard = # AND f.number > s.folded",
        shard,
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
        fold(fence.shard, &mut statements);
        let before = statements.len();
        statements.push(of_shard(FORGET_FEED, fence.shard).int(feed_before.as_millis()).int(limit));
        let young = mainspring_store::record::first_key_at(feed_before).raw() as i64;
        statements.push(of_shard(super::schedules::FORGET_OCCURRENCES, fence.shard).int(young).int(limit));
        statements.push(of_shard(FORGET_CLAIMS, fence.shard).int(now.as_millis()).int(limit));
        if fence.shard == ShardId::CONTROL {
            statements.push(Statement::new(FORGET_REJECTED).int(feed_before.as_millis()).int(limit));
        }
        let answers = self.session().await?.transact(BEGIN_WRITING, statements).await;
        let forgotten = answers.and_then(|answers| {
            let counts = answers.iter().skip(before).filter_map(|rows| rows.first());
            counts.map(|row| Cells::of(row).wide()).sum::<Result<u64, Failure>>()
        });
        if forgotten.is_ok() {
            self.part(fence.shard).unfolded = 0;
        }
        forgotten.map_err(|failure| self.failed(fence.shard, failure))
    }
}
