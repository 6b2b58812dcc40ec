//! What the hub remembers of one worker session: which grants and cancels it was sent and has acknowledged, and how many
//! of its places each shard has been offered.
//!
//! A place is offered to one shard at a time. What a shard was offered stays claimed until the shard's own answer says
//! that no grant for it can come any more; so a worker is never granted more than it has room for, whatever is cut off.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mainspring_core::id::{Name, Token};
use mainspring_core::row::Directive;
use mainspring_store::ShardId;

/// Calls of the hub to one shard within one call of the worker.
const CALLS_BITS: u32 = 20;

/// Tokens of attempts that are over, remembered by a session: many more than can be on their way.
const OVER_MAX: usize = 4_096;

/// A grant on its way to a worker.
#[derive(Clone, Debug)]
pub struct Held {
    /// Of which lease.
    pub token: Token,
    /// As the wire has it.
    pub json: Arc<[u8]>,
}

/// What one shard answered.
#[derive(Debug, Default)]
pub struct Part {
    /// Attempts to run.
    pub grants: Vec<Held>,
    /// Tokens whose outcomes are durable.
    pub accepted: Vec<Token>,
    /// Tokens that are no longer good.
    pub stale: Vec<Token>,
    /// Attempts to stop.
    pub cancel: Vec<Token>,
    /// What the worker shall do.
    pub directive: Directive,
    /// How many grants may still come.
    pub offered: u32,
    /// The shard knows a later call of the session: another node speaks for it by now.
    pub outdated: bool,
}

/// The answers of all shards as one.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// The call of the worker that it answers.
    pub seq: u64,
    /// See [`Part`].
    pub grants: Vec<Held>,
    /// See [`Part`].
    pub accepted: Vec<Token>,
    /// See [`Part`].
    pub stale: Vec<Token>,
    /// What was sent as tokens and is none; stale on the wire.
    pub unreadable: Vec<String>,
    /// See [`Part`].
    pub cancel: Vec<Token>,
    /// What the worker shall do.
    pub directive: Directive,
}

/// What ties a session to one shard.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// The number of the last call, and of the last one whose answer was read.
    pub(super) seq: u64,
    pub(super) ack: u64,
    /// Places that the shard may still make grants for.
    pub(super) offered: u32,
    /// The shard has answered the last call, which made the session known to it from this node.
    pub(super) greeted: bool,
    pub(super) called_at: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Seat {
    worker: Name,
    seq: u64,
    digest: u64,
    last: Option<Merged>,
    pub(super) links: BTreeMap<ShardId, Link>,
    /// Shards that may hold grants for the session which this node has not heard of: until they have said so, nobody knows
    /// which places are free.
    pub(super) unread: BTreeSet<ShardId>,
    pub(super) held: Vec<Held>,
    sent: Vec<(u64, Vec<Held>)>,
    cancels: Vec<Token>,
    cancels_sent: Vec<(u64, Token)>,
    /// Attempts that a shard has called over. One of its answers may come late and grant them: the worker may have forgotten
    /// that it ran them.
    over: HashSet<Token>,
    over_order: VecDeque<Token>,
    drain: bool,
    told: Directive,
    /// The pulse of the node at the last call that was carried out.
    pub(super) pulse: Option<u64>,
    /// When it was heard of last.
    pub heard_at: Duration,
    /// The lease that it asked for last.
    pub lease: Duration,
}

/// What to do with a call.
pub enum Begun {
    /// It was answered before, or is too old: with this.
    Answered(Box<Merged>),
    /// It is to be carried out. The session is new to this node, or has spoken with another one since.
    Go {
        /// See above.
        fresh: bool,
    },
}

/// The part of a call that says where it stands in its session.
pub struct Standing<'a> {
    /// The number of the call, from 1.
    pub seq: u64,
    /// The newest answer that the worker has read.
    pub ack: u64,
    /// Tells a repeat of a call from another one of the same number.
    pub digest: u64,
    /// Tokens that the worker speaks of.
    pub spoken: &'a HashSet<Token>,
    /// Names the time for which the node surely was not taken for dead; `None`: its beat is late.
    pub pulse: Option<u64>,
}

