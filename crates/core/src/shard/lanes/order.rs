//! In which order the heads of lanes are taken: the best priority, among its lanes the tenant that was served least
//! recently in its queue, then age.
//!
//! ```text
//!  group (queue, class, type)  level 9 ─▶ {(turn, stand of A)} {(turn, stand of B)} …   least recently served first
//!                              level 8 ─▶ …
//!                              oldest  ─▶ {(key, lane)}                           one take in 16 goes here
//!  stand (group, tenant)       heads of its open lanes, the best and then the oldest first
//!  share (queue, tenant)       when its turn ended last, over all classes: a tenant with many classes has one turn
//! ```
//! This is deficit round robin for tasks that all cost one: in its turn a tenant is served as often as its weight says,
//! then the next one. A take costs O(log n) in the tasks and tenants, and looks at each group that the session serves.

use std::collections::BTreeSet;

use super::{Lanes, Rank, Slot};
use crate::id::{Key, Name};
use crate::limits::PRIORITY_MAX;
use crate::spec::Class;

const LEVELS: usize = PRIORITY_MAX as usize + 1;
/// A group that was passed this many times less one has its sessions take the oldest of all next, so that nothing starves.
const OLDEST_EVERY: u64 = 16;

/// The lanes of one (queue, class, type).
#[derive(Clone, Debug)]
pub(in super::super) struct Group {
    pub(in super::super) queue: Name,
    pub(in super::super) class: Class,
    pub(in super::super) kind: Name,
    /// Tasks in memory in its lanes that are not shut.
    pub(in super::super) ready: usize,
    levels: [BTreeSet<(u64, usize)>; LEVELS],
    oldest: BTreeSet<(Key, Slot)>,
    /// Takes since the oldest of all had its turn in a session that serves this group. Counted per group: with one
    /// count for all, sessions that take in step could keep the turn from some of them for ever.
    passed: u64,
}

/// What one tenant has had of one queue.
#[derive(Clone, Debug)]
pub(super) struct Share {
    tenant: Name,
    weight: u32,
    /// The take that ended its last turn; 0: none.
    turn: u64,
    /// Takes in its present turn.
    taken: u32,
    /// Where it has tasks that may start.
    standing: BTreeSet<usize>,
}

impl Share {
    pub(super) fn new(tenant: Name, weight: u32) -> Self {
        Self { tenant, weight, turn: 0, taken: 0, standing: BTreeSet::new() }
    }
}

/// The open lanes of one tenant in one group.
#[derive(Clone, Debug)]
pub(super) struct Stand {
    pub(super) group: usize,
    share: usize,
    heads: BTreeSet<(Rank, Key, Slot)>,
    /// The rank of the best of them.
    level: Option<Rank>,
}

impl Stand {
    pub(super) fn new(group: usize, share: usize) -> Self {
        Self { group, share, heads: BTreeSet::new(), level: None }
    }
}

impl Group {
    pub(super) fn new(queue: Name, class: Class, kind: Name) -> Self {
        let levels = std::array::from_fn(|_| BTreeSet::new());
        Self { queue, class, kind, ready: 0, levels, oldest: BTreeSet::new(), passed: 0 }
    }

    /// The level of its best task, and the stand whose turn it is there.
    fn front(&self) -> Option<(Rank, u64, usize)> {
        let (level, stands) = (0..).zip(&self.levels).find(|(_, stands)| !stands.is_empty())?;
        stands.first().map(|(turn, stand)| (level, *turn, *stand))
    }
}

impl Lanes {
    /// Brings a lane's head and oldest task up to date.
    pub(super) fn refresh(&mut self, slot: Slot) {
        let lane = &mut self.lanes[slot.0 as usize];
        let stand = &mut self.stands[lane.stand];
        let head = if lane.shut { None } else { lane.ready.first().copied() };
        if head != lane.head {
            if let Some((rank, key)) = lane.head {
                stand.heads.remove(&(rank, key, slot));
            }
            if let Some((rank, key)) = head {
                stand.heads.insert((rank, key, slot));
            }
            lane.head = head;
        }
        let oldest = if lane.shut { None } else { lane.find_oldest() };
        if oldest != lane.oldest {
            let group = &mut self.groups[stand.group];
            if let Some(key) = lane.oldest {
                group.oldest.remove(&(key, slot));
            }
            if let Some(key) = oldest {
                group.oldest.insert((key, slot));
            }
            lane.oldest = oldest;
        }
        let stand = lane.stand;
        self.refresh_stand(stand);
    }

    fn refresh_stand(&mut self, id: usize) {
        let stand = &mut self.stands[id];
        let level = stand.heads.first().map(|head| head.0);
        if level == stand.level {
            return;
        }
        let (group, share) = (&mut self.groups[stand.group], &mut self.shares[stand.share]);
        if let Some(level) = stand.level {
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
        stand.level = level;
    }

    /// A share was served: once it has had its weight, or has nothing more, its stands go behind those of other tenants.
    fn serve(&mut self, share: usize) {
        let grants = self.grants;
        let share = &mut self.shares[share];
        share.taken += 1;
        if share.taken < share.weight && !share.standing.is_empty() {
            return;
        }
        share.taken = 0;
        let served = std::mem::replace(&mut share.turn, grants);
        for id in &share.standing {
            let stand = &self.stands[*id];
            let level = stand.level.expect("a standing stand has a level");
            let stands = &mut self.groups[stand.group].levels[level as usize];
            stands.remove(&(served, *id));
            stands.insert((grants, *id));
        }
    }

    /// Sets what tenants weigh; whoever is not named weighs 1.
    pub(in super::super) fn weigh(&mut self, weights: std::collections::BTreeMap<Name, u32>) {
        self.weights = weights;
        for share in &mut self.shares {
            share.weight = self.weights.get(&share.tenant).copied().unwrap_or(1);
        }
    }

    /// Takes the next task that one of these groups has: the best level first, tenants in turn, now and then the oldest
    /// of all.
    pub(in super::super) fn take(&mut self, groups: &[usize]) -> Option<(Slot, Rank, Key)> {
        let mut oldest_turn = false;
        for &group in groups {
            let group = &mut self.groups[group];
            if !group.oldest.is_empty() {
                group.passed += 1;
                oldest_turn |= group.passed >= OLDEST_EVERY;
            }
        }
        let (slot, rank, key) = if oldest_turn { self.oldest_of(groups) } else { self.best_of(groups) }?;
        if oldest_turn {
            groups.iter().for_each(|group| self.groups[*group].passed = 0);
        }
        self.grants += 1;
        self.remove(slot, rank, key);
        self.serve(self.stands[self.lanes[slot.0 as usize].stand].share);
        Some((slot, rank, key))
    }

    fn oldest_of(&self, groups: &[usize]) -> Option<(Slot, Rank, Key)> {
        let (key, slot) = groups.iter().filter_map(|group| self.groups[*group].oldest.first().copied()).min()?;
        let ready = &self.lanes[slot.0 as usize].ready;
        let rank =
            (0..=PRIORITY_MAX).find(|rank| ready.contains(&(*rank, key))).expect("the oldest task is in its lane");
        Some((slot, rank, key))
    }

    fn best_of(&self, groups: &[usize]) -> Option<(Slot, Rank, Key)> {
        let fronts = groups.iter().filter_map(|group| self.groups[*group].front());
        let best = fronts.map(|(level, turn, stand)| {
            let (_, key, slot) = *self.stands[stand].heads.first().expect("a stand with a level has a head");
            (level, turn, key, slot)
        });
        best.min().map(|(level, _, key, slot)| (slot, level, key))
    }
}

#[cfg(test)]
mod tests;
