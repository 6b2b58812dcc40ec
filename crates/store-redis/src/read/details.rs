//! Reads single things: tasks and jobs by key, and what stands beside them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, JobRow};
use mainspring_core::limits::GRAPH_CHUNK_TASKS;
use mainspring_core::row::{ClaimKind, ClaimName, ClaimRow, FeedPosition, LogRow, TaskRow};
use mainspring_core::task::Attempt;
use mainspring_store::record::{Unreadable, decode_feed, decode_graph};
use mainspring_store::{FeedPage, LogPage, log_cut, text_tail};
use redis::Pipeline;

use super::lists::bodiless;
use super::scan::ROWS_AT_ONCE;
use super::{FeedEntry, Side, commit_of};
use crate::failure::Failure;
use crate::fetch::{self, Record};
use crate::record::{BodyAt, Names, StoredSpec, decode_attempt, decode_claim, decode_log, decode_state};
use crate::writer::{log_field, log_member};

/// Feed rows that are read at a time.
const FEED_AT_ONCE: usize = 100;

impl Side {
    pub(super) async fn find(&self, kind: ClaimKind, name: &Name) -> Result<Vec<(Name, Key)>, Failure> {
        let staged = self.staged().await?;
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HGETALL").arg(self.link.keys().claims(kind as u8, name));
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let claims: BTreeMap<Vec<u8>, Vec<u8>> = fetch::next(&mut answers)?;
        let mut found = Vec::new();
        for (tenant, record) in claims {
            let name = ClaimName { kind, tenant: fetch::text(&tenant), text: name.clone() };
            let row = decode_claim(name, &record)?;
            if !staged.contains(&row.target) {
                found.push((row.name.tenant, row.target));
            }
        }
        Ok(found)
    }

    pub(super) async fn claims_to(&self, keys: &[Key]) -> Result<Vec<ClaimRow>, Failure> {
        let names: Vec<_> = fetch::claims_to(&self.link, keys).await?.into_iter().flatten().collect();
        fetch::claims(&self.link, &names).await
    }

    pub(super) async fn find_in_job(&self, job: Key, name: &str) -> Result<Option<Key>, Failure> {
        if self.staged().await?.contains(&job) {
            return Ok(None);
        }
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HGET").arg(self.link.keys().job(job, "names")).arg(name);
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let index: Option<u32> = fetch::next(&mut answers)?;
        Ok(index.map(|index| job.task_of_job(index)))
    }

    pub(super) async fn tasks_by_key(&self, keys: &[Key]) -> Result<Vec<TaskRow>, Failure> {
        let (staged, mut names) = (self.staged().await?, Names::default());
        let mut found = Vec::with_capacity(keys.len());
        for (key, records) in keys.iter().zip(fetch::tasks(&self.link, keys).await?) {
            let Some([spec, state]) = records else { continue };
            let stored = StoredSpec::decode(&spec, &mut names)?;
            if stored.job.is_none_or(|job| !staged.contains(&job)) {
                found.push((*key, stored, decode_state(&state, &mut names)?));
            }
        }
        self.bodies(&mut found).await?;
        Ok(found.into_iter().map(|(key, stored, state)| stored.row(key, state)).collect())
    }

