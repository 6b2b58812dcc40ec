//! A shard's side of worker sessions: the real gateway.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use mainspring_core::effect::{Answer as Told, Effect, Grant};
use mainspring_core::event::{EndSession, Event, Order, RequestId, SessionEnd};
use mainspring_core::id::Name;
use mainspring_core::loan::{LoanMessage, LoanWord};
use mainspring_node::followed::Followed;
use mainspring_node::gateway::{self, Answer, Gateway, Refused, Turn};
use mainspring_node::hub::{Held, Part};

use super::sessions::AGAIN_MS;
use super::{Caller, Happening};
use crate::check::Verdict;
use crate::plant::Plant;
use crate::wire::{Ask, Call};
use crate::world::{BEGIN_MS, World};

/// What a post is in a world of several shards.
#[derive(Default)]
pub(in crate::world) struct Desk {
    pub(super) gateway: Option<Gateway<Ear>>,
    /// What the core was told of the settings.
    pub(super) followed: Followed,
    /// It takes nothing more in, and gives its shard back.
    pub(super) closing: bool,
    /// It is being loaded again.
    pub(super) loading: bool,
    /// A commit is under way.
    pub(in crate::world) committing: bool,
    /// Calls that wait here.
    pub(super) open: BTreeMap<Caller, (RequestId, Rc<Cell<bool>>)>,
}

/// An answer on its way: whose, and what.
#[derive(Debug)]
pub(super) struct Heard {
    at: Caller,
    post: usize,
    answer: Result<Answer, Refused>,
}

/// Whoever waits for an answer of a shard.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) at: Caller,
    pub(super) post: usize,
    pub(super) gone: Rc<Cell<bool>>,
    pub(super) outbox: Rc<RefCell<Vec<Heard>>>,
}

impl gateway::Caller for Ear {
    fn answer(self, answer: Result<Answer, Refused>) -> bool {
        let Self { at, post, gone, outbox } = self;
        outbox.borrow_mut().push(Heard { at, post, answer });
        !gone.get()
    }
}

struct Host(Rc<Cell<u64>>);

impl gateway::Host for Host {
    fn request(&self) -> RequestId {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }

    fn see(&self, _: &Name) {}
}

