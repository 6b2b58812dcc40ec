//! What the gateway remembers of one worker session: which grants and cancels it has been sent, and which of them it has
//! acknowledged.
//!
//! ```text
//!  granted ──▶ pending ──answer n──▶ sent(n) ──ack ≥ n──▶ forgotten
//!                 ▲                     │
//!                 └── next call, ack < n ┘   the same grants, the same tokens
//! ```

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use mainspring_core::effect::Grant;
use mainspring_core::event::{Offer, RequestId};
use mainspring_core::id::{Name, Token};
use mainspring_core::row::Directive;

use super::call::{Answer, Call};

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) worker: Name,
    pub(super) offer: Arc<Offer>,
    pub(super) lease_ms: u64,
    /// The highest `seq` seen, and the digest of the call that brought it.
    pub(super) seq: u64,
    pub(super) digest: u64,
    /// The answer to that call, once it was given.
    pub(super) last: Option<Answer>,
    /// The call that waits for an answer now.
    pub(super) current: Option<RequestId>,
    /// Free places at its last call, less the grants that it did not know of then.
    pub(super) free: u32,
    /// Credits that the core may still hold: an upper bound of what can be granted and is not known here yet.
    pub(super) offered: u32,
    /// The core's credits are being taken back by this request; only then can new ones be counted out.
    pub(super) recall: Option<RequestId>,
    /// Exchanges that the core has not answered yet.
    pub(super) unanswered: u32,
    pub(super) pending: Vec<Grant>,
    sent: Vec<(u64, Arc<Vec<Grant>>)>,
    pub(super) cancels: Vec<Token>,
    cancels_sent: Vec<(u64, Token)>,
    /// What it shall do, and what it was last told.
    pub(super) directive: Directive,
    pub(super) told: Directive,
    /// Somebody else began to speak for it: grants that were on their way may come twice.
    renewed: bool,
    pub(super) heard_at: Duration,
}

impl Session {
    pub(super) fn new(call: &Call, now: Duration) -> Self {
        Self {
            worker: call.worker.clone(),
            offer: Arc::clone(&call.offer),
            lease_ms: call.lease_ms,
            seq: 0,
            digest: 0,
            last: None,
            current: None,
            free: 0,
            offered: 0,
            recall: None,
            unanswered: 0,
            pending: Vec::new(),
            sent: Vec::new(),
            cancels: Vec::new(),
            cancels_sent: Vec::new(),
            directive: Directive::Run,
            told: Directive::Run,
            renewed: false,
            heard_at: now,
        }
    }

    /// Takes in what a new call says of the session itself: drops what it acknowledges, and puts what it does not back
    /// in front of what was never sent.
    pub(super) fn heard(&mut self, call: &Call, now: Duration) {
        self.heard_at = now;
        self.seq = call.seq;
        self.digest = call.digest;
        self.last = None;
        self.lease_ms = call.lease_ms;
        if self.offer != call.offer {
            self.offer = Arc::clone(&call.offer);
        }
        self.sent.retain(|(seq, _)| *seq > call.ack);
        self.cancels_sent.retain(|(seq, _)| *seq > call.ack);
        if !self.sent.is_empty() {
            self.take_back_grants(call);
        }
        if !self.cancels_sent.is_empty() {
            let mut again: Vec<Token> = self.cancels_sent.drain(..).map(|(_, token)| token).collect();
            again.append(&mut self.cancels);
            self.cancels = again;
        }
        self.free = call.capacity.saturating_sub(u32::try_from(self.pending.len()).unwrap_or(u32::MAX));
    }

    fn take_back_grants(&mut self, call: &Call) {
        let seen: HashSet<Token> =
            call.running.iter().copied().chain(call.outcomes.iter().map(|ended| ended.token)).collect();
        let mut again = Vec::new();
        for (_, grants) in self.sent.drain(..) {
            let grants = Arc::try_unwrap(grants).unwrap_or_else(|shared| shared.to_vec());
            again.extend(grants.into_iter().filter(|grant| !seen.contains(&grant.token)));
        }
        again.append(&mut self.pending);
        self.pending = again;
    }

