//! Bugs in the state of a task that is written.

use mainspring_core::id::Key;
use mainspring_core::limits::LOSSES_MAX;
use mainspring_core::row::Changes;
use mainspring_core::task::{LaneId, Outcome, Place, SkipReason, TaskState, TaskStatus};
use mainspring_core::time::Timestamp;

use super::written::stands_still;
use super::{Plant, Planted};
use crate::check::model::Model;

impl Planted {
    pub(super) fn spoil_states(&mut self, changes: &mut Changes, model: &Model) {
        let now = changes.high_water.time;
        let old_lease = model.water.lease;
        let updated = changes.update_tasks.iter_mut().map(|(key, state)| (*key, state));
        let inserted = changes.insert_tasks.iter_mut().map(|row| (row.key, &mut row.state));
        for (key, state) in updated.chain(inserted) {
            let was = model.tasks.get(&key).map(|row| &row.state);
            self.spoil_standing(state, was, now);
            self.spoil_ending(state, was, now, retries_of(model, key));
            self.spoil_waiting(state, now);
            self.spoil_place(state);
            self.spoil_attempt(state, was, old_lease);
        }
    }

    fn spoil_standing(&mut self, state: &mut TaskState, was: Option<&TaskState>, now: Timestamp) {
        if state.parents.ended() > 0 && state.status == TaskStatus::Pending && self.strikes(Plant::LostParentCount) {
            state.parents = Default::default();
        }
        if state.status == TaskStatus::Pending && self.strikes(Plant::StartedTooEarly) {
            state.status = TaskStatus::Scheduled;
            state.place = Place::Hot;
            state.due = Some(now);
        }
        if state.status == TaskStatus::Pending && self.strikes(Plant::SkippedWrongly) {
            state.status = TaskStatus::Skipped;
            state.skip_reason = Some(SkipReason::UpstreamSkipped);
        }
        if was.is_some_and(|was| was.status.is_terminal() && was.generation == state.generation)
            && self.strikes(Plant::Resurrected)
        {
            try_again(state, now);
        }
        if was.is_some() && stands_still(state.status) && self.strikes(Plant::FreeGeneration) {
            state.generation += 1;
        }
        if state.skip_reason == Some(SkipReason::UpstreamFailed) && self.strikes(Plant::WrongBlame) {
            state.skip_reason = Some(SkipReason::UpstreamSkipped);
        }
        if state.held && self.strikes(Plant::HeldForgotten) {
            state.held = false;
        }
        if state.settling.is_some() && self.strikes(Plant::LostSettling) {
            (state.settling, state.place) = (None, Place::Rest);
        }
    }

    fn spoil_ending(&mut self, state: &mut TaskState, was: Option<&TaskState>, now: Timestamp, retries: u32) {
        let retried = state.status == TaskStatus::Scheduled && state.failures > 0 && state.failures == retries;
        if retried && self.strikes(Plant::OneRetryLess) {
            (state.status, state.place, state.dead) = (TaskStatus::Failed, Place::Rest, true);
            state.ended_at = Some(now);
        }
        let used_up = state.status == TaskStatus::Failed && state.failures > retries && state.settling.is_none();
        if used_up && self.strikes(Plant::OneRetryMore) {
            try_again(state, now);
        }
        if state.status == TaskStatus::Failed && state.losses >= LOSSES_MAX && self.strikes(Plant::PoisonRetried) {
            try_again(state, now);
        }
        if state.dead && self.strikes(Plant::SwallowedDeadLetter) {
            state.dead = false;
        }
        let discarded = was.is_some_and(|was| was.dead) && state.status == TaskStatus::Failed && !state.dead;
        if discarded && self.strikes(Plant::DiscardReturns) {
            state.dead = true;
        }
        if state.losses > 0 && self.strikes(Plant::FreeLoss) {
            state.losses -= 1;
        }
    }

    fn spoil_waiting(&mut self, state: &mut TaskState, now: Timestamp) {
        if state.status != TaskStatus::Scheduled || state.failures == 0 {
            return;
        }
        if self.strikes(Plant::LongBackoff) {
            state.due = state.due.map(|due| due.plus_ms(600_000));
        }
        if state.due.is_some_and(|due| due.since(now) > 100) && self.strikes(Plant::ShortBackoff) {
            state.due = Some(now.plus_ms(1));
        }
    }

    fn spoil_place(&mut self, state: &mut TaskState) {
        let moves = matches!(state.status, TaskStatus::Ready | TaskStatus::Scheduled) && state.place == Place::Hot;
        if moves && self.strikes(Plant::WrongPlace) {
            state.place = Place::Rest;
        }
        if matches!(state.place, Place::ColdReady { .. } | Place::ColdTimer) && self.strikes(Plant::ColdForgotten) {
            state.place = Place::Rest;
        }
        if let Place::ColdReady { lane } = state.place
            && self.strikes(Plant::WrongLane)
        {
            state.place = Place::ColdReady { lane: LaneId(lane.0 ^ 1) };
        }
    }

    fn spoil_attempt(&mut self, state: &mut TaskState, was: Option<&TaskState>, old_lease: u64) {
        let was_ended = was.and_then(|was| was.last.as_ref()).is_some_and(|last| last.outcome.is_some());
        let Some(last) = &mut state.last else { return };
        if state.status == TaskStatus::Running && self.strikes(Plant::WrongAttemptNumber) {
            state.attempt += 1;
            last.number += 1;
        }
        if let Some(lease) = &mut state.lease
            && old_lease > 0
            && self.strikes(Plant::ReusedLease)
        {
            lease.number = old_lease;
            last.lease = old_lease;
        }
        if let Some(lease) = &mut state.lease
            && self.strikes(Plant::WrongSession)
        {
            lease.session = "w9-00009".into();
        }
        if last.outcome == Some(Outcome::Success) && !was_ended && self.strikes(Plant::WrongOutcome) {
            last.outcome = Some(Outcome::Interrupted);
        }
        let same = was.is_some_and(|was| was.attempt == state.attempt);
        if was_ended && same && last.outcome == Some(Outcome::Success) && self.strikes(Plant::SecondOutcome) {
            last.outcome = Some(Outcome::Snoozed);
        }
    }
}

fn retries_of(model: &Model, key: Key) -> u32 {
    let spec = model.tasks.get(&key).and_then(|row| row.spec.as_ref());
    spec.map_or(u32::MAX, |spec| spec.policy.retries)
}

fn try_again(state: &mut TaskState, now: Timestamp) {
    state.status = TaskStatus::Scheduled;
    (state.due, state.place) = (Some(now), Place::Hot);
    (state.dead, state.settling, state.ended_at) = (false, None, None);
}
