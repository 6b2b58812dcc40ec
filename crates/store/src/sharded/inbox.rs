//! The inboxes of several databases as one: whatever is about a shard is asked of the database that has it.

use std::sync::Arc;

use crate::inbox::{Dismissed, Inbox, InboxRow};
use crate::store::{BoxFuture, CommitAnswer, Error, Fence, ShardCommit, ShardId, Store};

/// See the module.
pub(super) struct SpreadInbox {
    parts: Vec<Arc<dyn Inbox>>,
    /// Which part has each shard.
    places: Vec<u16>,
}

impl SpreadInbox {
    /// `None` if one of the stores has none.
    pub(super) fn over(parts: &[Arc<dyn Store>], places: &[u16]) -> Option<Arc<dyn Inbox>> {
        let parts = parts.iter().map(|part| part.inbox()).collect::<Option<_>>()?;
        Some(Arc::new(Self { parts, places: places.to_vec() }))
    }

    fn part(&self, shard: ShardId) -> Option<&dyn Inbox> {
        self.places.get(usize::from(shard.0)).map(|place| &*self.parts[usize::from(*place)])
    }
}

fn absent(shard: ShardId) -> String {
    format!("shard {} does not exist", shard.0)
}

impl Inbox for SpreadInbox {
    fn waits_for(&self) -> Vec<ShardId> {
        self.parts.iter().flat_map(|part| part.waits_for()).collect()
    }

    fn waiting(&self, shard: ShardId, after: i64, limit: usize) -> BoxFuture<Result<Vec<InboxRow>, Error>> {
        match self.part(shard) {
            Some(part) => part.waiting(shard, after, limit),
            None => Box::pin(async move { Err(Error::Incompatible(absent(shard))) }),
        }
    }

    fn commit(&self, commit: ShardCommit, taken: Vec<i64>) -> BoxFuture<Vec<CommitAnswer>> {
        let shard = commit.fence.shard;
        match self.part(shard) {
            Some(part) => part.commit(commit, taken),
            None => Box::pin(async move { vec![CommitAnswer::Unknown { reason: absent(shard) }] }),
        }
    }

    fn dismiss(&self, fence: Fence, rows: Vec<Dismissed>) -> BoxFuture<Result<(), Error>> {
        let shard = fence.shard;
        match self.part(shard) {
            Some(part) => part.dismiss(fence, rows),
            None => Box::pin(async move { Err(Error::Incompatible(absent(shard))) }),
        }
    }
}
