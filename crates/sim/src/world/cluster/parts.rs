//! The parts of a worker's call: to each shard, and back.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use mainspring_core::id::{SessionId, Token};
use mainspring_node::gateway;
use mainspring_node::hub::{Away, Order, Part};
use mainspring_store::ShardId;

use super::desk::Ear;
use super::sessions::{AGAIN_MS, Carried, PartCall, Payload};
use super::{Caller, Happening};
use crate::check::Verdict;
use crate::plant::Plant;
use crate::wire::ExchangeCall;
use crate::world::World;

impl World {
    /// Splits what a call says by the shards of its tokens.
    pub(super) fn split(&self, call: &mut ExchangeCall) -> (BTreeMap<ShardId, Payload>, BTreeMap<ShardId, Vec<Token>>) {
        let of = |token: Token| ShardId::of_key(token.task, self.config.shards());
        let (mut parts, mut running): (BTreeMap<ShardId, Payload>, BTreeMap<ShardId, Vec<Token>>) = Default::default();
        for token in std::mem::take(&mut call.running) {
            running.entry(of(token)).or_default().push(token);
        }
        for ended in std::mem::take(&mut call.outcomes) {
            parts.entry(of(ended.token)).or_default().outcomes.push(ended);
        }
        for line in std::mem::take(&mut call.logs) {
            parts.entry(of(line.token)).or_default().logs.push(line);
        }
        for progress in std::mem::take(&mut call.progress) {
            parts.entry(of(progress.token)).or_default().progress.push(progress);
        }
        for shard in running.keys() {
            parts.entry(*shard).or_default();
        }
        (parts, running)
    }

    /// Calls a shard for a turn.
    pub(super) fn call_shard(&mut self, node: usize, number: u64, order: Order) {
        let to = self.place(node, usize::from(order.shard.0));
        let (life, now_ms) = (self.process(node).life, self.now_ms);
        let Some(carried) = self.process(node).turns.get_mut(&number) else { return };
        let Order { shard, seq, ack, capacity, fresh, settle, speaks, .. } = order;
        let at = Caller { node, life, turn: number, shard: shard.0, seq };
        let gone = Rc::new(Cell::new(false));
        let payload = carried.parts.remove(&shard).unwrap_or_default();
        let left = (carried.began_ms + carried.base.wait_ms as i64 - now_ms).max(0);
        let wait = if speaks && to.is_some_and(|to| to != node) { 0 } else { left };
        let base = &carried.base;
        let call = gateway::Call {
            worker: base.worker.clone(),
            session: base.session.clone(),
            seq,
            ack,
            digest: seq,
            offer: base.offer.clone(),
            capacity,
            wait: Duration::from_millis(wait as u64),
            lease_ms: base.lease_ms,
            outcomes: payload.outcomes,
            running: carried.running.get(&shard).cloned().unwrap_or_default(),
            logs: payload.logs,
            progress: payload.progress,
            unreadable: Vec::new(),
            leaving: base.leaving,
            fresh,
            settle,
        };
        let post = to.map(|to| self.post_of(to, usize::from(shard.0)));
        let carried = self.process(node).turns.get_mut(&number).expect("it was just there");
        carried.open.insert(at, (post, Rc::clone(&gone)));
        let way = to.and_then(|to| if to == node { Some(0) } else { self.between(node, to) });
        match post.zip(way) {
            Some((post, delay)) => {
                let call = self.spoil_offer(call);
                self.note(|| {
                    let (capacity, wait) = (call.capacity, call.wait);
                    format!("process {node} calls {post} as {seq}: {capacity} places, {wait:?}, fresh {fresh}, settle {settle}")
                });
                self.soon(delay, Happening::PartCall(Box::new(PartCall { at, post, call, gone })));
            }
            None => self.soon(AGAIN_MS, Happening::PartBack { at, part: None }),
        }
    }

    /// A planted bug offers a place twice.
    fn spoil_offer(&mut self, mut call: gateway::Call) -> gateway::Call {
        if call.capacity > 0 && self.planted.as_mut().is_some_and(|planted| planted.strikes(Plant::DoubleOffer)) {
            call.capacity = call.capacity.saturating_add(1);
        }
        call
    }

