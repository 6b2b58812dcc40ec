//! Planted bugs (R04): faults in the thin layer between the core and its world, each of which the judge must find.
//!
//! They stand where a real bug would show: in what is committed (`written`, `state`), read back (`loaded`), released, or
//! told to the core (`told`); `flow` has those of what stands before an attempt. The core itself is never changed.

mod bug;
mod flow;
mod limits;
mod loaded;
mod scheduled;
mod state;
mod told;
mod written;

use std::sync::atomic::{AtomicU64, Ordering};

pub use bug::Plant;

use crate::rng::Rng;

/// Counts over all runs of a process: the one thing here that a world may not depend on.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// A planted bug at work.
#[derive(Debug)]
pub struct Planted {
    plant: Plant,
    rng: Rng,
    run: u64,
    /// How often it struck.
    pub struck: u64,
}

impl Planted {
    /// The bug in one world.
    pub fn new(plant: Plant, rng: Rng) -> Self {
        Self { plant, rng, run: RUNS.fetch_add(1, Ordering::Relaxed), struck: 0 }
    }

    /// Whether this is the bug, and it strikes now.
    pub fn strikes(&mut self, plant: Plant) -> bool {
        self.strikes_often(plant, 35)
    }

    /// Whether this is the bug, and it strikes now, so many times in a hundred.
    pub fn strikes_often(&mut self, plant: Plant, percent: u64) -> bool {
        let strikes = self.plant == plant && self.rng.percent(percent);
        self.struck += u64::from(strikes);
        strikes
    }
}
