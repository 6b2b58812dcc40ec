//! Which rows an event, or a piece of the shard's own work, needs in memory before it can be carried out. Asked again
//! after each read until nothing is missing: what a row names is known only once the row is there.

use super::submit::{claims_of, key_name, unique_claim};
use super::{Shard, Work};
use crate::event::{Command, Event, Order};
use crate::id::Key;
use crate::job::{RerunFrom, SweepKind};
use crate::limits::GRAPH_CHUNK_TASKS;
use crate::row::{ClaimKind, ClaimName, ReadSet};
use crate::task::TaskStatus;

/// Parents that `why` looks at.
pub(super) const WHY_PARENTS_MAX: usize = 1_000;

impl Shard {
    /// Adds to `set` what this event needs and memory lacks.
    pub(crate) fn needs(&self, event: &Event, set: &mut ReadSet) {
        match event {
            Event::SubmitTasks(submission) => {
                for task in &submission.tasks {
                    if let Some(unique) = &task.unique
                        && let Some(holder) = self.need_claim(unique_claim(&task.tenant, unique), set)
                    {
                        self.need_task(holder, set);
                    }
                    if task.given_id.is_some() || task.idempotency_key.is_some() {
                        let (id, key) = (task.given_id.as_ref(), task.idempotency_key.as_ref());
                        for claim in claims_of(ClaimKind::TaskId, &task.tenant, id, key) {
                            if let Some(target) = self.need_claim(claim, set) {
                                self.need_task(target, set);
                            }
                        }
                    }
                }
            }
            Event::SubmitJob(submission) => {
                let (id, key) = (submission.given_id.as_ref(), submission.idempotency_key.as_ref());
                for claim in claims_of(ClaimKind::JobId, &submission.tenant, id, key) {
                    if let Some(target) = self.need_claim(claim, set) {
                        self.need_job(target, set);
                    }
                }
            }
            Event::Exchange(exchange) => {
                for ended in &exchange.outcomes {
                    self.need_task(ended.token.task, set);
                }
            }
            Event::EndSession(_) | Event::EndNode(_) | Event::Settings(_) | Event::Loan(_) => {}
            Event::Evaluated(evaluated) => {
                self.need_task_and_job(evaluated.task, set);
                if let Some(job) = self.tasks.get(&evaluated.task).and_then(|task| task.row.job) {
                    self.need_chunk(job, job.index_of(evaluated.task), set);
                }
            }
            Event::Planned(planned) => self.needs_of_plan(planned, set),
            Event::Hooked(hooked) => self.need_job(hooked.job, set),
            Event::Announced(_) => {}
            Event::Command(command) => self.needs_of_command(command, set),
        }
    }

    fn needs_of_command(&self, command: &Command, set: &mut ReadSet) {
        match &command.order {
            Order::CancelTask(key) => {
                self.need_task_and_job(*key, set);
                self.need_child(*key, set);
            }
            Order::Signal { task, .. } => self.need_task_and_job(*task, set),
            Order::RetryTask(key) => {
                self.need_task_job_chunk(*key, set);
                self.need_outermost(*key, set);
            }
            Order::EditBody { task: key, .. } => self.need_task_job_chunk(*key, set),
            Order::Why(key) => self.needs_of_why(*key, set),
            Order::CancelJob(key) | Order::PauseJob(key) | Order::ResumeJob(key) => self.need_job(*key, set),
            Order::RerunJob(key, from) => {
                self.need_job(*key, set);
                // For its name in the audit.
                if let (RerunFrom::Task(index), Some(job)) = (from, self.jobs.get(key))
                    && *index < job.row.tasks
                {
                    self.need_task(key.task_of_job(*index), set);
                }
            }
            Order::Redrive { tasks, .. } => {
                for key in tasks {
                    self.need_task_job_chunk(*key, set);
                    self.need_outermost(*key, set);
                }
            }
            Order::Discard(tasks) => tasks.iter().for_each(|key| self.need_task(*key, set)),
            Order::Delete { tasks, jobs, forget } | Order::DeleteOld { tasks, jobs, forget } => {
                tasks.iter().for_each(|key| self.need_task(*key, set));
                jobs.iter().for_each(|key| self.need_job(*key, set));
                for name in forget {
                    self.need_claim(name.clone(), set);
                }
            }
            Order::ClaimKeys(claims) => {
                for claim in claims {
                    self.need_claim(key_name(&claim.tenant, &claim.key), set);
                }
            }
            Order::PauseQueue { .. }
            | Order::SetLimits { .. }
            | Order::DirectWorker { .. }
            | Order::Define(_)
            | Order::Record { .. }
            | Order::Schedule(..)
            | Order::JobsEnded { .. }
            | Order::Figures
            | Order::Sessions => {}
        }
    }

    fn needs_of_why(&self, key: Key, set: &mut ReadSet) {
        self.need_task_job_chunk(key, set);
        let Some(task) = self.tasks.get(&key) else { return };
        if let (Some(job), TaskStatus::Pending) = (task.row.job, task.row.state.status)
            && self.need_chunk(job, job.index_of(key), set)
        {
            for parent in self.node(job, job.index_of(key)).parents.iter().take(WHY_PARENTS_MAX) {
                self.need_task(job.task_of_job(*parent), set);
            }
        }
    }

