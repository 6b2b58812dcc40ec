//! Attempts of one task: numbers, budgets, tokens, outcomes, backoff, dead letters (I5–I8, I15, I17–I20).

use std::collections::{BTreeMap, BTreeSet};

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{FailurePolicy, JobRow};
use mainspring_core::limits::{DELAY_MS_MAX, LOSSES_MAX, SNOOZES_MAX};
use mainspring_core::row::{Changes, Directive, HighWater, TaskRow, Transition, TransitionKind};
use mainspring_core::spec::{Backoff, BackoffShape, OnWorkerLost};
use mainspring_core::task::{Attempt, Outcome, TaskStatus};
use mainspring_core::time::Timestamp;

use super::{Checker, Touched, Verdict, ensure, moves};

/// Whether the task's time in the queue is over.
pub fn has_expired(row: &TaskRow, now: Timestamp) -> bool {
    row.spec.as_ref().and_then(|spec| spec.expires_at_ms).is_some_and(|at| at <= now.as_millis())
}

impl Checker {
    /// All that concerns one task's own row.
    pub(super) fn check_task(&mut self, touched: &Touched, _old_water: &HighWater) -> Verdict {
        let row = self.model.tasks[&touched.key].clone();
        self.check_move(touched, &row)?;
        self.check_attempts(touched, &row)?;
        self.check_budgets(&row)?;
        self.check_dead(touched, &row)?;
        self.check_times(touched, &row)?;
        self.check_retry(touched, &row)?;
        self.check_place(&row)?;
        if let Some(lease) = &row.state.lease {
            self.holders.entry(lease.number).or_insert_with(|| lease.session.clone());
        }
        Ok(())
    }

    fn check_move(&self, touched: &Touched, row: &TaskRow) -> Verdict {
        let (status, attempt, generation) = match &touched.old {
            Some(old) => (old.state.status, old.state.attempt, old.state.generation),
            None => (TaskStatus::Pending, 0, 1),
        };
        let state = &row.state;
        ensure(state.attempt >= attempt && state.generation >= generation, "I6", || {
            format!("task {:?} goes back from attempt {attempt} generation {generation}: {state:?}", row.key)
        })?;
        let opened = state.generation - generation;
        let reopened =
            self.asked.reopened.contains(&row.key) || row.job.is_some_and(|job| self.asked.reopened.contains(&job));
        ensure(opened == 0 || reopened, "I5", || format!("nobody asked to run task {:?} again", row.key))?;
        ensure(moves::leads(status, state.status, state.attempt - attempt, opened), "I5", || {
            format!(
                "task {:?} moves from {status:?} to {:?} with {} starts in {opened} new generations",
                row.key,
                state.status,
                state.attempt - attempt
            )
        })
    }

    /// I6, I8: numbered without gaps, one running at the most, what has ended stays as it was.
    fn check_attempts(&self, touched: &Touched, row: &TaskRow) -> Verdict {
        let state = &row.state;
        let none = Vec::new();
        let older = self.model.attempts.get(&row.key).unwrap_or(&none);
        let all: Vec<&Attempt> = older.iter().chain(&state.last).collect();
        let numbers: Vec<u32> = all.iter().map(|attempt| attempt.number).collect();
        let expected: Vec<u32> = (1..=state.attempt).collect();
        ensure(numbers == expected, "I6", || format!("task {:?} has the attempts {numbers:?}: {state:?}", row.key))?;
        for attempt in older {
            ensure(attempt.outcome.is_some() && attempt.ended_at.is_some(), "I6", || {
                format!("task {:?} went on from an attempt that has not ended: {attempt:?}", row.key)
            })?;
        }
        for pair in all.windows(2) {
            ensure(pair[0].lease < pair[1].lease, "I7", || format!("task {:?}: token sinks: {pair:?}", row.key))?;
            ensure(pair[0].generation <= pair[1].generation, "I6", || format!("generation sinks: {pair:?}"))?;
        }
        let running = state.last.as_ref().is_some_and(|last| last.outcome.is_none());
        let status = state.status == TaskStatus::Running;
        ensure(running == status && status == state.lease.is_some(), "I6", || {
            format!("task {:?}: status, attempt and lease disagree: {state:?}", row.key)
        })?;
        if let (Some(lease), Some(last)) = (&state.lease, &state.last) {
            ensure(lease.number == last.lease && lease.worker == last.worker, "I7", || {
                format!("task {:?}: the lease is not the attempt's: {state:?}", row.key)
            })?;
        }
        let Some(was) = touched.old.as_ref().and_then(|old| old.state.last.as_ref()) else { return Ok(()) };
        let is = all.iter().find(|attempt| attempt.number == was.number);
        let Some(is) = is else { return Ok(()) };
        ensure(is.lease == was.lease && is.worker == was.worker && is.started_at == was.started_at, "I8", || {
            format!("task {:?}: an attempt changed from {was:?} to {is:?}", row.key)
        })?;
        ensure(was.outcome.is_none() || was.outcome == is.outcome, "I8", || {
            format!("task {:?}: a second outcome: {was:?}, then {is:?}", row.key)
        })
    }

