//! A world: nodes, workers, clients, a network and a store, moved by one queue of events on virtual time.
//!
//! Each shard has a *post* on each node: the place of its core there, empty while another node owns it. A world of one shard
//! has two posts and no membership; what several shards need beside that is in `cluster`.

mod callers;
mod cluster;
mod ending;
mod evaluating;
mod fate;
mod node;
mod planning;
mod recovery;
mod storing;
mod telling;

use std::collections::BTreeMap;
use std::sync::Arc;

use mainspring_core::event::Evaluated;
use mainspring_core::row::Changes;
use mainspring_store::MemoryStore;

use crate::check::{Checker, Verdict, ensure};
use crate::client::Clients;
use crate::config::WorldConfig;
use crate::plant::Planted;
use crate::rng::Rng;
use crate::schedules::Schedules;
use crate::sometimes::Sometimes;
use crate::wire::{Reply, Request};
use crate::worker::{Mode, Worker};
use crate::workload::Workload;
use cluster::{Cluster, Happening};
use node::{Done, Post};

/// Virtual time begins here: 2026-11-01.
const BEGIN_MS: i64 = 1_793_491_200_000;
/// Events after which a world is taken to spin.
const EVENTS_MAX: u64 = 400_000;
/// Messages that are delayed by a fault arrive within this time.
const SETTLE_MS: i64 = 12_000;

/// Something that happens at an instant.
#[derive(Debug)]
enum Ev {
    Poll { node: usize, life: u64 },
    Stored { node: usize, life: u64, done: Done },
    NodeStart { node: usize, life: u64 },
    Arrive(Request),
    Hear(Reply),
    WorkerTick { index: usize, number: u64 },
    WorkerStart { index: usize, life: u64 },
    WorkerThaw { index: usize, life: u64 },
    Verdict { node: usize, life: u64, evaluated: Box<Evaluated> },
    NextCall,
    Repeat,
    Stroke,
    Heal,
    GiveHealingOrders,
    Planned { node: usize, life: u64, planned: Box<mainspring_core::schedule::Planned> },
    ScheduleOrder,
    Cluster(Happening),
}

/// What a world showed.
#[derive(Debug)]
pub struct Outcome {
    /// What does not hold, if anything.
    pub verdict: Verdict,
    /// The counters.
    pub sometimes: Sometimes,
    /// A hash of all commits and effects.
    pub digest: u64,
    /// Commits.
    pub commits: u64,
    /// Events.
    pub events: u64,
    /// Virtual milliseconds.
    pub virtual_ms: i64,
    /// How often the planted bug struck.
    pub struck: u64,
    /// The last lines of the trace.
    pub trace: Vec<String>,
}

/// Whoever evaluates expressions.
struct Evaluator {
    rng: Rng,
    workload: Workload,
}

/// A shard: its rows, and who judges them.
struct Shard {
    store: MemoryStore,
    checker: Checker,
    /// The post that owns it, or owned it last.
    owner: usize,
    /// A commit that lands at the next acquire.
    late: Option<(Arc<Changes>, u64)>,
}

impl Shard {
    fn new(number: u16, config: &WorldConfig) -> Self {
        Self {
            store: MemoryStore::of_shard(number),
            checker: Checker::new(config),
            owner: usize::from(number),
            late: None,
        }
    }
}

/// A world at work.
pub struct World {
    config: WorldConfig,
    now_ms: i64,
    queue: BTreeMap<(i64, u64), Ev>,
    scheduled: u64,
    events: u64,
    rng: Rng,
    shards: Vec<Shard>,
    /// Post `n` serves shard `n % shards` on node `n / shards`.
    posts: Vec<Post>,
    /// In a world of several shards.
    cluster: Option<Cluster>,
    workers: Vec<Worker>,
    ticks: Vec<u64>,
    clients: Clients,
    evaluator: Evaluator,
    schedules: Schedules,
    planted: Option<Planted>,
    faulty: bool,
    healing: bool,
    healed: bool,
    deadline_ms: i64,
    digest: Option<u64>,
    trace: Option<Vec<String>>,
}

