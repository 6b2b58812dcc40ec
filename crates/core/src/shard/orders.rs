//! Operators' orders. Each is carried out whole or refused whole, with the reason.

use super::{Dirt, Shard};
use crate::effect::{Answer, Refusal};
use crate::event::{Command, Order};
use crate::id::{Key, Name};
use crate::job::{JobStatus, RerunFrom, SweepKind};
use crate::row::{AuditRow, ClaimName, DefinitionKind, DefinitionRow, Directive, QueueRow, TransitionKind, WorkerRow};
use crate::task::{TaskState, TaskStatus};

impl Shard {
    pub(super) fn command(&mut self, command: Command) {
        let Command { to, actor, order } = command;
        let answer = self.carry_out(&actor, order);
        self.reply(to, answer);
    }

    fn carry_out(&mut self, actor: &Name, order: Order) -> Result<Answer, Refusal> {
        match order {
            Order::CancelTask(key) => self.order_cancel_task(actor, key),
            Order::CancelJob(key) => self.order_cancel_job(actor, key),
            Order::PauseJob(key) => self.order_pause_job(actor, key),
            Order::ResumeJob(key) => self.order_resume_job(actor, key),
            Order::RetryTask(key) => self.order_retry_task(actor, key),
            Order::RerunJob(key, from) => self.order_rerun_job(actor, key, from),
            Order::Redrive { tasks, spacing_ms } => Ok(self.order_redrive(actor, tasks, spacing_ms)),
            Order::Discard(tasks) => Ok(self.order_discard(actor, tasks)),
            Order::EditBody(key, body) => self.order_edit(actor, key, body),
            Order::Delete { tasks, jobs, forget } => Ok(self.order_delete(tasks, jobs, forget)),
            Order::PauseQueue { queue, paused } => Ok(self.order_pause_queue(actor, queue, paused)),
            Order::DirectWorker { worker, directive } => Ok(self.order_direct_worker(actor, worker, directive)),
            Order::Define { kind, tenant, name, body } => self.order_define(actor, kind, tenant, name, body),
            Order::Why(key) => self.why(key),
            Order::Figures => Ok(Answer::Figures(Box::new(self.figures()))),
            Order::Sessions => Ok(Answer::Sessions(self.session_views())),
        }
    }

    pub(super) fn audit(&mut self, actor: &Name, action: &str, target: Name, detail: &str) {
        self.changes.insert_audit.push(AuditRow {
            at: self.now,
            actor: actor.clone(),
            action: action.into(),
            target,
            detail: detail.into(),
        });
        self.rows += 1;
    }

    fn audit_key(&mut self, actor: &Name, action: &str, key: Key, kind: crate::id::IdKind) {
        self.audit(actor, action, key.id(kind).into(), "{}");
    }

    fn known_task(&self, key: Key) -> Result<&TaskState, Refusal> {
        self.tasks.get(&key).map(|task| &task.row.state).ok_or(Refusal::NotFound)
    }

    /// The job, unless it is still invisible or about to be gone.
    fn known_job(&self, key: Key) -> Result<&crate::job::JobState, Refusal> {
        let state = self.jobs.get(&key).map(|job| &job.row.state).ok_or(Refusal::NotFound)?;
        match state.sweep.as_ref().map(|sweep| &sweep.kind) {
            Some(SweepKind::Staging | SweepKind::Deleting) => Err(Refusal::NotFound),
            Some(SweepKind::Rerunning(_)) => Err(Refusal::Busy),
            _ => Ok(state),
        }
    }

    /// The job of a task, if it has one that takes orders.
    fn open_job_of(&self, key: Key) -> Result<Option<Key>, Refusal> {
        let job = self.tasks.get(&key).and_then(|task| task.row.job);
        job.map_or(Ok(None), |job| self.known_job(job).map(|_| Some(job)))
    }

