//! Operators' orders. Each is carried out whole or refused whole, with the reason. Here are those about single
//! tasks; the rest stands in the files below.

mod audit;
mod dead_letters;
mod deletion;
mod jobs;
mod limits;
mod schedules;
mod settings;

use super::Shard;
use crate::effect::{Answer, Refusal};
use crate::event::{Command, Order};
use crate::id::{Key, Name};
use crate::job::{RerunFrom, SweepKind};
use crate::task::{TaskState, TaskStatus};

impl Shard {
    pub(super) fn command(&mut self, command: Command) {
        let Command { to, actor, order } = command;
        // What is triggered may be answered later, once it is published.
        if let Order::Schedule(id, order) = order {
            return self.order_schedule(to, &actor, id, order);
        }
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
            Order::Signal { task, approved, output } => self.order_signal(actor, task, approved, output),
            Order::RerunJob(key, from) => self.order_rerun_job(actor, key, from),
            Order::Redrive { tasks, spacing_ms } => Ok(self.order_redrive(actor, tasks, spacing_ms)),
            Order::Discard(tasks) => Ok(self.order_discard(actor, tasks)),
            Order::EditBody { task, body, before } => self.order_edit(actor, task, body, before),
            Order::Delete { tasks, jobs, forget } => Ok(self.order_delete(Some(actor), tasks, jobs, forget)),
            Order::DeleteOld { tasks, jobs, forget } => Ok(self.order_delete(None, tasks, jobs, forget)),
            Order::PauseQueue { queue, paused } => Ok(self.order_pause_queue(actor, queue, paused)),
            Order::SetLimits { scope, name, patch } => Ok(self.order_limits(actor, scope, name, patch)),
            Order::DirectWorker { worker, directive } => Ok(self.order_direct_worker(actor, worker, directive)),
            Order::Define(all) => self.order_define(actor, all),
            Order::Record { action, target, detail } => {
                self.audit(actor, &action, target, &detail);
                Ok(Answer::Done)
            }
            Order::ClaimKeys(claims) => Ok(self.order_claim_keys(claims)),
            Order::Schedule(..) => unreachable!("handled above"),
            Order::JobsEnded { source, jobs } => Ok(self.order_jobs_ended(source, &jobs)),
            Order::Why(key) => self.why(key),
            Order::Figures => Ok(Answer::Figures(Box::new(self.figures()))),
            Order::Sessions => Ok(Answer::Sessions(self.session_views())),
        }
    }

    fn known_task(&self, key: Key) -> Result<&TaskState, Refusal> {
        self.tasks.get(&key).map(|task| &task.row.state).ok_or(Refusal::NotFound)
    }

    /// The job, unless it is still invisible or about to be gone.
    fn known_job(&self, key: Key) -> Result<&crate::job::JobState, Refusal> {
        let state = self.jobs.get(&key).map(|job| &job.row.state).ok_or(Refusal::NotFound)?;
        match state.sweep.as_ref().map(|sweep| &sweep.kind) {
            Some(SweepKind::Staging | SweepKind::Deleting) => Err(Refusal::NotFound),
            Some(SweepKind::Rerunning(_) | SweepKind::Reporting) => Err(Refusal::Busy),
            _ => Ok(state),
        }
    }

    /// The job of a task, if it has one that takes orders.
    pub(super) fn open_job_of(&self, key: Key) -> Result<Option<Key>, Refusal> {
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
        self.audit_task(actor, "task.cancel", key, &audit::before(status.word()));
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
                let (job, task) = self.outermost(job, key);
                return self.order_rerun_job(actor, job, RerunFrom::Task(job.index_of(task)));
            }
            (TaskStatus::Failed | TaskStatus::Cancelled, None) => {
                self.audit_task(actor, "task.retry", key, &audit::before(status.word()));
                self.open_generation(key, 0);
                return Ok(Answer::Done);
            }
            _ => return wrong,
        }
        self.give_spec_of_graph(key);
        self.audit_task(actor, "task.retry", key, &audit::before(status.word()));
        self.make_ready(key);
        Ok(Answer::Done)
    }
}
