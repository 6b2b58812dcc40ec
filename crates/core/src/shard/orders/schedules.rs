//! Orders about schedules. An edit opens a generation that starts after everything the earlier ones covered (I13).

use std::sync::Arc;

use super::super::Shard;
use super::super::schedules::Schedule;
use crate::effect::{Answer, Refusal};
use crate::event::RequestId;
use crate::id::Name;
use crate::limits::{BACKFILL_CONCURRENCY_MAX, FOLLOWING_SCHEDULES_MAX, SCHEDULE_RUNS_MAX};
use crate::schedule::{
    After, Backfill, Cause, Expect, Fire, Next, Overlap, PassReason, ScheduleName, ScheduleOrder, ScheduleRow,
    ScheduleState, Work,
};
use crate::time::Timestamp;

impl Shard {
    pub(super) fn order_schedule(&mut self, to: RequestId, actor: &Name, id: ScheduleName, order: ScheduleOrder) {
        let known = self.schedules.get(&id);
        let busy = known.is_some_and(|schedule| schedule.staging.is_some());
        let answer = match order {
            ScheduleOrder::Put { expect: Expect::Absent, .. } if known.is_some() => {
                let of_definition = known.is_some_and(|schedule| schedule.row.of_definition);
                Err(Refusal::ScheduleTaken { of_definition })
            }
            ScheduleOrder::Put { ref after, .. } if self.follows_too_many(known, after) => {
                Err(Refusal::TooManyFollowers)
            }
            ScheduleOrder::Put { expect: Expect::Absent | Expect::Any, of_definition, overlap, body, after }
                if known.is_none() =>
            {
                Ok(self.make_schedule(actor, id, of_definition, (overlap, body), &after))
            }
            _ if known.is_none() => Err(Refusal::NoSchedule),
            _ if busy => Err(Refusal::Busy),
            ScheduleOrder::Put { of_definition, overlap, body, after, .. } => {
                self.edit_schedule(actor, id, of_definition, (overlap, body), &after)
            }
            ScheduleOrder::Delete { of_definition } => self.delete_schedule(actor, &id, of_definition),
            ScheduleOrder::Pause(paused) => Ok(self.pause_schedule(actor, &id, paused)),
            ScheduleOrder::Trigger(fire) => match self.trigger(to, actor, &id, *fire) {
                Ok(()) => return,
                Err(refusal) => Err(refusal),
            },
            ScheduleOrder::Backfill { from, to, concurrency } => self.start_backfill(actor, &id, from, to, concurrency),
            ScheduleOrder::StopBackfill => Ok(self.stop_backfill(actor, &id)),
        };
        self.reply(to, answer);
    }

    /// Whether a schedule may not follow jobs because too many of the shard do.
    fn follows_too_many(&self, known: Option<&Schedule>, after: &[Name]) -> bool {
        let follows = known.is_some_and(|schedule| schedule.row.state.after.is_some());
        !after.is_empty() && !follows && self.schedules.followers() >= FOLLOWING_SCHEDULES_MAX
    }

