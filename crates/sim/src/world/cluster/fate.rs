//! What may happen to nodes: they die, stop, cannot beat, do not reach each other; workers change over to another.

use super::Happening;
use crate::world::World;

impl World {
    /// One stroke of fate upon a node.
    pub(in crate::world) fn strike_node(&mut self) {
        if self.healing {
            return;
        }
        let nodes = self.config.nodes();
        let calm = !self.faulty;
        let now_ms = self.now_ms;
        let cluster = self.cluster();
        let node = cluster.rng.below(nodes as u64) as usize;
        match if calm { 5 + cluster.rng.below(4) } else { cluster.rng.below(10) } {
            0..=2 => self.crash_process(node),
            3 => {
                let until = now_ms + cluster.rng.range(500, 9_000) as i64;
                cluster.processes[node].mute_until = until;
                self.note(|| format!("node {node} cannot beat until {until}"));
            }
            4 => {
                let other = (node + 1) % nodes;
                let until = now_ms + cluster.rng.range(200, 8_000) as i64;
                cluster.apart.insert((node.min(other), node.max(other)), until);
                self.hit("cluster.apart");
                self.note(|| format!("nodes {node} and {other} do not reach each other"));
            }
            5 | 6 => self.leave(node),
            _ => {
                let worker = cluster.rng.below(cluster.with.len() as u64) as usize;
                cluster.with[worker] = node;
                self.hit("cluster.worker_moved");
            }
        }
    }

    /// A node is told to stop: it gives its shards back first.
    fn leave(&mut self, node: usize) {
        let others = self.cluster().up().len() > 1;
        if !self.process(node).up
            || self.process(node).leaving
            || !others
            || self.inside_of(self.workers.len() - 1).is_some()
        {
            return;
        }
        self.note(|| format!("node {node} is told to stop"));
        self.process(node).leaving = true;
        for shard in 0..self.shards.len() {
            self.close(self.post_of(node, shard));
        }
        self.end_if_left(node);
    }

    pub(in crate::world) fn crash_process_of(&mut self, post: usize) {
        let node = self.node_of(post);
        self.crash_process(node);
    }

    /// The process ends, whatever it was doing; another starts after a while.
    pub(in crate::world) fn crash_process(&mut self, node: usize) {
        if self.process(node).up {
            self.note(|| format!("process {node} crashes"));
            self.hit("node.crash");
            self.end_process(node);
        }
    }

    /// The process is gone, with all it knew.
    pub(super) fn end_process(&mut self, node: usize) {
        let shards = self.shards.len();
        let process = self.process(node);
        process.up = false;
        process.life += 1;
        let life = process.life;
        process.turns.clear();
        process.chairs.clear();
        process.opening.clear();
        (0..shards).for_each(|shard| {
            let post = self.post_of(node, shard);
            self.posts[post].reset();
        });
        self.cluster().outbox.borrow_mut().clear();
        self.break_connections(node);
        let inside = self.workers.len() - 1;
        if self.inside_of(inside) == Some(node) {
            self.workers[inside].crash();
            self.hit("cluster.inner_worker_lost");
        }
        let pause = if self.healing { 200 } else { self.cluster().rng.range(200, 15_000) as i64 };
        self.soon(pause, Happening::Start { node, life });
    }

    /// Whoever waits for an answer of a process that is gone hears that none comes.
    fn break_connections(&mut self, node: usize) {
        let shards = self.shards.len();
        let mut broken = Vec::new();
        for process in &self.cluster().processes {
            let open = process.turns.values().flat_map(|carried| carried.open.iter());
            broken.extend(
                open.filter(|(_, (post, _))| post.is_some_and(|post| post / shards == node)).map(|(at, _)| *at),
            );
        }
        for at in broken {
            let late = self.cluster().rng.range(0, 100) as i64;
            self.soon(late, Happening::PartBack { at, part: None });
        }
        for index in 0..self.workers.len() {
            if self.cluster().with[index] == node && self.inside_of(index).is_none() {
                self.workers[index].was_cut_off();
                self.wake_worker(index, 100);
            }
        }
    }

    /// Faults stop: nodes reach each other, and all are up.
    pub(in crate::world) fn heal_cluster(&mut self) {
        if self.cluster.is_none() {
            return;
        }
        self.cluster().apart.clear();
        for node in 0..self.config.nodes() {
            self.process(node).mute_until = 0;
            let life = self.process(node).life;
            self.soon(100, Happening::Start { node, life });
        }
    }
}
