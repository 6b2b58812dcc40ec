//! What must hold of the cluster as a whole, once faults have stopped: every shard has an owner, all follow the same
//! settings, the nodes share the shards evenly, and each thing is in exactly one shard, that of its name.

use std::collections::BTreeMap;

use mainspring_core::id::{Bucket, Key, Name, SessionId};
use mainspring_store::ShardId;

use super::Happening;
use crate::check::{Verdict, ensure};
use crate::world::World;
use crate::world::recovery::settings_of;

const EVERY_MS: i64 = 500;
/// How long a shard may be without an owner: its node is judged after 2.5 s, and loads within one more.
const OWNERLESS_MS: i64 = 8_000;
/// How long a shard may believe other settings than the control shard: a beat, and a commit of each.
const SETTINGS_MS: i64 = 4_000;
/// How long a core may take to end the sessions inside a node that has ended.
const END_MS: i64 = 3_500;

/// What is watched.
pub(super) struct Inspector {
    ownerless_since: Vec<Option<i64>>,
    differs_since: Vec<Option<i64>>,
    ends: Vec<(usize, u64, SessionId, i64)>,
}

impl Inspector {
    pub(super) fn new(shards: usize) -> Self {
        Self { ownerless_since: vec![None; shards], differs_since: vec![None; shards], ends: Vec::new() }
    }

    /// A core is told that a node has ended.
    pub(super) fn note_end(&mut self, post: usize, life: u64, node: SessionId, at: i64) {
        self.ends.push((post, life, node, at));
    }
}

impl World {
    pub(super) fn inspect(&mut self) -> Verdict {
        self.soon(EVERY_MS, Happening::Inspect);
        self.inspect_ends()?;
        for shard in 0..self.shards.len() {
            let owned = self.owner_in_force(shard).is_some();
            let same = self.follows(shard);
            let (now_ms, healthy) = (self.now_ms, self.healed && !self.faulty);
            let inspector = &mut self.cluster().inspector;
            let since = |since: &mut Option<i64>, good: Option<bool>| match good {
                _ if !healthy => *since = None,
                Some(true) => *since = None,
                Some(false) => *since = since.or(Some(now_ms)),
                None => {}
            };
            since(&mut inspector.ownerless_since[shard], Some(owned));
            since(&mut inspector.differs_since[shard], same);
            let long = |since: Option<i64>, max: i64| since.is_some_and(|since| now_ms - since > max);
            let (ownerless, differs) = (inspector.ownerless_since[shard], inspector.differs_since[shard]);
            ensure(!long(ownerless, OWNERLESS_MS), "owner", || format!("shard {shard} is nobody's"))?;
            // A core that is never seen at rest may have followed long ago.
            ensure(same != Some(false) || !long(differs, SETTINGS_MS), "settings", || self.difference(shard))?;
        }
        Ok(())
    }

    /// The post whose epoch is in force, if it serves.
    fn owner_in_force(&self, shard: usize) -> Option<usize> {
        let post = self.shards[shard].owner;
        let epoch = self.posts[post].fence.as_ref().map(|fence| fence.epoch);
        (self.posts[post].driver.is_some() && epoch == Some(self.shards[shard].store.epoch())).then_some(post)
    }

    /// Whether a shard believes the settings of the control shard; `None`: it cannot be told now.
    fn follows(&self, shard: usize) -> Option<bool> {
        let of = |shard: usize| settings_of(self.posts[self.owner_in_force(shard)?].driver.as_ref()?);
        Some(of(0)? == of(shard)?)
    }

    fn difference(&self, shard: usize) -> String {
        let of =
            |shard: usize| self.owner_in_force(shard).and_then(|post| settings_of(self.posts[post].driver.as_ref()?));
        format!("shard {shard} believes {:?}, the control shard {:?}", of(shard), of(0))
    }

