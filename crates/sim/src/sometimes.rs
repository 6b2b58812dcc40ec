//! Counters of faults and rare branches (R36). A run that never saw one of them has not tested what it claims.

use std::collections::BTreeMap;

/// Counters that a minute does not reliably reach; at zero they are named, and fail only a campaign.
pub const RARE: &[&str] = &[
    "attempt.two_in_one_commit",
    "cluster.inner_worker_lost",
    "cluster.not_served",
    "cluster.reaped",
    "cluster.too_late",
    "cluster.worker_refused",
    "definition.deleted",
    "definition.several",
    "definition.after",
    "definition.seen",
    "job.failure_unhandled_again",
    "load.removed_staged",
    "load.unavailable",
    "order.busy",
    "order.not_found",
];

/// Every counter. One that stays at zero over a whole run fails it, unless it is rare.
pub const NAMES: &[&str] = &[
    "approval.cold",
    "approval.refused",
    "approval.signal",
    "approval.timed_out",
    "attempt.cancelled",
    "attempt.failure",
    "attempt.interrupted",
    "attempt.lost",
    "attempt.snoozed",
    "attempt.success",
    "attempt.timeout",
    "attempt.two_in_one_commit",
    "batch.split",
    "body.edited",
    "claim.refused",
    "claim.repeated",
    "client.repeat_after_silence",
    "clock.backward",
    "clock.forward",
    "cluster.apart",
    "cluster.batch_of_several",
    "cluster.cut_off",
    "cluster.given",
    "cluster.grants_of_several",
    "cluster.inner_worker_lost",
    "cluster.left",
    "cluster.mute",
    "cluster.not_served",
    "cluster.opened",
    "cluster.passed_on",
    "cluster.reaped",
    "cluster.loan",
    "cluster.rebalanced",
    "cluster.session_fresh",
    "cluster.settings_followed",
    "cluster.start",
    "cluster.taken_over",
    "cluster.too_late",
    "cluster.turn_failed",
    "cluster.worker_moved",
    "cluster.worker_refused",
    "commit.crash_after",
    "commit.crash_before",
    "commit.over_budget",
    "commit.rejected",
    "commit.unknown_applied",
    "commit.unknown_late",
    "commit.unknown_lost",
    "commit.without_tasks",
    "dead.discard",
    "dead.edit",
    "dead.redrive",
    "definition.deleted",
    "definition.several",
    "definition.after",
    "definition.new",
    "definition.seen",
    "evaluate.asked",
    "evaluate.failed",
    "evaluate.ran",
    "evaluate.skipped",
    "exchange.repeat_accepted",
    "exchange.stale",
    "grant.of_later_generation",
    "grant.redelivered",
    "grant.same_token_after_reload",
    "grant.with_checkpoint",
    "grant.without_large_body",
    "graph.chunk",
    "group.cancelled",
    "group.completed",
    "group.failed",
    "group.nested",
    "group.started",
    "job.cancel",
    "job.cancelled_while_running",
    "job.deadline_exceeded",
    "job.ended_cancelled",
    "job.ended_completed",
    "job.ended_failed",
    "job.fail_fast",
    "job.failure_unhandled_again",
    "job.handled_failure",
    "job.pause",
    "job.published_after_staging",
    "job.queued",
    "job.rerun",
    "job.resume",
    "job.staged",
    "limit.key_full",
    "limit.queue_full",
    "limit.rate_spent",
    "limit.set",
    "limit.type_full",
    "load.again",
    "load.hot_running",
    "load.removed_staged",
    "load.unavailable",
    "load.with_backlog",
    "load.with_cold_timers",
    "load.with_deadline",
    "load.with_limits",
    "load.with_pause",
    "load.with_question",
    "load.with_settling",
    "load.with_sweep",
    "load.with_turn",
    "log.stored",
    "network.duplicate",
    "network.lost_reply",
    "network.lost_request",
    "network.reordered",
    "node.crash",
    "node.takeover",
    "node.zombie_commit_refused",
    "order.busy",
    "order.delete",
    "order.not_found",
    "order.why",
    "order.wrong_state",
    "output.stored",
    "place.cold_ready",
    "place.cold_timer",
    "place.demoted",
    "place.set_aside",
    "poison",
    "queue.pause",
    "queue.resume",
    "quota.backlog_full",
    "quota.backlog_used_up",
    "quota.exceeded",
    "read.chunks",
    "read.claims",
    "read.jobs",
    "read.lanes",
    "read.tasks",
    "read.timers",
    "read.unavailable",
    "recovery.compared",
    "retry.refused",
    "settling.committed",
    "settling.continued",
    "settling.parents",
    "skip.condition",
    "skip.upstream_failed",
    "schedule.backfilled",
    "schedule.buffered",
    "schedule.burst_cap",
    "schedule.coalesced",
    "schedule.deleted",
    "schedule.edited",
    "schedule.fired",
    "schedule.invalid",
    "schedule.missed",
    "schedule.overlap",
    "schedule.paused",
    "schedule.triggered",
    "skip.upstream_skipped",
    "sweep.cancelling",
    "sweep.continued",
    "sweep.deleting",
    "sweep.failing_fast",
    "sweep.reporting",
    "sweep.rerunning",
    "sweep.resuming",
    "sweep.starting",
    "task.cancel",
    "task.checkpoint",
    "task.expired",
    "task.held",
    "task.new_generation",
    "task.progress",
    "task.retry",
    "task.retry_order",
    "trigger.all_done_after_failure",
    "trigger.all_failed",
    "trigger.one_failed",
    "trigger.start_behind_skip",
    "unique.accepted",
    "unique.put_off",
    "unique.refused",
    "worker.cancelled_attempt",
    "worker.crash",
    "worker.directed",
    "worker.drain",
    "worker.freeze",
    "worker.joined",
    "worker.left",
    "worker.lost",
    "worker.swap",
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

    /// Those that never happened: the reliable ones, and the rare ones.
    pub fn never(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let never = self.0.iter().filter(|(_, times)| **times == 0).map(|(name, _)| *name);
        never.partition(|name| !RARE.contains(name))
    }

    /// All, by name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(name, times)| (*name, *times))
    }
}
