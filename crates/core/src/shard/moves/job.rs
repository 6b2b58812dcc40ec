//! What the end of a task does to its job: counts, fail-fast, and the job's own end (I11).

use super::super::{Shard, Work};
use crate::id::Key;
use crate::job::{FailurePolicy, JobStatus, Sweep, SweepKind};
use crate::row::TransitionKind;
use crate::task::{Place, Settling, TaskStatus};

impl Shard {
    pub(super) fn count_end(&mut self, job_key: Key, key: Key, status: TaskStatus) {
        self.touch_job(job_key);
        let job = self.job_mut(job_key);
        let counts = &mut job.row.state.counts;
        match status {
            TaskStatus::Completed => counts.completed += 1,
            TaskStatus::Cancelled => counts.cancelled += 1,
            TaskStatus::Skipped => counts.skipped += 1,
            _ => {
                counts.failed += 1;
                job.row.state.unhandled += 1;
            }
        }
        let fail_fast = job.row.failure_policy == FailurePolicy::FailFast
            && status == TaskStatus::Failed
            && !job.row.state.failing_fast
            && !job.row.state.cancelled;
        if fail_fast {
            job.row.state.failing_fast = true;
            self.start_sweep(job_key, SweepKind::FailingFast);
        }
        // A job that is being cancelled as a whole needs no telling: every task of it ends anyway.
        if self.job(job_key).row.state.cancelled {
            return self.check_job_end(job_key);
        }
        self.job_mut(job_key).settling += 1;
        let state = &mut self.task_mut(key).row.state;
        state.settling = Some(Settling::Children(0));
        state.place = Place::Hot;
        self.activate(key);
        self.work.insert(Work::Settle(key));
    }

    /// Sets the durable marker of a sweep; the work goes on in later steps.
    pub(in super::super) fn start_sweep(&mut self, job: Key, kind: SweepKind) {
        self.job_mut(job).row.state.sweep = Some(Sweep { kind, next: 0 });
        self.touch_job(job);
        self.work.insert(Work::Sweep(job));
    }

    /// The job's state is a function of its tasks (I11).
    pub(in super::super) fn check_job_end(&mut self, key: Key) {
        let job = self.job(key);
        let state = &job.row.state;
        let busy = matches!(
            state.sweep.as_ref().map(|sweep| &sweep.kind),
            Some(SweepKind::Staging | SweepKind::Rerunning(_) | SweepKind::Deleting)
        );
        if state.status.is_terminal() || busy || job.settling > 0 || state.counts.ended() < job.row.tasks {
            return;
        }
        let (status, kind) = if state.exceeded {
            (JobStatus::Failed, TransitionKind::JobFailed)
        } else if state.cancelled {
            (JobStatus::Cancelled, TransitionKind::JobCancelled)
        } else if state.unhandled > 0 {
            (JobStatus::Failed, TransitionKind::JobFailed)
        } else {
            (JobStatus::Completed, TransitionKind::JobComplete)
        };
        let (now, reports) = (self.now, job.row.parent.is_some());
        self.unwatch_job(key);
        let state = &mut self.job_mut(key).row.state;
        state.status = status;
        state.sweep = None;
        state.paused = false;
        state.ended_at = Some(now);
        self.work.remove(&Work::Sweep(key));
        self.touch_job(key);
        self.tell_of_job(kind, key);
        if reports {
            self.start_sweep(key, SweepKind::Reporting);
        } else {
            self.tell_followers(key);
        }
        self.ended_of_schedule(key);
    }

    /// Tells of a job; of the instances of a `forEach` nothing, because they go by the id of the job around them.
    pub(in super::super) fn tell_of_job(&mut self, kind: TransitionKind, key: Key) {
        if !self.job(key).row.is_instances() {
            self.tell(kind, None, Some(key), 0, None);
        }
    }
}
