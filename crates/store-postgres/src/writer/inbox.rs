//! Takes rows out of the inbox: in the transaction of the commit that inserts their tasks, or by themselves.

use mainspring_store::{Dismissed, Error, Fence};
use tokio_postgres::types::Type;

use super::{Writer, fence_check};
use crate::sql::{BEGIN_WRITING, Statement};

/// Fails where a row is not there: somebody else has taken it. The text is not a number, which is what makes it fail.
const TAKE: &str = "WITH gone AS (DELETE FROM @inbox WHERE shard = $1 AND number = ANY($2) RETURNING 1)
    SELECT CASE WHEN count(*) = $3 THEN 0 ELSE (count(*) || ' rows of the inbox are there of ' || $3)::integer END
    FROM gone";

const DISMISS: &str = "WITH gone AS (
        DELETE FROM @inbox AS i USING unnest($2, $3) AS v(number, reason) WHERE i.shard = $1 AND i.number = v.number
        RETURNING i.number, i.at, i.task_id, i.task, v.reason
    )
    INSERT INTO @inbox_rejected (number, at, task_id, task, reason)
        SELECT number, at, task_id, task, reason FROM gone WHERE reason IS NOT NULL";

/// A statement that takes out rows whose tasks the same transaction inserts.
pub(super) fn take(fence: &Fence, taken: &[i64]) -> Statement<'static> {
    Statement::new(TAKE).int(i64::from(fence.shard.0)).ints(taken.to_vec()).int(taken.len() as i64)
}

impl Writer {
    pub(super) async fn dismiss(&mut self, fence: &Fence, rows: &[Dismissed]) -> Result<(), Error> {
        self.owned(fence)?;
        let reasons = rows.iter().map(|row| row.reason.as_deref().map(crate::text::stored)).collect::<Vec<_>>();
        let dismiss = Statement::new(DISMISS).int(i64::from(fence.shard.0));
        let dismiss = dismiss.ints(rows.iter().map(|row| row.number).collect()).bind(reasons, Type::TEXT_ARRAY);
        let done = self.session().await?.transact(BEGIN_WRITING, vec![fence_check(fence), dismiss]).await;
        done.map(|_| ()).map_err(|failure| self.failed(fence.shard, failure))
    }
}
