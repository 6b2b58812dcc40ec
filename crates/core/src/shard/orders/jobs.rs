//! Orders about whole jobs: cancel, pause, resume, rerun. Each sets a durable marker; a sweep does the rest.

use super::super::Shard;
use super::super::groups::resumed;
use super::audit::before;
use crate::effect::{Answer, Refusal};
use crate::id::{Key, Name};
use crate::job::{JobStatus, RerunFrom, SweepKind};

impl Shard {
    pub(super) fn order_cancel_job(&mut self, actor: &Name, key: Key) -> Result<Answer, Refusal> {
        let state = self.known_job(key)?;
        if state.status == JobStatus::Cancelled || state.cancelled {
            return Ok(Answer::Done);
        }
        if state.status.is_terminal() {
            return Err(Refusal::WrongState { order: "cancel", status: state.status.word() });
        }
        let detail = before(state.status.word());
        self.call_job_off(key);
        self.audit_job(actor, "job.cancel", key, &detail);
        Ok(Answer::Done)
    }

    pub(in super::super) fn call_job_off(&mut self, key: Key) {
        self.job_mut(key).row.state.cancelled = true;
        self.start_sweep(key, SweepKind::Cancelling);
    }

    pub(super) fn order_pause_job(&mut self, actor: &Name, key: Key) -> Result<Answer, Refusal> {
        let state = self.known_job(key)?;
        if state.status.is_terminal() || state.cancelled {
            return Err(Refusal::WrongState { order: "pause", status: state.status.word() });
        }
        if !state.paused {
            let detail = before(state.status.word());
            let state = &mut self.job_mut(key).row.state;
            state.paused = true;
            state.status = JobStatus::Paused;
            self.touch_job(key);
            self.audit_job(actor, "job.pause", key, &detail);
        }
        Ok(Answer::Done)
    }

    pub(super) fn order_resume_job(&mut self, actor: &Name, key: Key) -> Result<Answer, Refusal> {
        let state = self.known_job(key)?;
        if state.status.is_terminal() {
            return Err(Refusal::WrongState { order: "resume", status: state.status.word() });
        }
        if state.paused {
            let state = &mut self.job_mut(key).row.state;
            state.paused = false;
            state.status = if state.started_at.is_some() { JobStatus::Running } else { JobStatus::Pending };
            let kind = resumed(state.sweep.take().map(|sweep| sweep.kind));
            self.start_sweep(key, kind);
            self.audit_job(actor, "job.resume", key, "{}");
        }
        Ok(Answer::Done)
    }

    pub(super) fn order_rerun_job(&mut self, actor: &Name, key: Key, from: RerunFrom) -> Result<Answer, Refusal> {
        let state = self.known_job(key)?;
        if !state.status.is_terminal() {
            return Err(Refusal::WrongState { order: "rerun", status: state.status.word() });
        }
        if state.sweep.as_ref().is_some_and(|sweep| sweep.kind.is_outside()) {
            // The end of this generation is still being told.
            return Err(Refusal::Busy);
        }
        if self.job(key).row.parent.is_some() {
            return Err(Refusal::WrongState { order: "rerun by itself", status: "part of a group" });
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
        let detail = self.rerun_detail(key, &from);
        let state = &mut self.job_mut(key).row.state;
        state.generation += 1;
        state.status = JobStatus::Pending;
        state.paused = false;
        state.cancelled = false;
        state.failing_fast = false;
        state.exceeded = false;
        state.started_at = None;
        state.ended_at = None;
        self.start_sweep(key, SweepKind::Rerunning(from));
        self.audit_job(actor, "job.rerun", key, &detail);
        Ok(Answer::Done)
    }
}