    fn order_cancel_task(&mut self, actor: &Name, key: Key) -> Result<Answer, Refusal> {
        let status = self.known_task(key)?.status;
        self.open_job_of(key)?;
        if status == TaskStatus::Cancelled {
            return Ok(Answer::Done);
        }
        if !self.cancel(key) {
            return Err(Refusal::WrongState { order: "cancel", status: status.word() });
        }
        self.audit_key(actor, "task.cancel", key, crate::id::IdKind::Task);
        Ok(Answer::Done)
    }

    fn order_cancel_job(&mut self, actor: &Name, key: Key) -> Result<Answer, Refusal> {
        let state = self.known_job(key)?;
        if state.status == JobStatus::Cancelled || state.cancelled {
            return Ok(Answer::Done);
        }
        if state.status.is_terminal() {
            return Err(Refusal::WrongState { order: "cancel", status: state.status.word() });
        }
        self.job_mut(key).row.state.cancelled = true;
        self.start_sweep(key, SweepKind::Cancelling);
        self.audit_key(actor, "job.cancel", key, crate::id::IdKind::Job);
        Ok(Answer::Done)
    }

    fn order_pause_job(&mut self, actor: &Name, key: Key) -> Result<Answer, Refusal> {
        let state = self.known_job(key)?;
        if state.status.is_terminal() || state.cancelled {
            return Err(Refusal::WrongState { order: "pause", status: state.status.word() });
        }
        if !state.paused {
            let state = &mut self.job_mut(key).row.state;
            state.paused = true;
            state.status = JobStatus::Paused;
            self.touch_job(key);
            self.audit_key(actor, "job.pause", key, crate::id::IdKind::Job);
        }
        Ok(Answer::Done)
    }

    fn order_resume_job(&mut self, actor: &Name, key: Key) -> Result<Answer, Refusal> {
        let state = self.known_job(key)?;
        if state.status.is_terminal() {
            return Err(Refusal::WrongState { order: "resume", status: state.status.word() });
        }
        if state.paused {
            let state = &mut self.job_mut(key).row.state;
            state.paused = false;
            state.status = if state.started_at.is_some() { JobStatus::Running } else { JobStatus::Pending };
            let kind = match state.sweep.take().map(|sweep| sweep.kind) {
                Some(kind @ (SweepKind::FailingFast | SweepKind::Cancelling | SweepKind::Starting)) => kind,
                _ => SweepKind::Resuming,
            };
            self.start_sweep(key, kind);
            self.audit_key(actor, "job.resume", key, crate::id::IdKind::Job);
        }
        Ok(Answer::Done)
    }

    fn order_retry_task(&mut self, actor: &Name, key: Key) -> Result<Answer, Refusal> {
        let state = self.known_task(key)?;
        let (status, held) = (state.status, state.held);
        let job = self.open_job_of(key)?;
        let wrong = Err(Refusal::WrongState { order: "retry", status: status.word() });
        match (status, job) {
            (TaskStatus::Scheduled, _) => {}
            (TaskStatus::Waiting, _) if held => {}
            (TaskStatus::Failed | TaskStatus::Cancelled, Some(job)) => {
                return self.order_rerun_job(actor, job, RerunFrom::Task(job.index_of(key)));
            }
            (TaskStatus::Failed | TaskStatus::Cancelled, None) => {
                self.audit_key(actor, "task.retry", key, crate::id::IdKind::Task);
                self.open_generation(key, 0);
                return Ok(Answer::Done);
            }
            _ => return wrong,
        }
        if let (Some(job), None) = (job, &self.task(key).row.spec) {
            let spec = self.node(job, job.index_of(key)).spec.clone();
            self.give_spec(key, spec);
        }
        self.audit_key(actor, "task.retry", key, crate::id::IdKind::Task);
        self.make_ready(key);
        Ok(Answer::Done)
    }

    /// Opens the next generation of an ended standalone task.
    fn open_generation(&mut self, key: Key, wait_ms: u64) {
        let due = self.now.plus_ms(wait_ms);
        let task = self.task_mut(key);
        let state = &mut task.row.state;
        assert!(state.status.may_become(TaskStatus::Pending, true), "only an ended task opens a generation");
        let (generation, attempt, last) = (state.generation + 1, state.attempt, state.last.take());
        *state = TaskState { attempt, last, ..super::submit::fresh_state(generation) };
        self.touch(key);
        if wait_ms == 0 {
            self.make_ready(key);
        } else {
            self.make_scheduled(key, due);
        }
    }

