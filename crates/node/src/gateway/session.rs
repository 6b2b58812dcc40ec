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

/// How soon a worker with free places calls again.
const CALL_AGAIN: Duration = Duration::from_secs(1);

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
    /// What its last call spoke of, if there was anything that may be repeated.
    spoken: HashSet<Token>,
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
            spoken: HashSet::new(),
            heard_at: now,
        }
    }

    /// Takes in what a new call says of the session itself: drops what it acknowledges or speaks of, and puts the rest of what
    /// was sent back in front of what waits. What waits was sent before too, where the call that took it back was not answered.
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
        let repeats = self.renewed && self.unanswered > 0;
        self.spoken.clear();
        if repeats || !self.sent.is_empty() || !self.pending.is_empty() {
            self.spoken = call.running.iter().copied().chain(call.outcomes.iter().map(|ended| ended.token)).collect();
            self.take_back_grants();
        }
        if !self.cancels_sent.is_empty() {
            let mut again: Vec<Token> = self.cancels_sent.drain(..).map(|(_, token)| token).collect();
            again.append(&mut self.cancels);
            self.cancels = again;
        }
        self.free = call.capacity.saturating_sub(u32::try_from(self.pending.len()).unwrap_or(u32::MAX));
    }

    fn take_back_grants(&mut self) {
        let mut again = Vec::new();
        for (_, grants) in self.sent.drain(..) {
            again.extend(Arc::try_unwrap(grants).unwrap_or_else(|shared| shared.to_vec()));
        }
        again.append(&mut self.pending);
        again.retain(|grant| !self.spoken.contains(&grant.token));
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

    /// Takes grants in that the core made. One that is on its way when the session is renewed comes twice, and so does one that
    /// was sent since.
    pub(super) fn granted(&mut self, grants: &mut Vec<Grant>) {
        if self.renewed {
            let mut known: HashSet<Token> = self.pending.iter().map(|grant| grant.token).collect();
            grants.retain(|grant| !self.spoken.contains(&grant.token) && known.insert(grant.token));
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

    /// Whether work may still be given to it, although no call of it waits and none has come since the last was answered. One
    /// that works calls again at once; this one may be gone, and what it is given would wait for the end of its lease.
    pub(super) fn holds_places_unheard(&self, now: Duration) -> bool {
        self.current.is_none() && self.offered > 0 && self.recall.is_none() && self.heard_at + CALL_AGAIN < now
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

#[cfg(test)]
mod tests {
    use super::*;
    use mainspring_core::id::Key;
    use mainspring_core::spec::TaskSpec;

    fn token() -> Token {
        Token { incarnation: 1, task: Key::from_raw(1 << 63), lease: 7 }
    }

    fn call(seq: u64, ack: u64, running: &[Token]) -> Call {
        Call {
            worker: "w".into(),
            session: "s".into(),
            seq,
            ack,
            digest: seq,
            offer: Arc::new(Offer { queues: Vec::new(), executors: Vec::new(), labels: Vec::new() }),
            capacity: 4,
            wait: Duration::ZERO,
            lease_ms: 1_000,
            outcomes: Vec::new(),
            running: running.to_vec(),
            logs: Vec::new(),
            progress: Vec::new(),
            unreadable: Vec::new(),
            leaving: false,
            fresh: false,
            settle: false,
        }
    }

    fn granted(session: &mut Session) {
        let grant = Grant {
            session: "s".into(),
            token: token(),
            tenant: "default".into(),
            given_id: None,
            job: None,
            generation: 1,
            attempt: 1,
            spec: Arc::new(TaskSpec::new("k".into(), "{}".into())),
            checkpoint: None,
            lease_ms: 1_000,
        };
        session.granted(&mut vec![grant]);
    }

    fn told(session: &mut Session, seq: u64) -> Vec<Token> {
        session.tell(seq).grants.iter().map(|grant| grant.token).collect()
    }

    fn heard(session: &mut Session, seq: u64, ack: u64, running: &[Token]) {
        session.heard(&call(seq, ack, running), Duration::ZERO);
    }

    #[test]
    fn a_grant_whose_answer_was_lost_comes_again() {
        let mut session = Session::new(&call(1, 0, &[]), Duration::ZERO);
        heard(&mut session, 1, 0, &[]);
        granted(&mut session);
        assert_eq!(told(&mut session, 1), [token()]);
        heard(&mut session, 2, 0, &[]);
        assert_eq!(told(&mut session, 2), [token()]);
    }

    /// The answer to call 1 overtakes call 2, which was made without it, and call 3 comes before call 2 is answered.
    #[test]
    fn a_grant_that_waits_to_come_again_does_not_once_the_worker_speaks_of_it() {
        let mut session = Session::new(&call(1, 0, &[]), Duration::ZERO);
        heard(&mut session, 1, 0, &[]);
        granted(&mut session);
        assert_eq!(told(&mut session, 1), [token()]);
        heard(&mut session, 2, 0, &[]);
        heard(&mut session, 3, 1, &[token()]);
        assert_eq!(told(&mut session, 3), []);
    }

    /// The same, where call 2 took the session up anew, and the core grants what it holds after call 3 has come.
    #[test]
    fn a_grant_that_the_core_repeats_late_does_not_come_again_either() {
        let mut session = Session::new(&call(1, 0, &[]), Duration::ZERO);
        heard(&mut session, 1, 0, &[]);
        granted(&mut session);
        assert_eq!(told(&mut session, 1), [token()]);
        session.renew();
        heard(&mut session, 2, 0, &[]);
        session.unanswered = 1;
        heard(&mut session, 3, 1, &[token()]);
        granted(&mut session);
        assert_eq!(told(&mut session, 3), []);
    }

    #[test]
    fn a_session_that_does_not_call_again_holds_its_places_unheard() {
        let mut session = Session::new(&call(1, 0, &[]), Duration::ZERO);
        heard(&mut session, 1, 0, &[]);
        session.offered = 3;
        let at = Duration::from_millis;
        assert!(!session.holds_places_unheard(at(900)));
        assert!(session.holds_places_unheard(at(1_100)));
        session.current = Some(1);
        assert!(!session.holds_places_unheard(at(1_100)), "its call waits");
        (session.current, session.offered) = (None, 0);
        assert!(!session.holds_places_unheard(at(1_100)), "it has none");
    }
}
