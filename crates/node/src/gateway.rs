//! The gateway of worker sessions: turns calls that may be repeated, reordered, cut off or left waiting into clean
//! events for the core, and the core's effects into answers.
//!
//! There is one for each shard that a node serves. A call is answered at the first of: a grant, a cancel, a stale token, a
//! changed directive, the commit of its outcomes (and [`COMPANY`] more, in case that commit is followed by a grant), or
//! the end of its wait.

mod call;
mod credits;
mod endings;
mod open_call;
mod session;
mod workers;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use mainspring_core::effect::Grant;
use mainspring_core::event::{EndSession, Event, Exchange, RequestId, SessionEnd};
use mainspring_core::id::{SessionId, Token};
use mainspring_core::row::Directive;

pub use self::call::{Answer, Call, Caller, Host, Refused};
use self::open_call::OpenCall;
pub use self::open_call::{CutOff, Turn};
use self::session::Session;
use self::workers::{Arrival, Workers};

/// How long an answer that only acknowledges outcomes waits for a grant to go with it.
const COMPANY: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug)]
pub struct Gateway<C> {
    sessions: HashMap<SessionId, Session>,
    workers: Workers,
    calls: HashMap<RequestId, OpenCall<C>>,
    due: BTreeSet<(Duration, RequestId)>,
    /// Exchanges that the core has not answered yet.
    asked: HashMap<RequestId, SessionId>,
    /// Sessions with a recall that the core has answered everything of, and what it answered last.
    recalled: Vec<(RequestId, SessionId)>,
    /// Sessions that may have something to say.
    touched: Vec<SessionId>,
    /// Sessions that nobody may listen for: the caller was gone when it was answered, or its wait was over.
    deaf: Vec<SessionId>,
    /// Beyond its lease, how long a silent session is remembered.
    grace: Duration,
    swept_at: Duration,
}

impl<C: Caller> Gateway<C> {
    /// Knows nobody. `grace_ms`: how long beyond its lease a silent session is remembered.
    pub fn new(grace_ms: u64) -> Self {
        Self {
            sessions: HashMap::new(),
            workers: Workers::default(),
            calls: HashMap::new(),
            due: BTreeSet::new(),
            asked: HashMap::new(),
            recalled: Vec::new(),
            touched: Vec::new(),
            deaf: Vec::new(),
            grace: Duration::from_millis(grace_ms),
            swept_at: Duration::ZERO,
        }
    }

    /// How many sessions are known, and how many calls wait.
    pub fn counts(&self) -> (u64, u64) {
        (self.sessions.len() as u64, self.calls.len() as u64)
    }

    /// A call came in. `quiet`: nothing that the core was told before is still on its way back.
    pub fn call(&mut self, turn: &mut Turn<'_>, request: RequestId, call: Call, caller: C) {
        let renewed = call.fresh && self.renew(&call);
        let known = self.sessions.get(&call.session);
        if known.is_some_and(|session| session.worker != call.worker) {
            caller.answer(Err(Refused::OtherWorker { session: call.session, worker: call.worker }));
            return;
        }
        let resume = known.is_none() || renewed;
        if known.is_none() && !self.welcome(turn, &call) {
            caller.answer(Err(Refused::WorkerInUse(call.worker)));
            return;
        }
        let session = self.sessions.get_mut(&call.session).expect("it was known, or made just now");
        if !resume && call.seq < session.seq {
            session.heard_at = turn.now;
            caller.answer(Ok(session.outdated(call.seq)));
            return;
        }
        if !resume && call.seq == session.seq && call.digest == session.digest && session.last.is_some() {
            session.heard_at = turn.now;
            caller.answer(Ok(session.last.clone().expect("checked above")));
            return;
        }
        self.supersede(&call.session);
        self.open(turn, request, call, caller, resume);
    }

    /// Somebody speaks for a known session for the first time: what others were told is not known there. False if it is an
    /// older call.
    fn renew(&mut self, call: &Call) -> bool {
        let fits = |session: &Session| session.seq < call.seq && session.worker == call.worker;
        if !self.sessions.get(&call.session).is_some_and(fits) {
            return false;
        }
        self.supersede(&call.session);
        self.sessions.get_mut(&call.session).expect("it is known").renew();
        true
    }

