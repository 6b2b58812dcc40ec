//! What a node knows of the cluster after a beat.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mainspring_core::event::Settings;
use mainspring_core::id::{Name, SessionId};
use mainspring_node::roster;
use mainspring_store::{NodeRow, Roster, ShardId};

/// Who owns a shard that somebody owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) node: SessionId,
    /// Where it is reached; `None`: nowhere.
    pub(super) address: Option<Name>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct View {
    /// By shard. The dead own nothing.
    pub(super) owners: Vec<Option<Owner>>,
    /// Epochs by shard.
    pub(super) epochs: Vec<u64>,
    /// Every node that has not left: whether it lives, and how long it has been silent.
    pub(super) nodes: Vec<(NodeRow, bool, Duration)>,
    pub(super) key: Option<Arc<[u8; 32]>>,
    pub(super) settings: Settings,
    /// The numbers of the last commits of all shards, summed up; `None`: the store does not tell them.
    pub(super) commits: Option<u64>,
}

impl View {
    pub(super) fn new(roster: &Roster, dead: &BTreeSet<SessionId>, silence: &BTreeMap<SessionId, Duration>) -> Self {
        let addresses: BTreeMap<&SessionId, &Option<Name>> =
            roster.nodes.iter().map(|(node, _)| (&node.id, &node.address)).collect();
        let owner = |owner: &Option<SessionId>| {
            let node = owner.clone().filter(|owner| !dead.contains(owner))?;
            let address = addresses.get(&node)?;
            Some(Owner { address: (*address).clone(), node })
        };
        let nodes = roster.nodes.iter().map(|(node, _)| {
            (node.clone(), !dead.contains(&node.id), silence.get(&node.id).copied().unwrap_or_default())
        });
        Self {
            owners: roster.shards.iter().map(|held| owner(&held.owner)).collect(),
            epochs: roster.shards.iter().map(|held| held.epoch).collect(),
            nodes: nodes.collect(),
            key: Some(Arc::clone(&roster.key)),
            settings: roster::settings(roster),
            commits: roster.shards.iter().map(|held| held.commit).sum(),
        }
    }

    pub(super) fn owner(&self, shard: ShardId) -> Option<&Owner> {
        self.owners.get(usize::from(shard.0))?.as_ref()
    }

    /// The shards that somebody owns.
    pub(super) fn owned(&self) -> impl Iterator<Item = ShardId> {
        self.owners.iter().zip(0..).filter(|(owner, _)| owner.is_some()).map(|(_, shard)| ShardId(shard))
    }

    /// Other nodes that live and can be reached, with their addresses.
    pub(super) fn peers(&self, me: &SessionId) -> Vec<(SessionId, Name)> {
        let others = self.nodes.iter().filter(|(node, lives, _)| *lives && node.id != *me);
        others.filter_map(|(node, ..)| Some((node.id.clone(), node.address.clone()?))).collect()
    }
}

/// The cluster, for people.
#[derive(Clone, Debug)]
pub struct ClusterView {
    /// The node that was asked.
    pub me: SessionId,
    /// Every node that has not left.
    pub nodes: Vec<NodeView>,
    /// Every shard, in order.
    pub shards: Vec<ShardView>,
}

/// A node, for people.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// This start of its process.
    pub id: SessionId,
    /// Where others reach it.
    pub address: Option<Name>,
    /// Host and process.
    pub about: Name,
    /// Its version.
    pub version: Name,
    /// Whether it shows life.
    pub alive: bool,
    /// How long its beat has stood still.
    pub silent: Duration,
}

/// A shard, for people.
#[derive(Clone, Debug)]
pub struct ShardView {
    /// Its number.
    pub shard: u16,
    /// The number of its owner.
    pub epoch: u64,
    /// The node; `None`: nobody's just now.
    pub owner: Option<SessionId>,
}
