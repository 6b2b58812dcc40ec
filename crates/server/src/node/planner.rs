//! Answers what the core asks about schedules: which instants are due, by the calendar, and the work of one of them, from
//! the newest version of its definition.
//!
//! What cannot be answered because the store cannot be read is dropped: the core asks again. Nothing here decides anything;
//! the core checks every answer against the row.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use mainspring_core::event::Event;
use mainspring_core::id::Name;
use mainspring_core::schedule::{
    Ask, Fire, Next, OccurrenceRow, PassReason, Passed, Plan, Planned, ScheduleName, ScheduleRow, Want, Work,
};
use mainspring_core::time::Timestamp;
use mainspring_protocol::submit::{ParsedSchedule, Scheduled, read_stored_schedule, with_schedule};
use mainspring_store::{Error, OccurrenceFilter, Reader};
use tokio::sync::mpsc;

use super::shared::Shared;
use crate::library::Known;

/// Asks that are answered with the same look at the definitions.
const ASKS_AT_ONCE: usize = 1_000;
/// Instants of a backfill that one answer looks at.
const BACKFILL_LOOKS_MAX: usize = 500;
/// Schedules whose rules are remembered, compiled.
const RULES_MAX: usize = 20_000;

/// Definitions that were looked up for the asks at hand, by tenant.
type Definitions = HashMap<Name, Known>;

/// Answers what the shard asks, until its thread has ended.
pub(super) async fn run(shared: Arc<Shared>, reader: Arc<dyn Reader>) {
    let Some(asked) = shared.plans.take() else { return };
    let mut stopped = shared.when_stopped();
    let planner = Planner { reader, rules: HashMap::new(), definitions: HashMap::new() };
    let answering = answer_all(planner, asked, Arc::downgrade(&shared));
    // The shard's thread lets go of the store when nobody holds this any more.
    drop(shared);
    tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = answering => {}
    }
}

async fn answer_all(mut planner: Planner, mut asked: mpsc::UnboundedReceiver<Ask>, shard: Weak<Shared>) {
    let mut batch = Vec::new();
    while asked.recv_many(&mut batch, ASKS_AT_ONCE).await > 0 {
        planner.definitions.clear();
        for ask in batch.drain(..) {
            let planned = planner.answer(&ask).await;
            let Some(shared) = shard.upgrade() else { return };
            match planned {
                Ok(planned) => shared.tell(Event::Planned(Box::new(planned))),
                Err(error) => {
                    tracing::warn!(schedule = &*ask.row.id.name, %error, "failed to plan a schedule; it is asked again");
                }
            }
        }
    }
}

struct Planner {
    reader: Arc<dyn Reader>,
    rules: HashMap<ScheduleName, (u32, Arc<ParsedSchedule>)>,
    definitions: Definitions,
}

