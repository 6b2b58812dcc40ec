//! Grants leave a node only while it surely was not taken for dead. The real pulse.

use std::time::Duration;

use mainspring_node::hub::Merged;

use crate::check::{Verdict, ensure};
use crate::plant::Plant;
use crate::world::World;

/// How often a pulse that is missed is felt for again.
pub(super) const PULSE_EVERY_MS: i64 = 50;
/// How long a beat stands still until others take its node's shards.
const TAKEN_FOR_DEAD_MS: i64 = 2_500;

impl World {
    /// Whether grants wait for a beat that is late: to answer without them would only bring the next call.
    pub(super) fn awaits_pulse(&mut self, node: usize, number: u64, elapsed: Duration) -> bool {
        let late = self.pulse(node).is_none();
        let process = self.process(node);
        let Some(carried) = process.turns.get(&number) else { return false };
        let holds = process.chairs.get(&carried.base.session).is_some_and(|chair| chair.seat.holds_grants());
        late && holds && elapsed < Duration::from_millis(carried.base.wait_ms)
    }

    /// The pulse of a node; a planted bug takes it for good whatever it is.
    pub(super) fn pulse(&mut self, node: usize) -> Option<u64> {
        let now = self.monotonic();
        let pulse = self.process(node).pulse.at(now);
        let deaf = self.planted.as_mut().is_some_and(|planted| planted.strikes_often(Plant::DeafPulse, 100));
        if deaf { Some(0) } else { pulse }
    }

    /// No node hands a grant out that the others have taken for dead by then: what it knows of its task may be over.
    pub(super) fn check_pulse(&mut self, node: usize, merged: &Merged) -> Verdict {
        let silent_ms = self.now_ms - self.process(node).beat_at;
        ensure(merged.grants.is_empty() || silent_ms < TAKEN_FOR_DEAD_MS, "pulse", || {
            let granted: Vec<_> = merged.grants.iter().map(|held| held.token).collect();
            format!("node {node} hands out {granted:?}, {silent_ms} ms after its last beat")
        })
    }
}
