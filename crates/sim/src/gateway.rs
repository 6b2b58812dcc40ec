//! A model of the node half that talks to workers: numbered calls, acknowledged replies, redelivery of grants.
//!
//! A grant stays until a later call of its session says that it arrived. A call with a higher number ends the open
//! one. Nothing here is durable: after a crash the first call of each session resumes.

use std::collections::BTreeMap;

use mainspring_core::effect::Grant;
use mainspring_core::event::{EndSession, Event, Exchange, RequestId, SessionEnd};
use mainspring_core::id::{SessionId, Token};
use mainspring_core::row::Directive;

use crate::wire::{ExchangeCall, ExchangeReply};

/// A session as this node knows it.
#[derive(Debug)]
struct Session {
    index: usize,
    worker: mainspring_core::id::Name,
    last_seq: u64,
    /// Grants not known to have arrived, and the reply that last carried each (0: none yet).
    unacknowledged: Vec<(u64, Grant)>,
    cancels: Vec<Token>,
    directive: Directive,
    told: Directive,
    open: Option<Open>,
}

/// The call that waits for an answer.
#[derive(Debug)]
struct Open {
    seq: u64,
    request: RequestId,
    until_ms: i64,
    judged: bool,
    urgent: bool,
    leaving: bool,
    accepted: Vec<Token>,
    stale: Vec<Token>,
}

/// All sessions of a node.
#[derive(Debug, Default)]
pub struct Gateway {
    sessions: BTreeMap<SessionId, Session>,
    /// Answers that are ready to leave.
    pub outbox: Vec<(usize, ExchangeReply)>,
    /// Grants that were sent more than once.
    pub redelivered: u64,
}

impl Gateway {
    /// Takes a call in; gives the events that it means to the core. An old or repeated call means nothing.
    pub fn call(&mut self, call: ExchangeCall, request: RequestId, now_ms: i64) -> Vec<Event> {
        let mut events = Vec::new();
        let resume = !self.sessions.contains_key(&call.session);
        if resume {
            let replaced: Vec<SessionId> =
                self.sessions.iter().filter(|(_, old)| old.worker == call.worker).map(|(id, _)| id.clone()).collect();
            // A late call of an older process of the same worker; two live processes with one id displace each other.
            if replaced.iter().any(|old| *old > call.session && self.sessions[old].index == call.index) {
                return events;
            }
            for old in replaced {
                self.sessions.remove(&old);
                events.push(Event::EndSession(EndSession { session: old, reason: SessionEnd::Lost }));
            }
            self.sessions.insert(call.session.clone(), Session::new(&call));
        }
        let session = self.sessions.get_mut(&call.session).expect("it was just made");
        if call.seq <= session.last_seq {
            return events;
        }
        session.last_seq = call.seq;
        session.acknowledge(&call);
        let mut running = call.running;
        running.extend(session.unacknowledged.iter().map(|(_, grant)| grant.token));
        let waiting = session.unacknowledged.len() as u32;
        session.open = Some(Open {
            seq: call.seq,
            request,
            until_ms: now_ms + call.wait_ms as i64,
            judged: false,
            urgent: !call.outcomes.is_empty() || call.leaving,
            leaving: call.leaving,
            accepted: Vec::new(),
            stale: Vec::new(),
        });
        events.push(Event::Exchange(Exchange {
            to: request,
            session: call.session.clone(),
            worker: call.worker,
            offer: call.offer,
            credits: call.capacity.saturating_sub(waiting),
            lease_ms: call.lease_ms,
            outcomes: call.outcomes,
            running,
            logs: call.logs,
            progress: call.progress,
            resume,
        }));
        if call.leaving {
            events.push(Event::EndSession(EndSession { session: call.session, reason: SessionEnd::Left }));
        }
        events
    }

    /// The core judged a call's outcomes.
    pub fn judged(&mut self, to: RequestId, accepted: Vec<Token>, stale: Vec<Token>, directive: Directive) {
        for session in self.sessions.values_mut() {
            session.directive = directive_for(session, to, directive);
            if let Some(open) = &mut session.open
                && open.request == to
            {
                open.judged = true;
                open.urgent |= !stale.is_empty() || directive != session.told;
                open.accepted = accepted;
                open.stale = stale;
                return;
            }
        }
    }

