//! Ready queues: lanes, and the order in which their heads are taken.
//!
//! ```text
//!  group (queue, class)      level 9 ─▶ [lane tenant A] [lane tenant B]   round robin inside a level
//!                            level 8 ─▶ …
//!                            oldest  ─▶ (key, lane) of every lane          every 16th grant takes from here
//! ```
//! A lane stands in the ring of the level of its best task. Taking costs O(log n) in the tasks of one lane and
//! O(1) in the number of tenants.

mod cold;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::id::{Key, Name};
use crate::limits::PRIORITY_MAX;
use crate::row::LaneRow;
use crate::spec::Class;
use crate::task::LaneId;
pub(super) use cold::FIRST;

const LEVELS: usize = PRIORITY_MAX as usize + 1;
/// One grant in this many goes to the oldest task instead of the best, so that nothing starves.
const OLDEST_EVERY: u64 = 16;

/// Position in a lane: `9 − priority`, so that the smallest goes first.
pub(super) type Rank = u8;

/// The rank of a priority.
pub(super) fn rank(priority: u8) -> Rank {
    PRIORITY_MAX - priority.min(PRIORITY_MAX)
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) row: LaneRow,
    group: usize,
    ready: BTreeSet<(Rank, Key)>,
    /// Cold rows of the lane that are not active here, see [`crate::task::Place::ColdReady`].
    pub(super) cold: u64,
    /// Active tasks whose stored place is still cold: a page read returns them again.
    pub(super) cold_active: u32,
    /// A page of this lane is being read.
    pub(super) paging: bool,
    /// Nothing cold stands before this; meaningful while there is anything cold.
    pub(super) cold_from: Option<(Rank, Key)>,
    /// The best that went cold since the page that is being read was asked for.
    pub(super) cold_made: Option<(Rank, Key)>,
    /// Bit per level whose ring holds this lane (perhaps stale, see `level`).
    in_rings: u16,
    level: Option<Rank>,
    oldest: Option<Key>,
}

impl Lane {
    pub(super) fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether a task that comes now belongs into memory: before everything cold, and inside the window (or before its
    /// end, whose tail then goes cold).
    pub(super) fn has_room(&self, entry: (Rank, Key), window: usize) -> bool {
        if self.cold > 0 {
            return self.cold_from.is_some_and(|from| entry < from);
        }
        self.ready.len() < window || self.ready.last().is_some_and(|last| entry < *last)
    }

    /// The `count` tasks that would go last, last first.
    pub(super) fn tail(&self, count: usize) -> Vec<(Rank, Key)> {
        self.ready.iter().rev().take(count).copied().collect()
    }

    /// How many active tasks rank better, and how many of the same rank are older.
    pub(super) fn ahead_of(&self, rank: Rank, key: Key) -> (u64, u64) {
        let better = self.ready.range(..(rank, Key::from_raw(0))).count() as u64;
        let older = self.ready.range((rank, Key::from_raw(0))..(rank, key)).count() as u64;
        (better, older)
    }

    /// The oldest active task: the first of some rank.
    fn find_oldest(&self) -> Option<Key> {
        let (best, first) = *self.ready.first()?;
        let worst = self.ready.last()?.0;
        if best == worst {
            return Some(first);
        }
        let first_of = |rank: Rank| self.ready.range((rank, Key::from_raw(0))..).next().filter(|entry| entry.0 == rank);
        (best..=worst).filter_map(first_of).map(|entry| entry.1).min()
    }

    pub(super) fn oldest(&self) -> Option<Key> {
        self.oldest
    }
}

/// The lanes of one (queue, class).
#[derive(Debug)]
pub(super) struct Group {
    pub(super) queue: Name,
    pub(super) class: Class,
    rings: [VecDeque<LaneId>; LEVELS],
    oldest: BTreeSet<(Key, LaneId)>,
}

/// All lanes of a shard.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// Lanes with anything cold.
    with_cold: BTreeSet<LaneId>,
    by_name: BTreeMap<(Name, Name, Class), LaneId>,
    groups: Vec<Group>,
    group_by_name: BTreeMap<(Name, Class), usize>,
    grants: u64,
    ready: usize,
}

