//! One call of a worker while it is carried out: who is called, what they answer, and when that is news.
//!
//! Whoever runs it passes on the calls that it orders, brings the answers, and asks after each thing that happened what to
//! do next. Time counts from the beginning of the turn.

mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mainspring_core::id::Token;
use mainspring_store::ShardId;

use super::seat::{Merged, Part, Seat};

/// How long a call waits for the verdict of a shard before it is answered without: where there is nothing to grant, and where
/// there is. A shard that does not answer must not keep the work of others from the worker.
const VERDICT_MAX: [Duration; 2] = [Duration::from_secs(2), Duration::from_millis(500)];
/// How often places are moved between shards that all have work.
const ROTATE: Duration = Duration::from_millis(50);

/// What a call tells one shard, apart from attempts that run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Brief {
    /// Attempts that have ended.
    pub outcomes: u64,
    /// There is output or progress: what is said once only.
    pub once: bool,
}

impl Brief {
    /// It brings what the worker waits for a verdict of, or what is said once only.
    fn speaks(&self) -> bool {
        self.outcomes > 0 || self.once
    }
}

/// How things stand around the turn.
#[derive(Debug)]
pub struct Around<'a> {
    /// The monotonic clock.
    pub now: Duration,
    /// How many shards there are.
    pub shards: u16,
    /// Shards with ready work that nobody has room for, in the order in which they are served, see [`Turn::rotation`].
    pub demand: &'a [(ShardId, u64)],
    /// The shard of this node that free places stand by at.
    pub stand_by: Option<ShardId>,
    /// The worker is paused.
    pub paused: bool,
}

/// A call to make to one shard. An older call to it is superseded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which.
    pub shard: ShardId,
    /// The number of the call.
    pub seq: u64,
    /// The last answer of the shard that was read.
    pub ack: u64,
    /// Free places that it offers.
    pub capacity: u32,
    /// The shard has not met the session through this node.
    pub fresh: bool,
    /// The shard shall also answer once it can grant no more than is offered; not before, or it would be asked again at once.
    pub settle: bool,
    /// It takes along what the worker said to this shard: the first call to it in a turn.
    pub first: bool,
    /// It brings what must be known to have arrived: another node is to answer without waiting for news.
    pub speaks: bool,
}

/// A shard did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The worker is to be answered: [`Turn::end`].
    Answer,
    /// To wait for an answer of a shard or a change around, at the longest until so long after the beginning.
    Wait(Duration),
}

/// One call of a worker while it is carried out.
#[derive(Debug)]
pub struct Turn {
    fresh: bool,
    leaving: bool,
    capacity: u32,
    wait: Duration,
    /// What each shard is told, until it is called.
    parts: BTreeMap<ShardId, Brief>,
    /// Shards with an open call, and what it offers them.
    called: BTreeMap<ShardId, u32>,
    /// Shards whose verdict the worker waits for.
    verdicts: BTreeSet<ShardId>,
    /// Shards that are told what is said only once.
    once: BTreeSet<ShardId>,
    accepted: Vec<Token>,
    stale: Vec<Token>,
    unreadable: Vec<String>,
    rotation: usize,
    rotate_at: Duration,
    /// A newer call of the session is carried out by another node.
    outdated: bool,
    /// The pulse of the node when the call came in.
    pulse: Option<u64>,
}

impl Turn {
    /// A call that waits so long for news and offers so many places; `fresh`: the session is new to this node. `parts` is
    /// what it says to each shard, those where attempts of its run included; `unreadable` what was sent as tokens and is none.
    pub fn new(
        seat: &Seat,
        (fresh, leaving): (bool, bool),
        (capacity, wait): (u32, Duration),
        parts: BTreeMap<ShardId, Brief>,
        unreadable: Vec<String>,
    ) -> Self {
        let of = |fits: fn(&Brief) -> bool| {
            parts.iter().filter(|(_, part)| fits(part)).map(|(shard, _)| *shard).collect::<BTreeSet<ShardId>>()
        };
        Self {
            fresh,
            leaving,
            capacity: if leaving { 0 } else { capacity },
            wait,
            called: BTreeMap::new(),
            verdicts: of(Brief::speaks),
            once: of(|part| part.once),
            accepted: Vec::new(),
            stale: Vec::new(),
            unreadable,
            rotation: usize::try_from(seat.seq()).unwrap_or(0),
            rotate_at: ROTATE,
            outdated: false,
            pulse: seat.pulse,
            parts,
        }
    }

