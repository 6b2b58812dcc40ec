//! How attempts end and what follows: a retry, a hold, the dead letters. Budgets are apart: failures and timeouts,
//! losses, snoozes.

use super::super::Shard;
use crate::effect::Effect;
use crate::id::{Key, Token};
use crate::limits::{DELAY_MS_MAX, LOSSES_MAX, SNOOZES_MAX};
use crate::row::{AttemptRow, TransitionKind};
use crate::spec::OnWorkerLost;
use crate::task::{Failure, Outcome, Place, TaskStatus};

impl Shard {
    /// Ends the running attempt; the caller moves the task on.
    pub(in super::super) fn end_attempt(&mut self, key: Key, outcome: Outcome, error: Option<Failure>) {
        let now = self.now;
        let task = self.task_mut(key);
        let job = task.row.job;
        let last = task.row.state.last.as_mut().expect("a running task has an attempt");
        last.ended_at = Some(now);
        last.outcome = Some(outcome);
        last.error = error;
        if let Some(noted) = task.noted.take() {
            task.row.state.checkpoint = Some(noted);
        }
        let last = task.row.state.last.as_ref().expect("a running task has an attempt");
        let (attempt, took) = (last.number, now.since(last.started_at));
        let spec = task.row.spec.clone().expect("a running task has its spec");
        self.figures.attempt_ended(&spec, outcome, took);
        if matches!(outcome, Outcome::Failure | Outcome::Timeout | Outcome::Lost) {
            self.tell(TransitionKind::TaskFailed, Some(key), job, attempt, None);
        }
        self.touch(key);
    }

    /// Ends the running attempt well.
    pub(in super::super) fn complete(&mut self, key: Key, output: Option<std::sync::Arc<str>>) {
        self.end_attempt(key, Outcome::Success, None);
        self.complete_early(key, output);
    }

    /// Ends the running attempt badly, and decides what follows: a retry, a hold, or the dead letters.
    pub(in super::super) fn fail_attempt(
        &mut self,
        key: Key,
        outcome: Outcome,
        error: Option<Failure>,
        retryable: Option<bool>,
        after_ms: Option<u64>,
    ) {
        let policy = self.task(key).row.spec.as_ref().expect("a running task has its spec").policy.clone();
        let kind = error.as_ref().map(|error| error.kind.clone());
        let error = self.last_straw(key, outcome).or(error);
        self.end_attempt(key, outcome, error);
        let seed = self.config.seed;
        let state = &mut self.task_mut(key).row.state;
        match outcome {
            Outcome::Lost => {
                state.losses += 1;
                match policy.on_worker_lost {
                    OnWorkerLost::Hold if state.losses < LOSSES_MAX => return self.hold(key),
                    OnWorkerLost::Retry if state.losses < LOSSES_MAX => return self.retry_at(key, 0),
                    _ => return self.end_task(key, TaskStatus::Failed),
                }
            }
            Outcome::Snoozed => {
                state.snoozes += 1;
                if state.snoozes <= SNOOZES_MAX {
                    let wait = after_ms.unwrap_or(1_000).clamp(1, DELAY_MS_MAX);
                    return self.make_scheduled_from_running(key, wait);
                }
                return self.end_task(key, TaskStatus::Failed);
            }
            _ => state.failures += 1,
        }
        let listed = |kinds: &[crate::id::Name]| kind.as_ref().is_some_and(|kind| kinds.contains(kind));
        let allowed = retryable.unwrap_or(true)
            && !listed(&policy.non_retryable)
            && (policy.retry_on.is_empty() || listed(&policy.retry_on));
        if !allowed || state.failures > policy.retries {
            return self.end_task(key, TaskStatus::Failed);
        }
        let random = crate::retry::mix(seed ^ key.raw() ^ (u64::from(state.attempt) << 48));
        let wait = after_ms.unwrap_or_else(|| policy.backoff.wait_ms(state.failures, random));
        self.retry_at(key, wait.min(DELAY_MS_MAX));
    }

    /// The error of an attempt whose loss or snooze is one too many: names the limit.
    fn last_straw(&self, key: Key, outcome: Outcome) -> Option<Failure> {
        let row = &self.task(key).row;
        let on_loss = row.spec.as_ref().expect("a running task has its spec").policy.on_worker_lost;
        let (kind, message) = match outcome {
            Outcome::Lost if on_loss != OnWorkerLost::Fail && row.state.losses + 1 >= LOSSES_MAX => {
                ("poison", format!("{LOSSES_MAX} workers were lost while they ran it, which is the limit"))
            }
            Outcome::Snoozed if row.state.snoozes >= SNOOZES_MAX => {
                ("snoozed_out", format!("snoozed once more after {SNOOZES_MAX} times, which is the limit"))
            }
            _ => return None,
        };
        Some(Failure { kind: kind.into(), message: message.into(), trace: None })
    }

    fn hold(&mut self, key: Key) {
        self.leave(key);
        self.set_status(key, TaskStatus::Waiting);
        let state = &mut self.task_mut(key).row.state;
        state.held = true;
        state.place = Place::Rest;
    }

    /// Plans the next attempt after a failure or a loss.
    fn retry_at(&mut self, key: Key, wait_ms: u64) {
        let task = self.task(key);
        let (job, attempt) = (task.row.job, task.row.state.attempt);
        let spec = task.row.spec.clone().expect("a running task has its spec");
        self.figures.retried(&spec);
        self.tell(TransitionKind::TaskRetry, Some(key), job, attempt, None);
        if wait_ms == 0 {
            self.make_ready(key);
        } else {
            self.make_scheduled_from_running(key, wait_ms);
        }
    }

    fn make_scheduled_from_running(&mut self, key: Key, wait_ms: u64) {
        let due = self.now.plus_ms(wait_ms);
        self.make_scheduled(key, due);
    }

    /// Takes a running attempt away from its worker.
    pub(in super::super) fn revoke(&mut self, key: Key) {
        let incarnation = self.incarnation;
        if let Some(lease) = &self.task(key).row.state.lease {
            let effect = Effect::Revoke {
                session: lease.session.clone(),
                token: Token { incarnation, task: key, lease: lease.number },
            };
            self.effects.push(effect);
        }
    }

    /// Calls a task off, whatever it does now; false if it has ended.
    pub(in super::super) fn cancel(&mut self, key: Key) -> bool {
        let status = self.task(key).row.state.status;
        if status.is_terminal() {
            return false;
        }
        if let Some(child) = self.live_child(key) {
            self.call_off(child);
            return true;
        }
        if status == TaskStatus::Running {
            self.revoke(key);
            self.end_attempt(key, Outcome::Cancelled, None);
        }
        self.end_task(key, TaskStatus::Cancelled);
        true
    }

    /// Moves the last attempt out of the row before the next one starts.
    pub(in super::super) fn archive_attempt(&mut self, key: Key) {
        if let Some(attempt) = self.task_mut(key).row.state.last.take() {
            self.changes.insert_attempts.push(AttemptRow { task: key, attempt });
            self.rows += 1;
        }
    }
}
