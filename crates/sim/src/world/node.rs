//! A post, a shard's core on a node: the real driver between a faulty store and the gateway.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use mainspring_core::driver::{Driver, Io, Ticket};
use mainspring_core::effect::{Answer, Effect};
use mainspring_core::event::{Event, RequestId};
use mainspring_core::id::Bucket;
use mainspring_core::row::Rows;
use mainspring_core::time::Timestamp;
use mainspring_store::{BoxFuture, Fence, ShardId, Store};

use super::cluster::Desk;
use super::telling::{event_of, short};
use super::{Ev, World};
use crate::check::{Verdict, ensure};
use crate::gateway::Gateway;
use crate::plant::Plant;
use crate::wire::{Call, Reply, Request};

/// Inputs and outputs in one poll after which a driver is taken to spin.
pub(super) const IOS_MAX: u32 = 20_000;

/// What a store answered.
#[derive(Debug)]
pub(super) enum Done {
    Committed(Ticket),
    NotCommitted,
    Loaded(Ticket, Box<Rows>),
    ReadFailed(Ticket),
    Disowned,
}

/// The core of a shard on a node, or none where there is no driver.
pub(super) struct Post {
    pub(super) life: u64,
    pub(super) driver: Option<Driver>,
    pub(super) fence: Option<Fence>,
    pub(super) gateway: Gateway,
    /// What it is in a world of several shards.
    pub(super) desk: Desk,
    pub(super) asks: BTreeMap<RequestId, Call>,
    requests: RequestId,
    poll_at: Option<i64>,
    pub(super) latest_ms: i64,
    /// How far its wall clock is off.
    pub(super) offset_ms: i64,
}

/// A future of the in-memory store is complete when it is made.
pub(super) fn now<T>(mut future: BoxFuture<T>) -> T {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the in-memory store answers at once"),
    }
}

impl Post {
    pub(super) fn new() -> Self {
        Self {
            life: 0,
            driver: None,
            fence: None,
            gateway: Gateway::default(),
            desk: Desk::default(),
            asks: BTreeMap::new(),
            requests: 0,
            poll_at: None,
            latest_ms: 0,
            offset_ms: 0,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.driver.as_ref().is_some_and(Driver::is_idle)
    }

    /// Its clock; the shard's time never goes back.
    fn clock(&mut self, now_ms: i64) -> Timestamp {
        self.latest_ms = self.latest_ms.max(now_ms + self.offset_ms);
        Timestamp::from_millis(now_ms + self.offset_ms)
    }

    pub(super) fn reset(&mut self) {
        self.life += 1;
        self.driver = None;
        self.gateway = Gateway::default();
        self.desk = Desk::default();
        self.asks.clear();
        self.poll_at = None;
        self.latest_ms = 0;
    }
}

impl World {
    pub(super) fn start_node(&mut self, index: usize, life: u64) -> Verdict {
        let shard = self.shard_of(index);
        let unfit = self.cluster.is_none() && index != self.shards[shard].owner;
        if self.posts[index].life != life || unfit || self.posts[index].driver.is_some() {
            return Ok(());
        }
        let unlucky = self.faulty && self.rng.permille(self.config.faults.read_failed);
        let (store, owner, dead) = match &self.cluster {
            Some(cluster) => cluster.claim(index, shard),
            None => (self.shards[shard].store.clone(), format!("node{index}-{life}").into(), None),
        };
        let fence = match now(store.acquire(ShardId(shard as u16), owner, dead)) {
            Ok(fence) => fence,
            Err(error) if self.cluster.is_some() => return self.failed_to_open(index, &error),
            Err(error) => return ensure(false, "L4", || format!("the shard cannot be acquired: {error}")),
        };
        if let Some((late, epoch)) = self.shards[shard].late.take() {
            self.digest(&late);
            let leases = self.shards[shard].checker.model.water.lease;
            self.shards[shard].checker.committed(&late, epoch)?;
            self.check_lent(shard, leases, &late)?;
        }
        self.shards[shard].owner = index;
        if unlucky {
            self.shards[shard].store.faults().script_unavailable([true]);
        }
        let mut snapshot = match now(self.shards[shard].store.load(fence.clone())) {
            Ok(snapshot) => snapshot,
            Err(_) => {
                self.shards[shard].checker.sometimes.hit("load.unavailable");
                self.after(100, Ev::NodeStart { node: index, life });
                return Ok(());
            }
        };
        self.shards[shard].checker.loaded(&snapshot)?;
        if let Some(planted) = &mut self.planted {
            planted.on_snapshot(&mut snapshot);
        }
        self.note(|| format!("node {index} loads at commit {}", snapshot.high_water.commit));
        let time = self.posts[index].clock(self.now_ms);
        let node = &mut self.posts[index];
        node.latest_ms = node.latest_ms.max(snapshot.high_water.time.as_millis());
        node.fence = Some(fence);
        node.driver = Some(Driver::new(self.config.shard_config(shard), snapshot, time));
        self.opened(index)?;
        self.wake_node(index, 0);
        Ok(())
    }

