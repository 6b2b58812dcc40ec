//! What happens between a task's trigger and its first attempt: the verdict of whoever evaluates its expressions, an
//! approval, or a child job (`groups`) that carries it out.

use super::Shard;
use crate::effect::{Answer, Effect, Evaluate, Refusal};
use crate::event::{Evaluated, Verdict};
use crate::id::{Key, Name};
use crate::job::{Step, SweepKind};
use crate::limits::DELAY_MS_MAX;
use crate::row::OutputRow;
use crate::spec::{Body, TaskSpec};
use crate::task::{Failure, SkipReason, TaskStatus};

/// A failure of these words.
pub(super) fn failure(kind: &str, message: String) -> Failure {
    Failure { kind: kind.into(), message: message.into(), trace: None }
}

impl Shard {
    /// A pending task of a job whose trigger holds: asks for its values, or goes on at once.
    pub(super) fn start(&mut self, job: Key, key: Key) {
        if self.task(key).row.state.evaluating {
            return;
        }
        let node = self.node(job, job.index_of(key));
        let asks = node.flow.as_ref().is_some_and(|flow| flow.evaluated || flow.step == Step::Group);
        let spec = node.spec.clone();
        self.give_spec(key, spec);
        if !asks {
            return self.go_on(job, key);
        }
        let state = &mut self.task_mut(key).row.state;
        state.evaluating = true;
        state.place = crate::task::Place::Hot;
        self.touch(key);
        self.activate(key);
        self.ask_for_verdict(job, key);
    }

    /// Asks whoever evaluates; again after a load.
    pub(super) fn ask_for_verdict(&mut self, job: Key, key: Key) {
        let generation = self.task(key).row.state.generation;
        self.effects.push(Effect::Evaluate(Evaluate { task: key, job, index: job.index_of(key), generation }));
    }

    /// To whatever the task does once its values are known.
    fn go_on(&mut self, job: Key, key: Key) {
        let node = self.node(job, job.index_of(key));
        let (delay_ms, step) = (node.delay_ms, node.flow.as_ref().map_or(Step::Attempt, |flow| flow.step));
        match step {
            Step::Attempt if delay_ms == 0 => self.make_ready(key),
            Step::Attempt => self.make_scheduled(key, self.now.plus_ms(delay_ms)),
            Step::Approval { timeout_ms } => self.await_approval(key, timeout_ms),
            Step::Group => self.fail_early(key, failure("evaluation_failed", "a group got no job".to_owned())),
        }
    }

    /// Takes a verdict, if it is the one that the task waits for.
    pub(super) fn evaluated(&mut self, evaluated: Evaluated) {
        let Evaluated { task: key, generation, verdict } = evaluated;
        let Some(task) = self.tasks.get(&key) else { return };
        let state = &task.row.state;
        let awaited = state.evaluating && state.generation == generation && task.coming.is_none();
        let Some(job) = task.row.job.filter(|job| awaited && !self.is_called_off(*job)) else { return };
        let node = self.node(job, job.index_of(key));
        let (spec, group) = (node.spec.clone(), node.flow.as_ref().is_some_and(|flow| flow.step == Step::Group));
        self.give_spec(key, spec);
        match verdict {
            Verdict::Run { body } => {
                if let Some(body) = body {
                    self.replace_body(key, body);
                }
                self.go_on(job, key);
            }
            Verdict::Skip => self.skip(key, SkipReason::Condition),
            Verdict::Fail(failure) => self.fail_early(key, failure),
            Verdict::Complete { output } => self.complete_early(key, output),
            Verdict::Child(child) if group => match self.check_keys_of(&child.graph) {
                Ok(()) => self.start_child(job, key, *child),
                Err(refusal) => self.fail_early(key, failure("evaluation_failed", refusal.to_string())),
            },
            Verdict::Child(_) => {
                self.fail_early(key, failure("evaluation_failed", "a job came for a task that is no group".to_owned()));
            }
        }
    }