    /// Makes a session for a call that belongs to none; false if its worker is in use by another process.
    fn welcome(&mut self, turn: &mut Turn<'_>, call: &Call) -> bool {
        match self.workers.arrive(&call.worker, &call.session, turn.now) {
            Arrival::Refused => return false,
            Arrival::Fresh => {}
            Arrival::Replaces(old) => {
                self.forget(&old);
                turn.events.push(Event::EndSession(EndSession { session: old, reason: SessionEnd::Lost }));
            }
        }
        turn.host.see(&call.worker);
        self.sessions.insert(call.session.clone(), Session::new(call, turn.now));
        true
    }

    /// A newer call of the session ends the one that waits, at once unless its outcomes are not durable yet.
    fn supersede(&mut self, session: &SessionId) {
        let Some(request) = self.sessions.get_mut(session).and_then(|session| session.current.take()) else { return };
        if self.calls.get(&request).is_some_and(|call| !call.awaits_commit()) {
            self.answer_without_news(request);
        }
    }

    fn open(&mut self, turn: &mut Turn<'_>, request: RequestId, call: Call, caller: C, resume: bool) {
        let session = self.sessions.get_mut(&call.session).expect("the caller made sure of it");
        session.heard(&call, turn.now);
        session.current = Some(request);
        let credits = if call.leaving {
            0
        } else if session.recall.is_some() || session.unanswered > 0 || session.offered > 0 && !turn.quiet {
            session.recall = Some(request);
            0
        } else {
            session.offered = session.free;
            session.free
        };
        session.unanswered += 1;
        self.asked.insert(request, call.session.clone());
        let wait_max = Duration::from_millis(call.lease_ms) + self.grace / 2;
        let due = turn.now + call.wait.min(wait_max);
        let open = OpenCall {
            session: call.session.clone(),
            seq: call.seq,
            caller,
            due,
            entry: due,
            commits: !call.outcomes.is_empty(),
            exchanged: false,
            accepted: Vec::new(),
            stale: Vec::new(),
            unreadable: call.unreadable,
            leaving: call.leaving,
            resumes: resume,
            settle: call.settle,
        };
        self.due.insert((due, request));
        self.calls.insert(request, open);
        turn.events.push(Event::Exchange(Exchange {
            to: request,
            session: call.session.clone(),
            worker: call.worker,
            offer: session.offer.clone(),
            credits,
            lease_ms: call.lease_ms,
            outcomes: call.outcomes,
            running: call.running,
            logs: call.logs,
            progress: call.progress,
            resume,
        }));
        if call.leaving {
            self.workers.leave(&session.worker, &call.session);
            turn.events.push(Event::EndSession(EndSession { session: call.session, reason: SessionEnd::Left }));
        }
    }

    /// Grants of one session, in a row.
    pub fn granted(&mut self, id: &SessionId, grants: &mut Vec<Grant>) {
        // A grant to a session that is not known here comes again when the session calls with `resume`.
        if let Some(session) = self.sessions.get_mut(id) {
            session.granted(grants);
            self.touched.push(id.clone());
        }
        grants.clear();
    }

