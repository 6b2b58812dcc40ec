//! What a node reads from the roster, beside whom it judges and what it plans.

use mainspring_core::event::Settings;
use mainspring_core::id::SessionId;
use mainspring_core::row::Directive;
use mainspring_store::{Holding, Roster};

/// The settings of the control shard, for the shards that follow them.
pub fn settings(roster: &Roster) -> Settings {
    let queues = roster.queues.iter().filter(|row| row.paused).map(|row| row.name.clone());
    let workers = roster.workers.iter().filter(|row| row.directive == Directive::Pause);
    Settings {
        paused_queues: queues.collect(),
        paused_workers: workers.map(|row| row.worker.clone()).collect(),
        limits: roster.limits.clone(),
    }
}

/// Whether another node has taken a shard that `me` serves under this epoch.
pub fn is_taken(held: &Holding, epoch: u64, me: &SessionId) -> bool {
    held.epoch > epoch && epoch > 0 && held.owner.as_ref().is_some_and(|owner| owner != me)
}
