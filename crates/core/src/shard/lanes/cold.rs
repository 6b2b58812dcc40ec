//! The cold side of lanes: ready tasks behind the window, counted here and kept in the store, and the pages that bring
//! them back in order. Lanes without anything cold cost nothing.

use super::{Lanes, Rank};
use crate::id::Key;
use crate::row::LanePage;
use crate::task::LaneId;

/// The position before all others in a lane.
pub(in super::super) const FIRST: (Rank, Key) = (0, Key::ZERO);

impl Lanes {
    /// Notes what a snapshot says of a lane.
    pub(in super::super) fn restore_cold(&mut self, id: LaneId, cold: u64) {
        let lane = self.get_mut(id);
        lane.cold = cold;
        lane.cold_from = Some(FIRST);
        self.with_cold.insert(id);
    }

    /// Notes that a task of the lane went cold.
    pub(in super::super) fn went_cold(&mut self, id: LaneId, entry: (Rank, Key)) {
        let lane = self.get_mut(id);
        lane.cold_from = if lane.cold == 0 { Some(entry) } else { lane.cold_from.map(|from| from.min(entry)) };
        lane.cold_made = Some(lane.cold_made.map_or(entry, |made| made.min(entry)));
        lane.cold += 1;
        self.with_cold.insert(id);
    }

    /// Notes that a page brought a cold task into the lane; its stored place stays cold.
    pub(in super::super) fn admitted(&mut self, id: LaneId) {
        self.lose_cold(id);
        self.get_mut(id).cold_active += 1;
    }

    /// Notes that a task whose stored place is cold moved on.
    pub(in super::super) fn left_cold(&mut self, id: LaneId, active: bool) {
        if active {
            self.get_mut(id).cold_active -= 1;
        } else {
            self.lose_cold(id);
        }
    }

    fn lose_cold(&mut self, id: LaneId) {
        let lane = self.get_mut(id);
        lane.cold -= 1;
        if lane.cold == 0 {
            self.with_cold.remove(&id);
        }
    }

    /// The pages that should be read now, of lanes shorter than `low`; notes that they are on their way.
    pub(in super::super) fn wanted_pages(&mut self, low: usize) -> Vec<LanePage> {
        let mut pages = Vec::new();
        for id in &self.with_cold {
            let lane = &mut self.lanes[id.0 as usize];
            if !lane.paging && lane.len() < low {
                lane.paging = true;
                lane.cold_made = None;
                // What is active already comes again, and must not crowd out the rest.
                let limit = lane.cold_active + low as u32;
                pages.push(LanePage { lane: *id, limit, oldest: low as u32 / 16 });
            }
        }
        pages
    }
}
