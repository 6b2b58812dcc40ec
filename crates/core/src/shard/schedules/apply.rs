//! What an answer about a schedule does: checked against the row, then records, work and the next instant in one batch.

use super::super::Shard;
use crate::effect::{Answer, START_LATENCY_BOUNDS_MS};
use crate::event::{RequestId, Start};
use crate::id::{Key, Name};
use crate::limits::SCHEDULE_RUNS_MAX;
use crate::row::TransitionKind;
use crate::schedule::{
    Cause, Fire, Next, OccurrenceRow, Overlap, PassReason, Passed, Plan, ScheduleName, ScheduleState, Staged, Target,
    Work,
};
use crate::time::Timestamp;

impl Shard {
    pub(super) fn apply_plan(&mut self, id: &ScheduleName, plan: Plan) {
        let state = &self.schedules.by_name[id].row.state;
        match plan {
            Plan::Due { covered, passed, fire, next } => {
                if state.covered == covered && is_sound(covered, &passed, fire.as_ref(), next, self.now) {
                    self.apply_due(id, passed, fire, next);
                }
            }
            Plan::Buffered(fire) => {
                if state.buffered == Some(fire.instant) {
                    self.schedule_mut(id).state.buffered = None;
                    self.submit_work(id, Cause::Time, fire, None, None);
                }
            }
            Plan::Backfill { cursor, skipped, fire } => {
                let Some(backfill) = state.backfill.as_ref().filter(|backfill| backfill.cursor == cursor) else {
                    return;
                };
                let to = backfill.to;
                let Some(fire) = fire else {
                    let backfill = &mut self.schedule_mut(id).state.backfill;
                    match (skipped.filter(|at| *at > cursor && *at < to), backfill.as_mut()) {
                        (Some(at), Some(backfill)) => backfill.cursor = at,
                        _ => *backfill = None,
                    }
                    return;
                };
                // One that fired since it was planned is looked for again, and found in the ledger.
                let is_new = state.last_instant != Some(fire.instant);
                if fire.instant > cursor && fire.instant <= to && is_new {
                    self.submit_work(id, Cause::Backfill, fire, None, None);
                }
            }
        }
    }

    fn apply_due(&mut self, id: &ScheduleName, passed: Vec<Passed>, fire: Option<Fire>, next: Next) {
        for range in passed {
            self.schedule_mut(id).state.covered = range.last;
            self.record_passed(id, range, Cause::Time, None);
        }
        let Some(fire) = fire else {
            let state = &mut self.schedule_mut(id).state;
            state.cover(state.covered, next);
            return;
        };
        let row = &self.schedules.by_name[id].row;
        let (overlap, busy) = (row.overlap, !row.state.running.is_empty());
        // The buffered one goes first, also where the work that it waits for has just ended.
        let waits = row.state.buffered.is_some();
        match overlap {
            // Nothing comes, so nothing has to make way.
            _ if matches!(fire.work, Work::Broken(_)) => {}
            Overlap::Skip | Overlap::BufferOne if busy || waits => {
                let instant = fire.instant;
                let state = &mut self.schedule_mut(id).state;
                state.cover(instant, next);
                if overlap == Overlap::BufferOne && state.buffered.is_none() {
                    state.buffered = Some(instant);
                } else {
                    self.record_passed(id, Passed::one(instant, PassReason::Overlap), Cause::Time, None);
                }
                return;
            }
            Overlap::CancelRunning => self.cancel_running(id),
            Overlap::Allow | Overlap::Skip | Overlap::BufferOne => {}
        }
        self.submit_work(id, Cause::Time, fire, Some(next), None);
    }

    fn cancel_running(&mut self, id: &ScheduleName) {
        for target in self.schedules.by_name[id].row.state.running.clone() {
            match target {
                Target::Task(key) if self.tasks.contains_key(&key) => {
                    self.cancel(key);
                }
                Target::Job(key) => {
                    let live = |job: &super::super::Job| {
                        !job.row.state.status.is_terminal() && !job.row.state.cancelled && job.staging.is_none()
                    };
                    if self.jobs.get(&key).is_some_and(live) {
                        self.call_job_off(key);
                    }
                }
                Target::Task(_) => {}
            }
        }
    }

    /// Submits the work of an occurrence. `next`: what comes after it, for one whose time came; `to`: whom to answer.
    pub(in super::super) fn submit_work(
        &mut self,
        id: &ScheduleName,
        cause: Cause,
        fire: Fire,
        next: Option<Next>,
        to: Option<RequestId>,
    ) {
        let Fire { instant, work } = fire;
        let staged = Staged { schedule: id.clone(), cause, instant, next, to };
        let keys = match &work {
            Work::Broken(_) => Ok(()),
            Work::Task(task) => self.check_keys(&task.spec),
            Work::Job(job) => self.check_keys_of(&job.graph),
        };
        match (keys, to) {
            (Ok(()), _) => {}
            (Err(refusal), Some(to)) => return self.reply(to, Err(refusal)),
            (Err(refusal), None) => return self.broken(staged, refusal.to_string().into()),
        }
        match work {
            Work::Broken(why) => self.broken(staged, why),
            Work::Task(mut task) => {
                (task.given_id, task.idempotency_key, task.start) = (None, None, Start::Now);
                task.tenant = id.tenant.clone();
                let key = self.place_task(*task, id.bucket());
                self.fired(staged, Target::Task(key));
            }
            Work::Job(mut job) => {
                (job.given_id, job.idempotency_key, job.tenant) = (None, None, id.tenant.clone());
                match self.place_job(*job, id.bucket()) {
                    (key, false) => self.fired(staged, Target::Job(key)),
                    (key, true) => {
                        let schedule = self.schedules.by_name.get_mut(id).expect("its plan was taken");
                        schedule.staging = Some(key);
                        self.schedules.staged.insert(key, staged);
                    }
                }
            }
        }
    }

