//! One call of a worker while it is carried out: passes on what [`mainspring_node::hub`] decides, and brings it the answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mainspring_core::id::SessionId;
use mainspring_node::hub::{Around, Away, Brief, Merged, Next, Order, Part, Turn};
use mainspring_protocol::exchange::ExchangeRequest;
use mainspring_store::ShardId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::hub::{Chair, SharedSeat, lock};
use super::part_call::{Failed, PartCall, after_failure, call_here, read_part};
use super::routing::Place;
use super::{Cluster, inside};
use crate::node::CallError;

/// How long a peer may take beyond the wait that it was asked for.
const PEER_SLACK: Duration = Duration::from_secs(10);
/// How often a pulse that is missed is felt for again.
const PULSE_EVERY: Duration = Duration::from_millis(50);

/// What a call says, by shard.
pub(super) struct Said {
    /// Outcomes, output and progress.
    pub(super) parts: BTreeMap<ShardId, ExchangeRequest>,
    /// Attempts that still run.
    pub(super) running: BTreeMap<ShardId, Vec<String>>,
    /// What was sent as tokens and is none.
    pub(super) unreadable: Vec<String>,
}

/// See the module.
pub(super) struct Carried<'a> {
    cluster: &'a Cluster,
    seat: SharedSeat,
    turn: Turn,
    /// What is the same in the calls to all shards.
    base: ExchangeRequest,
    /// What each shard is told, until it is called.
    parts: BTreeMap<ShardId, ExchangeRequest>,
    /// Running attempts by shard: each call to it names them.
    running: BTreeMap<ShardId, Vec<String>>,
    open: FuturesUnordered<PartCall>,
    began: Instant,
    due: Instant,
}

impl<'a> Carried<'a> {
    /// `base` is what is the same for every shard; `fresh`: the session is new to this node.
    pub(super) fn new(
        cluster: &'a Cluster,
        seat: SharedSeat,
        base: ExchangeRequest,
        said: Said,
        fresh: bool,
        (capacity, wait): (u32, Duration),
    ) -> Self {
        let brief = |part: &ExchangeRequest| Brief {
            outcomes: part.outcomes.len() as u64,
            once: !(part.logs.is_empty() && part.progress.is_empty()),
        };
        let parts = said.parts.iter().map(|(shard, part)| (*shard, brief(part))).collect();
        let flags = (fresh, base.leaving);
        let turn = Turn::new(&lock(&seat).seat, flags, (capacity, wait), parts, said.unreadable);
        let began = Instant::now();
        Self {
            cluster,
            seat,
            turn,
            base,
            parts: said.parts,
            running: said.running,
            open: FuturesUnordered::new(),
            began,
            due: began + wait,
        }
    }

    /// Carries the call out; `current` ends it when a newer one speaks for the session.
    pub(super) async fn run(mut self, current: &CancellationToken) -> Result<Merged, CallError> {
        let (mut demands, mut settings) =
            (self.cluster.wakes.demands.subscribe(), self.cluster.hub.settings.subscribe());
        let left_over = Arc::clone(&lock(&self.seat).left_over);
        let orders = self.decide(Turn::begin);
        orders.into_iter().for_each(|order| self.call(order));
        loop {
            let superseded = current.is_cancelled();
            let elapsed = self.began.elapsed();
            if !superseded {
                let orders = self.decide(|turn, seat, around| turn.offer(seat, around, elapsed));
                orders.into_iter().for_each(|order| self.call(order));
            }
            let Next::Wait(until) = self.decide(|turn, seat, around| turn.next(seat, around, elapsed, superseded))
            else {
                break;
            };
            tokio::select! {
                biased;
                () = current.cancelled(), if !superseded => {}
                () = self.cluster.hub.closed.cancelled() => break,
                Some((shard, seq, part)) = self.open.next() => self.take(shard, seq, part)?,
                Ok(()) = demands.changed() => {}
                Ok(()) = settings.changed() => {}
                () = left_over.notified(), if !superseded => {}
                () = tokio::time::sleep_until(self.began + until) => {
                    let elapsed = self.began.elapsed();
                    self.decide(|turn, seat, around| turn.waited(seat, around, elapsed));
                }
            }
        }
        self.await_pulse(current).await;
        Ok(self.end(current))
    }