    /// I6, I19: the budgets are what the attempts of this generation say.
    fn check_budgets(&self, row: &TaskRow) -> Verdict {
        let state = &row.state;
        let older = self.model.attempts.get(&row.key).into_iter().flatten();
        let mine = older.chain(&state.last).filter(|attempt| attempt.generation == state.generation);
        let (mut failures, mut losses, mut snoozes) = (0, 0, 0);
        for attempt in mine {
            match attempt.outcome {
                Some(Outcome::Failure | Outcome::Timeout) => failures += 1,
                Some(Outcome::Lost) => losses += 1,
                Some(Outcome::Snoozed) => snoozes += 1,
                _ => {}
            }
        }
        let told = (state.failures, state.losses, state.snoozes);
        ensure(told == (failures, losses, snoozes), "I6", || {
            format!("task {:?} counts {told:?}, its attempts say {:?}", row.key, (failures, losses, snoozes))
        })?;
        let Some(spec) = &row.spec else { return Ok(()) };
        ensure(failures <= spec.policy.retries + 1 && snoozes <= SNOOZES_MAX + 1, "I6", || {
            format!("task {:?} is over a budget: {state:?}", row.key)
        })?;
        let lost_for_good = losses >= LOSSES_MAX || (losses > 0 && spec.policy.on_worker_lost == OnWorkerLost::Fail);
        ensure(!lost_for_good || moves::is_terminal(state.status), "I19", || {
            format!("task {:?} goes on after {losses} losses: {state:?}", row.key)
        })
    }

    /// I18: dead if and only if failed for good and neither redriven nor discarded.
    fn check_dead(&self, touched: &Touched, row: &TaskRow) -> Verdict {
        let state = &row.state;
        let failed = state.status == TaskStatus::Failed;
        ensure(failed || !state.dead, "I18", || format!("task {:?} is dead but {:?}", row.key, state.status))?;
        let discarded = self.asked.discarded.contains(&row.key);
        let was_failed = touched
            .old
            .as_ref()
            .is_some_and(|old| old.state.status == TaskStatus::Failed && old.state.generation == state.generation);
        let came_back = state.dead && was_failed && touched.old.as_ref().is_some_and(|old| !old.state.dead);
        ensure(!came_back, "I18", || format!("task {:?} is among the dead letters again", row.key))?;
        ensure(!failed || state.dead || discarded, "I18", || {
            format!("task {:?} failed and is not among the dead letters", row.key)
        })
    }

    /// I15: nothing before its time.
    fn check_times(&self, touched: &Touched, row: &TaskRow) -> Verdict {
        let (state, now) = (&row.state, self.model.water.time);
        let in_past = |at: Option<Timestamp>| at.is_none_or(|at| at <= now);
        let started = state.last.as_ref().map(|last| last.started_at);
        ensure(in_past(state.ready_at) && in_past(state.ended_at) && in_past(started), "I15", || {
            format!("task {:?} has an instant after {now:?}: {state:?}", row.key)
        })?;
        let hurried = self.asked.hurried.contains(&row.key);
        let stands = matches!(state.status, TaskStatus::Ready | TaskStatus::Running);
        if stands && !hurried {
            let early = state.due.is_some_and(|due| state.ready_at.is_none_or(|ready| ready < due));
            ensure(!early, "I15", || format!("task {:?} is ready before it is due: {state:?}", row.key))?;
        }
        let expired_early = state.status == TaskStatus::Failed
            && touched.old.as_ref().map_or(0, |old| old.state.attempt) == state.attempt
            && touched.old.as_ref().is_none_or(|old| !moves::is_terminal(old.state.status))
            && touched.old.as_ref().is_none_or(|old| old.state.status != TaskStatus::Running)
            && state.failure.is_none()
            && !has_expired(row, now);
        ensure(!expired_early, "I15", || format!("task {:?} failed without a reason: {state:?}", row.key))
    }

