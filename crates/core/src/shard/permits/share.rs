//! What one of several shards may give out of a limit that holds for all of them.
//!
//! The limit of a key is kept by one shard, its home, and the tasks of the key live there. Limits of queues and types hold
//! everywhere:
//! each shard has a fixed share, so that all together never exceed a limit, whatever they know of each other: `limit /
//! shards`, and one more for as many shards as the division leaves, counted from the limit's home. Of a limit that is
//! smaller than the number of shards, some shards have none.

use crate::id::{BUCKETS, Bucket};
use crate::permit::Rate;

/// Which of how many shards this is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sharing {
    pub(super) shard: u16,
    pub(super) shards: u16,
}

impl Sharing {
    /// Whether this is where the tasks of a key live.
    pub(super) fn is_home(self, key: &str) -> bool {
        let bucket = u32::from(Bucket::of_text(key).number());
        bucket * u32::from(self.shards.max(1)) / u32::from(BUCKETS) == u32::from(self.shard)
    }

    /// The share of a number under this name.
    pub(super) fn of(self, total: u64, name: &str) -> u64 {
        let (shards, shard) = (u64::from(self.shards.max(1)), u64::from(self.shard));
        if shards == 1 {
            return total;
        }
        let home = u64::from(Bucket::of_text(name).number()) % shards;
        let place = (shard + shards - home) % shards;
        total / shards + u64::from(place < total % shards)
    }

    /// The share of a rate; `None`: nothing may start here.
    pub(super) fn of_rate(self, rate: &Rate, name: &str) -> Option<Rate> {
        if self.shards <= 1 {
            return Some(*rate);
        }
        let burst = self.of(u64::from(rate.burst), name) as u32;
        // As many shards as have a burst divide the rate among them.
        let sharing = u64::from(rate.burst).min(u64::from(self.shards)).max(1);
        (burst > 0).then(|| Rate { burst, per_ms: rate.per_ms.saturating_mul(sharing), ..*rate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_all_shards_are_the_whole_and_differ_by_one() {
        for (total, shards) in [(0, 16), (1, 16), (15, 16), (16, 16), (100, 16), (7, 3), (9, 1)] {
            let shares: Vec<u64> = (0..shards).map(|shard| Sharing { shard, shards }.of(total, "db")).collect();
            assert_eq!(shares.iter().sum::<u64>(), total, "{shares:?}");
            assert!(shares.iter().max().zip(shares.iter().min()).is_some_and(|(most, least)| most - least <= 1));
        }
    }

    #[test]
    fn the_rates_of_all_shards_are_no_more_than_the_whole() {
        let rate = Rate { limit: 10, per_ms: 1_000, burst: 4 };
        let of = |shard| Sharing { shard, shards: 16 }.of_rate(&rate, "api");
        let shares: Vec<Rate> = (0..16).filter_map(of).collect();
        assert_eq!(shares.iter().map(|share| share.burst).sum::<u32>(), 4);
        let per_second: f64 = shares.iter().map(|share| f64::from(share.limit) * 1_000.0 / share.per_ms as f64).sum();
        assert!((per_second - 10.0).abs() < 0.001, "{per_second}");
    }
}
