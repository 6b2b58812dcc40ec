//! Simulated clients: they submit, repeat what was not answered, and give orders.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainspring_core::effect::{Answer, Refusal};
use mainspring_core::event::{Define, Order};
use mainspring_core::id::{Key, Name};
use mainspring_core::job::RerunFrom;
use mainspring_core::permit::{LimitScope, LimitsPatch};
use mainspring_core::row::{DefinitionKind, Directive};
use mainspring_core::task::TaskStatus;
use mainspring_core::time::Timestamp;

use crate::check::model::Model;
use crate::config::WorldConfig;
use crate::rng::Rng;
use crate::wire::{Ask, Call};
use crate::workload::{KINDS, QUEUES, TENANTS, Workload, rate};

/// How long a client waits before it gives up or repeats.
const ANSWER_MS: i64 = 4_000;

/// A call without an answer.
#[derive(Debug)]
struct Pending {
    call: Call,
    sent_ms: i64,
    tries: u32,
}

/// All clients of a world.
#[derive(Debug)]
pub struct Clients {
    rng: Rng,
    workload: Workload,
    numbered: u64,
    pending: BTreeMap<u64, Pending>,
    /// Calls that will still be made on their own account.
    pub left: u64,
    /// How often something was repeated.
    pub repeats: u64,
    /// How often an answer did not come in time.
    pub unanswered: u64,
}

impl Clients {
    /// Clients of their own stream.
    pub fn new(config: &WorldConfig, mut rng: Rng) -> Self {
        let workload = Workload::new(rng.fork());
        Self { rng, workload, numbered: 0, pending: BTreeMap::new(), left: config.calls, repeats: 0, unanswered: 0 }
    }

    /// The next call of their own account.
    pub fn next(&mut self, now_ms: i64, config: &WorldConfig, model: &Model) -> Option<Call> {
        self.left = self.left.checked_sub(1)?;
        let now = Timestamp::from_millis(now_ms);
        let order = self.rng.percent(config.orders_percent).then(|| self.order(config, model)).flatten();
        let ask = match order {
            Some(order) => Ask::Order(order),
            None if self.rng.percent(50) => Ask::Tasks(self.workload.batch(now, config)),
            None => Ask::Job(Box::new(self.workload.job(now, config))),
        };
        Some(self.send(ask, now_ms))
    }

    /// Sends something that will be repeated until it is answered.
    pub fn send(&mut self, ask: Ask, now_ms: i64) -> Call {
        self.numbered += 1;
        let call = Call { number: self.numbered, ask };
        self.pending.insert(self.numbered, Pending { call: call.clone(), sent_ms: now_ms, tries: 1 });
        call
    }

    /// A call that goes to several shards goes in parts, each of which is repeated by itself. The first keeps the number.
    pub fn split(&mut self, number: u64, asks: Vec<Ask>, now_ms: i64) -> Vec<Call> {
        let mut calls = Vec::with_capacity(asks.len());
        for (place, ask) in asks.into_iter().enumerate() {
            let call = if place == 0 { Call { number, ask } } else { self.send(ask, now_ms) };
            if let Some(pending) = self.pending.get_mut(&number).filter(|_| place == 0) {
                pending.call = call.clone();
            }
            calls.push(call);
        }
        calls
    }

    /// Calls to repeat because no answer came. What carries neither an id nor a key is not repeated.
    pub fn repeat(&mut self, now_ms: i64) -> Vec<Call> {
        let mut again = Vec::new();
        let mut given_up = Vec::new();
        for (number, pending) in &mut self.pending {
            if now_ms - pending.sent_ms < ANSWER_MS {
                continue;
            }
            self.unanswered += 1;
            if !is_repeatable(&pending.call.ask) {
                given_up.push(*number);
                continue;
            }
            pending.sent_ms = now_ms;
            pending.tries += 1;
            again.push(pending.call.clone());
        }
        for number in given_up {
            self.pending.remove(&number);
        }
        self.repeats += again.len() as u64;
        again
    }

