//! How many grants the core may make for a session.
//!
//! Credits are exact: the core is only told of free places while no grant to the session can be under way unseen. If
//! that is not certain, the gateway first takes the core's credits back (tells it of 0), waits until that and everything
//! said before has returned, and then counts anew.

use mainspring_core::event::{Event, Exchange, RequestId};
use mainspring_core::id::SessionId;

use super::{Caller, Gateway, Turn};

impl<C: Caller> Gateway<C> {
    /// The caller of an exchange is gone: nothing more is to be granted to a session that nobody listens for.
    pub fn hangup(&mut self, turn: &mut Turn<'_>, request: RequestId) {
        let Some(call) = self.calls.get(&request) else { return };
        if call.leaving || call.awaits_commit() {
            return;
        }
        let call = self.close(request).expect("it is open");
        let Some(session) = self.sessions.get_mut(&call.session) else { return };
        if session.current == Some(request) {
            session.current = None;
            self.take_credits_back(turn, &call.session);
        }
    }

    /// Nobody listens for the session any more: until it calls again it is offered nothing.
    pub(super) fn take_credits_back(&mut self, turn: &mut Turn<'_>, id: &SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.current.is_none() {
            session.free = 0;
            self.recall(turn, id);
        }
    }

    /// Tells the core that a session has no place free; what it has then granted at the most is known once it answers.
    pub(super) fn recall(&mut self, turn: &mut Turn<'_>, id: &SessionId) {
        let request = turn.host.request();
        if let Some(session) = self.sessions.get_mut(id) {
            session.recall = Some(request);
        }
        self.tell_credits(turn, request, id, 0);
    }

    /// Counts credits out anew once the core has answered everything it was told of a session, its recall last.
    pub(super) fn offer_again(&mut self, turn: &mut Turn<'_>, last: RequestId, id: &SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(recall) = session.recall else { return };
        if session.unanswered > 0 {
            return;
        }
        if recall != last {
            // An older call waited for rows and was carried out after the recall: its credits are in force again.
            self.recall(turn, id);
            return;
        }
        session.recall = None;
        session.offered = session.free;
        let credits = session.free;
        if credits > 0 {
            let request = turn.host.request();
            self.tell_credits(turn, request, id, credits);
        }
        self.touched.push(id.clone());
    }

    pub(super) fn take_back_of_deaf(&mut self, turn: &mut Turn<'_>) {
        for id in std::mem::take(&mut self.deaf) {
            self.take_credits_back(turn, &id);
        }
    }

    pub(super) fn tell_credits(&mut self, turn: &mut Turn<'_>, to: RequestId, id: &SessionId, credits: u32) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.unanswered += 1;
        self.asked.insert(to, id.clone());
        turn.events.push(Event::Exchange(Exchange {
            to,
            session: id.clone(),
            worker: session.worker.clone(),
            offer: session.offer.clone(),
            credits,
            lease_ms: session.lease_ms,
            outcomes: Vec::new(),
            running: Vec::new(),
            logs: Vec::new(),
            progress: Vec::new(),
            resume: false,
        }));
    }
}
