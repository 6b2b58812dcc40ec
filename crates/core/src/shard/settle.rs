//! Carries the end of a task to its neighbours: children first (their counts, their trigger rules), then, for a rescue
//! task that completed, the failed parents that it handles. Costs O(out-degree), in pieces of the step budget.

use super::{Shard, Work};
use crate::id::Key;
use crate::spec::Trigger;
use crate::task::{Outcome, ParentCounts, Place, Settling, SkipReason, TaskStatus};

/// What a trigger rule says over the parents that have ended so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Too early to say.
    Wait,
    /// It may start.
    Start,
    /// It never will.
    Skip(SkipReason),
}

/// Judges a trigger rule: `ended` counts the parents by how they ended, `parents` is how many there are.
pub(crate) fn judge(trigger: Trigger, ended: ParentCounts, parents: u32) -> Verdict {
    let all = ended.ended() >= parents;
    let when_all = |holds: bool, otherwise: SkipReason| match (all, holds) {
        (false, _) => Verdict::Wait,
        (true, true) => Verdict::Start,
        (true, false) => Verdict::Skip(otherwise),
    };
    let at_once = |reached: bool, otherwise: SkipReason| match (reached, all) {
        (true, _) => Verdict::Start,
        (false, true) => Verdict::Skip(otherwise),
        (false, false) => Verdict::Wait,
    };
    let blame = if ended.failed > 0 { SkipReason::UpstreamFailed } else { SkipReason::UpstreamSkipped };
    match trigger {
        Trigger::Always => Verdict::Start,
        _ if parents == 0 => Verdict::Start,
        Trigger::AllSuccess if ended.failed + ended.skipped > 0 => Verdict::Skip(blame),
        Trigger::AllSuccess => when_all(true, blame),
        Trigger::AllDone => when_all(true, blame),
        // What these rules wish for did not happen: that is no failure, and must not look like one to the next rescue.
        Trigger::AllFailed if ended.completed > 0 => Verdict::Skip(SkipReason::Condition),
        Trigger::AllFailed if ended.skipped > 0 => Verdict::Skip(SkipReason::UpstreamSkipped),
        Trigger::AllFailed => when_all(true, blame),
        Trigger::AllSkipped if ended.completed + ended.failed > 0 => Verdict::Skip(SkipReason::Condition),
        Trigger::AllSkipped => when_all(true, blame),
        Trigger::OneSuccess => at_once(ended.completed > 0, blame),
        Trigger::OneFailed => at_once(ended.failed > 0, SkipReason::Condition),
        Trigger::OneDone => at_once(ended.completed + ended.failed > 0, SkipReason::UpstreamSkipped),
        Trigger::NoneFailed if ended.failed > 0 => Verdict::Skip(SkipReason::UpstreamFailed),
        Trigger::NoneFailed => when_all(true, blame),
        Trigger::NoneFailedMinOneSuccess if ended.failed > 0 => Verdict::Skip(SkipReason::UpstreamFailed),
        Trigger::NoneFailedMinOneSuccess => when_all(ended.completed > 0, SkipReason::UpstreamSkipped),
        Trigger::NoneSkipped if ended.skipped > 0 => Verdict::Skip(SkipReason::UpstreamSkipped),
        Trigger::NoneSkipped => when_all(true, blame),
    }
}

/// Whether a task with this trigger is there to deal with failures of its parents.
pub(super) fn is_rescue(trigger: Trigger) -> bool {
    matches!(trigger, Trigger::OneFailed | Trigger::AllFailed)
}

/// How an ended parent counts for its children.
pub(super) fn count_parent(counts: &mut ParentCounts, status: TaskStatus, reason: Option<SkipReason>) {
    match (status, reason) {
        (TaskStatus::Completed, _) => counts.completed += 1,
        (TaskStatus::Skipped, Some(SkipReason::UpstreamFailed)) | (TaskStatus::Failed | TaskStatus::Cancelled, _) => {
            counts.failed += 1;
        }
        _ => counts.skipped += 1,
    }
}

impl Shard {
    /// How many neighbours one piece of settling touches at the most.
    pub(super) fn settle_piece(&self) -> u32 {
        (self.config.step_rows_max as u32 / 4).max(1)
    }

    /// The neighbours that the next piece of settling touches.
    pub(super) fn settle_neighbours(&self, key: Key) -> Vec<u32> {
        let Some(task) = self.tasks.get(&key) else { return Vec::new() };
        let job = task.row.job.expect("only tasks of jobs settle");
        let node = self.node(job, job.index_of(key));
        let (list, from) = match task.row.state.settling {
            Some(Settling::Children(from)) => (&node.children, from),
            Some(Settling::Parents(from)) => (&node.parents, from),
            None => return Vec::new(),
        };
        list.iter().skip(from as usize).take(self.settle_piece() as usize).copied().collect()
    }

