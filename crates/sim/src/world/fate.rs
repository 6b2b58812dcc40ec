//! Misfortune: the network, and strokes of fate.

use super::{Ev, World};
use crate::wire::{Reply, Request};
use crate::worker::Mode;

impl World {
    /// Puts a message for a node on the network.
    pub(super) fn send(&mut self, request: Request) {
        for delay in self.travel("network.lost_request") {
            self.after(delay, Ev::Arrive(request.clone()));
        }
    }

    /// Puts a message from a node on the network.
    pub(super) fn send_back(&mut self, reply: Reply) {
        for delay in self.travel("network.lost_reply") {
            self.after(delay, Ev::Hear(reply.clone()));
        }
    }

    /// When copies of a message arrive: usually one, soon.
    pub(super) fn travel(&mut self, lost: &'static str) -> Vec<i64> {
        let (least, most) = self.config.net_ms;
        let mut delays = vec![self.rng.range(least, most) as i64];
        if !self.faulty {
            return delays;
        }
        let faults = self.config.faults;
        if self.rng.permille(faults.lost) {
            self.hit(lost);
            delays.clear();
        }
        if self.rng.permille(faults.duplicated) {
            self.hit("network.duplicate");
            delays.push(self.rng.range(least, most + 2_000) as i64);
        }
        if self.rng.permille(faults.reordered) {
            self.hit("network.reordered");
            let late = self.rng.range(300, 6_000) as i64;
            delays.iter_mut().for_each(|delay| *delay += late);
        }
        delays
    }

    /// One stroke of fate.
    pub(super) fn stroke(&mut self) {
        if !self.faulty || self.healing {
            return;
        }
        let index = self.rng.below(self.workers.len() as u64) as usize;
        let choice = self.rng.below(11);
        self.note(|| format!("stroke {choice} on worker {index}"));
        match choice {
            8 | 10 if self.cluster.is_some() => self.strike_node(),
            // It dies with its node, and in no other way.
            _ if self.inside_of(index).is_some() => {}
            0..=2 => self.crash_worker(index),
            3 | 4 => self.freeze_worker(index),
            5 => {
                if self.workers[index].mode == Mode::Up {
                    self.workers[index].drain();
                    self.hit("worker.drain");
                    self.wake_worker(index, 0);
                }
            }
            6 | 7 => self.jump_clock(),
            8 => self.take_over(),
            9 => self.swap_worker(index),
            _ => self.crash_node(self.shards[0].owner),
        }
    }

    fn crash_worker(&mut self, index: usize) {
        self.hit("worker.crash");
        self.workers[index].crash();
        self.hang_up_on(index);
        let life = self.workers[index].life;
        let pause = self.rng.range(10, 20_000) as i64;
        self.after(pause, Ev::WorkerStart { index, life });
    }

    fn freeze_worker(&mut self, index: usize) {
        if self.workers[index].mode != Mode::Up {
            return;
        }
        self.workers[index].freeze();
        self.hit("worker.freeze");
        let life = self.workers[index].life;
        let leases = self.rng.range(1, 30);
        let pause = (self.config.lease_ms * leases / 10) as i64;
        self.after(pause, Ev::WorkerThaw { index, life });
    }

    /// A second live process with the id of another, until faults stop.
    fn swap_worker(&mut self, index: usize) {
        let other = (index + 1) % self.workers.len();
        if other != index && self.workers[index].mode == Mode::Up {
            self.hit("worker.swap");
            let name = self.workers[other].name().clone();
            self.workers[index].restart_as(name);
            self.wake_worker(index, 0);
        }
    }

    fn jump_clock(&mut self) {
        let by = *self.rng.pick(&[-30_000, -1_500, -20, 20, 1_500, 30_000, 59_000]);
        let name = if by < 0 { "clock.backward" } else { "clock.forward" };
        self.hit(name);
        self.note(|| format!("the clock jumps by {by} ms"));
        let owner = self.shards[0].owner;
        for post in self.posts_beside(owner) {
            self.posts[post].offset_ms += by;
            self.wake_node(post, 0);
        }
    }

    /// All posts of the process that a post belongs to.
    fn posts_beside(&self, post: usize) -> std::ops::Range<usize> {
        let shards = self.shards.len();
        let first = post / shards * shards;
        first..first + shards
    }

    /// The process ends, whatever it was doing; another starts after a while.
    pub(super) fn crash_node(&mut self, index: usize) {
        let shard = self.shard_of(index);
        if self.cluster.is_some() {
            return self.crash_process_of(index);
        }
        self.note(|| format!("node {index} crashes"));
        self.shards[shard].checker.sometimes.hit("node.crash");
        self.posts[index].reset();
        if index == self.shards[shard].owner {
            let life = self.posts[index].life;
            let pause = self.rng.range(1, 3_000) as i64;
            self.after(pause, Ev::NodeStart { node: index, life });
        }
    }

    /// The other node takes the shard over while this one goes on believing that it owns it.
    pub(super) fn take_over(&mut self) {
        let shard = 0;
        self.shards[shard].checker.sometimes.hit("node.takeover");
        self.shards[shard].owner = 1 - self.shards[shard].owner;
        let owner = self.shards[shard].owner;
        self.note(|| format!("node {owner} takes over"));
        self.posts[owner].reset();
        let life = self.posts[owner].life;
        self.after(0, Ev::NodeStart { node: owner, life });
    }
}
