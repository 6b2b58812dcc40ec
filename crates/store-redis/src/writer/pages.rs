//! The rows of a read set.

use std::collections::HashSet;

use mainspring_core::id::Key;
use mainspring_core::row::{LanePage, ReadSet, Rows, TaskRow, TimerPage};
use mainspring_core::task::TaskState;
use mainspring_core::time::Timestamp;
use redis::{Pipeline, Value};

use super::Writer;
use crate::failure::Failure;
use crate::fetch;
use crate::keys::of_member;
use crate::record::{Names, StoredSpec, decode_state};

/// Ranks of a lane: one for each priority.
const RANKS: u8 = 10;

/// A task as the core sees it: a task of a job has its spec in the graph, unless its body was replaced; large bodies stay
/// in the store.
fn resident(key: Key, stored: StoredSpec, state: TaskState) -> TaskRow {
    let in_graph = stored.job.is_some() && !stored.edited;
    let row = stored.row(key, state);
    TaskRow { spec: row.spec.filter(|_| !in_graph), ..row }
}

impl Writer {
    pub(super) async fn read(&mut self, set: &ReadSet) -> Result<Rows, Failure> {
        let mut keys = set.tasks.clone();
        let next_timer = self.pages(set, &mut keys).await?;
        let mut seen = HashSet::with_capacity(keys.len());
        keys.retain(|key| seen.insert(*key));
        Ok(Rows {
            tasks: self.residents(&keys).await?,
            jobs: self.read_jobs(&set.jobs).await?,
            chunks: fetch::chunks(&self.link, &set.chunks).await?,
            claims: fetch::claims(&self.link, &set.claims).await?,
            next_timer,
        })
    }

    async fn read_jobs(&mut self, keys: &[Key]) -> Result<Vec<mainspring_core::job::JobRow>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows = fetch::jobs(&self.link, keys).await?;
        rows.iter().for_each(|row| self.cache.job(row));
        Ok(rows)
    }

    /// Tasks as the core sees them, in order. They are remembered: they will be updated soon.
    pub(super) async fn residents(&mut self, keys: &[Key]) -> Result<Vec<TaskRow>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut names = Names::default();
        let mut rows = Vec::with_capacity(keys.len());
        for (key, found) in keys.iter().zip(fetch::tasks(&self.link, keys).await?) {
            if let Some([spec, state]) = found {
                rows.push((*key, StoredSpec::decode(&spec, &mut names)?, decode_state(&state, &mut names)?));
            }
        }
        self.know_jobs(rows.iter().filter_map(|(_, stored, _)| stored.job)).await?;
        let mut found = Vec::with_capacity(rows.len());
        for (key, stored, state) in rows {
            let entry = self.cache.entry(self.link.keys(), key, &stored, &state);
            self.cache.tasks.insert(key, entry);
            found.push(resident(key, stored, state));
        }
        Ok(found)
    }

    /// Adds the keys of all pages, in one round trip.
    async fn pages(&self, set: &ReadSet, keys: &mut Vec<Key>) -> Result<Option<Timestamp>, Failure> {
        let mut pipeline = Pipeline::new();
        set.lanes.iter().for_each(|page| self.ask_lane(page, &mut pipeline));
        if let Some(page) = &set.timers {
            let ask = pipeline.cmd("ZRANGE").arg(self.link.keys().one("timers"));
            ask.arg(0).arg(page.limit).arg("WITHSCORES");
        }
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        for page in &set.lanes {
            for _ in 0..if page.oldest > 0 { RANKS + 1 } else { 1 } {
                keys.extend(fetch::keys_of(fetch::next(&mut answers)?));
            }
        }
        match &set.timers {
            Some(page) => timers(page, &mut answers, keys),
            None => Ok(None),
        }
    }

    fn ask_lane(&self, page: &LanePage, pipeline: &mut Pipeline) {
        let lane = self.link.keys().lane(page.lane.0);
        // A limit of 0 means all to ZRANGE.
        pipeline.cmd("ZRANGEBYSCORE").arg(&lane).arg("-inf").arg("+inf").arg("LIMIT").arg(0).arg(page.limit);
        if page.oldest > 0 {
            for rank in 0..RANKS {
                let ask = pipeline.cmd("ZRANGEBYSCORE").arg(&lane).arg(rank).arg(rank);
                ask.arg("LIMIT").arg(0).arg(page.oldest);
            }
        }
    }
}

/// The timers that are due, and when the next one after them is.
fn timers(
    page: &TimerPage,
    answers: &mut impl Iterator<Item = Value>,
    keys: &mut Vec<Key>,
) -> Result<Option<Timestamp>, Failure> {
    let members: Vec<(Vec<u8>, f64)> = fetch::next(answers)?;
    for ((member, due), taken) in members.into_iter().zip(0..) {
        let due = Timestamp::from_millis(due as i64);
        if taken == page.limit || due > page.until {
            return Ok(Some(due));
        }
        keys.extend(of_member(&member));
    }
    Ok(None)
}
