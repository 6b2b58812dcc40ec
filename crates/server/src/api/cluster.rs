//! The cluster: nodes, and who serves which shard.

use mainspring_protocol::time::Rfc3339;
use mainspring_protocol::view::{ClusterNodeView, ClusterShardView, ClusterView, ReasonView};

use super::call::{Answer, Call};
use super::reply::ok;
use super::route::Route;
use super::state::Api;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/cluster", "cluster", "The nodes, and which serves which shard", |call| Box::pin(get(call)))
            .gives::<ClusterView>(),
    ]
}

async fn get(call: Call) -> Answer {
    let view = call.api.node.cluster();
    let node = |node: &crate::node::NodeView| ClusterNodeView {
        node_id: node.id.to_string(),
        address: node.address.as_deref().map(str::to_owned),
        about: node.about.to_string(),
        version: node.version.to_string(),
        alive: node.alive,
        silent_ms: u64::try_from(node.silent.as_millis()).unwrap_or(u64::MAX),
        shards: view
            .shards
            .iter()
            .filter(|shard| shard.owner.as_ref() == Some(&node.id))
            .map(|shard| shard.shard)
            .collect(),
    };
    let shard = |shard: &crate::node::ShardView| ClusterShardView {
        shard: shard.shard,
        epoch: shard.epoch,
        node_id: shard.owner.as_deref().map(str::to_owned),
    };
    let reasons = call.api.node.readiness().reasons.into_iter();
    ok(&ClusterView {
        node_id: view.me.to_string(),
        store: call.api.store.name.to_owned(),
        durability: call.api.store.durability.class().to_owned(),
        time: Rfc3339(call.api.now()),
        reasons: reasons.map(|(reason, detail)| ReasonView { reason: reason.to_owned(), detail }).collect(),
        warnings: warnings(&call.api),
        nodes: view.nodes.iter().map(node).collect(),
        shards: view.shards.iter().map(shard).collect(),
    })
}

/// What is wrong and does not keep the node from its work.
pub(crate) fn warnings(api: &Api) -> Vec<ReasonView> {
    let trouble = api.folder.standing().trouble;
    trouble.map(|detail| ReasonView { reason: "definitions_dir".to_owned(), detail }).into_iter().collect()
}