    /// A grant was taken back.
    pub fn revoked(&mut self, id: &SessionId, token: Token) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.revoked(token);
            self.touched.push(id.clone());
        }
    }

    /// A session has a new directive.
    pub fn directed(&mut self, id: &SessionId, directive: Directive) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.directive = directive;
            self.touched.push(id.clone());
        }
    }

    /// The core has answered an exchange.
    pub fn exchanged(&mut self, to: RequestId, accepted: Vec<Token>, stale: Vec<Token>, directive: Directive) {
        if let Some(id) = self.asked.remove(&to)
            && let Some(session) = self.sessions.get_mut(&id)
        {
            session.over(accepted.iter().chain(&stale));
            session.unanswered = session.unanswered.saturating_sub(1);
            if session.unanswered == 0 && session.recall.is_some() {
                self.recalled.push((to, id));
            } else if session.unanswered == 0 {
                self.touched.push(id);
            }
        }
        let Some(call) = self.calls.get_mut(&to) else { return };
        call.exchanged = true;
        call.accepted = accepted;
        call.stale = stale;
        if let Some(session) = self.sessions.get_mut(&call.session) {
            session.directive = directive;
            self.touched.push(call.session.clone());
            if session.current != Some(to) {
                self.answer_without_news(to);
            }
        }
    }

    /// Answers every call that has something to be told, after all effects of a release were taken in.
    pub fn settle(&mut self, turn: &mut Turn<'_>) {
        for (request, id) in std::mem::take(&mut self.recalled) {
            self.offer_again(turn, request, &id);
        }
        for id in std::mem::take(&mut self.touched) {
            self.settle_session(turn, &id);
        }
        self.take_back_of_deaf(turn);
    }

    fn settle_session(&mut self, turn: &Turn<'_>, id: &SessionId) {
        let Some(session) = self.sessions.get(id) else { return };
        let Some(request) = session.current else { return };
        let Some(call) = self.calls.get_mut(&request).filter(|call| call.exchanged) else { return };
        // Without a free place there is no grant to wait for.
        let acknowledges = call.commits || !call.unreadable.is_empty();
        let alone = acknowledges && session.free == 0 || call.settle && session.is_settled();
        if session.has_news() || !call.stale.is_empty() || call.leaving || alone {
            self.answer(request);
        } else if call.due <= turn.now {
            self.end_wait(request);
        } else if acknowledges {
            let entry = call.due.min(turn.now + COMPANY);
            if entry < call.entry {
                self.due.remove(&(call.entry, request));
                self.due.insert((entry, request));
                call.entry = entry;
                call.due = entry;
            }
        }
    }

    /// Answers what has waited long enough; forgets sessions that have been silent for too long.
    pub fn expire(&mut self, turn: &mut Turn<'_>) -> bool {
        let now = turn.now;
        let mut progress = false;
        while let Some(&(due, request)) = self.due.first()
            && due <= now
        {
            self.due.pop_first();
            let call = self.calls.get(&request).expect("what is due is open");
            // Outcomes that are not durable yet are worth a longer wait: the commit answers the call.
            if !call.awaits_core() {
                self.end_wait(request);
                progress = true;
            }
        }
        self.take_back_of_deaf(turn);
        if now >= self.swept_at + Duration::from_secs(1) {
            self.swept_at = now;
            self.sweep(turn);
        }
        progress
    }

    /// Answers a call whose wait is over. Its session may not call again, and the next call brings its places anew.
    fn end_wait(&mut self, request: RequestId) {
        let Some(call) = self.calls.get(&request) else { return };
        let (id, waited) = (call.session.clone(), !call.commits);
        self.answer(request);
        if waited && self.sessions.get(&id).is_some_and(|session| session.offered > 0) {
            self.deaf.push(id);
        }
    }

    /// When [`Gateway::expire`] has something to do.
    pub fn wake_at(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    fn close(&mut self, request: RequestId) -> Option<OpenCall<C>> {
        let call = self.calls.remove(&request)?;
        self.due.remove(&(call.entry, request));
        Some(call)
    }

    /// Answers with the core's verdict alone; grants and cancels stay for the session's next call.
    fn answer_without_news(&mut self, request: RequestId) {
        let Some(call) = self.close(request) else { return };
        let session = self.sessions.get(&call.session);
        let directive = session.map_or(Directive::Run, |session| session.directive);
        let offered = session.map_or(0, Session::owed);
        let answer = Answer { offered, ..Answer::empty(call.seq, directive) };
        call.caller.answer(Ok(answer.with_verdict(call.accepted, call.stale, call.unreadable)));
    }

    /// Answers with everything there is, and remembers it for a repeat.
    fn answer(&mut self, request: RequestId) {
        let Some(call) = self.close(request) else { return };
        let Some(session) = self.sessions.get_mut(&call.session) else { return };
        if session.current == Some(request) {
            session.current = None;
        }
        let answer = session.tell(call.seq).with_verdict(call.accepted, call.stale, call.unreadable);
        session.last = Some(answer.clone());
        // If the caller is gone, what it was told is told again at its next call.
        let heard = call.caller.answer(Ok(answer));
        if call.leaving {
            self.sessions.remove(&call.session);
        } else if !heard {
            self.deaf.push(call.session);
        }
    }
}
