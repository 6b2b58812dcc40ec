//! The rows as the commits say they are: a plain copy, made from nothing but the sequence of commits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphTask, JobRow, SweepKind};
use mainspring_core::loan::{LoanName, LoanRow};
use mainspring_core::permit::{LimitScope, Limits};
use mainspring_core::row::{
    Changes, ClaimKind, ClaimName, ClaimRow, DefinitionKind, DefinitionRow, Directive, HighWater, LaneRow, TaskRow,
};
use mainspring_core::schedule::{ScheduleName, ScheduleRow};
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::{Attempt, LaneId};

/// All rows.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The high waters of the last commit.
    pub water: HighWater,
    /// Tasks, with their specs.
    pub tasks: BTreeMap<Key, TaskRow>,
    /// Attempts that are no longer the last.
    pub attempts: BTreeMap<Key, Vec<Attempt>>,
    /// Jobs.
    pub jobs: BTreeMap<Key, JobRow>,
    /// Graphs by job, in order.
    pub graphs: BTreeMap<Key, Vec<GraphTask>>,
    /// Claims.
    pub claims: BTreeMap<ClaimName, ClaimRow>,
    /// Unique keys that tasks held, now or before.
    pub held: BTreeMap<Key, ClaimName>,
    /// Lanes.
    pub lanes: BTreeMap<LaneId, LaneRow>,
    /// Schedules.
    pub schedules: BTreeMap<ScheduleName, ScheduleRow>,
    /// Paused queues.
    pub paused_queues: BTreeSet<Name>,
    /// Limits that were set.
    pub limits: BTreeMap<(LimitScope, Name), Limits>,
    /// What the shard and others have of each other's limits, by limit and shard.
    pub loans: BTreeMap<(LoanName, u16), LoanRow>,
    /// Directives of workers.
    pub directives: BTreeMap<Name, Directive>,
    /// Definitions with all their versions.
    pub definitions: BTreeMap<(DefinitionKind, Name, Name), Vec<DefinitionRow>>,
    /// Outputs.
    pub outputs: BTreeMap<Key, Arc<str>>,
    /// Log chunks that were inserted, by task, attempt, number.
    pub logs: BTreeSet<(Key, u32, u64)>,
}

impl Model {
    /// Whether the job is not published.
    pub fn is_staged(&self, job: Key) -> bool {
        self.sweep(job).is_some_and(|kind| *kind == SweepKind::Staging)
    }

    /// The sweep of a job.
    pub fn sweep(&self, job: Key) -> Option<&SweepKind> {
        self.jobs.get(&job).and_then(|row| row.state.sweep.as_ref()).map(|sweep| &sweep.kind)
    }

    /// The attempt that ran under this lease.
    pub fn attempt_of(&self, task: Key, lease: u64) -> Option<&Attempt> {
        let last = self.tasks.get(&task).and_then(|row| row.state.last.as_ref());
        let older = self.attempts.get(&task).into_iter().flatten();
        older.chain(last).find(|attempt| attempt.lease == lease)
    }

    /// The keys of a job's tasks, as far as their rows exist.
    pub fn tasks_of(&self, job: Key) -> Vec<Key> {
        let Some(row) = self.jobs.get(&job) else { return Vec::new() };
        let keys = (0..row.tasks).map(|index| job.task_of_job(index));
        keys.filter(|key| self.tasks.get(key).is_some_and(|task| task.job == Some(job))).collect()
    }

    /// Applies a commit.
    pub fn apply(&mut self, changes: &Changes) {
        self.water = changes.high_water;
        for row in &changes.insert_tasks {
            self.tasks.insert(row.key, row.clone());
        }
        for (key, state) in &changes.update_tasks {
            if let Some(row) = self.tasks.get_mut(key) {
                row.state = state.clone();
            }
        }
        for (key, body) in &changes.rewrite_bodies {
            if let Some(row) = self.tasks.get_mut(key)
                && let Some(spec) = row.spec.as_deref()
            {
                row.spec = Some(Arc::new(TaskSpec { body: body.clone(), ..spec.clone() }));
            }
        }
        for key in &changes.delete_tasks {
            self.delete_task(*key);
        }
        self.apply_jobs(changes);
        for row in &changes.insert_attempts {
            self.attempts.entry(row.task).or_default().push(row.attempt.clone());
        }
        for row in &changes.insert_definitions {
            let id = (row.kind, row.tenant.clone(), row.name.clone());
            self.definitions.entry(id).or_default().push(row.clone());
        }
        for row in &changes.put_outputs {
            self.outputs.insert(row.task, row.output.clone());
        }
        self.logs.extend(changes.insert_logs.iter().map(|row| (row.task, row.attempt, row.number)));
        self.claims.extend(changes.put_claims.iter().map(|row| (row.name.clone(), row.clone())));
        let unique = changes.put_claims.iter().filter(|row| row.name.kind == ClaimKind::Unique);
        self.held.extend(unique.map(|row| (row.target, row.name.clone())));
        for name in &changes.delete_claims {
            self.claims.remove(name);
        }
        for id in &changes.delete_schedules {
            self.schedules.remove(id);
        }
        self.schedules.extend(changes.put_schedules.iter().map(|row| (row.id.clone(), row.clone())));
        for (id, state) in &changes.update_schedules {
            if let Some(row) = self.schedules.get_mut(id) {
                row.state = state.clone();
            }
        }
        self.lanes.extend(changes.insert_lanes.iter().map(|row| (row.lane, row.clone())));
        for row in &changes.put_queues {
            if row.paused {
                self.paused_queues.insert(row.name.clone());
            } else {
                self.paused_queues.remove(&row.name);
            }
        }
        self.limits.extend(changes.put_limits.iter().map(|row| ((row.scope, row.name.clone()), row.limits)));
        self.loans.extend(changes.put_loans.iter().map(|row| ((row.of.clone(), row.peer), row.clone())));
        self.directives.extend(changes.put_workers.iter().map(|row| (row.worker.clone(), row.directive)));
    }

    fn apply_jobs(&mut self, changes: &Changes) {
        for row in &changes.insert_jobs {
            self.jobs.insert(row.key, row.clone());
        }
        for (key, state) in &changes.update_jobs {
            if let Some(row) = self.jobs.get_mut(key) {
                row.state = state.clone();
            }
        }
        for key in &changes.delete_jobs {
            self.jobs.remove(key);
            self.graphs.remove(key);
        }
        for chunk in &changes.insert_chunks {
            self.graphs.entry(chunk.job).or_default().extend(chunk.tasks.iter().cloned());
        }
    }

    fn delete_task(&mut self, key: Key) {
        self.tasks.remove(&key);
        self.attempts.remove(&key);
        self.outputs.remove(&key);
    }

    /// What a load removes: jobs that were never published. Gives back how many.
    pub fn remove_staged(&mut self) -> usize {
        let staged: Vec<Key> = self.jobs.keys().copied().filter(|job| self.is_staged(*job)).collect();
        for job in &staged {
            for key in self.tasks_of(*job) {
                self.delete_task(key);
            }
            self.claims.retain(|_, claim| claim.target != *job);
            self.jobs.remove(job);
            self.graphs.remove(job);
        }
        staged.len()
    }
}
