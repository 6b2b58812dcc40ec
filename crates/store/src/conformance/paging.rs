//! What is hot comes back at a load; what is cold comes back in pages, in order.

use mainspring_core::id::Key;
use mainspring_core::row::{Changes, LanePage, ReadSet, Rows, TaskRow, TimerPage};
use mainspring_core::task::{LaneId, Place, TaskStatus};
use mainspring_core::time::Timestamp;

use super::make::{at, cold, ended, key, state, task, task_in, task_with, timer};
use super::{Factory, Shard};

fn holding(open: Factory<'_>, rows: Vec<TaskRow>) -> Shard {
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_tasks: rows, ..Changes::default() });
    shard
}

fn keys_of(rows: &[TaskRow]) -> Vec<Key> {
    rows.iter().map(|row| row.key).collect()
}

fn keys(numbers: impl IntoIterator<Item = u64>) -> Vec<Key> {
    numbers.into_iter().map(key).collect()
}

fn lane_page(shard: &Shard, lane: u32, limit: u32, oldest: u32) -> Vec<Key> {
    let lanes = vec![LanePage { lane: LaneId(lane), limit, oldest }];
    keys_of(&shard.read(ReadSet { lanes, ..ReadSet::default() }).tasks)
}

fn timer_page(shard: &Shard, until: i64, limit: u32) -> Rows {
    let timers = Some(TimerPage { until: at(until), limit });
    shard.read(ReadSet { timers, ..ReadSet::default() })
}

pub fn a_load_brings_hot_tasks_in_order_of_key(open: Factory<'_>) {
    let shard = holding(open, vec![task(3), task(1), task(2)]);
    assert_eq!(keys_of(&shard.load().tasks), keys(1..=3));
}

pub fn a_load_leaves_cold_tasks_out(open: Factory<'_>) {
    let resting = task_in(4, ended(TaskStatus::Completed, 3));
    let shard = holding(open, vec![cold(1, 1, 0), timer(2, 5), task(3), resting]);
    assert_eq!(keys_of(&shard.load().tasks), keys([3]));
}

pub fn a_load_counts_cold_ready_tasks_by_lane(open: Factory<'_>) {
    let shard = holding(open, vec![cold(1, 7, 0), cold(2, 2, 9), cold(3, 7, 5), task(4)]);
    assert_eq!(shard.load().cold_ready, [(LaneId(2), 1), (LaneId(7), 2)]);
}

pub fn a_load_counts_cold_timers(open: Factory<'_>) {
    let shard = holding(open, vec![timer(1, 5), timer(2, 5), cold(3, 1, 1)]);
    assert_eq!(shard.load().cold_timers, 2);
}

pub fn a_load_knows_the_earliest_cold_timer(open: Factory<'_>) {
    let shard = holding(open, vec![timer(1, 50), timer(2, 5), timer(3, 500)]);
    assert_eq!(shard.load().next_timer, Some(at(5)));
}

pub fn a_lane_page_comes_by_priority_then_age(open: Factory<'_>) {
    let shard = holding(open, vec![cold(1, 1, 0), cold(2, 1, 9), cold(3, 1, 5), cold(4, 1, 9), cold(5, 1, 0)]);
    assert_eq!(lane_page(&shard, 1, 10, 0), keys([2, 4, 3, 1, 5]));
}

pub fn a_lane_page_keeps_to_its_limit(open: Factory<'_>) {
    let shard = holding(open, (1..=20).map(|number| cold(number, 1, 4)).collect());
    assert_eq!(lane_page(&shard, 1, 7, 0), keys(1..=7));
    assert_eq!(lane_page(&shard, 1, 0, 0), []);
}

pub fn a_lane_page_keeps_to_its_lane(open: Factory<'_>) {
    let shard = holding(open, vec![cold(1, 1, 4), cold(2, 2, 9), cold(3, 1, 4)]);
    assert_eq!(lane_page(&shard, 1, 10, 10), keys([1, 3]));
}

pub fn a_lane_page_brings_the_oldest_of_each_priority(open: Factory<'_>) {
    let mut rows: Vec<_> = (1..=10).map(|number| cold(number, 1, 9)).collect();
    rows.extend((11..=13).map(|number| cold(number, 1, 3)));
    rows.extend((14..=16).map(|number| cold(number, 1, 0)));
    let shard = holding(open, rows);
    assert_eq!(lane_page(&shard, 1, 3, 2), keys([1, 2, 3, 11, 12, 14, 15]));
    assert_eq!(lane_page(&shard, 1, 0, 1), keys([1, 11, 14]));
}

pub fn a_lane_page_names_a_row_once(open: Factory<'_>) {
    let shard = holding(open, vec![cold(1, 1, 9), cold(2, 1, 0)]);
    assert_eq!(lane_page(&shard, 1, 10, 10), keys([1, 2]));
}

pub fn a_lane_page_of_an_empty_lane_is_empty(open: Factory<'_>) {
    let shard = holding(open, vec![cold(1, 1, 9)]);
    assert_eq!(lane_page(&shard, 2, 10, 10), []);
}

pub fn a_task_that_turned_hot_leaves_its_lane(open: Factory<'_>) {
    let mut shard = holding(open, vec![cold(1, 1, 9), cold(2, 1, 9)]);
    let hot = state(TaskStatus::Ready, Place::Hot);
    shard.commit(Changes { update_tasks: vec![(key(1), hot)], ..Changes::default() });
    assert_eq!(lane_page(&shard, 1, 10, 0), keys([2]));
    let snapshot = shard.load();
    assert_eq!((snapshot.cold_ready, keys_of(&snapshot.tasks)), (vec![(LaneId(1), 1)], keys([1])));
}

