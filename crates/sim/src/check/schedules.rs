//! I13, I14, I15: each instant fires once at the most, has exactly one record, and never fires early; and what overlap
//! policies promise. Read from the rows alone, with a calendar of its own.

use std::collections::{BTreeMap, BTreeSet};

use mainspring_core::id::Key;
use mainspring_core::row::Changes;
use mainspring_core::schedule::{Cause, OccurrenceRow, Overlap, ScheduleName, ScheduleRow, Target};
use mainspring_core::time::Timestamp;

use super::model::Model;
use super::{Checker, Verdict, ensure};

/// What the judge remembers of schedules.
#[derive(Debug, Default)]
pub struct Fired {
    /// Nominal instants that fired.
    instants: BTreeSet<(ScheduleName, Timestamp)>,
    /// Work that overlap policies look at, in the order of its records.
    runs: BTreeMap<ScheduleName, Vec<(Key, Target)>>,
}

/// Instants after one and up to another.
fn instants(body: &str, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let numbers: Vec<i64> = body.split(' ').filter_map(|word| word.parse().ok()).collect();
    let (period, end) = (numbers[0], numbers[1]);
    let mut found = Vec::new();
    let mut at = (after.as_millis().div_euclid(period) + 1) * period;
    while at <= until.as_millis().min(end) {
        found.push(Timestamp::from_millis(at));
        at += period;
    }
    found
}

impl Fired {
    /// Whether this instant fired, as the ledger tells whoever backfills.
    pub fn has(&self, id: &ScheduleName, instant: Timestamp) -> bool {
        self.instants.contains(&(id.clone(), instant))
    }
}

impl Checker {
    /// The schedules that a commit touches, as they were.
    pub(super) fn schedules_before(&self, changes: &Changes) -> BTreeMap<ScheduleName, ScheduleRow> {
        let put = changes.put_schedules.iter().map(|row| &row.id);
        let updated = changes.update_schedules.iter().map(|(id, _)| id);
        let all = put.chain(updated).filter(|id| !changes.delete_schedules.contains(id));
        all.filter_map(|id| Some((id.clone(), self.model.schedules.get(id)?.clone()))).collect()
    }

    /// A schedule that cancels what runs is the reason why that is cancelled; a large job does so before its record comes.
    pub(super) fn note_cancels(&mut self, changes: &Changes) {
        let put = changes.put_schedules.iter();
        let cancelling = self.model.schedules.values().chain(put).filter(|row| row.overlap == Overlap::CancelRunning);
        let runs = cancelling.filter_map(|row| self.fired.runs.get(&row.id)).flatten();
        let targets: Vec<Target> = runs.map(|(_, target)| *target).collect();
        targets.into_iter().for_each(|target| self.may_cancel(target));
    }

    fn may_cancel(&mut self, target: Target) {
        match target {
            Target::Task(key) => self.asked.cancelled_tasks.insert(key),
            Target::Job(key) => self.asked.cancelled_jobs.insert(key),
        };
    }

    /// After the model has taken a commit in.
    pub(super) fn check_schedules(
        &mut self,
        changes: &Changes,
        before: &BTreeMap<ScheduleName, ScheduleRow>,
    ) -> Verdict {
        for id in &changes.delete_schedules {
            self.fired.runs.remove(id);
        }
        for row in &changes.insert_occurrences {
            self.check_occurrence(row)?;
        }
        for (id, old) in before {
            let Some(new) = self.model.schedules.get(id) else { continue };
            check_coverage(changes, old, new)?;
        }
        self.count_schedules(changes);
        Ok(())
    }

