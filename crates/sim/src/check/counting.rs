//! Counts what commits, loads and effects show of rare branches (R36).

use mainspring_core::job::{FailurePolicy, JobState, JobStatus, SweepKind};
use mainspring_core::limits::{LOSSES_MAX, RESIDENT_BODY_BYTES_MAX};
use mainspring_core::permit::Limits;
use mainspring_core::row::{Changes, Snapshot, TaskRow, TransitionKind};
use mainspring_core::spec::Trigger;
use mainspring_core::task::{Outcome, Place, Settling, SkipReason, TaskState, TaskStatus};

use super::{Checker, Touched, attempts, moves};
use crate::sometimes::Sometimes;

impl Checker {
    /// Counts what a commit shows.
    pub(super) fn count(&mut self, changes: &Changes, before: &[Touched]) {
        let now = self.model.water.time;
        for touched in before {
            let Some(row) = self.model.tasks.get(&touched.key) else { continue };
            let was = touched.old.as_ref().map(|old| &old.state);
            count_place(&mut self.sometimes, row, was);
            count_attempt(&mut self.sometimes, row, was);
            count_status(&mut self.sometimes, row, was);
            count_flow(&mut self.sometimes, row, was);
            if row.state.status == TaskStatus::Failed && attempts::has_expired(row, now) {
                self.sometimes.hit("task.expired");
            }
        }
        let nested = changes.insert_jobs.iter().filter(|row| row.ancestors.len() > 1).count();
        self.sometimes.add("group.nested", nested as u64);
        let queued = changes.insert_jobs.iter().filter(|row| row.state.queued).count();
        self.sometimes.add("job.queued", queued as u64);
        for (key, state) in &changes.update_jobs {
            let Some(row) = self.model.jobs.get(key) else { continue };
            if state.failing_fast && row.failure_policy == FailurePolicy::FailFast {
                self.sometimes.hit("job.fail_fast");
            }
            let published = state.sweep.as_ref().is_some_and(|sweep| sweep.kind == SweepKind::Starting);
            if published && changes.feed.iter().any(|told| told.kind == TransitionKind::JobSubmitted) {
                self.sometimes.hit("job.published_after_staging");
            }
            count_job(&mut self.sometimes, state);
        }
        self.count_records(changes);
    }

    fn count_records(&mut self, changes: &Changes) {
        let budget = self.config.shard.step_rows_max;
        let sometimes = &mut self.sometimes;
        let rows = changes.insert_tasks.len() + changes.update_tasks.len();
        let staged = |state: &JobState| state.sweep.as_ref().is_some_and(|sweep| sweep.kind == SweepKind::Staging);
        for (name, hit) in [
            ("commit.over_budget", rows > budget),
            ("commit.without_tasks", rows == 0),
            ("job.staged", changes.insert_jobs.iter().any(|row| staged(&row.state))),
            ("graph.chunk", !changes.insert_chunks.is_empty()),
            ("output.stored", !changes.put_outputs.is_empty()),
            ("log.stored", !changes.insert_logs.is_empty()),
            ("body.edited", !changes.rewrite_bodies.is_empty()),
            ("definition.new", changes.insert_definitions.iter().any(|row| row.body.is_some())),
            ("definition.deleted", changes.insert_definitions.iter().any(|row| row.body.is_none())),
        ] {
            sometimes.add(name, u64::from(hit));
        }
        for told in &changes.feed {
            match told.kind {
                TransitionKind::WorkerJoined => sometimes.hit("worker.joined"),
                TransitionKind::WorkerLeft => sometimes.hit("worker.left"),
                TransitionKind::WorkerLost => sometimes.hit("worker.lost"),
                TransitionKind::TaskProgress => sometimes.hit("task.progress"),
                TransitionKind::TaskRetry => sometimes.hit("task.retry"),
                TransitionKind::QueueResumed => sometimes.hit("queue.resume"),
                TransitionKind::JobCancelled => sometimes.hit("job.ended_cancelled"),
                _ => {}
            }
        }
    }

