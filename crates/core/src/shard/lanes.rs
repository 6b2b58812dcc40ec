//! Ready queues: lanes, the rows behind their windows (`cold`), and the order in which their heads are taken (`order`).

mod cold;
mod order;

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Key, Name};
use crate::limits::PRIORITY_MAX;
use crate::row::LaneRow;
use crate::spec::Class;
use crate::task::LaneId;
pub(super) use cold::Page;
use order::{Group, Share};

/// Position in a lane: `9 − priority`, so that the smallest goes first.
pub(super) type Rank = u8;

/// The rank of a priority.
pub(super) fn rank(priority: u8) -> Rank {
    PRIORITY_MAX - priority.min(PRIORITY_MAX)
}

#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) row: LaneRow,
    group: usize,
    share: usize,
    ready: BTreeSet<(Rank, Key)>,
    /// Cold rows of the lane that are not active here, see [`crate::task::Place::ColdReady`].
    pub(super) cold: u64,
    /// Active tasks whose stored place is still cold: a page read returns them again.
    pub(super) cold_active: u32,
    /// A page of this lane is being read.
    pub(super) paging: bool,
    /// What the page that came last brought, until all of it is ranked.
    page: Option<Page>,
    /// Nothing cold stands before this; meaningful while there is anything cold.
    pub(super) cold_from: Option<(Rank, Key)>,
    /// The best that went cold since the page that is being read was asked for.
    pub(super) cold_made: Option<(Rank, Key)>,
    /// The rank of its best task.
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

/// All lanes of a shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// Lanes with anything cold.
    with_cold: BTreeSet<LaneId>,
    by_name: BTreeMap<(Name, Name, Class), LaneId>,
    groups: Vec<Group>,
    group_by_name: BTreeMap<(Name, Class), usize>,
    shares: Vec<Share>,
    share_by_name: BTreeMap<(Name, Name), usize>,
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
            self.groups.push(Group::new(row.queue.clone(), row.class.clone()));
        }
        let next = self.shares.len();
        let share = *self.share_by_name.entry((row.queue.clone(), row.tenant.clone())).or_insert(next);
        if share == next {
            self.shares.push(Share::default());
        }
        self.by_name.insert((row.queue.clone(), row.tenant.clone(), row.class.clone()), row.lane);
        self.lanes.push(Lane {
            row,
            group,
            share,
            ready: BTreeSet::new(),
            cold: 0,
            cold_active: 0,
            paging: false,
            page: None,
            cold_from: None,
            cold_made: None,
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

    /// Whether anything stands behind a window.
    pub(super) fn has_cold(&self) -> bool {
        !self.with_cold.is_empty()
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
}
