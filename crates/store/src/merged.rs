//! One read side over those of several shards: what has a key is asked of its shard, lists are merged newest first.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::{GraphChunk, JobRow, JobStatus};
use mainspring_core::row::{AuditRow, ClaimKind, ClaimRow, DefinitionRow, FeedPosition, TaskRow};
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_core::task::Attempt;
use mainspring_core::time::Timestamp;

use crate::reader::{
    DefinitionFilter, Ended, FeedPage, JobFilter, LogPage, OccurrenceFilter, Page, Reader, ScheduleFilter, TaskCount,
    TaskFilter, TaskMark,
};
use crate::store::{BoxFuture, Error, ShardId};

/// See the module.
#[derive(Clone)]
pub struct MergedReader {
    parts: Arc<[Arc<dyn Reader>]>,
    /// Which part reads each shard.
    places: Arc<[u16]>,
}

impl MergedReader {
    /// Over readers, each with how many shards it reads, of one range after the other.
    pub fn new(parts: Vec<(Arc<dyn Reader>, u16)>) -> Self {
        let shards = parts.iter().map(|(_, shards)| *shards).sum();
        Self::of_range(parts, 0, shards)
    }

    /// The same over the shards from `first` on, of so many in all. Whoever asks for what is in another one finds nothing.
    pub fn of_range(parts: Vec<(Arc<dyn Reader>, u16)>, first: u16, shards: u16) -> Self {
        let mut all = vec![0; usize::from(first)];
        all.extend(places(parts.iter().map(|(_, shards)| *shards)));
        all.resize(usize::from(shards), 0);
        Self { parts: parts.into_iter().map(|(part, _)| part).collect(), places: all.into() }
    }

    fn place(&self, bucket: Bucket) -> usize {
        usize::from(self.places[usize::from(ShardId::of(bucket, self.places.len() as u16).0)])
    }

    fn of(&self, key: Key) -> &dyn Reader {
        &*self.parts[self.place(key.bucket())]
    }

    /// Asks every shard at once.
    fn all<T: Send + 'static>(
        &self,
        ask: impl Fn(&dyn Reader) -> BoxFuture<Result<T, Error>>,
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send + 'static {
        try_join_all(self.parts.iter().map(|part| ask(&**part)).collect::<Vec<_>>())
    }

    /// Asks each shard for its keys, and puts the answers into the order of the keys.
    fn by_key<T: Send + 'static>(
        &self,
        keys: Vec<Key>,
        ask: impl Fn(&dyn Reader, Vec<Key>) -> BoxFuture<Result<Vec<T>, Error>>,
        key_of: fn(&T) -> Key,
    ) -> BoxFuture<Result<Vec<T>, Error>> {
        let mut groups: BTreeMap<usize, Vec<Key>> = BTreeMap::new();
        for key in &keys {
            groups.entry(self.place(key.bucket())).or_default().push(*key);
        }
        let asked: Vec<_> = groups.into_iter().map(|(place, keys)| ask(&*self.parts[place], keys)).collect();
        Box::pin(async move {
            let mut places: BTreeMap<Key, usize> = BTreeMap::new();
            for (place, key) in keys.into_iter().enumerate() {
                places.entry(key).or_insert(place);
            }
            let mut rows: Vec<T> = try_join_all(asked).await?.into_iter().flatten().collect();
            rows.sort_by_key(|row| places.get(&key_of(row)).copied());
            Ok(rows)
        })
    }
}

/// Which part has each shard, where the parts have so many, one range after the other.
pub(crate) fn places(shards: impl Iterator<Item = u16>) -> Vec<u16> {
    (0..).zip(shards).flat_map(|(place, shards)| std::iter::repeat_n(place, usize::from(shards))).collect()
}

/// Merges pages, newest first. A page that stopped early has nothing to say about what lies below its end, so the
/// merged page ends where the first of them does.
pub fn merge_pages<T>(pages: Vec<Page<T>>, limit: usize, key: fn(&T) -> Key) -> Page<T> {
    let end = pages.iter().filter_map(|page| page.next).max();
    let mut items: Vec<T> = pages.into_iter().flat_map(|page| page.items).collect();
    items.retain(|item| end.is_none_or(|end| key(item) >= end));
    items.sort_by_key(|item| std::cmp::Reverse(key(item)));
    let next = if items.len() > limit {
        items.truncate(limit);
        items.last().map(key)
    } else {
        end
    };
    Page { items, next }
}

