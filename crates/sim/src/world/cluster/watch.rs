//! Processes that start, beat, judge the others, and open and close shards as the real plan says.

use std::collections::BTreeSet;

use mainspring_core::event::Event;
use mainspring_core::id::SessionId;
use mainspring_node::balance::{Plan, plan};
use mainspring_node::gateway::Gateway;
use mainspring_node::roster;
use mainspring_store::{Error, Members, MemoryStore, Roster, ShardId};

use super::{Cluster, Happening, Process};
use crate::check::{Verdict, ensure};
use crate::plant::Plant;
use crate::world::node::now;
use crate::world::{Ev, World};

/// How often a node shows that it lives.
const BEAT_EVERY_MS: i64 = 500;

impl Cluster {
    /// What a post acquires its shard with: its view of the store, its name, and the epoch of a dead owner.
    pub(in crate::world) fn claim(&self, post: usize, shard: usize) -> (MemoryStore, SessionId, Option<u64>) {
        let process = &self.processes[post / usize::from(self.config.shards)];
        let dead = process.opening.get(&shard).and_then(|(dead, _)| *dead);
        (process.stores[shard].clone(), process.id.clone(), dead)
    }
}

impl World {
    /// Whether a shard's thread runs on a node, even if it is just loading.
    pub(super) fn serves(&self, node: usize, shard: usize) -> bool {
        let post = &self.posts[self.post_of(node, shard)];
        post.driver.is_some() || post.desk.loading
    }

    /// The node that another one sends what is for a shard to.
    pub(super) fn place(&self, node: usize, shard: usize) -> Option<usize> {
        let closing = self.posts[self.post_of(node, shard)].desk.closing;
        if self.serves(node, shard) && !closing {
            return Some(node);
        }
        self.owner_seen_by(node, shard).filter(|owner| *owner != node)
    }

    pub(super) fn owner_seen_by(&self, node: usize, shard: usize) -> Option<usize> {
        self.cluster.as_ref()?.processes[node].owners[shard]
    }

    pub(super) fn start_process(&mut self, node: usize, life: u64) {
        if self.process(node).life != life || self.process(node).up {
            return;
        }
        let stores = self.shards.iter().map(|shard| shard.store.another()).collect();
        let shards = self.shards.len();
        let cluster = self.cluster();
        let id: SessionId = format!("node{node}-{:05}", cluster.next_number()).into();
        let favourite = cluster.rng.below(16) as usize;
        cluster.processes[node] =
            Process { id: id.clone(), life, up: true, stores, favourite, ..Process::down(shards) };
        self.note(|| format!("process {id} starts"));
        self.hit("cluster.start");
        self.soon(0, Happening::Beat { node, life, again: true });
        let inside = self.workers.len() - 1;
        if self.inside_of(inside) == Some(node) {
            self.workers[inside].start_inside(&id);
            self.wake_worker(inside, 5);
        }
    }

    pub(super) fn beat(&mut self, node: usize, life: u64, again: bool) -> Verdict {
        if self.process(node).life != life || !self.process(node).up {
            return Ok(());
        }
        if again {
            self.soon(BEAT_EVERY_MS, Happening::Beat { node, life, again });
        }
        self.say_news(node);
        if self.faulty && self.now_ms < self.process(node).mute_until {
            self.hit("cluster.mute");
            return Ok(());
        }
        let (now_ms, monotonic) = (self.now_ms, self.monotonic());
        let row = self.process(node).row(node);
        self.process(node).stood_still_ms = now_ms - self.process(node).beat_at;
        self.process(node).beat_at = now_ms;
        let roster = now(self.cluster().members.beat(row)).expect("the membership in memory is there");
        self.process(node).pulse.beat(monotonic, monotonic);
        self.turn(node, &roster)
    }

