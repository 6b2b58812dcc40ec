//! How a client's call reaches its shard: through any node, which passes it on to the owner that it knows.

use mainspring_core::effect::{Answer, Effect, Refusal};
use mainspring_core::event::NewTask;
use mainspring_core::home::Home;
use mainspring_core::id::Bucket;
use mainspring_store::ShardId;

use super::Happening;
use super::desk::is_setting;
use crate::check::Verdict;
use crate::plant::Plant;
use crate::wire::{Ask, Call, Reply, Request};
use crate::world::World;
use crate::world::telling::event_of;

/// Between two looks for a shard, and how often.
const LOOK_EVERY_MS: i64 = 50;
const LOOKS_MAX: u32 = 200;

impl World {
    /// Puts a client's call on the network: each part of a batch by itself.
    pub(in crate::world) fn send_call(&mut self, call: Call) {
        if self.cluster.is_none() {
            return self.send(Request::Call(call));
        }
        let asks = match call.ask {
            Ask::Tasks(tasks) => self.parts_of(tasks),
            ask => vec![ask],
        };
        if asks.len() > 1 {
            self.hit("cluster.batch_of_several");
        }
        for call in self.clients.split(call.number, asks, self.now_ms) {
            let up = self.cluster().up();
            let Some(node) = self.cluster().rng.pick_some(&up) else { continue };
            let shard = self.home_of(&call.ask).unwrap_or_else(|| self.favourite(node));
            for delay in self.travel("network.lost_request") {
                self.soon(delay, Happening::Call { node, call: Box::new(call.clone()), shard, tries: 0 });
            }
        }
    }

    fn parts_of(&self, tasks: Vec<NewTask>) -> Vec<Ask> {
        let mut parts: std::collections::BTreeMap<Option<ShardId>, Vec<NewTask>> = Default::default();
        for task in tasks {
            let home = task.home().map(|bucket| ShardId::of(bucket, self.config.shards()));
            parts.entry(home).or_default().push(task);
        }
        parts.into_values().map(Ask::Tasks).collect()
    }

    /// The shard that a call must go to; `None`: any.
    fn home_of(&mut self, ask: &Ask) -> Option<usize> {
        let shards = self.config.shards();
        let of = |bucket: Bucket| usize::from(ShardId::of(bucket, shards).0);
        let home = match ask {
            Ask::Tasks(tasks) => tasks.first().and_then(NewTask::home).map(of),
            Ask::Job(job) => job.home().map(of),
            Ask::Order(order) => Some(match order.home() {
                Home::Of(bucket) => of(bucket),
                Home::OfRows => order.clone().split(of).into_keys().next().unwrap_or(0),
                Home::Control | Home::Setting | Home::Every | Home::Served => 0,
            }),
        };
        let astray = home.is_some() && self.planted.as_mut().is_some_and(|planted| planted.strikes(Plant::Misrouted));
        if astray { home.map(|home| (home + 1) % self.shards.len()) } else { home }
    }

    /// Where a node sends what may go anywhere: to a shard of its own.
    fn favourite(&mut self, node: usize) -> usize {
        self.stand_by(node).map_or(0, |shard| usize::from(shard.0))
    }

    /// The shard of a node that free places stand by at.
    pub(super) fn stand_by(&mut self, node: usize) -> Option<ShardId> {
        let mine: Vec<usize> = (0..self.shards.len()).filter(|shard| self.serves(node, *shard)).collect();
        let place = self.process(node).favourite;
        (!mine.is_empty()).then(|| ShardId(mine[place % mine.len()] as u16))
    }

    /// A node passes a call on, or looks again later.
    pub(super) fn route(&mut self, node: usize, call: Box<Call>, shard: usize, tries: u32) {
        if !self.process(node).up {
            // Nobody listens there: the client tries another.
            let up = self.cluster().up();
            let node = self.cluster().rng.pick_some(&up).unwrap_or(node);
            return self.soon(LOOK_EVERY_MS, Happening::Call { node, call, shard, tries: tries + 1 });
        }
        let Some(to) = self.place(node, shard) else {
            if tries >= LOOKS_MAX {
                self.hit("cluster.not_served");
                return self.send_back(Reply::Answer { call: call.number, answer: Err(Refusal::NotServed) });
            }
            return self.soon(LOOK_EVERY_MS, Happening::Call { node, call, shard, tries: tries + 1 });
        };
        if to != node {
            self.hit("cluster.passed_on");
        }
        let post = self.post_of(to, shard);
        match if to == node { Some(0) } else { self.between(node, to) } {
            Some(delay) => self.soon(delay, Happening::Ask { post, call }),
            None => self.send_back(Reply::Answer { call: call.number, answer: Err(Refusal::OutcomeUnknown) }),
        }
    }

    /// A call has reached its shard, if that is still there.
    pub(super) fn ask(&mut self, post: usize, call: Call) -> Verdict {
        let (node, shard) = (self.node_of(post), self.shard_of(post));
        if self.posts[post].driver.is_none() || self.posts[post].desk.closing {
            if call.number > 0 {
                self.soon(LOOK_EVERY_MS, Happening::Call { node, call: Box::new(call), shard, tries: 1 });
            }
            return Ok(());
        }
        let requests = std::rc::Rc::clone(&self.cluster().requests);
        requests.set(requests.get() + 1);
        let to = requests.get();
        let (first, end) = ShardId(shard as u16).buckets(self.config.shards());
        let bucket = Bucket::new(first.max(1) + self.rng.below(u64::from(end - first.max(1))) as u16);
        let event = event_of(&call, to, bucket);
        if is_setting(&call) {
            self.follow_anew(post);
        }
        self.posts[post].asks.insert(to, call);
        if !self.tell(post, event) {
            self.release(post, vec![Effect::Reply { to, answer: Ok(Answer::Done) }])?;
        }
        let wait = self.rng.below(self.config.mailbox_ms + 1) as i64;
        self.wake_node(post, wait);
        Ok(())
    }
}
