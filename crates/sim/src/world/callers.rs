//! Those who call: clients, workers, and whoever gives orders about schedules.

use mainspring_core::schedule::ScheduleName;

use super::cluster::Cluster;
use super::{Ev, World};
use crate::check::Verdict;
use crate::wire::Reply;
use crate::worker::Mode;

impl World {
    pub(super) fn next_call(&mut self) {
        let shard = self.cluster.as_mut().map_or(0, Cluster::pick_shard);
        let call = self.clients.next(self.now_ms, &self.config, &self.shards[shard].checker.model);
        match call {
            Some(call) => {
                self.send_call(call);
                let gap = self.rng.below(self.config.call_every_ms * 2 + 1) as i64;
                self.after(gap, Ev::NextCall);
            }
            None => {
                let late = self.rng.below(20_000) as i64;
                self.after(late, Ev::Heal);
            }
        }
    }

    pub(super) fn repeat_calls(&mut self) {
        for call in self.clients.repeat(self.now_ms) {
            self.send_call(call);
        }
        self.after(1_000, Ev::Repeat);
    }

    pub(super) fn hear(&mut self, reply: Reply) -> Verdict {
        match reply {
            Reply::Answer { call, answer } => self.clients.hear(call, &answer),
            Reply::Exchange(index, reply) => {
                self.workers[index].hear(reply, self.now_ms);
                self.check_places(index)?;
                for name in std::mem::take(&mut self.workers[index].noticed) {
                    self.hit(name);
                }
                if self.workers[index].mode == Mode::Down {
                    let life = self.workers[index].life;
                    let pause = self.rng.range(100, 5_000) as i64;
                    self.after(pause, Ev::WorkerStart { index, life });
                }
                self.wake_worker(index, 0);
            }
        }
        Ok(())
    }

    pub(super) fn order_schedule(&mut self) {
        if self.healing {
            return;
        }
        let shards = &self.shards;
        let known = |id: &ScheduleName| shards.iter().find_map(|shard| shard.checker.model.schedules.get(id));
        if let Some((order, gap)) = self.schedules.next_order(self.now_ms, known) {
            let call = self.clients.send(crate::wire::Ask::Order(order), self.now_ms);
            self.send_call(call);
            self.after(gap, Ev::ScheduleOrder);
        }
    }

    pub(super) fn wake_worker(&mut self, index: usize, delay_ms: i64) {
        self.ticks[index] += 1;
        let number = self.ticks[index];
        self.after(delay_ms, Ev::WorkerTick { index, number });
    }

    pub(super) fn tick_worker(&mut self, index: usize) {
        if self.workers[index].mode != Mode::Up {
            return;
        }
        if let Some(call) = self.workers[index].tick(self.now_ms) {
            self.send_exchange(call);
        }
        let next = self.workers[index].next_tick_ms(self.now_ms);
        self.wake_worker(index, next - self.now_ms);
    }
}
