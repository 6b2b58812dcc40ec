//! Looks up what a condition on ids may find, for lists: keys in order, the newest first.

use std::collections::BTreeMap;

use mainspring_core::id::{IdKind, Key, Name};
use mainspring_core::row::{ClaimKind, ClaimName};
use mainspring_store::{Ids, JobFilter, Page, TaskFilter, merge_pages};
use redis::Pipeline;

use super::Side;
use super::scan::ROWS_AT_ONCE;
use crate::failure::Failure;
use crate::fetch;
use crate::record::decode_claim;

/// What is looked up.
pub(super) struct Lookup {
    ids: Vec<Name>,
    /// Where ids lead of which it is known beforehand.
    named: Vec<Key>,
    jobs: Jobs,
}

/// Whose tasks may have the id as their name.
enum Jobs {
    None,
    One(Key),
    All,
}

impl Lookup {
    /// For tasks; `None` where rows have to be looked at. Nothing orders ids by how they begin.
    pub(super) async fn of_tasks(side: &Side, filter: &TaskFilter) -> Result<Option<Self>, Failure> {
        let jobs = match filter.job {
            _ if filter.standalone => Jobs::None,
            Some(job) => Jobs::One(job),
            None => Jobs::All,
        };
        Self::new(side, Ids::of(&filter.terms), IdKind::Task, jobs).await
    }

    /// For jobs. Those that carry out a group share the id of the job around them, to which its claim leads.
    pub(super) async fn of_jobs(side: &Side, filter: &JobFilter) -> Result<Option<Self>, Failure> {
        Self::new(side, Ids::of(&filter.terms).filter(|_| filter.submitted), IdKind::Job, Jobs::None).await
    }

    async fn new(side: &Side, ids: Option<Ids>, kind: IdKind, jobs: Jobs) -> Result<Option<Self>, Failure> {
        let Some(ids @ Ids::These(names)) = &ids else { return Ok(None) };
        let claim = match kind {
            IdKind::Task => ClaimKind::TaskId,
            IdKind::Job => ClaimKind::JobId,
        };
        let mut named = side.claimed(claim, names).await?;
        named.extend(ids.made(kind).into_iter().map(|(key, _)| key));
        Ok(Some(Self { ids: names.clone(), named, jobs }))
    }

    /// The next keys below this one; with `next`, those up to it.
    pub(super) async fn below(&self, side: &Side, below: Option<Key>) -> Result<Page<Key>, Failure> {
        let is_below = |key: &Key| below.is_none_or(|below| *key < below);
        let (jobs, next) = match self.jobs {
            Jobs::None => (Vec::new(), None),
            Jobs::One(job) => (vec![job], None),
            Jobs::All => {
                let number = (ROWS_AT_ONCE / self.ids.len().max(1)).max(1);
                let jobs = side.keys_below(&["jobs:live", "jobs:ended"], below, number).await?;
                let next = jobs.last().copied().filter(|_| jobs.len() == number);
                (jobs, next)
            }
        };
        let mut of_jobs = side.named_in(&jobs, &self.ids).await?;
        of_jobs.retain(is_below);
        let named = self.named.iter().copied().filter(is_below).collect();
        let parts = vec![Page { items: named, next: None }, Page { items: of_jobs, next }];
        let mut page = merge_pages(parts, ROWS_AT_ONCE, |key| *key);
        page.items.dedup();
        Ok(page)
    }
}

impl Side {
    /// Where claims of these ids lead.
    async fn claimed(&self, kind: ClaimKind, ids: &[Name]) -> Result<Vec<Key>, Failure> {
        let mut pipeline = Pipeline::new();
        for id in ids {
            pipeline.cmd("HGETALL").arg(self.link.keys().claims(kind as u8, id));
        }
        let mut found = Vec::new();
        for (id, answer) in ids.iter().zip(self.link.read(&pipeline).await?) {
            let claims: BTreeMap<Vec<u8>, Vec<u8>> = fetch::take(answer)?;
            for (tenant, record) in claims {
                let name = ClaimName { kind, tenant: fetch::text(&tenant), text: id.clone() };
                found.push(decode_claim(name, &record)?.target);
            }
        }
        Ok(found)
    }

    /// The tasks of these jobs that have one of these names there.
    async fn named_in(&self, jobs: &[Key], names: &[Name]) -> Result<Vec<Key>, Failure> {
        let mut pipeline = Pipeline::new();
        for job in jobs {
            let ask = pipeline.cmd("HMGET").arg(self.link.keys().job(*job, "names"));
            names.iter().for_each(|name| _ = ask.arg(&**name));
        }
        let mut found = Vec::new();
        for (job, answer) in jobs.iter().zip(self.link.read(&pipeline).await?) {
            let indexes: Vec<Option<u32>> = fetch::take(answer)?;
            found.extend(indexes.into_iter().flatten().map(|index| job.task_of_job(index)));
        }
        Ok(found)
    }
}
