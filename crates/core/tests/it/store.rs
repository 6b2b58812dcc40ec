//! A store as small as the core's contract allows: ordered maps, no faults. It keeps what a commit writes and answers
//! reads and loads from that alone, so that a driver under test can forget and be loaded anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, JobRow, SweepKind};
use mainspring_core::limits::{PRIORITY_MAX, RESIDENT_BODY_BYTES_MAX};
use mainspring_core::loan::{LoanName, LoanRow};
use mainspring_core::permit::{LimitRow, LimitScope, Limits};
use mainspring_core::row::{
    AttemptRow, Changes, ClaimName, ClaimRow, DefinitionKind, HighWater, LaneRow, QueueRow, ReadSet, Rows, Snapshot,
    TaskRow, WorkerRow,
};
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::{LaneId, Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;

/// The rows of one shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    high_water: HighWater,
    /// How often it was restored.
    pub(crate) restored: u32,
    pub(crate) tasks: BTreeMap<Key, TaskRow>,
    pub(crate) jobs: BTreeMap<Key, JobRow>,
    pub(crate) chunks: BTreeMap<(Key, u32), GraphChunk>,
    edited: BTreeSet<Key>,
    pub(crate) claims: BTreeMap<ClaimName, ClaimRow>,
    lanes: Vec<LaneRow>,
    pub(crate) schedules: BTreeMap<ScheduleName, ScheduleRow>,
    pub(crate) occurrences: BTreeMap<Key, OccurrenceRow>,
    queues: BTreeMap<Name, QueueRow>,
    limits: BTreeMap<(LimitScope, Name), LimitRow>,
    pub(crate) loans: BTreeMap<(LoanName, u16), LoanRow>,
    workers: BTreeMap<Name, WorkerRow>,
    definitions: BTreeMap<(DefinitionKind, Name, Name), u32>,
    hot: BTreeSet<Key>,
    cold_ready: BTreeMap<LaneId, BTreeSet<(u8, Key)>>,
    cold_timers: BTreeSet<(Timestamp, Key)>,
    /// Rows written by all commits.
    pub(crate) written: u64,
}

impl Store {
    /// How many commits were written.
    pub(crate) fn commits(&self) -> u64 {
        self.high_water.commit
    }

    /// Writes one commit. Panics where a database would refuse: a gap in the numbers, an insert of what is there, an
    /// update of what is not.
    pub(crate) fn apply(&mut self, changes: &Changes) {
        assert_eq!(changes.high_water.commit, self.high_water.commit + 1, "commits have no gaps");
        assert!(changes.high_water.lease >= self.high_water.lease && changes.high_water.time >= self.high_water.time);
        let leases = self.high_water.lease;
        let limits = self.limits.clone();
        self.high_water = changes.high_water;
        self.apply_tasks(changes);
        self.apply_jobs(changes);
        for claim in &changes.put_claims {
            self.claims.insert(claim.name.clone(), claim.clone());
        }
        for name in &changes.delete_claims {
            self.claims.remove(name);
        }
        for id in &changes.delete_schedules {
            self.schedules.remove(id);
        }
        self.schedules.extend(changes.put_schedules.iter().map(|row| (row.id.clone(), row.clone())));
        for (id, state) in &changes.update_schedules {
            self.schedules.get_mut(id).expect("an updated schedule is there").state = state.clone();
        }
        for row in &changes.insert_occurrences {
            assert!(self.occurrences.insert(row.key, row.clone()).is_none(), "{:?} is inserted twice", row.key);
        }
        self.lanes.extend(changes.insert_lanes.iter().cloned());
        self.queues.extend(changes.put_queues.iter().map(|row| (row.name.clone(), row.clone())));
        for row in &changes.put_limits {
            let id = (row.scope, row.name.clone());
            if row.limits == Limits::default() {
                self.limits.remove(&id);
            } else {
                self.limits.insert(id, row.clone());
            }
        }
        crate::permits::check(self.tasks.values(), leases, &limits, &self.limits);
        self.loans.extend(changes.put_loans.iter().map(|row| ((row.of.clone(), row.peer), row.clone())));
        self.workers.extend(changes.put_workers.iter().map(|row| (row.worker.clone(), row.clone())));
        let definitions = changes.insert_definitions.iter();
        self.definitions.extend(definitions.map(|row| ((row.kind, row.tenant.clone(), row.name.clone()), row.version)));
    }

