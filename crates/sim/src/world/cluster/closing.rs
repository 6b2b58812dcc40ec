//! Shards that are given up or lost, and processes that end.

use std::collections::BTreeSet;

use mainspring_core::id::SessionId;
use mainspring_node::gateway::Gateway;
use mainspring_store::{Members, Roster, Store};

use super::Happening;
use crate::world::node::now;
use crate::world::{Ev, World};

impl World {
    /// The core of a post is lost; what waits there is answered, and the shard loaded again if it is still this node's.
    pub(in crate::world) fn abandoned(&mut self, post: usize) {
        let node = self.node_of(post);
        let closing = self.posts[post].desk.closing;
        self.end_desk(post);
        if closing || !self.process(node).up {
            return self.end_if_left(node);
        }
        self.posts[post].desk.loading = true;
        let life = self.posts[post].life;
        let pause = self.rng.range(0, 200) as i64;
        self.after(pause, Ev::NodeStart { node: post, life });
    }

    /// Answers whoever waits at a desk, and clears it.
    fn end_desk(&mut self, post: usize) {
        if let Some(gateway) = &mut self.posts[post].desk.gateway {
            for cut in gateway.reset() {
                mainspring_node::gateway::Caller::answer(cut.caller, Ok(cut.answer));
            }
        }
        self.send_answers();
        self.posts[post].reset();
    }

    /// Gives a shard up: what was taken in is committed first.
    pub(super) fn close(&mut self, post: usize) {
        if self.posts[post].driver.is_none() || self.posts[post].desk.closing {
            return;
        }
        self.note(|| format!("post {post} closes"));
        self.posts[post].desk.closing = true;
        self.wake_node(post, 0);
    }

    pub(super) fn close_if_done(&mut self, post: usize) {
        if !self.posts[post].desk.closing {
            return;
        }
        if let Some(gateway) = &mut self.posts[post].desk.gateway {
            gateway.end_polls();
        }
        self.send_answers();
        let at = &mut self.posts[post];
        let waits = at.desk.gateway.as_ref().is_some_and(Gateway::awaits_commit);
        if waits || at.desk.committing || !at.asks.is_empty() {
            return;
        }
        let Some(driver) = at.driver.take() else { return };
        driver.abandon();
        let (fence, shard) = (at.fence.take().expect("a post with a driver has a fence"), self.shard_of(post));
        // Whoever was faster has it already.
        let _ = now(self.shards[shard].store.release(fence));
        self.hit("cluster.given");
        self.end_desk(post);
        let node = self.node_of(post);
        self.end_if_left(node);
        for to in self.cluster().up() {
            let life = self.process(to).life;
            if let Some(delay) = self.between(node, to) {
                self.soon(delay, Happening::Beat { node: to, life, again: false });
            }
        }
    }

    /// A process that was told to stop ends once it serves nothing.
    pub(super) fn end_if_left(&mut self, node: usize) {
        let busy = (0..self.shards.len()).any(|shard| self.serves(node, shard));
        if !self.process(node).leaving || !self.process(node).up || busy {
            return;
        }
        self.hit("cluster.left");
        let id = self.process(node).id.clone();
        now(self.cluster().members.leave(id)).expect("the membership in memory is there");
        self.end_process(node);
    }

    /// Takes the dead off once nothing is theirs.
    pub(super) fn take_off(&mut self, roster: &Roster, dead: &BTreeSet<SessionId>) {
        for id in dead {
            let listed = roster.nodes.iter().any(|(row, _)| row.id == *id);
            let owns = roster.shards.iter().any(|held| held.owner.as_ref() == Some(id));
            if listed && !owns {
                now(self.cluster().members.leave(id.clone())).expect("the membership in memory is there");
            }
        }
    }
}
