//! What this shard may use of a limit now.

use super::{Pace, Permits};
use crate::id::Name;
use crate::loan::{LoanKind, LoanName};
use crate::permit::{LimitScope, Rate};

impl Permits {
    /// How many of so many places this shard may use now.
    pub(super) fn share_places(&mut self, id: &(LimitScope, Name), max: Option<u32>) -> Option<u32> {
        let of = LoanName { scope: id.0, name: id.1.clone(), kind: LoanKind::Places };
        self.lending.set(&of, max.map(u64::from)).map(|may| may as u32)
    }

    /// How much of a rate this shard may use now.
    pub(super) fn share_rate(&mut self, id: &(LimitScope, Name), rate: Option<Rate>) -> Option<Pace> {
        let sharing = self.sharing;
        let of = LoanName { scope: id.0, name: id.1.clone(), kind: LoanKind::Rate };
        let lent = rate.filter(|rate| sharing.is_lent(rate));
        let may = self.lending.set(&of, lent.map(|rate| u64::from(rate.burst)));
        let rate = rate?;
        Some(match lent {
            Some(_) => sharing.part_of_rate(&rate, may.unwrap_or(0)),
            None => Some(sharing.of_rate(&rate, &id.1)),
        })
    }

    /// Whether a limit has a place left for another task.
    pub(super) fn has_place(&self, id: &(LimitScope, Name)) -> bool {
        self.turnstiles
            .get(id)
            .and_then(|turnstile| Some((turnstile.running, turnstile.max?)))
            .is_none_or(|(n, m)| n < m)
    }
}
