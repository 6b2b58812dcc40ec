//! A world: everything that the model tells apart, and what each action does to it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use mainspring_core::event::{Command, Event, NewTask, Order as Wish, Start, SubmitTasks};
use mainspring_core::id::{Bucket, Name, Token};
use mainspring_core::row::Changes;
use mainspring_core::spec::{Backoff, BackoffShape, Policy, TaskSpec};
use mainspring_core::task::Outcome;
use mainspring_core::time::Timestamp;

use crate::bounds::Bounds;
use crate::hashed::Hashed;
use crate::history::History;
use crate::message::{Call, Message};
use crate::node::{CANCEL, LEASE_MS, Node, OTHER, Released, SUBMISSION};
use crate::plant::Plant;
use crate::store::Store;
use crate::worker::Worker;

/// When every world starts, in milliseconds since the Unix epoch.
const START_MS: i64 = 1_800_000_000_000;

/// Something that may happen next.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A client submits the first task, or repeats that, to a node.
    Submit(u8),
    /// A client submits the second task.
    SubmitOther(u8),
    /// A client orders the cancel of the first task.
    Cancel(u8),
    /// A worker calls a node.
    Call(usize, u8),
    /// An attempt ends at its worker.
    Finish(usize, Token, Outcome),
    /// A worker dies and comes back.
    CrashWorker(usize),
    /// The message at this place arrives.
    Deliver(usize),
    /// It arrives, and will once more.
    Double(usize),
    /// It never arrives.
    Lose(usize),
    /// The store looks at the next order of a node.
    StoreTakes(usize),
    /// A node hears the next answer of the store.
    NodeHears(usize),
    /// A node gives up to wait for the answer to a commit.
    GiveUp(usize),
    /// A commit that was given up reaches the store.
    Land(usize),
    /// A node acquires the shard and loads it.
    TakeOver(usize),
    /// A node loses its memory.
    Crash(usize),
    /// Something is due at a node.
    Wake(usize),
    /// A lease's time passes.
    Tick,
}

/// A commit that its node has given up.
#[derive(Clone, Debug)]
pub struct Late {
    /// Under which epoch it was ordered.
    pub epoch: u64,
    /// By which load.
    pub load: u32,
    /// By which node.
    pub node: usize,
    /// What it writes.
    pub changes: Arc<Changes>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct World {
    /// The store.
    pub store: Hashed<Store>,
    /// Nodes that may own the shard.
    pub nodes: [Hashed<Node>; 2],
    /// Commits that were given up and have not reached the store.
    pub late: Vec<Hashed<Late>>,
    /// Workers.
    pub workers: [Worker; 2],
    /// Messages on their way, sorted.
    pub network: Vec<Message>,
    /// What may still happen.
    pub left: Bounds,
    /// Leases that have passed.
    pub ticks: u8,
    /// What happened.
    pub history: History,
    /// Rare things that the last action did. Not part of what tells worlds apart.
    pub noticed: Vec<&'static str>,
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.store == other.store
            && self.nodes == other.nodes
            && self.late == other.late
            && self.workers == other.workers
            && self.network == other.network
            && self.left == other.left
            && self.ticks == other.ticks
            && self.history == other.history
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.store.hash(state);
        self.nodes.hash(state);
        self.late.hash(state);
        self.workers.hash(state);
        self.network.hash(state);
        self.left.hash(state);
        self.ticks.hash(state);
        self.history.hash(state);
    }
}

impl World {
    /// Nothing has happened, and the first node owns the shard.
    pub fn new(bounds: Bounds) -> Self {
        let mut world = Self {
            store: Hashed::new(Store::default()),
            nodes: [Hashed::new(Node::default()), Hashed::new(Node::default())],
            late: Vec::new(),
            workers: [Worker::new(0, bounds.calls), Worker::new(1, bounds.calls)],
            network: Vec::new(),
            left: bounds,
            ticks: 0,
            history: History::default(),
            noticed: Vec::new(),
        };
        world.take_over(0, None);
        world
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(START_MS + i64::from(self.ticks) * LEASE_MS as i64)
    }

    /// Puts a message on its way.
    pub(crate) fn send(&mut self, message: Message) {
        let place = self.network.partition_point(|other| *other <= message);
        self.network.insert(place, message);
    }

    pub(crate) fn notice(&mut self, what: &'static str) {
        self.noticed.push(what);
    }