    /// Counts what a load brings back.
    pub(super) fn count_load(&mut self, snapshot: &Snapshot) {
        self.loads += 1;
        let sometimes = &mut self.sometimes;
        let running = snapshot.tasks.iter().filter(|row| row.state.status == TaskStatus::Running).count();
        sometimes.add("load.hot_running", running as u64);
        for (name, hit) in [
            ("load.again", self.loads > 1),
            ("load.with_sweep", snapshot.jobs.iter().any(|row| row.state.sweep.is_some())),
            ("load.with_settling", snapshot.tasks.iter().any(|row| row.state.settling.is_some())),
            ("load.with_backlog", !snapshot.cold_ready.is_empty()),
            ("load.with_cold_timers", snapshot.cold_timers > 0),
            ("load.with_question", snapshot.tasks.iter().any(|row| row.state.evaluating)),
            ("load.with_deadline", snapshot.jobs.iter().any(|row| row.deadline_ms.is_some())),
            ("load.with_turn", snapshot.jobs.iter().any(|row| row.active_key.is_some())),
            ("load.with_limits", snapshot.limits.iter().any(|row| row.limits != Limits::default())),
            ("load.with_pause", snapshot.queues.iter().any(|row| row.paused)),
        ] {
            sometimes.add(name, u64::from(hit));
        }
    }

    /// Counts what a grant shows; the epoch is the one under which it leaves.
    pub(super) fn count_grant(&mut self, lease: u64, generation: u32, body_bytes: usize) {
        let first = *self.granted.entry(lease).or_insert(self.epoch);
        for (name, hit) in [
            ("grant.same_token_after_reload", first < self.epoch),
            ("grant.of_later_generation", generation > 1),
            ("grant.without_large_body", body_bytes > RESIDENT_BODY_BYTES_MAX),
        ] {
            self.sometimes.add(name, u64::from(hit));
        }
    }
}

fn count_place(sometimes: &mut Sometimes, row: &TaskRow, was: Option<&TaskState>) {
    match (row.state.status, row.state.place) {
        (_, Place::ColdReady { .. }) => sometimes.hit("place.cold_ready"),
        (_, Place::ColdTimer) => sometimes.hit("place.cold_timer"),
        (TaskStatus::Ready, Place::Rest) => sometimes.hit("place.set_aside"),
        _ => {}
    }
    let cooled = matches!(row.state.place, Place::ColdReady { .. });
    if cooled && was.is_some_and(|was| was.status == TaskStatus::Ready && was.place == Place::Hot) {
        sometimes.hit("place.demoted");
    }
    match row.state.settling {
        Some(Settling::Children(0)) => sometimes.hit("settling.committed"),
        Some(Settling::Children(_)) => sometimes.hit("settling.continued"),
        Some(Settling::Parents(_)) => sometimes.hit("settling.parents"),
        None => {}
    }
}

fn count_attempt(sometimes: &mut Sometimes, row: &TaskRow, was: Option<&TaskState>) {
    let state = &row.state;
    if state.losses == LOSSES_MAX && was.is_some_and(|was| was.losses < LOSSES_MAX) {
        sometimes.hit("poison");
    }
    if state.attempt > 1 && was.is_some_and(|was| was.attempt + 1 < state.attempt) {
        sometimes.hit("attempt.two_in_one_commit");
    }
    let Some(last) = state.last.as_ref().filter(|last| last.outcome.is_some()) else { return };
    let was_running = was.is_none_or(|was| was.last.as_ref().is_none_or(|last| last.outcome.is_none()));
    if !was_running {
        return;
    }
    match last.outcome {
        Some(Outcome::Success) => sometimes.hit("attempt.success"),
        Some(Outcome::Failure) => sometimes.hit("attempt.failure"),
        Some(Outcome::Timeout) => sometimes.hit("attempt.timeout"),
        Some(Outcome::Lost) => sometimes.hit("attempt.lost"),
        Some(Outcome::Snoozed) => sometimes.hit("attempt.snoozed"),
        Some(Outcome::Interrupted) => sometimes.hit("attempt.interrupted"),
        Some(Outcome::Cancelled) => sometimes.hit("attempt.cancelled"),
        None => {}
    }
    let policy = row.spec.as_ref().map(|spec| &spec.policy);
    let retries_left = policy.is_some_and(|policy| state.failures <= policy.retries);
    if state.status == TaskStatus::Failed && last.outcome == Some(Outcome::Failure) && retries_left {
        sometimes.hit("retry.refused");
    }
}