    /// A shard's part of a worker's call has arrived.
    pub(super) fn part_call(&mut self, part: PartCall) -> Verdict {
        let PartCall { at, post, call, gone } = part;
        let desk = &self.posts[post].desk;
        if desk.gateway.is_none() || desk.closing || self.posts[post].driver.is_none() {
            self.soon(AGAIN_MS, Happening::PartBack { at, part: None });
            return Ok(());
        }
        let cluster = self.cluster();
        let requests = Rc::clone(&cluster.requests);
        let outbox = Rc::clone(&cluster.outbox);
        requests.set(requests.get() + 1);
        let request = requests.get();
        self.posts[post].desk.open.insert(at, (request, Rc::clone(&gone)));
        let ear = Ear { at, post, gone, outbox };
        self.at_desk(post, |gateway, turn| gateway.call(turn, request, call, ear));
        Ok(())
    }

    /// A shard has answered, or has not.
    pub(super) fn part_back(&mut self, at: Caller, part: Option<Part>) -> Verdict {
        if self.process(at.node).life != at.life {
            return Ok(());
        }
        self.note(|| format!("process {}: shard {} answers {}: {part:?}", at.node, at.shard, at.seq));
        let process = self.process(at.node);
        let Some(carried) = process.turns.get_mut(&at.turn) else { return Ok(()) };
        if carried.open.remove(&at).is_none() {
            return Ok(());
        }
        let Some(chair) = process.chairs.get_mut(&carried.base.session) else { return Ok(()) };
        let unasked = (part.is_none() && chair.seat.is_unread()).then(|| carried.base.session.clone());
        let taken = carried.turn.take(&mut chair.seat, ShardId(at.shard), at.seq, part.ok_or(Away));
        let (session, superseded) = (carried.base.session.clone(), carried.superseded);
        let turn = (carried.base.index, carried.base.seq);
        if unasked.is_some() {
            self.hit("cluster.shard_unasked");
        }
        self.cluster().excused.extend(unasked);
        if taken.is_err() {
            // The worker hears of no answer, and says all of it again.
            let (index, seq) = turn;
            self.hit("cluster.turn_failed");
            self.drop_turn(at.node, at.turn);
            self.workers[index].was_refused(seq);
            self.wake_worker(index, 100);
            return Ok(());
        }
        self.drive(at.node, at.turn)?;
        if superseded {
            self.wake_current(at.node, &session)?;
        }
        Ok(())
    }

    /// The worker is refused: its process ends, and another starts.
    pub(super) fn turned_away(&mut self, at: Caller) {
        if self.process(at.node).life != at.life {
            return;
        }
        let Some(carried) = self.drop_turn(at.node, at.turn) else { return };
        let index = carried.base.index;
        if *self.workers[index].session() == carried.base.session {
            self.hit("cluster.worker_refused");
            self.shards.iter_mut().for_each(|shard| shard.checker.excuse());
            self.workers[index].crash();
            let life = self.workers[index].life;
            self.after(2_000, crate::world::Ev::WorkerStart { index, life });
        }
    }

    /// Ends a turn: what is still open is hung up.
    pub(super) fn drop_turn(&mut self, node: usize, number: u64) -> Option<Carried> {
        let carried = self.process(node).turns.remove(&number)?;
        for (at, (post, gone)) in &carried.open {
            let Some(post) = *post else { continue };
            let to = self.node_of(post);
            if to == node {
                gone.set(true);
                self.soon(0, Happening::Hangup { post, at: *at });
            } else if let Some(delay) = self.between(node, to) {
                self.soon(delay, Happening::Hangup { post, at: *at });
            } else {
                let late = self.cluster().rng.range(500, 10_000) as i64;
                self.soon(late, Happening::Hangup { post, at: *at });
            }
        }
        Some(carried)
    }

    pub(super) fn hangup(&mut self, post: usize, at: Caller) -> Verdict {
        if let Some((request, gone)) = self.posts[post].desk.open.get(&at).cloned() {
            gone.set(true);
            self.at_desk(post, |gateway, turn| gateway.hangup(turn, request));
        }
        Ok(())
    }

    pub(super) fn caller_gone(&mut self, node: usize, session: &SessionId) {
        let turns = self.process(node).turns.iter().filter(|(_, carried)| carried.base.session == *session);
        for turn in turns.map(|(turn, _)| *turn).collect::<Vec<_>>() {
            self.drop_turn(node, turn);
        }
    }
}
