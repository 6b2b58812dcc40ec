//! Commits: one transaction and one round trip, after one more where something must be known first. A commit that only
//! touches rows in the core's memory needs no such question. There is one shard, so a call has one transaction; those of
//! several shards would share it.

use mainspring_core::row::{Changes, HighWater};
use mainspring_store::record::encode_feed;
use mainspring_store::{CommitAnswer, Error, Fence, ShardCommit, ShardId};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::logs::{self, Printed};
use super::{Writer, fence_check, jobs, own, prune, records, tasks};
use crate::failure::Failure;
use crate::rows::Cells;
use crate::sql::{BEGIN_READING, BEGIN_WRITING, Statement};

/// Commits after which the counts are folded: as many feed rows are summed up where counts are asked for.
const FOLD_AFTER: u32 = 256;

impl Writer {
    pub(super) async fn commit(&mut self, commits: &[ShardCommit]) -> Vec<CommitAnswer> {
        let mut answers = Vec::with_capacity(commits.len());
        for commit in commits {
            let answer = match self.judge(&commit.fence).await {
                Some(answer) => answer,
                None => match self.write(commit).await {
                    Ok(()) => CommitAnswer::Committed,
                    Err(failure) => self.give_up(failure).await,
                },
            };
            answers.push(answer);
        }
        answers
    }

    /// The answer to a commit that cannot be tried.
    async fn judge(&mut self, fence: &Fence) -> Option<CommitAnswer> {
        if self.fence.as_ref() == Some(fence) {
            return None;
        }
        if fence.shard == ShardId(0) && (fence.incarnation, fence.epoch) == self.seen {
            let reason = "an earlier commit is unknown, the shard must be acquired again".to_owned();
            return Some(CommitAnswer::Unknown { reason });
        }
        Some(CommitAnswer::Rejected { epoch: self.epoch_in_force().await.unwrap_or(self.seen.1) })
    }

    async fn epoch_in_force(&mut self) -> Result<u64, Error> {
        let asked = Statement::new("SELECT epoch FROM @shards WHERE id = 0");
        let rows = self.session().await?.query(asked).await?;
        let epoch = rows.first().map(|row| Cells::of(row).wide()).transpose()?;
        Ok(epoch.unwrap_or_default().max(self.seen.1))
    }

    /// After an error nothing was applied, unless the connection was lost: then nobody knows. The caller hears `Unknown`
    /// either way, since its memory is not what is stored.
    async fn give_up(&mut self, failure: Failure) -> CommitAnswer {
        let (lost, reason) = (own::is_lost(&failure), failure.to_string());
        _ = self.failed(failure);
        self.disown();
        if lost {
            return CommitAnswer::Rejected { epoch: self.epoch_in_force().await.unwrap_or(self.seen.1) };
        }
        CommitAnswer::Unknown { reason }
    }

    async fn write(&mut self, commit: &ShardCommit) -> Result<(), Failure> {
        let (changes, last) = (&*commit.changes, self.last);
        let next = changes.high_water.commit;
        if next != last + 1 {
            return Err(Failure::Diverged(format!("commit {next} does not follow commit {last}")));
        }
        let printed = self.ask(changes).await?;
        self.counts.change(changes);
        let mut statements = vec![fence_check(&commit.fence)];
        tasks::statements(changes, &mut statements)?;
        jobs::statements(changes, &mut statements);
        records::before_logs(changes, &mut statements);
        logs::statements(&changes.insert_logs, printed, &mut statements);
        records::after_logs(changes, &mut statements);
        statements.push(feed(commit.fence.shard, changes, self.counts.take()));
        let fold = self.unfolded >= FOLD_AFTER;
        if fold {
            prune::fold(&mut statements);
        }
        self.session().await?.transact(BEGIN_WRITING, statements).await?;
        self.last = next;
        self.unfolded = if fold { 0 } else { self.unfolded + 1 };
        Ok(())
    }

    /// Finds out what must be known of rows before they are changed.
    async fn ask(&mut self, changes: &Changes) -> Result<Printed, Failure> {
        let (tasks, jobs) = self.counts.enter(changes);
        let mut asked = Vec::new();
        if !tasks.is_empty() {
            let sql = "SELECT key, tenant, status, queue FROM @tasks WHERE key = ANY($1)";
            asked.push(Statement::new(sql).ints(tasks));
        }
        if !jobs.is_empty() {
            asked.push(Statement::new("SELECT key, tenant, status FROM @jobs WHERE key = ANY($1)").ints(jobs));
        }
        if !changes.insert_logs.is_empty() {
            logs::ask(&changes.insert_logs, &mut asked);
        }
        if asked.is_empty() {
            return Ok(Printed::default());
        }
        let mut answers = self.session().await?.transact(BEGIN_READING, asked).await?;
        let printed = if changes.insert_logs.is_empty() {
            Printed::default()
        } else {
            let numbers = answers.pop().unwrap_or_default();
            Printed::read(&answers.pop().unwrap_or_default(), &numbers)?
        };
        answers.iter().flatten().try_for_each(|row| self.know(row))?;
        Ok(printed)
    }

    fn know(&mut self, row: &Row) -> Result<(), Failure> {
        let mut cells = Cells::of(row);
        let (key, tenant, status) = (cells.key()?, cells.name()?, cells.int()? as u8);
        if row.len() > 3 {
            self.counts.know_task(key, &tenant, &cells.name()?, status);
        } else {
            self.counts.know_job(key, &tenant, status);
        }
        Ok(())
    }
}

/// The row whose insert is the sequence.
fn feed(shard: ShardId, changes: &Changes, counts: Option<String>) -> Statement<'_> {
    let HighWater { time, sequence, lease, commit } = changes.high_water;
    let data = changes.feed.last().map(|_| encode_feed(&changes.feed));
    let sql = "INSERT INTO @feed (shard, number, time, sequence, lease, at, data, counts)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb)";
    Statement::new(sql)
        .int(i64::from(shard.0))
        .int(commit as i64)
        .int(time.as_millis())
        .int(sequence as i64)
        .int(lease as i64)
        .bind(changes.feed.last().map(|last| last.at.as_millis()), Type::INT8)
        .bind(data, Type::BYTEA)
        .bind(counts, Type::TEXT)
}