    /// Adds to `set` what this piece of work needs and memory lacks.
    pub(crate) fn needs_of_work(&self, work: Work, set: &mut ReadSet) {
        match work {
            Work::Settle(key) => self.needs_of_settling(key, set),
            Work::Sweep(key) => self.needs_of_sweep(key, set),
            Work::Admit(key) => self.need_task_job_chunk(key, set),
            Work::Deadline(key) => self.need_job(key, set),
            Work::Timer(_) => {}
        }
    }

    fn needs_of_settling(&self, key: Key, set: &mut ReadSet) {
        let Some(job) = self.tasks.get(&key).and_then(|task| task.row.job) else { return };
        self.need_job(job, set);
        if !self.need_chunk(job, job.index_of(key), set) {
            return;
        }
        for neighbour in self.settle_neighbours(key) {
            self.need_task(job.task_of_job(neighbour), set);
            self.need_chunk(job, neighbour, set);
        }
    }

    fn needs_of_sweep(&self, key: Key, set: &mut ReadSet) {
        self.need_job(key, set);
        let Some(row) = self.jobs.get(&key).map(|job| &job.row) else { return };
        let Some(sweep) = &row.state.sweep else { return };
        if let (Some(group), SweepKind::Staging | SweepKind::Reporting) = (row.parent, &sweep.kind) {
            self.need_task_and_job(group, set);
        }
        if matches!(sweep.kind, SweepKind::Staging) {
            return;
        }
        for index in self.sweep_range(key) {
            self.need_task(key.task_of_job(index), set);
            self.need_child(key.task_of_job(index), set);
            if matches!(sweep.kind, SweepKind::Deleting | SweepKind::Reporting) || !self.need_chunk(key, index, set) {
                continue;
            }
            if matches!(sweep.kind, SweepKind::Rerunning(_)) {
                for parent in &self.node(key, index).parents {
                    self.need_task(key.task_of_job(*parent), set);
                }
            }
        }
    }

    fn need_task_job_chunk(&self, key: Key, set: &mut ReadSet) {
        self.need_task_and_job(key, set);
        let Some(row) = self.tasks.get(&key).map(|task| &task.row) else { return };
        if let (Some(job), None) = (row.job, &row.spec) {
            self.need_chunk(job, job.index_of(key), set);
        }
    }

    fn need_task_and_job(&self, key: Key, set: &mut ReadSet) {
        self.need_task(key, set);
        if let Some(job) = self.tasks.get(&key).and_then(|task| task.row.job) {
            self.need_job(job, set);
        }
    }

    /// The task of the submitted job that this one is inside of.
    fn need_outermost(&self, key: Key, set: &mut ReadSet) {
        if let Some(job) = self.tasks.get(&key).and_then(|task| task.row.job)
            && self.jobs.contains_key(&job)
        {
            self.need_task(self.outermost(job, key).1, set);
        }
    }

    /// The job that carries this task out, if one does.
    fn need_child(&self, key: Key, set: &mut ReadSet) {
        if let Some(child) = self.tasks.get(&key).and_then(|task| task.row.state.child) {
            self.need_job(child, set);
        }
    }

    pub(super) fn need_task(&self, key: Key, set: &mut ReadSet) {
        if !self.tasks.contains_key(&key) && !self.absent_tasks.contains_key(&key) {
            set.tasks.push(key);
        }
    }

    /// The job and those around it.
    pub(super) fn need_job(&self, key: Key, set: &mut ReadSet) {
        let missing = |key: &Key| !self.jobs.contains_key(key) && !self.absent_jobs.contains_key(key);
        if missing(&key) {
            set.jobs.push(key);
        }
        if let Some(job) = self.jobs.get(&key) {
            set.jobs.extend(job.row.ancestors.iter().filter(|key| missing(key)));
        }
    }

    /// Whether the chunk with this task is in memory; asks for it otherwise.
    fn need_chunk(&self, job: Key, index: u32, set: &mut ReadSet) -> bool {
        let chunk = (job, index / GRAPH_CHUNK_TASKS);
        let here = self.chunks.contains_key(&chunk) || self.absent_jobs.contains_key(&job);
        if !here {
            set.chunks.push(chunk);
        }
        here && self.chunks.contains_key(&chunk)
    }

    /// What the claim leads to, if that is known; asks for it otherwise.
    fn need_claim(&self, name: ClaimName, set: &mut ReadSet) -> Option<Key> {
        match self.claims.get(&name) {
            Some((claim, _)) => claim.as_ref().map(|claim| claim.target),
            None => {
                set.claims.push(name);
                None
            }
        }
    }

    /// Adds the pages of cold rows that should come in now, and notes that they are on their way. None while anything is
    /// not ordered to be committed: the page would bring rows that have moved on, and miss those that just went cold.
    pub(crate) fn want_pages(&mut self, set: &mut ReadSet) {
        if self.admitting > 0 || self.has_changes() {
            return;
        }
        // A shard that was just loaded writes nothing by itself, and so makes no room for what a page would bring.
        if !self.untouched || self.lanes.ready() < self.config.ready_max {
            set.lanes.extend(self.lanes.wanted_pages(self.config.lane_window));
        }
        if let Some(page) = self.wanted_timers() {
            self.timers_paging = true;
            self.cold_timer_made = None;
            set.timers = Some(page);
        }
    }
}