fn count_status(sometimes: &mut Sometimes, row: &TaskRow, was: Option<&TaskState>) {
    let state = &row.state;
    let ended_before = was.is_some_and(|was| moves::is_terminal(was.status) && was.generation == state.generation);
    if state.handled && was.is_some_and(|was| !was.handled) {
        sometimes.hit("job.handled_failure");
    }
    if !state.handled && was.is_some_and(|was| was.handled && was.generation == state.generation) {
        sometimes.hit("job.failure_unhandled_again");
    }
    if state.held && was.is_some_and(|was| !was.held) {
        sometimes.hit("task.held");
    }
    if state.generation > was.map_or(1, |was| was.generation) {
        sometimes.hit("task.new_generation");
    }
    if state.status == TaskStatus::Skipped && !ended_before {
        match state.skip_reason {
            Some(SkipReason::UpstreamFailed) => sometimes.hit("skip.upstream_failed"),
            Some(SkipReason::UpstreamSkipped) => sometimes.hit("skip.upstream_skipped"),
            Some(SkipReason::Condition) => sometimes.hit("skip.condition"),
            None => {}
        }
    }
    let started = state.attempt > was.map_or(0, |was| was.attempt);
    if started && row.parents > 0 && state.parents.failed > 0 {
        match row.trigger {
            Trigger::OneFailed => sometimes.hit("trigger.one_failed"),
            Trigger::AllFailed => sometimes.hit("trigger.all_failed"),
            Trigger::AllDone => sometimes.hit("trigger.all_done_after_failure"),
            _ => {}
        }
    }
    if started && row.parents > 0 && state.parents.skipped > 0 {
        sometimes.hit("trigger.start_behind_skip");
    }
}

fn count_flow(sometimes: &mut Sometimes, row: &TaskRow, was: Option<&TaskState>) {
    let state = &row.state;
    let is_new = was.is_none_or(|was| was.status != state.status || was.generation != state.generation);
    let kind = state.failure.as_ref().filter(|_| is_new).map(|failure| &*failure.kind);
    let ended = |status| state.child.is_some() && is_new && state.status == status;
    for (name, hit) in [
        ("approval.cold", state.status == TaskStatus::Waiting && state.place == Place::ColdTimer),
        ("approval.refused", kind == Some("approval_refused")),
        ("approval.timed_out", kind == Some("approval_timed_out")),
        ("evaluate.failed", kind == Some("expression")),
        ("evaluate.ran", was.is_some_and(|was| was.evaluating) && state.attempt + 1 > 0 && state.ready_at.is_some()),
        (
            "evaluate.skipped",
            is_new && state.skip_reason == Some(SkipReason::Condition) && was.is_some_and(|was| was.evaluating),
        ),
        ("group.cancelled", ended(TaskStatus::Cancelled)),
        ("group.completed", ended(TaskStatus::Completed)),
        ("group.failed", kind == Some("group_failed")),
        ("group.started", state.child.is_some() && was.is_none_or(|was| was.child.is_none())),
        ("task.checkpoint", state.checkpoint.is_some() && was.is_some_and(|was| was.checkpoint != state.checkpoint)),
    ] {
        sometimes.add(name, u64::from(hit));
    }
}

fn count_job(sometimes: &mut Sometimes, state: &JobState) {
    sometimes.add("job.deadline_exceeded", u64::from(state.exceeded && state.status == JobStatus::Failed));
    sometimes.add("job.queued", u64::from(state.queued));
    match state.status {
        JobStatus::Completed => sometimes.hit("job.ended_completed"),
        JobStatus::Failed => sometimes.hit("job.ended_failed"),
        _ => {}
    }
    let Some(sweep) = &state.sweep else { return };
    if sweep.next > 0 {
        sometimes.hit("sweep.continued");
    }
    match sweep.kind {
        SweepKind::Staging => {}
        SweepKind::Starting => sometimes.hit("sweep.starting"),
        SweepKind::Resuming => sometimes.hit("sweep.resuming"),
        SweepKind::Cancelling => sometimes.hit("sweep.cancelling"),
        SweepKind::FailingFast => sometimes.hit("sweep.failing_fast"),
        SweepKind::Rerunning(_) => sometimes.hit("sweep.rerunning"),
        SweepKind::Deleting => sometimes.hit("sweep.deleting"),
        SweepKind::Reporting => sometimes.hit("sweep.reporting"),
        SweepKind::Hooking | SweepKind::Announcing(_) => {}
    }
}
