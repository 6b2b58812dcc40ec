//! The membership of stores in memory: several nodes of one process, for tests.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use mainspring_core::id::SessionId;
use mainspring_core::row::Directive;

use super::MemoryStore;
use crate::members::{Holding, Members, NodeRow, Roster};
use crate::store::{BoxFuture, Error};

/// Over stores of one shard each, in order. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryMembers {
    shards: Vec<MemoryStore>,
    nodes: Arc<Mutex<BTreeMap<SessionId, (NodeRow, u64)>>>,
}

impl MemoryMembers {
    /// Nobody takes part yet.
    pub fn new(shards: Vec<MemoryStore>) -> Self {
        Self { shards, nodes: Arc::default() }
    }

    fn roster(&self, nodes: &BTreeMap<SessionId, (NodeRow, u64)>) -> Roster {
        let holding = |store: &MemoryStore| {
            let inner = store.lock();
            let owner = inner.named.clone();
            Holding { shard: inner.shard, epoch: inner.epoch, owner, commit: None }
        };
        let control = self.shards[0].snapshot();
        Roster {
            nodes: nodes.values().cloned().collect(),
            shards: self.shards.iter().map(holding).collect(),
            key: Arc::new([7; 32]),
            queues: control.queues.into_iter().filter(|row| row.paused).collect(),
            limits: control.limits,
            workers: control.workers.into_iter().filter(|row| row.directive != Directive::Run).collect(),
        }
    }
}

impl Members for MemoryMembers {
    fn beat(&self, node: NodeRow) -> BoxFuture<Result<Roster, Error>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let beat = nodes.get(&node.id).map_or(1, |(_, beat)| beat + 1);
        nodes.insert(node.id.clone(), (node, beat));
        Box::pin(ready(Ok(self.roster(&nodes))))
    }

    fn leave(&self, node: SessionId) -> BoxFuture<Result<(), Error>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).remove(&node);
        Box::pin(ready(Ok(())))
    }
}
