//! Several processes: who takes part, and who may take what from whom.

use mainspring_core::permit::{LimitRow, LimitScope, Limits};
use mainspring_core::row::{Changes, Directive, QueueRow, WorkerRow};

use super::cluster::{ClusterFactory, Node, commit};
use super::make::name;
use super::wait;
use crate::store::{CommitAnswer, Error, ShardId};

pub fn what_another_process_holds_is_a_conflict(open: ClusterFactory<'_>) {
    let open = open();
    let (a, b) = (Node::new(&*open, "a"), Node::new(&*open, "b"));
    let fence = a.acquire(1);
    assert!(matches!(b.try_acquire(1, None), Err(Error::Conflict(_))));
    assert_eq!(commit(&a, &fence, 1, Changes::default()), CommitAnswer::Committed);
    let other = b.acquire(2);
    assert_eq!(commit(&b, &other, 1, Changes::default()), CommitAnswer::Committed);
}

pub fn what_another_process_gave_back_can_be_taken(open: ClusterFactory<'_>) {
    let open = open();
    let (a, b) = (Node::new(&*open, "a"), Node::new(&*open, "b"));
    let fence = a.acquire(1);
    assert_eq!(commit(&a, &fence, 1, Changes::default()), CommitAnswer::Committed);
    wait(a.store.release(fence.clone())).expect("the fence is in force");
    let taken = b.acquire(1);
    assert!(taken.epoch > fence.epoch);
    assert_ne!(commit(&a, &fence, 2, Changes::default()), CommitAnswer::Committed);
    assert_eq!(commit(&b, &taken, 2, Changes::default()), CommitAnswer::Committed);
}

pub fn a_dead_holder_is_replaced_and_kept_out(open: ClusterFactory<'_>) {
    let open = open();
    let (a, b) = (Node::new(&*open, "a"), Node::new(&*open, "b"));
    let old = a.acquire(1);
    let new = b.try_acquire(1, Some(old.epoch)).expect("its holder was judged dead");
    assert!(new.epoch > old.epoch && new.owner == b.id);
    assert_eq!(commit(&a, &old, 1, Changes::default()), CommitAnswer::Rejected { epoch: new.epoch });
    assert!(matches!(a.try_acquire(1, None), Err(Error::Conflict(_))));
    assert_eq!(commit(&b, &new, 1, Changes::default()), CommitAnswer::Committed);
}

pub fn a_holder_that_was_judged_under_an_old_epoch_is_not_replaced(open: ClusterFactory<'_>) {
    let open = open();
    let (a, b) = (Node::new(&*open, "a"), Node::new(&*open, "b"));
    let old = a.acquire(1);
    let new = a.acquire(1);
    assert!(matches!(b.try_acquire(1, Some(old.epoch)), Err(Error::Conflict(_))));
    assert_eq!(commit(&a, &new, 1, Changes::default()), CommitAnswer::Committed);
}

pub fn a_beat_enters_a_node_and_changes(open: ClusterFactory<'_>) {
    let open = open();
    let (a, b) = (Node::new(&*open, "a"), Node::new(&*open, "b"));
    let first = a.beat();
    assert_eq!(first.nodes.iter().map(|(row, _)| row.clone()).collect::<Vec<_>>(), [a.row()]);
    assert_eq!(first.shards.len(), usize::from(a.store.shards()));
    assert!(first.shards.iter().zip(0..).all(|(held, shard)| held.shard == ShardId(shard) && held.owner.is_none()));
    let both = b.beat();
    assert_eq!(both.nodes.iter().map(|(row, _)| &*row.id).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(both.nodes[0], first.nodes[0], "whoever is silent keeps its beat");
    let later = a.beat();
    assert_ne!(later.nodes[0].1, first.nodes[0].1);
    assert_eq!(later.nodes[1], both.nodes[1]);
}

pub fn a_node_that_left_is_gone(open: ClusterFactory<'_>) {
    let open = open();
    let (a, b) = (Node::new(&*open, "a"), Node::new(&*open, "b"));
    a.beat();
    b.beat();
    wait(b.members.leave(a.id.clone())).expect("the store is there");
    wait(b.members.leave("nobody".into())).expect("the store is there");
    assert_eq!(b.beat().nodes.iter().map(|(row, _)| &*row.id).collect::<Vec<_>>(), ["b"]);
}

pub fn the_roster_shows_who_has_which_shard(open: ClusterFactory<'_>) {
    let open = open();
    let (a, b) = (Node::new(&*open, "a"), Node::new(&*open, "b"));
    let (first, second) = (a.acquire(0), b.acquire(2));
    wait(b.store.release(b.acquire(3))).expect("the fence is in force");
    let roster = a.beat();
    let owners: Vec<_> = roster.shards.iter().take(4).map(|held| held.owner.clone()).collect();
    assert_eq!(owners, [Some(a.id.clone()), None, Some(b.id.clone()), None]);
    assert_eq!((roster.shards[0].epoch, roster.shards[2].epoch), (first.epoch, second.epoch));
}

pub fn the_roster_brings_the_settings(open: ClusterFactory<'_>) {
    let open = open();
    let (a, b) = (Node::new(&*open, "a"), Node::new(&*open, "b"));
    let fence = a.acquire(0);
    let queue = |queue: &str, paused| QueueRow { name: name(queue), paused };
    let worker = |worker: &str, directive| WorkerRow { worker: name(worker), directive };
    let limits = Limits { concurrency: Some(3), ..Limits::default() };
    let limits = vec![LimitRow { scope: LimitScope::Queue, name: name("held"), limits }];
    let put = Changes {
        put_queues: vec![queue("held", true), queue("free", false)],
        put_limits: limits.clone(),
        put_workers: vec![worker("w1", Directive::Pause), worker("w2", Directive::Run)],
        ..Changes::default()
    };
    assert_eq!(commit(&a, &fence, 1, put), CommitAnswer::Committed);
    let roster = b.beat();
    assert_eq!((roster.queues, roster.workers), (vec![queue("held", true)], vec![worker("w1", Directive::Pause)]));
    assert_eq!(roster.limits, limits);
}

pub fn the_key_is_the_same_for_all_and_no_zero(open: ClusterFactory<'_>) {
    let open = open();
    let (a, b) = (Node::new(&*open, "a"), Node::new(&*open, "b"));
    assert_eq!(a.beat().key, b.beat().key);
    assert_ne!(*a.beat().key, [0; 32]);
}
