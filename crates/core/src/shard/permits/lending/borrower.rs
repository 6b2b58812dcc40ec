//! The borrower's side of a limit: what it has from the home, what it asks for, and what it gives back.

use super::{RESEND_MS, Use, is_news};
use crate::time::Timestamp;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Borrower {
    pub(super) given: u64,
    pub(super) returned: u64,
    /// What the home said last. Volatile, as everything below.
    keep: Option<u64>,
    taken: u64,
    heard_at: Timestamp,
    /// How much of what was returned the home has heard of.
    heard_of: u64,
    /// It was called back and has not answered.
    owes: bool,
    /// What was said last, and when: how much was wanted and used, and whether more was wanted than there was.
    wanted: u64,
    used: u64,
    was_short: bool,
    told_at: Option<Timestamp>,
}

/// What came out of a look at a limit.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// What this shard may use.
    pub(super) may: u64,
    /// Its row changed.
    pub(super) changed: bool,
    /// The home shall hear.
    pub(super) tell: bool,
    /// When to look again, whatever happens.
    pub(super) wake: Option<Timestamp>,
}

impl Borrower {
    pub(super) fn restore(&mut self, given: u64, returned: u64) {
        // Whether the home has heard of all that was returned is not known: it is told once more.
        (self.given, self.returned) = (given, returned);
    }

    pub(super) fn borrowed(&self) -> u64 {
        self.given - self.returned
    }

    /// What all other shards have, as far as the home has told.
    pub(super) fn elsewhere(&self) -> u64 {
        self.taken.saturating_sub(self.borrowed())
    }

    /// The home speaks; true if the row changed.
    pub(super) fn heard(
        &mut self,
        (given, returned): (u64, u64),
        at: Timestamp,
        keep: Option<u64>,
        taken: u64,
    ) -> bool {
        let before = (self.given, self.returned);
        self.given = self.given.max(given);
        // More than was returned is known only to the home of one that lost its newest commits.
        self.returned = self.returned.max(returned).min(self.given);
        self.heard_of = self.heard_of.max(returned);
        if is_news(at, self.heard_at) {
            self.owes |= keep.is_some() && keep != self.keep;
            (self.keep, self.taken, self.heard_at) = (keep, taken, at);
        }
        before != (self.given, self.returned)
    }

    /// Gives back what it shall not keep, and finds out what to say. `total`: the limit; `None`: there is none any more.
    pub(super) fn settle(&mut self, total: Option<u64>, own: Use, now: Timestamp) -> Settled {
        let wants = total.map_or(0, |total| own.wants.min(total));
        let kept = match (total, self.keep) {
            (None, _) => 0,
            (Some(_), Some(keep)) => own.uses.max(keep.min(wants)),
            (Some(total), None) => own.uses.max(total),
        };
        let surplus = self.borrowed().saturating_sub(kept);
        self.returned += surplus;
        let short = wants > self.borrowed();
        let unheard = self.heard_of < self.returned;
        let since = self.told_at.map_or(u64::MAX, |at| now.since(at));
        let more = short && (wants >= self.wanted.saturating_mul(2).max(1) || own.waits && wants > self.wanted);
        let again = (short || unheard || self.keep.is_some()) && since >= RESEND_MS;
        // What runs without having been borrowed keeps the home from lending.
        let unbacked = self.used > self.borrowed() && self.used != own.uses;
        let first = self.told_at.is_none() && total.is_some();
        let tell = first
            || surplus > 0
            || short != self.was_short
            || more
            || again
            || unbacked
            || std::mem::take(&mut self.owes);
        if tell {
            (self.wanted, self.used, self.was_short, self.told_at) = (wants, own.uses, short, Some(now));
        }
        let may = self.borrowed().min(total.unwrap_or(0)).min(self.keep.unwrap_or(u64::MAX));
        let wake = self.told_at.filter(|_| short || unheard).map(|at| at.plus_ms(RESEND_MS));
        Settled { may, changed: surplus > 0, tell, wake }
    }
}
