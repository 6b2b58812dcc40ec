//! Commits: one transaction and one round trip for all shards that have one, after one more where something must be known
//! first. A commit that only touches rows in the core's memory needs no such question.
//!
//! A part that is refused would spoil the others of its transaction; then each is tried in one of its own.

use mainspring_core::row::{Changes, HighWater};
use mainspring_store::record::encode_feed;
use mainspring_store::{CommitAnswer, Error, ShardCommit, ShardId};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::count::Counts;
use super::logs::{self, Printed};
use super::{Ordered, Writer, fence_check, inbox, jobs, own, prune, records, tasks};
use crate::failure::Failure;
use crate::rows::Cells;
use crate::sql::{BEGIN_READING, BEGIN_WRITING, Statement};

/// Commits after which the counts are folded where there is one shard: as many feed rows are summed up where counts are
/// asked for. Several shards have fewer each.
const FOLD_AFTER: u32 = 256;
/// At least so many for each shard.
const FOLD_AFTER_MIN: u32 = 16;

impl Writer {
    pub(super) async fn commit(&mut self, commits: &[Ordered<'_>]) -> Vec<CommitAnswer> {
        let mut answers = Vec::with_capacity(commits.len());
        let mut rest = commits;
        while !rest.is_empty() {
            let (first, later) = rest.split_at(differing(rest));
            answers.extend(self.commit_together(first).await);
            rest = later;
        }
        answers
    }

    /// Commits of shards that differ.
    async fn commit_together(&mut self, commits: &[Ordered<'_>]) -> Vec<CommitAnswer> {
        let mut answers = Vec::with_capacity(commits.len());
        for ordered in commits {
            answers.push(self.judge(ordered.commit).await);
        }
        let tried = commits.iter().zip(&answers).filter(|(_, answer)| answer.is_none());
        let tried: Vec<Ordered<'_>> = tried.map(|(ordered, _)| *ordered).collect();
        let mut tried = self.try_together(&tried).await.into_iter();
        let unknown = || CommitAnswer::Unknown { reason: "it was not tried".to_owned() };
        answers.into_iter().map(|answer| answer.or_else(|| tried.next()).unwrap_or_else(unknown)).collect()
    }

    async fn try_together(&mut self, commits: &[Ordered<'_>]) -> Vec<CommitAnswer> {
        if let [ordered] = commits {
            let answer = match self.write(commits).await {
                Ok(()) => CommitAnswer::Committed,
                Err(failure) => self.give_up(ordered.shard(), failure).await,
            };
            return vec![answer];
        }
        match self.write(commits).await {
            Ok(()) => vec![CommitAnswer::Committed; commits.len()],
            Err(failure) if failure.ends_connection() || matches!(failure, Failure::Known(_)) => {
                self.note_connection(&failure);
                commits.iter().for_each(|ordered| self.disown(ordered.shard()));
                vec![CommitAnswer::Unknown { reason: failure.to_string() }; commits.len()]
            }
            Err(failure) => {
                tracing::debug!(error = %failure, "trying each shard of a commit by itself");
                commits.iter().for_each(|ordered| self.part(ordered.shard()).counts.clear());
                let mut answers = Vec::with_capacity(commits.len());
                for ordered in commits {
                    answers.extend(Box::pin(self.try_together(&[*ordered])).await);
                }
                answers
            }
        }
    }

    /// The answer to a commit that cannot be tried.
    async fn judge(&mut self, commit: &ShardCommit) -> Option<CommitAnswer> {
        let (fence, shards) = (&commit.fence, self.shards());
        if let Err(error) = self.exists(fence.shard) {
            return Some(CommitAnswer::Unknown { reason: error.to_string() });
        }
        let part = self.part(fence.shard);
        if part.fence.as_ref() == Some(fence) {
            let failure = diverged(commit, part.last, shards)?;
            return Some(self.give_up(fence.shard, failure).await);
        }
        if (fence.incarnation, fence.epoch) == part.seen {
            let reason = "an earlier commit is unknown, the shard must be acquired again".to_owned();
            return Some(CommitAnswer::Unknown { reason });
        }
        Some(self.rejected(fence.shard).await)
    }

    async fn rejected(&mut self, shard: ShardId) -> CommitAnswer {
        let seen = self.part(shard).seen.1;
        CommitAnswer::Rejected { epoch: self.epoch_in_force(shard).await.unwrap_or_default().max(seen) }
    }

    async fn epoch_in_force(&mut self, shard: ShardId) -> Result<u64, Error> {
        let asked = Statement::new("SELECT epoch FROM @shards WHERE id = $1").int(i64::from(shard.0));
        let rows = self.session().await?.query(asked).await?;
        let epoch = rows.first().map(|row| Cells::of(row).wide()).transpose()?;
        Ok(epoch.unwrap_or_default())
    }

    /// After an error nothing was applied, unless the connection was lost: then nobody knows. The caller hears `Unknown`
    /// either way, since its memory is not what is stored.
    async fn give_up(&mut self, shard: ShardId, failure: Failure) -> CommitAnswer {
        let (lost, reason) = (own::is_lost(&failure), failure.to_string());
        _ = self.failed(shard, failure);
        self.disown(shard);
        if lost { self.rejected(shard).await } else { CommitAnswer::Unknown { reason } }
    }

    /// Writes all of them, or none.
    async fn write(&mut self, commits: &[Ordered<'_>]) -> Result<(), Failure> {
        if commits.is_empty() {
            return Ok(());
        }
        let printed = self.ask(commits).await?;
        let mut statements = Vec::new();
        let mut folded = Vec::with_capacity(commits.len());
        for (ordered, printed) in commits.iter().zip(printed) {
            folded.push(self.state(*ordered, printed, &mut statements)?);
        }
        self.session().await?.transact(BEGIN_WRITING, statements).await?;
        for (ordered, folded) in commits.iter().zip(folded) {
            let part = self.part(ordered.shard());
            part.last = ordered.commit.changes.high_water.commit;
            part.unfolded = if folded { 0 } else { part.unfolded + 1 };
        }
        Ok(())
    }

    /// The statements of one shard's part; says whether they fold its counts.
    fn state<'a>(
        &mut self,
        Ordered { commit, taken }: Ordered<'a>,
        printed: Printed,
        out: &mut Vec<Statement<'a>>,
    ) -> Result<bool, Failure> {
        let fold_after = (4 * FOLD_AFTER / u32::from(self.shards())).clamp(FOLD_AFTER_MIN, FOLD_AFTER);
        let (shard, changes) = (commit.fence.shard, &*commit.changes);
        let dropped_below = self.history.dropped_below();
        let part = self.part(shard);
        part.counts.change(changes);
        part.fronts.note(changes);
        out.push(fence_check(&commit.fence));
        if !taken.is_empty() {
            out.push(inbox::take(&commit.fence, taken));
        }
        tasks::statements(shard, changes, dropped_below, out)?;
        jobs::statements(changes, out);
        records::before_logs(changes, out);
        logs::statements(&changes.insert_logs, printed, out);
        records::after_logs(shard, changes, out);
        out.push(feed(shard, changes, part.counts.take()));
        let fold = part.unfolded >= fold_after;
        if fold {
            prune::fold(shard, out);
        }
        Ok(fold)
    }

    /// Finds out what must be known of rows before they are changed.
    async fn ask(&mut self, commits: &[Ordered<'_>]) -> Result<Vec<Printed>, Failure> {
        let mut asked = Vec::new();
        let mut numbers = Vec::with_capacity(commits.len());
        for Ordered { commit, .. } in commits {
            let before = asked.len();
            ask_rows(&mut self.part(commit.fence.shard).counts, &commit.changes, &mut asked);
            numbers.push(asked.len() - before);
            if !commit.changes.insert_logs.is_empty() {
                logs::ask(&commit.changes.insert_logs, &mut asked);
            }
        }
        let mut printed = Vec::with_capacity(commits.len());
        let answers =
            if asked.is_empty() { Vec::new() } else { self.session().await?.transact(BEGIN_READING, asked).await? };
        let mut answers = answers.into_iter();
        for (Ordered { commit, .. }, number) in commits.iter().zip(numbers) {
            let part = self.part(commit.fence.shard);
            for rows in answers.by_ref().take(number) {
                rows.iter().try_for_each(|row| know(&mut part.counts, row))?;
            }
            printed.push(if commit.changes.insert_logs.is_empty() {
                Printed::default()
            } else {
                let totals = answers.next().unwrap_or_default();
                Printed::read(&totals, &answers.next().unwrap_or_default())?
            });
        }
        Ok(printed)
    }
}

/// How many at the front are of shards that differ.
fn differing(commits: &[Ordered<'_>]) -> usize {
    let shard = |index: usize| commits[index].shard();
    let again = |index: &usize| (0..*index).any(|before| shard(before) == shard(*index));
    (0..commits.len()).find(again).unwrap_or(commits.len())
}

/// Why a commit cannot follow what is stored.
fn diverged(commit: &ShardCommit, last: u64, shards: u16) -> Option<Failure> {
    let (changes, shard) = (&commit.changes, commit.fence.shard);
    let next = changes.high_water.commit;
    if next != last + 1 {
        return Some(Failure::Diverged(format!("commit {next} does not follow commit {last}")));
    }
    let keys = changes.insert_tasks.iter().map(|row| row.key).chain(changes.insert_jobs.iter().map(|row| row.key));
    let mut strays = keys.filter(|key| ShardId::of_key(*key, shards) != shard);
    let stray = strays.next()?;
    Some(Failure::Diverged(format!("{stray:?} is no row of shard {}", shard.0)))
}

/// A job that carries out a group of another one is not counted, and comes without a tenant.
const JOBS: &str = "SELECT key, CASE WHEN parent IS NULL THEN tenant END, status FROM @jobs WHERE key = ANY($1)";

/// Asks for rows whose counts change.
fn ask_rows(counts: &mut Counts, changes: &Changes, out: &mut Vec<Statement<'_>>) {
    let (tasks, jobs) = counts.enter(changes);
    if !tasks.is_empty() {
        let sql = "SELECT key, tenant, status, queue FROM @tasks WHERE key = ANY($1)";
        out.push(Statement::new(sql).ints(tasks));
    }
    if !jobs.is_empty() {
        out.push(Statement::new(JOBS).ints(jobs));
    }
}

fn know(counts: &mut Counts, row: &Row) -> Result<(), Failure> {
    let mut cells = Cells::of(row);
    let (key, tenant, status) = (cells.key()?, cells.name_or_null()?, cells.int()? as u8);
    match tenant {
        Some(tenant) if row.len() > 3 => counts.know_task(key, &tenant, &cells.name()?, status),
        tenant => counts.know_job(key, tenant, status),
    }
    Ok(())
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
