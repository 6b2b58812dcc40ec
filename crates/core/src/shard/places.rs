//! What is decided about a whole job by its clock and by others like it: its deadline, and its turn among the live jobs
//! of its definition (`maxActive`). Such jobs stay in memory until they have ended (`JobRow::is_watched`).

use std::collections::BTreeSet;

use super::{Shard, Work};
use crate::id::Key;
use crate::job::{JobRow, SweepKind};

/// The live jobs of one definition.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// How many have been let in.
    live: u32,
    /// Those that wait, in order of acceptance.
    queued: BTreeSet<Key>,
}

impl Shard {
    /// Watches a job that was published, rerun or loaded.
    pub(super) fn watch_job(&mut self, key: Key) {
        if let Some(at) = self.job(key).row.deadline() {
            self.deadlines.insert((at, key));
        }
    }

    /// Lets a job in, or puts it at the end of the line.
    pub(super) fn take_place(&mut self, key: Key) {
        let Some((name, limit)) = line_of(&self.job(key).row) else { return };
        let line = self.lines.entry(name).or_default();
        if line.live < limit && line.queued.is_empty() {
            line.live += 1;
        } else {
            line.queued.insert(key);
            self.job_mut(key).row.state.queued = true;
            self.touch_job(key);
        }
    }

    /// Notes what a loaded job was.
    pub(super) fn restore_place(&mut self, row: &JobRow) {
        let published = !matches!(
            row.state.sweep.as_ref().map(|sweep| &sweep.kind),
            Some(SweepKind::Staging | SweepKind::Rerunning(_))
        );
        let Some((name, _)) = line_of(row).filter(|_| published && !row.state.status.is_terminal()) else { return };
        let line = self.lines.entry(name).or_default();
        if row.state.queued {
            line.queued.insert(row.key);
        } else {
            line.live += 1;
        }
    }

    /// A job has ended: forgets what was watched of it, and lets in who comes next.
    pub(super) fn unwatch_job(&mut self, key: Key) {
        let row = &self.job(key).row;
        let (deadline, line) = (row.deadline(), line_of(row));
        if let Some(at) = deadline {
            self.deadlines.remove(&(at, key));
        }
        let Some((name, _)) = line else { return };
        let queued = std::mem::take(&mut self.job_mut(key).row.state.queued);
        let line = self.lines.entry(name.clone()).or_default();
        if queued {
            line.queued.remove(&key);
        } else {
            line.live -= 1;
        }
        while let Some(next) = self.lines.get(&name).and_then(|line| line.queued.first().copied()) {
            let limit = line_of(&self.job(next).row).map_or(1, |(_, limit)| limit);
            let line = self.lines.get_mut(&name).expect("it was just found");
            if line.live >= limit {
                return;
            }
            line.queued.pop_first();
            line.live += 1;
            let state = &mut self.job_mut(next).row.state;
            state.queued = false;
            // One that is being cancelled goes on with that.
            if state.cancelled {
                self.touch_job(next);
            } else {
                self.start_sweep(next, SweepKind::Starting);
            }
        }
        if self.lines.get(&name).is_some_and(|line| line.live == 0) {
            self.lines.remove(&name);
        }
    }

    /// Turns deadlines that have come into work.
    pub(super) fn collect_deadlines(&mut self) {
        while let Some(&(at, key)) = self.deadlines.first() {
            if at > self.now || self.work.len() >= self.config.step_rows_max {
                break;
            }
            self.deadlines.pop_first();
            self.work.insert(Work::Deadline(key));
        }
    }

    /// A job's deadline has come.
    pub(super) fn exceed(&mut self, key: Key) {
        let Some(row) = self.jobs.get(&key).map(|job| &job.row) else { return };
        let due = row.deadline().is_some_and(|at| at <= self.now);
        if !due || row.state.status.is_terminal() || row.state.cancelled {
            return;
        }
        let state = &mut self.job_mut(key).row.state;
        state.exceeded = true;
        state.cancelled = true;
        self.start_sweep(key, SweepKind::Cancelling);
    }
}

/// Which line a job stands in, and how many of it may be live.
fn line_of(row: &JobRow) -> Option<((crate::id::Name, crate::id::Name), u32)> {
    let (name, limit) = row.active_key.as_ref()?;
    Some(((row.tenant.clone(), name.clone()), (*limit).max(1)))
}