impl Seat {
    /// A seat for a session that was not known here.
    pub fn new(worker: Name, now: Duration) -> Self {
        Self {
            worker,
            seq: 0,
            digest: 0,
            last: None,
            links: BTreeMap::new(),
            unread: BTreeSet::new(),
            held: Vec::new(),
            sent: Vec::new(),
            cancels: Vec::new(),
            cancels_sent: Vec::new(),
            over: HashSet::new(),
            over_order: VecDeque::new(),
            drain: false,
            told: Directive::Run,
            pulse: None,
            heard_at: now,
            lease: Duration::ZERO,
        }
    }

    /// Whose session it is.
    pub fn worker(&self) -> &Name {
        &self.worker
    }

    /// The number of its last call.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// A call of the worker came in.
    pub fn begin(&mut self, standing: &Standing<'_>, now: Duration) -> Begun {
        self.heard_at = now;
        let seq = standing.seq;
        // What is remembered may be over since: the next call asks for it. Under a late beat each does, since what it was
        // granted was not handed out, and takes its places all the same.
        let is_over = self.pulse != standing.pulse || standing.pulse.is_none();
        if seq < self.seq || seq == self.seq && is_over {
            let directive = self.told;
            return Begun::Answered(Box::new(Merged { seq, directive, ..Merged::default() }));
        }
        if seq == self.seq
            && standing.digest == self.digest
            && let Some(last) = &self.last
        {
            return Begun::Answered(Box::new(last.clone()));
        }
        let fresh = self.seq == 0 || seq > self.seq + 1 || is_over;
        self.pulse = standing.pulse;
        if fresh {
            // Another node may have spoken for the session meanwhile, or have taken shards over: all that is known here may be out of date. What
            // shards were offered from there they forget with the first call from here.
            self.links.values_mut().for_each(|link| *link = Link { offered: 0, ..Link::default() });
            self.held.clear();
            self.sent.clear();
            self.cancels.clear();
            self.cancels_sent.clear();
        }
        (self.seq, self.digest, self.last) = (seq, standing.digest, None);
        self.acknowledged(standing);
        Begun::Go { fresh }
    }

    /// Forgets what was acknowledged, and puts back what was not.
    fn acknowledged(&mut self, standing: &Standing<'_>) {
        self.sent.retain(|(seq, _)| *seq > standing.ack);
        self.cancels_sent.retain(|(seq, _)| *seq > standing.ack);
        let mut again: Vec<Held> = self.sent.drain(..).flat_map(|(_, held)| held).collect();
        again.append(&mut self.held);
        again.retain(|held| !standing.spoken.contains(&held.token));
        self.held = again;
        let mut again: Vec<Token> = self.cancels_sent.drain(..).map(|(_, token)| token).collect();
        again.append(&mut self.cancels);
        self.cancels = again;
    }

    /// The session is new to this node. If it has spoken elsewhere, each of these shards may hold grants that it was not told
    /// of; at its first call nobody can.
    pub(super) fn ask_all(&mut self, shards: impl Iterator<Item = ShardId>) {
        self.unread = if self.seq > 1 { shards.collect() } else { BTreeSet::new() };
    }

    /// Whether some shard has yet to say what it holds for the session: until then no place is offered.
    pub fn is_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// The next call to a shard: its number, the last answer that was read, and whether the shard is to be greeted.
    pub(super) fn call(&mut self, shard: ShardId, capacity: u32, now: Duration) -> (u64, u64, bool) {
        let first = self.seq << CALLS_BITS;
        let link = self.links.entry(shard).or_default();
        link.seq = (link.seq + 1).max(first);
        // Until the shard answers, what it was offered before may still be granted too.
        link.offered = link.offered.max(capacity);
        link.called_at = now;
        (link.seq, link.ack, !link.greeted)
    }

    /// A shard has answered the call of this number.
    pub(super) fn answered(&mut self, shard: ShardId, seq: u64, part: &mut Part) {
        let link = self.links.entry(shard).or_default();
        link.ack = link.ack.max(seq);
        if link.seq == seq {
            (link.offered, link.greeted) = (part.offered, true);
            self.unread.remove(&shard);
        } else if link.ack < link.seq {
            // An answer to an older call says nothing of what the newer one offers, and may have been given before the
            // shard knew what the session holds.
            link.offered = link.offered.max(part.offered);
        }
        self.drain |= part.directive == Directive::Drain;
        for token in part.accepted.iter().chain(&part.stale) {
            self.call_over(*token);
        }
        let known: HashSet<Token> = self.all_held().map(|held| held.token).collect();
        for held in part.grants.drain(..) {
            if !known.contains(&held.token) && !self.over.contains(&held.token) {
                self.held.push(held);
            }
        }
        for token in part.cancel.drain(..) {
            self.cancel(token);
        }
    }

