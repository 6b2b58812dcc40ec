//! Bugs in what is written about schedules.

use mainspring_core::id::Key;
use mainspring_core::row::Changes;
use mainspring_core::schedule::{Cause, PassReason};

use super::{Plant, Planted};
use crate::check::model::Model;

impl Planted {
    pub(super) fn spoil_schedules(&mut self, changes: &mut Changes, model: &Model) {
        let fired = changes.insert_occurrences.iter().position(|row| row.result.is_ok() && row.cause == Cause::Time);
        if let Some(place) = fired
            && self.strikes(Plant::DoubleFire)
        {
            let mut again = changes.insert_occurrences[place].clone();
            again.key = Key::from_raw(again.key.raw() + (1 << 40));
            changes.insert_occurrences.push(again);
        }
        if !changes.insert_occurrences.is_empty() && self.strikes(Plant::LostInstant) {
            changes.insert_occurrences.pop();
        }
        for row in changes.insert_occurrences.iter_mut().filter(|row| row.result.is_ok()) {
            if self.strikes(Plant::EarlyFire) {
                (row.first, row.last) = (row.first.plus_ms(3_600_000), row.last.plus_ms(3_600_000));
            }
        }
        for row in changes.insert_occurrences.iter_mut().filter(|row| row.result == Err(PassReason::Overlap)) {
            let running = model.schedules.get(&row.schedule).and_then(|known| known.state.running.first());
            if let Some(target) = running
                && self.strikes_often(Plant::IgnoredOverlap, 100)
            {
                row.result = Ok(*target);
            }
        }
        for row in &mut changes.put_schedules {
            if row.state.generation > 1 && self.strikes_often(Plant::ForgottenCovered, 100) {
                let earlier = row.state.covered.as_millis() - 120_000;
                row.state.covered = mainspring_core::time::Timestamp::from_millis(earlier);
            }
        }
    }
}
