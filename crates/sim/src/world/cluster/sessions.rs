//! Worker sessions over all shards: a worker speaks with one node, whose hub speaks with each shard. The real seat and turn.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;
use std::time::Duration;

use mainspring_core::event::{AttemptEnded, LogLine, Progress};
use mainspring_core::id::{SessionId, Token};
use mainspring_node::gateway;
use mainspring_node::hub::{Around, Begun, Brief, Merged, Next, Seat, Standing, Turn};
use mainspring_store::ShardId;

use super::pulse::PULSE_EVERY_MS;
use super::{Caller, Chair, Happening};
use crate::check::{Verdict, ensure};
use crate::wire::{ExchangeCall, ExchangeReply, Reply};
use crate::world::World;

/// How long a shard that could not be reached is left alone.
pub(super) const AGAIN_MS: i64 = 250;

/// What a worker says to one shard once.
#[derive(Clone, Debug, Default)]
pub(super) struct Payload {
    pub(super) outcomes: Vec<AttemptEnded>,
    pub(super) logs: Vec<LogLine>,
    pub(super) progress: Vec<Progress>,
}

/// A call of a worker while a node carries it out.
pub(super) struct Carried {
    pub(super) turn: Turn,
    /// What is the same for all shards.
    pub(super) base: ExchangeCall,
    pub(super) parts: BTreeMap<ShardId, Payload>,
    pub(super) running: BTreeMap<ShardId, Vec<Token>>,
    pub(super) began_ms: i64,
    pub(super) wake_at: Option<i64>,
    pub(super) superseded: bool,
    /// Calls without an answer: to which post, and whether nobody listens any more.
    pub(super) open: BTreeMap<Caller, (Option<usize>, Rc<Cell<bool>>)>,
}

/// A shard's part of a worker's call, on its way.
#[derive(Debug)]
pub(in crate::world) struct PartCall {
    pub(super) at: Caller,
    pub(super) post: usize,
    pub(super) call: gateway::Call,
    pub(super) gone: Rc<Cell<bool>>,
}

impl World {
    /// Sends a worker's call to the node that it speaks with.
    pub(in crate::world) fn send_exchange(&mut self, call: ExchangeCall) {
        if self.cluster.is_none() {
            return self.send(crate::wire::Request::Exchange(call));
        }
        if let Some(node) = self.inside_of(call.index) {
            return self.soon(0, Happening::Exchange { node, call: Box::new(call) });
        }
        let index = call.index;
        let faulty = self.faulty;
        let cluster = self.cluster();
        let nodes = cluster.config.nodes as u64;
        if faulty && cluster.rng.percent(2) {
            cluster.with[index] = cluster.rng.below(nodes) as usize;
            self.hit("cluster.worker_moved");
        }
        let node = self.cluster().with[index];
        for delay in self.travel("network.lost_request") {
            self.soon(delay, Happening::Exchange { node, call: Box::new(call.clone()) });
        }
    }

    /// The worker that lives inside a node, if this is one: that node.
    pub(in crate::world) fn inside_of(&self, index: usize) -> Option<usize> {
        let cluster = self.cluster.as_ref()?;
        (cluster.config.inside && index + 1 == self.workers.len()).then_some(0)
    }

    /// A worker that has ended starts again; one inside a node only together with that.
    pub(in crate::world) fn start_worker(&mut self, index: usize) {
        match self.inside_of(index) {
            None => self.workers[index].start(),
            Some(node) if self.process(node).up => {
                let id = self.process(node).id.clone();
                self.workers[index].start_inside(&id);
            }
            Some(_) => return,
        }
        self.wake_worker(index, 0);
    }

    /// Nobody listens at a node: the worker tries another.
    fn refuse(&mut self, call: &ExchangeCall) {
        let up = self.cluster().up();
        if let Some(other) = self.cluster().rng.pick_some(&up) {
            self.cluster().with[call.index] = other;
        }
        self.workers[call.index].was_refused(call.seq);
        self.wake_worker(call.index, 200);
    }