    fn order_rerun_job(&mut self, actor: &Name, key: Key, from: RerunFrom) -> Result<Answer, Refusal> {
        let state = self.known_job(key)?;
        if !state.status.is_terminal() {
            return Err(Refusal::WrongState { order: "rerun", status: state.status.word() });
        }
        if let RerunFrom::Task(index) = &from
            && *index >= self.job(key).row.tasks
        {
            return Err(Refusal::NotFound);
        }
        let counts = state.counts;
        if from == RerunFrom::Failed && counts.failed + counts.cancelled == 0 {
            return Err(Refusal::WrongState { order: "rerun the failed tasks of", status: state.status.word() });
        }
        let state = &mut self.job_mut(key).row.state;
        state.generation += 1;
        state.status = JobStatus::Pending;
        state.paused = false;
        state.cancelled = false;
        state.failing_fast = false;
        state.started_at = None;
        state.ended_at = None;
        self.start_sweep(key, SweepKind::Rerunning(from));
        self.audit_key(actor, "job.rerun", key, crate::id::IdKind::Job);
        Ok(Answer::Done)
    }

    fn order_redrive(&mut self, actor: &Name, tasks: Vec<Key>, spacing_ms: u64) -> Answer {
        let mut took = Vec::with_capacity(tasks.len());
        for key in tasks {
            let Some(task) = self.tasks.get(&key).filter(|task| task.row.state.dead) else { continue };
            match task.row.job {
                None => {
                    let place = self.part_offset + took.len() as u64;
                    self.open_generation(key, spacing_ms.saturating_mul(place).min(crate::limits::DELAY_MS_MAX));
                }
                Some(job) => {
                    let from = RerunFrom::Task(job.index_of(key));
                    // Several dead letters of one job: the first opens the rerun; the others follow as failed tasks.
                    let joined = self.jobs.get_mut(&job).is_some_and(join_rerun);
                    if !joined && self.order_rerun_job(actor, job, from).is_err() {
                        continue;
                    }
                }
            }
            self.audit_key(actor, "dead_letter.redrive", key, crate::id::IdKind::Task);
            took.push(key);
        }
        Answer::Took(took)
    }

    fn order_discard(&mut self, actor: &Name, tasks: Vec<Key>) -> Answer {
        let mut took = Vec::with_capacity(tasks.len());
        for key in tasks {
            if self.tasks.get(&key).is_some_and(|task| task.row.state.dead) {
                self.task_mut(key).row.state.dead = false;
                self.touch(key);
                self.audit_key(actor, "dead_letter.discard", key, crate::id::IdKind::Task);
                took.push(key);
            }
        }
        Answer::Took(took)
    }

    fn order_edit(&mut self, actor: &Name, key: Key, body: crate::spec::Body) -> Result<Answer, Refusal> {
        if !self.known_task(key)?.dead {
            return Err(Refusal::NotDead);
        }
        let task = self.task_mut(key);
        if let Some(spec) = &task.row.spec {
            let kept = if body.len() > crate::limits::RESIDENT_BODY_BYTES_MAX { "".into() } else { body.clone() };
            task.row.spec = Some(std::sync::Arc::new(crate::spec::TaskSpec { body: kept, ..(**spec).clone() }));
        }
        self.bytes += body.len();
        self.rows += 1;
        self.changes.rewrite_bodies.retain(|(other, _)| *other != key);
        self.changes.rewrite_bodies.push((key, body));
        // The row is told apart from an untouched one, so that it is not forgotten before this commit returned.
        self.touch(key);
        self.audit_key(actor, "dead_letter.edit", key, crate::id::IdKind::Task);
        Ok(Answer::Done)
    }

