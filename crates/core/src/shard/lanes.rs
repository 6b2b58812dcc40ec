//! Ready queues: lanes, the rows behind their windows (`cold`), and the order in which their heads are taken (`order`).
//!
//! The tasks of a lane share everything that may keep them from starting, so a lane is open or shut as a whole: a limit
//! by key that is used up shuts the lanes of its key, and nobody stands behind a task that may not start.
//!
//! ```text
//!  plain lane (queue, tenant, class, type)            numbered for good when it is made
//!    └─ keyed lane (…, limits by key)                 there while it has tasks; numbered once it has a backlog of its own
//! ```
//! Behind the windows, tasks of many keys go cold in their plain lane, and those of a key with a long backlog in its own.

mod cold;
mod order;

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Key, Name};
use crate::limits::PRIORITY_MAX;
use crate::permit::KeyLimits;
use crate::row::{LaneName, LaneRow};
use crate::spec::Class;
use crate::task::LaneId;
pub(super) use cold::Page;
pub(super) use order::Group;
use order::{Share, Stand};

/// Position in a lane: `9 − priority`, so that the smallest goes first.
pub(super) type Rank = u8;

/// The rank of a priority.
pub(super) fn rank(priority: u8) -> Rank {
    PRIORITY_MAX - priority.min(PRIORITY_MAX)
}

/// A lane in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) name: LaneName,
    /// Under what the store knows it.
    pub(super) number: Option<LaneId>,
    /// The plain lane of a keyed one; itself otherwise.
    plain: Slot,
    stand: usize,
    ready: BTreeSet<(Rank, Key)>,
    /// Tasks in its open keyed lanes.
    keyed: usize,
    /// A limit by key lets none of its tasks start.
    shut: bool,
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
    /// Its best task as the order knows it; `None` while it is shut.
    head: Option<(Rank, Key)>,
    oldest: Option<Key>,
}

