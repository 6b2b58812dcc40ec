//! A node that may own the shard: the real driver, and what it has ordered from the store.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use mainspring_core::driver::{Driver, Io, Ticket};
use mainspring_core::effect::Effect;
use mainspring_core::event::{AttemptEnded, EndSession, Event, Exchange, Offer, SessionEnd};
use mainspring_core::id::Token;
use mainspring_core::row::{Changes, ReadSet, Rows, Snapshot};
use mainspring_core::shard::ShardConfig;
use mainspring_core::time::Timestamp;

use crate::message::{Call, Life};
use crate::plant::Plant;

/// How long a lease lasts: one tick.
pub const LEASE_MS: u64 = 10_000;
/// Every request has its own number only as far as its kind goes: nobody is answered here but by what the answer says.
pub const SUBMISSION: u64 = 1;
/// See [`SUBMISSION`].
pub const OTHER: u64 = 2;
/// See [`SUBMISSION`].
pub const CANCEL: u64 = 3;
/// Exchanges of a worker's session are numbered from here: life and worker make the rest.
const EXCHANGE: u64 = 16;

/// What the store was asked and has not looked at.
#[derive(Clone, Debug)]
pub enum Order {
    /// To write.
    Commit(Ticket, Arc<Changes>),
    /// To read.
    Read(Ticket, ReadSet),
}

/// What the store has answered and the node has not heard.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is written; these leases were in force right after.
    Committed(Ticket, Vec<u64>),
    /// It was not: the driver is at its end.
    Refused(Ticket),
    /// What was read.
    Rows(Ticket, Rows),
    /// It may not read any more.
    Disowned,
}

/// Effects that leave together.
#[derive(Debug)]
pub struct Released {
    /// What leaves.
    pub effects: Vec<Effect>,
    /// Leases in force right after the commit that let them go; `None`: no commit did.
    pub in_force: Option<Vec<u64>>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// What decides, while it believes to own the shard.
    pub driver: Option<Driver>,
    /// Under which epoch.
    pub epoch: u64,
    /// Which load of all loads of the world it lives by.
    pub load: u32,
    /// What the store was asked, in order.
    pub orders: VecDeque<Order>,
    /// What the store has answered, in order.
    pub answers: VecDeque<Answer>,
    /// The newest process that it knows of each worker, and the number of its last call.
    sessions: BTreeMap<u8, (Life, u8)>,
}

impl Node {
    /// A driver over what was loaded.
    pub fn install(&mut self, epoch: u64, load: u32, snapshot: Snapshot, now: Timestamp) -> Vec<Released> {
        // Not the control shard, which tells of workers that come, and so commits more often.
        let config = ShardConfig { session_grace_ms: LEASE_MS / 2, seed: 1, control: false, ..ShardConfig::default() };
        *self = Self { driver: Some(Driver::new(config, snapshot, now)), epoch, load, ..Self::default() };
        self.poll(now, None)
    }

    /// Ends the driver. Gives the commits back that the store has not looked at: they may still land.
    pub fn abandon(&mut self) -> Vec<(u64, u32, Arc<Changes>)> {
        let (epoch, load) = (self.epoch, self.load);
        let commits = self.orders.drain(..).filter_map(|order| match order {
            Order::Commit(_, changes) => Some((epoch, load, changes)),
            Order::Read(..) => None,
        });
        let commits = commits.collect();
        *self = Self::default();
        commits
    }

    /// Whether a commit's answer is still to come.
    pub fn awaits_commit(&self) -> bool {
        self.orders.iter().any(|order| matches!(order, Order::Commit(..)))
            || self.answers.iter().any(|answer| matches!(answer, Answer::Committed(..) | Answer::Refused(_)))
    }

    /// Lets the driver work; gives what leaves at once.
    pub fn poll(&mut self, now: Timestamp, plant: Option<Plant>) -> Vec<Released> {
        let mut released = Vec::new();
        let Some(driver) = &mut self.driver else { return released };
        while let Some(io) = driver.poll(now) {
            match io {
                Io::Commit { ticket, changes } => {
                    self.orders.push_back(Order::Commit(ticket, Arc::new(without_cancel(changes, plant))));
                }
                Io::Read { ticket, set } => self.orders.push_back(Order::Read(ticket, set)),
                Io::Release(effects) => released.push(Released { effects, in_force: None }),
            }
        }
        released
    }

