//! Backfills of schedules: the instants of a range of the past, made up for.

use mainspring_core::schedule::ScheduleOrder;
use mainspring_core::time::Timestamp;
use mainspring_protocol::order::BackfillRequest;
use mainspring_protocol::problem::{Code, Problem};

use super::call::{Answer, Call};
use super::reply::{nothing, ok};
use super::schedule_next;
use super::schedules::{carry_out, named};

pub(super) async fn backfill(mut call: Call) -> Answer {
    let request: BackfillRequest = call.json().await?;
    let row = named(&call).await?;
    if row.state.after.is_some() {
        let detail = "it follows jobs and has no instants to make up for";
        let problem =
            Problem::new(Code::WrongState, detail).with_hint("rerun the job that it follows, or `trigger` it");
        return Err(Box::new(problem));
    }
    let (from, to) = (Timestamp::from(request.from), Timestamp::from(request.to).min(row.state.covered));
    let wrong =
        |at: &str, detail: String| Err(Box::new(Problem::new(Code::InvalidValue, detail.clone()).at(at, detail)));
    if request.from.0 > request.to.0 {
        return wrong("/to", "the range ends before it begins".to_owned());
    }
    if from > to {
        let until = mainspring_protocol::time::format(row.state.covered);
        return wrong("/from", format!("only the past can be backfilled, up to {until}"));
    }
    let concurrency = request.concurrency.unwrap_or(1);
    if !(1..=mainspring_core::limits::BACKFILL_CONCURRENCY_MAX).contains(&concurrency) {
        let max = mainspring_core::limits::BACKFILL_CONCURRENCY_MAX;
        return wrong("/concurrency", format!("`{concurrency}` is not a number from 1 to {max}"));
    }
    let plan = schedule_next::backfill_plan(&call, &row, from, to, request.dry_run).await?;
    if !request.dry_run && plan.count > 0 {
        carry_out(&call.api, call.actor(), &row.id, ScheduleOrder::Backfill { from, to, concurrency }).await?;
    }
    ok(&plan)
}

pub(super) async fn stop_backfill(call: Call) -> Answer {
    let row = named(&call).await?;
    carry_out(&call.api, call.actor(), &row.id, ScheduleOrder::StopBackfill).await?;
    Ok(nothing())
}