impl Lane {
    fn new(name: LaneName, number: Option<LaneId>, plain: Slot, stand: usize) -> Self {
        Self {
            name,
            number,
            plain,
            stand,
            ready: BTreeSet::new(),
            keyed: 0,
            shut: false,
            cold: 0,
            cold_active: 0,
            paging: false,
            page: None,
            cold_from: None,
            cold_made: None,
            head: None,
            oldest: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn is_keyed(&self) -> bool {
        !self.name.limits.is_empty()
    }

    /// Tasks in memory that fill its window: in a plain lane also those of its keyed lanes that may start.
    fn in_window(&self) -> usize {
        self.ready.len() + self.keyed
    }

    /// Whether a task that comes now belongs into memory: before everything cold, and inside the window (or before its
    /// end, whose tail then goes cold).
    fn has_room(&self, entry: (Rank, Key), window: usize) -> bool {
        if self.cold > 0 {
            return self.cold_from.is_some_and(|from| entry < from);
        }
        self.in_window() < window || self.ready.last().is_some_and(|last| entry < *last)
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

    /// Its ready tasks, those behind the window too, unless it is shut.
    pub(super) fn waiting(&self) -> u64 {
        if self.shut { 0 } else { self.ready.len() as u64 + self.cold }
    }

    /// The oldest task, also of a lane that is shut.
    pub(super) fn oldest(&self) -> Option<Key> {
        if self.shut { self.find_oldest() } else { self.oldest }
    }
}

/// All lanes of a shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// Slots without a lane.
    free: Vec<Slot>,
    /// The lanes that the store knows, by number.
    numbered: Vec<Slot>,
    /// Lanes with anything cold.
    with_cold: BTreeSet<Slot>,
    by_name: BTreeMap<LaneName, Slot>,
    groups: Vec<Group>,
    group_by_name: BTreeMap<(Name, Class, Name), usize>,
    shares: Vec<Share>,
    share_by_name: BTreeMap<(Name, Name), usize>,
    stands: Vec<Stand>,
    stand_by_parts: BTreeMap<(usize, usize), usize>,
    /// Weights of tenants, where they are not 1.
    weights: BTreeMap<Name, u32>,
    grants: u64,
    ready: usize,
    /// Tasks in memory in lanes that are not shut.
    open: usize,
}

impl Lanes {
    /// Restores the lanes of a snapshot; their numbers are dense from 0.
    pub(super) fn restore(mut rows: Vec<LaneRow>) -> Self {
        let mut lanes = Self::default();
        rows.sort_by_key(|row| row.lane);
        for row in rows {
            let slot = lanes.add(row.name, Some(row.lane));
            lanes.numbered.push(slot);
            assert_eq!(row.lane.0 as usize + 1, lanes.numbered.len(), "lane numbers are dense");
        }
        lanes
    }

    fn add(&mut self, name: LaneName, number: Option<LaneId>) -> Slot {
        let next = self.groups.len();
        let group_name = (name.queue.clone(), name.class.clone(), name.kind.clone());
        let group = *self.group_by_name.entry(group_name).or_insert(next);
        if group == next {
            self.groups.push(Group::new(name.queue.clone(), name.class.clone(), name.kind.clone()));
        }
        let next = self.shares.len();
        let share = *self.share_by_name.entry((name.queue.clone(), name.tenant.clone())).or_insert(next);
        if share == next {
            let weight = self.weights.get(&name.tenant).copied();
            self.shares.push(Share::new(name.tenant.clone(), weight.unwrap_or(1)));
        }
        let next = self.stands.len();
        let stand = *self.stand_by_parts.entry((group, share)).or_insert(next);
        if stand == next {
            self.stands.push(Stand::new(group, share));
        }
        let slot = self.free.pop().unwrap_or(Slot(self.lanes.len() as u32));
        let plain = match name.limits.is_empty() {
            true => slot,
            false => self.by_name[&plain_of(&name)],
        };
        self.by_name.insert(name.clone(), slot);
        let lane = Lane::new(name, number, plain, stand);
        match self.lanes.get_mut(slot.0 as usize) {
            Some(place) => *place = lane,
            None => self.lanes.push(lane),
        }
        slot
    }

    /// The lane of this name; `None` if it must be created.
    pub(super) fn find(&self, name: &LaneName) -> Option<Slot> {
        self.by_name.get(name).copied()
    }

    /// Creates a lane, and the plain one that it belongs to; gives back what the store must know.
    pub(super) fn create(&mut self, name: LaneName) -> (Slot, Option<LaneRow>) {
        if name.limits.is_empty() {
            let slot = self.add(name, None);
            return (slot, Some(self.give_number(slot)));
        }
        let plain = plain_of(&name);
        let row = self.find(&plain).is_none().then(|| {
            let slot = self.add(plain, None);
            self.give_number(slot)
        });
        (self.add(name, None), row)
    }

    fn give_number(&mut self, slot: Slot) -> LaneRow {
        let lane = LaneId(self.numbered.len() as u32);
        self.numbered.push(slot);
        self.get_mut(slot).number = Some(lane);
        LaneRow { lane, name: self.get(slot).name.clone() }
    }

    /// Forgets a keyed lane that is empty, if the store does not know it; gives back its name.
    pub(super) fn drop_if_empty(&mut self, slot: Slot) -> Option<LaneName> {
        let lane = self.get(slot);
        if !lane.is_keyed() || lane.number.is_some() || lane.len() > 0 {
            return None;
        }
        let name = lane.name.clone();
        self.by_name.remove(&name);
        self.free.push(slot);
        Some(name)
    }

    pub(super) fn get(&self, slot: Slot) -> &Lane {
        &self.lanes[slot.0 as usize]
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Lane {
        &mut self.lanes[slot.0 as usize]
    }

    pub(super) fn slot_of(&self, lane: LaneId) -> Slot {
        self.numbered[lane.0 as usize]
    }

    /// All lanes, those that were forgotten as empty ones.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }

    /// The lanes that the store knows, by number.
    pub(super) fn iter_numbered(&self) -> impl Iterator<Item = (LaneId, &Lane)> {
        (0..).map(LaneId).zip(self.numbered.iter().map(|slot| self.get(*slot)))
    }

    /// Where the lanes that the store knows are, by number.
    pub(super) fn numbered_slots(&self) -> Vec<Slot> {
        self.numbered.clone()
    }

    /// How many tasks stand in all lanes.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    /// How many of them no limit by key keeps from starting.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Puts a task into its lane.
    pub(super) fn push(&mut self, slot: Slot, rank: Rank, key: Key) {
        if self.get_mut(slot).ready.insert((rank, key)) {
            self.ready += 1;
            self.count_open(slot, 1);
            self.refresh(slot);
        }
    }

    /// Takes a task out of its lane; false if it does not stand there.
    pub(super) fn remove(&mut self, slot: Slot, rank: Rank, key: Key) -> bool {
        let removed = self.get_mut(slot).ready.remove(&(rank, key));
        if removed {
            self.ready -= 1;
            self.count_open(slot, -1);
            self.refresh(slot);
        }
        removed
    }

    /// Opens or shuts a lane.
    pub(super) fn set_shut(&mut self, slot: Slot, shut: bool) {
        let len = self.get(slot).len() as isize;
        if self.get(slot).shut == shut {
            return;
        }
        if shut {
            self.count_open(slot, -len);
            self.get_mut(slot).shut = true;
        } else {
            self.get_mut(slot).shut = false;
            self.count_open(slot, len);
        }
        self.refresh(slot);
    }

    /// Counts tasks that came to a lane, or left it, unless it is shut.
    fn count_open(&mut self, slot: Slot, change: isize) {
        let lane = self.get(slot);
        if lane.shut {
            return;
        }
        let (plain, stand) = (lane.plain, lane.stand);
        self.open = self.open.saturating_add_signed(change);
        let group = &mut self.groups[self.stands[stand].group];
        group.ready = group.ready.saturating_add_signed(change);
        if plain != slot {
            let plain = self.get_mut(plain);
            plain.keyed = plain.keyed.saturating_add_signed(change);
        }
    }
}

/// The plain lane of a keyed one.
fn plain_of(name: &LaneName) -> LaneName {
    LaneName { limits: KeyLimits::default(), ..name.clone() }
}
