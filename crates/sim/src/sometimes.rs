//! Counters of faults and rare branches (R36). A run that never saw one of them has not tested what it claims.

use std::collections::BTreeMap;

/// Every counter. One that stays at zero over a whole run fails it.
pub const NAMES: &[&str] = &[
    "attempt.failure",
    "attempt.interrupted",
    "attempt.lost",
    "attempt.snoozed",
    "attempt.success",
    "attempt.timeout",
    "claim.refused",
    "claim.repeated",
    "client.repeat_after_silence",
    "clock.backward",
    "clock.forward",
    "commit.crash_after",
    "commit.crash_before",
    "commit.rejected",
    "commit.unknown_applied",
    "commit.unknown_late",
    "commit.unknown_lost",
    "dead.discard",
    "dead.edit",
    "dead.redrive",
    "exchange.stale",
    "grant.redelivered",
    "grant.same_token_after_reload",
    "job.cancel",
    "job.cancelled_while_running",
    "job.fail_fast",
    "job.handled_failure",
    "job.pause",
    "job.published_after_staging",
    "job.rerun",
    "load.hot_running",
    "load.removed_staged",
    "load.unavailable",
    "network.duplicate",
    "network.lost_reply",
    "network.lost_request",
    "network.reordered",
    "node.takeover",
    "node.zombie_commit_refused",
    "order.busy",
    "order.delete",
    "order.wrong_state",
    "place.cold_ready",
    "place.cold_timer",
    "poison",
    "queue.pause",
    "read.chunks",
    "read.claims",
    "read.jobs",
    "read.lanes",
    "read.tasks",
    "read.timers",
    "read.unavailable",
    "recovery.compared",
    "settling.committed",
    "skip.condition",
    "skip.upstream_failed",
    "skip.upstream_skipped",
    "sweep.continued",
    "task.cancel",
    "task.expired",
    "task.held",
    "task.retry_order",
    "worker.cancelled_attempt",
    "worker.crash",
    "worker.directed",
    "worker.drain",
    "worker.zombie_report",
];

/// Counts of one or many worlds.
#[derive(Clone, Debug)]
pub struct Sometimes(BTreeMap<&'static str, u64>);

impl Default for Sometimes {
    fn default() -> Self {
        Self(NAMES.iter().map(|name| (*name, 0)).collect())
    }
}

impl Sometimes {
    /// It happened.
    pub fn hit(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    /// It happened so often.
    pub fn add(&mut self, name: &'static str, times: u64) {
        *self.0.get_mut(name).expect("every counter is listed in NAMES") += times;
    }

    /// Adds the counts of another world.
    pub fn merge(&mut self, other: &Self) {
        for (name, times) in &other.0 {
            self.add(name, *times);
        }
    }

    /// Those that never happened.
    pub fn never(&self) -> Vec<&'static str> {
        self.0.iter().filter(|(_, times)| **times == 0).map(|(name, _)| *name).collect()
    }

    /// All, by name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(name, times)| (*name, *times))
    }
}
