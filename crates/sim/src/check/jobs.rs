//! Jobs: counters (I10), closure (I11), trigger rules (I9).

use mainspring_core::id::Key;
use mainspring_core::job::{JobCounts, JobRow, JobStatus, SweepKind};
use mainspring_core::spec::Trigger;
use mainspring_core::task::{ParentCounts, Place, Settling, SkipReason, TaskState, TaskStatus};

use super::trigger::{Parent, Says, class_of, says};
use super::{Checker, Touched, Verdict, ensure, moves};

/// Rules that hold only where a parent failed or was skipped.
fn asks_for_trouble(rule: Trigger) -> bool {
    matches!(rule, Trigger::OneFailed | Trigger::AllFailed | Trigger::AllSkipped)
}

impl Checker {
    /// All that concerns a job and its tasks together, after a commit that touched either.
    pub(super) fn check_job(&self, key: Key, old: Option<&JobRow>, before: &[Touched]) -> Verdict {
        let Some(job) = self.model.jobs.get(&key) else { return Ok(()) };
        if self.model.is_staged(key) {
            return Ok(());
        }
        if let Some(old) = old {
            let (was, is) = (&old.state, &job.state);
            ensure(is.generation >= was.generation, "I5", || format!("job {key:?} goes back: {is:?}"))?;
            let left = was.status.is_terminal() && !is.status.is_terminal() && is.generation == was.generation;
            ensure(!left, "I5", || format!("job {key:?} leaves {:?} in the same generation", was.status))?;
            let absorbed = was.status.is_terminal() && is.status.is_terminal() && is.generation == was.generation;
            ensure(!absorbed || was.status == is.status, "I5", || {
                format!("job {key:?} goes from {:?} to {:?}", was.status, is.status)
            })?;
        }
        let busy = matches!(self.model.sweep(key), Some(SweepKind::Rerunning(_) | SweepKind::Deleting));
        if busy {
            return Ok(());
        }
        let tasks = self.model.tasks_of(key);
        ensure(tasks.len() == job.tasks as usize, "I1", || {
            format!("job {key:?} has {} of {} tasks", tasks.len(), job.tasks)
        })?;
        let nodes = self.model.graphs.get(&key).map_or(0, Vec::len);
        ensure(nodes == tasks.len(), "I1", || format!("job {key:?} has {nodes} of {} nodes stored", tasks.len()))?;
        self.check_counts(key, job, &tasks)?;
        self.check_closure(key, job, &tasks)?;
        self.check_children(job)?;
        self.check_left_pending(key, before)?;
        self.check_parents(key, job)?;
        self.check_set_aside(key, job, &tasks)
    }

    fn check_counts(&self, key: Key, job: &JobRow, tasks: &[Key]) -> Verdict {
        let mut counts = JobCounts::default();
        let mut unhandled = 0;
        for task in tasks {
            let state = &self.model.tasks[task].state;
            match state.status {
                TaskStatus::Completed => counts.completed += 1,
                TaskStatus::Cancelled => counts.cancelled += 1,
                TaskStatus::Skipped => counts.skipped += 1,
                TaskStatus::Failed => {
                    counts.failed += 1;
                    unhandled += u32::from(!state.handled);
                }
                _ => {}
            }
        }
        let state = &job.state;
        ensure(state.counts == counts && state.unhandled == unhandled, "I10", || {
            format!(
                "job {key:?} counts {:?} and {} unhandled, its tasks say {counts:?} and {unhandled}",
                state.counts, state.unhandled
            )
        })
    }

    /// I11: a job has ended if and only if all its tasks have, and how it ended follows from them.
    fn check_closure(&self, key: Key, job: &JobRow, tasks: &[Key]) -> Verdict {
        let states: Vec<&TaskState> = tasks.iter().map(|task| &self.model.tasks[task].state).collect();
        let ended = states.iter().all(|state| moves::is_terminal(state.status));
        let settled = states.iter().all(|state| state.settling.is_none());
        let state = &job.state;
        if state.status.is_terminal() {
            ensure(ended && settled, "I11", || format!("job {key:?} ended before its tasks: {state:?}"))?;
            let unhandled = tasks.iter().any(|task| self.is_unhandled(key, *task));
            let expected = match (state.cancelled, unhandled) {
                _ if state.exceeded => JobStatus::Failed,
                (true, _) => JobStatus::Cancelled,
                (false, true) => JobStatus::Failed,
                (false, false) => JobStatus::Completed,
            };
            return ensure(state.status == expected, "I11", || {
                format!("job {key:?} is {:?}, its tasks say {expected:?}", state.status)
            });
        }
        ensure(!ended || !settled || state.sweep.is_some(), "I11", || {
            format!("job {key:?} goes on though its tasks have ended: {state:?}")
        })?;
        let paused = state.status == JobStatus::Paused;
        ensure(paused == state.paused, "I11", || format!("job {key:?}: pause and status disagree: {state:?}"))
    }

    /// Whether a failed task has no completed child that deals with failures.
    fn is_unhandled(&self, job: Key, task: Key) -> bool {
        if self.model.tasks[&task].state.status != TaskStatus::Failed {
            return false;
        }
        let Some(graph) = self.model.graphs.get(&job) else { return false };
        let index = job.index_of(task);
        let children = &graph[index as usize].children;
        !children.iter().any(|child| {
            let rescue = matches!(graph[*child as usize].trigger, Trigger::OneFailed | Trigger::AllFailed);
            rescue && self.model.tasks[&job.task_of_job(*child)].state.status == TaskStatus::Completed
        })
    }

