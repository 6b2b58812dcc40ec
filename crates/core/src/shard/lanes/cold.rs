//! The cold side of lanes: ready tasks behind the window, counted here and kept in the store, and the pages that bring
//! them back in order. Lanes without anything cold cost nothing.

use std::collections::BTreeSet;

use super::{Lanes, Rank, Slot};
use crate::id::Key;
use crate::row::{LanePage, LaneRow};
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
        let slot = self.slot_of(id);
        let lane = self.get_mut(slot);
        lane.cold = cold;
        lane.cold_from = Some(FIRST);
        self.with_cold.insert(slot);
    }

    /// Where a task that comes now belongs: `None`: into memory; otherwise behind the window of this lane, its own or the
    /// plain one. `window`: of a plain lane, `usize::MAX` while memory has room.
    pub(in super::super) fn cold_home(&self, slot: Slot, entry: (Rank, Key), window: usize) -> Option<Slot> {
        let lane = self.get(slot);
        let plain = lane.plain;
        if plain != slot {
            let follows = lane.cold > 0 && lane.cold_from.is_none_or(|from| entry >= from);
            if follows || lane.len() >= keyed_window(window) {
                return Some(slot);
            }
            // Only the tail of the plain lane itself can make room for it.
            if self.get(plain).in_window() >= window.saturating_mul(2) {
                return Some(plain);
            }
        }
        (!self.get(plain).has_room(entry, window)).then_some(plain)
    }

    /// The lane, if it is longer than memory may hold while its window is so large.
    pub(in super::super) fn is_too_long(&self, slot: Slot, window: usize) -> bool {
        let lane = self.get(slot);
        let window = if lane.is_keyed() { keyed_window(window) } else { window };
        lane.len() > window.saturating_mul(2)
    }

    /// Notes that a task went cold in this lane. Gives back the lane's number, and its row if it got its number now.
    pub(in super::super) fn went_cold(&mut self, slot: Slot, entry: (Rank, Key)) -> (LaneId, Option<LaneRow>) {
        let row = self.get(slot).number.is_none().then(|| self.give_number(slot));
        let lane = self.get_mut(slot);
        let number = lane.number.expect("it was just given one");
        lane.cold_from = if lane.cold == 0 { Some(entry) } else { lane.cold_from.map(|from| from.min(entry)) };
        lane.cold_made = Some(lane.cold_made.map_or(entry, |made| made.min(entry)));
        lane.cold += 1;
        self.with_cold.insert(slot);
        (number, row)
    }

    /// Notes what a page brought, and so where the cold part of the lane begins.
    pub(in super::super) fn page_read(&mut self, id: LaneId, page: Page) {
        let slot = self.slot_of(id);
        let lane = self.get_mut(slot);
        lane.paging = false;
        lane.cold_from = Some(FIRST);
        lane.page = Some(page);
        self.end_page(slot);
    }

    /// Notes the rank of a row that a page brought; until all are known nothing that comes passes what is cold.
    pub(in super::super) fn page_ranked(&mut self, id: LaneId, entry: (Rank, Key)) {
        let slot = self.slot_of(id);
        let Some(page) = &mut self.get_mut(slot).page else { return };
        if page.unranked.remove(&entry.1) {
            page.ranked.push(entry);
            self.end_page(slot);
        }
    }

    fn end_page(&mut self, slot: Slot) {
        let lane = self.get_mut(slot);
        if let Some(page) = lane.page.take_if(|page| page.unranked.is_empty()) {
            lane.cold_from = [page.end(), lane.cold_made].into_iter().flatten().min();
        }
    }

    /// Notes that a page brought a cold task into the lane; its stored place stays cold.
    pub(in super::super) fn admitted(&mut self, id: LaneId) {
        let slot = self.slot_of(id);
        self.lose_cold(slot);
        self.get_mut(slot).cold_active += 1;
    }

    /// Notes that a task whose stored place is cold moved on.
    pub(in super::super) fn left_cold(&mut self, id: LaneId, active: bool) {
        let slot = self.slot_of(id);
        if active {
            self.get_mut(slot).cold_active -= 1;
        } else {
            self.lose_cold(slot);
        }
    }

    fn lose_cold(&mut self, slot: Slot) {
        let lane = self.get_mut(slot);
        lane.cold -= 1;
        if lane.cold == 0 {
            self.with_cold.remove(&slot);
        }
    }

    /// A page could not be read.
    pub(in super::super) fn page_failed(&mut self, id: LaneId) {
        let slot = self.slot_of(id);
        self.get_mut(slot).paging = false;
    }

    /// Whether anything stands behind the window of a lane that no limit by key shuts.
    pub(in super::super) fn has_cold(&self) -> bool {
        self.with_cold.iter().any(|slot| !self.get(*slot).shut)
    }

    /// The pages that should be read now, of lanes that fill less than half of their window; notes that they are on
    /// their way.
    pub(in super::super) fn wanted_pages(&mut self, window: usize) -> Vec<LanePage> {
        let mut pages = Vec::new();
        for slot in &self.with_cold {
            let lane = &mut self.lanes[slot.0 as usize];
            let window = if lane.is_keyed() { keyed_window(window) } else { window };
            let low = (window / 2).max(1);
            if !lane.paging && lane.in_window() < low {
                lane.paging = true;
                lane.cold_made = None;
                lane.page = None;
                // What is active already comes again, and must not crowd out the rest.
                let limit = lane.cold_active + low as u32;
                let number = lane.number.expect("a lane with a backlog has a number");
                pages.push(LanePage { lane: number, limit, oldest: low as u32 / 16 });
            }
        }
        pages
    }
}

/// How many tasks of one key stay in memory beside such a window of their plain lane: with the default window 64.
fn keyed_window(window: usize) -> usize {
    if window == usize::MAX { window } else { (window / 64).max(4) }
}
