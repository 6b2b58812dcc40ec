//! Limits that hold for all shards are lent among them: see [`crate::loan`].
//!
//! Each limit has an account here. In its home that says who has borrowed how much, elsewhere what was borrowed. What a
//! shard may use follows from it, and only that is looked at when something starts. Accounts are settled now and then: what
//! the shard could use is counted, and places are asked for, given, called back and returned. With one shard there are none.

mod borrower;
mod home;

use std::collections::BTreeMap;

use super::Permits;
use super::share::Sharing;
use crate::effect::Effect;
use crate::id::Name;
use crate::loan::{LoanKind, LoanMessage, LoanName, LoanRow, LoanWord};
use crate::permit::LimitScope;
use crate::shard::Shard;
use crate::time::Timestamp;
use borrower::Borrower;
use home::Home;

/// Between two looks at the accounts, in milliseconds.
const LOOK_MS: u64 = 20;
/// After which time without an answer the same is said again, in milliseconds.
const RESEND_MS: u64 = 1_000;
/// A word so much older than another one of the same shard, in milliseconds, is none that was late: the clock went back.
const LATE_MS: u64 = 10_000;
/// How long a shard has what goes round among too many of them, in milliseconds. A task may need a place of its queue and
/// one of its type: the latter stay longer, and only who has one of its type asks for one of its queue.
const QUEUE_TURN_MS: u64 = 500;
const TYPE_TURN_MS: u64 = 1_500;

/// Whether a word counts after one that was said at `last`.
fn is_news(at: Timestamp, last: Timestamp) -> bool {
    at > last || last.since(at) > LATE_MS
}

/// How much of a limit a shard uses and could use, and whether somebody waits for it.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    wants: u64,
    uses: u64,
    waits: bool,
}

#[derive(Clone, Debug)]
enum Side {
    Home(Home),
    Borrower(Borrower),
}

#[derive(Clone, Debug)]
struct Account {
    /// The limit; `None`: there is none any more.
    total: Option<u64>,
    /// What this shard may use of it.
    may: u64,
    side: Side,
}

/// See the module.
#[derive(Clone, Debug)]
pub(in super::super) struct Lending {
    sharing: Sharing,
    accounts: BTreeMap<LoanName, Account>,
    /// What limits there are is known. Until then one that seems to be gone may only not have been heard of yet.
    knows_limits: bool,
    looked_at: Timestamp,
    /// What had changed by the last look: commits, rows since, and ready tasks that a key lets start, which a bucket that
    /// fills changes without any row.
    seen: (u64, usize, usize),
    /// Somebody has spoken, or a limit was set.
    hurry: bool,
    wake: Option<Timestamp>,
    /// The instant of the last word.
    said_at: Timestamp,
}

impl Lending {
    pub(super) fn restore(sharing: Sharing, control: bool, rows: Vec<LoanRow>) -> Self {
        let mut lending = Self {
            sharing,
            accounts: BTreeMap::new(),
            knows_limits: control,
            looked_at: Timestamp::default(),
            seen: (0, 0, 0),
            hurry: true,
            wake: None,
            said_at: Timestamp::default(),
        };
        for LoanRow { of, peer, given, returned } in rows {
            match &mut lending.account(&of).side {
                Side::Home(home) => home.restore(peer, given, returned),
                Side::Borrower(borrower) => borrower.restore(given, returned),
            }
        }
        lending
    }

    fn account(&mut self, of: &LoanName) -> &mut Account {
        let is_home = self.sharing.is_home(&of.name);
        self.accounts.entry(of.clone()).or_insert_with(|| {
            let side = if is_home { Side::Home(Home::default()) } else { Side::Borrower(Borrower::default()) };
            Account { total: None, may: 0, side }
        })
    }

    /// A limit was set, or taken away. Gives what this shard may use of it now; the next look finds out more.
    pub(super) fn set(&mut self, of: &LoanName, total: Option<u64>) -> Option<u64> {
        if self.sharing.is_one() {
            return total;
        }
        if total.is_none() && !self.accounts.contains_key(of) {
            return None;
        }
        self.hurry = true;
        let account = self.account(of);
        account.total = total;
        account.may = account.may.min(total.unwrap_or(0));
        total.map(|_| account.may)
    }

    /// What others have, as far as it is known.
    pub(super) fn elsewhere(&self, of: &LoanName) -> u64 {
        self.accounts.get(of).map_or(0, |account| match &account.side {
            Side::Home(home) => home.taken(),
            Side::Borrower(borrower) => borrower.elsewhere(),
        })
    }

    /// The instant of the next word: no two have the same.
    fn stamp(&mut self, now: Timestamp) -> Timestamp {
        self.said_at = now.max(self.said_at.plus_ms(1));
        self.said_at
    }