    pub(super) fn exchange(&mut self, node: usize, mut call: ExchangeCall) -> Verdict {
        if !self.process(node).up {
            self.refuse(&call);
            return Ok(());
        }
        self.note(|| {
            let (seq, ack) = (call.seq, call.ack);
            format!(
                "process {node}: {} calls {seq} (read {ack}), {} places, waits {}",
                call.session, call.capacity, call.wait_ms
            )
        });
        let now = self.monotonic();
        let (now_ms, number) = (self.now_ms, self.cluster().next_number());
        let (parts, running) = self.split(&mut call);
        let spoken: HashSet<Token> = running
            .values()
            .flatten()
            .copied()
            .chain(parts.values().flat_map(|part| part.outcomes.iter().map(|ended| ended.token)))
            .collect();
        let pulse = self.pulse(node);
        let process = self.process(node);
        let new = || Chair { seat: Seat::new(call.worker.clone(), now), current: None };
        let chair = process.chairs.entry(call.session.clone()).or_insert_with(new);
        if *chair.seat.worker() != call.worker {
            return Ok(());
        }
        let standing = Standing { seq: call.seq, ack: call.ack, digest: call.seq, spoken: &spoken, pulse };
        let fresh = match chair.seat.begin(&standing, now) {
            Begun::Answered(merged) => {
                self.check_pulse(node, &merged)?;
                self.reply(&call, *merged);
                return Ok(());
            }
            Begun::Go { fresh } => fresh,
        };
        chair.seat.lease = Duration::from_millis(call.lease_ms);
        let older = chair.current.replace(number);
        let briefs: BTreeMap<ShardId, Brief> = parts.iter().map(|(shard, part)| (*shard, part.brief())).collect();
        let wait = Duration::from_millis(call.wait_ms);
        let flags = (fresh, call.leaving);
        let turn = Turn::new(&chair.seat, flags, (call.capacity, wait), briefs, Vec::new());
        let carried = Carried {
            turn,
            base: call,
            parts,
            running,
            began_ms: now_ms,
            wake_at: None,
            superseded: false,
            open: BTreeMap::new(),
        };
        process.turns.insert(number, carried);
        if fresh {
            self.hit("cluster.session_fresh");
        }
        if let Some(older) = older.and_then(|older| self.process(node).turns.get_mut(&older)) {
            older.superseded = true;
        }
        let orders = self.decide(node, number, |turn, seat, around| turn.begin(seat, around));
        orders.into_iter().flatten().for_each(|order| self.call_shard(node, number, order));
        if let Some(older) = older {
            self.drive(node, older)?;
        }
        self.drive(node, number)
    }