    /// Fills in the bodies that stand elsewhere.
    async fn bodies<S>(&self, rows: &mut [(Key, StoredSpec, S)]) -> Result<(), Failure> {
        let mut pipeline = Pipeline::new();
        let apart = |stored: &StoredSpec| stored.body_at == BodyAt::Apart;
        for (key, _, _) in rows.iter().filter(|(_, stored, _)| apart(stored)) {
            pipeline.cmd("GET").arg(self.link.keys().task(*key, "body"));
        }
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        for (_, stored, _) in rows.iter_mut().filter(|(_, stored, _)| apart(stored)) {
            let body: Option<String> = fetch::next(&mut answers)?;
            stored.spec.body = body.ok_or(Unreadable("body of a task"))?.into();
        }
        let place = |key: Key, stored: &StoredSpec| {
            let job = stored.job.filter(|_| stored.body_at == BodyAt::Graph)?;
            let index = job.index_of(key);
            Some(((job, index / GRAPH_CHUNK_TASKS), (index % GRAPH_CHUNK_TASKS) as usize))
        };
        let mut wanted: Vec<_> = rows.iter().filter_map(|(key, stored, _)| Some(place(*key, stored)?.0)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let chunks = fetch::chunks(&self.link, &wanted).await?;
        let chunks: HashMap<_, _> = chunks.into_iter().map(|chunk| ((chunk.job, chunk.number), chunk)).collect();
        for (key, stored, _) in rows {
            if let Some((chunk, index)) = place(*key, stored) {
                let task = chunks.get(&chunk).and_then(|chunk| chunk.tasks.get(index));
                stored.spec.body = task.ok_or(Unreadable("graph of a job"))?.spec.body.clone();
            }
        }
        Ok(())
    }

    pub(super) async fn jobs_by_key(&self, mut keys: Vec<Key>) -> Result<Vec<JobRow>, Failure> {
        let staged = self.staged().await?;
        keys.retain(|key| !staged.contains(key));
        fetch::jobs(&self.link, &keys).await
    }

    /// How many tasks a job has; none if there is no such job.
    pub(super) async fn tasks_in(&self, job: Key) -> Result<u32, Failure> {
        Ok(fetch::jobs(&self.link, &[job]).await?.first().map_or(0, |row| row.tasks))
    }

    pub(super) async fn job_tasks(&self, job: Key, from: u32, limit: usize) -> Result<Vec<TaskRow>, Failure> {
        if self.staged().await?.contains(&job) {
            return Ok(Vec::new());
        }
        let (tasks, mut names) = (self.tasks_in(job).await?, Names::default());
        let (mut found, mut next) = (Vec::new(), from);
        while found.len() < limit && next < tasks {
            let step = (limit - found.len()).min(ROWS_AT_ONCE) as u32;
            let to = tasks.min(next.saturating_add(step));
            let keys: Vec<Key> = (next..to).map(|index| job.task_of_job(index)).collect();
            for (key, records) in keys.iter().zip(fetch::tasks(&self.link, &keys).await?) {
                if let Some(records) = records {
                    found.push(bodiless(*key, &records, &mut names)?);
                }
            }
            next = to;
        }
        found.retain(|row| row.job == Some(job));
        Ok(found)
    }

    pub(super) async fn chunks(&self, job: Key) -> Result<Vec<GraphChunk>, Failure> {
        if self.staged().await?.contains(&job) {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HGETALL").arg(self.link.keys().job(job, "graph"));
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let chunks: BTreeMap<u32, Vec<u8>> = fetch::next(&mut answers)?;
        chunks.into_iter().map(|(number, bytes)| Ok(decode_graph(job, number, &bytes)?)).collect()
    }

    pub(super) async fn attempts(&self, task: Key) -> Result<Vec<Attempt>, Failure> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HGETALL").arg(self.link.keys().task(task, "attempts"));
        pipeline.cmd("GET").arg(self.link.keys().task(task, "state"));
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let mut names = Names::default();
        let earlier: BTreeMap<u32, Vec<u8>> = fetch::next(&mut answers)?;
        let mut found =
            earlier.values().map(|record| decode_attempt(record, &mut names)).collect::<Result<Vec<_>, _>>()?;
        if let Some(state) = fetch::next::<Record>(&mut answers)? {
            found.extend(decode_state(&state, &mut names)?.last);
        }
        Ok(found)
    }

    pub(super) async fn output(&self, task: Key) -> Result<Option<Arc<str>>, Failure> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("GET").arg(self.link.keys().task(task, "output"));
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        Ok(fetch::next::<Option<String>>(&mut answers)?.map(Arc::from))
    }

    pub(super) async fn outputs(&self, tasks: &[Key]) -> Result<Vec<(Key, Arc<str>)>, Failure> {
        let mut pipeline = Pipeline::new();
        for task in tasks {
            pipeline.cmd("GET").arg(self.link.keys().task(*task, "output"));
        }
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let mut outputs = Vec::with_capacity(tasks.len());
        for task in tasks {
            if let Some(text) = fetch::next::<Option<String>>(&mut answers)? {
                outputs.push((*task, Arc::from(text)));
            }
        }
        Ok(outputs)
    }

    /// Number, bytes and running total of an attempt's log chunks, in order.
    async fn log_index(&self, task: Key, attempt: u32) -> Result<Vec<(u64, (u64, u64))>, Failure> {
        let mut pipeline = Pipeline::new();
        let ask = pipeline.cmd("ZRANGEBYLEX").arg(self.link.keys().task(task, "logs"));
        ask.arg(format!("[{attempt:08x}")).arg(format!("({attempt:08x}~"));
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let members: Vec<String> = fetch::next(&mut answers)?;
        let read = |member: &String| log_member(member).map(|(_, number, chunk)| (number, chunk));
        let index = members.iter().map(read).collect::<Option<Vec<_>>>();
        Ok(index.ok_or(Unreadable("log's index"))?)
    }