impl World {
    /// Lets the gateway of a post do something, tells the core what follows, and sends the answers on their way.
    pub(super) fn at_desk(&mut self, post: usize, act: impl FnOnce(&mut Gateway<Ear>, &mut Turn<'_>)) {
        let now = self.monotonic();
        let quiet = self.posts[post].is_idle();
        let host = Host(Rc::clone(&self.cluster().requests));
        let mut events = Vec::new();
        let Some(gateway) = &mut self.posts[post].desk.gateway else { return };
        act(gateway, &mut Turn { now, quiet, events: &mut events, host: &host });
        for event in events {
            if let Event::EndSession(EndSession { session, reason: SessionEnd::Lost }) = &event {
                self.cluster().excused.insert(session.clone());
            }
            self.tell_soon(post, event);
        }
        self.send_answers();
    }

    /// Puts an event into the mailbox of a core.
    pub(super) fn tell_soon(&mut self, post: usize, event: Event) {
        if self.posts[post].driver.is_some() {
            self.tell(post, event);
            let wait = self.rng.below(self.config.mailbox_ms + 1) as i64;
            self.wake_node(post, wait);
        }
    }

    /// What gateways have answered goes to whoever called.
    pub(super) fn send_answers(&mut self) {
        let outbox = std::mem::take(&mut *self.cluster().outbox.borrow_mut());
        for Heard { at, post, answer } in outbox {
            self.posts[post].desk.open.remove(&at);
            if let Err(Refused::OtherWorker { .. } | Refused::WorkerInUse(_)) = &answer {
                self.soon(0, Happening::TurnedAway { at });
                continue;
            }
            let again = if answer.is_err() { AGAIN_MS } else { 0 };
            let mut part = answer.ok().map(|answer| part_of(&answer));
            if let Some(part) = part.as_mut().filter(|part| !part.grants.is_empty())
                && self.planted.as_mut().is_some_and(|planted| planted.strikes(Plant::LostPart))
            {
                part.grants.clear();
            }
            let from = self.node_of(post);
            let way = if from == at.node { Some(0) } else { self.between(from, at.node) };
            if let Some(delay) = way {
                self.soon(delay + again, Happening::PartBack { at, part });
            } else {
                self.hit("cluster.cut_off");
                let late = self.cluster().rng.range(20, 3_000) as i64;
                self.soon(late, Happening::PartBack { at, part: None });
            }
        }
    }

    /// What a core says, to its gateway; gives back what is for somebody else.
    pub(in crate::world) fn release_in_cluster(
        &mut self,
        post: usize,
        effect: Effect,
        call: Option<&Call>,
    ) -> Option<Effect> {
        if self.cluster.is_none() {
            return Some(effect);
        }
        if let Effect::Grant(grant) = &effect {
            self.cluster().grants.insert(grant.token, grant.clone());
        }
        if let (Effect::Reply { answer: Ok(Told::Done), .. }, Some(call)) = (&effect, call) {
            self.spread(post, call);
        }
        if let Effect::Loan(message) = effect {
            self.carry_loan(post, *message);
            return None;
        }
        let Some(gateway) = &mut self.posts[post].desk.gateway else { return Some(effect) };
        match effect {
            Effect::Exchanged { to, accepted, stale, directive } => gateway.exchanged(to, accepted, stale, directive),
            Effect::Grant(grant) => gateway.granted(&grant.session.clone(), &mut vec![grant]),
            Effect::Revoke { session, token } => gateway.revoked(&session, token),
            Effect::Direct { session, directive } => gateway.directed(&session, directive),
            other => return Some(other),
        }
        None
    }

    /// Carries what a shard says of a limit to the other one, as far as its node knows where that is. Some of it is lost.
    fn carry_loan(&mut self, post: usize, mut message: LoanMessage) {
        if matches!(message.word, LoanWord::Lends { .. })
            && self.planted.as_mut().is_some_and(|planted| planted.strikes(Plant::InflatedLoan))
        {
            message.given += 1;
        }
        let (node, to) = (self.node_of(post), usize::from(message.to));
        let Some(owner) = self.process(node).owners[to] else { return };
        let now_ms = self.now_ms;
        let lost = !self.cluster().reach(node, owner, now_ms) || self.cluster().rng.below(20) == 0;
        if !lost {
            self.hit("cluster.loan");
            self.tell_soon(self.post_of(owner, to), Event::Loan(Box::new(message)));
        }
    }

    /// After all effects of a release were taken in.
    pub(in crate::world) fn settle(&mut self, post: usize) -> Verdict {
        if self.cluster.is_some() {
            self.at_desk(post, |gateway, turn| {
                turn.quiet = false;
                gateway.settle(turn);
            });
        }
        Ok(())
    }

    /// What is due at the desk; ends a post that gives its shard back; tells others of work that is left over.
    pub(in crate::world) fn tend(&mut self, post: usize) -> Verdict {
        if self.cluster.is_none() {
            return Ok(());
        }
        self.at_desk(post, |gateway, turn| {
            gateway.expire(turn);
        });
        self.close_if_done(post);
        self.tell_demand(self.node_of(post))
    }

    /// When something is due at the desk.
    pub(in crate::world) fn tend_at(&self, post: usize) -> Option<i64> {
        let wake = self.posts[post].desk.gateway.as_ref()?.wake_at()?;
        Some(BEGIN_MS + wake.as_millis() as i64)
    }

    /// A setting of the control shard: its node tells the others.
    fn spread(&mut self, post: usize, call: &Call) {
        if !is_setting(call) || self.shard_of(post) != 0 {
            return;
        }
        let node = self.node_of(post);
        for shard in 1..self.shards.len() {
            let Some(to) = self.owner_seen_by(node, shard) else { continue };
            let post = self.post_of(to, shard);
            let call = Box::new(Call { number: 0, ask: call.ask.clone() });
            if let Some(delay) = self.between(node, to) {
                self.soon(delay, Happening::Ask { post, call });
            }
        }
    }
}

/// Whether it orders a change of a setting.
pub(super) fn is_setting(call: &Call) -> bool {
    let Ask::Order(order) = &call.ask else { return false };
    matches!(order, Order::PauseQueue { .. } | Order::SetLimits { .. } | Order::DirectWorker { .. })
}

fn part_of(answer: &Answer) -> Part {
    let held = |grant: &Grant| Held { token: grant.token, json: [].into() };
    Part {
        grants: answer.grants.iter().map(held).collect(),
        accepted: answer.accepted.clone(),
        stale: answer.stale.clone(),
        cancel: answer.cancel.clone(),
        directive: answer.directive,
        offered: answer.offered,
        outdated: answer.outdated,
    }
}