    /// All limits were heard of.
    pub(super) fn know_limits(&mut self) {
        (self.knows_limits, self.hurry) = (true, true);
    }

    pub(super) fn knows_limits(&self) -> bool {
        self.knows_limits
    }

    /// Looks at the accounts with the next turn.
    pub(super) fn hurry(&mut self) {
        self.hurry = true;
    }

    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.wake
    }

    /// What a load must find again.
    pub(super) fn canonical(&self) -> Vec<LoanRow> {
        let me = self.sharing.shard;
        self.accounts.iter().flat_map(|(of, account)| account.rows(of, me, self.sharing)).collect()
    }
}

impl Account {
    fn rows(&self, of: &LoanName, me: u16, sharing: Sharing) -> Vec<LoanRow> {
        match &self.side {
            Side::Home(home) => home.shards().map(|shard| self.row(of, shard)).collect(),
            Side::Borrower(borrower) if borrower.given > 0 => vec![self.row(of, sharing.home_of(&of.name))],
            Side::Borrower(_) => Vec::new(),
        }
        .into_iter()
        .filter(|row| row.peer != me && row.given > 0)
        .collect()
    }

    fn row(&self, of: &LoanName, peer: u16) -> LoanRow {
        let (given, returned) = match &self.side {
            Side::Home(home) => (home.peer(peer).given, home.peer(peer).returned),
            Side::Borrower(borrower) => (borrower.given, borrower.returned),
        };
        LoanRow { of: of.clone(), peer, given, returned }
    }
}

impl Permits {
    /// This shard may use so much of a limit from now on.
    fn allow(&mut self, of: &LoanName, may: Option<u64>, now: Timestamp) {
        let id = (of.scope, of.name.clone());
        match (of.scope, of.kind) {
            (LimitScope::Tenant, _) => self.backlog.set(&of.name, may),
            (_, LoanKind::Places) => {
                if let Some(turnstile) = self.turnstiles.get_mut(&id) {
                    turnstile.max = may.map(|may| may as u32);
                }
            }
            (_, LoanKind::Rate) => {
                let rate = self.limits.get(&id).and_then(|limits| limits.rate);
                if let (Some(turnstile), Some(rate), Some(may)) = (self.turnstiles.get_mut(&id), rate, may) {
                    turnstile.rate = Some(self.lending.sharing.part_of_rate(&rate, may));
                    turnstile.bucket = super::Bucket::empty_at(now);
                }
            }
        }
    }
}

impl Shard {
    /// Another shard speaks.
    pub(in super::super) fn hear_of_loan(&mut self, message: LoanMessage) {
        let LoanMessage { from, to, of, given, returned, at, word } = message;
        let sharing = self.permits.lending.sharing;
        let is_home = sharing.is_home(&of.name);
        if to != sharing.shard || from >= sharing.shards || from == to || returned > given {
            return;
        }
        let account = self.permits.lending.account(&of);
        let changed = match (&mut account.side, word) {
            (Side::Home(home), LoanWord::Asks { wants, uses }) => home.heard(from, (given, returned), at, wants, uses),
            (Side::Borrower(borrower), LoanWord::Lends { keep, taken }) if sharing.home_of(&of.name) == from => {
                borrower.heard((given, returned), at, keep, taken)
            }
            _ => return,
        };
        debug_assert_eq!(is_home, matches!(account.side, Side::Home(_)));
        self.permits.lending.hurry = true;
        if changed {
            self.put_loan(&of, from);
        }
    }

    fn put_loan(&mut self, of: &LoanName, peer: u16) {
        let row = self.permits.lending.accounts[of].row(of, peer);
        self.changes.put_loans.retain(|put| put.of != row.of || put.peer != peer);
        self.changes.put_loans.push(row);
        self.rows += 1;
    }

    /// See [`Lending::seen`].
    fn lending_state(&self) -> (u64, usize, usize) {
        (self.high_water.commit, self.rows, self.lanes.open())
    }

    /// Looks at the accounts, if anything may have changed since the last look.
    pub(in super::super) fn settle_loans(&mut self) {
        let lending = &self.permits.lending;
        if lending.accounts.is_empty() || !lending.knows_limits || self.is_recovering() {
            return;
        }
        let (now, state) = (self.now, self.lending_state());
        let lending = &mut self.permits.lending;
        let next = lending.looked_at.plus_ms(LOOK_MS);
        if !lending.hurry && lending.wake.is_none_or(|wake| wake > now) && (state == lending.seen || next > now) {
            if state != lending.seen {
                lending.wake = Some(lending.wake.map_or(next, |wake| wake.min(next)));
            }
            return;
        }
        (lending.hurry, lending.looked_at, lending.wake) = (false, now, None);
        let ready = self.ready_by_limit();
        let names: Vec<LoanName> = self.permits.lending.accounts.keys().cloned().collect();
        for of in names {
            let own = self.use_of(&of, &ready);
            let wake = self.settle_account(&of, own);
            let lending = &mut self.permits.lending;
            lending.wake = [lending.wake, wake].into_iter().flatten().min();
        }
        self.permits.lending.seen = self.lending_state();
    }