    /// The jobs that a job is inside of.
    pub(super) fn around<'a>(&'a self, job: &'a JobRow) -> impl Iterator<Item = &'a JobRow> {
        job.ancestors.iter().filter_map(|key| self.model.jobs.get(key))
    }

    fn parents_of(&self, job: Key, index: u32) -> Vec<Parent> {
        let parents = self.model.graphs[&job][index as usize].parents.iter();
        parents.map(|parent| class_of(&self.model.tasks[&job.task_of_job(*parent)].state)).collect()
    }

    /// I9: whoever left `pending` had a rule that held; whoever was skipped had one that cannot.
    fn check_left_pending(&self, job: Key, before: &[Touched]) -> Verdict {
        for touched in before {
            let row = &self.model.tasks.get(&touched.key);
            let Some(row) = row.filter(|row| row.job == Some(job)) else { continue };
            let was = touched
                .old
                .as_ref()
                .map_or((TaskStatus::Pending, row.state.generation), |old| (old.state.status, old.state.generation));
            let left = was.0 == TaskStatus::Pending || was.1 != row.state.generation;
            let now = row.state.status;
            if !left || matches!(now, TaskStatus::Pending | TaskStatus::Cancelled) {
                continue;
            }
            let index = job.index_of(touched.key);
            let parents = self.parents_of(job, index);
            let verdict = says(self.model.graphs[&job][index as usize].trigger, &parents);
            // By its verdict, which is checked elsewhere.
            let by_verdict = now == TaskStatus::Skipped
                && row.state.skip_reason == Some(SkipReason::Condition)
                && self.asks(row)
                && verdict == Says::Start;
            if by_verdict {
                continue;
            }
            let expected = if now == TaskStatus::Skipped { Says::Skip } else { Says::Start };
            let describe = || format!("task {:?} became {now:?} by {:?} over {parents:?}", touched.key, row.trigger);
            ensure(verdict == expected, "I9", describe)?;
            if now == TaskStatus::Skipped {
                let blamed = match row.state.skip_reason {
                    Some(SkipReason::UpstreamSkipped) => parents.contains(&Parent::Skipped),
                    Some(SkipReason::UpstreamFailed) => parents.contains(&Parent::Failed),
                    Some(SkipReason::Condition) => asks_for_trouble(row.trigger),
                    None => false,
                };
                ensure(blamed, "I9", || format!("{} for {:?}", describe(), row.state.skip_reason))?;
            }
        }
        Ok(())
    }

    /// I10 and liveness: open tasks count exactly the parents that told them, and none was forgotten.
    fn check_parents(&self, key: Key, job: &JobRow) -> Verdict {
        if job.state.cancelled || self.around(job).any(|around| around.state.cancelled) {
            return Ok(());
        }
        let graph = &self.model.graphs[&key];
        let mut quiet = job.state.sweep.is_none();
        for (index, node) in (0..).zip(graph) {
            let task = &self.model.tasks[&key.task_of_job(index)];
            quiet &= task.state.settling.is_none();
            if moves::is_terminal(task.state.status) {
                continue;
            }
            let mut counts = ParentCounts::default();
            for parent in &node.parents {
                let state = &self.model.tasks[&key.task_of_job(*parent)].state;
                let place = graph[*parent as usize].children.iter().position(|child| *child == index);
                let told = match state.settling {
                    Some(Settling::Children(next)) => place.is_some_and(|place| (place as u32) < next),
                    _ => true,
                };
                match class_of(state) {
                    _ if !told => {}
                    Parent::Open => {}
                    Parent::Completed => counts.completed += 1,
                    Parent::Failed => counts.failed += 1,
                    Parent::Skipped => counts.skipped += 1,
                }
            }
            ensure(task.state.parents == counts, "I10", || {
                format!("task {:?} counts {:?}, its parents say {counts:?}", task.key, task.state.parents)
            })?;
        }
        if !quiet {
            return Ok(());
        }
        for (index, node) in (0..).zip(graph) {
            let task = &self.model.tasks[&key.task_of_job(index)];
            // Those whose rule holds wait for their verdict, or for the turn of their job.
            if task.state.status == TaskStatus::Pending && !task.state.evaluating && !job.state.queued {
                let parents = self.parents_of(key, index);
                ensure(says(node.trigger, &parents) == Says::Wait, "I9", || {
                    format!("task {:?} stays pending by {:?} over {parents:?}", task.key, node.trigger)
                })?;
            }
        }
        Ok(())
    }

    /// I4: a ready task that a pause set aside is put back afterwards.
    fn check_set_aside(&self, key: Key, job: &JobRow, tasks: &[Key]) -> Verdict {
        // A pause around it is lifted by a sweep there, which sets one here.
        let held_up = |row: &JobRow| row.state.paused || row.state.cancelled || row.state.sweep.is_some();
        if held_up(job) || self.around(job).any(held_up) {
            return Ok(());
        }
        for task in tasks {
            let state = &self.model.tasks[task].state;
            let aside = state.status == TaskStatus::Ready && state.place == Place::Rest;
            ensure(!aside, "I4", || format!("task {task:?} of job {key:?} was set aside and never put back"))?;
        }
        Ok(())
    }
}