    /// Log chunks that still exist, in the order asked for.
    async fn log_chunks(&self, task: Key, attempt: u32, numbers: &[u64]) -> Result<Vec<(LogRow, u64)>, Failure> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        let ask = pipeline.cmd("HMGET").arg(self.link.keys().task(task, "logdata"));
        numbers.iter().for_each(|number| _ = ask.arg(log_field(attempt, *number)));
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let records: Vec<Record> = fetch::next(&mut answers)?;
        let found = numbers.iter().zip(records).filter_map(|(number, record)| Some((*number, record?)));
        found.map(|(number, record)| Ok(decode_log(task, attempt, number, &record)?)).collect()
    }

    pub(super) async fn logs(&self, task: Key, attempt: u32, after: u64, limit: usize) -> Result<LogPage, Failure> {
        let index = self.log_index(task, attempt).await?;
        let first = index.partition_point(|(number, _)| *number < after);
        let mut total = first.checked_sub(1).map_or(0, |before| index[before].1.1);
        let numbers: Vec<u64> = index[first..].iter().take(limit).map(|(number, _)| *number).collect();
        let (mut items, mut next) = (Vec::new(), after);
        for (row, end) in self.log_chunks(task, attempt, &numbers).await? {
            let cut = end.saturating_sub(row.data.len() as u64).saturating_sub(total);
            if cut > 0 {
                items.push(log_cut(task, attempt, row.number, row.at, cut));
            }
            total = end;
            next = row.number + 1;
            items.push(row);
        }
        Ok(LogPage { items, next })
    }

    pub(super) async fn log_tail(&self, task: Key, attempt: u32, bytes: usize) -> Result<String, Failure> {
        let (mut numbers, mut length) = (Vec::new(), 0);
        for (number, (size, _)) in self.log_index(task, attempt).await?.into_iter().rev() {
            if length >= bytes as u64 {
                break;
            }
            length += size;
            numbers.push(number);
        }
        numbers.reverse();
        let chunks = self.log_chunks(task, attempt, &numbers).await?;
        let text: String = chunks.iter().map(|(row, _)| &*row.data).collect();
        Ok(text_tail(&text, bytes).to_owned())
    }

    pub(super) async fn feed(&self, after: FeedPosition, limit: usize) -> Result<FeedPage, Failure> {
        let keys = self.link.keys();
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HMGET").arg(keys.one("shard")).arg("commit").arg("pruned");
        pipeline.cmd("XREVRANGE").arg(keys.one("feed")).arg("+").arg("-").arg("COUNT").arg(1);
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let numbers: Vec<Option<u64>> = fetch::next(&mut answers)?;
        let newest: Vec<FeedEntry> = fetch::next(&mut answers)?;
        let commit = numbers.first().copied().flatten().unwrap_or_default();
        let pruned = numbers.get(1).copied().flatten().unwrap_or_default();
        let mut length = 0;
        if let Some(entry) = newest.first()
            && commit_of(&entry.0)? == commit
        {
            length = events(entry)?.len();
        }
        let earliest = if pruned == 0 { 0 } else { pruned + 1 };
        Ok(FeedPage {
            items: self.events(after, commit, limit).await?,
            earliest: FeedPosition { commit: earliest, index: 0 },
            latest: FeedPosition { commit, index: length.saturating_sub(1) as u32 },
        })
    }

    /// Events after a position, up to those of the commit `last`.
    async fn events(
        &self,
        after: FeedPosition,
        last: u64,
        limit: usize,
    ) -> Result<Vec<(FeedPosition, mainspring_core::row::Transition)>, Failure> {
        let (mut items, mut from) = (Vec::new(), after.commit);
        while items.len() < limit && from <= last {
            let mut pipeline = Pipeline::new();
            let ask = pipeline.cmd("XRANGE").arg(self.link.keys().one("feed"));
            ask.arg(from).arg(last).arg("COUNT").arg(FEED_AT_ONCE.min(limit - items.len() + 1));
            let mut answers = self.link.read(&pipeline).await?.into_iter();
            let entries: Vec<FeedEntry> = fetch::next(&mut answers)?;
            let Some(end) = entries.last() else { break };
            from = commit_of(&end.0)? + 1;
            for entry in &entries {
                let commit = commit_of(&entry.0)?;
                let placed = events(entry)?.into_iter().zip(0..);
                let placed = placed.map(|(event, index)| (FeedPosition { commit, index }, event));
                items.extend(placed.filter(|(position, _)| *position > after).take(limit - items.len()));
            }
        }
        Ok(items)
    }
}

fn events(entry: &FeedEntry) -> Result<Vec<mainspring_core::row::Transition>, Failure> {
    Ok(decode_feed(entry.1.get("events").map(Vec::as_slice).unwrap_or_default())?)
}