impl Lanes {
    /// Restores the lanes of a snapshot; their numbers are dense from 0.
    pub(super) fn restore(mut rows: Vec<LaneRow>) -> Self {
        let mut lanes = Self::default();
        rows.sort_by_key(|row| row.lane);
        for row in rows {
            lanes.add(row);
        }
        lanes
    }

    fn add(&mut self, row: LaneRow) {
        assert_eq!(row.lane.0 as usize, self.lanes.len(), "lane numbers are dense");
        let next = self.groups.len();
        let group = *self.group_by_name.entry((row.queue.clone(), row.class.clone())).or_insert(next);
        if group == next {
            self.groups.push(Group {
                queue: row.queue.clone(),
                class: row.class.clone(),
                rings: std::array::from_fn(|_| VecDeque::new()),
                oldest: BTreeSet::new(),
            });
        }
        self.by_name.insert((row.queue.clone(), row.tenant.clone(), row.class.clone()), row.lane);
        self.lanes.push(Lane {
            row,
            group,
            ready: BTreeSet::new(),
            cold: 0,
            cold_active: 0,
            paging: false,
            cold_from: None,
            cold_made: None,
            in_rings: 0,
            level: None,
            oldest: None,
        });
    }

    /// The lane of these names; `None` if it must be created.
    pub(super) fn find(&self, queue: &Name, tenant: &Name, class: &Class) -> Option<LaneId> {
        // The map is keyed by owned names, which are cheap to clone.
        self.by_name.get(&(queue.clone(), tenant.clone(), class.clone())).copied()
    }

    /// Creates a lane.
    pub(super) fn create(&mut self, queue: &Name, tenant: &Name, class: &Class) -> LaneRow {
        let row = LaneRow {
            lane: LaneId(self.lanes.len() as u32),
            queue: queue.clone(),
            tenant: tenant.clone(),
            class: class.clone(),
        };
        self.add(row.clone());
        row
    }

    pub(super) fn get(&self, lane: LaneId) -> &Lane {
        &self.lanes[lane.0 as usize]
    }