    fn apply_tasks(&mut self, changes: &Changes) {
        self.written += (changes.insert_tasks.len() + changes.update_tasks.len()) as u64;
        for row in &changes.insert_tasks {
            assert!(row.spec.is_some(), "an insert has a spec");
            assert!(self.tasks.insert(row.key, row.clone()).is_none(), "{:?} is inserted twice", row.key);
            self.index(row.key, true);
        }
        for (key, state) in &changes.update_tasks {
            self.index(*key, false);
            let row = self.tasks.get_mut(key).expect("an updated task is there");
            check_move(row, state, &changes.insert_attempts);
            row.state = state.clone();
            self.index(*key, true);
        }
        for (key, body) in &changes.rewrite_bodies {
            let row = self.tasks.get_mut(key).expect("a rewritten task is there");
            let spec = row.spec.as_deref().expect("a stored task has its spec");
            row.spec = Some(Arc::new(TaskSpec { body: body.clone(), ..spec.clone() }));
            self.edited.insert(*key);
        }
        for key in &changes.delete_tasks {
            self.index(*key, false);
            self.tasks.remove(key);
        }
    }

    fn apply_jobs(&mut self, changes: &Changes) {
        self.written += (changes.insert_jobs.len() + changes.update_jobs.len()) as u64;
        for row in &changes.insert_jobs {
            assert!(self.jobs.insert(row.key, row.clone()).is_none(), "{:?} is inserted twice", row.key);
        }
        for (key, state) in &changes.update_jobs {
            self.jobs.get_mut(key).expect("an updated job is there").state = state.clone();
        }
        for chunk in &changes.insert_chunks {
            self.chunks.insert((chunk.job, chunk.number), chunk.clone());
        }
        for key in &changes.delete_jobs {
            self.jobs.remove(key);
            self.chunks.retain(|(job, _), _| job != key);
        }
    }

    /// Keeps the sets of hot and cold rows.
    fn index(&mut self, key: Key, present: bool) {
        fn set<T: Ord>(set: &mut BTreeSet<T>, entry: T, present: bool) {
            if present {
                set.insert(entry);
            } else {
                set.remove(&entry);
            }
        }
        let Some(row) = self.tasks.get(&key) else { return };
        match row.state.place {
            Place::Hot => set(&mut self.hot, key, present),
            Place::ColdReady { lane } => {
                let priority = row.spec.as_ref().map_or(0, |spec| spec.priority);
                set(
                    self.cold_ready.entry(lane).or_default(),
                    (PRIORITY_MAX - priority.min(PRIORITY_MAX), key),
                    present,
                );
            }
            Place::ColdTimer => {
                set(&mut self.cold_timers, (row.state.due.expect("a timer has a time"), key), present);
            }
            Place::Rest => {}
        }
    }

    /// A task as a read brings it.
    fn resident(&self, key: Key) -> Option<TaskRow> {
        let mut row = self.tasks.get(&key)?.clone();
        if row.job.is_some() && !self.edited.contains(&key) {
            row.spec = None;
        } else if let Some(spec) = row.spec.as_mut().filter(|spec| spec.body.len() > RESIDENT_BODY_BYTES_MAX) {
            *spec = Arc::new(TaskSpec { body: "".into(), ..TaskSpec::clone(spec) });
        }
        Some(row)
    }

