//! What is in memory: rows that reads bring, rows that may leave, and the restart from a snapshot.
//!
//! Memory wins: a read never overwrites a row that is already here. A row may leave once the commit with its last change
//! has returned, it is not active, and no read that was ordered before that commit is still on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::lanes::{Lanes, rank};
use super::{Dirt, Job, Session, Shard, ShardConfig, Task, Work, figures};
use crate::event::Offer;
use crate::id::Key;
use crate::job::{GraphChunk, JobRow};
use crate::row::{Directive, ReadSet, Rows, Snapshot, TaskRow};
use crate::spec::TaskSpec;
use crate::task::{LaneId, Place, TaskStatus};
use crate::time::Timestamp;

/// The position before all others in a lane.
const FIRST: (u8, Key) = (0, Key::ZERO);

impl Shard {
    /// A shard as the store left it. Its hot rows become active as [`Work::Admit`]; until those are done the driver lets
    /// nothing else in.
    pub(crate) fn restore(config: ShardConfig, snapshot: Snapshot, now: Timestamp) -> Self {
        let now = now.max(snapshot.high_water.time);
        let mut shard = Self {
            config,
            incarnation: snapshot.incarnation,
            now,
            high_water: crate::row::HighWater { time: now, ..snapshot.high_water },
            tasks: Default::default(),
            jobs: Default::default(),
            chunks: Default::default(),
            chunk_order: Default::default(),
            claims: Default::default(),
            absent: Default::default(),
            lanes: Lanes::restore(snapshot.lanes),
            timers: BTreeSet::new(),
            scheduled: 0,
            cold_timers: snapshot.cold_timers,
            cold_timers_active: 0,
            next_cold_timer: snapshot.next_timer,
            timers_paging: false,
            cold_timer_made: None,
            sessions: BTreeMap::new(),
            sessions_checked_at: now,
            rotation: 0,
            paused_queues: snapshot.queues.into_iter().filter(|queue| queue.paused).map(|queue| queue.name).collect(),
            directives: snapshot
                .workers
                .into_iter()
                .filter(|worker| worker.directive != Directive::Run)
                .map(|worker| (worker.worker, worker.directive))
                .collect(),
            definitions: snapshot
                .definitions
                .into_iter()
                .map(|(kind, tenant, name, version)| ((kind, tenant, name), version))
                .collect(),
            work: BTreeSet::new(),
            admitting: 0,
            recovering: true,
            dirty_tasks: Vec::new(),
            dirty_jobs: Vec::new(),
            changes: Default::default(),
            rows: 0,
            bytes: 0,
            effects: Vec::new(),
            part_offset: 0,
            retiring: Default::default(),
            resting: Default::default(),
            retiring_jobs: Default::default(),
            resting_jobs: Default::default(),
            figures: figures::Counters::default(),
        };
        for (lane, cold) in snapshot.cold_ready {
            let lane = shard.lanes.get_mut(lane);
            lane.cold = cold;
            lane.cold_from = Some(FIRST);
        }
        for row in snapshot.jobs {
            if row.state.sweep.is_some() {
                shard.work.insert(Work::Sweep(row.key));
            }
            shard.keep_job(row);
        }
        for row in snapshot.tasks {
            let key = row.key;
            shard.keep_task(row);
            shard.admit_later(key);
        }
        shard
    }

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
            beat_at: now,
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
            if !self.jobs.contains_key(&row.key) && !self.absent.contains_key(&row.key) {
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
            let (key, place) = (row.key, row.state.place);
            if !self.tasks.contains_key(&key) && !self.absent.contains_key(&key) {
                self.keep_task(row);
            }
            let paged = match place {
                Place::ColdReady { lane } => set.lanes.iter().any(|page| page.lane == lane),
                Place::ColdTimer => set.timers.is_some(),
                Place::Hot | Place::Rest => false,
            };
            if paged && self.tasks.contains_key(&key) {
                self.admit_later(key);
            }
        }
        for key in set.tasks.iter().chain(&set.jobs) {
            if !self.tasks.contains_key(key) && !self.jobs.contains_key(key) {
                self.absent.entry(*key).or_insert(0);
            }
        }
    }

    /// Notes how far the pages reach.
    fn note_pages(&mut self, set: &ReadSet, rows: &[TaskRow], next_timer: Option<Timestamp>) {
        for page in &set.lanes {
            let in_lane = |row: &&TaskRow| row.state.place == Place::ColdReady { lane: page.lane };
            // A task of a job is read without its spec, so its rank is not known here: then nothing passes what is cold.
            let ranked = rows.iter().filter(in_lane).all(|row| row.spec.is_some());
            let mut entries: Vec<_> = rows.iter().filter(in_lane).map(|row| (priority_rank(row), row.key)).collect();
            entries.sort_unstable();
            let lane = self.lanes.get_mut(page.lane);
            lane.paging = false;
            let reached = entries.get(page.limit as usize - 1).copied();
            let after =
                if ranked { reached.map(|(rank, key)| (rank, Key::from_raw(key.raw() + 1))) } else { Some(FIRST) };
            lane.cold_from = [after, lane.cold_made].into_iter().flatten().min();
        }
        if set.timers.is_some() {
            self.timers_paging = false;
            self.next_cold_timer = [next_timer, self.cold_timer_made].into_iter().flatten().min();
        }
    }

    /// A read failed: its pages are asked for again.
    pub(crate) fn pages_failed(&mut self, set: &ReadSet) {
        for page in &set.lanes {
            self.lanes.get_mut(page.lane).paging = false;
        }
        if set.timers.is_some() {
            self.timers_paging = false;
        }
    }

    /// Makes a row active that a page or a load brought, unless it moved on meanwhile.
    pub(super) fn admit(&mut self, key: Key) {
        self.admitting -= 1;
        let Some(task) = self.tasks.get(&key) else { return };
        if task.active {
            return;
        }
        if let Some(job) = task.row.job
            && task.row.spec.is_none()
        {
            let Some(chunk) = self.chunks.get(&(job, job.index_of(key) / crate::limits::GRAPH_CHUNK_TASKS)) else {
                return;
            };
            let spec = chunk.tasks[(job.index_of(key) % crate::limits::GRAPH_CHUNK_TASKS) as usize].spec.clone();
            self.give_spec(key, spec);
        }
        let state = &self.task(key).row.state;
        match (state.status, state.place) {
            (TaskStatus::Ready, Place::ColdReady { lane }) => {
                self.lanes.get_mut(lane).cold -= 1;
                self.lanes.get_mut(lane).cold_active += 1;
                self.stand_in_lane(key, lane);
            }
            (TaskStatus::Ready, Place::Hot) => {
                let row = &self.task(key).row;
                let spec = row.spec.as_ref().expect("its spec was just given");
                let lane = self.lanes.find(&spec.queue, &row.tenant, &spec.class).expect("a ready task has a lane");
                self.stand_in_lane(key, lane);
            }
            (TaskStatus::Scheduled, place @ (Place::ColdTimer | Place::Hot)) => {
                let due = state.due.expect("a scheduled task has a time");
                if place == Place::ColdTimer {
                    self.cold_timers -= 1;
                    self.cold_timers_active += 1;
                }
                self.wait_for(key, due);
            }
            (TaskStatus::Running, _) => self.admit_running(key),
            (status, Place::Hot) if status.is_terminal() && state.settling.is_some() => {
                let job = self.task(key).row.job.expect("only tasks of jobs settle");
                self.job_mut(job).settling += 1;
                self.activate(key);
                self.work.insert(Work::Settle(key));
            }
            _ => {}
        }
    }

    /// A lease that lives through a load gets one full lease time; its session is remembered until it speaks.
    fn admit_running(&mut self, key: Key) {
        let now = self.now;
        let lease = self.task(key).row.state.lease.clone().expect("a running task has a lease");
        let session = self.sessions.entry(lease.session.clone()).or_insert_with(|| Session {
            worker: lease.worker.clone(),
            offer: Arc::new(Offer { queues: Vec::new(), executors: Vec::new(), labels: Vec::new() }),
            credits: 0,
            leases: BTreeSet::new(),
            lease_ms: lease.lease_ms,
            since: now,
            heard_at: now,
            connected: false,
            groups: Vec::new(),
            groups_known: 0,
        });
        session.leases.insert(key);
        self.task_mut(key).lease_until = now.plus_ms(lease.lease_ms);
        self.activate(key);
        self.watch_attempt(key);
    }

    /// A commit returned: rows whose last change is in it may leave.
    pub(crate) fn forget(&mut self, committed: u64) {
        while let Some(&(commit, key)) = self.retiring.front()
            && commit <= committed
        {
            self.retiring.pop_front();
            let Some(task) = self.tasks.get(&key).filter(|task| may_leave(task, committed)) else { continue };
            let state = &task.row.state;
            let returns_by_itself = matches!(state.place, Place::ColdReady { .. } | Place::ColdTimer);
            if state.status.is_terminal() || returns_by_itself {
                self.tasks.remove(&key);
            } else {
                self.resting.push_back(key);
            }
        }
        while self.resting.len() > self.config.resting_max {
            let key = self.resting.pop_front().expect("it is longer than the limit");
            if self.tasks.get(&key).is_some_and(|task| may_leave(task, committed)) {
                self.tasks.remove(&key);
            }
        }
        self.forget_jobs(committed);
        while self.chunk_order.len() > self.config.chunks_max {
            match self.chunk_order.front() {
                Some(&(commit, name)) if commit <= committed => {
                    self.chunk_order.pop_front();
                    self.chunks.remove(&name);
                }
                _ => break,
            }
        }
    }

    fn forget_jobs(&mut self, committed: u64) {
        let may_leave = |job: &Job| {
            job.dirt == Dirt::Clean
                && job.commit <= committed
                && job.active == 0
                && job.settling == 0
                && job.row.state.sweep.is_none()
        };
        while let Some(&(commit, key)) = self.retiring_jobs.front()
            && commit <= committed
        {
            self.retiring_jobs.pop_front();
            let Some(job) = self.jobs.get(&key).filter(|job| may_leave(job)) else { continue };
            if job.row.state.status.is_terminal() {
                self.jobs.remove(&key);
            } else {
                self.resting_jobs.push_back(key);
            }
        }
        while self.resting_jobs.len() > self.config.resting_max {
            let key = self.resting_jobs.pop_front().expect("it is longer than the limit");
            if self.jobs.get(&key).is_some_and(may_leave) {
                self.jobs.remove(&key);
            }
        }
    }

    /// Drops what reads said about claims and missing rows, except what is newer than the last returned commit.
    pub(crate) fn forget_reads(&mut self, committed: u64) {
        self.claims.retain(|_, (_, commit)| *commit > committed);
        self.absent.retain(|_, commit| *commit > committed);
    }

    /// The lanes as the store has them: how many cold rows each.
    pub(super) fn cold_total(&self, lane: LaneId) -> u64 {
        let lane = self.lanes.get(lane);
        lane.cold + u64::from(lane.cold_active)
    }
}

fn may_leave(task: &Task, committed: u64) -> bool {
    task.dirt == Dirt::Clean && task.commit <= committed && !task.active && task.row.state.place != Place::Hot
}

fn priority_rank(row: &TaskRow) -> u8 {
    rank(row.spec.as_ref().map_or(0, |spec| spec.priority))
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