    /// Forgets what it was told: all its leases are granted again. What the core may still do stays in force.
    pub(super) fn renew(&mut self) {
        self.offered = self.owed();
        self.last = None;
        self.pending.clear();
        self.sent.clear();
        self.cancels.clear();
        self.cancels_sent.clear();
        self.told = Directive::Run;
        self.renewed = true;
    }

    /// Takes grants in that the core made. One that is on its way when the session is renewed comes twice.
    pub(super) fn granted(&mut self, grants: &mut Vec<Grant>) {
        if self.renewed {
            let mut known: HashSet<Token> = self.pending.iter().map(|grant| grant.token).collect();
            grants.retain(|grant| known.insert(grant.token));
        }
        let count = u32::try_from(grants.len()).unwrap_or(u32::MAX);
        self.offered = self.offered.saturating_sub(count);
        self.free = self.free.saturating_sub(count);
        if self.pending.is_empty() {
            std::mem::swap(&mut self.pending, grants);
        } else {
            self.pending.append(grants);
        }
    }

    /// The core said of these tokens that their attempts are over: a grant of one that was made before, and waits here or was
    /// not acknowledged, is void. The worker may have forgotten that it ran.
    pub(super) fn over<'a>(&mut self, tokens: impl Iterator<Item = &'a Token>) {
        for token in tokens {
            self.pending.retain(|grant| grant.token != *token);
            self.unsend(*token);
        }
    }

    fn unsend(&mut self, token: Token) {
        for (_, grants) in &mut self.sent {
            if grants.iter().any(|grant| grant.token == token) {
                *grants = Arc::new(grants.iter().filter(|grant| grant.token != token).cloned().collect());
            }
        }
    }

    /// Takes a revocation in: a grant that was never sent is forgotten, any other is to be cancelled.
    pub(super) fn revoked(&mut self, token: Token) {
        let waiting = self.pending.len();
        self.pending.retain(|grant| grant.token != token);
        let never_sent = self.pending.len() < waiting;
        if !never_sent {
            self.unsend(token);
            self.cancels.push(token);
        }
    }

    /// Whether nothing was heard of it for so long that its leases have ended.
    pub(super) fn is_silent(&self, grace: Duration, now: Duration) -> bool {
        self.heard_at + Duration::from_millis(self.lease_ms) + grace < now && self.current.is_none()
    }

    /// Whether there is something to say at once.
    pub(super) fn has_news(&self) -> bool {
        !self.pending.is_empty() || !self.cancels.is_empty() || self.directive != self.told
    }

    /// Everything there is to say, as the answer to the call with this `seq`; remembered until it is acknowledged.
    pub(super) fn tell(&mut self, seq: u64) -> Answer {
        let grants = Arc::new(std::mem::take(&mut self.pending));
        if !grants.is_empty() {
            self.sent.push((seq, Arc::clone(&grants)));
        }
        let cancel = std::mem::take(&mut self.cancels);
        self.cancels_sent.extend(cancel.iter().map(|token| (seq, *token)));
        self.told = self.directive;
        Answer { grants, cancel, offered: self.owed(), ..Answer::empty(seq, self.directive) }
    }

    /// The answer to a call that comes after a later one.
    pub(super) fn outdated(&self, seq: u64) -> Answer {
        Answer { offered: self.owed(), outdated: true, ..Answer::empty(seq, self.directive) }
    }

    /// How many grants may still come, those that wait here included.
    pub(super) fn owed(&self) -> u32 {
        // After a recall all that is free is counted out anew.
        let soon = if self.recall.is_some() { self.free } else { 0 };
        self.offered.max(soon).saturating_add(u32::try_from(self.pending.len()).unwrap_or(u32::MAX))
    }

    /// No more can be granted than its last call offered.
    pub(super) fn is_settled(&self) -> bool {
        self.recall.is_none() && self.unanswered == 0
    }
}
