//! How sessions end, and calls when the core is lost or the node stops.

use std::collections::HashMap;

use mainspring_core::event::RequestId;
use mainspring_core::id::SessionId;
use mainspring_core::row::Directive;

use super::call::{Caller, Refused};
use super::open_call::{CutOff, OpenCall};
use super::session::Session;
use super::{Gateway, Turn};

impl<C: Caller> Gateway<C> {
    /// The core was lost with everything uncommitted: forgets all sessions, so that their next calls resume. Whoever waits
    /// for a commit learns that its outcome is unknown; polls that wait for nothing of their own are handed back.
    pub fn reset(&mut self) -> Vec<CutOff<C>> {
        let mut polls = Vec::new();
        for (_, call) in in_order(std::mem::take(&mut self.calls)) {
            if call.awaits_commit() {
                let _ = call.caller.answer(Err(Refused::OutcomeUnknown));
                continue;
            }
            let session = self.sessions.get(&call.session);
            let directive = session.map_or(Directive::Run, |session| session.directive);
            // A commit of unknown fate may have granted what was offered: it comes when the session calls again.
            polls.push(call.cut_off(directive, session.map_or(0, Session::owed)));
        }
        self.sessions.clear();
        self.asked.clear();
        self.recalled.clear();
        self.touched.clear();
        self.deaf.clear();
        self.due.clear();
        polls
    }

    /// Ends every call that does not wait for a commit: the node is about to stop.
    pub fn end_polls(&mut self) {
        let mut open: Vec<_> = self.calls.keys().copied().collect();
        open.sort_unstable();
        for request in open {
            match self.calls.get(&request) {
                Some(call) if !call.awaits_core() => self.answer(request),
                // Whoever takes the shard over is asked what the session holds.
                Some(call) if !call.awaits_commit() => {
                    let call = self.close(request).expect("it was just found");
                    let _ = call.caller.answer(Err(Refused::Stopped));
                }
                _ => {}
            }
        }
    }

    /// Takes back what sessions were offered that have not called again since, and forgets those that have been silent for too
    /// long.
    pub(super) fn sweep(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let gone = self.sessions.iter().filter(|(_, session)| session.holds_places_unheard(now));
        let mut gone: Vec<SessionId> = gone.map(|(id, _)| id.clone()).collect();
        gone.sort_unstable();
        for id in gone {
            self.take_credits_back(turn, &id);
        }
        let silent = self.sessions.iter().filter(|(_, session)| session.is_silent(self.grace, now));
        let mut silent: Vec<SessionId> = silent.map(|(id, _)| id.clone()).collect();
        silent.sort_unstable();
        for id in silent {
            if let Some(session) = self.sessions.get(&id) {
                self.workers.leave(&session.worker, &id);
            }
            self.forget(&id);
        }
        self.workers.sweep(now);
    }

    pub(super) fn forget(&mut self, id: &SessionId) {
        let Some(session) = self.sessions.remove(id) else { return };
        if let Some(request) = session.current {
            self.answer_without_news(request);
        }
    }

    /// Whether a call waits for a commit.
    pub fn awaits_commit(&self) -> bool {
        self.calls.values().any(OpenCall::awaits_commit)
    }
}

/// In the order in which they came: nothing that leaves depends on the order of a map.
fn in_order<C>(calls: HashMap<RequestId, OpenCall<C>>) -> Vec<(RequestId, OpenCall<C>)> {
    let mut calls: Vec<_> = calls.into_iter().collect();
    calls.sort_unstable_by_key(|(request, _)| *request);
    calls
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use mainspring_core::event::Offer;
    use mainspring_core::id::Name;

    use super::super::call::{Answer, Call, Host};
    use super::super::open_call::Turn;
    use super::*;

    struct Ear;

    impl Caller for Ear {
        fn answer(self, _: Result<Answer, Refused>) -> bool {
            true
        }
    }

    struct Nobody;

    impl Host for Nobody {
        fn request(&self) -> RequestId {
            9
        }

        fn see(&self, _: &Name) {}
    }

    fn call(capacity: u32) -> Call {
        Call {
            worker: "w".into(),
            session: "w-1".into(),
            seq: 1,
            ack: 0,
            digest: 1,
            offer: Arc::new(Offer { queues: Vec::new(), executors: Vec::new(), labels: Vec::new() }),
            capacity,
            wait: Duration::from_secs(10),
            lease_ms: 15_000,
            outcomes: Vec::new(),
            running: Vec::new(),
            logs: Vec::new(),
            progress: Vec::new(),
            unreadable: Vec::new(),
            leaving: false,
            fresh: true,
            settle: false,
        }
    }

    #[test]
    fn what_was_offered_when_the_core_was_lost_may_have_been_granted() {
        let mut gateway = Gateway::new(1_000);
        let mut events = Vec::new();
        let mut turn = Turn { now: Duration::ZERO, quiet: true, events: &mut events, host: &Nobody };
        gateway.call(&mut turn, 1, call(2), Ear);
        let cut: Vec<u32> = gateway.reset().into_iter().map(|cut| cut.answer.offered).collect();
        assert_eq!(cut, [2]);
    }
}