    fn make_schedule(
        &mut self,
        actor: &Name,
        id: ScheduleName,
        of_definition: bool,
        (overlap, body): (Overlap, Arc<str>),
        after: &[Name],
    ) -> Answer {
        let now = self.now;
        let after = After::following(after, None);
        let state = ScheduleState {
            generation: 1,
            changed_at: now,
            paused: false,
            covered: now,
            next: after.as_ref().map_or(Next::Unplanned, After::next),
            last_instant: None,
            running: Vec::new(),
            buffered: None,
            backfill: None,
            after,
        };
        let name = id.name.clone();
        self.put_schedule(ScheduleRow { id, overlap, of_definition, body, created_at: now, state });
        self.audit(actor, "schedule.create", name, r#"{"generation":1}"#);
        Answer::Version(1)
    }

    /// The same again changes nothing, so that a definition may be applied as often as one likes.
    fn edit_schedule(
        &mut self,
        actor: &Name,
        id: ScheduleName,
        of_definition: bool,
        (overlap, body): (Overlap, Arc<str>),
        after: &[Name],
    ) -> Result<Answer, Refusal> {
        let row = &self.schedules.get(&id).expect("it was looked up").row;
        if row.of_definition != of_definition {
            return Err(Refusal::ScheduleTaken { of_definition: row.of_definition });
        }
        if (row.overlap, &row.body) == (overlap, &body) {
            return Ok(Answer::Version(row.state.generation));
        }
        self.close_window(&id, PassReason::Edited);
        let mut row = self.schedules.get(&id).expect("it was looked up").row.clone();
        row.overlap = overlap;
        row.body = body;
        row.state.generation += 1;
        row.state.changed_at = self.now;
        row.state.after = After::following(after, row.state.after.take());
        row.state.next = row.state.after.as_ref().map_or(Next::Unplanned, After::next);
        row.state.backfill = None;
        let generation = row.state.generation;
        self.put_schedule(row);
        self.audit(actor, "schedule.edit", id.name, &format!(r#"{{"generation":{generation}}}"#));
        Ok(Answer::Version(generation))
    }

    fn delete_schedule(&mut self, actor: &Name, id: &ScheduleName, of_definition: bool) -> Result<Answer, Refusal> {
        let row = &self.schedules.get(id).expect("it was looked up").row;
        if row.of_definition != of_definition {
            return Err(Refusal::ScheduleTaken { of_definition: row.of_definition });
        }
        let generation = row.state.generation;
        self.close_window(id, PassReason::Deleted);
        self.remove_schedule(id);
        self.audit(actor, "schedule.delete", id.name.clone(), &format!(r#"{{"generation":{generation}}}"#));
        Ok(Answer::Done)
    }

    fn pause_schedule(&mut self, actor: &Name, id: &ScheduleName, paused: bool) -> Answer {
        let state = &self.schedules.get(id).expect("it was looked up").row.state;
        if state.paused != paused {
            if paused {
                self.drop_buffered(id, PassReason::Paused);
            } else {
                self.close_window(id, PassReason::Paused);
            }
            self.schedule_mut(id).state.paused = paused;
            let action = if paused { "schedule.pause" } else { "schedule.resume" };
            self.audit(actor, action, id.name.clone(), "{}");
            self.tend(id);
        }
        Answer::Done
    }

    fn trigger(&mut self, to: RequestId, actor: &Name, id: &ScheduleName, fire: Fire) -> Result<(), Refusal> {
        let state = &self.schedules.get(id).expect("it was looked up").row.state;
        if state.running.len() >= SCHEDULE_RUNS_MAX {
            return Err(Refusal::WrongState { order: "trigger", status: "running too often" });
        }
        if matches!(fire.work, Work::Broken(_)) {
            return Err(Refusal::NoDefinition);
        }
        let detail = format!(r#"{{"instant":{}}}"#, fire.instant.as_millis());
        self.audit(actor, "schedule.trigger", id.name.clone(), &detail);
        self.submit_work(id, Cause::Trigger, fire, None, Some(to));
        Ok(())
    }

    fn start_backfill(
        &mut self,
        actor: &Name,
        id: &ScheduleName,
        from: Timestamp,
        to: Timestamp,
        concurrency: u32,
    ) -> Result<Answer, Refusal> {
        let state = &self.schedules.get(id).expect("it was looked up").row.state;
        if state.after.is_some() {
            return Err(Refusal::WrongState { order: "backfill", status: "after other jobs, not at instants" });
        }
        if state.backfill.is_some() {
            return Err(Refusal::WrongState { order: "backfill", status: "being backfilled" });
        }
        let to = to.min(state.covered);
        let cursor = Timestamp::from_millis(from.as_millis().saturating_sub(1));
        let concurrency = concurrency.clamp(1, BACKFILL_CONCURRENCY_MAX);
        let (running, fired) = (Vec::new(), 0);
        self.schedule_mut(id).state.backfill = Some(Backfill { cursor, to, concurrency, running, fired });
        let detail = format!(r#"{{"from":{},"to":{},"concurrency":{concurrency}}}"#, from.as_millis(), to.as_millis());
        self.audit(actor, "schedule.backfill", id.name.clone(), &detail);
        self.tend(id);
        Ok(Answer::Done)
    }

    fn stop_backfill(&mut self, actor: &Name, id: &ScheduleName) -> Answer {
        if let Some(backfill) = self.schedule_mut(id).state.backfill.take() {
            let detail = format!(r#"{{"fired":{}}}"#, backfill.fired);
            self.audit(actor, "schedule.backfill_stop", id.name.clone(), &detail);
            self.tend(id);
        }
        Answer::Done
    }
}
