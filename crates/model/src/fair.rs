//! What happens from a world on if nothing goes wrong any more: every message arrives, every commit is answered, workers
//! work, and time passes. Then everything must end.

use mainspring_core::task::Outcome;

use crate::message::Message;
use crate::plant::Plant;
use crate::world::World;

/// More are never needed: a lease is lost three times at the most.
const ROUNDS: u32 = 16;

impl World {
    /// Whether a fair run from here ends everything.
    pub fn ends(&self, plant: Option<Plant>) -> bool {
        let mut world = self.clone();
        (0..ROUNDS).any(|_| {
            world.round(plant);
            world.is_over()
        })
    }

    fn is_over(&self) -> bool {
        let mut tasks = self.store.rows.every_task();
        let ended = self.history.acknowledged[0].is_some() && tasks.all(|row| row.state.status.is_terminal());
        ended && self.workers.iter().all(|worker| worker.running.is_empty() && worker.ended.is_empty())
    }

    fn round(&mut self, plant: Option<Plant>) {
        self.serve(plant);
        let owner = self.store.holder.unwrap_or(0);
        if self.nodes[owner].driver.is_none() {
            self.take_over(owner, plant);
            self.serve(plant);
        }
        while !self.network.is_empty() {
            let message = self.network.remove(0);
            let heard = message.node().is_none_or(|node| self.nodes[node].driver.is_some());
            if heard {
                self.deliver(message, plant);
                self.serve(plant);
            }
        }
        if self.history.acknowledged[0].is_none() {
            self.submit(owner as u8, plant);
            self.serve(plant);
        }
        for index in 0..self.workers.len() {
            for token in self.workers[index].running.clone() {
                self.history.reported(token, Outcome::Success);
                self.workers[index].finish(token, Outcome::Success);
            }
            let call = self.workers[index].call();
            self.deliver(Message::Call(owner as u8, call), plant);
            self.serve(plant);
        }
        self.ticks += 1;
        let now = self.now();
        for index in 0..self.nodes.len() {
            self.at_node(index, plant, |node| node.poll(now, plant));
        }
    }

    /// Lets the store answer everything that it was asked.
    fn serve(&mut self, plant: Option<Plant>) {
        for index in 0..self.nodes.len() {
            loop {
                if !self.nodes[index].orders.is_empty() {
                    self.store_takes(index, plant);
                } else if !self.nodes[index].answers.is_empty() {
                    self.node_hears(index, plant);
                } else {
                    break;
                }
            }
        }
    }
}