    /// What follows a failed attempt: allowed by the policy, neither too early nor too late (I17).
    fn check_retry(&self, touched: &Touched, row: &TaskRow) -> Verdict {
        let state = &row.state;
        let (Some(last), Some(spec)) = (&state.last, &row.spec) else { return Ok(()) };
        let ended_now = touched.old.as_ref().is_none_or(|old| {
            old.state.attempt < state.attempt || old.state.last.as_ref().is_some_and(|last| last.outcome.is_none())
        });
        let judged = matches!(last.outcome, Some(Outcome::Failure | Outcome::Timeout));
        if !ended_now || !judged || last.generation != state.generation {
            return Ok(());
        }
        let reports = self.asked.reports.get(&last.lease).map(|(_, reports)| reports.as_slice()).unwrap_or_default();
        let report = reports.iter().find(|ended| Some(ended.outcome) == last.outcome);
        let kind = last.error.as_ref().map(|error| &error.kind);
        let listed = |kinds: &[Name]| kind.is_some_and(|kind| kinds.contains(kind));
        let policy = &spec.policy;
        let allowed = report.and_then(|ended| ended.retryable).unwrap_or(true)
            && !listed(&policy.non_retryable)
            && (policy.retry_on.is_empty() || listed(&policy.retry_on))
            && state.failures <= policy.retries;
        let waits = matches!(state.status, TaskStatus::Scheduled | TaskStatus::Ready);
        ensure(allowed || !waits, "I6", || format!("task {:?} is retried against its policy: {state:?}", row.key))?;
        let expired = has_expired(row, self.model.water.time);
        ensure(!allowed || expired || state.status != TaskStatus::Failed, "I6", || {
            format!("task {:?} failed for good with retries left: {state:?}", row.key)
        })?;
        let (Some(due), Some(ended)) = (state.due, last.ended_at) else { return Ok(()) };
        if state.status != TaskStatus::Scheduled || self.asked.hurried.contains(&row.key) {
            return Ok(());
        }
        let waited = due.since(ended);
        if let Some(after) = report.and_then(|ended| ended.retry_after_ms) {
            return ensure(waited == after.min(DELAY_MS_MAX), "I17", || {
                format!("task {:?} asked to wait {after} ms and waits {waited} ms", row.key)
            });
        }
        let most = longest_wait(&policy.backoff, state.failures);
        let least = if policy.backoff.full_jitter { 0.0 } else { most * 0.999 - 2.0 };
        let within = waited as f64 >= least && waited as f64 <= most + 1.0 && waited <= policy.backoff.max_ms;
        ensure(within, "I17", || format!("task {:?} waits {waited} ms, within {least} and {most}", row.key))
    }

    /// I7: lease numbers of a commit are new, and no two are the same.
    pub(super) fn check_lease_numbers(&self, before: &[Touched], old_water: &HighWater) -> Verdict {
        let mut seen = BTreeSet::new();
        for touched in before {
            let Some(row) = self.model.tasks.get(&touched.key) else { continue };
            let known = touched.old.as_ref().map_or(0, |old| old.state.attempt);
            let older = self.model.attempts.get(&touched.key).into_iter().flatten();
            for attempt in older.chain(&row.state.last).filter(|attempt| attempt.number > known) {
                let fresh = attempt.lease > old_water.lease && attempt.lease <= self.model.water.lease;
                ensure(fresh && seen.insert(attempt.lease), "I7", || {
                    format!("task {:?} got the lease number {}, which is not new", row.key, attempt.lease)
                })?;
            }
        }
        Ok(())
    }

