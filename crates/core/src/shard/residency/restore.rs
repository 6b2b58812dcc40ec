//! The restart from a snapshot, and how rows that a load or a page brought become active.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::lanes::{Lanes, rank};
use super::super::permits::Permits;
use super::super::{Session, Shard, ShardConfig, Work, figures};
use crate::effect::Effect;
use crate::event::Offer;
use crate::id::{Key, Name, Token};
use crate::job::JobRow;
use crate::row::{DefinitionKind, Directive, Snapshot, WorkerRow};
use crate::schedule::ScheduleName;
use crate::task::{LaneId, Place, TaskStatus};
use crate::time::Timestamp;

impl Shard {
    /// A shard as the store left it. Its hot rows become active as [`Work::Admit`]; until those are done the driver lets
    /// nothing else in.
    pub(crate) fn restore(config: ShardConfig, snapshot: Snapshot, now: Timestamp) -> Self {
        let now = now.max(snapshot.high_water.time);
        let lease = snapshot.high_water.lease.max(Token::lease_before(snapshot.incarnation));
        let permits =
            Permits::restore(&config, snapshot.limits, snapshot.loans, snapshot.backlog, snapshot.high_water.time);
        let mut shard = Self {
            config,
            incarnation: snapshot.incarnation,
            now,
            high_water: crate::row::HighWater { time: now, lease, ..snapshot.high_water },
            tasks: Default::default(),
            jobs: Default::default(),
            chunks: Default::default(),
            chunk_order: Default::default(),
            claims: Default::default(),
            absent_tasks: Default::default(),
            absent_jobs: Default::default(),
            lanes: Lanes::restore(snapshot.lanes),
            timers: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            lines: BTreeMap::new(),
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
            paused_workers: paused_of(snapshot.workers),
            permits,
            postponed: Default::default(),
            definitions: snapshot
                .definitions
                .into_iter()
                .map(|(kind, tenant, name, version)| ((kind, tenant, name), version))
                .collect(),
            schedules: Default::default(),
            followers: Default::default(),
            work: BTreeSet::new(),
            admitting: 0,
            recovering: true,
            untouched: true,
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
        shard.restore_lanes(snapshot.cold_ready);
        snapshot.jobs.into_iter().for_each(|row| shard.restore_job(row));
        snapshot.schedules.into_iter().for_each(|row| shard.restore_schedule(row));
        shard.install_all();
        for row in snapshot.tasks {
            let key = row.key;
            shard.keep_task(row);
            shard.admit_later(key);
        }
        shard
    }

    /// The schedules of all definitions are to follow: whoever was to see to it may have gone with the owner before.
    fn install_all(&mut self) {
        let jobs = self.definitions.keys().filter(|(kind, ..)| *kind == DefinitionKind::Job);
        let jobs = jobs.map(|(_, tenant, name)| ScheduleName { tenant: tenant.clone(), name: name.clone() });
        self.effects.extend(jobs.map(Effect::Install));
    }

    /// What tenants weigh, what stands behind the windows, and the keys that lanes open and shut with.
    fn restore_lanes(&mut self, cold: Vec<(LaneId, u64)>) {
        self.lanes.weigh(self.permits.weights());
        for (lane, cold) in cold {
            self.lanes.restore_cold(lane, cold);
        }
        for slot in self.lanes.numbered_slots() {
            self.watch_keys_of(slot);
        }
    }

    fn restore_job(&mut self, row: JobRow) {
        match &row.state.sweep {
            Some(sweep) if sweep.kind.is_outside() => self.followers.remember(row.key, &sweep.kind),
            Some(_) => _ = self.work.insert(Work::Sweep(row.key)),
            None => {}
        }
        self.restore_place(&row);
        let (key, watched) = (row.key, row.is_watched());
        self.keep_job(row);
        if watched {
            self.watch_job(key);
        }
    }

    /// Makes a row active that a page or a load brought, unless it moved on meanwhile.
    pub(in super::super) fn admit(&mut self, key: Key) {
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
                let priority = self.task(key).row.spec.as_ref().map_or(0, |spec| spec.priority);
                self.lanes.page_ranked(lane, (rank(priority), key));
                self.lanes.admitted(lane);
                let lane = self.lane_of(key);
                self.stand_in_lane(key, lane);
                if !self.untouched {
                    self.shorten(lane);
                }
            }
            (TaskStatus::Ready, Place::Hot) => {
                let lane = self.lane_of(key);
                self.stand_in_lane(key, lane);
            }
            (TaskStatus::Pending, Place::Hot) => {
                let job = self.task(key).row.job.expect("only tasks of jobs are evaluated");
                self.activate(key);
                self.ask_for_verdict(job, key);
            }
            (TaskStatus::Scheduled | TaskStatus::Waiting, place @ (Place::ColdTimer | Place::Hot)) => {
                let due = state.due.expect("a task with a timer has a time");
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
            draining: false,
            groups: Vec::new(),
            groups_known: 0,
        });
        session.leases.insert(key);
        let task = self.task_mut(key);
        task.lease_until = now.plus_ms(lease.lease_ms);
        task.run_from = task.row.state.last.as_ref().map_or(now, |last| last.started_at);
        self.activate(key);
        self.watch_attempt(key);
        self.count_permits(key);
    }
}

fn paused_of(workers: Vec<WorkerRow>) -> BTreeSet<Name> {
    workers.into_iter().filter(|row| row.directive == Directive::Pause).map(|row| row.worker).collect()
}
