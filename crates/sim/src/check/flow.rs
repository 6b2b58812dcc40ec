//! What stands between a trigger and the first attempt, read from `decisions.md` 34–36: verdicts, approvals, groups; and
//! what is decided about whole jobs by their deadline and their turn.

use std::collections::BTreeMap;

use mainspring_core::event::{ChildJob, Verdict as Told};
use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::{Flow, JobRow, JobStatus, Step, SweepKind};
use mainspring_core::row::{HighWater, TaskRow};
use mainspring_core::task::{Place, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;
use mainspring_store::ShardId;

use super::{Checker, Touched, Verdict, ensure, moves};

/// How late a deadline may strike: work of a full batch goes first, and a commit may take long.
const DEADLINE_LATE_MS_MAX: u64 = 20_000;

impl Checker {
    fn flow_of(&self, row: &TaskRow) -> Option<&Flow> {
        let job = row.job?;
        self.model.graphs.get(&job)?.get(job.index_of(row.key) as usize)?.flow.as_deref()
    }

    /// Whether a task has to wait for a verdict after its trigger holds.
    pub(super) fn asks(&self, row: &TaskRow) -> bool {
        self.flow_of(row).is_some_and(|flow| flow.evaluated || flow.step == Step::Group)
    }

    /// All that concerns the flow of one touched task.
    pub(super) fn check_flow(&self, touched: &Touched, old_water: &HighWater) -> Verdict {
        let row = &self.model.tasks[&touched.key];
        let state = &row.state;
        if state.evaluating {
            let stands = state.status == TaskStatus::Pending && state.place == Place::Hot && self.asks(row);
            ensure(stands, "I9", || format!("task {:?} waits for a verdict and is {state:?}", row.key))?;
        }
        self.check_verdict(touched, row)?;
        self.check_approval(touched, row, old_water)?;
        self.check_group(touched, row)?;
        self.check_checkpoint(row)
    }

    /// I9: who went on after a question did what a verdict on this generation said.
    fn check_verdict(&self, touched: &Touched, row: &TaskRow) -> Verdict {
        let old = touched.old.as_ref().map(|old| &old.state);
        let state = &row.state;
        let left = old.is_none_or(|old| {
            (old.status == TaskStatus::Pending || old.generation != state.generation)
                && state.status != TaskStatus::Pending
        });
        let by_rule = state.status == TaskStatus::Skipped
            && (state.skip_reason != Some(mainspring_core::task::SkipReason::Condition)
                || old.is_none_or(|old| !old.evaluating));
        if !left || !self.asks(row) || by_rule || matches!(state.status, TaskStatus::Pending | TaskStatus::Cancelled) {
            return Ok(());
        }
        let told = self.asked.verdicts.get(&(row.key, state.generation)).map_or(&[][..], Vec::as_slice);
        let fits = told.iter().any(|told| self.follows(told, row));
        ensure(fits, "I9", || format!("task {:?} went on as no verdict said: {state:?}, told {}", row.key, told.len()))
    }

    fn follows(&self, told: &Told, row: &TaskRow) -> bool {
        let state = &row.state;
        let failed_as = |kind: &str| state.failure.as_ref().is_some_and(|failure| &*failure.kind == kind);
        match told {
            Told::Skip => state.status == TaskStatus::Skipped,
            Told::Fail(_) => state.status == TaskStatus::Failed && failed_as("expression"),
            Told::Complete { .. } => state.status == TaskStatus::Completed && state.child.is_none(),
            Told::Child(job) => {
                let child = state.child.and_then(|child| self.model.jobs.get(&child));
                child.is_some_and(|child| child.tasks as usize == job.graph.tasks().len())
                    || failed_as("nested_too_deep")
                    || failed_as("group_failed")
                    || state.child.is_some()
                    || failed_as("evaluation_failed") && self.names_a_key_elsewhere(job, row.key)
            }
            Told::Run { body } => {
                let spec = row.spec.as_ref();
                let rendered = body.as_ref().is_none_or(|body| spec.is_some_and(|spec| spec.body == *body));
                let went_on = !matches!(state.status, TaskStatus::Skipped | TaskStatus::Pending);
                rendered && went_on && !failed_as("expression")
            }
        }
    }

    /// A task of this graph has a key whose limit another shard keeps than that of its group: it could never start.
    fn names_a_key_elsewhere(&self, job: &ChildJob, group: Key) -> bool {
        let shards = self.config.shards();
        let mut limits = job.graph.tasks().iter().flat_map(|task| task.spec.limits.iter());
        limits.any(|limit| ShardId::of(Bucket::of_text(&limit.key), shards) != ShardId::of_key(group, shards))
    }

    /// Approvals: only a signal, or the end of their time, ends them.
    fn check_approval(&self, touched: &Touched, row: &TaskRow, old_water: &HighWater) -> Verdict {
        let state = &row.state;
        let step = self.flow_of(row).map(|flow| flow.step);
        let was = touched.old.as_ref().map(|old| &old.state);
        let waits = |state: &TaskState| state.status == TaskStatus::Waiting && !state.held && state.child.is_none();
        if waits(state) {
            let Some(Step::Approval { timeout_ms }) = step else {
                return ensure(false, "I9", || format!("task {:?} waits for nothing: {state:?}", row.key));
            };
            let began = was.is_none_or(|was| !waits(was) || was.generation != state.generation);
            let within = match (timeout_ms, state.due) {
                (None, due) => due.is_none() && state.place == Place::Rest,
                (Some(ms), Some(due)) => {
                    let placed = matches!(state.place, Place::Hot | Place::ColdTimer);
                    let least = old_water.time.plus_ms(ms);
                    placed && (!began || (due >= least && due <= self.model.water.time.plus_ms(ms)))
                }
                (Some(_), None) => false,
            };
            return ensure(within, "I15", || format!("an approval waits too long or too short: {row:?}"));
        }
        let is_approval = matches!(step, Some(Step::Approval { .. }));
        let ended = moves::is_terminal(state.status)
            && was.is_none_or(|was| !moves::is_terminal(was.status) || was.generation != state.generation);
        if !is_approval || !ended {
            return Ok(());
        }
        let kind = state.failure.as_ref().map(|failure| &*failure.kind);
        let signalled = |approved| self.asked.signals.contains(&(row.key, approved));
        let evaluated = || self.asked.verdicts.contains_key(&(row.key, state.generation));
        let reason = match (state.status, kind) {
            (TaskStatus::Completed, _) => signalled(true) || evaluated(),
            (TaskStatus::Failed, Some("approval_refused")) => signalled(false),
            (TaskStatus::Failed, Some("approval_timed_out")) => {
                state.due.is_some_and(|due| due <= self.model.water.time)
            }
            (TaskStatus::Failed, Some("expression")) => evaluated(),
            (TaskStatus::Failed, _) => false,
            _ => true,
        };
        ensure(reason, "I15", || format!("nobody answered the approval {:?}: {state:?}", row.key))
    }

    /// A group ends as the job that carries it out, once.
    fn check_group(&self, touched: &Touched, row: &TaskRow) -> Verdict {
        let state = &row.state;
        let Some(child) = state.child else { return Ok(()) };
        let job = self.model.jobs.get(&child);
        let describe =
            || format!("group {:?} is {:?}, its child {child:?} {:?}", row.key, state.status, job.map(|j| &j.state));
        let Some(job) = job else {
            // It goes with the group, in a later step.
            return ensure(moves::is_terminal(state.status), "I11", describe);
        };
        let around = row.job.and_then(|job| self.model.jobs.get(&job));
        let inside = around.map(|around| around.ancestors.iter().copied().chain([around.key]).collect::<Vec<_>>());
        ensure(job.parent == Some(row.key) && inside.as_deref() == Some(&*job.ancestors), "I11", || {
            format!("child {child:?} of {:?} says that it is inside {:?}", row.key, job.ancestors)
        })?;
        let ended_now = moves::is_terminal(state.status)
            && touched.old.as_ref().is_none_or(|old| !moves::is_terminal(old.state.status));
        if !ended_now {
            return Ok(());
        }
        let fast = around.is_some_and(|around| around.state.failing_fast) && job.state.failing_fast;
        let cut_short = fast && job.state.counts.cancelled > 0;
        let fits = match state.status {
            TaskStatus::Completed => job.state.status == JobStatus::Completed && !cut_short,
            TaskStatus::Failed => job.state.status == JobStatus::Failed,
            TaskStatus::Cancelled => job.state.status.is_terminal(),
            _ => false,
        };
        ensure(fits, "I11", describe)
    }

    /// A checkpoint is one that an attempt of this generation noted.
    fn check_checkpoint(&self, row: &TaskRow) -> Verdict {
        let Some(text) = &row.state.checkpoint else { return Ok(()) };
        let lease = self.asked.checkpoints.get(&(row.key, text.clone()));
        let attempt = lease.and_then(|lease| self.model.attempt_of(row.key, *lease));
        ensure(attempt.is_some_and(|attempt| attempt.generation == row.state.generation), "I1", || {
            format!("task {:?} has the checkpoint {text}, which nobody noted in its generation", row.key)
        })
    }

    /// A child that has told its group is not waited for; one that is called off with the job around it is.
    pub(super) fn check_children(&self, job: &JobRow) -> Verdict {
        let state = &job.state;
        if let Some(group) = job.parent
            && state.status.is_terminal()
            && state.sweep.is_none()
        {
            let waiting =
                self.model.tasks.get(&group).is_some_and(|group| {
                    group.state.status == TaskStatus::Waiting && group.state.child == Some(job.key)
                });
            ensure(!waiting, "I11", || format!("group {group:?} waits for {:?}, which has ended", job.key))?;
        }
        let cancelled = state.cancelled && !state.status.is_terminal() && state.sweep.is_none();
        if !cancelled {
            return Ok(());
        }
        for task in self.model.tasks_of(job.key) {
            let row = &self.model.tasks[&task];
            let Some(child) = row.state.child.filter(|_| row.state.status == TaskStatus::Waiting) else { continue };
            let told = self
                .model
                .jobs
                .get(&child)
                .is_some_and(|child| child.state.cancelled || child.state.status.is_terminal());
            ensure(told, "I20", || format!("job {:?} was cancelled, its child {child:?} goes on", job.key))?;
        }
        Ok(())
    }

    /// The deadline strikes in time, and not before. `until`: the time of the commit before; what came after that, as when
    /// a clock jumps, nobody could have known then.
    pub(super) fn check_deadline(&self, key: Key, old: Option<&JobRow>, until: Timestamp) -> Verdict {
        let Some(job) = self.model.jobs.get(&key).filter(|_| !self.model.is_staged(key)) else { return Ok(()) };
        let state = &job.state;
        let due = job.deadline_ms.filter(|_| state.generation == 1).map(|ms| job.created_at.plus_ms(ms));
        if state.exceeded {
            let struck = due.is_some_and(|due| due <= self.model.water.time);
            return ensure(struck, "I15", || format!("job {key:?} exceeded no deadline: {state:?}"));
        }
        let ends = state.status.is_terminal() && old.is_none_or(|old| !old.state.status.is_terminal());
        let late = due.is_some_and(|due| due.plus_ms(DEADLINE_LATE_MS_MAX) < until);
        ensure(!(ends && late) || state.cancelled, "L1", || format!("job {key:?} ended after its deadline: {state:?}"))
    }

    /// I12 of jobs: no more of a definition are live than its limit, and nobody waits without need, or starts in the line.
    pub(super) fn check_turns(&self, touched: &[Key]) -> Verdict {
        let lines: Vec<(Name, Name, u32)> = touched
            .iter()
            .filter_map(|key| self.model.jobs.get(key))
            .filter_map(|row| row.active_key.clone().map(|(name, limit)| (row.tenant.clone(), name, limit)))
            .collect();
        for (tenant, name, limit) in lines {
            let live = self.model.jobs.values().filter(|row| {
                row.tenant == tenant
                    && row.active_key.as_ref().is_some_and(|(other, _)| *other == name)
                    && !row.state.status.is_terminal()
                    && !matches!(self.model.sweep(row.key), Some(SweepKind::Staging | SweepKind::Rerunning(_)))
            });
            let mut counts: BTreeMap<bool, u32> = BTreeMap::new();
            for row in live {
                *counts.entry(row.state.queued).or_default() += 1;
                ensure(!row.state.queued || row.state.started_at.is_none(), "I12", || {
                    format!("job {:?} started while it waits for its turn", row.key)
                })?;
            }
            let (let_in, queued) = (counts.get(&false).copied(), counts.get(&true).copied());
            ensure(let_in.unwrap_or(0) <= limit, "I12", || format!("{let_in:?} jobs of `{name}`, at most {limit}"))?;
            ensure(queued.is_none() || let_in.unwrap_or(0) >= limit, "I12", || {
                format!("{queued:?} jobs of `{name}` wait, {let_in:?} of {limit} are live")
            })?;
        }
        Ok(())
    }

    /// Who called off a job that carries out a group: somebody by name, or what happened around it.
    pub(super) fn is_called_off(&self, job: Key) -> bool {
        let Some(row) = self.model.jobs.get(&job) else { return true };
        let by_itself = self.asked.cancelled_jobs.contains(&job) || row.state.exceeded;
        by_itself
            || row.parent.is_some_and(|group| {
                let state = self.model.tasks.get(&group).map(|row| &row.state);
                let dropped = state.is_none_or(|state| state.child != Some(job));
                let fast = row.ancestors.iter().filter_map(|key| self.model.jobs.get(key));
                let fast = row.state.failing_fast && { fast }
                    .any(|around| around.state.failing_fast || around.state.generation > 1);
                dropped
                    || fast
                    || self.asked.cancelled_tasks.contains(&group)
                    || row.ancestors.last().is_some_and(|around| self.is_called_off(*around))
            })
    }

    /// Whether a job goes because the group that it carried out does, or starts again.
    pub(super) fn goes_with_its_group(&self, job: Key) -> bool {
        let Some(row) = self.model.jobs.get(&job) else { return false };
        let Some(group) = row.parent else { return false };
        let again = |key: &Key| {
            self.asked.reopened.contains(key) || self.asked.deleted.contains(key) || !self.model.jobs.contains_key(key)
        };
        let dropped = self.model.tasks.get(&group).is_none_or(|group| group.state.child != Some(job));
        dropped || row.ancestors.iter().any(again)
    }
}
