//! Several shards, and several processes over one database.

use std::sync::Arc;

use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::permit::KeyLimits;
use mainspring_core::row::{Changes, FeedPosition, LaneName, LanePage, LaneRow, ReadSet, TimerPage, TransitionKind};
use mainspring_core::spec::Class;
use mainspring_core::task::{LaneId, Place, TaskStatus};

use super::make::{at, event, state, task_in};
use super::wait;
use crate::members::{Members, NodeRow, Roster};
use crate::reader::TaskFilter;
use crate::store::{CommitAnswer, Error, Fence, ShardCommit, ShardId, Store};

/// Opens the same empty database again and again: one `Store` value each, of at least four shards.
pub type Opener<'a> = &'a dyn Fn() -> Arc<dyn Store>;
/// Makes an empty database, and what opens it.
pub type ClusterFactory<'a> = &'a dyn Fn() -> Box<dyn Fn() -> Arc<dyn Store>>;
/// One case.
pub type ClusterCase = fn(ClusterFactory<'_>);

/// Calls `$stamp!` with the name of every case about clusters.
#[macro_export]
macro_rules! for_each_cluster_case {
    ($stamp:ident) => {
        $stamp! {
            a_store_of_several_shards_says_how_many
            every_shard_has_a_fence_of_its_own
            shards_load_only_what_is_theirs
            shards_number_their_commits_apart
            a_commit_of_several_shards_is_answered_in_order
            a_refused_shard_spoils_no_other_in_the_same_commit
            an_unknown_shard_spoils_no_other_in_the_same_commit
            lanes_of_shards_do_not_meet
            timers_are_paged_per_shard
            the_feed_is_read_per_shard
            lists_are_merged_newest_first
            counts_are_of_all_shards
            what_another_process_holds_is_a_conflict
            what_another_process_gave_back_can_be_taken
            a_dead_holder_is_replaced_and_kept_out
            a_holder_that_was_judged_under_an_old_epoch_is_not_replaced
            a_beat_enters_a_node_and_changes
            a_node_that_left_is_gone
            the_roster_shows_who_has_which_shard
            the_roster_brings_the_settings
            the_key_is_the_same_for_all_and_no_zero
        }
    };
}

pub(super) struct Node {
    pub(super) store: Arc<dyn Store>,
    pub(super) members: Arc<dyn Members>,
    pub(super) id: Name,
}

impl Node {
    pub(super) fn new(open: Opener<'_>, id: &str) -> Self {
        let store = open();
        let members = store.members().expect("a cluster can be formed");
        Self { store, members, id: id.into() }
    }

    pub(super) fn acquire(&self, shard: u16) -> Fence {
        self.try_acquire(shard, None).expect("nobody else has it")
    }

    pub(super) fn try_acquire(&self, shard: u16, dead: Option<u64>) -> Result<Fence, Error> {
        wait(self.store.acquire(ShardId(shard), self.id.clone(), dead))
    }

    pub(super) fn row(&self) -> NodeRow {
        let address = Some(format!("http://127.0.0.1/{}", self.id).into());
        NodeRow { id: self.id.clone(), address, about: "x".into(), process: "".into(), version: "1".into() }
    }

    pub(super) fn beat(&self) -> Roster {
        wait(self.members.beat(self.row())).expect("the store is there")
    }
}

/// The `number`-th key of a shard.
fn key_of(store: &dyn Store, shard: u16, number: u64) -> Key {
    let (first, _) = ShardId(shard).buckets(store.shards());
    Key::new(number, Bucket::new(first))
}

fn changes(number: u64, mut changes: Changes) -> Changes {
    changes.high_water.commit = number;
    changes
}

pub(super) fn commit(node: &Node, fence: &Fence, number: u64, what: Changes) -> CommitAnswer {
    let commit = ShardCommit { fence: fence.clone(), changes: Arc::new(changes(number, what)) };
    wait(node.store.commit(vec![commit])).remove(0)
}

fn inserting(keys: &[Key]) -> Changes {
    let row = |key: &Key| {
        let mut row = task_in(1, state(TaskStatus::Ready, Place::Hot));
        row.key = *key;
        row.given_id = None;
        row
    };
    Changes { insert_tasks: keys.iter().map(row).collect(), ..Changes::default() }
}

pub fn a_store_of_several_shards_says_how_many(open: ClusterFactory<'_>) {
    let open = open();
    assert!(open().shards() >= 4);
    assert!(wait(open().acquire(ShardId(open().shards()), "a".into(), None)).is_err());
}

pub fn every_shard_has_a_fence_of_its_own(open: ClusterFactory<'_>) {
    let node = Node::new(&*open(), "a");
    let (first, second) = (node.acquire(0), node.acquire(3));
    assert_eq!((first.shard, second.shard), (ShardId(0), ShardId(3)));
    let again = node.acquire(3);
    assert!(again.epoch > second.epoch);
    assert_eq!(commit(&node, &first, 1, Changes::default()), CommitAnswer::Committed);
    assert_eq!(commit(&node, &second, 1, Changes::default()), CommitAnswer::Rejected { epoch: again.epoch });
}

pub fn shards_load_only_what_is_theirs(open: ClusterFactory<'_>) {
    let node = Node::new(&*open(), "a");
    let (first, second) = (node.acquire(1), node.acquire(2));
    let keys = [key_of(&*node.store, 1, 7), key_of(&*node.store, 2, 8)];
    assert_eq!(commit(&node, &first, 1, inserting(&keys[..1])), CommitAnswer::Committed);
    assert_eq!(commit(&node, &second, 1, inserting(&keys[1..])), CommitAnswer::Committed);
    for (fence, key) in [(first, keys[0]), (second, keys[1])] {
        let loaded = wait(node.store.load(fence)).expect("the fence is in force");
        assert_eq!(loaded.tasks.iter().map(|row| row.key).collect::<Vec<_>>(), [key]);
    }
}

pub fn shards_number_their_commits_apart(open: ClusterFactory<'_>) {
    let node = Node::new(&*open(), "a");
    let (first, second) = (node.acquire(0), node.acquire(1));
    for number in 1..=3 {
        assert_eq!(commit(&node, &first, number, Changes::default()), CommitAnswer::Committed);
    }
    assert_eq!(commit(&node, &second, 1, Changes::default()), CommitAnswer::Committed);
    let commits = [first, second].map(|fence| wait(node.store.load(fence)).expect("in force").high_water.commit);
    assert_eq!(commits, [3, 1]);
}

fn of_both(node: &Node, fences: [&Fence; 2], numbers: [u64; 2]) -> Vec<CommitAnswer> {
    let part = |(fence, number): (&Fence, u64)| {
        let key = key_of(&*node.store, fence.shard.0, 100 + number);
        ShardCommit { fence: fence.clone(), changes: Arc::new(changes(number, inserting(&[key]))) }
    };
    wait(node.store.commit(fences.into_iter().zip(numbers).map(part).collect()))
}

pub fn a_commit_of_several_shards_is_answered_in_order(open: ClusterFactory<'_>) {
    let node = Node::new(&*open(), "a");
    let (first, second) = (node.acquire(2), node.acquire(1));
    assert_eq!(of_both(&node, [&first, &second], [1, 1]), [CommitAnswer::Committed, CommitAnswer::Committed]);
    for fence in [first, second] {
        assert_eq!(wait(node.store.load(fence)).expect("in force").tasks.len(), 1);
    }
}

pub fn a_refused_shard_spoils_no_other_in_the_same_commit(open: ClusterFactory<'_>) {
    let node = Node::new(&*open(), "a");
    let (old, good) = (node.acquire(2), node.acquire(1));
    let new = node.acquire(2);
    let answers = of_both(&node, [&old, &good], [1, 1]);
    assert_eq!(answers, [CommitAnswer::Rejected { epoch: new.epoch }, CommitAnswer::Committed]);
    assert_eq!(wait(node.store.load(new)).expect("in force").tasks, []);
}

pub fn an_unknown_shard_spoils_no_other_in_the_same_commit(open: ClusterFactory<'_>) {
    let node = Node::new(&*open(), "a");
    let (bad, good) = (node.acquire(2), node.acquire(1));
    let answers = of_both(&node, [&bad, &good], [5, 1]);
    assert!(matches!(answers[0], CommitAnswer::Unknown { .. }), "{answers:?}");
    assert_eq!(answers[1], CommitAnswer::Committed);
    assert_eq!(wait(node.store.load(node.acquire(2))).expect("in force").tasks, []);
}

fn lane(queue: &str) -> LaneRow {
    let class = Class { executor: "noop".into(), labels: Arc::default() };
    let (kind, limits) = (class.executor.clone(), KeyLimits::default());
    let name = LaneName { queue: queue.into(), tenant: "default".into(), class, kind, limits };
    LaneRow { lane: LaneId(1), name }
}

pub fn lanes_of_shards_do_not_meet(open: ClusterFactory<'_>) {
    let node = Node::new(&*open(), "a");
    let fences = [node.acquire(1), node.acquire(3)];
    for (fence, queue) in fences.iter().zip(["one", "three"]) {
        let mut cold = inserting(&[key_of(&*node.store, fence.shard.0, 9)]);
        cold.insert_tasks[0].state.place = Place::ColdReady { lane: LaneId(1) };
        cold.insert_lanes = vec![lane(queue)];
        assert_eq!(commit(&node, fence, 1, cold), CommitAnswer::Committed);
    }
    for (fence, queue) in fences.iter().zip(["one", "three"]) {
        let loaded = wait(node.store.load(fence.clone())).expect("in force");
        assert_eq!(loaded.lanes.iter().map(|row| &*row.name.queue).collect::<Vec<_>>(), [queue]);
        assert_eq!(loaded.cold_ready, [(LaneId(1), 1)]);
        let page = LanePage { lane: LaneId(1), limit: 9, oldest: 0 };
        let set = ReadSet { lanes: vec![page], ..ReadSet::default() };
        let rows = wait(node.store.read(fence.clone(), set)).expect("in force");
        let key = key_of(&*node.store, fence.shard.0, 9);
        assert_eq!(rows.tasks.iter().map(|row| row.key).collect::<Vec<_>>(), [key]);
    }
}

pub fn timers_are_paged_per_shard(open: ClusterFactory<'_>) {
    let node = Node::new(&*open(), "a");
    let fences = [node.acquire(0), node.acquire(2)];
    for (fence, due) in fences.iter().zip([50, 40]) {
        let mut cold = inserting(&[key_of(&*node.store, fence.shard.0, 9)]);
        cold.insert_tasks[0].state = state(TaskStatus::Scheduled, Place::ColdTimer);
        cold.insert_tasks[0].state.due = Some(at(due));
        assert_eq!(commit(&node, fence, 1, cold), CommitAnswer::Committed);
    }
    for (fence, due) in fences.iter().zip([50, 40]) {
        let loaded = wait(node.store.load(fence.clone())).expect("in force");
        assert_eq!((loaded.cold_timers, loaded.next_timer), (1, Some(at(due))));
        let timers = Some(TimerPage { until: at(100), limit: 9 });
        let rows = wait(node.store.read(fence.clone(), ReadSet { timers, ..ReadSet::default() })).expect("in force");
        assert_eq!(rows.tasks.iter().map(|row| row.state.due).collect::<Vec<_>>(), [Some(at(due))]);
        assert_eq!(rows.next_timer, None);
    }
}

pub fn the_feed_is_read_per_shard(open: ClusterFactory<'_>) {
    let node = Node::new(&*open(), "a");
    for (shard, events) in [(0, 1), (3, 2)] {
        let feed = vec![event(TransitionKind::TaskReady, 1, 1); events];
        assert_eq!(
            commit(&node, &node.acquire(shard), 1, Changes { feed, ..Changes::default() }),
            CommitAnswer::Committed
        );
    }
    let start = FeedPosition { commit: 0, index: 0 };
    let read = |shard| wait(node.store.reader().feed(ShardId(shard), start, 9)).expect("it can be read").items.len();
    assert_eq!([0, 1, 3].map(read), [1, 0, 2]);
    assert!(wait(node.store.reader().feed(ShardId(node.store.shards()), start, 9)).is_err());
}

pub fn lists_are_merged_newest_first(open: ClusterFactory<'_>) {
    let node = Node::new(&*open(), "a");
    let of = |shard, number| key_of(&*node.store, shard, number);
    for (shard, numbers) in [(0, [10, 13, 16]), (1, [11, 14, 17]), (3, [12, 15, 18])] {
        let keys = numbers.map(|number| of(shard, number));
        assert_eq!(commit(&node, &node.acquire(shard), 1, inserting(&keys)), CommitAnswer::Committed);
    }
    let (mut after, mut seen) = (None, Vec::new());
    for _ in 0..20 {
        let page = wait(node.store.reader().tasks(TaskFilter::default(), after, 2)).expect("it can be read");
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|row| row.key.sequence()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (10..=18).rev().collect::<Vec<u64>>());
    let keys = vec![of(3, 12), of(0, 16), of(2, 1), of(1, 11)];
    let rows = wait(node.store.reader().tasks_by_key(keys)).expect("it can be read");
    assert_eq!(rows.iter().map(|row| row.key.sequence()).collect::<Vec<_>>(), [12, 16, 11]);
}

pub fn counts_are_of_all_shards(open: ClusterFactory<'_>) {
    let node = Node::new(&*open(), "a");
    for shard in [0, 2] {
        let keys = [key_of(&*node.store, shard, 5), key_of(&*node.store, shard, 6)];
        assert_eq!(commit(&node, &node.acquire(shard), 1, inserting(&keys)), CommitAnswer::Committed);
    }
    let counts = |bound| wait(node.store.reader().task_counts(None, bound)).expect("it can be read");
    assert_eq!(
        counts(100).iter().map(|(_, status, number)| (*status, *number)).collect::<Vec<_>>(),
        [(TaskStatus::Ready, 4)]
    );
    assert_eq!(counts(3)[0].2, 3);
}