    pub(super) fn get_mut(&mut self, lane: LaneId) -> &mut Lane {
        &mut self.lanes[lane.0 as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }

    /// How many tasks stand in all lanes.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Puts a task into its lane.
    pub(super) fn push(&mut self, lane: LaneId, rank: Rank, key: Key) {
        self.ready += usize::from(self.lanes[lane.0 as usize].ready.insert((rank, key)));
        self.refresh(lane);
    }

    /// Takes a task out of its lane; false if it does not stand there.
    pub(super) fn remove(&mut self, lane: LaneId, rank: Rank, key: Key) -> bool {
        let removed = self.lanes[lane.0 as usize].ready.remove(&(rank, key));
        if removed {
            self.ready -= 1;
            self.refresh(lane);
        }
        removed
    }

    /// Brings a lane's level and oldest task up to date.
    fn refresh(&mut self, id: LaneId) {
        let lane = &mut self.lanes[id.0 as usize];
        let group = &mut self.groups[lane.group];
        lane.level = lane.ready.first().map(|entry| entry.0);
        if let Some(level) = lane.level
            && lane.in_rings & (1 << level) == 0
        {
            lane.in_rings |= 1 << level;
            group.rings[level as usize].push_back(id);
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

    /// The level of a group's best task. Drops lanes that left the level from the front of its ring.
    fn level_of(&mut self, group: usize) -> Option<Rank> {
        let group = &mut self.groups[group];
        for (level, ring) in (0..).zip(&mut group.rings) {
            while let Some(&front) = ring.front() {
                let lane = &mut self.lanes[front.0 as usize];
                if lane.level == Some(level) {
                    return Some(level);
                }
                lane.in_rings &= !(1 << level);
                ring.pop_front();
            }
        }
        None
    }

    /// Takes the next task that one of these groups has: the best level first, tenants in turn, now and then the oldest
    /// of all.
    pub(super) fn take(&mut self, groups: &[usize]) -> Option<(LaneId, Rank, Key)> {
        let oldest_turn = self.grants % OLDEST_EVERY == OLDEST_EVERY - 1;
        let (lane, rank, key) = if oldest_turn { self.oldest_of(groups) } else { self.best_of(groups) }?;
        self.grants += 1;
        self.ready -= usize::from(self.lanes[lane.0 as usize].ready.remove(&(rank, key)));
        self.refresh(lane);
        Some((lane, rank, key))
    }

    fn oldest_of(&self, groups: &[usize]) -> Option<(LaneId, Rank, Key)> {
        let (key, lane) = groups.iter().filter_map(|group| self.groups[*group].oldest.first().copied()).min()?;
        let ready = &self.lanes[lane.0 as usize].ready;
        let rank =
            (0..=PRIORITY_MAX).find(|rank| ready.contains(&(*rank, key))).expect("the oldest task is in its lane");
        Some((lane, rank, key))
    }

    fn best_of(&mut self, groups: &[usize]) -> Option<(LaneId, Rank, Key)> {
        let mut best: Option<(Rank, Key, usize)> = None;
        for &group in groups {
            let Some(level) = self.level_of(group) else { continue };
            let front = self.groups[group].rings[level as usize][0];
            let head = self.lanes[front.0 as usize].ready.first().expect("a lane with a level has a task");
            if best.is_none_or(|(rank, key, _)| (level, head.1) < (rank, key)) {
                best = Some((level, head.1, group));
            }
        }
        let (level, key, group) = best?;
        let ring = &mut self.groups[group].rings[level as usize];
        let lane = ring.pop_front().expect("the ring of the best level has a lane");
        ring.push_back(lane);
        Some((lane, level, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Bucket;
    use std::sync::Arc;

    fn class() -> Class {
        Class { executor: "noop".into(), labels: Arc::new([]) }
    }

    fn key(n: u64) -> Key {
        Key::new(n, Bucket::new(0))
    }

    #[test]
    fn higher_priority_goes_first_and_age_breaks_ties() {
        let mut lanes = Lanes::default();
        let lane = lanes.create(&"q".into(), &"a".into(), &class()).lane;
        for (priority, n) in [(0, 1), (9, 5), (9, 4), (3, 2)] {
            lanes.push(lane, rank(priority), key(n));
        }
        let order: Vec<u64> = std::iter::from_fn(|| lanes.take(&[0])).map(|(_, _, key)| key.sequence()).collect();
        assert_eq!(order, [4, 5, 2, 1]);
    }

    #[test]
    fn tenants_take_turns_whatever_their_backlog() {
        let mut lanes = Lanes::default();
        let big = lanes.create(&"q".into(), &"big".into(), &class()).lane;
        let small = lanes.create(&"q".into(), &"small".into(), &class()).lane;
        for n in 0..1_000 {
            lanes.push(big, 9, key(n));
        }
        for n in 1_000..1_010 {
            lanes.push(small, 9, key(n));
        }
        let first: Vec<LaneId> = (0..24).filter_map(|_| lanes.take(&[0])).map(|(lane, _, _)| lane).collect();
        assert_eq!(first.iter().filter(|lane| **lane == small).count(), 10);
    }

    #[test]
    fn a_flood_of_high_priority_does_not_starve_the_oldest() {
        let mut lanes = Lanes::default();
        let lane = lanes.create(&"q".into(), &"a".into(), &class()).lane;
        lanes.push(lane, rank(0), key(1));
        for n in 2..100 {
            lanes.push(lane, rank(9), key(n));
        }
        let place = std::iter::from_fn(|| lanes.take(&[0])).position(|(_, _, taken)| taken == key(1));
        assert!(place.expect("it is taken") < OLDEST_EVERY as usize);
    }
}
