//! A world: nodes, workers, clients, a network and a store, moved by one queue of events on virtual time.

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
use node::{Done, Node};

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

/// A world at work.
pub struct World {
    config: WorldConfig,
    now_ms: i64,
    queue: BTreeMap<(i64, u64), Ev>,
    scheduled: u64,
    events: u64,
    rng: Rng,
    store: MemoryStore,
    checker: Checker,
    nodes: Vec<Node>,
    /// The node that requests go to.
    owner: usize,
    workers: Vec<Worker>,
    ticks: Vec<u64>,
    clients: Clients,
    evaluator: Evaluator,
    schedules: Schedules,
    planted: Option<Planted>,
    /// A commit that lands at the next acquire.
    late: Option<(Arc<Changes>, u64)>,
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
        let checker = Checker::new(&config);
        let now_ms = BEGIN_MS + rng.below(1_000_000) as i64;
        let evaluator = Evaluator { rng: rng.fork(), workload: Workload::new(rng.fork()) };
        let mut world = Self {
            now_ms,
            queue: BTreeMap::new(),
            scheduled: 0,
            events: 0,
            store: MemoryStore::new(),
            checker,
            nodes: vec![Node::new(), Node::new()],
            owner: 0,
            ticks: vec![0; workers.len()],
            workers,
            clients,
            evaluator,
            schedules: Schedules::new(config.seed, config.calls),
            planted,
            late: None,
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
        self.after(0, Ev::NodeStart { node: 0, life: 0 });
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
        self.checker.sometimes.add("client.repeat_after_silence", self.clients.repeats);
        Outcome {
            verdict,
            commits: self.checker.model.water.commit,
            sometimes: self.checker.sometimes,
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
            self.checker.check_ended(&self.offers())?;
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
            Ev::Hear(reply) => self.hear(reply),
            Ev::WorkerTick { index, number } => {
                if self.ticks[index] == number {
                    self.tick_worker(index);
                }
            }
            Ev::WorkerStart { index, life } => {
                if self.workers[index].life == life {
                    self.workers[index].start();
                    self.wake_worker(index, 0);
                }
            }
            Ev::WorkerThaw { index, life } => {
                if self.workers[index].life == life && self.workers[index].mode == Mode::Frozen {
                    self.workers[index].thaw();
                    self.checker.sometimes.hit("worker.zombie_report");
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
        }
        Ok(())
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

    // Clients.

    fn next_call(&mut self) {
        let call = self.clients.next(self.now_ms, &self.config, &self.checker.model);
        match call {
            Some(call) => {
                self.send(Request::Call(call));
                let gap = self.rng.below(self.config.call_every_ms * 2 + 1) as i64;
                self.after(gap, Ev::NextCall);
            }
            None => {
                let late = self.rng.below(20_000) as i64;
                self.after(late, Ev::Heal);
            }
        }
    }

    fn repeat_calls(&mut self) {
        for call in self.clients.repeat(self.now_ms) {
            self.send(Request::Call(call));
        }
        self.after(1_000, Ev::Repeat);
    }

    fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::Answer { call, answer } => self.clients.hear(call, &answer),
            Reply::Exchange(index, reply) => {
                self.workers[index].hear(reply, self.now_ms);
                for name in std::mem::take(&mut self.workers[index].noticed) {
                    self.checker.sometimes.hit(name);
                }
                if self.workers[index].mode == Mode::Down {
                    let life = self.workers[index].life;
                    let pause = self.rng.range(100, 5_000) as i64;
                    self.after(pause, Ev::WorkerStart { index, life });
                }
                self.wake_worker(index, 0);
            }
        }
    }

    fn order_schedule(&mut self) {
        if self.healing {
            return;
        }
        if let Some((order, gap)) = self.schedules.next_order(self.now_ms, &self.checker.model) {
            let call = self.clients.send(crate::wire::Ask::Order(order), self.now_ms);
            self.send(Request::Call(call));
            self.after(gap, Ev::ScheduleOrder);
        }
    }

    // Workers.

    fn wake_worker(&mut self, index: usize, delay_ms: i64) {
        self.ticks[index] += 1;
        let number = self.ticks[index];
        self.after(delay_ms, Ev::WorkerTick { index, number });
    }

    fn tick_worker(&mut self, index: usize) {
        if self.workers[index].mode != Mode::Up {
            return;
        }
        if let Some(call) = self.workers[index].tick(self.now_ms) {
            self.send(Request::Exchange(call));
        }
        let next = self.workers[index].next_tick_ms(self.now_ms);
        self.wake_worker(index, next - self.now_ms);
    }

    // The end of faults, and of the world.
}
