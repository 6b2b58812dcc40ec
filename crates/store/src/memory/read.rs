//! What the in-memory store gives back to the core: the snapshot of a load and the rows of a read set.

use std::collections::{BTreeMap, BTreeSet};

use mainspring_core::id::{Key, Name};
use mainspring_core::limits::RESIDENT_BODY_BYTES_MAX;
use mainspring_core::row::{LanePage, ReadSet, Rows, Snapshot, TaskRow, TimerPage};
use mainspring_core::time::Timestamp;

use super::state::{State, StoredTask, bodiless};

/// A task as the core sees it: a task of a job has its spec in the graph, unless its body was replaced; large bodies stay
/// in the store.
fn resident(task: &StoredTask) -> TaskRow {
    let mut row = task.row.clone();
    if row.job.is_some() && !task.edited {
        row.spec = None;
    } else if let Some(spec) = row.spec.as_mut().filter(|spec| spec.body.len() > RESIDENT_BODY_BYTES_MAX) {
        *spec = bodiless(spec);
    }
    row
}

impl State {
    /// What [`crate::Store::load`] answers, as far as published rows go.
    pub fn snapshot(&self) -> Snapshot {
        let tasks: Vec<_> = self.hot.iter().map(|key| resident(&self.tasks[key])).collect();
        let jobs: BTreeSet<Key> = tasks
            .iter()
            .filter_map(|row| row.job)
            .chain(self.swept.iter().copied())
            .chain(self.watched.iter().copied())
            .collect();
        let newest = |name: &(_, _, _, u32)| {
            let mut later = self.definitions.range(name.clone()..).skip(1);
            later.next().is_none_or(|((kind, tenant, text, _), _)| (kind, tenant, text) != (&name.0, &name.1, &name.2))
        };
        Snapshot {
            incarnation: self.incarnation,
            high_water: self.high_water,
            lanes: self.lanes.values().cloned().collect(),
            cold_ready: self.cold_ready.iter().map(|(lane, line)| (*lane, line.len() as u64)).collect(),
            cold_timers: self.timers.len() as u64,
            next_timer: self.timers.first().map(|(due, _)| *due),
            queues: self.queues.values().cloned().collect(),
            limits: self.limits.values().cloned().collect(),
            loans: self.loans.values().cloned().collect(),
            backlog: self.backlog(),
            workers: self.workers.values().cloned().collect(),
            schedules: self.schedules.values().cloned().collect(),
            definitions: self.definitions.keys().filter(|name| newest(name)).cloned().collect(),
            jobs: jobs.iter().filter_map(|key| self.jobs.get(key)).cloned().collect(),
            tasks,
        }
    }

    /// Unfinished tasks by tenant.
    fn backlog(&self) -> Vec<(Name, u64)> {
        let mut backlog: BTreeMap<Name, u64> = BTreeMap::new();
        for ((tenant, _, status), number) in &self.task_counts {
            if !status.is_terminal() {
                *backlog.entry(tenant.clone()).or_default() += number;
            }
        }
        backlog.into_iter().collect()
    }

    /// What [`crate::Store::read`] answers.
    pub fn rows(&self, set: &ReadSet) -> Rows {
        let mut keys = set.tasks.clone();
        for page in &set.lanes {
            self.lane_page(page, &mut keys);
        }
        let next_timer = set.timers.as_ref().and_then(|page| self.timer_page(page, &mut keys));
        let mut seen = BTreeSet::new();
        keys.retain(|key| seen.insert(*key));
        Rows {
            tasks: keys.iter().filter_map(|key| self.tasks.get(key)).map(resident).collect(),
            jobs: set.jobs.iter().filter_map(|key| self.jobs.get(key)).cloned().collect(),
            chunks: set.chunks.iter().filter_map(|chunk| self.chunks.get(chunk)).cloned().collect(),
            claims: set.claims.iter().filter_map(|name| self.claims.get(name)).cloned().collect(),
            next_timer,
        }
    }

    fn lane_page(&self, page: &LanePage, keys: &mut Vec<Key>) {
        let Some(line) = self.cold_ready.get(&page.lane) else { return };
        keys.extend(line.iter().take(page.limit as usize).map(|(_, key)| *key));
        let mut rank = 0;
        while let Some((found, _)) = line.range((rank, Key::from_raw(0))..).next() {
            let oldest = line.range((*found, Key::from_raw(0))..=(*found, Key::from_raw(u64::MAX)));
            keys.extend(oldest.take(page.oldest as usize).map(|(_, key)| *key));
            rank = found + 1;
        }
    }

    fn timer_page(&self, page: &TimerPage, keys: &mut Vec<Key>) -> Option<Timestamp> {
        let mut timers = self.timers.iter().peekable();
        for _ in 0..page.limit {
            match timers.next_if(|(due, _)| *due <= page.until) {
                Some((_, key)) => keys.push(*key),
                None => break,
            }
        }
        timers.next().map(|(due, _)| *due)
    }
}