impl Reader for MergedReader {
    fn find(&self, kind: ClaimKind, text: Name) -> BoxFuture<Result<Vec<(Name, Key)>, Error>> {
        if kind != ClaimKind::IdempotencyKey {
            return self.parts[self.place(Bucket::of_text(&text))].find(kind, text);
        }
        // A key stands with the task that it was sent with, whose id may have chosen the shard.
        let all = self.all(|part| part.find(kind, text.clone()));
        Box::pin(async move { Ok(all.await?.into_iter().flatten().collect()) })
    }

    fn claims_to(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<ClaimRow>, Error>> {
        self.by_key(keys, |part, keys| part.claims_to(keys), |row| row.target)
    }

    fn find_in_job(&self, job: Key, name: Name) -> BoxFuture<Result<Option<Key>, Error>> {
        self.of(job).find_in_job(job, name)
    }

    fn tasks_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<TaskRow>, Error>> {
        self.by_key(keys, |part, keys| part.tasks_by_key(keys), |row| row.key)
    }

    fn jobs_by_key(&self, keys: Vec<Key>) -> BoxFuture<Result<Vec<JobRow>, Error>> {
        self.by_key(keys, |part, keys| part.jobs_by_key(keys), |row| row.key)
    }

    fn tasks(&self, filter: TaskFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<TaskRow>, Error>> {
        if let Some(job) = filter.job {
            return self.of(job).tasks(filter, after, limit);
        }
        let all = self.all(|part| part.tasks(filter.clone(), after, limit));
        Box::pin(async move { Ok(merge_pages(all.await?, limit, |row| row.key)) })
    }

    fn jobs(&self, filter: JobFilter, after: Option<Key>, limit: usize) -> BoxFuture<Result<Page<JobRow>, Error>> {
        let all = self.all(|part| part.jobs(filter.clone(), after, limit));
        Box::pin(async move { Ok(merge_pages(all.await?, limit, |row| row.key)) })
    }

    fn job_tasks(&self, job: Key, from: u32, limit: usize) -> BoxFuture<Result<Vec<TaskRow>, Error>> {
        self.of(job).job_tasks(job, from, limit)
    }

    fn marks(&self, job: Key, from: u32, limit: usize) -> BoxFuture<Result<Vec<TaskMark>, Error>> {
        self.of(job).marks(job, from, limit)
    }

    fn chunks(&self, job: Key) -> BoxFuture<Result<Vec<GraphChunk>, Error>> {
        self.of(job).chunks(job)
    }

    fn attempts(&self, task: Key) -> BoxFuture<Result<Vec<Attempt>, Error>> {
        self.of(task).attempts(task)
    }

    fn output(&self, task: Key) -> BoxFuture<Result<Option<Arc<str>>, Error>> {
        self.of(task).output(task)
    }

    fn outputs(&self, tasks: Vec<Key>) -> BoxFuture<Result<Vec<(Key, Arc<str>)>, Error>> {
        self.by_key(tasks, |part, keys| part.outputs(keys), |(key, _)| *key)
    }

    fn logs(&self, task: Key, attempt: u32, after: u64, limit: usize) -> BoxFuture<Result<LogPage, Error>> {
        self.of(task).logs(task, attempt, after, limit)
    }

    fn log_tail(&self, task: Key, attempt: u32, bytes: usize) -> BoxFuture<Result<String, Error>> {
        self.of(task).log_tail(task, attempt, bytes)
    }

    fn feed(&self, shard: ShardId, after: FeedPosition, limit: usize) -> BoxFuture<Result<FeedPage, Error>> {
        match self.places.get(usize::from(shard.0)) {
            Some(place) => self.parts[usize::from(*place)].feed(shard, after, limit),
            None => Box::pin(async move { Err(Error::Incompatible(format!("shard {} does not exist", shard.0))) }),
        }
    }

    fn definitions(&self, filter: DefinitionFilter) -> BoxFuture<Result<Vec<DefinitionRow>, Error>> {
        self.parts[0].definitions(filter)
    }

    fn schedules(
        &self,
        filter: ScheduleFilter,
        after: Option<ScheduleName>,
        limit: usize,
    ) -> BoxFuture<Result<Vec<ScheduleRow>, Error>> {
        if let Some(name) = &filter.name {
            return self.parts[self.place(Bucket::of_text(name))].schedules(filter, after, limit);
        }
        let all = self.all(|part| part.schedules(filter.clone(), after.clone(), limit));
        Box::pin(async move {
            let mut rows: Vec<ScheduleRow> = all.await?.into_iter().flatten().collect();
            rows.sort_by(|a, b| (&a.id.name, &a.id.tenant).cmp(&(&b.id.name, &b.id.tenant)));
            rows.truncate(limit);
            Ok(rows)
        })
    }

    fn occurrences(
        &self,
        filter: OccurrenceFilter,
        after: Option<Key>,
        limit: usize,
    ) -> BoxFuture<Result<Page<OccurrenceRow>, Error>> {
        self.parts[self.place(filter.schedule.bucket())].occurrences(filter, after, limit)
    }

    fn task_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<TaskCount>, Error>> {
        let all = self.all(|part| part.task_counts(tenant.clone(), bound));
        Box::pin(async move {
            let mut sums = BTreeMap::<_, u64>::new();
            for (queue, status, number) in all.await?.into_iter().flatten() {
                let sum = sums.entry((queue, status)).or_default();
                *sum = sum.saturating_add(number).min(bound);
            }
            Ok(sums.into_iter().map(|((queue, status), number)| (queue, status, number)).collect())
        })
    }

    fn job_counts(&self, tenant: Option<Name>, bound: u64) -> BoxFuture<Result<Vec<(JobStatus, u64)>, Error>> {
        let all = self.all(|part| part.job_counts(tenant.clone(), bound));
        Box::pin(async move {
            let mut sums = BTreeMap::<_, u64>::new();
            for (status, number) in all.await?.into_iter().flatten() {
                let sum = sums.entry(status).or_default();
                *sum = sum.saturating_add(number).min(bound);
            }
            Ok(sums.into_iter().collect())
        })
    }

    fn audit(&self, until: Option<Timestamp>, limit: usize) -> BoxFuture<Result<Vec<AuditRow>, Error>> {
        let all = self.all(|part| part.audit(until, limit));
        Box::pin(async move {
            let mut rows: Vec<AuditRow> = all.await?.into_iter().flatten().collect();
            rows.sort_by_key(|row| std::cmp::Reverse(row.at));
            rows.truncate(limit);
            Ok(rows)
        })
    }

    fn ended_tasks(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<Ended>, Error>> {
        oldest(self.all(|part| part.ended_tasks(before, limit)), limit)
    }

    fn ended_jobs(&self, before: Timestamp, limit: usize) -> BoxFuture<Result<Vec<Ended>, Error>> {
        oldest(self.all(|part| part.ended_jobs(before, limit)), limit)
    }
}

fn oldest(
    all: impl Future<Output = Result<Vec<Vec<Ended>>, Error>> + Send + 'static,
    limit: usize,
) -> BoxFuture<Result<Vec<Ended>, Error>> {
    Box::pin(async move {
        let mut rows: Vec<Ended> = all.await?.into_iter().flatten().collect();
        rows.sort_by_key(|(key, _)| *key);
        rows.truncate(limit);
        Ok(rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[u64], next: Option<u64>) -> Page<Key> {
        Page { items: keys.iter().map(|key| Key::from_raw(*key)).collect(), next: next.map(Key::from_raw) }
    }

    #[test]
    fn a_merged_page_says_nothing_of_what_lies_below_the_end_of_a_short_one() {
        let merged = merge_pages(vec![page(&[90, 50], Some(50)), page(&[80, 20, 10], None)], 9, |key| *key);
        assert_eq!((merged.items, merged.next), (page(&[90, 80, 50], None).items, Some(Key::from_raw(50))));
        let merged = merge_pages(vec![page(&[90], Some(70)), page(&[60, 20], None)], 9, |key| *key);
        assert_eq!((merged.items, merged.next), (page(&[90], None).items, Some(Key::from_raw(70))));
    }

    #[test]
    fn a_merged_page_is_no_longer_than_was_asked_for() {
        let merged = merge_pages(vec![page(&[9, 7], None), page(&[8, 6], None)], 3, |key| *key);
        assert_eq!((merged.items, merged.next), (page(&[9, 8, 7], None).items, Some(Key::from_raw(7))));
    }
}
