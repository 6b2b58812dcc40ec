//! The end of faults, and of the world.

use mainspring_core::event::Order;
use mainspring_core::permit::LimitsPatch;
use mainspring_core::row::{Directive, ReadSet};
use mainspring_core::task::TaskStatus;

use super::{Ev, SETTLE_MS, Shard, World};
use crate::check::ending::Offers;
use crate::check::{Verdict, ensure};
use crate::wire::Ask;
use crate::worker::Mode;

impl World {
    pub(super) fn heal(&mut self) {
        self.note(|| "faults stop".into());
        self.healing = true;
        self.heal_cluster();
        self.faulty = self.config.lasting;
        if self.config.lasting {
            let faults = &mut self.config.faults;
            (faults.crash, faults.commit_rejected) = (0, 0);
            faults.lost = faults.lost.min(20);
            faults.commit_unknown = faults.commit_unknown.min(2);
        }
        for index in 0..self.workers.len() {
            if self.inside_of(index).is_some() {
                continue;
            }
            if self.config.lasting && index > 0 && index + 1 == self.workers.len() {
                self.workers[index].crash();
                continue;
            }
            if !self.workers[index].is_itself() {
                self.workers[index].restart_as(format!("w{index}").into());
                self.wake_worker(index, 0);
            }
            let life = self.workers[index].life;
            match self.workers[index].mode {
                Mode::Up => {}
                Mode::Frozen => self.after(0, Ev::WorkerThaw { index, life }),
                Mode::Down => self.after(0, Ev::WorkerStart { index, life }),
            }
        }
        self.after(SETTLE_MS, Ev::GiveHealingOrders);
    }

    /// Takes back most of what operators held up; what is left must show as a named wait.
    pub(super) fn give_healing_orders(&mut self) {
        self.clients.forget_pending();
        let mut orders = Vec::new();
        for queue in crate::workload::QUEUES {
            if self.rng.percent(85) {
                orders.push(Order::PauseQueue { queue: queue.into(), paused: false });
            }
        }
        let open = LimitsPatch { concurrency: Some(None), ..LimitsPatch::default() };
        for row in self.shards[0].checker.model.limits.keys() {
            if self.rng.percent(85) {
                orders.push(Order::SetLimits { scope: row.0, name: row.1.clone(), patch: open });
            }
        }
        for index in 0..self.workers.len() {
            if index == 0 || self.rng.percent(85) {
                let worker = self.workers[index].name().clone();
                orders.push(Order::DirectWorker { worker, directive: Directive::Run });
            }
        }
        for shard in 0..self.shards.len() {
            self.healing_orders_of(shard, &mut orders);
        }
        for order in orders {
            let call = self.clients.send(Ask::Order(order), self.now_ms);
            self.send_call(call);
        }
        self.healed = true;
        self.expect_no_loss();
        self.deadline_ms = self.now_ms + self.config.patience_ms as i64;
    }

    fn healing_orders_of(&mut self, shard: usize, orders: &mut Vec<Order>) {
        let model = &self.shards[shard].checker.model;
        let rng = &mut self.rng;
        orders.extend(model.jobs.keys().filter(|_| rng.percent(90)).map(|job| Order::ResumeJob(*job)));
        let held = model.tasks.values().filter(|row| row.state.held);
        orders.extend(held.filter(|_| rng.percent(50)).map(|row| Order::RetryTask(row.key)));
        let waiting = model.tasks.values().filter(|row| row.state.status == TaskStatus::Waiting);
        for row in waiting {
            if rng.percent(50) {
                orders.push(Order::Signal { task: row.key, approved: rng.percent(70), output: None });
            }
        }
    }

    pub(super) fn offers(&self) -> Offers<'_> {
        let alive = self.workers.iter().filter(|worker| worker.mode != Mode::Down);
        let workers = alive.map(|worker| (worker.name().clone(), worker.offer())).collect();
        Offers { workers, control: &self.shards[0].checker.model }
    }

    pub(super) fn is_finished(&self) -> bool {
        let offers = self.offers();
        let has_ended = |shard: &Shard| {
            self.posts[shard.owner].is_idle()
                && shard.checker.unfinished(&offers).is_empty()
                && shard.checker.check_ended(&offers).is_ok()
        };
        self.shards.iter().all(has_ended) && (self.cluster.is_none() || self.has_settled())
    }

    /// Everything has ended, or waits for something that has a name.
    pub(super) fn check_all_ended(&self) -> Verdict {
        let offers = self.offers();
        self.shards.iter().try_for_each(|shard| shard.checker.check_ended(&offers))
    }

    pub(super) fn end(&mut self) -> Verdict {
        self.check_all_ended()?;
        if self.config.calm {
            self.shards.iter().try_for_each(|shard| shard.checker.check_calm())?;
            let quick = self.config.commit_ms.1 < 100;
            ensure(!quick || self.clients.unanswered == 0, "calm", || "a call was not answered in time".into())?;
        }
        self.check_cluster_ended()?;
        self.shards.iter().try_for_each(check_store)
    }
}

/// The store holds what the commits said.
fn check_store(shard: &Shard) -> Verdict {
    let model = &shard.checker.model;
    let set = ReadSet {
        tasks: model.tasks.keys().copied().collect(),
        jobs: model.jobs.keys().copied().collect(),
        ..ReadSet::default()
    };
    let rows = shard.store.rows(&set);
    let tasks = rows.tasks.iter().all(|row| model.tasks.get(&row.key).is_some_and(|known| known.state == row.state));
    let jobs = rows.jobs.iter().all(|row| model.jobs.get(&row.key) == Some(row));
    let all = rows.tasks.len() == model.tasks.len() && rows.jobs.len() == model.jobs.len();
    ensure(tasks && jobs && all, "I1", || {
        format!(
            "the store reads {} tasks and {} jobs, committed were {} and {}",
            rows.tasks.len(),
            rows.jobs.len(),
            model.tasks.len(),
            model.jobs.len()
        )
    })
}
