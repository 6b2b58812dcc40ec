//! The cold side of lanes: ready tasks behind the window, counted here and kept in the store, and the pages that bring
//! them back in order. Lanes without anything cold cost nothing.

use std::collections::BTreeSet;

use super::{Lanes, Rank};
use crate::id::Key;
use crate::row::LanePage;
use crate::task::LaneId;

/// The position before all others in a lane.
const FIRST: (Rank, Key) = (0, Key::ZERO);

/// The rows that a page brought.
#[derive(Clone, Debug)]
pub(in super::super) struct Page {
    limit: usize,
    ranked: Vec<(Rank, Key)>,
    unranked: BTreeSet<Key>,
}

impl Page {
    pub(in super::super) fn new(limit: u32) -> Self {
        Self { limit: limit as usize, ranked: Vec::new(), unranked: BTreeSet::new() }
    }

    pub(in super::super) fn add(&mut self, key: Key, rank: Option<Rank>) {
        match rank {
            Some(rank) => self.ranked.push((rank, key)),
            None => {
                self.unranked.insert(key);
            }
        }
    }

    /// The first position that it does not reach; `None` if it reaches the end of the lane.
    fn end(mut self) -> Option<(Rank, Key)> {
        self.ranked.sort_unstable();
        let last = self.ranked.get(self.limit.saturating_sub(1))?;
        Some((last.0, Key::from_raw(last.1.raw().saturating_add(1))))
    }
}

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

    /// Notes what a page brought, and so where the cold part of the lane begins.
    pub(in super::super) fn page_read(&mut self, id: LaneId, page: Page) {
        let lane = self.get_mut(id);
        lane.paging = false;
        lane.cold_from = Some(FIRST);
        lane.page = Some(page);
        self.end_page(id);
    }

    /// Notes the rank of a row that a page brought; until all are known nothing that comes passes what is cold.
    pub(in super::super) fn page_ranked(&mut self, id: LaneId, entry: (Rank, Key)) {
        let Some(page) = &mut self.get_mut(id).page else { return };
        if page.unranked.remove(&entry.1) {
            page.ranked.push(entry);
            self.end_page(id);
        }
    }

    fn end_page(&mut self, id: LaneId) {
        let lane = self.get_mut(id);
        if let Some(page) = lane.page.take_if(|page| page.unranked.is_empty()) {
            lane.cold_from = [page.end(), lane.cold_made].into_iter().flatten().min();
        }
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
                lane.page = None;
                // What is active already comes again, and must not crowd out the rest.
                let limit = lane.cold_active + low as u32;
                pages.push(LanePage { lane: *id, limit, oldest: low as u32 / 16 });
            }
        }
        pages
    }
}
