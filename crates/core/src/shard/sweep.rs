//! Work over all tasks of a job, in pieces of the step budget, in topological order, behind a durable marker.

use std::sync::Arc;

use super::settle::{count_parent, is_rescue};
use super::submit::fresh_state;
use super::{Shard, Work};
use crate::id::Key;
use crate::job::{RerunFrom, Sweep, SweepKind};
use crate::limits::GRAPH_CHUNK_TASKS;
use crate::spec::Trigger;
use crate::task::{ParentCounts, Place, TaskStatus};

impl Shard {
    /// How many tasks one piece of a sweep covers: whole chunks while staging.
    pub(super) fn sweep_piece(&self, kind: &SweepKind) -> u32 {
        let budget = self.config.step_rows_max as u32;
        match kind {
            SweepKind::Staging => (budget / 2 / GRAPH_CHUNK_TASKS).max(1) * GRAPH_CHUNK_TASKS,
            SweepKind::Rerunning(_) | SweepKind::Reporting => (budget / 4).clamp(1, 256),
            _ => (budget / 4).max(1),
        }
    }

    /// The indices that the next piece of a sweep covers.
    pub(super) fn sweep_range(&self, job: Key) -> std::ops::Range<u32> {
        let Some(row) = self.jobs.get(&job).map(|job| &job.row) else { return 0..0 };
        let Some(sweep) = &row.state.sweep else { return 0..0 };
        sweep.next..(sweep.next + self.sweep_piece(&sweep.kind)).min(row.tasks)
    }

    /// Goes on with the sweep of a job by one piece.
    pub(super) fn sweep(&mut self, key: Key) {
        let range = self.sweep_range(key);
        let Some(sweep) = self.jobs.get(&key).and_then(|job| job.row.state.sweep.clone()) else { return };
        if sweep.kind.is_outside() {
            return;
        }
        for index in range.clone() {
            let task = key.task_of_job(index);
            match &sweep.kind {
                SweepKind::Staging => self.stage(key, index),
                SweepKind::Starting | SweepKind::Resuming => self.nudge(key, task),
                SweepKind::Cancelling => {
                    self.cancel(task);
                }
                SweepKind::FailingFast => self.fail_fast(key, index),
                SweepKind::Rerunning(from) => self.rerun_task(key, index, from),
                SweepKind::Deleting => self.delete_task(task),
                SweepKind::Reporting => self.report(key, index),
                SweepKind::Hooking | SweepKind::Announcing(_) => unreachable!("nothing is done to its tasks"),
            }
            let current = self.jobs.get(&key).and_then(|job| job.row.state.sweep.as_ref());
            if current.is_none_or(|current| current.kind != sweep.kind) {
                break;
            }
        }
        // A task of the range may have set another sweep on the job (fail fast): that one starts at 0.
        let job = self.job_mut(key);
        let Some(current) = &mut job.row.state.sweep else { return };
        if current.kind != sweep.kind {
            return;
        }
        current.next = range.end;
        let finished = range.end >= job.row.tasks;
        self.touch_job(key);
        if finished {
            self.finish_sweep(key, &sweep);
        } else {
            self.work.insert(Work::Sweep(key));
        }
    }

    fn finish_sweep(&mut self, key: Key, sweep: &Sweep) {
        self.job_mut(key).row.state.sweep = None;
        match sweep.kind {
            SweepKind::Staging => {
                let staged = self.job_mut(key).staging.take();
                self.publish(key);
                self.start_tasks(key);
                self.answer_job(key, staged.and_then(|(_, to)| to));
                self.published_by_schedule(key);
            }
            SweepKind::Rerunning(_) => {
                self.take_place(key);
                self.start_tasks(key);
            }
            SweepKind::Reporting | SweepKind::Hooking | SweepKind::Announcing(_) => {}
            SweepKind::Deleting => self.delete_job(key),
            SweepKind::Starting | SweepKind::Resuming | SweepKind::Cancelling | SweepKind::FailingFast => {
                self.check_job_end(key);
            }
        }
    }

    /// Starts what may start of a job, unless it waits for its turn or is called off already.
    fn start_tasks(&mut self, key: Key) {
        let state = &self.job(key).row.state;
        if !state.queued && state.sweep.is_none() {
            self.start_sweep(key, SweepKind::Starting);
        }
    }

    fn stage(&mut self, key: Key, index: u32) {
        let (graph, _) = self.job(key).staging.clone().expect("staging lasts as long as its submission");
        if index.is_multiple_of(GRAPH_CHUNK_TASKS) {
            let number = index / GRAPH_CHUNK_TASKS;
            let from = index as usize;
            let tasks = &graph.tasks()[from..(from + GRAPH_CHUNK_TASKS as usize).min(graph.tasks().len())];
            let chunk = crate::job::GraphChunk { job: key, number, tasks: tasks.to_vec() };
            self.put_chunk(Arc::new(chunk), true);
        }
        self.insert_job_task(key, index, &graph.tasks()[index as usize]);
    }