    /// Lets a turn decide with what its node knows now.
    fn decide<T>(
        &mut self,
        node: usize,
        number: u64,
        decide: impl FnOnce(&mut Turn, &mut Seat, &Around<'_>) -> T,
    ) -> Option<T> {
        let now = self.monotonic();
        let shards = self.config.shards();
        let rotation = self.process(node).turns.get(&number)?.turn.rotation();
        let demand = self.demand(node, rotation);
        let stand_by = self.stand_by(node);
        let process = self.process(node);
        let carried = process.turns.get_mut(&number)?;
        let paused = process.settings.paused_workers.contains(&carried.base.worker);
        let chair = process.chairs.get_mut(&carried.base.session)?;
        let around = Around { now, shards, demand: &demand, stand_by, paused };
        Some(decide(&mut carried.turn, &mut chair.seat, &around))
    }

    /// Goes on with a turn after something has happened.
    pub(super) fn drive(&mut self, node: usize, number: u64) -> Verdict {
        let Some(carried) = self.process(node).turns.get(&number) else { return Ok(()) };
        let (superseded, began_ms) = (carried.superseded, carried.began_ms);
        let elapsed = Duration::from_millis((self.now_ms - began_ms) as u64);
        if !superseded {
            let orders = self.decide(node, number, |turn, seat, around| turn.offer(seat, around, elapsed));
            orders.into_iter().flatten().for_each(|order| self.call_shard(node, number, order));
        }
        match self.decide(node, number, |turn, seat, around| turn.next(seat, around, elapsed, superseded)) {
            Some(Next::Wait(until)) => {
                let at = began_ms + (until.as_millis() as i64).max(elapsed.as_millis() as i64 + 1);
                self.wake_in(node, number, at - self.now_ms);
                Ok(())
            }
            Some(Next::Answer) if !superseded && self.awaits_pulse(node, number, elapsed) => {
                self.hit("cluster.pulse_missed");
                self.wake_in(node, number, PULSE_EVERY_MS);
                Ok(())
            }
            Some(Next::Answer) => self.finish(node, number, superseded),
            None => Ok(()),
        }
    }

    fn wake_in(&mut self, node: usize, number: u64, delay: i64) {
        let (life, at) = (self.process(node).life, self.now_ms + delay);
        let Some(carried) = self.process(node).turns.get_mut(&number) else { return };
        if carried.wake_at.is_none_or(|planned| planned > at) {
            carried.wake_at = Some(at);
            self.soon(delay, Happening::Wake { node, life, turn: number });
        }
    }

    pub(super) fn drive_all(&mut self, node: usize) -> Verdict {
        let turns: Vec<u64> = self.process(node).turns.keys().copied().collect();
        turns.into_iter().try_for_each(|turn| self.drive(node, turn))
    }

    pub(super) fn wake_turn(&mut self, node: usize, number: u64) -> Verdict {
        let now_ms = self.now_ms;
        let Some(carried) = self.process(node).turns.get_mut(&number) else { return Ok(()) };
        if carried.wake_at.is_none_or(|at| at > now_ms) {
            return Ok(());
        }
        carried.wake_at = None;
        let elapsed = Duration::from_millis((now_ms - carried.began_ms) as u64);
        self.decide(node, number, |turn, seat, around| turn.waited(seat, around, elapsed));
        self.drive(node, number)
    }

    /// An older call may have brought what the present one is to say.
    pub(super) fn wake_current(&mut self, node: usize, session: &SessionId) -> Verdict {
        let current = self.process(node).chairs.get(session).and_then(|chair| chair.current);
        current.map_or(Ok(()), |current| self.drive(node, current))
    }

    /// Answers the worker, and hangs up what is still open.
    fn finish(&mut self, node: usize, number: u64, superseded: bool) -> Verdict {
        let Some(carried) = self.drop_turn(node, number) else { return Ok(()) };
        let pulse = self.pulse(node);
        let process = self.process(node);
        let paused = process.settings.paused_workers.contains(&carried.base.worker);
        let Some(chair) = process.chairs.get_mut(&carried.base.session) else { return Ok(()) };
        if !superseded {
            chair.seat.withhold_unless(pulse);
        }
        let merged = carried.turn.end(&mut chair.seat, paused, superseded);
        if !superseded && merged.seq == chair.seat.seq() {
            chair.current = None;
        }
        if !superseded && carried.base.leaving {
            process.chairs.remove(&carried.base.session);
        }
        let of: BTreeSet<_> = merged.grants.iter().map(|held| held.token.task.bucket().number()).collect();
        let shards = self.config.shards();
        let of: BTreeSet<ShardId> =
            of.into_iter().map(|bucket| ShardId::of(mainspring_core::id::Bucket::new(bucket), shards)).collect();
        if of.len() > 1 {
            self.hit("cluster.grants_of_several");
        }
        let session = carried.base.session.clone();
        self.check_pulse(node, &merged)?;
        self.reply(&carried.base, merged);
        if superseded { self.wake_current(node, &session) } else { Ok(()) }
    }

    /// The process of a worker has ended, and with it its connection.
    pub(in crate::world) fn hang_up_on(&mut self, index: usize) {
        if self.cluster.is_none() {
            return;
        }
        let session = self.workers[index].session().clone();
        for node in self.cluster().up() {
            let late = self.cluster().rng.range(0, 300) as i64;
            self.soon(late, Happening::Gone { node, session: session.clone() });
        }
    }

    fn reply(&mut self, call: &ExchangeCall, merged: Merged) {
        if self.trace.is_some() {
            let leases = |tokens: &[Token]| tokens.iter().map(|token| token.lease).collect::<Vec<_>>();
            let granted: Vec<_> = merged.grants.iter().map(|held| held.token.lease).collect();
            let (accepted, stale, cancel) = (leases(&merged.accepted), leases(&merged.stale), leases(&merged.cancel));
            self.note(|| {
                format!(
                    "{} is answered {} with {granted:?} accepted {accepted:?} stale {stale:?} cancel {cancel:?} {:?}",
                    call.session, merged.seq, merged.directive
                )
            });
        }
        let grants = merged.grants.iter().map(|held| self.cluster().grants[&held.token].clone()).collect();
        let reply = ExchangeReply {
            session: call.session.clone(),
            seq: call.seq,
            grants,
            accepted: merged.accepted,
            stale: merged.stale,
            cancel: merged.cancel,
            directive: merged.directive,
        };
        let reply = Reply::Exchange(call.index, reply);
        match self.inside_of(call.index) {
            Some(_) => self.after(0, crate::world::Ev::Hear(reply)),
            None => self.send_back(reply),
        }
    }

    /// A worker never runs more than it has room for, whichever nodes it speaks with and whatever gets lost.
    pub(in crate::world) fn check_places(&self, index: usize) -> Verdict {
        let worker = &self.workers[index];
        let (running, slots) = worker.load();
        let strict = self.cluster.as_ref().is_some_and(|cluster| !cluster.excused.contains(worker.session()));
        ensure(!strict || running <= slots, "places", || format!("worker {index} runs {running} in {slots} places"))
    }
}

impl Payload {
    fn brief(&self) -> Brief {
        Brief { outcomes: self.outcomes.len() as u64, once: !(self.logs.is_empty() && self.progress.is_empty()) }
    }
}
