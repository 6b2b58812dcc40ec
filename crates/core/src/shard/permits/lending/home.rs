//! The home's side of a limit: who has how much, and who gets what is free.
//!
//! Nobody is made to wait by what others might use: as long as there is enough for all, whoever asks gets what it wants.
//! When there is not, each of those who want more than an even part gets an even part, and what others have beyond it, or
//! do not use, is called back. If not even one is left for each, the parts go round by time.

use std::collections::BTreeMap;

use super::{RESEND_MS, Use, is_news};
use crate::time::Timestamp;

/// A shard that has borrowed, or asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    pub(super) given: u64,
    pub(super) returned: u64,
    /// What it said last. Volatile, as everything below.
    wants: u64,
    uses: u64,
    keep: Option<u64>,
    heard_at: Timestamp,
    /// It waits for an answer.
    asked: bool,
}

impl Peer {
    pub(super) fn lent(&self) -> u64 {
        self.given - self.returned
    }

    /// What it has, also beyond what was lent.
    fn has(&self) -> u64 {
        self.lent().max(self.uses)
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Home {
    peers: BTreeMap<u16, Peer>,
    /// Who comes first when parts go round, and until when.
    turn: u64,
    turn_ends: Option<Timestamp>,
    called_back_at: Timestamp,
}

/// What came out of a look at a limit.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// What this shard may use.
    pub(super) may: u64,
    /// Peers whose row changed.
    pub(super) changed: Vec<u16>,
    /// Peers that shall hear.
    pub(super) tell: Vec<u16>,
    /// When to look again, whatever happens.
    pub(super) wake: Option<Timestamp>,
}

impl Home {
    pub(super) fn restore(&mut self, peer: u16, given: u64, returned: u64) {
        self.peers.insert(peer, Peer { given, returned, ..Peer::default() });
    }

    pub(super) fn peer(&self, shard: u16) -> &Peer {
        &self.peers[&shard]
    }

    /// Those who have borrowed, or asked.
    pub(super) fn shards(&self) -> impl Iterator<Item = u16> {
        self.peers.keys().copied()
    }

    pub(super) fn keep(&self, shard: u16) -> Option<u64> {
        self.peers[&shard].keep
    }

    /// What all others have.
    pub(super) fn taken(&self) -> u64 {
        self.peers.values().map(Peer::has).sum()
    }

    fn lent(&self) -> u64 {
        self.peers.values().map(Peer::lent).sum()
    }

    /// A borrower speaks; true if its row changed.
    pub(super) fn heard(
        &mut self,
        from: u16,
        (given, returned): (u64, u64),
        at: Timestamp,
        wants: u64,
        uses: u64,
    ) -> bool {
        let peer = self.peers.entry(from).or_default();
        let before = (peer.given, peer.returned);
        // A larger number of gifts than was made is known only to one whose home lost its newest commits.
        peer.given = peer.given.max(given);
        peer.returned = peer.returned.max(returned).min(peer.given);
        if is_news(at, peer.heard_at) {
            (peer.wants, peer.uses, peer.asked, peer.heard_at) = (wants, uses, true, at);
        }
        before != (peer.given, peer.returned)
    }

    /// Divides what there is among those who want it. `total`: the limit; `None`: there is none any more.
    pub(super) fn settle(&mut self, total: Option<u64>, me: u16, own: Use, now: Timestamp, turn_ms: u64) -> Settled {
        let Some(total) = total else { return self.settle_without_limit() };
        let wants = self.peers.iter().map(|(shard, peer)| (*shard, peer.wants.min(total)));
        let mut all: Vec<(u16, u64)> =
            wants.chain([(me, own.wants.min(total))]).filter(|(_, wants)| *wants > 0).collect();
        all.sort_unstable();
        let scarce = all.iter().map(|(_, wants)| wants).sum::<u64>() > total;
        let goes_round = scarce && total > 0 && all.len() as u64 > total;
        let mut parts = divide(total, &all, self.turn);
        if !goes_round {
            self.turn_ends = None;
        } else if self.turn_ends.is_some_and(|ends| ends <= now) && !self.lacks_any(&parts, total, me) {
            self.turn = self.turn.wrapping_add(total);
            self.turn_ends = None;
            parts = divide(total, &all, self.turn);
        }
        let mut out = Settled { changed: self.give(&parts, total, me, own), ..Settled::default() };
        if goes_round && (self.turn_ends.is_none() || !out.changed.is_empty()) {
            // Whoever got something has it for its whole turn.
            self.turn_ends = Some(now.plus_ms(turn_ms));
        }
        let called_back = self.call_back(&parts, (total, scarce), me, now, &mut out);
        let (left, part) = (total.saturating_sub(self.taken()), part_of(&parts, me));
        out.may = if scarce { left.min(part) } else { left };
        let again = called_back.then(|| self.called_back_at.plus_ms(RESEND_MS));
        out.wake = [self.turn_ends, again].into_iter().flatten().filter(|at| *at > now).min();
        out
    }