    /// A job of a schedule was published: only now has its occurrence fired.
    pub(in super::super) fn published_by_schedule(&mut self, key: Key) {
        let Some(staged) = self.schedules.staged.remove(&key) else { return };
        let id = staged.schedule.clone();
        if let Some(schedule) = self.schedules.by_name.get_mut(&id) {
            schedule.staging = None;
            self.fired(staged, Target::Job(key));
            self.tend(&id);
        }
    }

    fn fired(&mut self, fired: Staged, target: Target) {
        let Staged { schedule: id, cause, instant, next, to } = fired;
        self.count_lag(&id, cause, instant);
        let row = self.schedule_mut(&id);
        let (generation, watches) = (row.state.generation, row.overlap != Overlap::Allow);
        let state = &mut row.state;
        if let Some(next) = next {
            state.cover(instant, next);
        }
        if cause == Cause::Time {
            state.last_instant = Some(instant);
        }
        forget_buffered(state, cause, instant);
        match (cause, &mut state.backfill) {
            (Cause::Backfill, Some(backfill)) => {
                (backfill.cursor, backfill.fired) = (instant, backfill.fired + 1);
                backfill.running.push(target);
                self.watch(&id, target);
            }
            _ if watches && state.running.len() < SCHEDULE_RUNS_MAX => {
                state.running.push(target);
                self.watch(&id, target);
            }
            _ => {}
        }
        let result = Ok(target);
        let key = self.mint(id.bucket(), 1);
        let name = id.name.clone();
        self.rows += 1;
        self.changes.insert_occurrences.push(OccurrenceRow {
            key,
            schedule: id,
            generation,
            cause,
            first: instant,
            last: instant,
            result,
            detail: None,
        });
        self.schedules.counted.fired += 1;
        let (job, task) = target.job_and_task();
        self.tell(TransitionKind::ScheduleFired, task, job, 0, Some(name));
        if let Some(to) = to {
            self.reply(to, Ok(Answer::Fired(target)));
        }
    }

    /// The work of an occurrence could not be made: that is recorded, and the schedule goes on.
    fn broken(&mut self, broken: Staged, why: Name) {
        let Staged { schedule: id, cause, instant, next, .. } = broken;
        let state = &mut self.schedule_mut(&id).state;
        if let Some(next) = next {
            state.cover(instant, next);
        }
        forget_buffered(state, cause, instant);
        if let (Cause::Backfill, Some(backfill)) = (cause, &mut state.backfill) {
            backfill.cursor = instant;
        }
        self.record_passed(&id, Passed::one(instant, PassReason::Invalid), cause, Some(why));
    }

    pub(in super::super) fn record_passed(
        &mut self,
        id: &ScheduleName,
        range: Passed,
        cause: Cause,
        detail: Option<Name>,
    ) {
        let generation = self.schedules.by_name[id].row.state.generation;
        let key = self.mint(id.bucket(), 1);
        let Passed { first, last, reason } = range;
        self.changes.insert_occurrences.push(OccurrenceRow {
            key,
            schedule: id.clone(),
            generation,
            cause,
            first,
            last,
            result: Err(reason),
            detail,
        });
        self.rows += 1;
        self.schedules.counted.passed[reason as usize] += 1;
        self.tell(TransitionKind::ScheduleSkipped, None, None, 0, Some(id.name.clone()));
    }

    fn count_lag(&mut self, id: &ScheduleName, cause: Cause, instant: Timestamp) {
        if cause != Cause::Time {
            return;
        }
        let due = match self.schedules.by_name[id].row.state.next {
            Next::At { instant: next, due } if next == instant => due,
            _ => instant,
        };
        let lag = self.now.since(due);
        let counted = &mut self.schedules.counted;
        let bucket = START_LATENCY_BOUNDS_MS.iter().position(|bound| lag <= *bound).unwrap_or(10);
        counted.lag[bucket] += 1;
        counted.lag_sum_ms += lag;
    }
}

impl Passed {
    pub(in super::super) fn one(instant: Timestamp, reason: PassReason) -> Self {
        Self { first: instant, last: instant, reason }
    }
}

/// What a backfill has carried out waits no more.
fn forget_buffered(state: &mut ScheduleState, cause: Cause, instant: Timestamp) {
    if cause == Cause::Backfill && state.buffered == Some(instant) {
        state.buffered = None;
    }
}

/// Whether an answer can be relied on: in order, after what is covered, and nothing early (I15).
fn is_sound(covered: Timestamp, passed: &[Passed], fire: Option<&Fire>, next: Next, now: Timestamp) -> bool {
    let mut last = covered;
    for range in passed {
        if range.first <= last || range.last < range.first {
            return false;
        }
        last = range.last;
    }
    if let Some(fire) = fire {
        if fire.instant <= last {
            return false;
        }
        last = fire.instant;
    }
    let next_is_later = match next {
        Next::At { instant, due } => instant > last && due >= instant,
        Next::Never => true,
        Next::Unplanned => false,
    };
    last <= now.max(covered) && next_is_later
}
