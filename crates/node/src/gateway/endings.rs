//! How sessions end, and calls when the core is lost or the node stops.

use std::collections::HashMap;

use mainspring_core::event::RequestId;
use mainspring_core::id::SessionId;
use mainspring_core::row::Directive;

use super::call::{Caller, Refused};
use super::open_call::{CutOff, OpenCall};
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
            let directive = self.sessions.get(&call.session).map_or(Directive::Run, |session| session.directive);
            polls.push(call.cut_off(directive));
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
