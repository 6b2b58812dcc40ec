//! Which shard each free place of the worker is offered to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mainspring_store::ShardId;

use super::super::seat::{Seat, shares};
use super::{Around, Order, Turn};

/// How often a shard hears of a session that it has no part in, so that it knows who there is.
const GREET_EVERY: Duration = Duration::from_secs(20);

impl Turn {
    /// The first calls: everything the worker had to say goes to its shards; shards that must hear of the session hear of it.
    pub fn begin(&mut self, seat: &mut Seat, around: &Around<'_>) -> Vec<Order> {
        let mut shards: BTreeSet<ShardId> = self.parts.keys().copied().collect();
        for (shard, link) in &seat.links {
            // Places that a shard still has must be heard of again.
            if link.offered > 0 || link.called_at + GREET_EVERY < around.now || !link.greeted || self.leaving {
                shards.insert(*shard);
            }
        }
        if self.fresh {
            let all = || (0..around.shards).map(ShardId);
            seat.ask_all(all());
            shards.extend(all());
        }
        if self.leaving {
            self.verdicts.extend(shards.iter().copied());
        }
        // Where an attempt has ended there is often more to do: a child, or the next in line.
        let mut demand = around.demand.to_vec();
        for (shard, part) in &self.parts {
            if part.outcomes > 0 && demand.iter().all(|(hungry, _)| hungry != shard) {
                demand.push((*shard, part.outcomes));
            }
        }
        let shares = shares(self.free(seat), &demand, around.stand_by);
        shards.extend(shares.iter().filter(|(_, share)| **share > 0).map(|(shard, _)| *shard));
        let offered: BTreeMap<ShardId, u32> = seat.links.iter().map(|(shard, link)| (*shard, link.offered)).collect();
        let offered = |shard: &ShardId| offered.get(shard).copied().unwrap_or(0);
        let more = |shard: &ShardId| shares.get(shard).map_or(0, |share| share.saturating_sub(offered(shard)));
        let mut left = self.free(seat).saturating_sub(seat.claimed());
        let short = demand.iter().map(|(shard, _)| more(shard)).fold(0, u32::saturating_add) > left;
        let mut orders = Vec::with_capacity(shards.len());
        for shard in shards {
            let given = more(&shard).min(left);
            left -= given;
            let share = shares.get(&shard).copied().unwrap_or(0);
            let capacity = match (self.leaving, short && offered(&shard) > share) {
                (true, _) => 0,
                (false, true) => share,
                (false, false) => offered(&shard) + given,
            };
            let capacity = capacity.min(self.room(seat, shard));
            orders.push(self.call(seat, shard, capacity, around.now));
        }
        orders
    }

    /// Places of the worker that no grant is on its way for; none while that is not known of every shard.
    fn free(&self, seat: &Seat) -> u32 {
        if seat.is_unread() {
            return 0;
        }
        self.capacity.saturating_sub(u32::try_from(seat.held.len()).unwrap_or(u32::MAX))
    }

    /// Places that a shard may be offered, those it has included: what others claim they may have granted by now.
    fn room(&self, seat: &Seat, shard: ShardId) -> u32 {
        let own = seat.links.get(&shard).map_or(0, |link| link.offered);
        self.free(seat).saturating_sub(seat.claimed() - own)
    }

    /// Gives places to shards that have work for them; takes them from others where there are not enough. Once the wait is
    /// over, or another node speaks for the session, nothing more is offered: a shard would answer such a call at once, only
    /// to be called again.
    pub fn offer(&mut self, seat: &mut Seat, around: &Around<'_>, elapsed: Duration) -> Vec<Order> {
        let mut orders = Vec::new();
        if elapsed >= self.wait
            || self.outdated
            || self.leaving
            || self.has_news(seat, around.paused) && self.verdicts.is_empty()
        {
            return orders;
        }
        let shares = shares(self.free(seat), around.demand, around.stand_by);
        let mut left = self.free(seat).saturating_sub(seat.claimed());
        let mut short = false;
        for (shard, share) in &shares {
            let offered = seat.links.get(shard).map_or(0, |link| link.offered);
            let more = share.saturating_sub(offered);
            if more == 0 && (offered == 0 || self.called.contains_key(shard)) {
                continue;
            }
            let given = more.min(left);
            // Only work is worth taking a place back for.
            short |= given < more && around.demand.iter().any(|(hungry, _)| hungry == shard);
            let open = self.called.get(shard).copied();
            let capacity = (offered + given).min(self.room(seat, *shard));
            let is_open = open.is_some_and(|open| open >= capacity);
            if capacity > 0 && !is_open && !self.verdicts.contains(shard) {
                left -= given;
                orders.push(self.call(seat, *shard, capacity, around.now));
            }
        }
        if short {
            self.take_back(seat, &shares, around.now, &mut orders);
        }
        orders
    }

    /// Takes places back from shards that have more than their share.
    fn take_back(&mut self, seat: &mut Seat, shares: &BTreeMap<ShardId, u32>, now: Duration, orders: &mut Vec<Order>) {
        let share = |shard: &ShardId| shares.get(shard).copied().unwrap_or(0);
        let rich = seat.links.iter().filter(|(shard, link)| link.offered > share(shard));
        for shard in rich.map(|(shard, _)| *shard).collect::<Vec<_>>() {
            let asked = self.called.get(&shard).is_some_and(|capacity| *capacity <= share(&shard));
            if !asked && !self.verdicts.contains(&shard) {
                let capacity = share(&shard).min(self.room(seat, shard));
                orders.push(self.call(seat, shard, capacity, now));
            }
        }
    }

    /// Shards with work go without a place.
    pub(super) fn is_contended(&self, seat: &Seat, around: &Around<'_>) -> bool {
        let without = |(shard, _): &(ShardId, u64)| seat.links.get(shard).is_none_or(|link| link.offered == 0);
        self.capacity > 0 && around.demand.len() > 1 && around.demand.iter().any(without)
    }
}