    fn turn(&mut self, node: usize, roster: &Roster) -> Verdict {
        let now = self.monotonic();
        let cluster = self.cluster.as_mut().expect("there is one");
        let running: BTreeSet<SessionId> =
            cluster.processes.iter().filter(|process| process.up).map(|process| process.id.clone()).collect();
        let one_machine = cluster.config.one_machine;
        let process = &mut cluster.processes[node];
        let me = process.id.clone();
        let dead =
            process.judge.judge(roster, &me, (now, now), |other| one_machine && !running.contains(&other.process));
        let address = |id: &SessionId| {
            let row = roster.nodes.iter().find(|(row, _)| row.id == *id && !dead.contains(id));
            row.and_then(|(row, _)| row.address.as_ref()?.parse().ok())
        };
        process.owners = roster.shards.iter().map(|held| held.owner.as_ref().and_then(address)).collect();
        process.board.retain(|from, _| roster.nodes.iter().any(|(row, _)| address(&row.id) == Some(*from)));
        let settings = roster::settings(roster);
        let changed = process.settings != settings;
        process.settings = settings;
        self.reap(node, roster);
        self.give_up_lost_calls(node);
        self.inform(node, &dead);
        if !self.process(node).leaving {
            self.follow_plan(node, roster, &dead);
        }
        self.take_off(roster, &dead);
        if changed { self.drive_all(node) } else { Ok(()) }
    }

    /// Ends posts whose shards belong to others by now.
    fn reap(&mut self, node: usize, roster: &Roster) {
        let me = self.process(node).id.clone();
        for (shard, held) in roster.shards.iter().enumerate() {
            let post = self.post_of(node, shard);
            let epoch = self.posts[post].fence.as_ref().map_or(0, |fence| fence.epoch);
            if self.posts[post].driver.is_some() && roster::is_taken(held, epoch, &me) {
                self.hit("cluster.reaped");
                self.posts[post].desk.closing = true;
                self.abandon(post);
            }
        }
    }

    /// Calls to nodes that have lost the shard are not waited for.
    fn give_up_lost_calls(&mut self, node: usize) {
        let cluster = self.cluster.as_ref().expect("there is one");
        let process = &cluster.processes[node];
        let shards = self.shards.len();
        let lost = process.turns.values().flat_map(|carried| carried.open.iter()).filter(|(at, (post, _))| {
            let owner = process.owners[usize::from(at.shard)];
            post.is_some_and(|post| post / shards != node && owner != Some(post / shards))
        });
        for at in lost.map(|(at, _)| *at).collect::<Vec<_>>() {
            self.soon(0, Happening::PartBack { at, part: None });
        }
    }

    /// Tells the cores of a node the settings, and whose end has come.
    fn inform(&mut self, node: usize, dead: &BTreeSet<SessionId>) {
        let ended: Vec<SessionId> = dead.iter().filter(|id| !self.process(node).ended.contains(*id)).cloned().collect();
        for shard in 0..self.shards.len() {
            let post = self.post_of(node, shard);
            self.follow(post);
            ended.iter().for_each(|id| self.tell_of_end(post, id));
        }
        self.process(node).ended.extend(ended);
    }

    /// The core hears of the settings with the next beat, whatever it believes.
    pub(super) fn follow_anew(&mut self, post: usize) {
        let now = self.monotonic();
        self.posts[post].desk.followed.anew(now);
    }

    /// Tells a core the settings of the control shard, if it has not heard them.
    fn follow(&mut self, post: usize) {
        let node = self.node_of(post);
        let (settings, now) = (self.process(node).settings.clone(), self.monotonic());
        let lacks = self.posts[post].desk.followed.lacks(&settings, now);
        if self.shard_of(post) == 0 || !lacks || self.posts[post].driver.is_none() {
            return;
        }
        self.hit("cluster.settings_followed");
        self.posts[post].desk.followed.told(&settings);
        if !self.planted.as_mut().is_some_and(|planted| planted.strikes_often(Plant::DeafFollower, 100)) {
            self.tell_soon(post, Event::Settings(settings));
        }
    }

    fn tell_of_end(&mut self, post: usize, id: &SessionId) {
        if self.posts[post].driver.is_none() {
            return;
        }
        let due = self.now_ms;
        let life = self.posts[post].life;
        self.cluster().inspector.note_end(post, life, id.clone(), due);
        if !self.planted.as_mut().is_some_and(|planted| planted.strikes_often(Plant::UntoldEnd, 100)) {
            self.tell_soon(post, Event::EndNode(id.clone()));
        }
    }