    /// Gives each peer what it lacks of its part, as far as there is any; says to whom.
    fn give(&mut self, parts: &Parts, total: u64, me: u16, own: Use) -> Vec<u16> {
        let kept = own.uses.max(part_of(parts, me));
        let mut changed = Vec::new();
        for (shard, part) in parts {
            let (taken, lent) = (self.taken(), self.lent());
            let Some(peer) = self.peers.get_mut(shard) else { continue };
            // What it uses already without having borrowed it is taken anyway.
            let free = total.saturating_sub(taken + kept) + (peer.has() - peer.lent());
            let more = part.saturating_sub(peer.lent()).min(free).min(total.saturating_sub(lent + kept));
            if more > 0 {
                peer.given += more;
                changed.push(*shard);
            }
        }
        changed
    }

    /// While there is not enough for all, calls back what peers have beyond their parts, or do not use, though they may
    /// have said otherwise long ago; true if anything is.
    fn call_back(
        &mut self,
        parts: &Parts,
        (total, scarce): (u64, bool),
        me: u16,
        now: Timestamp,
        out: &mut Settled,
    ) -> bool {
        let short = scarce || self.lacks_any(parts, total, me) || self.taken() > total;
        let resend = now.since(self.called_back_at) >= RESEND_MS;
        let mut called_back = false;
        for (shard, peer) in &mut self.peers {
            let part = part_of(parts, *shard);
            let keep = (short && peer.lent() > 0).then_some(part);
            let asked = std::mem::take(&mut peer.asked);
            if asked || peer.keep != keep || keep.is_some() && resend || out.changed.contains(shard) {
                out.tell.push(*shard);
            }
            peer.keep = keep;
            called_back |= keep.is_some();
        }
        if called_back && resend {
            self.called_back_at = now;
        }
        called_back
    }

    /// Whether anybody has less than its part.
    fn lacks_any(&self, parts: &Parts, total: u64, me: u16) -> bool {
        let left = total.saturating_sub(self.taken());
        parts.iter().any(|(shard, part)| match self.peers.get(shard) {
            Some(peer) => peer.lent() < *part,
            None => *shard == me && left < *part,
        })
    }

    /// Whoever gives back what it had hears that this was heard.
    fn settle_without_limit(&mut self) -> Settled {
        self.turn_ends = None;
        let mut tell = Vec::new();
        for (shard, peer) in &mut self.peers {
            peer.keep = None;
            tell.extend(std::mem::take(&mut peer.asked).then_some(*shard));
        }
        Settled { tell, ..Settled::default() }
    }
}

/// What each shard may have, those whose turn it is first.
type Parts = Vec<(u16, u64)>;

fn part_of(parts: &Parts, shard: u16) -> u64 {
    parts.iter().find(|(other, _)| *other == shard).map_or(0, |(_, part)| *part)
}

/// Even parts of `total`, of which nobody gets more than it wants; what cannot be divided goes to those whose turn it is.
fn divide(total: u64, wants: &[(u16, u64)], turn: u64) -> Parts {
    let mut by_want: Vec<(u64, u16)> = wants.iter().map(|(shard, wants)| (*wants, *shard)).collect();
    by_want.sort_unstable();
    let (mut left, mut parts) = (total, Vec::with_capacity(wants.len()));
    let mut rest = by_want.as_slice();
    while let Some(((wants, shard), after)) = rest.split_first() {
        if *wants > left / rest.len() as u64 {
            break;
        }
        parts.push((*shard, *wants));
        (left, rest) = (left - wants, after);
    }
    let mut greedy: Vec<u16> = rest.iter().map(|(_, shard)| *shard).collect();
    greedy.sort_unstable();
    let count = greedy.len() as u64;
    for (place, shard) in (0..).zip(greedy) {
        let first = (place + count - turn % count) % count < left % count;
        parts.push((shard, left / count + u64::from(first)));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_even_and_nobody_gets_more_than_it_wants() {
        assert_eq!(divide(10, &[(0, 2), (1, 100), (2, 100)], 0), [(0, 2), (1, 4), (2, 4)]);
        assert_eq!(divide(3, &[(0, 9), (1, 9), (2, 9), (3, 9)], 0), [(0, 1), (1, 1), (2, 1), (3, 0)]);
        assert_eq!(divide(3, &[(0, 9), (1, 9), (2, 9), (3, 9)], 3), [(0, 1), (1, 1), (2, 0), (3, 1)]);
        assert_eq!(divide(5, &[(0, 1), (1, 2)], 7), [(0, 1), (1, 2)]);
    }
}