    /// An answer came; an unknown outcome is repeated, any other settles the call.
    pub fn hear(&mut self, number: u64, answer: &Result<Answer, Refusal>) {
        let unknown = matches!(answer, Err(Refusal::OutcomeUnknown));
        if !unknown {
            self.pending.remove(&number);
        }
    }

    /// Gives up on everything that was not answered.
    pub fn forget_pending(&mut self) {
        self.pending.clear();
    }

    /// Whether everything was answered.
    pub fn are_done(&self) -> bool {
        self.left == 0 && self.pending.is_empty()
    }

    fn task(&mut self, model: &Model, fits: impl Fn(TaskStatus, bool) -> bool) -> Option<Key> {
        let keys: Vec<Key> =
            model.tasks.values().filter(|row| fits(row.state.status, row.state.dead)).map(|row| row.key).collect();
        self.rng.pick_some(&keys)
    }

    fn job(&mut self, model: &Model) -> Option<Key> {
        let keys: Vec<Key> = model.jobs.keys().copied().collect();
        self.rng.pick_some(&keys)
    }

    fn order(&mut self, config: &WorldConfig, model: &Model) -> Option<Order> {
        let queue: Name = (*self.rng.pick(&QUEUES)).into();
        match self.rng.below(if config.flow_percent > 0 { 22 } else { 20 }) {
            0 => self.task(model, |_, _| true).map(Order::CancelTask),
            1 => self.job(model).map(Order::CancelJob),
            2 => self.job(model).map(Order::PauseJob),
            3 | 4 => self.job(model).map(Order::ResumeJob),
            5 => self.task(model, |status, _| status == TaskStatus::Scheduled).map(Order::RetryTask),
            6 => self.task(model, |_, _| true).map(Order::RetryTask),
            7 | 8 => {
                let ended = model.jobs.values().filter(|row| row.state.status.is_terminal());
                let ended: Vec<Key> = ended.map(|row| row.key).collect();
                let job = self.rng.pick_some(&ended).filter(|_| self.rng.percent(80)).or_else(|| self.job(model))?;
                let from = match self.rng.below(3) {
                    0 => RerunFrom::Failed,
                    1 => RerunFrom::Start,
                    _ => RerunFrom::Task(self.rng.below(u64::from(model.jobs[&job].tasks) + 1) as u32),
                };
                Some(Order::RerunJob(job, from))
            }
            9 | 10 => {
                let tasks = self.some_dead(model);
                let spacing_ms = *self.rng.pick(&[0, 0, 50, 2_000]);
                (!tasks.is_empty()).then_some(Order::Redrive { tasks, spacing_ms })
            }
            11 => {
                let tasks = self.some_dead(model);
                (!tasks.is_empty()).then_some(Order::Discard(tasks))
            }
            12 => {
                let large = self.rng.percent(10);
                let filler = if large { 6_000 } else { 3 };
                let body: Arc<str> = format!("{{\"payload\":\"{}\"}}", "e".repeat(filler)).into();
                self.task(model, |_, dead| dead).map(|key| Order::EditBody { task: key, body, before: None })
            }
            13 => Some(self.delete(model)),
            18 | 19 => Some(self.limits(queue)),
            14 => Some(Order::PauseQueue { queue, paused: self.rng.percent(50) }),
            15 => {
                let worker = format!("w{}", self.rng.below(config.workers as u64)).into();
                let directive = *self.rng.pick(&[Directive::Run, Directive::Run, Directive::Pause, Directive::Drain]);
                Some(Order::DirectWorker { worker, directive })
            }
            16 => {
                let count = 1 + self.rng.below(3);
                Some(Order::Define((0..count).map(|_| self.define()).collect()))
            }
            20 | 21 => {
                let approved = self.rng.percent(60);
                let output = self.rng.percent(50).then(|| Arc::from(r#"{"by":"me"}"#));
                let waiting = self.rng.percent(90);
                let task = self.task(model, |status, _| !waiting || status == TaskStatus::Waiting)?;
                Some(Order::Signal { task, approved, output })
            }
            _ => match self.rng.below(3) {
                0 => self.task(model, |_, _| true).map(Order::Why),
                1 => Some(Order::Figures),
                _ => Some(Order::Sessions),
            },
        }
    }

    fn limits(&mut self, queue: Name) -> Order {
        let rng = &mut self.rng;
        let (scope, name) = match rng.below(5) {
            0..=2 => (LimitScope::Queue, queue),
            3 => (LimitScope::Type, Name::from(*rng.pick(&KINDS))),
            _ => (LimitScope::Tenant, Name::from(*rng.pick(&TENANTS))),
        };
        let mut patch = LimitsPatch::default();
        if scope == LimitScope::Tenant {
            patch.weight = Some(rng.percent(70).then(|| rng.range(1, 5) as u32));
            patch.max_backlog = rng.percent(40).then(|| rng.percent(60).then(|| *rng.pick(&[0, 5, 20, 60])));
            patch.submit_rate = rng.percent(30).then(|| rng.percent(60).then(|| rate(rng)));
        } else if rng.percent(75) {
            patch.concurrency = Some(rng.percent(80).then(|| *rng.pick(&[0, 1, 1, 2, 3])));
        } else {
            patch.rate = Some(rng.percent(80).then(|| rate(rng)));
        }
        Order::SetLimits { scope, name, patch }
    }

    /// A definition, its deletion, or a change that is refused if another was faster.
    fn define(&mut self) -> Define {
        let name = format!("d{}", self.rng.below(3)).into();
        let body = self.rng.percent(70).then(|| format!("{{\"n\":{}}}", self.rng.below(100)).into());
        let after = self.rng.percent(30).then(|| self.rng.below(6) as u32);
        let rng = &mut self.rng;
        let seen = rng.percent(30).then(|| (format!("d{}", rng.below(3)).into(), rng.below(6) as u32));
        let seen = seen.into_iter().collect();
        Define { kind: DefinitionKind::Job, tenant: TENANTS[0].into(), name, body, after, seen }
    }

    fn some_dead(&mut self, model: &Model) -> Vec<Key> {
        let dead = model.tasks.values().filter(|row| row.state.dead).map(|row| row.key);
        let rng = &mut self.rng;
        dead.filter(|_| rng.percent(60)).take(20).collect()
    }

    /// Deletes something, ended or not, with the names that lead to it.
    fn delete(&mut self, model: &Model) -> Order {
        let rng = &mut self.rng;
        let ended = model.tasks.values().filter(|row| row.job.is_none() && row.state.status.is_terminal());
        let tasks: Vec<Key> = ended.map(|row| row.key).filter(|_| rng.percent(30)).take(5).collect();
        let ended = model.jobs.values().filter(|row| row.state.status.is_terminal());
        let jobs: Vec<Key> = ended.map(|row| row.key).filter(|_| rng.percent(30)).take(2).collect();
        let gone = |target: &Key| tasks.contains(target) || jobs.contains(target);
        let forget = model.claims.values().filter(|row| gone(&row.target)).map(|row| row.name.clone()).collect();
        Order::Delete { tasks, jobs, forget }
    }
}

/// Whether sending it again is what a careful client would do.
fn is_repeatable(ask: &Ask) -> bool {
    match ask {
        Ask::Tasks(tasks) => tasks.iter().all(|task| task.given_id.is_some() || task.idempotency_key.is_some()),
        Ask::Job(job) => job.given_id.is_some() || job.idempotency_key.is_some(),
        Ask::Order(order) => matches!(
            order,
            Order::CancelTask(_)
                | Order::CancelJob(_)
                | Order::PauseQueue { .. }
                | Order::DirectWorker { .. }
                | Order::SetLimits { .. }
                | Order::ResumeJob(_)
        ),
    }
}
