//! The end of faults, and of the world.

use mainspring_core::event::Order;
use mainspring_core::permit::LimitsPatch;
use mainspring_core::row::{Directive, ReadSet};
use mainspring_core::task::TaskStatus;

use super::{Ev, SETTLE_MS, World};
use crate::check::ending::Offers;
use crate::check::{Verdict, ensure};
use crate::wire::{Ask, Request};
use crate::worker::Mode;

impl World {
    pub(super) fn heal(&mut self) {
        self.note(|| "faults stop".into());
        self.healing = true;
        self.faulty = self.config.lasting;
        if self.config.lasting {
            let faults = &mut self.config.faults;
            (faults.crash, faults.commit_rejected) = (0, 0);
            faults.lost = faults.lost.min(20);
            faults.commit_unknown = faults.commit_unknown.min(2);
        }
        for index in 0..self.workers.len() {
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
        for row in self.checker.model.limits.keys() {
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
        let jobs: Vec<_> = self.checker.model.jobs.keys().copied().collect();
        for job in jobs {
            if self.rng.percent(90) {
                orders.push(Order::ResumeJob(job));
            }
        }
        let held = self.checker.model.tasks.values().filter(|row| row.state.held);
        let held: Vec<_> = held.map(|row| row.key).collect();
        for task in held {
            if self.rng.percent(50) {
                orders.push(Order::RetryTask(task));
            }
        }
        let waiting = self.checker.model.tasks.values().filter(|row| row.state.status == TaskStatus::Waiting);
        let waiting: Vec<_> = waiting.map(|row| row.key).collect();
        for task in waiting {
            if self.rng.percent(50) {
                orders.push(Order::Signal { task, approved: self.rng.percent(70), output: None });
            }
        }
        for order in orders {
            let call = self.clients.send(Ask::Order(order), self.now_ms);
            self.send(Request::Call(call));
        }
        self.healed = true;
        self.deadline_ms = self.now_ms + self.config.patience_ms as i64;
    }

    pub(super) fn offers(&self) -> Offers<'_> {
        let alive = self.workers.iter().filter(|worker| worker.mode != Mode::Down);
        alive.map(|worker| (worker.name().clone(), worker.offer())).collect()
    }

    pub(super) fn is_finished(&self) -> bool {
        let node = &self.nodes[self.owner];
        node.is_idle()
            && self.checker.unfinished(&self.offers()).is_empty()
            && self.checker.check_ended(&self.offers()).is_ok()
    }

    pub(super) fn end(&mut self) -> Verdict {
        self.checker.check_ended(&self.offers())?;
        if self.config.calm {
            self.checker.check_calm()?;
            let quick = self.config.commit_ms.1 < 100;
            ensure(!quick || self.clients.unanswered == 0, "calm", || "a call was not answered in time".into())?;
        }
        self.check_store()
    }

    /// The store holds what the commits said.
    fn check_store(&self) -> Verdict {
        let model = &self.checker.model;
        let set = ReadSet {
            tasks: model.tasks.keys().copied().collect(),
            jobs: model.jobs.keys().copied().collect(),
            ..ReadSet::default()
        };
        let rows = self.store.rows(&set);
        let tasks =
            rows.tasks.iter().all(|row| model.tasks.get(&row.key).is_some_and(|known| known.state == row.state));
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
}