    fn check_occurrence(&mut self, row: &OccurrenceRow) -> Verdict {
        let id = &row.schedule;
        // A trigger says when it was asked for, by the clock of whoever was asked.
        let early = row.cause != Cause::Trigger && row.last > self.model.water.time;
        ensure(row.first <= row.last && !early, "I15", || {
            format!("{row:?} is ahead of the shard's time {:?}", self.model.water.time)
        })?;
        let Ok(target) = row.result else { return Ok(()) };
        ensure(row.first == row.last, "I14", || format!("{row:?} fires a range"))?;
        let exists = match target {
            Target::Task(key) => self.model.tasks.get(&key).is_some_and(|task| task.tenant == id.tenant),
            Target::Job(key) => {
                self.model.jobs.get(&key).is_some_and(|job| job.tenant == id.tenant) && !self.model.is_staged(key)
            }
        };
        ensure(exists && target.key().bucket() == id.bucket(), "I13", || format!("{row:?} fires what is not there"))?;
        if row.cause != Cause::Trigger {
            let new = self.fired.instants.insert((id.clone(), row.first));
            ensure(new, "I13", || format!("{row:?} fires an instant that has fired before"))?;
        }
        let Some(schedule) = self.model.schedules.get(id) else { return Ok(()) };
        if schedule.state.generation != row.generation {
            // An edit in the same commit hides under which overlap this fired. A later edit may have it cancelled.
            self.may_cancel(target);
            return Ok(());
        }
        let overlap = schedule.overlap;
        if overlap == Overlap::Allow || row.cause == Cause::Backfill {
            return Ok(());
        }
        let runs = self.fired.runs.entry(id.clone()).or_default();
        if row.cause == Cause::Time {
            let live: Vec<_> = runs.iter().filter(|(_, run)| *run == target || is_live(&self.model, *run)).collect();
            let allowed = live.iter().all(|(_, run)| {
                overlap == Overlap::CancelRunning
                    && matches!(run, Target::Job(key) if self.model.jobs.get(key).is_some_and(|job| job.state.cancelled))
            });
            ensure(allowed, "overlap", || format!("{row:?} fires under {overlap:?} while {live:?} runs"))?;
        }
        runs.push((row.key, target));
        Ok(())
    }

    fn count_schedules(&mut self, changes: &Changes) {
        for row in &changes.insert_occurrences {
            self.sometimes.hit(match (row.result, row.cause) {
                (Ok(_), Cause::Time) => "schedule.fired",
                (Ok(_), Cause::Trigger) => "schedule.triggered",
                (Ok(_), Cause::Backfill) => "schedule.backfilled",
                (Err(reason), _) => match reason.word() {
                    "missed" => "schedule.missed",
                    "coalesced" => "schedule.coalesced",
                    "burst_cap" => "schedule.burst_cap",
                    "overlap" => "schedule.overlap",
                    "paused" => "schedule.paused",
                    "edited" => "schedule.edited",
                    "deleted" => "schedule.deleted",
                    _ => "schedule.invalid",
                },
            });
        }
        let buffered = changes.update_schedules.iter().filter(|(_, state)| state.buffered.is_some()).count();
        self.sometimes.add("schedule.buffered", buffered as u64);
    }
}

/// Whether work has not ended; what was run again by hand is no longer the schedule's.
fn is_live(model: &Model, target: Target) -> bool {
    match target {
        Target::Task(key) => {
            model.tasks.get(&key).is_some_and(|row| row.state.generation == 1 && !row.state.status.is_terminal())
        }
        Target::Job(key) => {
            model.jobs.get(&key).is_some_and(|row| row.state.generation == 1 && !row.state.status.is_terminal())
        }
    }
}

/// I14: what a commit covers anew has exactly one record each, or waits in the buffer.
fn check_coverage(changes: &Changes, old: &ScheduleRow, new: &ScheduleRow) -> Verdict {
    let (was, is) = (&old.state, &new.state);
    ensure(is.covered >= was.covered && is.generation >= was.generation, "I14", || {
        format!("`{}` goes back from {was:?} to {is:?}", new.id.name)
    })?;
    let of = |generation: u32| {
        let own = changes.insert_occurrences.iter().filter(|row| row.schedule == new.id && row.cause == Cause::Time);
        own.filter(move |row| row.generation == generation)
    };
    let segments = match is.generation - was.generation {
        0 => vec![(was.generation, &old.body, was.covered, is.covered)],
        1 => vec![
            (was.generation, &old.body, was.covered, is.changed_at),
            (is.generation, &new.body, is.changed_at.max(was.covered), is.covered),
        ],
        _ => return Ok(()),
    };
    for (generation, body, after, until) in segments {
        for instant in instants(body, after, until) {
            let records = of(generation).filter(|row| row.first <= instant && instant <= row.last).count();
            let waits = usize::from(is.buffered == Some(instant));
            ensure(records + waits == 1, "I14", || {
                let all: Vec<_> = of(generation).collect();
                format!("{instant:?} of `{}` has {records} records, from {was:?} to {is:?}: {all:?}", new.id.name)
            })?;
        }
    }
    // A backfill may carry out what waits, which then waits no more.
    if let Some(instant) = was.buffered.filter(|instant| is.buffered != Some(*instant)) {
        let records = changes.insert_occurrences.iter().filter(|row| {
            row.schedule == new.id && row.cause != Cause::Trigger && (row.first, row.last) == (instant, instant)
        });
        let records = records.count();
        ensure(records == 1, "I14", || format!("{instant:?} was buffered and has {records} records"))?;
    }
    Ok(())
}
