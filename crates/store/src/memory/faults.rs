//! Scripted and seeded misfortune for the in-memory store. Nothing here draws on ambient randomness, so a run with the
//! same script or seed goes the same way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Inner;

/// What goes wrong with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommitFault {
    /// It is applied, and the answer is unknown.
    UnknownApplied,
    /// It is not applied, and the answer is unknown.
    UnknownLost,
    /// The answer is unknown, and it lands only when the shard is acquired again, just before that takes effect.
    UnknownLate,
    /// Another owner took the shard over just before it.
    Rejected,
}

/// How often things go wrong, each in a million calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// [`CommitFault::UnknownApplied`].
    pub unknown_applied: u32,
    /// [`CommitFault::UnknownLost`].
    pub unknown_lost: u32,
    /// [`CommitFault::UnknownLate`].
    pub unknown_late: u32,
    /// [`CommitFault::Rejected`].
    pub rejected: u32,
    /// A read, a load or an acquire that is not available.
    pub unavailable: u32,
}

/// What is planned. Scripts go before rates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) commits: VecDeque<Option<CommitFault>>,
    pub(crate) reads: VecDeque<bool>,
    pub(crate) locked_out: bool,
    rates: FaultRates,
    stream: u64,
}

impl Plan {
    pub(crate) fn seed(&mut self, seed: u64, rates: FaultRates) {
        self.stream = seed;
        self.rates = rates;
    }

    pub(crate) fn commit(&mut self) -> Option<CommitFault> {
        if let Some(scripted) = self.commits.pop_front() {
            return scripted;
        }
        let rates = self.rates;
        let mut drawn = self.draw()?;
        for (rate, fault) in [
            (rates.unknown_applied, CommitFault::UnknownApplied),
            (rates.unknown_lost, CommitFault::UnknownLost),
            (rates.unknown_late, CommitFault::UnknownLate),
            (rates.rejected, CommitFault::Rejected),
        ] {
            if drawn < rate {
                return Some(fault);
            }
            drawn -= rate;
        }
        None
    }

    pub(crate) fn unavailable(&mut self) -> bool {
        if let Some(scripted) = self.reads.pop_front() {
            return scripted;
        }
        let rate = self.rates.unavailable;
        self.draw().is_some_and(|drawn| drawn < rate)
    }

    /// A number below a million from the seeded stream (splitmix64); `None` while no rate is set.
    fn draw(&mut self) -> Option<u32> {
        if self.rates == FaultRates::default() {
            return None;
        }
        self.stream = self.stream.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.stream;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(((mixed ^ (mixed >> 31)) % 1_000_000) as u32)
    }
}

/// The handle through which a test or a simulation makes the store misbehave.
#[derive(Clone, Debug)]
pub struct Faults {
    pub(super) inner: Arc<Mutex<Inner>>,
}

impl Faults {
    /// What happens to the commits that follow, one entry each; `None` goes well. Appended to what is scripted.
    pub fn script_commits(&self, script: impl IntoIterator<Item = Option<CommitFault>>) {
        self.lock().plan.commits.extend(script);
    }

    /// What goes wrong with the next commit that nothing is scripted for.
    pub fn next_commit(&self, fault: CommitFault) {
        self.script_commits([Some(fault)]);
    }

    /// Whether each of the calls that follow (reads, loads, releases, acquires, prunes) is unavailable.
    pub fn script_unavailable(&self, script: impl IntoIterator<Item = bool>) {
        self.lock().plan.reads.extend(script);
    }

    /// Faults at these rates, drawn from the stream of this seed. Zero rates end it.
    pub fn seed(&self, seed: u64, rates: FaultRates) {
        self.lock().plan.seed(seed, rates);
    }

    /// Hands the shard to a higher epoch: the fence in force is refused from now on.
    pub fn usurp(&self) {
        self.lock().usurp();
    }

    /// While set, every acquire answers that another server has the store.
    pub fn lock_out(&self, locked: bool) {
        self.lock().plan.locked_out = locked;
    }

    /// Starts a new incarnation, as after a restore: the fence in force is refused from now on.
    pub fn reincarnate(&self) {
        let mut inner = self.lock();
        inner.state.incarnation += 1;
        inner.usurp();
    }

    /// Forgets everything that was planned.
    pub fn clear(&self) {
        self.lock().plan = Plan::default();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