    /// Starts what may start, and puts back what a pause set aside.
    fn nudge(&mut self, job: Key, key: Key) {
        let state = &self.task(key).row.state;
        match (state.status, state.place) {
            (TaskStatus::Pending, _) => self.decide(job, key),
            (TaskStatus::Waiting, _) => {
                if let Some(child) = self.live_child(key) {
                    self.resume_child(child);
                }
            }
            (TaskStatus::Ready, Place::Rest) if !self.is_paused(job) => {
                let spec = self.node(job, job.index_of(key)).spec.clone();
                self.give_spec(key, spec);
                self.enter_lane(key);
            }
            _ => {}
        }
    }

    /// Cancels a task that has not started, unless it is there to clean up.
    fn fail_fast(&mut self, job: Key, index: u32) {
        let key = job.task_of_job(index);
        let row = &self.task(key).row;
        let cleans_up = is_rescue(row.trigger) || row.trigger == Trigger::AllDone;
        match row.state.status {
            TaskStatus::Pending | TaskStatus::Scheduled | TaskStatus::Waiting | TaskStatus::Ready if !cleans_up => {
                match self.live_child(key) {
                    Some(child) => self.fail_fast_child(child),
                    None => _ = self.cancel(key),
                }
            }
            _ => self.nudge(job, key),
        }
    }

    /// Resets a task that was chosen, or one of whose parents was reset before it. What handled the failures that stay is
    /// found anew: parents come before their children, so each failure is unhandled first, then handled by what is left.
    fn rerun_task(&mut self, job: Key, index: u32, from: &RerunFrom) {
        let key = job.task_of_job(index);
        let generation = self.job(job).row.state.generation;
        let parents = self.node(job, index).parents.clone();
        let state = &self.task(key).row.state;
        let chosen = match from {
            RerunFrom::Start => true,
            RerunFrom::Task(chosen) => *chosen == index,
            RerunFrom::Failed => matches!(state.status, TaskStatus::Failed | TaskStatus::Cancelled),
        };
        let mut counts = ParentCounts::default();
        let mut reset = chosen;
        for parent in parents.iter().copied() {
            let parent = &self.task(job.task_of_job(parent)).row.state;
            if parent.generation == generation {
                reset = true;
            } else {
                count_parent(&mut counts, parent.status, parent.skip_reason);
            }
        }
        let row = &self.task(key).row;
        if reset {
            self.reset(job, key, generation, counts);
        } else if row.state.status == TaskStatus::Completed && is_rescue(row.trigger) {
            parents.iter().for_each(|parent| self.handle_failure(job, job.task_of_job(*parent)));
        } else if row.state.handled {
            self.task_mut(key).row.state.handled = false;
            self.touch(key);
            self.job_mut(job).row.state.unhandled += 1;
            self.touch_job(job);
        }
    }

    /// Opens the next generation of an ended task of a job: pending again, its count taken back.
    fn reset(&mut self, job: Key, key: Key, generation: u32, parents: ParentCounts) {
        self.drop_child(key);
        let task = self.tasks.get_mut(&key).expect("the task was in the read set");
        self.permits.add_unfinished(&task.row.tenant, 1);
        let state = &mut task.row.state;
        let (status, handled) = (state.status, state.handled);
        assert!(status.may_become(TaskStatus::Pending, true), "only an ended task opens a generation");
        let (attempt, last) = (state.attempt, state.last.take());
        *state = crate::task::TaskState { attempt, last, parents, ..fresh_state(generation) };
        self.touch(key);
        let state = &mut self.job_mut(job).row.state;
        match status {
            TaskStatus::Completed => state.counts.completed -= 1,
            TaskStatus::Cancelled => state.counts.cancelled -= 1,
            TaskStatus::Skipped => state.counts.skipped -= 1,
            _ => {
                state.counts.failed -= 1;
                state.unhandled -= u32::from(!handled);
            }
        }
        self.touch_job(job);
    }

    pub(super) fn delete_task(&mut self, key: Key) {
        self.drop_child(key);
        if let Some(task) = self.tasks.get(&key) {
            assert!(task.row.state.status.is_terminal() && !task.active, "only what has ended is deleted");
            self.tasks.remove(&key);
            self.absent_tasks.insert(key, self.high_water.commit + 1);
        }
        self.changes.delete_tasks.push(key);
        self.rows += 1;
    }

    fn delete_job(&mut self, key: Key) {
        // Stores delete before they insert: what the same commit would insert must not come at all.
        if self.jobs.remove(&key).is_some_and(|job| job.dirt == super::Dirt::Inserted) {
            self.changes.insert_chunks.retain(|chunk| chunk.job != key);
        }
        self.absent_jobs.insert(key, self.high_water.commit + 1);
        self.changes.delete_jobs.push(key);
        self.rows += 1;
    }
}