    /// Grants wait for a beat that is late: to answer without them would only bring the next call.
    async fn await_pulse(&mut self, current: &CancellationToken) {
        let due = self.due;
        let waits = || lock(&self.seat).seat.holds_grants() && self.cluster.pulse().is_none() && Instant::now() < due;
        while waits() && !current.is_cancelled() && !self.cluster.hub.closed.is_cancelled() {
            tokio::time::sleep(PULSE_EVERY).await;
        }
    }

    /// Lets the turn decide with what is known now.
    fn decide<T>(&mut self, decide: impl FnOnce(&mut Turn, &mut mainspring_node::hub::Seat, &Around<'_>) -> T) -> T {
        let demand = self.cluster.demand(self.turn.rotation());
        let here = !self.cluster.local_shards().is_empty();
        let mut chair = lock(&self.seat);
        let around = Around {
            now: self.cluster.config.clock.monotonic(),
            shards: self.cluster.shards,
            demand: &demand,
            stand_by: here.then(|| self.cluster.favourite()),
            paused: self.cluster.is_paused(&chair),
        };
        decide(&mut self.turn, &mut chair.seat, &around)
    }

    /// Calls a shard; an older call to it is superseded.
    fn call(&mut self, order: Order) {
        let Order { shard, seq, ack, capacity, fresh, settle, first: _, speaks } = order;
        let part = self.parts.remove(&shard).unwrap_or_else(|| self.base.clone());
        let running = self.running.get(&shard).cloned().unwrap_or_default();
        let left = self.due.saturating_duration_since(Instant::now());
        let place = self.cluster.place(shard);
        // A call that brings something to another node is answered at once, so that it is known to have arrived.
        let wait = if speaks && matches!(place, Place::There { .. }) { Duration::ZERO } else { left };
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let request = ExchangeRequest { seq, ack, capacity, running, wait_ms, ..part };
        let call: PartCall = match place {
            Place::Here(shared) => {
                let (reader, wait_max) = (Arc::clone(&self.cluster.reader), self.cluster.hub.wait_ms_max);
                Box::pin(async move {
                    let part = call_here(&shared, &*reader, request, wait_max, fresh, settle).await;
                    (shard, seq, part)
                })
            }
            Place::There { node, address, key } => {
                let body = inside::exchange_body(&request, fresh, settle);
                let (peers, lost) = (Arc::clone(&self.cluster.peers), self.cluster.has_lost(node, shard));
                Box::pin(async move {
                    let path = inside::exchange_path(shard);
                    let part = tokio::select! {
                        biased;
                        answer = peers.call(&key, &address, &path, body, wait + PEER_SLACK) => read_part(answer),
                        // What it said is said again to whoever owns the shard now.
                        () = lost => Err(Failed::Away),
                    };
                    (shard, seq, part)
                })
            }
            Place::Nowhere => Box::pin(async move { (shard, seq, Err(Failed::Away)) }),
        };
        self.open.push(after_failure(call));
    }

    /// A shard has answered, or has not.
    fn take(&mut self, shard: ShardId, seq: u64, part: Result<Part, Failed>) -> Result<(), CallError> {
        let part = match part {
            Ok(part) => Ok(part),
            Err(Failed::Away) => Err(Away),
            Err(Failed::Refused(error)) => return Err(error),
        };
        let taken = self.turn.take(&mut lock(&self.seat).seat, shard, seq, part);
        taken.map_err(|Away| CallError::Unavailable(format!("shard {} cannot be reached just now", shard.0)))
    }

    /// Answers the worker; what is still open is hung up.
    fn end(self, current: &CancellationToken) -> Merged {
        let mut chair = lock(&self.seat);
        let paused = self.cluster.is_paused(&chair);
        let superseded = current.is_cancelled();
        if !superseded {
            chair.seat.withhold_unless(self.cluster.pulse());
        }
        let merged = self.turn.end(&mut chair.seat, paused, superseded);
        if superseded {
            chair.left_over.notify_one();
            return merged;
        }
        if merged.seq == chair.seat.seq() {
            chair.current = None;
        }
        drop(chair);
        if self.base.leaving {
            self.cluster.hub.forget(&SessionId::from(self.base.session_id.as_str()));
        }
        merged
    }
}

impl Cluster {
    fn is_paused(&self, chair: &Chair) -> bool {
        self.view().settings.paused_workers.contains(chair.seat.worker())
    }
}
