//! A worker session's call that waits for its answer, and the turn in which calls are dealt with.

use std::time::Duration;

use mainspring_core::event::Event;
use mainspring_core::id::{SessionId, Token};
use mainspring_core::row::Directive;

use super::call::{Answer, Host};

/// See the module.
#[derive(Debug)]
pub(super) struct OpenCall<C> {
    pub(super) session: SessionId,
    pub(super) seq: u64,
    pub(super) caller: C,
    /// When it is answered whatever happens, provided that the core has answered.
    pub(super) due: Duration,
    /// The entry in `Gateway::due`.
    pub(super) entry: Duration,
    /// It brought outcomes, logs or the like whose commit it waits for.
    pub(super) commits: bool,
    /// The core has answered it.
    pub(super) exchanged: bool,
    pub(super) accepted: Vec<Token>,
    pub(super) stale: Vec<Token>,
    pub(super) unreadable: Vec<String>,
    pub(super) leaving: bool,
    /// It takes up a session that was not known here: what that holds is granted again before the core answers, so that
    /// until then nobody can say what may still come.
    pub(super) resumes: bool,
    /// Also answered once no more can be granted to the session than it offers.
    pub(super) settle: bool,
}

impl<C> OpenCall<C> {
    /// It brought something that is not durable yet.
    pub(super) fn awaits_commit(&self) -> bool {
        self.commits && !self.exchanged
    }

    /// The core must answer before anything can be said.
    pub(super) fn awaits_core(&self) -> bool {
        (self.commits || self.resumes) && !self.exchanged
    }

    /// What is left of it when its shard is lost. A verdict is news, which does not wait.
    pub(super) fn cut_off(self, directive: Directive, offered: u32) -> CutOff<C> {
        let news = !(self.accepted.is_empty() && self.stale.is_empty() && self.unreadable.is_empty());
        let due = if news || self.leaving { Duration::ZERO } else { self.due };
        let answer = Answer { offered, ..Answer::empty(self.seq, directive) };
        let answer = answer.with_verdict(self.accepted, self.stale, self.unreadable);
        CutOff { due, caller: self.caller, answer }
    }
}

/// A call whose shard was lost while it waited for nothing of its own.
#[derive(Debug)]
pub struct CutOff<C> {
    /// When its wait is over.
    pub due: Duration,
    /// Who waits.
    pub caller: C,
    /// What to answer then.
    pub answer: Answer,
}

/// What the gateway may use while it takes something in.
pub struct Turn<'a> {
    /// The monotonic clock.
    pub now: Duration,
    /// Nothing that the core was told before is still on its way back.
    pub quiet: bool,
    /// Events for the core, in order.
    pub events: &'a mut Vec<Event>,
    /// Who runs the gateway.
    pub host: &'a dyn Host,
}
