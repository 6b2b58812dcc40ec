//! Which shard each free place of the worker is offered to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mainspring_store::ShardId;
use tokio::time::Instant;

use super::super::hub::lock;
use super::super::seat::shares;
use super::Turn;

/// How often a shard hears of a session that it has no part in, so that it knows who there is.
const GREET_EVERY: Duration = Duration::from_secs(20);

impl Turn<'_> {
    /// Everything the worker had to say goes to its shards; shards that must hear of the session hear of it.
    pub(super) fn call_all(&mut self, due: Instant) {
        let now = self.cluster.config.clock.monotonic();
        let mut shards: BTreeSet<ShardId> = self.parts.keys().copied().collect();
        {
            let seat = lock(&self.seat);
            for (shard, link) in &seat.links {
                // Places that a shard still has must be heard of again.
                if link.offered > 0 || link.called_at + GREET_EVERY < now || !link.greeted || self.base.leaving {
                    shards.insert(*shard);
                }
            }
        }
        if self.fresh {
            shards.extend((0..self.cluster.shards).map(ShardId));
        }
        if self.base.leaving {
            self.verdicts.extend(shards.iter().copied());
        }
        // Where an attempt has ended there is often more to do: a child, or the next in line.
        let mut demand = self.cluster.demand(self.rotation);
        for (shard, part) in &self.parts {
            let ended = part.outcomes.len() as u64;
            if ended > 0 && demand.iter().all(|(hungry, _)| hungry != shard) {
                demand.push((*shard, ended));
            }
        }
        let shares = self.shares_of(&demand);
        shards.extend(shares.iter().filter(|(_, share)| **share > 0).map(|(shard, _)| *shard));
        let offered: BTreeMap<ShardId, u32> =
            lock(&self.seat).links.iter().map(|(shard, link)| (*shard, link.offered)).collect();
        let offered = |shard: &ShardId| offered.get(shard).copied().unwrap_or(0);
        let more = |shard: &ShardId| shares.get(shard).map_or(0, |share| share.saturating_sub(offered(shard)));
        let mut left = self.free().saturating_sub(lock(&self.seat).claimed());
        let short = demand.iter().map(|(shard, _)| more(shard)).fold(0, u32::saturating_add) > left;
        for shard in shards {
            let given = more(&shard).min(left);
            left -= given;
            let share = shares.get(&shard).copied().unwrap_or(0);
            let capacity = match (self.base.leaving, short && offered(&shard) > share) {
                (true, _) => 0,
                (false, true) => share,
                (false, false) => offered(&shard) + given,
            };
            self.call(shard, capacity, due);
        }
    }

    /// How many places each shard should have.
    fn shares_of(&self, demand: &[(ShardId, u64)]) -> BTreeMap<ShardId, u32> {
        let here = !self.cluster.local_shards().is_empty();
        let stand_by = here.then(|| self.cluster.favourite());
        shares(self.free(), demand, stand_by)
    }

    /// Places of the worker that no grant is on its way for.
    fn free(&self) -> u32 {
        let held = lock(&self.seat).held.len();
        self.capacity.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX))
    }

    /// Gives places to shards that have work for them; takes them from others where there are not enough.
    pub(super) fn offer(&mut self, due: Instant) {
        if self.base.leaving || self.has_news() && self.verdicts.is_empty() {
            return;
        }
        let demand = self.cluster.demand(self.rotation);
        let shares = self.shares_of(&demand);
        let mut left = self.free().saturating_sub(lock(&self.seat).claimed());
        let mut short = false;
        for (shard, share) in &shares {
            let offered = lock(&self.seat).links.get(shard).map_or(0, |link| link.offered);
            let more = share.saturating_sub(offered);
            if more == 0 && (offered == 0 || self.called.contains_key(shard)) {
                continue;
            }
            let given = more.min(left);
            // Only work is worth taking a place back for.
            short |= given < more && demand.iter().any(|(hungry, _)| hungry == shard);
            let is_open = self.called.get(shard).is_some_and(|capacity| *capacity >= offered + given);
            if offered + given > 0 && !is_open && !self.verdicts.contains(shard) {
                left -= given;
                self.call(*shard, offered + given, due);
            }
        }
        if short {
            self.take_back(&shares, due);
        }
    }

    /// Takes places back from shards that have more than their share.
    fn take_back(&mut self, shares: &BTreeMap<ShardId, u32>, due: Instant) {
        let rich: Vec<(ShardId, u32)> = {
            let seat = lock(&self.seat);
            let rich = seat.links.iter().map(|(shard, link)| (*shard, link.offered));
            rich.filter(|(shard, offered)| *offered > shares.get(shard).copied().unwrap_or(0)).collect()
        };
        for (shard, _) in rich {
            let share = shares.get(&shard).copied().unwrap_or(0);
            let asked = self.called.get(&shard).is_some_and(|capacity| *capacity <= share);
            if !asked && !self.verdicts.contains(&shard) {
                self.call(shard, share, due);
            }
        }
    }

    /// Shards with work go without a place.
    pub(super) fn is_contended(&self) -> bool {
        let seat = lock(&self.seat);
        let demand = self.cluster.demand(self.rotation);
        let without = |(shard, _): &(ShardId, u64)| seat.links.get(shard).is_none_or(|link| link.offered == 0);
        self.capacity > 0 && demand.len() > 1 && demand.iter().any(without)
    }
}
