//! What to do about occurrences that went by while nobody looked.
//!
//! The cost depends on how many are to be fired, never on how many were missed: ranges are found from both of their ends.

use std::time::Duration;

use jiff::Timestamp;

use crate::plan::Plan;

/// What becomes of occurrences that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MisfirePolicy {
    /// They do not run.
    Skip,
    /// The newest runs and stands for all of them.
    #[default]
    Latest,
    /// All run, the newest ones if there are more than the burst cap.
    All,
}

/// How to catch up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatchUp {
    /// What becomes of missed occurrences.
    pub policy: MisfirePolicy,
    /// An occurrence that is not older than this is not missed, only late.
    pub grace: Duration,
    /// At most so many run at once. At least one.
    pub burst: usize,
}

impl Default for CatchUp {
    fn default() -> Self {
        Self { policy: MisfirePolicy::default(), grace: Duration::from_secs(60), burst: 100 }
    }
}

/// What is to be done about the occurrences of a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// They run, oldest first.
    pub fire: Vec<Timestamp>,
    /// They do not run: ranges for the ledger, oldest first. They and `fire` do not meet.
    pub passed: Vec<Passed>,
}

/// Occurrences that do not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The first of them.
    pub from: Timestamp,
    /// The last of them.
    pub to: Timestamp,
    /// Why.
    pub reason: PassedReason,
}

/// Why an occurrence does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassedReason {
    /// The policy is to skip what was missed.
    Missed,
    /// A newer one stands for it.
    Coalesced,
    /// More were due than may run at once.
    BurstCap,
}

impl Plan {
    /// Divides the occurrences after `last` (the last one that was fired or recorded, or when the schedule was made) and up to
    /// `now` into those to fire and those to record.
    pub fn due(&self, last: Timestamp, now: Timestamp, rules: &CatchUp) -> Due {
        let (Some(oldest), Some(newest)) = (self.next_after(last), self.latest_before(now)) else {
            return Due::default();
        };
        if oldest > newest || newest <= last {
            return Due::default();
        }
        // The newest instant that counts as missed.
        let edge =
            now.checked_sub(rules.grace).map_or(Timestamp::MIN, |edge| edge.checked_sub(MILLISECOND).unwrap_or(edge));
        let any_missed = oldest <= edge;
        match rules.policy {
            MisfirePolicy::Latest if any_missed => self.divide(oldest, newest, 1, PassedReason::Coalesced),
            MisfirePolicy::Skip if any_missed => {
                let Some(missed) = self.latest_before(edge) else { return Due::default() };
                let mut due = match self.next_after(missed).filter(|first| *first <= newest) {
                    Some(first) => self.divide(first, newest, rules.burst, PassedReason::BurstCap),
                    None => Due::default(),
                };
                due.passed.insert(0, Passed { from: oldest, to: missed, reason: PassedReason::Missed });
                due
            }
            _ => self.divide(oldest, newest, rules.burst, PassedReason::BurstCap),
        }
    }

    /// The newest `count` occurrences from `oldest` to `newest` run, the others are recorded.
    fn divide(&self, oldest: Timestamp, newest: Timestamp, count: usize, reason: PassedReason) -> Due {
        let before = |at: &Timestamp| at.checked_sub(MILLISECOND).ok().and_then(|at| self.latest_before(at));
        let backwards = std::iter::successors(Some(newest), before).take_while(|at| *at >= oldest);
        let mut fire: Vec<_> = backwards.take(count.max(1)).collect();
        fire.reverse();
        let left = fire.first().and_then(before).filter(|at| *at >= oldest);
        let passed = left.map(|to| Passed { from: oldest, to, reason });
        Due { fire, passed: passed.into_iter().collect() }
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
