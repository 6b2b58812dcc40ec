//! Which rows leave memory, and when.

use super::super::{Dirt, Job, Shard, Task};
use crate::id::Key;
use crate::task::Place;

impl Shard {
    /// A commit returned: rows whose last change is in it may leave.
    pub(crate) fn forget(&mut self, committed: u64) {
        self.retire(committed);
        self.trim(committed);
    }

    /// Lets ended and cold rows go whose last change is committed; others rest.
    pub(crate) fn retire(&mut self, committed: u64) {
        while let Some(&(commit, key)) = self.retiring.front()
            && commit <= committed
        {
            self.retiring.pop_front();
            let Some(task) = self.tasks.get(&key).filter(|task| may_leave(task, committed)) else { continue };
            let state = &task.row.state;
            let returns_by_itself = matches!(state.place, Place::ColdReady { .. } | Place::ColdTimer);
            if state.status.is_terminal() || returns_by_itself {
                self.tasks.remove(&key);
            } else {
                self.resting.push_back(key);
            }
        }
        while let Some(&(commit, key)) = self.retiring_jobs.front()
            && commit <= committed
        {
            self.retiring_jobs.pop_front();
            let Some(job) = self.jobs.get(&key).filter(|job| job_may_leave(job, committed)) else { continue };
            if job.row.state.status.is_terminal() {
                self.jobs.remove(&key);
            } else {
                self.resting_jobs.push_back(key);
            }
        }
    }

    /// Shortens the caches of what rests.
    fn trim(&mut self, committed: u64) {
        while self.resting.len() > self.config.resting_max {
            let key = self.resting.pop_front().expect("it is longer than the limit");
            if self.tasks.get(&key).is_some_and(|task| may_leave(task, committed)) {
                self.tasks.remove(&key);
            }
        }
        while self.resting_jobs.len() > self.config.resting_max {
            let key = self.resting_jobs.pop_front().expect("it is longer than the limit");
            if self.jobs.get(&key).is_some_and(|job| job_may_leave(job, committed)) {
                self.jobs.remove(&key);
            }
        }
        while self.chunk_order.len() > self.config.chunks_max {
            match self.chunk_order.front() {
                Some(&(commit, name)) if commit <= committed => {
                    self.chunk_order.pop_front();
                    self.chunks.remove(&name);
                }
                _ => break,
            }
        }
    }

    /// A task of the job is active no more. After the last one the job may rest, though its own row did not change.
    pub(in super::super) fn release_job(&mut self, key: Key) {
        let commit = self.high_water.commit + 1;
        let around = self.job(key).row.ancestors.clone();
        for key in around.iter().copied().chain([key]) {
            let job = self.job_mut(key);
            job.active -= 1;
            if job.active == 0 {
                self.retiring_jobs.push_back((commit, key));
            }
        }
    }

    /// Drops what reads said about claims and missing rows, except what is newer than the last returned commit.
    pub(crate) fn forget_reads(&mut self, committed: u64) {
        self.claims.retain(|_, (_, commit)| *commit > committed);
        self.absent_tasks.retain(|_, commit| *commit > committed);
        self.absent_jobs.retain(|_, commit| *commit > committed);
    }
}

fn may_leave(task: &Task, committed: u64) -> bool {
    task.dirt == Dirt::Clean && task.commit <= committed && !task.active && task.row.state.place != Place::Hot
}

fn job_may_leave(job: &Job, committed: u64) -> bool {
    job.dirt == Dirt::Clean
        && job.commit <= committed
        && job.active == 0
        && job.settling == 0
        && job.row.state.sweep.is_none()
        && !job.row.is_watched()
}
