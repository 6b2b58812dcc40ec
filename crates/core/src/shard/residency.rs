//! What is in memory: rows that reads bring, rows that may leave (`forget`), and the restart from a snapshot (`restore`).
//!
//! Memory wins: a read never overwrites a row that is already here. A row may leave once the commit with its last change
//! has returned, it is not active, and no read that was ordered before that commit is still on its way.

mod forget;
mod restore;

use std::sync::Arc;

use super::lanes::{Page, rank};
use super::{Dirt, Job, Shard, Task, Work};
use crate::id::Key;
use crate::job::{GraphChunk, JobRow};
use crate::row::{ReadSet, Rows, TaskRow};
use crate::spec::TaskSpec;
use crate::task::{LaneId, Place};
use crate::time::Timestamp;

impl Shard {
    fn keep_task(&mut self, row: TaskRow) {
        let key = row.key;
        let now = self.now;
        let task = Task {
            row,
            dirt: Dirt::Clean,
            commit: 0,
            active: false,
            lane: None,
            timer: None,
            lease_until: now,
            run_from: now,
            beat_at: now,
            told_at: None,
            noted: None,
            coming: None,
            reported: false,
        };
        self.tasks.insert(key, task);
        self.resting.push_back(key);
    }

    fn keep_job(&mut self, row: JobRow) {
        let key = row.key;
        self.jobs.insert(key, Job { row, dirt: Dirt::Clean, commit: 0, active: 0, settling: 0, staging: None });
        self.resting_jobs.push_back(key);
    }

    fn admit_later(&mut self, key: Key) {
        if self.work.insert(Work::Admit(key)) {
            self.admitting += 1;
        }
    }

    /// Keeps a chunk of a graph in memory; a new one is also written.
    pub(super) fn put_chunk(&mut self, chunk: Arc<GraphChunk>, new: bool) {
        let name = (chunk.job, chunk.number);
        if new {
            self.bytes += chunk.tasks.iter().map(|task| task.spec.body.len()).sum::<usize>();
            self.changes.insert_chunks.push((*chunk).clone());
            self.rows += 1;
        }
        let commit = if new { self.high_water.commit + 1 } else { 0 };
        if self.chunks.insert(name, Arc::new(without_large_bodies(&chunk))).is_none() {
            self.chunk_order.push_back((commit, name));
        }
    }

    /// Gives a task of a job its spec back.
    pub(super) fn give_spec(&mut self, key: Key, spec: Arc<TaskSpec>) {
        let row = &mut self.task_mut(key).row;
        if row.spec.is_none() {
            row.spec = Some(spec);
        }
    }

    /// Takes in what a read brought.
    pub(crate) fn absorb(&mut self, set: &ReadSet, rows: Rows) {
        for name in &set.claims {
            self.claims.entry(name.clone()).or_insert((None, 0));
        }
        for claim in rows.claims {
            let entry = self.claims.entry(claim.name.clone()).or_insert((None, 0));
            if entry.1 == 0 {
                entry.0 = Some(claim);
            }
        }
        for row in rows.jobs {
            if !self.jobs.contains_key(&row.key) && !self.absent_jobs.contains_key(&row.key) {
                self.keep_job(row);
            }
        }
        for chunk in rows.chunks {
            if !self.chunks.contains_key(&(chunk.job, chunk.number)) {
                self.put_chunk(Arc::new(chunk), false);
            }
        }
        self.note_pages(set, &rows.tasks, rows.next_timer);
        for row in rows.tasks {
            let (key, place, due) = (row.key, row.state.place, row.state.due);
            if !self.tasks.contains_key(&key) && !self.absent_tasks.contains_key(&key) {
                self.keep_task(row);
            }
            let paged = match place {
                Place::ColdReady { lane } => set.lanes.iter().any(|page| page.lane == lane),
                // One that was read by its name may be due in years: it must not take a place among those of the page.
                Place::ColdTimer => set.timers.is_some_and(|page| due.is_some_and(|due| due <= page.until)),
                Place::Hot | Place::Rest => false,
            };
            if paged && self.tasks.contains_key(&key) {
                self.admit_later(key);
            }
        }
        for key in set.tasks.iter().filter(|key| !self.tasks.contains_key(key)) {
            self.absent_tasks.entry(*key).or_insert(0);
        }
        for key in set.jobs.iter().filter(|key| !self.jobs.contains_key(key)) {
            self.absent_jobs.entry(*key).or_insert(0);
        }
    }

    /// Notes how far the pages reach.
    fn note_pages(&mut self, set: &ReadSet, rows: &[TaskRow], next_timer: Option<Timestamp>) {
        for page in &set.lanes {
            let mut brought = Page::new(page.limit);
            for row in rows.iter().filter(|row| row.state.place == Place::ColdReady { lane: page.lane }) {
                // A task of a job is read without its spec: unless it is here already, its rank is known when it is admitted.
                let here = self.tasks.get(&row.key).and_then(|task| task.row.spec.as_ref());
                brought.add(row.key, row.spec.as_ref().or(here).map(|spec| rank(spec.priority)));
            }
            self.lanes.page_read(page.lane, brought);
        }
        if set.timers.is_some() {
            self.timers_paging = false;
            self.next_cold_timer = [next_timer, self.cold_timer_made].into_iter().flatten().min();
        }
    }

    /// A read failed: its pages are asked for again.
    pub(crate) fn pages_failed(&mut self, set: &ReadSet) {
        for page in &set.lanes {
            self.lanes.page_failed(page.lane);
        }
        if set.timers.is_some() {
            self.timers_paging = false;
        }
    }

    /// The lanes as the store has them: how many cold rows each.
    pub(super) fn cold_total(&self, lane: LaneId) -> u64 {
        let lane = self.lanes.get(self.lanes.slot_of(lane));
        lane.cold + u64::from(lane.cold_active)
    }
}

fn without_large_bodies(chunk: &GraphChunk) -> GraphChunk {
    let mut chunk = chunk.clone();
    for task in &mut chunk.tasks {
        if let Some(spec) = without_large_body(&task.spec) {
            task.spec = spec;
        }
    }
    chunk
}

/// The same spec with an empty body, if its body is too large to keep in memory.
pub(super) fn without_large_body(spec: &Arc<TaskSpec>) -> Option<Arc<TaskSpec>> {
    (spec.body.len() > crate::limits::RESIDENT_BODY_BYTES_MAX)
        .then(|| Arc::new(TaskSpec { body: "".into(), ..TaskSpec::clone(spec) }))
}
