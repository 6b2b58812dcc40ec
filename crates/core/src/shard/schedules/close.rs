//! What a pause, an edit or a deletion leaves behind is recorded, so that each instant of the window has its record (I14).

use super::super::Shard;
use crate::schedule::{Cause, Next, PassReason, Passed, ScheduleName};

impl Shard {
    /// Records everything up to now that was not handled, and what was buffered, as passed for this reason. From here on
    /// `covered` is now, or later.
    pub(in super::super) fn close_window(&mut self, id: &ScheduleName, reason: PassReason) {
        let now = self.now;
        self.drop_buffered(id, reason);
        let state = &mut self.schedule_mut(id).state;
        let covered = state.covered;
        let may_hold_instants = match state.next {
            Next::Unplanned => covered < now,
            Next::Never => false,
            Next::At { instant, .. } => instant <= now,
        };
        state.cover(now, state.next);
        if may_hold_instants {
            if state.after.is_none() {
                state.next = Next::Unplanned;
            }
            self.record_passed(id, Passed { first: covered.plus_ms(1), last: now, reason }, Cause::Time, None);
        }
    }

    pub(in super::super) fn drop_buffered(&mut self, id: &ScheduleName, reason: PassReason) {
        if let Some(instant) = self.schedule_mut(id).state.buffered.take() {
            self.record_passed(id, Passed::one(instant, reason), Cause::Time, None);
        }
    }
}
