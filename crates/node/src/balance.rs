//! Which shards a node should take, and which it should give up, so that the live nodes share them evenly. Every node
//! decides for itself from the same roster; where two want the same shard, the store's epoch lets one have it.

use std::collections::{BTreeMap, BTreeSet};

use mainspring_core::id::SessionId;
use mainspring_store::{Holding, ShardId};

/// Beats after which a shard that is still free is taken by whoever sees it, whatever its share.
const FREE_BEATS: u32 = 4;

/// What to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Shards to take, each with the epoch of an owner that is dead.
    pub take: Vec<(ShardId, Option<u64>)>,
    /// Shards of ours to give up.
    pub give: Vec<ShardId>,
}

/// Shards that nobody serves, and for how many beats.
#[derive(Debug, Default)]
pub struct Free(BTreeMap<ShardId, u32>);

/// The share of the node at `place` among so many that live.
fn share(shards: usize, nodes: usize, place: usize) -> usize {
    shards / nodes + usize::from(place < shards % nodes)
}

/// Plans for the node `me`. `mine` are the shards that it serves or is about to, `dead` the nodes that show no life.
pub fn plan(
    held: &[Holding],
    alive: &BTreeSet<SessionId>,
    dead: &BTreeSet<SessionId>,
    me: &SessionId,
    mine: &BTreeSet<ShardId>,
    free: &mut Free,
) -> Plan {
    let Some(place) = alive.iter().position(|node| node == me) else { return Plan::default() };
    let share = share(held.len(), alive.len(), place);
    // One that is ours by name and not served was lost by its thread.
    let serves = |held: &Holding| match &held.owner {
        Some(owner) if owner == me => mine.contains(&held.shard),
        Some(owner) => alive.contains(owner) && !dead.contains(owner),
        None => mine.contains(&held.shard),
    };
    let open: Vec<&Holding> = held.iter().filter(|held| !serves(held)).collect();
    free.0.retain(|shard, _| open.iter().any(|held| held.shard == *shard));
    let mut plan = Plan::default();
    let mut room = share.saturating_sub(mine.len());
    for held in in_turn(&open, place, alive.len()) {
        let beats = free.0.entry(held.shard).or_default();
        *beats += 1;
        if room > 0 || *beats > FREE_BEATS {
            room = room.saturating_sub(1);
            plan.take.push((held.shard, held.owner.as_ref().map(|_| held.epoch)));
        }
    }
    // Whoever has too little cannot take what others serve: they give it. The control shard goes last.
    let surplus = mine.len().saturating_sub(share);
    if open.is_empty() && surplus > 0 {
        plan.give = mine.iter().rev().take(surplus).copied().collect();
    }
    plan
}

/// The shards in an order that differs from node to node, so that they seldom want the same ones.
fn in_turn<'a>(open: &[&'a Holding], place: usize, nodes: usize) -> Vec<&'a Holding> {
    let first = open.len() * place / nodes.max(1);
    open[first..].iter().chain(&open[..first]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes that follow their plans, one after the other, until nothing changes.
    struct World {
        held: Vec<Holding>,
        alive: BTreeSet<SessionId>,
        dead: BTreeSet<SessionId>,
        free: BTreeMap<SessionId, Free>,
    }

    impl World {
        fn new(shards: u16) -> Self {
            let held = (0..shards).map(|shard| Holding { shard: ShardId(shard), epoch: 0, owner: None, commit: None });
            Self { held: held.collect(), alive: BTreeSet::new(), dead: BTreeSet::new(), free: BTreeMap::new() }
        }

        fn of(&self, node: &str) -> BTreeSet<ShardId> {
            self.held.iter().filter(|held| held.owner.as_deref() == Some(node)).map(|held| held.shard).collect()
        }

        fn settle(&mut self) -> usize {
            for round in 0..50 {
                let mut moved = false;
                for node in self.alive.clone() {
                    let mine = self.of(&node);
                    let free = self.free.entry(node.clone()).or_default();
                    let plan = plan(&self.held, &self.alive, &self.dead, &node, &mine, free);
                    for (shard, dead) in &plan.take {
                        let held = &mut self.held[usize::from(shard.0)];
                        let free = held.owner.is_none() || *dead == Some(held.epoch);
                        assert!(free, "{node} wants {shard:?} of {:?}", held.owner);
                        held.owner = Some(node.clone());
                        held.epoch += 1;
                    }
                    for shard in &plan.give {
                        self.held[usize::from(shard.0)].owner = None;
                    }
                    moved |= plan != Plan::default();
                }
                if !moved {
                    return round;
                }
            }
            panic!("the shards never come to rest: {:?}", self.held);
        }

        fn counts(&self) -> Vec<usize> {
            self.alive.iter().map(|node| self.of(node).len()).collect()
        }
    }

    #[test]
    fn one_node_takes_every_shard() {
        let mut world = World::new(16);
        world.alive.insert("a".into());
        assert!(world.settle() <= 1);
        assert_eq!(world.counts(), [16]);
    }

    #[test]
    fn nodes_that_come_and_go_share_evenly() {
        for shards in [1, 2, 5, 16] {
            let mut world = World::new(shards);
            for node in ["b", "a", "d", "c", "e"] {
                world.alive.insert(node.into());
                world.settle();
                let counts = world.counts();
                assert_eq!(counts.iter().sum::<usize>(), usize::from(shards));
                assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
            }
            for node in ["a", "e", "c"] {
                world.alive.remove(node);
                world.dead.insert(node.into());
                world.settle();
                assert_eq!(world.counts().iter().sum::<usize>(), usize::from(shards), "{node} died");
                assert!(world.of(node).is_empty());
            }
        }
    }

    #[test]
    fn nothing_moves_between_nodes_that_have_their_share() {
        let mut world = World::new(16);
        world.alive.extend(["a".into(), "b".into(), "c".into()]);
        world.settle();
        let before = world.held.clone();
        assert_eq!(world.settle(), 0);
        assert_eq!(world.held, before);
    }

    #[test]
    fn the_control_shard_is_given_last() {
        let mut world = World::new(4);
        world.alive.insert("b".into());
        world.settle();
        world.alive.insert("a".into());
        world.settle();
        assert!(world.of("b").contains(&ShardId::CONTROL), "{:?}", world.held);
    }

    #[test]
    fn a_shard_whose_thread_was_lost_is_taken_again() {
        let mut world = World::new(2);
        world.alive.insert("a".into());
        world.settle();
        let me: SessionId = "a".into();
        let mine = BTreeSet::from([ShardId(0)]);
        let plan = plan(&world.held, &world.alive, &world.dead, &me, &mine, &mut Free::default());
        assert_eq!(plan.take, [(ShardId(1), Some(world.held[1].epoch))]);
    }
}