    /// A grant for a session of this node.
    pub fn grant(&mut self, grant: Grant) {
        if let Some(session) = self.sessions.get_mut(&grant.session) {
            let known = session.unacknowledged.iter().any(|(_, known)| known.token == grant.token);
            if !known {
                session.unacknowledged.push((0, grant));
            }
        }
    }

    /// A grant taken back.
    pub fn revoke(&mut self, session: &SessionId, token: Token) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.unacknowledged.retain(|(_, grant)| grant.token != token);
            session.cancels.push(token);
        }
    }

    /// A directive for a session.
    pub fn direct(&mut self, session: &SessionId, directive: Directive) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.directive = directive;
        }
    }

    /// Answers every call that has something to say or has waited long enough.
    pub fn flush(&mut self, now_ms: i64) {
        let mut left = Vec::new();
        for (id, session) in &mut self.sessions {
            let ready = session.open.as_ref().is_some_and(|open| {
                open.judged
                    && (open.urgent
                        || !session.unacknowledged.is_empty()
                        || !session.cancels.is_empty()
                        || session.directive != session.told
                        || now_ms >= open.until_ms)
            });
            if !ready {
                continue;
            }
            let Some(open) = session.open.take() else { continue };
            self.redelivered += session.unacknowledged.iter().filter(|(sent, _)| *sent > 0).count() as u64;
            let reply = session.answer(id, &open);
            self.outbox.push((session.index, reply));
            if open.leaving {
                left.push(id.clone());
            }
        }
        for id in left {
            self.sessions.remove(&id);
        }
    }

    /// Ends all open calls without a word on their outcomes; whoever called calls again.
    pub fn hang_up(&mut self) -> Vec<(usize, ExchangeReply)> {
        let mut replies = Vec::new();
        for (id, session) in &mut self.sessions {
            if let Some(open) = session.open.take() {
                session.unacknowledged.clear();
                let silent = Open { accepted: Vec::new(), stale: Vec::new(), ..open };
                replies.push((session.index, session.answer(id, &silent)));
            }
        }
        replies
    }

    /// When the next open call has waited long enough.
    pub fn next_flush_ms(&self) -> Option<i64> {
        let open = self.sessions.values().filter_map(|session| session.open.as_ref());
        open.filter(|open| open.judged).map(|open| open.until_ms).min()
    }
}

fn directive_for(session: &Session, to: RequestId, directive: Directive) -> Directive {
    match &session.open {
        Some(open) if open.request == to => directive,
        _ => session.directive,
    }
}

impl Session {
    fn new(call: &ExchangeCall) -> Self {
        Self {
            index: call.index,
            worker: call.worker.clone(),
            last_seq: 0,
            unacknowledged: Vec::new(),
            cancels: Vec::new(),
            directive: Directive::Run,
            told: Directive::Run,
            open: None,
        }
    }

    /// Forgets the grants that the worker shows or says to have.
    fn acknowledge(&mut self, call: &ExchangeCall) {
        self.unacknowledged.retain(|(sent, grant)| {
            let arrived = *sent > 0 && *sent <= call.ack;
            let shown = call.running.contains(&grant.token) || call.outcomes.iter().any(|o| o.token == grant.token);
            !arrived && !shown
        });
    }

    fn answer(&mut self, id: &SessionId, open: &Open) -> ExchangeReply {
        for (sent, _) in &mut self.unacknowledged {
            *sent = open.seq;
        }
        self.told = self.directive;
        ExchangeReply {
            session: id.clone(),
            seq: open.seq,
            grants: self.unacknowledged.iter().map(|(_, grant)| grant.clone()).collect(),
            accepted: open.accepted.clone(),
            stale: open.stale.clone(),
            cancel: std::mem::take(&mut self.cancels),
            directive: self.directive,
        }
    }
}