    fn call_over(&mut self, token: Token) {
        self.held.retain(|held| held.token != token);
        for (_, held) in &mut self.sent {
            held.retain(|held| held.token != token);
        }
        if self.over.insert(token) {
            self.over_order.push_back(token);
        }
        if self.over_order.len() > OVER_MAX
            && let Some(oldest) = self.over_order.pop_front()
        {
            self.over.remove(&oldest);
        }
    }

    fn all_held(&self) -> impl Iterator<Item = &Held> {
        self.sent.iter().flat_map(|(_, held)| held).chain(&self.held)
    }

    /// A grant that was never sent is forgotten, any other is to be cancelled.
    fn cancel(&mut self, token: Token) {
        let waiting = self.held.len();
        self.held.retain(|held| held.token != token);
        if self.held.len() == waiting {
            self.cancels.push(token);
        }
    }

    /// Places that shards may still make grants for.
    pub(super) fn claimed(&self) -> u32 {
        self.links.values().map(|link| link.offered).fold(0, u32::saturating_add)
    }

    /// What the worker shall do; `paused` is the worker's durable setting.
    pub(super) fn directive(&self, paused: bool) -> Directive {
        match (self.drain, paused) {
            (true, _) => Directive::Drain,
            (false, true) => Directive::Pause,
            (false, false) => Directive::Run,
        }
    }

    /// Whether there is something to say at once.
    pub(super) fn has_news(&self, paused: bool) -> bool {
        !self.held.is_empty() || !self.cancels.is_empty() || self.directive(paused) != self.told
    }

    /// Whether there is anything to grant.
    pub fn holds_grants(&self) -> bool {
        !self.held.is_empty()
    }

    /// Forgets what there is to grant, unless this node's pulse is what it was: then the next call asks for it. Only at the
    /// end of a turn: until then its places are taken.
    pub fn withhold_unless(&mut self, pulse: Option<u64>) {
        if pulse.is_none() || self.pulse != pulse {
            self.held.clear();
        }
    }

    /// Everything there is to say; remembered until it is acknowledged.
    pub(super) fn tell(&mut self, paused: bool) -> Merged {
        let grants = std::mem::take(&mut self.held);
        if !grants.is_empty() {
            self.sent.push((self.seq, grants.clone()));
        }
        let cancel = std::mem::take(&mut self.cancels);
        self.cancels_sent.extend(cancel.iter().map(|token| (self.seq, *token)));
        self.told = self.directive(paused);
        Merged { seq: self.seq, grants, cancel, directive: self.told, ..Merged::default() }
    }

    /// Remembers the answer to the call of this number, for a repeat.
    pub fn remember(&mut self, merged: &Merged) {
        if merged.seq == self.seq {
            self.last = Some(merged.clone());
        }
    }
}

/// How many places each shard should be offered: those with work in equal parts, but none more than it has work for; the
/// rest stands by at `stand_by`.
pub(super) fn shares(free: u32, demand: &[(ShardId, u64)], stand_by: Option<ShardId>) -> BTreeMap<ShardId, u32> {
    let mut left = free;
    let mut shares: BTreeMap<ShardId, u32> = BTreeMap::new();
    let mut hungry: Vec<(ShardId, u32)> =
        demand.iter().map(|(shard, tasks)| (*shard, u32::try_from(*tasks).unwrap_or(u32::MAX))).collect();
    while left > 0 && !hungry.is_empty() {
        let each = (left / hungry.len() as u32).max(1);
        for (shard, tasks) in &mut hungry {
            let given = each.min(*tasks).min(left);
            *shares.entry(*shard).or_default() += given;
            *tasks -= given;
            left -= given;
        }
        hungry.retain(|(_, tasks)| *tasks > 0);
    }
    if let Some(stand_by) = stand_by
        && left > 0
    {
        *shares.entry(stand_by).or_default() += left;
    }
    shares
}

#[cfg(test)]
mod tests {
    use mainspring_core::id::Key;

    use super::*;

    fn token(number: u64) -> Token {
        Token { incarnation: 1, task: Key::from_raw(number), lease: number }
    }

    fn part(grants: &[u64], offered: u32) -> Part {
        let held = |number: &u64| Held { token: token(*number), json: [].into() };
        Part { grants: grants.iter().map(held).collect(), offered, ..Part::default() }
    }

