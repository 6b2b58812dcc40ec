//! How long to wait before a retry (I17): integers only, no overflow at any attempt number.

use crate::spec::{Backoff, BackoffShape};

impl Backoff {
    /// The wait before retry `n` (from 1), before jitter: within 0 and the cap, non-decreasing in `n`.
    pub fn base_ms(&self, n: u32) -> u64 {
        let n = n.max(1);
        let wait = match self.shape {
            BackoffShape::Fixed => self.initial_ms,
            BackoffShape::Linear => self.initial_ms.saturating_mul(u64::from(n)),
            BackoffShape::Exponential => self.exponential(n),
        };
        wait.min(self.max_ms)
    }

    fn exponential(&self, n: u32) -> u64 {
        let mut wait = u128::from(self.initial_ms) * 1_000;
        let cap = u128::from(self.max_ms) * 1_000;
        let factor = u128::from(self.factor_milli.max(1_000));
        // A factor of 1 never grows; any other reaches a cap of 64 bits long before the loop is long.
        if factor > 1_000 {
            for _ in 1..n {
                if wait >= cap || wait == 0 {
                    break;
                }
                wait = wait.saturating_mul(factor) / 1_000;
            }
        }
        u64::try_from(wait / 1_000).unwrap_or(u64::MAX)
    }

    /// The wait before retry `n`, drawn with `random` if the backoff has jitter.
    pub fn wait_ms(&self, n: u32, random: u64) -> u64 {
        let base = self.base_ms(n);
        if self.full_jitter && base < u64::MAX { random % (base + 1) } else { base }
    }
}

/// SplitMix64: a small, well distributed step from one seed to the next number (Steele, Lea and Flood, 2014).
/// Jitter is drawn from (shard seed, key, attempt), so that a replay draws the same.
pub fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