    /// Polls a node at the latest after so many milliseconds.
    pub(super) fn wake_node(&mut self, index: usize, delay_ms: i64) {
        let at = self.now_ms + delay_ms.max(0);
        let node = &mut self.posts[index];
        if node.driver.is_none() || node.poll_at.is_some_and(|planned| planned <= at) {
            return;
        }
        node.poll_at = Some(at);
        let life = node.life;
        self.after(delay_ms, Ev::Poll { node: index, life });
    }

    /// A message reaches the node that owns the shard; sometimes one that no longer does.
    pub(super) fn arrive(&mut self, request: Request) -> Verdict {
        let shard = 0;
        let other = 1 - self.shards[shard].owner;
        let stray = self.posts[other].driver.is_some() && self.rng.percent(30);
        let index = if stray { other } else { self.shards[shard].owner };
        if self.posts[index].driver.is_none() {
            return Ok(());
        }
        let now_ms = self.now_ms;
        let node = &mut self.posts[index];
        node.requests += 1;
        // Request numbers of all nodes and lives differ, so that the judge can tell them apart.
        let to = node.requests * 2 + index as u64;
        let events = match request {
            Request::Exchange(call) => node.gateway.call(call, to, now_ms),
            Request::Call(call) => {
                let event = event_of(&call, to, Bucket::new(self.rng.below(4_096) as u16));
                node.asks.insert(to, call);
                vec![event]
            }
        };
        for event in events {
            if !self.tell(index, event) {
                let effect = Effect::Reply { to, answer: Ok(Answer::Done) };
                self.release(index, vec![effect])?;
            }
        }
        let wait = self.rng.below(self.config.mailbox_ms + 1) as i64;
        self.wake_node(index, wait);
        Ok(())
    }

    /// Tells a core that is there; false if a planted bug keeps it from hearing.
    pub(super) fn tell(&mut self, index: usize, mut event: Event) -> bool {
        let shard = self.shard_of(index);
        self.shards[shard].checker.asked(&event);
        let told = match &mut self.planted {
            Some(planted) => planted.on_event(&mut event, &self.shards[shard].checker.model),
            None => true,
        };
        if told {
            if self.trace.is_some() {
                self.note(|| format!("node {index} hears {}", short(&event)));
            }
            if let Some(driver) = &mut self.posts[index].driver {
                driver.push(event);
            }
        }
        told
    }

    pub(super) fn poll_node(&mut self, index: usize, life: u64) -> Verdict {
        let shard = self.shard_of(index);
        let node = &mut self.posts[index];
        if node.life != life || node.driver.is_none() || node.poll_at.is_none_or(|at| at > self.now_ms) {
            return Ok(());
        }
        node.poll_at = None;
        for _ in 0..IOS_MAX {
            let time = self.posts[index].clock(self.now_ms);
            let Some(driver) = &mut self.posts[index].driver else { return Ok(()) };
            let Some(io) = driver.poll(time) else {
                return self.rest(index);
            };
            if self.crashes() {
                if matches!(io, Io::Commit { .. }) {
                    self.shards[shard].checker.sometimes.hit("commit.crash_before");
                }
                self.crash_node(index);
                return Ok(());
            }
            let commits = matches!(io, Io::Commit { .. });
            self.carry_out(index, io)?;
            if self.crashes() {
                if commits {
                    self.shards[shard].checker.sometimes.hit("commit.crash_after");
                }
                self.crash_node(index);
                return Ok(());
            }
        }
        ensure(false, "L7", || "the driver always has one more thing to do".into())
    }

