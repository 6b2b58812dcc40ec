//! Turns what changed since the last seal into one commit, and says what a recovered shard must equal.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::residency::without_large_body;
use super::{Dirt, Job, Shard};
use crate::effect::Effect;
use crate::id::Key;
use crate::row::Changes;
use crate::task::Place;

/// Bytes of bodies after which a batch is sealed.
const BATCH_BYTES_MAX: usize = 4 << 20;

impl Shard {
    /// Whether the batch is as large as one commit should be.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= self.config.step_rows_max || self.bytes >= BATCH_BYTES_MAX
    }

    /// Whether half of that is filled.
    pub(crate) fn is_half_full(&self) -> bool {
        self.rows >= self.config.step_rows_max / 2 || self.bytes >= BATCH_BYTES_MAX / 2
    }

    /// Whether there is anything to commit.
    pub(crate) fn has_changes(&self) -> bool {
        self.rows > 0 || !self.changes.feed.is_empty() || !self.changes.is_empty()
    }

    /// The effects of the steps since they were last taken.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// One commit with every row that changed, each once, as it is now.
    pub(crate) fn seal(&mut self) -> Changes {
        self.high_water.commit += 1;
        let commit = self.high_water.commit;
        let mut changes = std::mem::take(&mut self.changes);
        changes.high_water = self.high_water;
        for key in std::mem::take(&mut self.dirty_tasks) {
            let Some(task) = self.tasks.get_mut(&key) else { continue };
            match std::mem::replace(&mut task.dirt, Dirt::Clean) {
                Dirt::Inserted => {
                    changes.insert_tasks.push(task.row.clone());
                    if let Some(spec) = task.row.spec.as_ref().and_then(without_large_body) {
                        task.row.spec = Some(spec);
                    }
                }
                Dirt::Updated => changes.update_tasks.push((key, task.row.state.clone())),
                Dirt::Clean => continue,
            }
            task.commit = commit;
            if !task.active {
                self.retiring.push_back((commit, key));
            }
        }
        for key in std::mem::take(&mut self.dirty_jobs) {
            let Some(job) = self.jobs.get_mut(&key) else { continue };
            match std::mem::replace(&mut job.dirt, Dirt::Clean) {
                Dirt::Inserted => changes.insert_jobs.push(job.row.clone()),
                Dirt::Updated => changes.update_jobs.push((key, job.row.state.clone())),
                Dirt::Clean => continue,
            }
            job.commit = commit;
            self.retiring_jobs.push_back((commit, key));
        }
        self.schedules.seal(&mut changes);
        self.rows = 0;
        self.bytes = 0;
        changes
    }

    /// The recoverable state as text: what a shard loaded from the store right after the last commit must equal, provided
    /// nothing was stepped since. Volatile things (sessions, renewals, fair-share turns) are left out.
    pub(crate) fn canonical(&self) -> String {
        let mut text = String::new();
        let mut line = |args: std::fmt::Arguments<'_>| {
            text.write_fmt(args).expect("writing to a string does not fail");
            text.push('\n');
        };
        line(format_args!("incarnation {} {:?}", self.incarnation, self.high_water));
        for (number, lane) in self.lanes.iter_numbered() {
            line(format_args!("{number:?} {:?} cold {}", lane.name, self.cold_total(number)));
        }
        line(format_args!("{}", self.permits.canonical()));
        line(format_args!("cold timers {}", self.cold_timers + u64::from(self.cold_timers_active)));
        line(format_args!("paused {:?}", self.paused_queues));
        line(format_args!("paused workers {:?}", self.paused_workers));
        line(format_args!("definitions {:?}", self.definitions));
        for row in self.schedules.rows() {
            line(format_args!("schedule {row:?}"));
        }
        let mut hot: Vec<_> = self.tasks.values().filter(|task| task.row.state.place == Place::Hot).collect();
        hot.sort_by_key(|task| task.row.key);
        let of_hot: BTreeSet<Key> = hot.iter().filter_map(|task| task.row.job).collect();
        for task in hot {
            let row = &task.row;
            line(format_args!("task {:?} {} {:?} {:?} {:?}", row.key, row.tenant, row.given_id, row.job, row.state));
        }
        let must_be_here =
            |job: &&Job| of_hot.contains(&job.row.key) || job.row.state.sweep.is_some() || job.row.is_watched();
        let mut jobs: Vec<_> = self.jobs.values().filter(must_be_here).collect();
        jobs.sort_by_key(|job| job.row.key);
        for job in jobs {
            line(format_args!("job {:?} settling {} {:?}", job.row.key, job.settling, job.row.state));
        }
        text
    }
}
