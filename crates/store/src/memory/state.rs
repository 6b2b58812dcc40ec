//! The rows of the in-memory store and how a commit changes them: the model that the other stores are compared with.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};
use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, JobRow, JobStatus, SweepKind};
use mainspring_core::limits::RESIDENT_BODY_BYTES_MAX;
use mainspring_core::permit::{LimitRow, LimitScope};
use mainspring_core::row::{
    AuditRow, Changes, ClaimName, ClaimRow, DefinitionKind, DefinitionRow, HighWater, LaneRow, LogRow, QueueRow,
    TaskRow, Transition, WorkerRow,
};
use mainspring_core::schedule::{OccurrenceRow, ScheduleName, ScheduleRow};
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::{Attempt, LaneId, Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;

use crate::logs::log_trim;

/// Everything a [`crate::MemoryStore`] holds. Two equal states answer every question alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub(super) incarnation: u32,
    pub(super) high_water: HighWater,
    pub(super) tasks: BTreeMap<Key, StoredTask>,
    pub(super) jobs: BTreeMap<Key, JobRow>,
    pub(super) chunks: BTreeMap<(Key, u32), GraphChunk>,
    pub(super) attempts: BTreeMap<(Key, u32), Attempt>,
    pub(super) outputs: BTreeMap<Key, Arc<str>>,
    pub(super) logs: BTreeMap<(Key, u32, u64), StoredLog>,
    pub(super) claims: BTreeMap<ClaimName, ClaimRow>,
    pub(super) claims_of: BTreeSet<(Key, ClaimName)>,
    pub(super) lanes: BTreeMap<LaneId, LaneRow>,
    pub(super) queues: BTreeMap<Name, QueueRow>,
    pub(super) limits: BTreeMap<(LimitScope, Name), LimitRow>,
    pub(super) loans: super::Loans,
    pub(super) workers: BTreeMap<Name, WorkerRow>,
    pub(super) definitions: BTreeMap<(DefinitionKind, Name, Name, u32), DefinitionRow>,
    pub(super) schedules: BTreeMap<ScheduleName, ScheduleRow>,
    pub(super) occurrences: BTreeMap<Key, OccurrenceRow>,
    pub(super) audit: Vec<AuditRow>,
    pub(super) feed: BTreeMap<u64, Vec<Transition>>,
    /// Feed rows up to this commit were pruned.
    pub(super) pruned: u64,
    pub(super) hot: BTreeSet<Key>,
    pub(super) cold_ready: BTreeMap<LaneId, BTreeSet<(u8, Key)>>,
    pub(super) timers: BTreeSet<(Timestamp, Key)>,
    pub(super) swept: BTreeSet<Key>,
    /// Jobs with a deadline or a turn that have not ended.
    pub(super) watched: BTreeSet<Key>,
    pub(super) task_counts: BTreeMap<(Name, Name, TaskStatus), u64>,
    pub(super) job_counts: BTreeMap<(Name, JobStatus), u64>,
}

/// A task with its whole spec, whatever it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredTask {
    pub(super) row: TaskRow,
    /// Its body was replaced after it was submitted.
    pub(super) edited: bool,
}

/// A log chunk and the bytes of its attempt up to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredLog {
    pub(super) row: LogRow,
    pub(super) total: u64,
}

/// The spec without its body.
pub(super) fn bodiless(spec: &TaskSpec) -> Arc<TaskSpec> {
    Arc::new(TaskSpec { body: "".into(), ..spec.clone() })
}

impl State {
    /// The high waters of the last commit.
    pub fn high_water(&self) -> HighWater {
        self.high_water
    }

    /// Every task, in the order of the keys.
    pub fn every_task(&self) -> impl Iterator<Item = &TaskRow> {
        self.tasks.values().map(|task| &task.row)
    }

    /// Applies one commit, whole.
    ///
    /// # Errors
    /// Nothing is applied if the commit does not follow the last one, or inserts a task or job that exists.
    pub fn apply(&mut self, changes: &Changes) -> Result<(), String> {
        let (last, next) = (self.high_water.commit, changes.high_water.commit);
        if next != last + 1 {
            return Err(format!("commit {next} does not follow commit {last}"));
        }
        if let Some(row) = changes.insert_tasks.iter().find(|row| self.tasks.contains_key(&row.key)) {
            return Err(format!("task {:?} exists already", row.key));
        }
        if let Some(row) = changes.insert_jobs.iter().find(|row| self.jobs.contains_key(&row.key)) {
            return Err(format!("job {:?} exists already", row.key));
        }
        self.high_water = changes.high_water;
        self.apply_tasks(changes);
        self.apply_jobs(changes);
        self.apply_records(changes);
        self.apply_settings(changes);
        self.apply_schedules(changes);
        if !changes.feed.is_empty() {
            self.feed.insert(next, changes.feed.clone());
        }
        Ok(())
    }

