//! Work that is left over: what a node knows of it, and tells the others.

use std::collections::BTreeMap;

use mainspring_node::hub::in_turn;
use mainspring_store::ShardId;

use super::Happening;
use crate::check::Verdict;
use crate::world::World;

impl World {
    /// Work that nobody has room for, as a node knows it; from `rotation` on.
    pub(super) fn demand(&mut self, node: usize, rotation: usize) -> Vec<(ShardId, u64)> {
        let here: Vec<(ShardId, u64)> = self.demand_here(node).into_iter().collect();
        let local = |shard: &ShardId| self.posts[self.post_of(node, usize::from(shard.0))].driver.is_some();
        let board = &self.cluster.as_ref().expect("there is one").processes[node].board;
        let there = board.values().flatten().map(|(shard, tasks)| (*shard, *tasks)).filter(|(shard, _)| !local(shard));
        let there: BTreeMap<ShardId, u64> = there.collect();
        in_turn(here, there.into_iter().collect(), rotation)
    }

    fn demand_here(&self, node: usize) -> BTreeMap<ShardId, u64> {
        let left = |shard: usize| {
            let driver = self.posts[self.post_of(node, shard)].driver.as_ref()?;
            let demand = driver.demand();
            (demand > 0).then_some((ShardId(shard as u16), demand))
        };
        (0..self.shards.len()).filter_map(left).collect()
    }

    /// Tells other nodes, and the turns here, once there is work left over where there was none, or none any more.
    pub(super) fn tell_demand(&mut self, node: usize) -> Verdict {
        let demand: BTreeMap<_, _> =
            self.demand_here(node).into_iter().map(|(shard, left)| (shard, left.next_power_of_two())).collect();
        let process = self.process(node);
        if !process.up || process.said == demand {
            return Ok(());
        }
        let same = process.said.keys().eq(demand.keys());
        process.said = demand;
        self.say_news(node);
        if same { Ok(()) } else { self.drive_all(node) }
    }

    /// Tells the other nodes what is left over here; with each beat again, because it may have been cut off.
    pub(super) fn say_news(&mut self, node: usize) {
        let demand = self.process(node).said.clone();
        for to in self.cluster().up() {
            let life = self.process(to).life;
            let way = if to == node || self.process(to).board.get(&node) == Some(&demand) {
                None
            } else {
                self.between(node, to)
            };
            if let Some(delay) = way {
                self.soon(delay, Happening::News { to, from: node, life, demand: demand.clone() });
            }
        }
    }
}
