//! In which order the heads of lanes are taken: the best priority, among its lanes the tenant that was served least
//! recently in its queue, then age.
//!
//! ```text
//!  group (queue, class)   level 9 ─▶ {(turn, lane of A)} {(turn, lane of B)} …   least recently served first
//!                         level 8 ─▶ …
//!                         oldest  ─▶ {(key, lane)}                               one take in 16 goes here
//!  share (queue, tenant)  when it was served last, over all classes: a tenant with many classes has one turn
//! ```
//! A take costs O(log n) in the tasks and tenants, and looks at each group that the session serves.

use std::collections::BTreeSet;

use super::{Lanes, Rank};
use crate::id::{Key, Name};
use crate::limits::PRIORITY_MAX;
use crate::spec::Class;
use crate::task::LaneId;

const LEVELS: usize = PRIORITY_MAX as usize + 1;
/// A group that was passed this many times less one has its sessions take the oldest of all next, so that nothing starves.
const OLDEST_EVERY: u64 = 16;

/// The lanes of one (queue, class).
#[derive(Clone, Debug)]
pub(in super::super) struct Group {
    pub(in super::super) queue: Name,
    pub(in super::super) class: Class,
    levels: [BTreeSet<(u64, LaneId)>; LEVELS],
    oldest: BTreeSet<(Key, LaneId)>,
    /// Takes since the oldest of all had its turn in a session that serves this group. Counted per group: with one
    /// count for all, sessions that take in step could keep the turn from some of them for ever.
    passed: u64,
}

/// What one tenant has had of one queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    /// The take that served it last; 0: none.
    turn: u64,
    /// Its lanes that have tasks.
    standing: BTreeSet<LaneId>,
}

impl Group {
    pub(super) fn new(queue: Name, class: Class) -> Self {
        let levels = std::array::from_fn(|_| BTreeSet::new());
        Self { queue, class, levels, oldest: BTreeSet::new(), passed: 0 }
    }

    /// The level of its best task, and the lane whose turn it is there.
    fn front(&self) -> Option<(Rank, u64, LaneId)> {
        let (level, lanes) = (0..).zip(&self.levels).find(|(_, lanes)| !lanes.is_empty())?;
        lanes.first().map(|(turn, lane)| (level, *turn, *lane))
    }
}

impl Lanes {
    /// Brings a lane's level and oldest task up to date.
    pub(super) fn refresh(&mut self, id: LaneId) {
        let lane = &mut self.lanes[id.0 as usize];
        let (group, share) = (&mut self.groups[lane.group], &mut self.shares[lane.share]);
        let level = lane.ready.first().map(|entry| entry.0);
        if level != lane.level {
            if let Some(level) = lane.level {
                group.levels[level as usize].remove(&(share.turn, id));
            }
            match level {
                Some(level) => {
                    group.levels[level as usize].insert((share.turn, id));
                    share.standing.insert(id);
                }
                None => {
                    share.standing.remove(&id);
                }
            }
            lane.level = level;
        }
        let oldest = lane.find_oldest();
        if oldest != lane.oldest {
            if let Some(key) = lane.oldest {
                group.oldest.remove(&(key, id));
            }
            if let Some(key) = oldest {
                group.oldest.insert((key, id));
            }
            lane.oldest = oldest;
        }
    }

    /// A share was served: its lanes go behind those of other tenants.
    fn serve(&mut self, share: usize) {
        let served = std::mem::replace(&mut self.shares[share].turn, self.grants);
        for id in &self.shares[share].standing {
            let lane = &self.lanes[id.0 as usize];
            let level = lane.level.expect("a standing lane has a level");
            let lanes = &mut self.groups[lane.group].levels[level as usize];
            lanes.remove(&(served, *id));
            lanes.insert((self.grants, *id));
        }
    }

    /// Takes the next task that one of these groups has: the best level first, tenants in turn, now and then the oldest
    /// of all.
    pub(in super::super) fn take(&mut self, groups: &[usize]) -> Option<(LaneId, Rank, Key)> {
        let mut oldest_turn = false;
        for &group in groups {
            let group = &mut self.groups[group];
            if !group.oldest.is_empty() {
                group.passed += 1;
                oldest_turn |= group.passed >= OLDEST_EVERY;
            }
        }
        let (lane, rank, key) = if oldest_turn { self.oldest_of(groups) } else { self.best_of(groups) }?;
        if oldest_turn {
            groups.iter().for_each(|group| self.groups[*group].passed = 0);
        }
        self.grants += 1;
        self.ready -= usize::from(self.lanes[lane.0 as usize].ready.remove(&(rank, key)));
        self.refresh(lane);
        self.serve(self.lanes[lane.0 as usize].share);
        Some((lane, rank, key))
    }

    fn oldest_of(&self, groups: &[usize]) -> Option<(LaneId, Rank, Key)> {
        let (key, lane) = groups.iter().filter_map(|group| self.groups[*group].oldest.first().copied()).min()?;
        let ready = &self.lanes[lane.0 as usize].ready;
        let rank =
            (0..=PRIORITY_MAX).find(|rank| ready.contains(&(*rank, key))).expect("the oldest task is in its lane");
        Some((lane, rank, key))
    }

    fn best_of(&self, groups: &[usize]) -> Option<(LaneId, Rank, Key)> {
        let fronts = groups.iter().filter_map(|group| self.groups[*group].front());
        let best = fronts.map(|(level, turn, lane)| {
            let head = self.lanes[lane.0 as usize].ready.first().expect("a lane with a level has a task");
            (level, turn, head.1, lane)
        });
        best.min().map(|(level, _, key, lane)| (lane, level, key))
    }
}

#[cfg(test)]
mod tests;