    fn order_delete(&mut self, tasks: Vec<Key>, jobs: Vec<Key>, forget: Vec<ClaimName>) -> Answer {
        let mut took = Vec::new();
        for key in tasks {
            let ended = self.tasks.get(&key).is_some_and(|task| {
                task.row.job.is_none() && task.row.state.status.is_terminal() && task.dirt != Dirt::Inserted
            });
            if ended {
                self.delete_task(key);
                took.push(key);
            }
        }
        for key in jobs {
            if self.known_job(key).is_ok_and(|state| state.status.is_terminal()) {
                self.start_sweep(key, SweepKind::Deleting);
                took.push(key);
            }
        }
        for name in forget {
            self.claims.insert(name.clone(), (None, self.high_water.commit + 1));
            self.changes.put_claims.retain(|claim| claim.name != name);
            self.changes.delete_claims.push(name);
            self.rows += 1;
        }
        Answer::Took(took)
    }

    fn order_pause_queue(&mut self, actor: &Name, queue: Name, paused: bool) -> Answer {
        let changed = if paused { self.paused_queues.insert(queue.clone()) } else { self.paused_queues.remove(&queue) };
        if changed {
            self.changes.put_queues.retain(|row| row.name != queue);
            self.changes.put_queues.push(QueueRow { name: queue.clone(), paused });
            self.rows += 1;
            let (kind, action) = if paused {
                (TransitionKind::QueuePaused, "queue.pause")
            } else {
                (TransitionKind::QueueResumed, "queue.resume")
            };
            self.tell(kind, None, None, 0, Some(queue.clone()));
            self.audit(actor, action, queue, "{}");
        }
        Answer::Done
    }

    fn order_direct_worker(&mut self, actor: &Name, worker: Name, directive: Directive) -> Answer {
        if self.directive_of(&worker) != directive {
            if directive == Directive::Run {
                self.directives.remove(&worker);
            } else {
                self.directives.insert(worker.clone(), directive);
            }
            self.changes.put_workers.retain(|row| row.worker != worker);
            self.changes.put_workers.push(WorkerRow { worker: worker.clone(), directive });
            self.rows += 1;
            let action = match directive {
                Directive::Run => "worker.resume",
                Directive::Pause => "worker.pause",
                Directive::Drain => "worker.drain",
            };
            let of_worker = self.sessions.iter().filter(|(_, session)| session.worker == worker);
            let told: Vec<_> = of_worker.map(|(id, _)| id.clone()).collect();
            self.effects.extend(told.into_iter().map(|session| crate::effect::Effect::Direct { session, directive }));
            self.audit(actor, action, worker, "{}");
        }
        Answer::Done
    }

    fn order_define(
        &mut self,
        actor: &Name,
        kind: DefinitionKind,
        tenant: Name,
        name: Name,
        body: Option<std::sync::Arc<str>>,
    ) -> Result<Answer, Refusal> {
        let id = (kind, tenant.clone(), name.clone());
        let last = self.definitions.get(&id).copied();
        if body.is_none() && last.is_none() {
            return Err(Refusal::NoDefinition);
        }
        let version = last.unwrap_or(0) + 1;
        self.definitions.insert(id, version);
        let action = if body.is_some() { "definition.apply" } else { "definition.delete" };
        self.bytes += body.as_ref().map_or(0, |body| body.len());
        let at = self.now;
        self.changes.insert_definitions.push(DefinitionRow { kind, tenant, name: name.clone(), version, body, at });
        self.rows += 1;
        self.audit(actor, action, name, "{}");
        Ok(Answer::Version(version))
    }
}

/// Widens a rerun that has not begun yet to all failed tasks; false if there is none such.
fn join_rerun(job: &mut super::Job) -> bool {
    match &mut job.row.state.sweep {
        Some(sweep) if sweep.next == 0 && matches!(sweep.kind, SweepKind::Rerunning(_)) => {
            sweep.kind = SweepKind::Rerunning(RerunFrom::Failed);
            true
        }
        _ => false,
    }
}
