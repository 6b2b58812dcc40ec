//! How calls end when the core is lost or the node stops.

use mainspring_core::row::Directive;

use super::super::CallError;
use super::super::open_call::OpenCall;
use super::super::trouble::Parked;
use super::Gateway;

impl Gateway {
    /// The core was lost with everything uncommitted: forgets all sessions, so that their next calls resume. Whoever waits
    /// for a commit learns that its outcome is unknown; polls that wait for nothing of their own are handed back.
    pub(in crate::node) fn reset(&mut self) -> Vec<Parked> {
        let mut polls = Vec::new();
        for (_, call) in self.calls.drain() {
            if call.awaits_commit() {
                let _ = call.answer.send(Err(CallError::OutcomeUnknown));
                continue;
            }
            let directive = self.sessions.get(&call.session).map_or(Directive::Run, |session| session.directive);
            polls.push(call.park(directive));
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
    pub(in crate::node) fn end_polls(&mut self) {
        for request in self.calls.keys().copied().collect::<Vec<_>>() {
            match self.calls.get(&request) {
                Some(call) if !call.awaits_core() => self.answer(request),
                // Whoever takes the shard over is asked what the session holds.
                Some(call) if !call.awaits_commit() => {
                    let call = self.close(request).expect("it was just found");
                    let _ = call.answer.send(Err(CallError::Stopped));
                }
                _ => {}
            }
        }
    }

    /// Whether a call waits for a commit.
    pub(in crate::node) fn awaits_commit(&self) -> bool {
        self.calls.values().any(OpenCall::awaits_commit)
    }
}
