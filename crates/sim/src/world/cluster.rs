//! Several shards on several nodes: who owns which shard, how calls and worker sessions reach their shards, and what may
//! happen to nodes. Every decision is that of `mainspring_node`, which the server runs too.

mod asks;
mod closing;
mod demand;
mod desk;
mod ends;
mod fate;
mod lent;
mod parts;
mod pulse;
mod sessions;
mod watch;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use mainspring_core::effect::Grant;
use mainspring_core::event::Settings;
use mainspring_core::id::{SessionId, Token};
use mainspring_node::balance::Free;
use mainspring_node::hub::{Part, Seat};
use mainspring_node::judge::Judge;
use mainspring_node::pulse::Pulse;
use mainspring_store::{MemoryMembers, MemoryStore, NodeRow, ShardId};

use super::{BEGIN_MS, Ev, World};
use crate::check::Verdict;
use crate::config::ClusterConfig;
use crate::rng::Rng;
use crate::wire::{Call, ExchangeCall};
pub(super) use desk::Desk;
use desk::Heard;
use ends::Inspector;
use lent::Totals;
use sessions::{Carried, PartCall};

/// What happens in a world of several shards beside the rest.
#[derive(Debug)]
pub(super) enum Happening {
    /// A process starts.
    Start { node: usize, life: u64 },
    /// It beats; `again`: and goes on to.
    Beat { node: usize, life: u64, again: bool },
    /// A client's call is at a node, after so many tries to reach its shard.
    Call { node: usize, call: Box<Call>, shard: usize, tries: u32 },
    /// It has reached the shard.
    Ask { post: usize, call: Box<Call> },
    /// A worker's call is at a node.
    Exchange { node: usize, call: Box<ExchangeCall> },
    /// The worker whose call it was is gone.
    Gone { node: usize, session: SessionId },
    /// A shard's part of it has reached the shard.
    PartCall(Box<PartCall>),
    /// The part's answer, or none.
    PartBack { at: Caller, part: Option<Part> },
    /// Instead of an answer: another process speaks for the worker.
    TurnedAway { at: Caller },
    /// Whoever made that call has hung up.
    Hangup { post: usize, at: Caller },
    /// A turn looks around.
    Wake { node: usize, life: u64, turn: u64 },
    /// A node says how much work its shards have left over.
    News { to: usize, from: usize, life: u64, demand: BTreeMap<ShardId, u64> },
    /// A stroke of fate upon a node.
    Stroke,
    /// Whoever watches the whole looks at it.
    Inspect,
}

/// Who called a shard: a turn of a node, and which of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Caller {
    node: usize,
    life: u64,
    turn: u64,
    shard: u16,
    seq: u64,
}

/// A session as a node knows it.
struct Chair {
    seat: Seat,
    current: Option<u64>,
}

/// A node process.
struct Process {
    id: SessionId,
    life: u64,
    up: bool,
    /// It gives its shards back, and ends.
    leaving: bool,
    stores: Vec<MemoryStore>,
    judge: Judge,
    free: Free,
    settings: Settings,
    ended: BTreeSet<SessionId>,
    /// Shards that are being opened, with the epoch of a dead owner, and who that was.
    opening: BTreeMap<usize, (Option<u64>, Option<SessionId>)>,
    /// Nodes by shard, as of the last beat. The dead own nothing.
    owners: Vec<Option<usize>>,
    chairs: BTreeMap<SessionId, Chair>,
    turns: BTreeMap<u64, Carried>,
    /// Work left over, by node.
    board: BTreeMap<usize, BTreeMap<ShardId, u64>>,
    /// What it said of its own last.
    said: BTreeMap<ShardId, u64>,
    favourite: usize,
    /// Until then the store takes none of its beats.
    mute_until: i64,
    beat_at: i64,
    /// How long its beat had stood still before that.
    stood_still_ms: i64,
    pulse: Pulse,
}

/// See the module.
pub(super) struct Cluster {
    config: ClusterConfig,
    rng: Rng,
    members: MemoryMembers,
    processes: Vec<Process>,
    /// Nodes that do not reach each other, and until when.
    apart: BTreeMap<(usize, usize), i64>,
    /// The node that each worker speaks with.
    with: Vec<usize>,
    /// How many processes and turns there have been.
    counted: u64,
    requests: Rc<Cell<u64>>,
    outbox: Rc<RefCell<Vec<Heard>>>,
    /// What each token grants.
    grants: BTreeMap<Token, Grant>,
    inspector: Inspector,
    /// Sessions that may be granted more than they have room for: a shard that their node knew nothing of could not be asked
    /// what it holds for them, or a late call of another process of the same worker ended them there.
    excused: BTreeSet<SessionId>,
    totals: Totals,
}

impl Process {
    fn down(shards: usize) -> Self {
        Self {
            id: "".into(),
            life: 0,
            up: false,
            leaving: false,
            stores: Vec::new(),
            judge: Judge::default(),
            free: Free::default(),
            settings: Settings::default(),
            ended: BTreeSet::new(),
            opening: BTreeMap::new(),
            owners: vec![None; shards],
            chairs: BTreeMap::new(),
            turns: BTreeMap::new(),
            board: BTreeMap::new(),
            said: BTreeMap::new(),
            favourite: 0,
            mute_until: 0,
            beat_at: 0,
            stood_still_ms: 0,
            pulse: Pulse::default(),
        }
    }