    fn apply_tasks(&mut self, changes: &Changes) {
        for row in &changes.insert_tasks {
            self.index_task(row.key, row, true);
            self.tasks.insert(row.key, StoredTask { row: row.clone(), edited: false });
        }
        for (key, state) in &changes.update_tasks {
            self.update_task(*key, state);
        }
        for (key, body) in &changes.rewrite_bodies {
            if let Some(task) = self.tasks.get_mut(key) {
                let spec = task.row.spec.as_deref().expect("an insert has a spec");
                task.row.spec = Some(Arc::new(TaskSpec { body: body.clone(), ..spec.clone() }));
                task.edited = true;
            }
        }
        for key in &changes.delete_tasks {
            self.delete_task(*key);
        }
    }

    fn update_task(&mut self, key: Key, state: &TaskState) {
        let Some(mut task) = self.tasks.remove(&key) else { return };
        self.index_task(key, &task.row, false);
        task.row.state = state.clone();
        self.index_task(key, &task.row, true);
        self.tasks.insert(key, task);
    }

    fn delete_task(&mut self, key: Key) {
        let Some(task) = self.tasks.remove(&key) else { return };
        self.index_task(key, &task.row, false);
        self.outputs.remove(&key);
        remove_range(&mut self.attempts, (key, 0), (key, u32::MAX));
        remove_range(&mut self.logs, (key, 0, 0), (key, u32::MAX, u64::MAX));
    }

    /// Enters a task into, or takes it from, what orders and counts it.
    fn index_task(&mut self, key: Key, row: &TaskRow, enter: bool) {
        let spec = row.spec.as_deref().expect("an insert has a spec");
        match row.state.place {
            Place::Hot => toggle(&mut self.hot, key, enter),
            Place::ColdReady { lane } => {
                let line = self.cold_ready.entry(lane).or_default();
                toggle(line, (9_u8.saturating_sub(spec.priority), key), enter);
                if line.is_empty() {
                    self.cold_ready.remove(&lane);
                }
            }
            Place::ColdTimer => toggle(&mut self.timers, (row.state.due.unwrap_or_default(), key), enter),
            Place::Rest => {}
        }
        count(&mut self.task_counts, (row.tenant.clone(), spec.queue.clone(), row.state.status), enter);
    }

    fn apply_jobs(&mut self, changes: &Changes) {
        for row in &changes.insert_jobs {
            self.index_job(row, true);
            self.jobs.insert(row.key, row.clone());
        }
        for (key, state) in &changes.update_jobs {
            let Some(mut row) = self.jobs.remove(key) else { continue };
            self.index_job(&row, false);
            row.state = state.clone();
            self.index_job(&row, true);
            self.jobs.insert(*key, row);
        }
        for key in &changes.delete_jobs {
            self.delete_job(*key);
        }
        for chunk in &changes.insert_chunks {
            let mut chunk = chunk.clone();
            for task in chunk
                .tasks
                .iter_mut()
                .filter(|task| !is_template(task) && task.spec.body.len() > RESIDENT_BODY_BYTES_MAX)
            {
                task.spec = bodiless(&task.spec);
            }
            self.chunks.insert((chunk.job, chunk.number), chunk);
        }
    }

    fn index_job(&mut self, row: &JobRow, enter: bool) {
        if row.state.sweep.is_some() {
            toggle(&mut self.swept, row.key, enter);
        }
        if row.is_watched() {
            toggle(&mut self.watched, row.key, enter);
        }
        if row.parent.is_none() {
            count(&mut self.job_counts, (row.tenant.clone(), row.state.status), enter);
        }
    }

    fn delete_job(&mut self, key: Key) {
        let Some(row) = self.jobs.remove(&key) else { return };
        self.index_job(&row, false);
        remove_range(&mut self.chunks, (key, 0), (key, u32::MAX));
    }

    fn apply_records(&mut self, changes: &Changes) {
        for row in &changes.insert_attempts {
            self.attempts.insert((row.task, row.attempt.number), row.attempt.clone());
        }
        for row in &changes.put_outputs {
            self.outputs.insert(row.task, row.output.clone());
        }
        for row in &changes.insert_logs {
            self.insert_log(row);
        }
        for row in &changes.put_claims {
            self.delete_claim(&row.name);
            self.claims_of.insert((row.target, row.name.clone()));
            self.claims.insert(row.name.clone(), row.clone());
        }
        for name in &changes.delete_claims {
            self.delete_claim(name);
        }
    }

    pub(super) fn delete_claim(&mut self, name: &ClaimName) {
        if let Some(row) = self.claims.remove(name) {
            self.claims_of.remove(&(row.target, row.name));
        }
    }

    fn insert_log(&mut self, row: &LogRow) {
        let place = (row.task, row.attempt, row.number);
        if self.logs.contains_key(&place) {
            return;
        }
        let attempt = (row.task, row.attempt, 0)..=(row.task, row.attempt, u64::MAX);
        let before = self.logs.range(attempt.clone()).next_back().map_or(0, |(_, log)| log.total);
        let total = before + row.data.len() as u64;
        self.logs.insert(place, StoredLog { row: row.clone(), total });
        if let Some(trim) = log_trim(before, total) {
            let cut = |log: &StoredLog| log.total - log.row.data.len() as u64 >= trim.from && log.total <= trim.to;
            let cut: Vec<_> = self.logs.range(attempt).filter(|(_, log)| cut(log)).map(|(place, _)| *place).collect();
            for place in cut {
                self.logs.remove(&place);
            }
        }
    }

