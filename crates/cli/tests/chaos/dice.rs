//! A small random source, the same for the same seed.

/// See the module.
pub(crate) struct Dice(u64);

impl Dice {
    /// With the seed of the environment, or a fresh one; prints it.
    pub(crate) fn new(name: &str) -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        let seed = crate::setting("MAINSPRING_CHAOS_SEED", RandomState::new().hash_one(0));
        eprintln!("{name}: MAINSPRING_CHAOS_SEED={seed}");
        Self(seed)
    }

    /// Another one, that depends on this one alone.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    fn next(&mut self) -> u64 {
        self.0 = mainspring_core::retry::mix(self.0);
        self.0
    }
}