    /// Takes an event in and lets the driver work.
    pub fn push(&mut self, event: Event, now: Timestamp, plant: Option<Plant>) -> Vec<Released> {
        if let Some(driver) = &mut self.driver {
            driver.push(event);
        }
        self.poll(now, plant)
    }

    /// A call of a worker, as the gateway hands it on; older and repeated calls mean nothing.
    pub fn call(&mut self, call: &Call, now: Timestamp, plant: Option<Plant>) -> Vec<Released> {
        let known = self.sessions.get(&call.life.worker).copied();
        let mut released = Vec::new();
        match known {
            Some((life, _)) if life > call.life => return released,
            Some((life, seq)) if life == call.life && seq >= call.seq => return released,
            Some((life, _)) if life < call.life => {
                let end = EndSession { session: life.session(), reason: SessionEnd::Lost };
                released.extend(self.push(Event::EndSession(end), now, plant));
            }
            _ => {}
        }
        let resume = known.is_none_or(|(life, _)| life != call.life);
        self.sessions.insert(call.life.worker, (call.life, call.seq));
        released.extend(self.push(Event::Exchange(exchange(call, resume)), now, plant));
        released
    }
}

fn exchange(call: &Call, resume: bool) -> Exchange {
    let any: mainspring_core::id::Name = "*".into();
    let ended = |(token, outcome): &(Token, _)| AttemptEnded {
        token: *token,
        outcome: *outcome,
        output: None,
        error: None,
        retryable: None,
        retry_after_ms: None,
    };
    Exchange {
        to: EXCHANGE + u64::from(call.life.worker) + 16 * u64::from(call.life.number),
        session: call.life.session(),
        worker: format!("w{}", call.life.worker).into(),
        offer: Arc::new(Offer { queues: Vec::new(), executors: vec![any], labels: Vec::new() }),
        credits: u32::from(call.idle),
        lease_ms: LEASE_MS,
        outcomes: call.ended.iter().map(ended).collect(),
        running: call.running.clone(),
        logs: Vec::new(),
        progress: Vec::new(),
        resume,
    }
}

/// Whose exchange this is the number of.
pub fn caller(request: u64) -> Life {
    let number = request - EXCHANGE;
    Life { worker: (number % 16) as u8, number: (number / 16) as u8 }
}

fn without_cancel(mut changes: Changes, plant: Option<Plant>) -> Changes {
    if plant == Some(Plant::CancelNotWritten) {
        let cancelled = mainspring_core::task::TaskStatus::Cancelled;
        changes.update_tasks.retain(|(_, state)| state.status != cancelled);
    }
    changes
}

impl Node {
    /// For [`Plant::GrantBeforeCommit`] and [`Plant::ReplyBeforeCommit`]: what the commit that was just ordered holds back.
    pub(crate) fn early(&self, plant: Option<Plant>) -> Vec<Released> {
        let Some(plant @ (Plant::GrantBeforeCommit | Plant::ReplyBeforeCommit)) = plant else { return Vec::new() };
        let ordered = self.orders.iter().find_map(|order| match order {
            Order::Commit(ticket, _) => Some(*ticket),
            Order::Read(..) => None,
        });
        let (Some(ticket), Some(driver)) = (ordered, &self.driver) else { return Vec::new() };
        let mut effects = driver.clone().committed(ticket);
        effects.retain(|effect| match effect {
            Effect::Grant(_) => plant == Plant::GrantBeforeCommit,
            _ => plant == Plant::ReplyBeforeCommit,
        });
        vec![Released { effects, in_force: None }]
    }

    /// For [`Plant::GrantedFromMemory`]: what it would grant again, if it asked nobody.
    pub(crate) fn granted_from_memory(&self, call: &Call, now: Timestamp) -> Vec<Released> {
        let mut other = self.clone();
        let mut released = Vec::new();
        if self.awaits_commit() || self.sessions.contains_key(&call.life.worker) {
            return released;
        }
        released.extend(other.call(&Call { idle: false, ..call.clone() }, now, None));
        if let Some(Order::Commit(ticket, _)) = other.orders.front().cloned()
            && let Some(driver) = &mut other.driver
        {
            released.push(Released { effects: driver.committed(ticket), in_force: None });
        }
        for part in &mut released {
            part.effects.retain(|effect| matches!(effect, Effect::Grant(_)));
        }
        released
    }
}
