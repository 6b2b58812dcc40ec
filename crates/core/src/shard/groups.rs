//! Groups: tasks that a child job carries out. What stops, resumes or deletes the group reaches the child by a sweep of
//! its own; how the child ended comes back by its `Reporting`. Pauses and cancels are also looked up at each grant in all
//! jobs around (`is_stopped`), so that nothing is granted while a sweep is still on its way (I20).

use std::sync::Arc;

use super::flow::failure;
use super::{Shard, Work};
use crate::event::ChildJob;
use crate::id::{IdKind, Key};
use crate::job::{JobRow, JobState, JobStatus, SweepKind};
use crate::limits::{INSTANCES_MAX, NESTING_MAX};
use crate::task::TaskStatus;

impl Shard {
    /// Enters the job that carries a group out. The group goes on evaluating until that job is published: one that was
    /// still being staged when the node died is removed, and the verdict is asked for again.
    pub(super) fn start_child(&mut self, job: Key, group: Key, child: ChildJob) {
        let parent = &self.job(job).row;
        let ancestors: Arc<[Key]> = parent.ancestors.iter().copied().chain([job]).collect();
        let tasks = child.graph.tasks().len();
        if ancestors.len() > NESTING_MAX {
            let message = format!("groups stand in groups {} deep, the limit is {NESTING_MAX}", ancestors.len());
            return self.fail_early(group, failure("nested_too_deep", message));
        }
        if child.instances && tasks > INSTANCES_MAX {
            let message = format!("{tasks} instances, the limit is {INSTANCES_MAX}");
            return self.fail_early(group, failure("too_many_instances", message));
        }
        let shown = || parent.given_id.clone().unwrap_or_else(|| job.id(IdKind::Job).into());
        let (tenant, given_id) = (parent.tenant.clone(), child.instances.then(shown));
        let key = self.mint(group.bucket(), tasks as u64 + 1);
        self.task_mut(group).coming = Some(key);
        let row = JobRow {
            key,
            tenant,
            given_id,
            title: child.title,
            failure_policy: child.failure_policy,
            tasks: tasks as u32,
            body: child.body,
            tags: child.tags,
            parent: Some(group),
            ancestors,
            deadline_ms: None,
            active_key: None,
            created_at: self.now,
            state: JobState::new(JobStatus::Pending),
        };
        self.enter_job(row, Arc::new(child.graph), None);
    }

    /// The child is there: its group waits for it. Nobody waits for one whose group moved on while it was staged.
    pub(super) fn attach(&mut self, child: Key, group: Key) {
        if self.tasks.get(&group).is_none_or(|task| task.coming != Some(child)) {
            self.call_off(child);
            return;
        }
        self.leave(group);
        self.set_status(group, TaskStatus::Waiting);
        self.task_mut(group).row.state.child = Some(child);
    }

    /// The job that carries this task out, while it does.
    pub(super) fn live_child(&self, group: Key) -> Option<Key> {
        let state = &self.tasks.get(&group)?.row.state;
        let child = state.child.filter(|_| state.status == TaskStatus::Waiting)?;
        self.jobs.get(&child).filter(|job| !job.row.state.status.is_terminal()).map(|_| child)
    }

    /// Cancels a child job; its end settles the group.
    pub(super) fn call_off(&mut self, child: Key) {
        let state = &mut self.job_mut(child).row.state;
        if !state.cancelled {
            state.cancelled = true;
            self.start_sweep(child, SweepKind::Cancelling);
        }
    }

    /// The job around fails fast: what has not started of the child is cancelled too.
    pub(super) fn fail_fast_child(&mut self, child: Key) {
        let state = &mut self.job_mut(child).row.state;
        if !state.cancelled && !state.failing_fast {
            state.failing_fast = true;
            self.start_sweep(child, SweepKind::FailingFast);
        }
    }

    /// The job around goes on: what its pause set aside in the child is put back.
    pub(super) fn resume_child(&mut self, child: Key) {
        let kind = self.job_mut(child).row.state.sweep.take().map(|sweep| sweep.kind);
        self.start_sweep(child, resumed(kind));
    }

    /// Deletes the job that carried this task out: with it, or because it starts again.
    pub(super) fn drop_child(&mut self, group: Key) {
        let child = self.tasks.get(&group).and_then(|task| task.row.state.child);
        if let Some(child) = child.filter(|child| self.jobs.contains_key(child)) {
            self.start_sweep(child, SweepKind::Deleting);
        }
    }

    /// What a rerun from this task of a job begins with: a job inside of another is rerun with the outermost group around
    /// it. Its job, and the task there.
    pub(super) fn outermost(&self, job: Key, task: Key) -> (Key, Key) {
        let row = &self.job(job).row;
        let Some(submitted) = row.ancestors.first() else { return (job, task) };
        let outer = row.ancestors.get(1).unwrap_or(&job);
        (*submitted, self.jobs.get(outer).and_then(|outer| outer.row.parent).unwrap_or(task))
    }

    /// Goes on with telling the group how its child ended: of one that failed, once it is known which task did.
    pub(super) fn report(&mut self, child: Key, index: u32) {
        let row = &self.job(child).row;
        let (state, tasks) = (&row.state, row.tasks);
        let group = row.parent.expect("only child jobs report");
        let awaited = self
            .tasks
            .get(&group)
            .is_some_and(|task| task.row.state.child == Some(child) && task.row.state.status == TaskStatus::Waiting);
        if !awaited {
            let attached = self.tasks.get(&group).is_some_and(|task| task.row.state.child == Some(child));
            return if attached { self.end_report(child) } else { self.start_sweep(child, SweepKind::Deleting) };
        }
        // Its own failing fast is its own affair; that of the job around it leaves it unfinished.
        let around = row.ancestors.last().and_then(|around| self.jobs.get(around));
        let fails_fast = around.is_some_and(|around| around.row.state.failing_fast);
        let cut_short = fails_fast && state.failing_fast && state.counts.cancelled > 0;
        match state.status {
            JobStatus::Completed if !cut_short => self.end_task(group, TaskStatus::Completed),
            JobStatus::Failed => {
                let task = &self.task(child.task_of_job(index)).row;
                let failed = task.state.status == TaskStatus::Failed && !task.state.handled;
                if !failed && index + 1 < tasks {
                    return;
                }
                let name = task.given_id.clone().unwrap_or_default();
                let message = format!("`{name}` failed; {} of {tasks} tasks did", state.unhandled);
                self.fail_early(group, failure("group_failed", message));
            }
            _ => self.end_task(group, TaskStatus::Cancelled),
        }
        self.end_report(child);
    }

    fn end_report(&mut self, child: Key) {
        self.job_mut(child).row.state.sweep = None;
        self.touch_job(child);
        self.work.remove(&Work::Sweep(child));
    }
}

/// The sweep of a job that goes on: one that was cut short by the pause begins again, and does what resuming does.
pub(super) fn resumed(kind: Option<SweepKind>) -> SweepKind {
    match kind {
        Some(kind @ (SweepKind::FailingFast | SweepKind::Cancelling | SweepKind::Starting)) => kind,
        _ => SweepKind::Resuming,
    }
}
