//! Looks up what a condition on ids may find, for lists: keys in order, the newest first.

use mainspring_core::id::{IdKind, Key};
use mainspring_core::row::ClaimKind;
use mainspring_store::{Ids, JobFilter, Page, TaskFilter, merge_pages, text_end};
use rusqlite::Connection;

use super::lists::KEYS_AT_ONCE;
use crate::failure::Failure;
use crate::rows::Cells;

/// Claims up to which a beginning of ids is looked up. Of what is named so often, a scan finds some soon.
const CLAIMS_MAX: usize = 20_000;

/// What is looked up.
pub(super) struct Lookup {
    ids: Ids,
    table: &'static str,
    /// Where ids lead of which it is known beforehand, the newest first.
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
    pub(super) fn of_tasks(db: &Connection, filter: &TaskFilter) -> Result<Option<Self>, Failure> {
        let jobs = match filter.job {
            _ if filter.standalone => Jobs::None,
            Some(job) => Jobs::One(job),
            None => Jobs::All,
        };
        let Some(ids) = Ids::of(&filter.terms) else { return Ok(None) };
        Self::new(db, ids, IdKind::Task, jobs)
    }

    /// For jobs. Those that carry out a group share the id of the job around them, to which its claim leads.
    pub(super) fn of_jobs(db: &Connection, filter: &JobFilter) -> Result<Option<Self>, Failure> {
        match Ids::of(&filter.terms).filter(|_| filter.submitted) {
            Some(ids) => Self::new(db, ids, IdKind::Job, Jobs::None),
            None => Ok(None),
        }
    }

    fn new(db: &Connection, ids: Ids, kind: IdKind, jobs: Jobs) -> Result<Option<Self>, Failure> {
        let (table, claim) = match kind {
            IdKind::Task => ("tasks", ClaimKind::TaskId),
            IdKind::Job => ("jobs", ClaimKind::JobId),
        };
        let mut named = claimed(db, claim, &ids)?;
        if named.len() > CLAIMS_MAX {
            return Ok(None);
        }
        let (one, made) = ids.made(kind).into_iter().partition::<Vec<_>, _>(|(first, last)| first == last);
        named.extend(one.into_iter().map(|(key, _)| key));
        named.sort_unstable_by(|a, b| b.cmp(a));
        named.dedup();
        Ok(Some(Self { ids, table, named, made, jobs }))
    }

    /// The next keys below this one; with `next`, those up to it.
    pub(super) fn below(&self, db: &Connection, below: i64) -> Result<Page<Key>, Failure> {
        let named = self.named.iter().copied().filter(|key| (key.raw() as i64) < below).collect();
        let mut parts = vec![Page { items: named, next: None }];
        for range in &self.made {
            parts.push(self.in_range(db, *range, below)?);
        }
        match self.jobs {
            Jobs::None => {}
            Jobs::One(job) => parts.push(Page { items: self.in_jobs(db, &[job], below)?, next: None }),
            Jobs::All => {
                let number = (KEYS_AT_ONCE / self.ids.number()).max(1);
                let mut ask = db.prepare_cached("SELECT key FROM jobs WHERE key < ?1 ORDER BY key DESC LIMIT ?2")?;
                let jobs = keys(ask.query((below, number as i64))?)?;
                let next = jobs.last().copied().filter(|_| jobs.len() == number);
                parts.push(Page { items: self.in_jobs(db, &jobs, below)?, next });
            }
        }
        let mut page = merge_pages(parts, KEYS_AT_ONCE, |key| *key);
        page.items.dedup();
        Ok(page)
    }

    fn in_range(&self, db: &Connection, (first, last): (Key, Key), below: i64) -> Result<Page<Key>, Failure> {
        let mut ask = db.prepare_cached(&format!(
            "SELECT key FROM {} WHERE key >= ?1 AND key <= ?2 AND key < ?3 ORDER BY key DESC LIMIT ?4",
            self.table
        ))?;
        let items = keys(ask.query((first.raw() as i64, last.raw() as i64, below, KEYS_AT_ONCE as i64))?)?;
        let next = items.last().copied().filter(|_| items.len() == KEYS_AT_ONCE);
        Ok(Page { items, next })
    }

    /// Tasks of these jobs that have the id as their name.
    fn in_jobs(&self, db: &Connection, jobs: &[Key], below: i64) -> Result<Vec<Key>, Failure> {
        const TASKS: &str = "SELECT key FROM tasks INDEXED BY tasks_of_job WHERE job = ?1 AND key < ?2";
        let mut found = Vec::new();
        match &self.ids {
            Ids::These(ids) => {
                let mut ask = db.prepare_cached(&format!("{TASKS} AND id = ?3"))?;
                for job in jobs {
                    for id in ids {
                        found.extend(keys(ask.query((job.raw() as i64, below, &**id))?)?);
                    }
                }
            }
            Ids::Starting(start) => {
                let mut ask = db.prepare_cached(&format!("{TASKS} AND id >= ?3 AND id < ?4"))?;
                for job in jobs {
                    found.extend(keys(ask.query((job.raw() as i64, below, &**start, text_end(start)))?)?);
                }
            }
        }
        Ok(found)
    }
}

/// Where claims of these ids lead, no more than are worth it and one.
fn claimed(db: &Connection, kind: ClaimKind, ids: &Ids) -> Result<Vec<Key>, Failure> {
    match ids {
        Ids::These(ids) => {
            let mut ask = db.prepare_cached("SELECT target FROM claims WHERE kind = ?1 AND text = ?2")?;
            let mut found = Vec::new();
            for id in ids {
                found.extend(keys(ask.query((kind as u8, &**id))?)?);
            }
            Ok(found)
        }
        Ids::Starting(start) => {
            let mut ask = db.prepare_cached(
                "SELECT target FROM claims WHERE kind = ?1 AND text >= ?2 AND text < ?3 ORDER BY text LIMIT ?4",
            )?;
            keys(ask.query((kind as u8, &**start, text_end(start), CLAIMS_MAX as i64 + 1))?)
        }
    }
}

fn keys(mut rows: rusqlite::Rows<'_>) -> Result<Vec<Key>, Failure> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Cells::of(row).key()?);
    }
    Ok(found)
}