/// Spreads the jitter of schedules: the same name always gives the same.
pub(crate) fn seed_of(id: &ScheduleName) -> u64 {
    let bytes = id.tenant.bytes().chain([0]).chain(id.name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn outside(at: Timestamp) -> mainspring_calendar::Timestamp {
    use mainspring_calendar::Timestamp as Instant;
    Instant::from_millisecond(at.as_millis()).unwrap_or(if at.as_millis() < 0 { Instant::MIN } else { Instant::MAX })
}

fn inside(at: mainspring_calendar::Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millisecond())
}

impl Planner {
    async fn answer(&mut self, ask: &Ask) -> Result<Planned, Error> {
        let row = &ask.row;
        let parsed = self.rule(row)?;
        let plan = match ask.want {
            Want::Due => self.due(ask, &parsed).await?,
            Want::Buffered => {
                let instant = row.state.buffered.unwrap_or(row.state.covered);
                Plan::Buffered(self.fire(row, &parsed.work, instant, row.state.last_instant).await?)
            }
            Want::Backfill => self.backfill(row, &parsed).await?,
        };
        Ok(Planned { schedule: row.id.clone(), generation: row.state.generation, plan })
    }

    fn rule(&mut self, row: &ScheduleRow) -> Result<Arc<ParsedSchedule>, Error> {
        if let Some((generation, parsed)) = self.rules.get(&row.id)
            && (*generation, &parsed.body) == (row.state.generation, &row.body)
        {
            return Ok(parsed.clone());
        }
        let parsed = read_stored_schedule(&row.body, &row.id.tenant)
            .map_err(|problem| Error::Corrupt(format!("the schedule `{}`: {problem}", row.id.name)))?;
        if self.rules.len() >= RULES_MAX {
            self.rules.clear();
        }
        let parsed = Arc::new(parsed);
        self.rules.insert(row.id.clone(), (row.state.generation, parsed.clone()));
        Ok(parsed)
    }

    async fn due(&mut self, ask: &Ask, parsed: &ParsedSchedule) -> Result<Plan, Error> {
        let row = &ask.row;
        if let (Some(_), Next::At { instant, .. }) = (&row.state.after, row.state.next) {
            let fire = Some(self.fire(row, &parsed.work, instant, row.state.last_instant).await?);
            return Ok(Plan::Due { covered: row.state.covered, passed: Vec::new(), fire, next: Next::Never });
        }
        let (covered, seed) = (row.state.covered, seed_of(&row.id));
        let rule = &parsed.rule;
        let due = rule.plan().due(outside(covered), outside(ask.now), rule.catch_up());
        let passed: Vec<Passed> = due.passed.iter().map(passed_of).collect();
        let after_passed = passed.last().map_or(covered, |range| range.last);
        let Some(instant) = due.fire.first().copied() else {
            return Ok(Plan::Due { covered, passed, fire: None, next: rule.next_after(after_passed, seed) });
        };
        let fires_at = inside(rule.plan().fire_at(instant, seed));
        let instant = inside(instant);
        if fires_at > ask.now {
            let next = Next::At { instant, due: fires_at };
            return Ok(Plan::Due { covered, passed, fire: None, next });
        }
        let fire = Some(self.fire(row, &parsed.work, instant, row.state.last_instant).await?);
        Ok(Plan::Due { covered, passed, fire, next: rule.next_after(instant, seed) })
    }

    async fn backfill(&mut self, row: &ScheduleRow, parsed: &ParsedSchedule) -> Result<Plan, Error> {
        let Some(backfill) = &row.state.backfill else {
            return Ok(Plan::Backfill { cursor: row.state.covered, skipped: None, fire: None });
        };
        let (cursor, to, plan) = (backfill.cursor, backfill.to, parsed.rule.plan());
        let mut last = None;
        for instant in plan.range(outside(cursor), outside(to)).take(BACKFILL_LOOKS_MAX) {
            let at = inside(instant);
            if !has_fired(&*self.reader, &row.id, at).await? {
                let previous = instant.checked_sub(std::time::Duration::from_millis(1)).ok();
                let previous = previous.and_then(|before| plan.latest_before(before)).map(inside);
                let fire = self.fire(row, &parsed.work, at, previous).await?;
                return Ok(Plan::Backfill { cursor, skipped: None, fire: Some(fire) });
            }
            last = Some(at);
        }
        // Where nothing is left behind it, the next look finds nothing and ends it.
        Ok(Plan::Backfill { cursor, skipped: last, fire: None })
    }

    async fn fire(
        &mut self,
        row: &ScheduleRow,
        work: &Scheduled,
        instant: Timestamp,
        previous: Option<Timestamp>,
    ) -> Result<Fire, Error> {
        let tenant = &row.id.tenant;
        let known = self.definitions.entry(tenant.clone()).or_insert_with(|| Known::of(Some(tenant.clone())));
        let work = match known.parse(&*self.reader, |find| work.make(tenant, find)).await? {
            Ok(work) => with_schedule(work, &row.id.name, instant, previous, false),
            Err(problem) => Work::Broken(why(&problem)),
        };
        Ok(Fire { instant, work })
    }
}

/// A problem in at most 256 characters.
fn why(problem: &mainspring_protocol::problem::Problem) -> Name {
    let place = problem.errors.first().map_or(String::new(), |item| format!("{}: ", item.pointer));
    format!("{place}{problem}").chars().take(256).collect::<String>().into()
}

fn passed_of(passed: &mainspring_calendar::Passed) -> Passed {
    use mainspring_calendar::PassedReason as Reason;
    let reason = match passed.reason {
        Reason::Missed => PassReason::Missed,
        Reason::Coalesced => PassReason::Coalesced,
        Reason::BurstCap => PassReason::BurstCap,
    };
    Passed { first: inside(passed.from), last: inside(passed.to), reason }
}

/// Whether an instant was ever fired, as far as the ledger reaches back.
pub(crate) async fn has_fired(reader: &dyn Reader, id: &ScheduleName, instant: Timestamp) -> Result<bool, Error> {
    let filter = OccurrenceFilter { schedule: id.clone(), instant: Some(instant) };
    let records = reader.occurrences(filter, None, 100).await?.items;
    let is_of_plan = |row: &OccurrenceRow| row.cause != mainspring_core::schedule::Cause::Trigger;
    Ok(records.iter().any(|row| row.result.is_ok() && is_of_plan(row)))
}
