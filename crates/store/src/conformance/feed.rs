//! The feed: one row per commit, read from any position that is still kept.

use mainspring_core::row::{Changes, FeedPosition, Transition, TransitionKind};

use super::make::{at, event, key, name};
use super::{Factory, Shard, wait};
use crate::reader::FeedPage;
use crate::store::ShardId;

fn position(commit: u64, index: u32) -> FeedPosition {
    FeedPosition { commit, index }
}

fn telling(open: Factory<'_>, commits: &[Vec<Transition>]) -> Shard {
    let mut shard = Shard::new(open);
    for feed in commits {
        shard.commit(Changes { feed: feed.clone(), ..Changes::default() });
    }
    shard
}

fn page(shard: &Shard, after: FeedPosition, limit: usize) -> FeedPage {
    shard.ask(|reader| reader.feed(ShardId(0), after, limit))
}

fn positions(page: &FeedPage) -> Vec<(u64, u32)> {
    page.items.iter().map(|(position, _)| (position.commit, position.index)).collect()
}

/// So many events of one commit, at its instant.
fn some(commit: i64, events: usize) -> Vec<Transition> {
    (0..events as u64).map(|number| event(TransitionKind::TaskReady, number + 1, commit)).collect()
}

pub fn events_read_back(open: Factory<'_>) {
    let about = Transition {
        job: Some(key(9)),
        attempt: u32::MAX,
        subject: Some(name("50% \u{1F980}\n")),
        ..event(TransitionKind::TaskProgress, 1, -5)
    };
    let about_nothing = Transition { task: None, attempt: 0, ..event(TransitionKind::WorkerLeft, 1, 0) };
    let feed = vec![about.clone(), about_nothing.clone(), event(TransitionKind::TaskReady, 2, 7)];
    let shard = telling(open, std::slice::from_ref(&feed));
    let read: Vec<_> = page(&shard, position(0, 0), 9).items.into_iter().map(|(_, event)| event).collect();
    assert_eq!(read, feed);
}

pub fn every_kind_of_event_reads_back(open: Factory<'_>) {
    let feed: Vec<_> = TransitionKind::ALL.into_iter().zip(1..).map(|(kind, task)| event(kind, task, 3)).collect();
    let shard = telling(open, std::slice::from_ref(&feed));
    let read: Vec<_> = page(&shard, position(0, 0), 99).items.into_iter().map(|(_, event)| event).collect();
    assert_eq!(read, feed);
}

pub fn events_come_after_a_position(open: Factory<'_>) {
    let shard = telling(open, &[some(1, 2), some(2, 1), some(3, 3)]);
    assert_eq!(positions(&page(&shard, position(1, 0), 9)), [(1, 1), (2, 0), (3, 0), (3, 1), (3, 2)]);
    assert_eq!(positions(&page(&shard, position(2, 7), 9)), [(3, 0), (3, 1), (3, 2)]);
    assert_eq!(positions(&page(&shard, position(3, 2), 9)), []);
    assert_eq!(positions(&page(&shard, position(99, 0), 9)), []);
}

pub fn a_page_of_events_keeps_to_its_limit(open: Factory<'_>) {
    let shard = telling(open, &[some(1, 2), some(2, 2), some(3, 2)]);
    assert_eq!(positions(&page(&shard, position(0, 0), 4)), [(1, 0), (1, 1), (2, 0), (2, 1)]);
}

pub fn a_page_of_events_ends_inside_a_commit(open: Factory<'_>) {
    let shard = telling(open, &[some(1, 5)]);
    let first = page(&shard, position(0, 0), 3);
    assert_eq!(positions(&first), [(1, 0), (1, 1), (1, 2)]);
    let last = first.items.last().expect("it has three").0;
    assert_eq!(positions(&page(&shard, last, 3)), [(1, 3), (1, 4)]);
}

pub fn commits_without_events_leave_no_row(open: Factory<'_>) {
    let shard = telling(open, &[some(1, 1), vec![], some(3, 1), vec![]]);
    assert_eq!(positions(&page(&shard, position(0, 0), 9)), [(1, 0), (3, 0)]);
}

pub fn the_latest_position_is_that_of_the_newest_commit(open: Factory<'_>) {
    let mut shard = telling(open, &[]);
    assert_eq!(page(&shard, position(0, 0), 9).latest, position(0, 0));
    shard.commit(Changes { feed: some(1, 3), ..Changes::default() });
    assert_eq!(page(&shard, position(0, 0), 1).latest, position(1, 2));
    shard.commit(Changes::default());
    assert_eq!(page(&shard, position(0, 0), 1).latest, position(2, 0));
}

fn prune(shard: &Shard, before: i64, limit: usize) -> u64 {
    wait(shard.store.prune(shard.fence.clone(), at(before), at(0), limit)).expect("the fence is in force")
}

pub fn pruned_events_are_a_gap(open: Factory<'_>) {
    let shard = telling(open, &[some(1, 1), some(2, 2), some(3, 1)]);
    assert_eq!(page(&shard, position(0, 0), 9).earliest, position(0, 0));
    assert_eq!(prune(&shard, 3, 9), 2);
    let after = page(&shard, position(1, 0), 9);
    assert_eq!((positions(&after), after.earliest, after.latest), (vec![(3, 0)], position(3, 0), position(3, 0)));
}

pub fn a_prune_keeps_young_events(open: Factory<'_>) {
    let mut young_end = some(1, 1);
    young_end.push(event(TransitionKind::TaskReady, 9, 50));
    let shard = telling(open, &[young_end, some(2, 1)]);
    assert_eq!(prune(&shard, 40, 9), 0, "the first row ends young, and those behind it wait");
    assert_eq!(positions(&page(&shard, position(0, 0), 9)).len(), 3);
}

pub fn a_prune_keeps_to_its_limit(open: Factory<'_>) {
    let shard = telling(open, &[some(1, 1), some(2, 1), some(3, 1)]);
    assert_eq!((prune(&shard, 99, 2), prune(&shard, 99, 2), prune(&shard, 99, 2)), (2, 1, 0));
    assert_eq!(page(&shard, position(0, 0), 9).earliest, position(4, 0));
}
