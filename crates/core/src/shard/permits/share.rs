//! Which shard keeps what of a limit that holds for all of them.
//!
//! The limit of a key is kept by one shard, its home, and the tasks of the key live there. Limits of queues, types and
//! backlogs are lent among the shards by their home, and so are the parts of a rate with a burst smaller than the number of
//! shards (`lending`). Other rates are cut in fixed even parts: a part holds at least one permit, so nothing starves, and
//! no message is sent for a start.

use crate::id::{BUCKETS, Bucket};
use crate::permit::Rate;

/// Which of how many shards this is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sharing {
    pub(super) shard: u16,
    pub(super) shards: u16,
}

impl Sharing {
    /// Whether there is but one.
    pub(super) fn is_one(self) -> bool {
        self.shards <= 1
    }

    /// Where the limit of this name is kept; for a key, where its tasks live.
    pub(super) fn home_of(self, name: &str) -> u16 {
        let bucket = u32::from(Bucket::of_text(name).number());
        (bucket * u32::from(self.shards.max(1)) / u32::from(BUCKETS)) as u16
    }

    /// Whether that is here.
    pub(super) fn is_home(self, name: &str) -> bool {
        self.home_of(name) == self.shard
    }

    /// Whether a rate has too few permits for each shard to have a part of it.
    pub(super) fn is_lent(self, rate: &Rate) -> bool {
        rate.burst < u32::from(self.shards)
    }

    /// The fixed part of a rate; its permits that cannot be divided go to the shards from its home on.
    pub(super) fn of_rate(self, rate: &Rate, name: &str) -> Rate {
        let shards = u32::from(self.shards.max(1));
        if shards == 1 {
            return *rate;
        }
        let place = (u32::from(self.shard) + shards - u32::from(self.home_of(name))) % shards;
        let burst = rate.burst / shards + u32::from(place < rate.burst % shards);
        // Of a rate that is not lent each shard has a permit at the least, even where that makes a few more.
        Rate { burst: burst.max(1), per_ms: rate.per_ms.saturating_mul(u64::from(shards)), ..*rate }
    }

    /// So many of the lent parts of a rate, as many as its burst in all; `None`: nothing may start here.
    pub(super) fn part_of_rate(self, rate: &Rate, parts: u64) -> Option<Rate> {
        let parts = parts.min(u64::from(rate.burst)) as u32;
        let per_ms = rate.per_ms.saturating_mul(u64::from(rate.burst));
        (parts > 0).then(|| Rate { limit: rate.limit.saturating_mul(parts), per_ms, burst: parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_second(shares: &[Rate]) -> f64 {
        shares.iter().map(|share| f64::from(share.limit) * 1_000.0 / share.per_ms as f64).sum()
    }

    #[test]
    fn the_fixed_parts_of_a_rate_are_the_whole() {
        let rate = Rate { limit: 10, per_ms: 1_000, burst: 20 };
        let shares: Vec<Rate> = (0..16).map(|shard| Sharing { shard, shards: 16 }.of_rate(&rate, "api")).collect();
        assert_eq!(shares.iter().map(|share| share.burst).sum::<u32>(), 20);
        assert!((per_second(&shares) - 10.0).abs() < 0.001);
    }

    #[test]
    fn the_lent_parts_of_a_rate_are_the_whole() {
        let rate = Rate { limit: 10, per_ms: 1_000, burst: 4 };
        let sharing = Sharing { shard: 3, shards: 16 };
        let shares: Vec<Rate> = [3, 0, 1].into_iter().filter_map(|parts| sharing.part_of_rate(&rate, parts)).collect();
        assert_eq!(shares.iter().map(|share| share.burst).collect::<Vec<_>>(), [3, 1]);
        assert!((per_second(&shares) - 10.0).abs() < 0.001);
    }
}