    /// The answer to a read set.
    pub(crate) fn rows(&self, set: &ReadSet) -> Rows {
        let mut keys: BTreeSet<Key> = set.tasks.iter().copied().collect();
        for page in &set.lanes {
            let Some(line) = self.cold_ready.get(&page.lane) else { continue };
            keys.extend(line.iter().take(page.limit as usize).map(|(_, key)| *key));
            for rank in 0..=PRIORITY_MAX {
                let of_rank = line.range((rank, Key::from_raw(0))..=(rank, Key::from_raw(u64::MAX)));
                keys.extend(of_rank.take(page.oldest as usize).map(|(_, key)| *key));
            }
        }
        let mut next_timer = None;
        if let Some(page) = set.timers {
            for (place, (due, key)) in self.cold_timers.iter().enumerate() {
                if place >= page.limit as usize || *due > page.until {
                    next_timer = Some(*due);
                    break;
                }
                keys.insert(*key);
            }
        }
        Rows {
            tasks: keys.into_iter().filter_map(|key| self.resident(key)).collect(),
            jobs: set.jobs.iter().filter_map(|key| self.jobs.get(key)).cloned().collect(),
            chunks: set.chunks.iter().filter_map(|chunk| self.chunks.get(chunk)).cloned().collect(),
            claims: set.claims.iter().filter_map(|name| self.claims.get(name)).cloned().collect(),
            next_timer,
        }
    }

    /// Unfinished tasks by tenant.
    fn backlog(&self) -> Vec<(Name, u64)> {
        let mut backlog: BTreeMap<Name, u64> = BTreeMap::new();
        for row in self.tasks.values().filter(|row| !row.state.status.is_terminal()) {
            *backlog.entry(row.tenant.clone()).or_default() += 1;
        }
        backlog.into_iter().collect()
    }

    /// What a new owner loads. What was never published is removed first.
    pub(crate) fn load(&mut self) -> Snapshot {
        let staged = |row: &&JobRow| row.state.sweep.as_ref().is_some_and(|sweep| sweep.kind == SweepKind::Staging);
        let staged: Vec<Key> = self.jobs.values().filter(staged).map(|row| row.key).collect();
        for job in staged {
            self.jobs.remove(&job);
            self.chunks.retain(|(of, _), _| *of != job);
            self.tasks.retain(|_, row| row.job != Some(job));
            self.claims.retain(|_, claim| claim.target != job);
        }
        let tasks: Vec<TaskRow> = self.hot.iter().filter_map(|key| self.resident(*key)).collect();
        let of_hot: BTreeSet<Key> = tasks.iter().filter_map(|row| row.job).collect();
        let jobs =
            self.jobs.values().filter(|row| row.state.sweep.is_some() || row.is_watched() || of_hot.contains(&row.key));
        let cold = self.cold_ready.iter().map(|(lane, line)| (*lane, line.len() as u64));
        Snapshot {
            incarnation: 1 + self.restored,
            high_water: self.high_water,
            lanes: self.lanes.clone(),
            cold_ready: cold.filter(|(_, count)| *count > 0).collect(),
            cold_timers: self.cold_timers.len() as u64,
            next_timer: self.cold_timers.first().map(|(due, _)| *due),
            queues: self.queues.values().cloned().collect(),
            limits: self.limits.values().cloned().collect(),
            loans: self.loans.values().cloned().collect(),
            backlog: self.backlog(),
            workers: self.workers.values().cloned().collect(),
            definitions: self.definitions.iter().map(|((k, t, n), v)| (*k, t.clone(), n.clone(), *v)).collect(),
            schedules: self.schedules.values().cloned().collect(),
            jobs: jobs.cloned().collect(),
            tasks,
        }
    }
}

/// What holds between two committed states of a task, however many moves lie between them.
fn check_move(row: &TaskRow, next: &TaskState, archived: &[AttemptRow]) {
    let (key, old) = (row.key, &row.state);
    assert!(next.generation >= old.generation, "{key:?} goes back a generation");
    if next.generation == old.generation && old.status.is_terminal() {
        assert_eq!(next.status, old.status, "{key:?} left a terminal state without a new generation");
    }
    for number in old.attempt + 1..next.attempt {
        // Granted and ended within one batch.
        let archived = archived.iter().any(|row| row.task == key && row.attempt.number == number);
        assert!(archived, "attempt {number} of {key:?} is missing");
    }
    assert!(next.attempt >= old.attempt, "attempts of {key:?} go back");
    let number = |state: &TaskState| state.last.as_ref().map_or(0, |last| last.lease);
    assert!(number(next) >= number(old) || next.last.is_none(), "the lease number of {key:?} went back");
    assert_eq!(next.status == TaskStatus::Running, next.lease.is_some(), "{key:?} has a lease while it runs");
    assert!(!next.dead || next.status == TaskStatus::Failed, "only what failed is dead");
}