    fn begin(seat: &mut Seat, seq: u64, ack: u64, spoken: &[u64]) -> Option<bool> {
        let spoken = spoken.iter().map(|number| token(*number)).collect();
        let standing = Standing { seq, ack, digest: seq, spoken: &spoken, pulse: Some(0) };
        match seat.begin(&standing, Duration::ZERO) {
            Begun::Go { fresh } => Some(fresh),
            Begun::Answered(_) => None,
        }
    }

    fn grants(merged: &Merged) -> Vec<u64> {
        merged.grants.iter().map(|held| held.token.lease).collect()
    }

    #[test]
    fn grants_that_were_not_acknowledged_are_sent_again_unless_the_worker_speaks_of_them() {
        let mut seat = Seat::new("w".into(), Duration::ZERO);
        assert_eq!(begin(&mut seat, 1, 0, &[]), Some(true));
        let (seq, ..) = seat.call(ShardId(3), 2, Duration::ZERO);
        seat.answered(ShardId(3), seq, &mut part(&[1, 2], 0));
        assert_eq!(grants(&seat.tell(false)), [1, 2]);
        assert_eq!(begin(&mut seat, 2, 0, &[2]), Some(false));
        assert_eq!(grants(&seat.tell(false)), [1]);
        assert_eq!(begin(&mut seat, 3, 2, &[]), Some(false));
        assert!(!seat.has_news(false));
    }

    #[test]
    fn after_a_late_beat_grants_are_not_sent_again_but_asked_for() {
        let mut seat = Seat::new("w".into(), Duration::ZERO);
        begin(&mut seat, 1, 0, &[]);
        let (seq, ..) = seat.call(ShardId(3), 2, Duration::ZERO);
        seat.answered(ShardId(3), seq, &mut part(&[1, 2], 0));
        seat.withhold_unless(Some(0));
        let merged = seat.tell(false);
        assert_eq!(grants(&merged), [1, 2]);
        seat.remember(&merged);
        let nothing = HashSet::new();
        let late = |seq| Standing { seq, ack: 0, digest: seq, spoken: &nothing, pulse: Some(1) };
        let again = seat.begin(&late(1), Duration::ZERO);
        assert!(matches!(again, Begun::Answered(merged) if merged.grants.is_empty()), "a repeat brings nothing");
        assert!(matches!(seat.begin(&late(2), Duration::ZERO), Begun::Go { fresh: true }));
        assert!(seat.call(ShardId(3), 0, Duration::ZERO).2, "the shard is asked for them");
        seat.answered(ShardId(3), 2, &mut part(&[1], 0));
        seat.withhold_unless(None);
        assert!(!seat.holds_grants(), "the beat is late when they are to be told");
    }

    #[test]
    fn a_place_stays_claimed_until_its_shard_says_otherwise() {
        let mut seat = Seat::new("w".into(), Duration::ZERO);
        begin(&mut seat, 1, 0, &[]);
        let (seq, ..) = seat.call(ShardId(1), 5, Duration::ZERO);
        assert_eq!(seat.claimed(), 5);
        let (later, ..) = seat.call(ShardId(1), 0, Duration::ZERO);
        assert_eq!(seat.claimed(), 5, "the answer to the first is not known");
        seat.answered(ShardId(1), later, &mut part(&[7], 0));
        assert_eq!(seat.claimed(), 0);
        assert!(later > seq);
    }

    #[test]
    fn a_session_that_spoke_elsewhere_starts_anew() {
        let mut seat = Seat::new("w".into(), Duration::ZERO);
        begin(&mut seat, 1, 0, &[]);
        let (seq, ..) = seat.call(ShardId(1), 5, Duration::ZERO);
        seat.answered(ShardId(1), seq, &mut part(&[7], 4));
        assert_eq!(begin(&mut seat, 5, 4, &[]), Some(true));
        assert_eq!((seat.claimed(), seat.has_news(false)), (0, false));
        assert!(seat.call(ShardId(1), 0, Duration::ZERO).2, "the shard must be greeted again");
    }