pub fn a_task_that_turned_cold_enters_its_lane(open: Factory<'_>) {
    let urgent = task_with(3, |spec| spec.priority = 9);
    let mut shard = holding(open, vec![cold(1, 1, 5), task(2), urgent]);
    let cold = state(TaskStatus::Ready, Place::ColdReady { lane: LaneId(1) });
    let update_tasks = vec![(key(2), cold.clone()), (key(3), cold)];
    shard.commit(Changes { update_tasks, ..Changes::default() });
    assert_eq!(lane_page(&shard, 1, 10, 0), keys([3, 1, 2]));
    assert_eq!(shard.load().tasks, []);
}

pub fn a_task_moves_between_lanes(open: Factory<'_>) {
    let mut shard = holding(open, vec![cold(1, 1, 5)]);
    let elsewhere = state(TaskStatus::Ready, Place::ColdReady { lane: LaneId(8) });
    shard.commit(Changes { update_tasks: vec![(key(1), elsewhere)], ..Changes::default() });
    assert_eq!((lane_page(&shard, 1, 9, 9), lane_page(&shard, 8, 9, 9)), (vec![], keys([1])));
    assert_eq!(shard.load().cold_ready, [(LaneId(8), 1)]);
}

pub fn a_deleted_task_leaves_its_lane(open: Factory<'_>) {
    let mut shard = holding(open, vec![cold(1, 1, 5), timer(2, 9)]);
    shard.commit(Changes { delete_tasks: keys([1, 2]), ..Changes::default() });
    let snapshot = shard.load();
    assert_eq!((snapshot.cold_ready, snapshot.cold_timers, snapshot.next_timer), (vec![], 0, None));
}

pub fn a_timer_page_comes_by_due_then_key(open: Factory<'_>) {
    let shard = holding(open, vec![timer(1, 30), timer(2, 10), timer(3, 20), timer(4, 10)]);
    assert_eq!(keys_of(&timer_page(&shard, 100, 10).tasks), keys([2, 4, 3, 1]));
}

pub fn a_timer_page_keeps_to_its_limit(open: Factory<'_>) {
    let shard = holding(open, (1..=9).map(|number| timer(number, 10)).collect());
    assert_eq!(keys_of(&timer_page(&shard, 100, 4).tasks), keys(1..=4));
}

pub fn a_timer_page_keeps_to_its_instant(open: Factory<'_>) {
    let shard = holding(open, vec![timer(1, 10), timer(2, 11), timer(3, 12)]);
    assert_eq!(keys_of(&timer_page(&shard, 11, 10).tasks), keys([1, 2]));
    assert_eq!(timer_page(&shard, 9, 10).tasks, []);
}

pub fn a_timer_page_knows_the_next_timer(open: Factory<'_>) {
    let shard = holding(open, vec![timer(1, 10), timer(2, 10), timer(3, 12)]);
    let next = |until, limit| timer_page(&shard, until, limit).next_timer;
    assert_eq!(next(100, 1), Some(at(10)));
    assert_eq!(next(100, 2), Some(at(12)));
    assert_eq!(next(9, 5), Some(at(10)));
}

pub fn a_timer_page_that_took_all_knows_no_next(open: Factory<'_>) {
    let shard = holding(open, vec![timer(1, 10)]);
    assert_eq!(timer_page(&shard, 10, 5).next_timer, None);
}

pub fn timers_that_are_not_asked_for_are_not_read(open: Factory<'_>) {
    let shard = holding(open, vec![timer(1, 10), cold(2, 1, 0)]);
    assert_eq!(shard.read(ReadSet::default()), Rows::default());
}

pub fn a_moved_timer_takes_its_new_place(open: Factory<'_>) {
    let mut shard = holding(open, vec![timer(1, 10), timer(2, 20)]);
    let mut later = state(TaskStatus::Scheduled, Place::ColdTimer);
    later.due = Some(Timestamp::from_millis(i64::MAX));
    shard.commit(Changes { update_tasks: vec![(key(1), later)], ..Changes::default() });
    assert_eq!(shard.load().next_timer, Some(at(20)));
    let page = timer_page(&shard, 100, 10);
    assert_eq!((keys_of(&page.tasks), page.next_timer), (keys([2]), Some(Timestamp::from_millis(i64::MAX))));
}

pub fn requested_tasks_come_in_the_order_asked(open: Factory<'_>) {
    let shard = holding(open, vec![task(1), task(2), cold(3, 1, 0), timer(4, 5)]);
    let set = ReadSet {
        tasks: keys([2, 1]),
        lanes: vec![LanePage { lane: LaneId(1), limit: 5, oldest: 0 }],
        timers: Some(TimerPage { until: at(9), limit: 5 }),
        ..ReadSet::default()
    };
    assert_eq!(keys_of(&shard.read(set).tasks), keys([2, 1, 3, 4]));
}

pub fn a_task_asked_for_twice_comes_once(open: Factory<'_>) {
    let shard = holding(open, vec![cold(1, 1, 0), timer(2, 5)]);
    let set = ReadSet {
        tasks: keys([2, 1, 2]),
        lanes: vec![LanePage { lane: LaneId(1), limit: 5, oldest: 5 }],
        timers: Some(TimerPage { until: at(9), limit: 5 }),
        ..ReadSet::default()
    };
    assert_eq!(keys_of(&shard.read(set).tasks), keys([2, 1]));
}

pub fn requested_rows_that_do_not_exist_are_left_out(open: Factory<'_>) {
    let shard = holding(open, vec![task(2)]);
    let set = ReadSet { tasks: keys([1, 2, 3]), jobs: keys([7]), chunks: vec![(key(7), 0)], ..ReadSet::default() };
    let rows = shard.read(set);
    assert_eq!((keys_of(&rows.tasks), rows.jobs, rows.chunks), (keys([2]), vec![], vec![]));
}