    /// A core that was told of a node's end has ended the sessions inside it.
    fn inspect_ends(&mut self) -> Verdict {
        let now_ms = self.now_ms;
        let ends = std::mem::take(&mut self.cluster().inspector.ends);
        let (due, early): (Vec<_>, Vec<_>) = ends.into_iter().partition(|(.., at)| now_ms - at > END_MS);
        self.cluster().inspector.ends = early;
        for (post, life, node, _) in due {
            let lives = self.cluster().processes.iter().any(|process| process.up && process.id == node);
            // One that only could not beat goes on.
            if lives || self.posts[post].life != life || self.posts[post].driver.is_none() {
                continue;
            }
            let inside = |session: &SessionId| session.strip_prefix(&*node).is_some_and(|rest| rest.starts_with('.'));
            let mut tasks = self.shards[self.shard_of(post)].checker.model.tasks.values();
            let held = tasks.find(|row| row.state.lease.as_ref().is_some_and(|lease| inside(&lease.session)));
            ensure(held.is_none(), "end_node", || format!("{held:?} is still held inside {node}, which has ended"))?;
        }
        Ok(())
    }

    /// Faults have stopped: where leases are long enough for all that travels, none is lost from here on.
    pub(in crate::world) fn expect_no_loss(&mut self) {
        let config = &self.config;
        let quick = config.lease_ms >= 5_000 && config.net_ms.1 <= 40 && config.commit_ms.1 <= 4;
        if self.cluster.is_some() && quick {
            self.shards.iter_mut().for_each(|shard| shard.checker.heal());
        }
    }

    /// Every shard is served, by nodes that share them evenly, and follows the settings.
    pub(in crate::world) fn has_settled(&self) -> bool {
        (0..self.shards.len()).all(|shard| self.follows(shard) == Some(true)) && self.is_balanced()
    }

    fn is_balanced(&self) -> bool {
        let mut counts: BTreeMap<usize, usize> = (0..self.config.nodes()).map(|node| (node, 0)).collect();
        for shard in 0..self.shards.len() {
            let Some(post) = self.owner_in_force(shard) else { return false };
            *counts.entry(self.node_of(post)).or_default() += 1;
        }
        counts.values().max().zip(counts.values().min()).is_some_and(|(most, least)| most - least <= 1)
    }

    pub(in crate::world) fn check_cluster_ended(&mut self) -> Verdict {
        if self.cluster.is_none() {
            return Ok(());
        }
        ensure(self.is_balanced(), "balance", || {
            let owners: Vec<_> = (0..self.shards.len()).map(|shard| self.owner_in_force(shard)).collect();
            format!("{} nodes share the shards unevenly: posts {owners:?}", self.config.nodes())
        })?;
        self.check_homes()
    }

    /// Each thing is in the shard of its key, and of the name that its client gave it.
    fn check_homes(&self) -> Verdict {
        let shards = self.config.shards();
        let mut named: BTreeMap<(bool, Name, Name), usize> = BTreeMap::new();
        for (number, shard) in self.shards.iter().enumerate() {
            let home = |bucket: Bucket| usize::from(ShardId::of(bucket, shards).0);
            let tasks = shard.checker.model.tasks.values();
            let tasks =
                tasks.map(|row| (row.key, false, &row.tenant, row.given_id.as_ref().filter(|_| row.job.is_none())));
            let jobs = shard.checker.model.jobs.values();
            let jobs =
                jobs.map(|row| (row.key, true, &row.tenant, row.given_id.as_ref().filter(|_| row.parent.is_none())));
            let all: Vec<(Key, bool, &Name, Option<&Name>)> = tasks.chain(jobs).collect();
            for (key, is_job, tenant, id) in all {
                ensure(home(key.bucket()) == number, "home", || format!("{key:?} is in shard {number}"))?;
                let Some(id) = id else { continue };
                ensure(home(Bucket::of_text(id)) == number, "home", || format!("`{id}` is in shard {number}"))?;
                let other = named.insert((is_job, tenant.clone(), id.clone()), number);
                ensure(other.is_none_or(|other| other == number), "home", || {
                    format!("`{id}` of `{tenant}` is in the shards {number} and {other:?}")
                })?;
            }
        }
        Ok(())
    }
}