impl World {
    /// The world of a configuration, before its first event.
    pub fn new(config: WorldConfig, digest: bool, trace: bool) -> Self {
        let mut rng = Rng::new(config.seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let workers: Vec<Worker> = (0..config.workers).map(|index| Worker::new(index, &config, rng.fork())).collect();
        let clients = Clients::new(&config, rng.fork());
        let planted = config.plant.map(|plant| Planted::new(plant, rng.fork()));
        let now_ms = BEGIN_MS + rng.below(1_000_000) as i64;
        let evaluator = Evaluator { rng: rng.fork(), workload: Workload::new(rng.fork()) };
        let mut world = Self {
            now_ms,
            queue: BTreeMap::new(),
            scheduled: 0,
            events: 0,
            shards: (0..config.shards()).map(|number| Shard::new(number, &config)).collect(),
            posts: (0..config.nodes() * usize::from(config.shards())).map(|_| Post::new()).collect(),
            cluster: None,
            ticks: vec![0; workers.len()],
            workers,
            clients,
            evaluator,
            schedules: Schedules::new(config.seed, config.calls, config.cluster.is_some()),
            planted,
            faulty: !config.calm,
            healing: false,
            healed: false,
            deadline_ms: i64::MAX,
            digest: digest.then_some(0xcbf2_9ce4_8422_2325),
            trace: trace.then(Vec::new),
            rng,
            config,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        match self.config.cluster.clone() {
            Some(config) => self.found(config),
            None => self.after(0, Ev::NodeStart { node: 0, life: 0 }),
        }
        for index in 0..self.workers.len() {
            self.wake_worker(index, 1 + index as i64);
        }
        self.after(5, Ev::NextCall);
        self.after(1_000, Ev::Repeat);
        self.after(20, Ev::ScheduleOrder);
        let span = (self.config.calls * self.config.call_every_ms).max(2_000);
        for _ in 0..self.config.faults.strokes {
            let at = self.rng.below(span) as i64;
            self.after(at, Ev::Stroke);
        }
    }

    /// Runs to the end.
    pub fn run(mut self) -> Outcome {
        let mut verdict = Ok(());
        while verdict.is_ok() {
            match self.step() {
                Ok(true) => {}
                Ok(false) => break,
                Err(violation) => verdict = Err(violation),
            }
        }
        let verdict = verdict.and_then(|()| self.end());
        let mut sometimes = Sometimes::default();
        self.shards.iter().for_each(|shard| sometimes.merge(&shard.checker.sometimes));
        sometimes.add("client.repeat_after_silence", self.clients.repeats);
        Outcome {
            verdict,
            commits: self.shards.iter().map(|shard| shard.checker.model.water.commit).sum(),
            sometimes,
            digest: self.digest.unwrap_or(0),
            events: self.events,
            virtual_ms: self.now_ms - BEGIN_MS,
            struck: self.planted.map_or(0, |planted| planted.struck),
            trace: self.trace.unwrap_or_default(),
        }
    }

    /// One event; false when the world is over.
    fn step(&mut self) -> Result<bool, crate::check::Violation> {
        let Some(((at, _), event)) = self.queue.pop_first() else { return Ok(false) };
        self.now_ms = at;
        self.events += 1;
        if self.events >= EVENTS_MAX {
            self.check_all_ended()?;
            return ensure(false, "L7", || "the world spins without getting anywhere".into()).map(|()| false);
        }
        if at > self.deadline_ms {
            return Ok(false);
        }
        self.happen(event)?;
        let over = self.healed && self.clients.are_done() && self.events.is_multiple_of(16) && self.is_finished();
        Ok(!over)
    }

    fn happen(&mut self, event: Ev) -> Verdict {
        match event {
            Ev::Poll { node, life } => return self.poll_node(node, life),
            Ev::Stored { node, life, done } => return self.stored(node, life, done),
            Ev::NodeStart { node, life } => return self.start_node(node, life),
            Ev::Arrive(request) => return self.arrive(request),
            Ev::Hear(reply) => return self.hear(reply),
            Ev::WorkerTick { index, number } => {
                if self.ticks[index] == number {
                    self.tick_worker(index);
                }
            }
            Ev::WorkerStart { index, life } => {
                if self.workers[index].life == life {
                    self.start_worker(index);
                }
            }
            Ev::WorkerThaw { index, life } => {
                if self.workers[index].life == life && self.workers[index].mode == Mode::Frozen {
                    self.workers[index].thaw();
                    self.hit("worker.zombie_report");
                    self.wake_worker(index, 0);
                }
            }
            Ev::Verdict { node, life, evaluated } => return self.hear_verdict(node, life, *evaluated),
            Ev::NextCall => self.next_call(),
            Ev::Repeat => self.repeat_calls(),
            Ev::Stroke => self.stroke(),
            Ev::Heal => self.heal(),
            Ev::GiveHealingOrders => self.give_healing_orders(),
            Ev::Planned { node, life, planned } => self.planned(node, life, *planned),
            Ev::ScheduleOrder => self.order_schedule(),
            Ev::Cluster(happening) => return self.happen_in_cluster(happening),
        }
        Ok(())
    }

    /// The shard of a post.
    fn shard_of(&self, post: usize) -> usize {
        post % self.shards.len()
    }

    fn hit(&mut self, name: &'static str) {
        self.shards[0].checker.sometimes.hit(name);
    }

    fn after(&mut self, delay_ms: i64, event: Ev) {
        self.scheduled += 1;
        self.queue.insert((self.now_ms + delay_ms.max(0), self.scheduled), event);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let at = self.now_ms - BEGIN_MS;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{at:>9} ms  {}", line()));
            if trace.len() > 4_000 {
                trace.drain(..2_000);
            }
        }
    }

    fn digest(&mut self, what: &impl std::fmt::Debug) {
        if let Some(digest) = &mut self.digest {
            for byte in format!("{what:?}").bytes() {
                *digest = (*digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
}