    /// Moves on when shards that all have work should be served in another order: who comes first in [`Around::demand`].
    pub fn rotation(&self) -> usize {
        self.rotation
    }

    /// What to do, once all that has happened was taken in. `superseded`: a newer call speaks for the session.
    pub fn next(&self, seat: &Seat, around: &Around<'_>, elapsed: Duration, superseded: bool) -> Next {
        let patience = VERDICT_MAX[usize::from(seat.holds_grants())];
        let answered = self.verdicts.is_empty() || elapsed >= patience;
        if answered && (superseded || self.outdated || self.has_news(seat, around.paused) || elapsed >= self.wait) {
            return Next::Answer;
        }
        let until = if answered { self.wait } else { patience };
        Next::Wait(if self.is_contended(seat, around) { until.min(self.rotate_at) } else { until })
    }

    /// Nothing has happened for as long as [`Turn::next`] said.
    pub fn waited(&mut self, seat: &Seat, around: &Around<'_>, elapsed: Duration) {
        if elapsed >= self.rotate_at && self.is_contended(seat, around) {
            self.rotate_at = elapsed + ROTATE;
            self.rotation = self.rotation.wrapping_add(1);
        }
    }

    fn has_news(&self, seat: &Seat, paused: bool) -> bool {
        let verdict = !(self.accepted.is_empty() && self.stale.is_empty() && self.unreadable.is_empty());
        verdict || self.leaving && self.verdicts.is_empty() || seat.has_news(paused)
    }

    /// Calls a shard; an older call to it is superseded.
    fn call(&mut self, seat: &mut Seat, shard: ShardId, capacity: u32, now: Duration) -> Order {
        let (seq, ack, fresh) = seat.call(shard, capacity, now);
        let part = self.parts.remove(&shard);
        let lowered = seat.links.get(&shard).is_some_and(|link| link.offered > capacity);
        self.called.insert(shard, capacity);
        Order {
            shard,
            seq,
            ack,
            capacity,
            fresh,
            settle: capacity == 0 || lowered,
            first: part.is_some(),
            speaks: part.is_some_and(|part| part.speaks()),
        }
    }

    /// A shard has answered the call of this number, or has not.
    ///
    /// # Errors
    /// It has not, and the worker must hear of it: what it said to the shard it says again only if it gets no answer.
    pub fn take(&mut self, seat: &mut Seat, shard: ShardId, seq: u64, part: Result<Part, Away>) -> Result<(), Away> {
        let is_last = seat.links.get(&shard).is_some_and(|link| link.seq == seq);
        if is_last {
            self.called.remove(&shard);
            self.verdicts.remove(&shard);
        }
        let once = self.once.remove(&shard);
        match part {
            Ok(mut part) => {
                // An older call may have been overtaken on its way by the newest of this node.
                self.outdated |= is_last && part.outdated;
                if self.pulse != seat.pulse {
                    // It may have been made before the shard had another owner. The call since then has asked anew.
                    part.grants.clear();
                }
                seat.answered(shard, seq, &mut part);
                self.accepted.append(&mut part.accepted);
                self.stale.append(&mut part.stale);
                Ok(())
            }
            Err(Away) => {
                self.verdicts.remove(&shard);
                if once {
                    return Err(Away);
                }
                if let Some(link) = seat.links.get_mut(&shard) {
                    // Whoever owns it next has not met the session.
                    link.greeted = false;
                }
                if is_last {
                    // The others do not wait for one that nobody serves, though it may hold a grant for the session.
                    seat.unread.remove(&shard);
                }
                Ok(())
            }
        }
    }

    /// What to answer the worker; what is still open is to be hung up. `superseded`: a newer call speaks for the session, and
    /// is to be woken: what there is to say is said to that.
    pub fn end(self, seat: &mut Seat, paused: bool, superseded: bool) -> Merged {
        if superseded || self.outdated {
            let (accepted, stale, unreadable) = (self.accepted, self.stale, self.unreadable);
            let directive = seat.directive(paused);
            return Merged { accepted, stale, unreadable, directive, ..Merged::default() };
        }
        let mut merged = seat.tell(paused);
        merged.accepted = self.accepted;
        merged.stale = self.stale;
        merged.stale.sort_unstable();
        merged.stale.dedup();
        merged.unreadable = self.unreadable;
        seat.remember(&merged);
        merged
    }
}

#[cfg(test)]
mod tests;
