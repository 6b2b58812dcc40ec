//! Each planted bug is found, by the rule that it breaks.

use mainspring_model::model::Shard;
use mainspring_model::plant::Plant;
use stateright::{Checker, HasDiscoveries, Model};

#[test]
fn each_planted_bug_breaks_its_rule() {
    for plant in Plant::ALL {
        let model = Shard::with(plant);
        let builder = model.checker().finish_when(HasDiscoveries::AnyFailures);
        // It takes long ways and few things on them; the others are found sooner near the start.
        match plant {
            Plant::OldTokenTaken => found(plant, &builder.spawn_dfs().join()),
            _ => found(plant, &builder.spawn_bfs().join()),
        }
    }
}

fn found(plant: Plant, checker: &impl Checker<Shard>) {
    let found = checker.discoveries();
    println!("{}: {} worlds, {:?}", plant.word(), checker.unique_state_count(), found.keys());
    assert!(found.contains_key(plant.breaks().word()), "{plant:?} was not found: {:?}", found.keys());
}
