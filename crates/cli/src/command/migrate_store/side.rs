//! One of the two stores, with all its shards taken.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mainspring_core::id::Name;
use mainspring_core::permit::KeyLimits;
use mainspring_core::row::{HighWater, LaneName, Snapshot, TaskRow};
use mainspring_core::task::Place;
use mainspring_store::{Error, Fence, Members, NodeRow, Reader, Roster, ShardId, Store};
use tokio::task::JoinHandle;

use super::{HELD, refused};
use crate::command::serve::not_started;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::say;

/// How long a holder must have been silent to count as dead: longer than servers themselves wait.
const SILENCE: Duration = Duration::from_secs(10);

/// Time between two beats.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Side {
    url: String,
    pub(super) store: Arc<dyn Store>,
    /// Proof of ownership of each shard, in order.
    pub(super) fences: Vec<Fence>,
    /// What each shard loaded, in order.
    pub(super) loaded: Vec<Snapshot>,
    /// Who this process is to servers.
    me: Name,
    /// Shows them that it lives.
    beating: Option<JoinHandle<()>>,
}

impl Side {
    /// Opens a store, and takes and loads all its shards.
    pub(super) async fn open(url: &str) -> Outcome<Self> {
        let store = mainspring_server::open_store(url).await.map_err(|error| match not_started(error) {
            failure if failure.exit == Exit::Conflict => failure.hint(HELD),
            failure => failure,
        })?;
        let me: Name = format!("migrate-store-{}", std::process::id()).into();
        let beating = store.members().map(|members| tokio::spawn(keep_beating(members, me.clone())));
        let mut side = Self { url: url.to_owned(), store, fences: Vec::new(), loaded: Vec::new(), me, beating };
        let outcome = match side.take_all().await {
            Ok(()) => side.load().await,
            Err(error) => Err(side.refused(error)),
        };
        if outcome.is_err() {
            side.give_back().await;
        }
        outcome.map(|()| side)
    }

    pub(super) fn refused(&self, error: Error) -> Failure {
        refused(&self.url, error)
    }

    pub(super) fn reader(&self) -> Arc<dyn Reader> {
        self.store.reader()
    }

    async fn take_all(&mut self) -> Result<(), Error> {
        let owner = self.me.clone();
        let mut silent: Option<BTreeSet<Name>> = None;
        for shard in (0..self.store.shards()).map(ShardId) {
            let refused = match self.store.acquire(shard, owner.clone(), None).await {
                Ok(fence) => {
                    self.fences.push(fence);
                    continue;
                }
                Err(refused @ Error::Conflict(_)) => refused,
                Err(error) => return Err(error),
            };
            let Some(members) = self.store.members() else { return Err(refused) };
            if silent.is_none() {
                silent = Some(silent_owners(&*members, &owner).await?);
            }
            let held = &beat(&*members, &owner).await?.shards[usize::from(shard.0)];
            let is_dead = |holder: &Name| silent.as_ref().is_some_and(|silent| silent.contains(holder));
            if !held.owner.as_ref().is_some_and(is_dead) {
                return Err(refused);
            }
            self.fences.push(self.store.acquire(shard, owner.clone(), Some(held.epoch)).await?);
        }
        Ok(())
    }

    /// Loads all shards, again.
    pub(super) async fn load(&mut self) -> Outcome {
        self.loaded.clear();
        for fence in &self.fences {
            let loaded = self.store.load(fence.clone()).await;
            self.loaded.push(loaded.map_err(|error| refused(&self.url, error))?);
        }
        Ok(())
    }

    /// Leaves the shards to others. What goes wrong with that is theirs to find.
    pub(super) async fn give_back(&mut self) {
        for fence in self.fences.drain(..) {
            _ = self.store.release(fence).await;
        }
        if let (Some(members), Some(beating)) = (self.store.members(), self.beating.take()) {
            beating.abort();
            _ = beating.await;
            _ = members.leave(self.me.clone()).await;
        }
    }

    /// Whether nothing was ever written to it.
    pub(super) fn is_empty(&self) -> bool {
        self.loaded.iter().all(|loaded| loaded.high_water.commit == 0)
    }

    /// The high waters of all shards together; the commit is 0.
    pub(super) fn high_water(&self) -> HighWater {
        self.loaded.iter().map(|loaded| loaded.high_water).fold(HighWater::default(), |all, one| HighWater {
            time: all.time.max(one.time),
            sequence: all.sequence.max(one.sequence),
            lease: all.lease.max(one.lease),
            commit: 0,
        })
    }

    /// Whether a task of a shard stands in its own lane, if it stands in any.
    pub(super) fn has_in_its_lane(&self, shard: ShardId, task: &TaskRow) -> bool {
        let (Place::ColdReady { lane }, Some(spec)) = (task.state.place, &task.spec) else { return true };
        let row = self.loaded[usize::from(shard.0)].lanes.iter().find(|row| row.lane == lane);
        row.is_some_and(|row| {
            let lane = spec.lane(&task.tenant, task.job);
            row.name == lane || row.name == LaneName { limits: KeyLimits::default(), ..lane }
        })
    }

    /// How many tasks there are, more or less.
    pub(super) async fn tasks(&self) -> Outcome<u64> {
        let counts = self.reader().task_counts(None, 1 << 40).await.map_err(|error| self.refused(error))?;
        Ok(counts.iter().map(|(_, _, number)| number).sum())
    }
}

async fn beat(members: &dyn Members, owner: &Name) -> Result<Roster, Error> {
    let about = Name::from("mainspring migrate-store");
    let version = env!("CARGO_PKG_VERSION").into();
    members.beat(NodeRow { id: owner.clone(), address: None, about, process: "".into(), version }).await
}

/// So that no server takes the shards away meanwhile.
async fn keep_beating(members: Arc<dyn Members>, me: Name) {
    loop {
        // Where it cannot beat, it cannot write either, and says why.
        _ = beat(&*members, &me).await;
        tokio::time::sleep(BEAT_EVERY).await;
    }
}

/// Watches the holders of shards for a while; gives back those whose beat stood still, or who have none.
async fn silent_owners(members: &dyn Members, me: &Name) -> Result<BTreeSet<Name>, Error> {
    say(format_args!("another server holds shards; watching for {} s whether it lives", SILENCE.as_secs()));
    let before = beat(members, me).await?;
    tokio::time::sleep(SILENCE).await;
    let after = beat(members, me).await?;
    let beat_of =
        |roster: &Roster, owner: &Name| roster.nodes.iter().find(|(node, _)| node.id == *owner).map(|(_, beat)| *beat);
    let owners = after.shards.iter().filter_map(|held| held.owner.clone()).filter(|owner| owner != me);
    Ok(owners.filter(|owner| beat_of(&before, owner) == beat_of(&after, owner)).collect())
}
