//! Everything that can happen in a few actions, in worlds of four budgets, keeps the rules; and the rare things were met.

use mainspring_model::bounds::Bounds;
use mainspring_model::model::Shard;
use stateright::{Checker, HasDiscoveries, Model};

const DEPTH: usize = 11;

fn walk(bounds: Bounds, depth: usize, met: &[&str]) {
    let checker = Shard::new(bounds, 64).checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.target_max_depth(depth).spawn_bfs().join();
    println!("{} worlds, {} steps", checker.unique_state_count(), checker.state_count());
    let broken = checker.discoveries().into_iter().next().map(|(rule, path)| (rule, path.into_actions()));
    assert_eq!(broken, None);
    let counted = checker.model().met.lock().expect("nobody panicked").clone();
    println!("{counted:#?}");
    for what in met {
        assert!(counted.contains_key(what), "never met: {what}");
    }
}

#[test]
fn ownership_keeps_the_rules() {
    walk(Bounds::OWNERSHIP, DEPTH, &["a late commit refused", "a late commit that landed", "an owner taken for dead"]);
}

#[test]
fn the_network_keeps_the_rules() {
    walk(Bounds::NETWORK, DEPTH, &["a grant that came before"]);
}

#[test]
fn crashes_keep_the_rules() {
    walk(Bounds::CRASHES, DEPTH, &["a grant to a process that is gone", "a commit refused", "an owner taken for dead"]);
}

/// All of it: the ways are long, but few.
#[test]
fn what_an_old_owner_granted_keeps_the_rules() {
    walk(Bounds::AGAIN, usize::MAX, &["a grant that came before", "a commit refused"]);
}