    fn crashes(&mut self) -> bool {
        let rate = self.config.faults.crash;
        self.faulty && rate > 0 && self.rng.below(10_000) < rate
    }

    /// Nothing to do now: answers long polls, plans the next look, compares recovery.
    fn rest(&mut self, index: usize) -> Verdict {
        self.compare_recovery(index)?;
        self.flush(index);
        self.tend(index)?;
        let now_ms = self.now_ms;
        let node = &self.posts[index];
        let Some(driver) = &node.driver else { return Ok(()) };
        let deaf = self.planted.as_mut().is_some_and(|planted| planted.strikes_often(Plant::DeafTimer, 100));
        let wake = driver.wake_at().filter(|_| !deaf).map(|at| at.as_millis() - node.offset_ms);
        let next = [wake, node.gateway.next_flush_ms(), self.tend_at(index)].into_iter().flatten().min();
        if let Some(next) = next {
            // A clock that went back makes the shard's time stand still; look again within a second.
            let delay = (next - now_ms).max(if wake == Some(next) && next <= now_ms { 1 } else { 0 });
            let delay = if next <= now_ms { 1.max(delay) } else { delay };
            self.wake_node(index, delay);
        }
        Ok(())
    }

    fn flush(&mut self, index: usize) {
        let shard = self.shard_of(index);
        let now_ms = self.now_ms;
        let gateway = &mut self.posts[index].gateway;
        gateway.flush(now_ms);
        let redelivered = std::mem::take(&mut gateway.redelivered);
        let replies = std::mem::take(&mut gateway.outbox);
        self.shards[shard].checker.sometimes.add("grant.redelivered", redelivered);
        for (worker, reply) in replies {
            self.send_back(Reply::Exchange(worker, reply));
        }
    }

    fn carry_out(&mut self, index: usize, io: Io) -> Verdict {
        match io {
            Io::Commit { ticket, changes } => self.commit(index, ticket, changes),
            Io::Read { ticket, set } => {
                self.read(index, ticket, set);
                Ok(())
            }
            Io::Release(effects) => self.release(index, effects),
        }
    }

    /// Effects leave: each is judged, then goes its way.
    pub(super) fn release(&mut self, index: usize, mut effects: Vec<Effect>) -> Verdict {
        let shard = self.shard_of(index);
        if let Some(planted) = &mut self.planted {
            planted.on_effects(&mut effects);
        }
        self.digest(&effects);
        for effect in effects {
            let call = match &effect {
                Effect::Reply { to, .. } => self.posts[index].asks.remove(to),
                _ => None,
            };
            if self.trace.is_some() {
                self.note(|| format!("node {index} releases {}", crate::trace::effect(&effect)));
            }
            // What nobody waits for was asked in the name of the control shard.
            let asked = call.as_ref().filter(|call| call.number > 0);
            self.shards[shard].checker.released(&effect, asked.map(|call| &call.ask))?;
            let Some(effect) = self.release_in_cluster(index, effect, call.as_ref()) else { continue };
            let gateway = &mut self.posts[index].gateway;
            match effect {
                Effect::Reply { answer, .. } => {
                    if let Some(call) = call {
                        self.send_back(Reply::Answer { call: call.number, answer });
                    }
                }
                Effect::Exchanged { to, accepted, stale, directive } => gateway.judged(to, accepted, stale, directive),
                Effect::Grant(grant) => gateway.grant(grant),
                Effect::Revoke { session, token } => gateway.revoke(&session, token),
                Effect::Evaluate(ask) => self.evaluate(index, &ask),
                Effect::Direct { session, directive } => gateway.direct(&session, directive),
                Effect::Plan(ask) => self.plan(index, &ask),
                // Jobs here have no followers; the tests of the core have them.
                Effect::Hook(_) | Effect::Announce(_) | Effect::Install(_) => {}
                // One shard lends nothing; what several lend is carried between them.
                Effect::Loan(_) => {}
            }
        }
        self.flush(index);
        self.settle(index)
    }
}
