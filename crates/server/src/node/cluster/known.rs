//! Notices a store that went back behind what it had acknowledged, as a Redis does that lost its power or was replaced by a
//! replica. A shard with something to commit learns that from the refusal; any other would go on as if nothing had happened,
//! with tasks that are no longer there, or that wait where they once had ended.

use std::sync::Arc;

use mainspring_store::Roster;

use crate::node::shared::Shared;

/// What is durable in the shards of this node, as far as it knows before it asks the store how things stand.
pub(super) struct Known(Vec<(Arc<Shared>, u64, u64)>);

impl Known {
    pub(super) fn of(shards: Vec<Arc<Shared>>) -> Self {
        let known = shards.into_iter().filter_map(|shared| {
            let epoch = shared.fence()?.epoch;
            let commit = shared.commit.load(std::sync::atomic::Ordering::Relaxed);
            Some((shared, epoch, commit))
        });
        Self(known.collect())
    }

    /// Has each shard of which the store knows less take itself over anew.
    pub(super) fn compare(self, roster: &Roster) {
        for (shared, epoch, commit) in self.0 {
            let Some(held) = roster.shards.get(usize::from(shared.shard.0)) else { continue };
            let lacks = held.commit.is_some_and(|stored| held.epoch == epoch && stored < commit);
            if held.commit.is_some() && held.epoch < epoch || lacks {
                shared.distrust();
            }
        }
    }
}
