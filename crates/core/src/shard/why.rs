//! What keeps a task from running: every gate of the shard, named.

use super::Shard;
use super::dispatch::serves;
use super::lanes::{Slot, rank};
use super::needs::WHY_PARENTS_MAX;
use crate::effect::{Answer, Gate, Refusal};
use crate::id::Key;
use crate::row::Directive;
use crate::task::TaskStatus;

/// Parents that are named.
const NAMED_PARENTS_MAX: usize = 10;

impl Shard {
    pub(super) fn why(&self, key: Key) -> Result<Answer, Refusal> {
        let task = self.tasks.get(&key).ok_or(Refusal::NotFound)?;
        let state = &task.row.state;
        let gates = match state.status {
            status if status.is_terminal() => vec![Gate::Ended(status)],
            TaskStatus::Running => state
                .last
                .iter()
                .map(|last| Gate::Running { worker: last.worker.clone(), since: last.started_at })
                .collect(),
            TaskStatus::Pending => self.pending_gates(key),
            TaskStatus::Scheduled => {
                let until = state.due.unwrap_or(self.now);
                vec![Gate::Scheduled { until, backoff: state.failures + state.losses + state.snoozes > 0 }]
            }
            TaskStatus::Waiting if state.held => vec![Gate::Held],
            TaskStatus::Waiting => vec![match state.child {
                Some(child) => Gate::Group { child },
                None => Gate::Approval { until: state.due },
            }],
            _ => self.ready_gates(key),
        };
        Ok(Answer::Gates(gates))
    }

    fn job_gates(&self, key: Key) -> Vec<Gate> {
        let job = self.tasks.get(&key).and_then(|task| task.row.job).and_then(|job| self.jobs.get(&job));
        let Some(row) = job.map(|job| &job.row) else { return Vec::new() };
        let mut gates = Vec::new();
        if self.is_paused(row.key) {
            gates.push(Gate::JobPaused);
        }
        if let Some((definition, limit)) = row.active_key.clone().filter(|_| row.state.queued) {
            gates.push(Gate::JobQueued { definition, limit });
        }
        if self.is_called_off(row.key) || row.state.sweep.is_some() {
            gates.push(Gate::JobBusy);
        }
        gates
    }

    fn pending_gates(&self, key: Key) -> Vec<Gate> {
        let mut gates = self.job_gates(key);
        let row = &self.task(key).row;
        if row.state.evaluating {
            gates.push(Gate::Evaluating);
            return gates;
        }
        let Some(job) = row.job else { return gates };
        let node = self.node(job, job.index_of(key));
        let live = |parent: &Key| self.tasks.get(parent).is_some_and(|task| !task.row.state.status.is_terminal());
        let waiting_for: Vec<Key> = node
            .parents
            .iter()
            .take(WHY_PARENTS_MAX)
            .map(|parent| job.task_of_job(*parent))
            .filter(live)
            .take(NAMED_PARENTS_MAX)
            .collect();
        gates.push(Gate::Parents { waiting_for, left: row.parents.saturating_sub(row.state.parents.ended()) });
        gates
    }

    fn ready_gates(&self, key: Key) -> Vec<Gate> {
        let mut gates = self.job_gates(key);
        let task = self.task(key);
        let job = task.row.job;
        let from_graph = || job.map(|job| self.node(job, job.index_of(key)).spec.clone());
        let Some(spec) = task.row.spec.clone().or_else(from_graph) else { return gates };
        if self.paused_queues.contains(&spec.queue) {
            gates.push(Gate::QueuePaused { queue: spec.queue.clone() });
        }
        let fitting = self
            .sessions
            .values()
            .filter(|session| session.connected && serves(&session.offer, &spec.queue, &spec.class));
        let (mut running, mut paused, mut busy) = (0, 0, 0);
        for session in fitting {
            match self.directive_of(session) {
                Directive::Run if session.credits == 0 => busy += 1,
                Directive::Run => running += 1,
                Directive::Pause | Directive::Drain => paused += 1,
            }
        }
        if running + paused + busy == 0 {
            let (queue, executor) = (spec.queue.clone(), spec.class.executor.clone());
            gates.push(Gate::NoWorker { queue, executor, labels: spec.class.labels.to_vec() });
        } else if running == 0 && busy == 0 {
            gates.push(Gate::WorkersPaused { workers: paused });
        } else if running == 0 {
            gates.push(Gate::WorkersBusy { workers: busy });
        }
        gates.extend(self.limit_gates(&spec, &task.row.tenant, job));
        if let Some(lane) = self.lanes.find(&spec.lane(&task.row.tenant, job)) {
            gates.extend(self.place_in_lane(lane, rank(spec.priority), key));
        }
        gates
    }

    fn place_in_lane(&self, lane: Slot, rank: u8, key: Key) -> Option<Gate> {
        let (higher_priority, older) = self.lanes.get(lane).ahead_of(rank, key);
        (higher_priority + older > 0).then_some(Gate::Behind { higher_priority, older })
    }
}