    fn follow_plan(&mut self, node: usize, roster: &Roster, dead: &BTreeSet<SessionId>) {
        let mine: BTreeSet<ShardId> = (0..self.shards.len())
            .filter(|shard| self.serves(node, *shard) || self.process(node).opening.contains_key(shard))
            .map(|shard| ShardId(shard as u16))
            .collect();
        let alive = roster.nodes.iter().map(|(node, _)| node.id.clone()).filter(|id| !dead.contains(id)).collect();
        let process = self.process(node);
        let me = process.id.clone();
        let Plan { mut take, mut give } = plan(&roster.shards, &alive, dead, &me, &mine, &mut process.free);
        if let Some(planted) = &mut self.planted {
            if !take.is_empty() && planted.strikes_often(Plant::OrphanedShard, 100) {
                take.retain(|(_, epoch)| epoch.is_none());
            }
            if !give.is_empty() && planted.strikes_often(Plant::Hoarder, 100) {
                give.clear();
            }
            let other = roster.shards.iter().find(|held| held.owner.as_ref().is_some_and(|owner| *owner != me));
            if let Some(held) = other.filter(|_| planted.strikes(Plant::StolenShard)) {
                take.push((held.shard, Some(held.epoch)));
            }
        }
        for (shard, epoch) in take {
            self.open(node, roster, usize::from(shard.0), epoch);
        }
        for shard in give {
            self.hit("cluster.rebalanced");
            self.close(self.post_of(node, usize::from(shard.0)));
        }
    }

    fn open(&mut self, node: usize, roster: &Roster, shard: usize, epoch: Option<u64>) {
        let before = roster.shards[shard].owner.clone();
        if self.process(node).opening.contains_key(&shard) {
            return;
        }
        self.process(node).opening.insert(shard, (epoch, before));
        let post = self.post_of(node, shard);
        let life = self.posts[post].life;
        let late = self.cluster().rng.range(0, 60) as i64;
        self.after(late, Ev::NodeStart { node: post, life });
    }

    /// A shard could not be had, or not be loaded.
    pub(in crate::world) fn failed_to_open(&mut self, post: usize, error: &Error) -> Verdict {
        let (node, shard) = (self.node_of(post), self.shard_of(post));
        self.note(|| format!("node {node} cannot have shard {shard}: {error}"));
        if let Error::Unavailable(_) = error {
            let life = self.posts[post].life;
            self.after(100, Ev::NodeStart { node: post, life });
            return Ok(());
        }
        ensure(matches!(error, Error::Conflict(_)), "L4", || format!("the shard cannot be acquired: {error}"))?;
        self.hit("cluster.too_late");
        self.process(node).opening.remove(&shard);
        self.posts[post].reset();
        Ok(())
    }

    /// A shard is loaded and served here from now on.
    pub(in crate::world) fn opened(&mut self, post: usize) -> Verdict {
        if self.cluster.is_none() {
            return Ok(());
        }
        let (node, shard) = (self.node_of(post), self.shard_of(post));
        self.posts[post].desk.loading = false;
        self.posts[post].desk.gateway = Some(Gateway::new(self.config.shard.session_grace_ms));
        self.follow_anew(post);
        let Some((dead, before)) = self.process(node).opening.remove(&shard) else { return Ok(()) };
        if dead.is_some() {
            self.check_taken(node, shard, before.as_ref())?;
        } else {
            self.hit("cluster.opened");
        }
        let life = self.process(node).life;
        self.soon(0, Happening::Beat { node, life, again: false });
        let me = self.process(node).id.clone();
        let mut ended: Vec<SessionId> = self.process(node).ended.iter().cloned().collect();
        ended.extend(before.filter(|before| *before != me));
        ended.iter().for_each(|id| self.tell_of_end(post, id));
        self.drive_all(node)
    }

    /// Nobody takes a shard from a node that shows life.
    fn check_taken(&mut self, node: usize, shard: usize, before: Option<&SessionId>) -> Verdict {
        self.hit("cluster.taken_over");
        let now_ms = self.now_ms;
        let processes = &self.cluster().processes;
        let Some(owner) = processes.iter().find(|process| process.up && Some(&process.id) == before) else {
            return Ok(());
        };
        let silent = now_ms - owner.beat_at;
        // It may have beaten again while its shard was on its way: then it had been silent for long enough before.
        let late = silent < BEAT_EVERY_MS && owner.stood_still_ms >= 2_500;
        ensure(silent >= 2_500 || late || owner.id == processes[node].id, "takeover", || {
            format!("node {node} took shard {shard} of {before:?}, which beat {silent} ms ago")
        })
    }
}
