//! A token bucket in whole numbers: each millisecond adds `limit`, a permit costs `per_ms`. So no rate is rounded.

use crate::permit::Rate;
use crate::time::Timestamp;

/// What a bucket held at an instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    level: u64,
    at: Timestamp,
}

impl Bucket {
    pub(super) fn empty_at(at: Timestamp) -> Self {
        Self { level: 0, at }
    }

    /// One that has had for ever to fill.
    pub(super) fn full_at_first() -> Self {
        Self { level: u64::MAX, at: Timestamp::default() }
    }

    fn capacity(rate: &Rate) -> u64 {
        rate.per_ms.saturating_mul(u64::from(rate.burst))
    }

    fn level_at(&self, rate: &Rate, now: Timestamp) -> u64 {
        let added = now.since(self.at).saturating_mul(u64::from(rate.limit));
        self.level.saturating_add(added).min(Self::capacity(rate))
    }

    /// When it holds a permit: `now` if it does.
    pub(super) fn opens_at(&self, rate: &Rate, now: Timestamp) -> Timestamp {
        let missing = rate.per_ms.saturating_sub(self.level_at(rate, now));
        now.plus_ms(missing.div_ceil(u64::from(rate.limit).max(1)))
    }

    /// When it is full.
    pub(super) fn full_at(&self, rate: &Rate) -> Timestamp {
        let missing = Self::capacity(rate).saturating_sub(self.level);
        self.at.plus_ms(missing.div_ceil(u64::from(rate.limit).max(1)))
    }

    /// Takes a permit, or what there is of one.
    pub(super) fn take(&mut self, rate: &Rate, now: Timestamp) {
        self.level = self.level_at(rate, now).saturating_sub(rate.per_ms);
        self.at = self.at.max(now);
    }

    /// Takes many permits. What there are too few of is paid off by waiting.
    pub(super) fn charge(&mut self, rate: &Rate, now: Timestamp, permits: u32) {
        let price = rate.per_ms.saturating_mul(u64::from(permits));
        let level = self.level_at(rate, now);
        let debt = price.saturating_sub(level);
        self.level = level.saturating_sub(price);
        self.at = now.plus_ms(debt.div_ceil(u64::from(rate.limit).max(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { limit: 3, per_ms: 1_000, burst: 2 };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_its_rate_without_rounding() {
        let mut bucket = Bucket::empty_at(at(0));
        let mut given = Vec::new();
        let mut now = at(10_000);
        for _ in 0..8 {
            now = bucket.opens_at(&RATE, now);
            bucket.take(&RATE, now);
            given.push(now.as_millis() - 10_000);
        }
        assert_eq!(given, [0, 0, 334, 667, 1_000, 1_334, 1_667, 2_000]);
    }

    #[test]
    fn an_empty_bucket_waits_for_its_first_permit_and_is_full_after_its_burst() {
        let bucket = Bucket::empty_at(at(0));
        assert_eq!(bucket.opens_at(&RATE, at(0)), at(334));
        assert_eq!(bucket.full_at(&RATE), at(667));
    }
}
