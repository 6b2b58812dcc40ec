//! Looks up what a condition on ids may find, for lists: keys in order, the newest first.

use mainspring_core::id::{IdKind, Key};
use mainspring_core::limits::JOB_TASKS_MAX;
use mainspring_core::row::ClaimKind;
use mainspring_store::{Ids, JobFilter, Page, TaskFilter, merge_pages, text_end};
use tokio_postgres::types::Type;

use crate::failure::Failure;
use crate::rows::Cells;
use crate::sql::{Session, Statement};
use crate::text::stored;

/// Claims up to which a beginning of ids is looked up. Of what is named so often, a scan finds some soon.
const CLAIMS_MAX: usize = 20_000;
/// Keys that are taken from an index at a time, and jobs that are asked for their tasks.
const KEYS_AT_ONCE: usize = 1_000;

/// What is looked up.
pub(super) struct Lookup {
    ids: Ids,
    table: &'static str,
    /// Where ids lead of which it is known beforehand.
    named: Vec<Key>,
    /// From the lowest to the highest key of what the server named.
    made: Vec<(Key, Key)>,
    jobs: Jobs,
}

/// Whose tasks may have the id as their name.
enum Jobs {
    None,
    One(Key),
    All,
}

impl Lookup {
    /// For tasks; `None` where a list is found sooner by looking at its rows.
    pub(super) async fn of_tasks(db: &Session, filter: &TaskFilter) -> Result<Option<Self>, Failure> {
        let jobs = match filter.job {
            _ if filter.standalone => Jobs::None,
            Some(job) => Jobs::One(job),
            None => Jobs::All,
        };
        let Some(ids) = Ids::of(&filter.terms) else { return Ok(None) };
        Self::new(db, ids, IdKind::Task, jobs).await
    }

    /// For jobs. Those that carry out a group share the id of the job around them, to which its claim leads.
    pub(super) async fn of_jobs(db: &Session, filter: &JobFilter) -> Result<Option<Self>, Failure> {
        match Ids::of(&filter.terms).filter(|_| filter.submitted) {
            Some(ids) => Self::new(db, ids, IdKind::Job, Jobs::None).await,
            None => Ok(None),
        }
    }

    async fn new(db: &Session, ids: Ids, kind: IdKind, jobs: Jobs) -> Result<Option<Self>, Failure> {
        let (table, claim) = match kind {
            IdKind::Task => ("@tasks", ClaimKind::TaskId),
            IdKind::Job => ("@jobs", ClaimKind::JobId),
        };
        let sql = format!(
            "SELECT target FROM @claims WHERE kind = $1 AND {} ORDER BY text LIMIT {}",
            condition("text", &ids, 2),
            CLAIMS_MAX + 1
        );
        let mut named = keys(db, bind(Statement::new(sql).int(claim as i64), &ids)).await?;
        if named.len() > CLAIMS_MAX {
            return Ok(None);
        }
        let (one, made) = ids.made(kind).into_iter().partition::<Vec<_>, _>(|(first, last)| first == last);
        named.extend(one.into_iter().map(|(key, _)| key));
        Ok(Some(Self { ids, table, named, made, jobs }))
    }

    /// The next keys below this one; with `next`, those up to it.
    pub(super) async fn below(&self, db: &Session, below: i64) -> Result<Page<Key>, Failure> {
        let named = self.named.iter().copied().filter(|key| (key.raw() as i64) < below).collect();
        let mut parts = vec![Page { items: named, next: None }];
        for range in &self.made {
            parts.push(self.in_range(db, *range, below).await?);
        }
        match self.jobs {
            Jobs::None => {}
            Jobs::One(job) => {
                let job = job.raw() as i64;
                parts.push(Page { items: self.in_jobs(db, (job, job), (job, below)).await?, next: None });
            }
            Jobs::All => parts.push(self.in_all_jobs(db, below).await?),
        }
        let mut page = merge_pages(parts, KEYS_AT_ONCE, |key| *key);
        page.items.dedup();
        Ok(page)
    }

    async fn in_range(&self, db: &Session, (first, last): (Key, Key), below: i64) -> Result<Page<Key>, Failure> {
        let sql = format!(
            "SELECT key FROM {} WHERE key >= $1 AND key <= $2 AND key < $3 ORDER BY key DESC LIMIT {KEYS_AT_ONCE}",
            self.table
        );
        let asked = Statement::new(sql).int(first.raw() as i64).int(last.raw() as i64).int(below);
        let items = keys(db, asked).await?;
        let next = items.last().copied().filter(|_| items.len() == KEYS_AT_ONCE);
        Ok(Page { items, next })
    }

    /// Tasks of the newest jobs below this key. Keys of several shards overlap: what an older job has above the end is told
    /// as well.
    async fn in_all_jobs(&self, db: &Session, below: i64) -> Result<Page<Key>, Failure> {
        let sql = "SELECT key FROM @jobs WHERE key < $1 ORDER BY key DESC OFFSET $2 LIMIT 1";
        let number = (KEYS_AT_ONCE / self.ids.number()).max(1) as i64;
        let next = keys(db, Statement::new(sql).int(below).int(number - 1)).await?.pop();
        let end = next.map_or(0, |key| key.raw() as i64);
        let reach = (JOB_TASKS_MAX as i64 + 1) << 12;
        Ok(Page { items: self.in_jobs(db, (end - reach, below), (end, below)).await?, next })
    }

    /// Tasks from one key to below another that have the id as their name, of jobs from one key to another.
    async fn in_jobs(&self, db: &Session, jobs: (i64, i64), tasks: (i64, i64)) -> Result<Vec<Key>, Failure> {
        let sql = format!(
            "SELECT unnest(ARRAY(SELECT t.key FROM @tasks AS t
                WHERE t.job = j.key AND t.key >= $3 AND t.key < $4 AND {}))
            FROM @jobs AS j WHERE j.key >= $1 AND j.key <= $2 AND j.key + (j.tasks::bigint << 12) >= $3",
            condition("t.id", &self.ids, 5)
        );
        let asked = Statement::new(sql).int(jobs.0).int(jobs.1).int(tasks.0).int(tasks.1);
        keys(db, bind(asked, &self.ids)).await
    }
}

/// That a column has one of the ids, which are bound from this number on.
fn condition(column: &str, ids: &Ids, at: usize) -> String {
    match ids {
        Ids::These(_) => format!("{column} = ANY(${at})"),
        Ids::Starting(_) => format!("{column} >= ${at} AND {column} < ${}", at + 1),
    }
}

fn bind<'a>(asked: Statement<'a>, ids: &'a Ids) -> Statement<'a> {
    match ids {
        Ids::These(ids) => asked.bind(ids.iter().map(|id| stored(id)).collect::<Vec<_>>(), Type::TEXT_ARRAY),
        Ids::Starting(start) => asked.text(start).bind(stored(&text_end(start)).into_owned(), Type::TEXT),
    }
}

async fn keys(db: &Session, asked: Statement<'_>) -> Result<Vec<Key>, Failure> {
    db.query(asked).await?.iter().map(|row| Cells::of(row).key()).collect()
}