    fn apply_settings(&mut self, changes: &Changes) {
        self.lanes.extend(changes.insert_lanes.iter().map(|row| (row.lane, row.clone())));
        self.queues.extend(changes.put_queues.iter().map(|row| (row.name.clone(), row.clone())));
        self.limits.extend(changes.put_limits.iter().map(|row| ((row.scope, row.name.clone()), row.clone())));
        changes.put_loans.iter().for_each(|row| _ = self.loans.insert((row.of.clone(), row.peer), row.clone()));
        self.workers.extend(changes.put_workers.iter().map(|row| (row.worker.clone(), row.clone())));
        let named = |row: &DefinitionRow| (row.kind, row.tenant.clone(), row.name.clone(), row.version);
        self.definitions.extend(changes.insert_definitions.iter().map(|row| (named(row), row.clone())));
        self.audit.extend(changes.insert_audit.iter().cloned());
    }

    /// Deletes what was never published.
    pub(super) fn remove_staged(&mut self) {
        let staged: Vec<_> = self.swept.iter().copied().filter(|key| self.is_staged(*key)).collect();
        for job in staged {
            let tasks = self.jobs[&job].tasks;
            let range = job..=job.task_of_job(tasks.saturating_sub(1));
            let keys: Vec<_> = self.tasks.range(range).filter(|(_, task)| task.row.job == Some(job)).collect();
            let keys: Vec<_> = keys.into_iter().map(|(key, _)| *key).collect();
            for key in keys.into_iter().chain([job]) {
                self.delete_task(key);
                for claim in self.claims_to(key) {
                    self.delete_claim(&claim);
                }
            }
            self.delete_job(job);
        }
    }

    /// Whether this is a job that is not published yet.
    pub(super) fn is_staged(&self, job: Key) -> bool {
        self.jobs.get(&job).and_then(|row| row.state.sweep.as_ref()).is_some_and(|s| s.kind == SweepKind::Staging)
    }

    /// The claims that lead to a key, in order.
    pub(super) fn claims_to(&self, key: Key) -> Vec<ClaimName> {
        let from = (key, lowest_claim());
        self.claims_of.range(from..).take_while(|(to, _)| *to == key).map(|(_, name)| name.clone()).collect()
    }

    /// Forgets feed rows of commits whose last event is older than `feed_before`, records of the ledger made before it, and
    /// claims that expired before `now`; at most `limit` of each.
    pub(super) fn prune(&mut self, feed_before: Timestamp, now: Timestamp, limit: usize) -> u64 {
        let old = |feed: &[Transition]| feed.last().is_some_and(|last| last.at < feed_before);
        let commits: Vec<_> =
            self.feed.iter().take(limit).take_while(|(_, feed)| old(feed)).map(|(commit, _)| *commit).collect();
        for commit in &commits {
            self.feed.remove(commit);
            self.pruned = *commit;
        }
        let records = self.prune_ledger(feed_before, limit);
        let expired = |row: &&ClaimRow| row.expires_at.is_some_and(|at| at < now);
        let claims: Vec<_> = self.claims.values().filter(expired).take(limit).map(|row| row.name.clone()).collect();
        for name in &claims {
            self.delete_claim(name);
        }
        (commits.len() + records + claims.len()) as u64
    }
}

fn lowest_claim() -> ClaimName {
    use mainspring_core::row::ClaimKind;
    ClaimName { kind: ClaimKind::TaskId, tenant: "".into(), text: "".into() }
}

fn toggle<T: Ord>(set: &mut BTreeSet<T>, value: T, enter: bool) {
    if enter {
        set.insert(value);
    } else {
        set.remove(&value);
    }
}

fn count<T: Ord>(counts: &mut BTreeMap<T, u64>, what: T, enter: bool) {
    match counts.entry(what) {
        Entry::Vacant(entry) if enter => _ = entry.insert(1),
        Entry::Vacant(_) => {}
        Entry::Occupied(mut entry) if enter => *entry.get_mut() += 1,
        Entry::Occupied(entry) if *entry.get() == 1 => _ = entry.remove(),
        Entry::Occupied(mut entry) => *entry.get_mut() -= 1,
    }
}

fn remove_range<K: Ord + Copy, V>(map: &mut BTreeMap<K, V>, from: K, to: K) {
    let keys: Vec<_> = map.range(from..=to).map(|(key, _)| *key).collect();
    for key in keys {
        map.remove(&key);
    }
}

/// Whether the body is one that evaluation replaces in the task's row: the graph keeps it whole.
fn is_template(task: &mainspring_core::job::GraphTask) -> bool {
    task.flow.as_ref().is_some_and(|flow| flow.evaluated)
}