    #[test]
    fn only_the_answer_to_the_last_call_makes_a_shard_known() {
        let mut seat = Seat::new("w".into(), Duration::ZERO);
        begin(&mut seat, 1, 0, &[]);
        let (older, ..) = seat.call(ShardId(1), 2, Duration::ZERO);
        let (last, ..) = seat.call(ShardId(1), 0, Duration::ZERO);
        seat.answered(ShardId(1), older, &mut part(&[], 0));
        assert_eq!((seat.claimed(), seat.links[&ShardId(1)].greeted), (2, false));
        seat.answered(ShardId(1), last, &mut part(&[7], 0));
        assert_eq!((seat.claimed(), seat.links[&ShardId(1)].greeted), (0, true));
    }

    #[test]
    fn an_older_answer_claims_nothing_once_the_last_call_is_answered() {
        let mut seat = Seat::new("w".into(), Duration::ZERO);
        begin(&mut seat, 1, 0, &[]);
        let (older, ..) = seat.call(ShardId(1), 1, Duration::ZERO);
        let (last, ..) = seat.call(ShardId(1), 1, Duration::ZERO);
        seat.answered(ShardId(1), last, &mut part(&[7], 0));
        // It was under way longer, and was given before the grant.
        seat.answered(ShardId(1), older, &mut part(&[], 1));
        assert_eq!(seat.claimed(), 0);
    }

    #[test]
    fn an_old_call_brings_nothing_and_a_repeat_the_same() {
        let mut seat = Seat::new("w".into(), Duration::ZERO);
        begin(&mut seat, 1, 0, &[]);
        begin(&mut seat, 2, 0, &[]);
        let (seq, ..) = seat.call(ShardId(1), 5, Duration::ZERO);
        seat.answered(ShardId(1), seq, &mut part(&[7], 4));
        let merged = seat.tell(false);
        seat.remember(&merged);
        let nothing = HashSet::new();
        let again =
            seat.begin(&Standing { seq: 2, ack: 0, digest: 2, spoken: &nothing, pulse: Some(0) }, Duration::ZERO);
        assert!(matches!(again, Begun::Answered(merged) if grants(&merged) == [7]));
        let old = seat.begin(&Standing { seq: 1, ack: 0, digest: 1, spoken: &nothing, pulse: Some(0) }, Duration::ZERO);
        assert!(matches!(old, Begun::Answered(merged) if merged.grants.is_empty()));
    }

    #[test]
    fn what_a_shard_has_called_over_is_not_granted_by_an_answer_that_was_under_way() {
        let mut seat = Seat::new("w".into(), Duration::ZERO);
        begin(&mut seat, 1, 0, &[]);
        seat.answered(ShardId(1), 1, &mut part(&[7, 8], 0));
        let accepts = |token| Part { accepted: vec![token], ..Part::default() };
        seat.answered(ShardId(1), 2, &mut accepts(token(7)));
        seat.answered(ShardId(1), 3, &mut accepts(token(9)));
        seat.answered(ShardId(1), 2, &mut part(&[9], 0));
        assert_eq!(grants(&seat.tell(false)), [8]);
    }

    #[test]
    fn a_cancelled_grant_that_was_never_sent_is_forgotten() {
        let mut seat = Seat::new("w".into(), Duration::ZERO);
        begin(&mut seat, 1, 0, &[]);
        seat.answered(ShardId(1), 1, &mut part(&[7, 8], 0));
        seat.answered(ShardId(1), 2, &mut Part { cancel: vec![token(7), token(9)], ..Part::default() });
        let merged = seat.tell(false);
        assert_eq!((grants(&merged), merged.cancel), (vec![8], vec![token(9)]));
    }

    #[test]
    fn places_go_where_work_is_and_the_rest_stands_by() {
        let of = |free, demand: &[(u16, u64)]| -> Vec<(u16, u32)> {
            let demand: Vec<_> = demand.iter().map(|(shard, tasks)| (ShardId(*shard), *tasks)).collect();
            shares(free, &demand, Some(ShardId(9))).into_iter().map(|(shard, share)| (shard.0, share)).collect()
        };
        assert_eq!(of(10, &[]), [(9, 10)]);
        assert_eq!(of(10, &[(1, 100), (2, 100)]), [(1, 5), (2, 5)]);
        assert_eq!(of(10, &[(1, 2), (2, 100)]), [(1, 2), (2, 8)]);
        assert_eq!(of(10, &[(1, 2), (2, 3)]), [(1, 2), (2, 3), (9, 5)]);
        assert_eq!(of(1, &[(2, 5), (1, 5)]), [(1, 0), (2, 1)]);
        assert_eq!(of(0, &[(1, 5)]), []);
    }
}