    /// Carries an action out.
    pub fn act(&mut self, action: &Action, plant: Option<Plant>) {
        match action {
            Action::Submit(node) => {
                self.left.submissions -= 1;
                self.submit(*node, plant);
            }
            Action::SubmitOther(node) => {
                self.left.others -= 1;
                self.push(*node, submission(OTHER, None), plant);
            }
            Action::Cancel(node) => {
                self.left.cancels -= 1;
                let task = self.history.acknowledged[0].expect("what is cancelled was acknowledged");
                let order = Wish::CancelTask(task);
                self.push(*node, Event::Command(Command { to: CANCEL, actor: "client".into(), order }), plant);
            }
            Action::Call(worker, node) => {
                self.workers[*worker].calls -= 1;
                let call = self.workers[*worker].call();
                self.send(Message::Call(*node, call));
            }
            Action::Finish(worker, token, outcome) => {
                self.left.failures -= u8::from(*outcome == Outcome::Failure);
                self.history.reported(*token, *outcome);
                self.workers[*worker].finish(*token, *outcome);
            }
            Action::CrashWorker(worker) => {
                self.left.worker_crashes -= 1;
                self.workers[*worker].crash();
            }
            Action::Deliver(_) | Action::Double(_) | Action::Lose(_) => self.carry(action, plant),
            Action::StoreTakes(node) => self.store_takes(*node, plant),
            Action::NodeHears(node) => self.node_hears(*node, plant),
            Action::GiveUp(node) => self.give_up(*node, plant),
            Action::Land(index) => self.land(*index, plant),
            Action::TakeOver(node) => {
                let holder = self.store.holder;
                self.left.suspicions -= u8::from(holder.is_some_and(|holder| holder != *node));
                self.take_over(*node, plant);
            }
            Action::Crash(node) => {
                self.left.crashes -= 1;
                self.abandon(*node);
            }
            Action::Wake(node) => {
                let now = self.now();
                self.at_node(*node, plant, |node| node.poll(now, plant));
            }
            Action::Tick => {
                self.left.ticks -= 1;
                self.ticks += 1;
            }
        }
    }

    fn carry(&mut self, action: &Action, plant: Option<Plant>) {
        let message = match *action {
            Action::Double(index) => {
                self.left.doubled -= 1;
                self.network[index].clone()
            }
            Action::Deliver(index) | Action::Lose(index) => self.network.remove(index),
            _ => return,
        };
        match action {
            Action::Lose(_) => self.left.lost -= 1,
            _ => self.deliver(message, plant),
        }
    }

    /// A message arrives.
    pub(crate) fn deliver(&mut self, message: Message, plant: Option<Plant>) {
        match message {
            Message::Call(node, call) => self.call(node, call, plant),
            Message::Grant(life, token) => {
                let worker = &mut self.workers[usize::from(life.worker)];
                if worker.life != life {
                    self.notice("a grant to a process that is gone");
                } else if worker.grant(token, plant == Some(Plant::RunsTwice)) {
                    self.history.started(token);
                } else {
                    self.notice("a grant that came before");
                }
            }
            Message::Verdict { life, accepted, stale } => {
                let worker = &mut self.workers[usize::from(life.worker)];
                if worker.life == life {
                    worker.verdict(&accepted, &stale);
                }
                if !stale.is_empty() {
                    self.notice("a stale token");
                }
            }
            Message::Revoke(life, token) => {
                let worker = &mut self.workers[usize::from(life.worker)];
                if worker.life == life {
                    worker.revoke(token);
                    self.notice("a grant taken back");
                }
            }
        }
    }

    /// A client submits the first task, under its key.
    pub(crate) fn submit(&mut self, node: u8, plant: Option<Plant>) {
        self.push(node, submission(SUBMISSION, Some("key".into())), plant);
    }

    fn push(&mut self, node: u8, event: Event, plant: Option<Plant>) {
        let now = self.now();
        self.at_node(usize::from(node), plant, |node| node.push(event, now, plant));
    }

    fn call(&mut self, node: u8, mut call: Call, plant: Option<Plant>) {
        if plant == Some(Plant::OldTokenTaken) {
            self.take_old_tokens(&mut call);
        }
        let now = self.now();
        let node = usize::from(node);
        if plant == Some(Plant::GrantedFromMemory) {
            let early = self.nodes[node].granted_from_memory(&call, now);
            self.release(early);
        }
        self.at_node(node, plant, |node| node.call(&call, now, plant));
    }

    /// Lets a node do something, and its effects go.
    pub(crate) fn at_node(&mut self, index: usize, plant: Option<Plant>, act: impl FnOnce(&mut Node) -> Vec<Released>) {
        let ordered = self.nodes[index].orders.len();
        let released = self.nodes[index].change(act);
        if self.nodes[index].orders.len() > ordered {
            let early = self.nodes[index].early(plant);
            self.release(early);
        }
        self.release(released);
    }
}

fn submission(to: u64, key: Option<Name>) -> Event {
    let backoff = Backoff { shape: BackoffShape::Fixed, initial_ms: 0, full_jitter: false, ..Backoff::default() };
    let policy = Arc::new(Policy { retries: 1, backoff, ..Policy::default() });
    let task = NewTask {
        tenant: "tenant".into(),
        given_id: None,
        idempotency_key: key,
        body_hash: 1,
        spec: Arc::new(TaskSpec { policy, ..TaskSpec::new("noop".into(), "{}".into()) }),
        start: Start::Now,
        unique: None,
    };
    Event::SubmitTasks(SubmitTasks { to, bucket: Bucket::new(1), tasks: vec![task] })
}
