//! Bugs in what is written: rows that are missing, and rows of jobs and settings that are wrong.

use mainspring_core::job::{JobState, JobStatus};
use mainspring_core::row::{Changes, ClaimKind};
use mainspring_core::task::TaskStatus;

use super::{Plant, Planted};
use crate::check::model::Model;

impl Planted {
    /// What is written.
    pub fn on_commit(&mut self, changes: &mut Changes, model: &Model) {
        self.drop_tasks(changes, model);
        self.drop_records(changes);
        self.spoil_states(changes, model);
        self.spoil_flow(changes, model);
        self.spoil_schedules(changes, model);
        for (key, state) in &mut changes.update_jobs {
            let tasks = model.jobs.get(key).map_or(0, |job| job.tasks);
            self.spoil_job(state, tasks);
        }
        if self.strikes(Plant::CommitGap) {
            changes.high_water.commit += 1;
        }
        if self.strikes(Plant::TimeSinks) {
            let time = changes.high_water.time.as_millis() - 60_000;
            changes.high_water.time = mainspring_core::time::Timestamp::from_millis(time);
        }
        for row in changes.put_claims.iter_mut().filter(|row| row.name.kind == ClaimKind::IdempotencyKey) {
            if self.strikes(Plant::ShortClaim) {
                row.expires_at = Some(changes.high_water.time.plus_ms(60_000));
            }
        }
        if self.plant == Plant::Unrepeatable && self.run % 2 == 1 {
            self.struck += 1;
            changes.feed.reverse();
        }
    }

    fn drop_tasks(&mut self, changes: &mut Changes, model: &Model) {
        let standalone = changes.insert_tasks.iter().position(|row| row.job.is_none());
        if let Some(place) = standalone
            && self.strikes(Plant::LostInsert)
        {
            changes.insert_tasks.remove(place);
        }
        if !changes.update_tasks.is_empty() && self.strikes(Plant::LostUpdate) {
            changes.update_tasks.pop();
        }
        let redriven = changes.update_tasks.iter().position(|(key, state)| {
            let was = model.tasks.get(key).filter(|row| row.job.is_none());
            was.is_some_and(|was| was.state.dead && was.state.generation < state.generation)
        });
        if let Some(place) = redriven
            && self.strikes(Plant::LostRedrive)
        {
            changes.update_tasks.remove(place);
        }
        let live = changes.update_tasks.iter().find(|(_, state)| !state.status.is_terminal());
        if let Some((key, _)) = live.cloned()
            && self.strikes(Plant::DeletedAlive)
        {
            changes.delete_tasks.push(key);
        }
        for row in &mut changes.insert_tasks {
            if let (None, Some(spec)) = (row.job, &mut row.spec) {
                self.tighten(spec);
            }
            if row.job.is_none() && self.strikes(Plant::WrongTenant) {
                row.tenant = "nobody".into();
            }
        }
    }

    fn drop_records(&mut self, changes: &mut Changes) {
        drop_one(self, Plant::LostAttemptRow, &mut changes.insert_attempts);
        drop_one(self, Plant::ForgottenClaim, &mut changes.put_claims);
        drop_one(self, Plant::LostOutput, &mut changes.put_outputs);
        changes.put_limits.iter_mut().for_each(|row| self.tighten_quota(row));
        drop_one(self, Plant::LostLimits, &mut changes.put_limits);
        drop_one(self, Plant::LostLog, &mut changes.insert_logs);
        drop_one(self, Plant::LostChunk, &mut changes.insert_chunks);
        drop_one(self, Plant::ForgottenLane, &mut changes.insert_lanes);
        drop_one(self, Plant::ForgottenEdit, &mut changes.rewrite_bodies);
        drop_one(self, Plant::LostDefinition, &mut changes.insert_definitions);
        drop_one(self, Plant::LostFeed, &mut changes.feed);
    }

    fn spoil_job(&mut self, state: &mut JobState, tasks: u32) {
        if state.counts.completed > 0 && self.strikes(Plant::LostJobCount) {
            state.counts.completed -= 1;
        }
        if state.unhandled > 0 && self.strikes(Plant::LostUnhandled) {
            state.unhandled -= 1;
        }
        if !state.status.is_terminal() && state.counts.ended() < tasks && self.strikes(Plant::EarlyClosure) {
            state.status = JobStatus::Completed;
        }
        if state.paused && self.strikes(Plant::PausedRunning) {
            state.status = JobStatus::Running;
        }
        if let Some(sweep) = &mut state.sweep
            && sweep.next > 0
            && self.strikes_often(Plant::SweepSkips, 100)
        {
            sweep.next += 1;
        }
    }
}

/// Whether a task of this status stands still until somebody says otherwise.
pub(super) fn stands_still(status: TaskStatus) -> bool {
    status.is_terminal() || matches!(status, TaskStatus::Pending | TaskStatus::Waiting)
}

fn drop_one<T>(planted: &mut Planted, plant: Plant, rows: &mut Vec<T>) {
    if !rows.is_empty() && planted.strikes(plant) {
        rows.pop();
    }
}