    /// Settles one account; gives when to look again.
    fn settle_account(&mut self, of: &LoanName, own: Use) -> Option<Timestamp> {
        let (now, me) = (self.now, self.config.shard);
        let home_of = self.permits.lending.sharing.home_of(&of.name);
        let turn_ms = self.turn_ms(of);
        let account = self.permits.lending.accounts.get_mut(of).expect("it was listed");
        let (total, before) = (account.total, account.may);
        let (may, changed, tell, wake) = match &mut account.side {
            Side::Home(home) => {
                let settled = home.settle(total, me, own, now, turn_ms);
                (settled.may, settled.changed, settled.tell, settled.wake)
            }
            Side::Borrower(borrower) => {
                let settled = borrower.settle(total, own, now);
                let only = |is: bool| if is { vec![home_of] } else { Vec::new() };
                (settled.may, only(settled.changed), only(settled.tell), settled.wake)
            }
        };
        account.may = may;
        if may != before {
            self.permits.allow(of, total.map(|_| may), now);
        }
        changed.into_iter().for_each(|peer| self.put_loan(of, peer));
        for to in tell {
            let at = self.permits.lending.stamp(now);
            let message = self.permits.lending.accounts[of].message(of, me, to, at, own);
            self.effects.push(Effect::Loan(Box::new(message)));
        }
        wake
    }

    /// Ready tasks by the queues and types that are lent of. Those that wait for something else than a place do not count:
    /// for their queue to be resumed, for a key, or, of a queue, for a place of their type.
    fn ready_by_limit(&self) -> BTreeMap<(LimitScope, Name), u64> {
        let mut ready = BTreeMap::new();
        for lane in self.lanes.iter() {
            let count = lane.waiting();
            if count == 0 || self.paused_queues.contains(&lane.name.queue) {
                continue;
            }
            let of_type = (LimitScope::Type, lane.name.kind.clone());
            if self.permits.has_place(&of_type) {
                *ready.entry((LimitScope::Queue, lane.name.queue.clone())).or_default() += count;
            }
            *ready.entry(of_type).or_default() += count;
        }
        ready
    }

    fn use_of(&self, of: &LoanName, ready: &BTreeMap<(LimitScope, Name), u64>) -> Use {
        let id = (of.scope, of.name.clone());
        let waiting = ready.get(&id).copied().unwrap_or(0);
        match (of.scope, of.kind) {
            (LimitScope::Tenant, _) => {
                let (uses, waiting) = (self.permits.backlog.of(&of.name), self.postponed.tasks_of(&of.name));
                let slack = self.permits.slack_of(&of.name).filter(|_| uses + waiting > 0).unwrap_or(0);
                Use { wants: uses + waiting + slack, uses, waits: waiting > 0 }
            }
            (_, LoanKind::Places) => {
                let uses = self.permits.turnstiles.get(&id).map_or(0, |turnstile| u64::from(turnstile.running));
                Use { wants: uses + waiting, uses, waits: false }
            }
            (_, LoanKind::Rate) => Use { wants: if waiting > 0 { u64::MAX } else { 0 }, uses: 0, waits: false },
        }
    }

    /// How long a shard has what goes round. Of a rate that is long enough for a bucket to fill that was empty first.
    fn turn_ms(&self, of: &LoanName) -> u64 {
        match (of.kind, of.scope) {
            (LoanKind::Rate, _) => {
                let rate = self.permits.limits(of.scope, &of.name).rate;
                let refill = rate.map_or(0, |rate| {
                    (rate.per_ms.saturating_mul(u64::from(rate.burst))).div_ceil(u64::from(rate.limit.max(1)))
                });
                refill + refill / 2 + RESEND_MS
            }
            (LoanKind::Places, LimitScope::Type) => TYPE_TURN_MS,
            (LoanKind::Places, _) => QUEUE_TURN_MS,
        }
    }
}

impl Account {
    fn message(&self, of: &LoanName, from: u16, to: u16, at: Timestamp, own: Use) -> LoanMessage {
        let LoanRow { of, given, returned, .. } = self.row(of, to);
        let word = match &self.side {
            Side::Home(home) => {
                let taken = home.taken() + own.uses;
                LoanWord::Lends { keep: home.keep(to), taken }
            }
            Side::Borrower(_) => LoanWord::Asks { wants: own.wants, uses: own.uses },
        };
        LoanMessage { from, to, of, given, returned, at, word }
    }
}