    fn row(&self, node: usize) -> NodeRow {
        NodeRow {
            id: self.id.clone(),
            address: Some(node.to_string().into()),
            about: "".into(),
            process: self.id.clone(),
            version: "".into(),
        }
    }
}

impl Cluster {
    fn next_number(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }

    /// A shard that the next call of the clients is about.
    pub(super) fn pick_shard(&mut self) -> usize {
        self.rng.below(u64::from(self.config.shards)) as usize
    }

    fn reach(&self, one: usize, other: usize, now_ms: i64) -> bool {
        one == other || self.apart.get(&(one.min(other), one.max(other))).is_none_or(|until| *until <= now_ms)
    }

    fn up(&self) -> Vec<usize> {
        (0..self.processes.len()).filter(|node| self.processes[*node].up).collect()
    }
}

impl World {
    /// Founds the cluster: all nodes start, one after the other.
    pub(super) fn found(&mut self, config: ClusterConfig) {
        let mut rng = Rng::new(self.config.seed ^ 0x6e6f_6465_7320_6f66);
        let stores: Vec<MemoryStore> = self.shards.iter().map(|shard| shard.store.clone()).collect();
        let with = (0..self.workers.len()).map(|_| rng.below(config.nodes as u64) as usize).collect();
        for node in 0..config.nodes {
            let late = if node == 0 { 0 } else { rng.below(6_000) as i64 };
            self.after(late, Ev::Cluster(Happening::Start { node, life: 0 }));
        }
        let span = (self.config.calls * self.config.call_every_ms).max(20_000);
        for _ in 0..config.strokes {
            let at = rng.below(span) as i64;
            self.after(at, Ev::Cluster(Happening::Stroke));
        }
        self.after(1_000, Ev::Cluster(Happening::Inspect));
        self.cluster = Some(Cluster {
            members: MemoryMembers::new(stores),
            processes: (0..config.nodes).map(|_| Process::down(self.shards.len())).collect(),
            apart: BTreeMap::new(),
            with,
            counted: 0,
            requests: Rc::default(),
            outbox: Rc::default(),
            grants: BTreeMap::new(),
            inspector: Inspector::new(self.shards.len()),
            excused: BTreeSet::new(),
            totals: Totals::default(),
            config,
            rng,
        });
    }

    fn cluster(&mut self) -> &mut Cluster {
        self.cluster.as_mut().expect("only called in a world of several shards")
    }

    fn process(&mut self, node: usize) -> &mut Process {
        &mut self.cluster().processes[node]
    }

    fn node_of(&self, post: usize) -> usize {
        post / self.shards.len()
    }

    fn post_of(&self, node: usize, shard: usize) -> usize {
        node * self.shards.len() + shard
    }

    /// The monotonic clock of everybody.
    fn monotonic(&self) -> Duration {
        Duration::from_millis((self.now_ms - BEGIN_MS) as u64)
    }

    pub(super) fn happen_in_cluster(&mut self, happening: Happening) -> Verdict {
        match happening {
            Happening::Start { node, life } => self.start_process(node, life),
            Happening::Beat { node, life, again } => return self.beat(node, life, again),
            Happening::Call { node, call, shard, tries } => self.route(node, call, shard, tries),
            Happening::Ask { post, call } => return self.ask(post, *call),
            Happening::Exchange { node, call } => return self.exchange(node, *call),
            Happening::Gone { node, session } => self.caller_gone(node, &session),
            Happening::PartCall(call) => return self.part_call(*call),
            Happening::PartBack { at, part } => return self.part_back(at, part),
            Happening::TurnedAway { at } => self.turned_away(at),
            Happening::Hangup { post, at } => return self.hangup(post, at),
            Happening::Wake { node, life, turn } => {
                if self.process(node).life == life {
                    return self.wake_turn(node, turn);
                }
            }
            Happening::News { to, from, life, demand } => {
                if self.process(to).up && self.process(to).life == life {
                    self.process(to).board.insert(from, demand);
                    return self.drive_all(to);
                }
            }
            Happening::Stroke => self.strike_node(),
            Happening::Inspect => return self.inspect(),
        }
        Ok(())
    }

    fn soon(&mut self, delay_ms: i64, happening: Happening) {
        self.after(delay_ms, Ev::Cluster(happening));
    }

    /// How long something takes from one node to another; `None`: it is cut off.
    fn between(&mut self, one: usize, other: usize) -> Option<i64> {
        let (now_ms, faulty) = (self.now_ms, self.faulty);
        let cluster = self.cluster();
        let (least, most) = cluster.config.between_ms;
        let delay = cluster.rng.range(least, most) as i64;
        let cut = faulty && cluster.rng.permille(cluster.config.cut);
        (!cut && cluster.reach(one, other, now_ms)).then_some(delay)
    }
}
