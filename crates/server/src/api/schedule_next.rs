//! What a schedule will do, and why: its next instants, what a backfill would submit, and its state in a sentence.

use mainspring_core::schedule::{Next, ScheduleRow};
use mainspring_core::time::Timestamp;
use mainspring_protocol::submit::read_stored_schedule;
use mainspring_protocol::time::{Rfc3339, format};
use mainspring_protocol::view::{BackfillPlanView, NextView, Page};

use super::call::{Answer, Call, Refused};
use super::reply::{internal, not_read, ok};
use super::route::Param;
use super::schedules::named;
use crate::node::{has_fired, seed_of};

pub(crate) const COUNT: Param = Param { name: "n", kind: "integer", about: "How many, 1 to 1000. Default 10." };
/// Instants of a backfill that are counted.
const COUNTED_MAX: u64 = 10_000;
/// Of those, the ones that are shown.
const SHOWN_MAX: usize = 20;

pub(super) async fn next(call: Call) -> Answer {
    let count = call.params.number("n", 1, 1_000)?.unwrap_or(10);
    let row = named(&call).await?;
    ok(&Page::whole(upcoming(&row, row.state.covered.max(call.api.now()), count as usize)))
}

/// The rule in words; nothing where it cannot be read.
pub(super) fn described(row: &ScheduleRow) -> String {
    read_stored_schedule(&row.body, &row.id.tenant).map_or(String::new(), |parsed| parsed.rule.describe().to_owned())
}

/// The instants after `after`.
pub(super) fn upcoming(row: &ScheduleRow, after: Timestamp, count: usize) -> Vec<NextView> {
    let Ok(parsed) = read_stored_schedule(&row.body, &row.id.tenant) else { return Vec::new() };
    let (mut after, seed) = (after, seed_of(&row.id));
    let mut found = Vec::new();
    while found.len() < count
        && let Next::At { instant, due } = parsed.rule.next_after(after, seed)
    {
        found.push(NextView { at: Rfc3339(instant), due: (due != instant).then_some(Rfc3339(due)) });
        after = instant;
    }
    found
}

/// What a backfill of this range submits.
pub(super) async fn backfill_plan(
    call: &Call,
    row: &ScheduleRow,
    from: Timestamp,
    to: Timestamp,
    dry_run: bool,
) -> Result<BackfillPlanView, Refused> {
    let parsed = read_stored_schedule(&row.body, &row.id.tenant).map_err(|problem| internal(&problem))?;
    let mut view = BackfillPlanView { dry_run, ..BackfillPlanView::default() };
    let mut after = Timestamp::from_millis(from.as_millis().saturating_sub(1));
    while let Next::At { instant, .. } = parsed.rule.next_after(after, 0)
        && instant <= to
    {
        if view.count + view.fired_before >= COUNTED_MAX {
            view.more = true;
            break;
        }
        if has_fired(&*call.api.reader, &row.id, instant).await.map_err(not_read)? {
            view.fired_before += 1;
        } else {
            view.count += 1;
            if view.first.len() < SHOWN_MAX {
                view.first.push(Rfc3339(instant));
            }
        }
        after = instant;
    }
    Ok(view)
}

/// What a schedule that follows jobs waits for.
fn waits_for(row: &ScheduleRow) -> String {
    let names = row.state.after.iter().flat_map(|after| &after.names);
    let names = names.filter(|(_, done)| !done).map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>();
    format!("it waits for a job of {} to complete", names.join(" and one of "))
}

/// What it does now, in a sentence.
pub(super) fn reason(row: &ScheduleRow) -> String {
    let state = &row.state;
    if state.paused {
        return "it is paused; nothing fires until it is resumed".to_owned();
    }
    if let Some(instant) = state.buffered {
        let ids: Vec<_> = state.running.iter().map(|target| target.id()).collect();
        return format!("the run of {} waits for {} to end (overlap: buffer_one)", format(instant), ids.join(", "));
    }
    match state.next {
        Next::Never if state.after.is_some() => waits_for(row),
        Next::Never => "it is never due again".to_owned(),
        Next::Unplanned => "its next instant is being looked up".to_owned(),
        Next::At { instant, due } if due > instant => {
            format!("it waits for {}, which its jitter moves to {}", format(instant), format(due))
        }
        Next::At { instant, .. } => format!("it waits for {}", format(instant)),
    }
}