    /// Carries the end of a task to the next piece of its neighbours.
    pub(super) fn settle(&mut self, key: Key) {
        let Some(task) = self.tasks.get(&key) else { return };
        let Some(settling) = task.row.state.settling else { return };
        let job = task.row.job.expect("only tasks of jobs settle");
        let (status, reason) = (task.row.state.status, task.row.state.skip_reason);
        let neighbours = self.settle_neighbours(key);
        let done = neighbours.len() as u32;
        match settling {
            Settling::Children(from) => {
                for child in neighbours {
                    let child = job.task_of_job(child);
                    self.parent_ended(job, child, status, reason);
                    // A rescue task that another failure started may have completed before this one.
                    let row = &self.task(child).row;
                    if row.state.status == TaskStatus::Completed && is_rescue(row.trigger) {
                        self.handle_failure(job, key);
                    }
                }
                let node = self.node(job, job.index_of(key));
                let (children, rescue) = (node.children.len() as u32, is_rescue(node.trigger));
                let next = from + done;
                if next < children {
                    self.settle_on(key, Settling::Children(next));
                } else if rescue && status == TaskStatus::Completed {
                    self.settle_on(key, Settling::Parents(0));
                } else {
                    self.settled(job, key);
                }
            }
            Settling::Parents(from) => {
                for parent in neighbours {
                    self.handle_failure(job, job.task_of_job(parent));
                }
                let parents = self.node(job, job.index_of(key)).parents.len() as u32;
                if from + done < parents {
                    self.settle_on(key, Settling::Parents(from + done));
                } else {
                    self.settled(job, key);
                }
            }
        }
    }

    fn settle_on(&mut self, key: Key, next: Settling) {
        self.task_mut(key).row.state.settling = Some(next);
        self.touch(key);
        self.work.insert(Work::Settle(key));
    }

    fn settled(&mut self, job: Key, key: Key) {
        let task = self.task_mut(key);
        task.row.state.settling = None;
        task.row.state.place = Place::Rest;
        if std::mem::take(&mut task.active) {
            self.release_job(job);
        }
        self.touch(key);
        self.job_mut(job).settling -= 1;
        self.check_job_end(job);
    }

    fn parent_ended(&mut self, job: Key, child: Key, status: TaskStatus, reason: Option<SkipReason>) {
        count_parent(&mut self.task_mut(child).row.state.parents, status, reason);
        self.touch(child);
        self.decide(job, child);
    }

    /// Starts or skips a pending task if its trigger rule says so.
    pub(super) fn decide(&mut self, job: Key, key: Key) {
        let state = &self.job(job).row.state;
        if state.queued
            || self.is_called_off(job)
            || matches!(state.sweep.as_ref().map(|sweep| &sweep.kind), Some(crate::job::SweepKind::Rerunning(_)))
        {
            return;
        }
        let row = &self.task(key).row;
        if row.state.status != TaskStatus::Pending {
            return;
        }
        match judge(row.trigger, row.state.parents, row.parents) {
            Verdict::Wait => {}
            Verdict::Start => self.start(job, key),
            Verdict::Skip(reason) => self.skip(key, reason),
        }
    }

    /// Gives a task of a job that has no spec the one in the graph.
    pub(super) fn give_spec_of_graph(&mut self, key: Key) {
        let row = &self.task(key).row;
        if let (Some(job), None) = (row.job, &row.spec) {
            let spec = self.node(job, job.index_of(key)).spec.clone();
            self.give_spec(key, spec);
        }
    }

    /// A rescue task completed: its failed parent counts as handled.
    pub(super) fn handle_failure(&mut self, job: Key, parent: Key) {
        let state = &mut self.task_mut(parent).row.state;
        if state.status == TaskStatus::Failed && !state.handled {
            state.handled = true;
            self.touch(parent);
            self.job_mut(job).row.state.unhandled -= 1;
            self.touch_job(job);
        }
    }

    /// The worker ended the session: what becomes of an attempt it still ran.
    pub(super) fn lose(&mut self, key: Key, outcome: Outcome) {
        match outcome {
            Outcome::Interrupted => {
                self.end_attempt(key, Outcome::Interrupted, None);
                self.make_ready(key);
            }
            _ => {
                let error = crate::task::Failure {
                    kind: "worker_lost".into(),
                    message: "the worker was lost while it ran this attempt".into(),
                    trace: None,
                };
                self.fail_attempt(key, Outcome::Lost, Some(error), None, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(completed: u32, failed: u32, skipped: u32) -> ParentCounts {
        ParentCounts { completed, failed, skipped }
    }

    #[test]
    fn rules_that_wait_for_all_do_not_start_early() {
        for trigger in [Trigger::AllSuccess, Trigger::AllDone, Trigger::NoneFailed, Trigger::NoneSkipped] {
            assert_eq!(judge(trigger, ended(1, 0, 0), 2), Verdict::Wait, "{trigger:?}");
            assert_eq!(judge(trigger, ended(2, 0, 0), 2), Verdict::Start, "{trigger:?}");
        }
    }

    #[test]
    fn a_failure_skips_all_success_at_once_and_starts_one_failed_at_once() {
        assert_eq!(judge(Trigger::AllSuccess, ended(0, 1, 0), 5), Verdict::Skip(SkipReason::UpstreamFailed));
        assert_eq!(judge(Trigger::AllSuccess, ended(0, 0, 1), 5), Verdict::Skip(SkipReason::UpstreamSkipped));
        assert_eq!(judge(Trigger::OneFailed, ended(0, 1, 0), 5), Verdict::Start);
        assert_eq!(judge(Trigger::OneFailed, ended(5, 0, 0), 5), Verdict::Skip(SkipReason::Condition));
        assert_eq!(judge(Trigger::OneSuccess, ended(1, 0, 0), 5), Verdict::Start);
    }

    #[test]
    fn a_task_without_parents_starts_under_every_rule() {
        for trigger in
            [Trigger::AllSuccess, Trigger::AllFailed, Trigger::OneFailed, Trigger::AllSkipped, Trigger::Always]
        {
            assert_eq!(judge(trigger, ended(0, 0, 0), 0), Verdict::Start, "{trigger:?}");
        }
    }
}
