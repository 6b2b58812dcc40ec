//! Jobs that were never published: a submission that was broken off leaves them, and a load removes them.

use mainspring_store::record::SweepRecord;
use mainspring_store::{Fence, ShardId};

use super::{Writer, fence_check, jobs, prune};
use crate::failure::Failure;
use crate::rows::Cells;
use crate::sql::{BEGIN_WRITING, Statement};

/// The query for the keys of the jobs that are not published yet.
pub(crate) fn staged_jobs() -> String {
    let from = SweepRecord::STAGING;
    format!("SELECT key FROM @jobs WHERE sweep IS NOT NULL AND sweep >= '{from}' AND sweep < '{from}~'")
}

/// That a key is of one shard among so many.
pub(super) fn is_of(column: &str, shard: ShardId, shards: u16) -> String {
    let (first, end) = shard.buckets(shards);
    format!("({column} & 4095) >= {first} AND ({column} & 4095) < {end}")
}

impl Writer {
    /// Folds the counts and deletes jobs that were never published, with their tasks, graphs and claims.
    pub(super) async fn clean(&mut self, fence: &Fence) -> Result<(), Failure> {
        let shard = fence.shard;
        let mut statements = vec![fence_check(fence)];
        prune::fold(shard, &mut statements);
        statements.push(Statement::new(format!("{} AND {}", staged_jobs(), is_of("key", shard, self.shards()))));
        let mut answers = self.session().await?.transact(BEGIN_WRITING, statements).await?;
        self.part(shard).unfolded = 0;
        let staged = answers.pop().unwrap_or_default();
        let staged = staged.iter().map(|row| Cells::of(row).int()).collect::<Result<Vec<_>, _>>()?;
        if staged.is_empty() {
            return Ok(());
        }
        tracing::info!(jobs = staged.len(), "removing jobs that were never published");
        let mut statements = vec![fence_check(fence)];
        let counts = "SELECT tenant, queue, status, -count(*) AS number FROM @tasks WHERE job = ANY($1)
                GROUP BY tenant, queue, status
            UNION ALL SELECT tenant, NULL, status, -count(*) FROM @jobs
                WHERE key = ANY($1) AND parent IS NULL GROUP BY tenant, status";
        prune::add_counts(shard, &mut statements, counts, |statement| statement.ints(staged.clone()));
        for sql in [
            &format!("DELETE FROM @claims WHERE target = ANY($1) AND shard = {}", shard.0),
            "DELETE FROM @claims AS c USING @tasks AS t WHERE t.job = ANY($1) AND c.target = t.key AND c.shard = t.shard",
            "DELETE FROM @attempts AS a USING @tasks AS t WHERE t.job = ANY($1) AND a.task = t.key",
            "DELETE FROM @outputs AS o USING @tasks AS t WHERE t.job = ANY($1) AND o.task = t.key",
            "DELETE FROM @logs AS l USING @tasks AS t WHERE t.job = ANY($1) AND l.task = t.key",
            "DELETE FROM @tasks WHERE job = ANY($1)",
            jobs::DELETE_GRAPHS,
            "DELETE FROM @jobs WHERE key = ANY($1)",
        ] {
            statements.push(Statement::new(sql).ints(staged.clone()));
        }
        self.session().await?.transact(BEGIN_WRITING, statements).await?;
        Ok(())
    }
}
