//! Bugs in what stands before an attempt: questions and verdicts, approvals, groups, deadlines, turns.

use mainspring_core::effect::Effect;
use mainspring_core::event::{Evaluated, Verdict};
use mainspring_core::row::{Changes, Snapshot};
use mainspring_core::task::{Place, TaskStatus};

use super::{Plant, Planted};
use crate::check::model::Model;

impl Planted {
    /// What is told of the values of a task.
    pub(super) fn spoil_verdict(&mut self, evaluated: &mut Evaluated, model: &Model) {
        let state = model.tasks.get(&evaluated.task).map(|row| &row.state);
        let Some(state) = state.filter(|state| state.evaluating) else { return };
        if state.generation != evaluated.generation && self.strikes_often(Plant::StaleVerdict, 100) {
            evaluated.generation = state.generation;
        }
        if matches!(evaluated.verdict, Verdict::Run { .. }) && self.strikes(Plant::WrongVerdict) {
            evaluated.verdict = Verdict::Skip;
        }
    }

    pub(super) fn drop_questions(&mut self, effects: &mut Vec<Effect>) {
        effects.retain(|effect| !matches!(effect, Effect::Evaluate(_)) || !self.strikes(Plant::LostQuestion));
        for effect in effects {
            if let Effect::Grant(grant) = effect
                && grant.checkpoint.is_some()
                && self.strikes(Plant::WrongCheckpoint)
            {
                grant.checkpoint = Some(r#"{"of":"another"}"#.into());
            }
        }
    }

    pub(super) fn spoil_flow(&mut self, changes: &mut Changes, model: &Model) {
        let now = changes.high_water.time;
        changes.update_tasks.retain(|(key, state)| {
            let waited = model.tasks.get(key).is_some_and(|row| row.state.status == TaskStatus::Waiting);
            !(waited && state.child.is_some() && state.status.is_terminal() && self.strikes(Plant::GroupNeverSettled))
        });
        for (_, state) in &mut changes.update_tasks {
            if state.status != TaskStatus::Waiting {
                continue;
            }
            if state.child.is_some() && self.strikes(Plant::GroupSettledEarly) {
                (state.status, state.ended_at, state.place) = (TaskStatus::Completed, Some(now), Place::Rest);
            }
            if state.due.is_some_and(|due| due.since(now) > 100) && self.strikes(Plant::EarlyTimeout) {
                state.due = Some(now.plus_ms(1));
            }
        }
        for (key, state) in &mut changes.update_jobs {
            let is_child = model.jobs.get(key).is_some_and(|row| row.parent.is_some());
            if is_child && state.cancelled && !state.status.is_terminal() && self.strikes(Plant::ForgottenChild) {
                (state.cancelled, state.sweep) = (false, None);
            }
        }
    }

    /// How often it struck.
    pub(super) fn forget_flow(&self, snapshot: &mut Snapshot) -> usize {
        match self.plant {
            Plant::ForgottenQuestion => {
                let before = snapshot.tasks.len();
                snapshot.tasks.retain(|row| !row.state.evaluating);
                before - snapshot.tasks.len()
            }
            Plant::ForgottenDeadline => {
                let timed = snapshot.jobs.iter_mut().filter(|row| row.deadline_ms.is_some());
                timed.map(|row| row.deadline_ms = None).count()
            }
            Plant::ForgottenTurn => {
                let limited = snapshot.jobs.iter_mut().filter(|row| row.active_key.is_some() && !row.state.queued);
                limited.map(|row| row.active_key = None).count()
            }
            _ => 0,
        }
    }
}