    /// Gives a task another body. From here on the row's own spec goes before the graph's, here as in the store.
    pub(super) fn replace_body(&mut self, key: Key, body: Body) {
        let task = self.task_mut(key);
        if let Some(spec) = &task.row.spec {
            let kept = if body.len() > crate::limits::RESIDENT_BODY_BYTES_MAX { "".into() } else { body.clone() };
            task.row.spec = Some(std::sync::Arc::new(TaskSpec { body: kept, ..(**spec).clone() }));
        }
        self.bytes += body.len();
        self.rows += 1;
        self.changes.rewrite_bodies.retain(|(other, _)| *other != key);
        self.changes.rewrite_bodies.push((key, body));
        // The row is told apart from an untouched one, so that it is not forgotten before this commit returned.
        self.touch(key);
    }

    /// Fails a task that no attempt failed.
    pub(super) fn fail_early(&mut self, key: Key, failure: Failure) {
        self.task_mut(key).row.state.failure = Some(failure);
        self.end_task(key, TaskStatus::Failed);
    }

    /// Completes a task without an attempt.
    pub(super) fn complete_early(&mut self, key: Key, output: Option<std::sync::Arc<str>>) {
        self.put_output(key, output);
        self.end_task(key, TaskStatus::Completed);
    }

    pub(super) fn put_output(&mut self, key: Key, output: Option<std::sync::Arc<str>>) {
        if let Some(output) = output {
            self.bytes += output.len();
            self.changes.put_outputs.push(OutputRow { task: key, output });
            self.rows += 1;
        }
    }

    /// To `waiting`, until somebody answers or its time is up.
    fn await_approval(&mut self, key: Key, timeout_ms: Option<u64>) {
        self.leave(key);
        self.set_status(key, TaskStatus::Waiting);
        match timeout_ms {
            Some(ms) => self.sleep_until(key, self.now.plus_ms(ms.min(DELAY_MS_MAX))),
            None => self.task_mut(key).row.state.due = None,
        }
    }

    /// Whether a task waits for an approval.
    pub(super) fn awaits_approval(&self, key: Key) -> bool {
        let state = &self.task(key).row.state;
        state.status == TaskStatus::Waiting && !state.held && state.child.is_none()
    }

    /// Nobody answered in time.
    pub(super) fn time_approval_out(&mut self, key: Key) {
        let message = "nobody answered within its timeout".to_owned();
        self.fail_early(key, failure("approval_timed_out", message));
    }

    pub(super) fn order_signal(
        &mut self,
        actor: &Name,
        key: Key,
        approved: bool,
        output: Option<std::sync::Arc<str>>,
    ) -> Result<Answer, Refusal> {
        let status = self.tasks.get(&key).ok_or(Refusal::NotFound)?.row.state.status;
        let job = self.open_job_of(key)?;
        if !self.awaits_approval(key) {
            return Err(Refusal::WrongState { order: "signal", status: status.word() });
        }
        if job.is_some_and(|job| self.is_called_off(job)) {
            return Err(Refusal::WrongState { order: "signal", status: "being cancelled" });
        }
        self.audit_signal(actor, key, approved, output.as_deref());
        if approved {
            self.complete_early(key, output);
        } else {
            self.fail_early(key, failure("approval_refused", format!("{actor} refused it")));
        }
        Ok(Answer::Done)
    }

    /// Whether the job, or one around it, is being cancelled.
    pub(super) fn is_called_off(&self, job: Key) -> bool {
        self.any_around(job, |state| state.cancelled)
    }

    /// Whether the job, or one around it, is paused.
    pub(super) fn is_paused(&self, job: Key) -> bool {
        self.any_around(job, |state| state.paused)
    }

    /// Whether no task of the job may be granted now.
    pub(super) fn is_stopped(&self, job: Key) -> bool {
        self.any_around(job, |state| {
            let busy = matches!(
                state.sweep.as_ref().map(|sweep| &sweep.kind),
                Some(SweepKind::Staging | SweepKind::Rerunning(_) | SweepKind::Deleting)
            );
            state.paused || state.cancelled || busy
        })
    }

    fn any_around(&self, job: Key, holds: impl Fn(&crate::job::JobState) -> bool) -> bool {
        let row = &self.job(job).row;
        holds(&row.state) || row.ancestors.iter().filter_map(|key| self.jobs.get(key)).any(|job| holds(&job.row.state))
    }
}
