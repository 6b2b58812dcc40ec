//! The cluster, as it is shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Rfc3339;

/// The nodes that share a store, and who serves which shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterView {
    /// The node that answers.
    pub node_id: String,
    /// `sqlite`, `postgres`, `redis`, `memory`.
    pub store: String,
    /// What the store promises: `D0` to `D3`.
    pub durability: String,
    /// The clock of the node that answers.
    pub time: Rfc3339,
    /// What keeps that node from its work; empty: nothing.
    pub reasons: Vec<ReasonView>,
    /// What is wrong with it and does not keep it from its work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<ReasonView>,
    /// Every node that takes part.
    pub nodes: Vec<ClusterNodeView>,
    /// Every shard, in order.
    pub shards: Vec<ClusterShardView>,
}

/// Something that keeps a node from its work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReasonView {
    /// A stable word.
    pub reason: String,
    /// What it is, for people.
    pub detail: String,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterNodeView {
    /// This start of its process.
    pub node_id: String,
    /// Where other nodes reach it.
    pub address: Option<String>,
    /// Its host and process.
    pub about: String,
    /// Its version.
    pub version: String,
    /// Whether it shows life.
    pub alive: bool,
    /// How long its beat has stood still, in milliseconds.
    pub silent_ms: u64,
    /// The shards that it serves.
    pub shards: Vec<u16>,
}

/// A shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterShardView {
    /// Its number.
    pub shard: u16,
    /// Grows with every change of its owner.
    pub epoch: u64,
    /// The node that serves it; `null`: none just now.
    pub node_id: Option<String>,
}