    /// I20 and pauses: no attempt starts where something forbade it before and after the commit.
    pub(super) fn check_grant_allowed(
        &self,
        touched: &Touched,
        old_paused: &BTreeSet<Name>,
        old_directives: &BTreeMap<Name, Directive>,
        old_jobs: &BTreeMap<Key, Option<JobRow>>,
    ) -> Verdict {
        let row = &self.model.tasks[&touched.key];
        let known = touched.old.as_ref().map_or(0, |old| old.state.attempt);
        let (Some(last), Some(spec)) = (&row.state.last, &row.spec) else { return Ok(()) };
        if row.state.attempt == known {
            return Ok(());
        }
        let quiet = |at: Option<&u64>| at.is_none_or(|at| at + 2 < self.model.water.commit);
        let queue = &spec.queue;
        let paused = old_paused.contains(queue) && self.model.paused_queues.contains(queue);
        ensure(!paused || !quiet(self.asked.switched.get(queue)), "pause", || {
            format!("task {:?} started from the paused queue `{queue}`", row.key)
        })?;
        let told = |directives: &BTreeMap<Name, Directive>| directives.get(&last.worker).copied().unwrap_or_default();
        let held_back = told(old_directives) != Directive::Run && told(&self.model.directives) != Directive::Run;
        ensure(!held_back || !quiet(self.asked.switched.get(&last.worker)), "pause", || {
            format!("task {:?} started on `{}`, which takes nothing", row.key, last.worker)
        })?;
        let Some(job) = row.job else { return Ok(()) };
        let Some(Some(old)) = old_jobs.get(&job) else { return Ok(()) };
        let new = &self.model.jobs[&job].state;
        let same = old.state.generation == new.generation;
        ensure(!(old.state.cancelled && new.cancelled && same), "I20", || {
            format!("task {:?} started after its job was cancelled", row.key)
        })?;
        let acknowledged = self.acknowledged_cancels.get(&job).is_some_and(|at| *at == last.generation);
        ensure(!acknowledged, "I20", || format!("task {:?} started after the cancel was acknowledged", row.key))?;
        let paused = old.state.paused && new.paused && quiet(self.asked.toggled.get(&job));
        ensure(!paused, "pause", || format!("task {:?} started in a paused job", row.key))?;
        for around in self.around(old) {
            let cancelled = self.acknowledged_cancels.get(&around.key).is_some_and(|at| *at == around.state.generation);
            ensure(!cancelled, "I20", || format!("task {:?} started after the cancel of {:?}", row.key, around.key))?;
            let paused = around.state.paused && quiet(self.asked.toggled.get(&around.key));
            ensure(!paused, "pause", || format!("task {:?} started inside a paused job", row.key))?;
        }
        Ok(())
    }

    /// A task ends only for a reason that somebody gave.
    pub(super) fn check_reasons(&self, changes: &Changes, touched: &Touched) -> Verdict {
        let row = &self.model.tasks[&touched.key];
        let was = touched.old.as_ref().map_or(TaskStatus::Pending, |old| old.state.status);
        if row.state.status != TaskStatus::Cancelled || was == TaskStatus::Cancelled {
            return Ok(());
        }
        let job = row.job.and_then(|job| self.model.jobs.get(&job));
        let reported = row.state.last.as_ref().is_some_and(|last| {
            last.outcome == Some(Outcome::Cancelled) && self.asked.reports.contains_key(&last.lease)
        });
        // A rerun in the same commit opens the next generation of the job, which does not fail fast yet.
        let fast = job.is_some_and(|job| {
            let rerun = job.state.generation > row.state.generation;
            job.failure_policy == FailurePolicy::FailFast && (job.state.failing_fast || rerun)
        });
        let ordered = self.asked.cancelled_tasks.contains(&row.key)
            || row.job.is_some_and(|job| self.is_called_off(job))
            || row.state.child.is_some_and(|child| self.is_called_off(child));
        let name = self.model.held.get(&row.key);
        let replaced = name.is_some_and(|name| self.asked.replaced.contains(&(name.tenant.clone(), name.text.clone())));
        // One that came and was replaced in the same commit: the claim is already the next one's.
        let at_once = touched.old.is_none() && self.asked.replaced.iter().any(|(tenant, _)| *tenant == row.tenant);
        // A retry in the same commit opens a job again that has just failed fast, or exceeded its deadline.
        let failed = |told: &Transition| told.kind == TransitionKind::JobFailed && told.job == row.job;
        let strict = |job: &JobRow| job.failure_policy == FailurePolicy::FailFast || job.deadline_ms.is_some();
        let reopened = job.is_some_and(strict) && changes.feed.iter().any(failed);
        ensure(reported || fast || ordered || replaced || at_once || reopened, "I20", || {
            format!("nobody cancelled task {:?}", row.key)
        })
    }
}

/// The longest wait before retry `n`: the formula of the policy, in floating point.
fn longest_wait(backoff: &Backoff, n: u32) -> f64 {
    let initial = backoff.initial_ms as f64;
    let factor = (backoff.factor_milli as f64 / 1_000.0).max(1.0);
    let wait = match backoff.shape {
        BackoffShape::Fixed => initial,
        BackoffShape::Linear => initial * f64::from(n),
        BackoffShape::Exponential => initial * factor.powi(n as i32 - 1),
    };
    wait.min(backoff.max_ms as f64)
}
