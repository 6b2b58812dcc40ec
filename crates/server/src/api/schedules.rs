//! Schedules: made, changed, looked at, and told what to do. When they fire is the core's affair.

use axum::http::StatusCode;
use mainspring_core::effect::{Answer as Answered, Refusal};
use mainspring_core::event::Order;
use mainspring_core::id::Name;
use mainspring_core::schedule::{Expect, Fire, ScheduleName, ScheduleOrder, ScheduleRow, Work};
use mainspring_protocol::order::{BackfillRequest, TriggerRequest};
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::schema::schedule_schema_in;
use mainspring_protocol::submit::{
    Defaults, ParsedSchedule, Scheduled, parse_schedule, read_stored_schedule, with_schedule,
};
use mainspring_protocol::view::{BackfillPlanView, OccurrenceView, Page, ScheduleView, ScheduleWhyView, TriggeredView};
use mainspring_store::{OccurrenceFilter, ScheduleFilter};

use super::backfills;
use super::call::{Answer, Call, Refused, refuse};
use super::cursor;
use super::definitions::{format, parse_with};
use super::params::{CURSOR, LIMIT, cut};
use super::reply::{internal, json, not_called, not_read, nothing, ok};
use super::route::{BodyKind, Param, Route};
use super::schedule_next::{self, COUNT, described, upcoming};
use super::state::Api;
use super::tasks::Nothing;
use crate::loops::{self, Following};
use crate::node::CallError;

const INSTANT: Param = Param { name: "instant", kind: "string", about: "Records of exactly this instant." };
/// How often an order waits for a large job of the schedule to be published.
const BUSY_TRIES: u32 = 20;

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = made();
    routes.extend(told());
    routes
}

fn made() -> Vec<Route> {
    vec![
        Route::get("/api/v1/schedules", "listSchedules", "Schedules by name", |call| Box::pin(list(call)))
            .query(&[LIMIT, CURSOR])
            .gives::<Page<ScheduleView>>(),
        Route::post("/api/v1/schedules", "createSchedule", "Makes a schedule", |call| {
            Box::pin(put(call, Expect::Absent))
        })
        .reads_as(BodyKind::Document, schedule_schema_in)
        .gives::<ScheduleView>()
        .created(),
        Route::put("/api/v1/schedules/{name}", "putSchedule", "Makes or changes a schedule", |call| {
            Box::pin(put(call, Expect::Any))
        })
        .reads_as(BodyKind::Document, schedule_schema_in)
        .gives::<ScheduleView>(),
        Route::get("/api/v1/schedules/{name}", "getSchedule", "One schedule", |call| Box::pin(get(call)))
            .gives::<ScheduleView>(),
        Route::delete("/api/v1/schedules/{name}", "deleteSchedule", "Deletes a schedule; its ledger stays", |call| {
            Box::pin(delete(call))
        }),
        Route::get("/api/v1/schedules/{name}/occurrences", "listOccurrences", "What became of each instant", |call| {
            Box::pin(occurrences(call))
        })
        .query(&[INSTANT, LIMIT, CURSOR])
        .gives::<Page<OccurrenceView>>(),
        Route::get("/api/v1/schedules/{name}/next", "nextOccurrences", "The next instants", |call| {
            Box::pin(schedule_next::next(call))
        })
        .query(&[COUNT])
        .gives::<Page<mainspring_protocol::view::NextView>>(),
        Route::get("/api/v1/schedules/{name}/why", "whySchedule", "Why it does what it does", |call| {
            Box::pin(why(call))
        })
        .gives::<ScheduleWhyView>(),
    ]
}

fn told() -> Vec<Route> {
    vec![
        Route::post("/api/v1/schedules/{name}/pause", "pauseSchedule", "Fires nothing until it is resumed", |call| {
            Box::pin(pause(call, true))
        })
        .gives::<ScheduleView>(),
        Route::post("/api/v1/schedules/{name}/resume", "resumeSchedule", "Ends a pause", |call| {
            Box::pin(pause(call, false))
        })
        .gives::<ScheduleView>(),
        Route::post("/api/v1/schedules/{name}/trigger", "triggerSchedule", "Submits its work now", |call| {
            Box::pin(trigger(call))
        })
        .reads::<TriggerRequest>(BodyKind::OptionalJson)
        .gives::<TriggeredView>()
        .created(),
        Route::post("/api/v1/schedules/{name}/backfill", "backfillSchedule", "Makes up for a range", |call| {
            Box::pin(backfills::backfill(call))
        })
        .reads::<BackfillRequest>(BodyKind::Json)
        .gives::<BackfillPlanView>(),
        Route::delete("/api/v1/schedules/{name}/backfill", "stopBackfill", "Ends a backfill", |call| {
            Box::pin(backfills::stop_backfill(call))
        }),
    ]
}

async fn list(call: Call) -> Answer {
    let limit = call.params.limit()?;
    let after = call.params.text("cursor").map(cursor::to_name).transpose()?;
    let filter = ScheduleFilter { tenant: call.tenant(), name: None };
    let rows = call.api.reader.schedules(filter, after, limit + 1).await.map_err(not_read)?;
    let next_cursor = (rows.len() > limit).then(|| cursor::of_name(&rows[limit - 1].id));
    ok(&Page { items: rows.iter().take(limit).map(shown).collect(), next_cursor })
}

pub(super) fn shown(row: &ScheduleRow) -> ScheduleView {
    ScheduleView::from_row(row, &described(row))
}

async fn put(mut call: Call, expect: Expect) -> Answer {
    let format = format(&call)?;
    let tenant = call.tenant();
    let bytes = call.read().await?.to_vec();
    let name = (expect == Expect::Any).then(|| call.segment("name").to_owned());
    let whose = tenant.clone().unwrap_or_else(|| mainspring_protocol::submit::DEFAULT_TENANT.into());
    let defaults = Defaults { tenant, ..Defaults::default() };
    let parsed =
        parse_with(&call.api, &whose, |find| parse_schedule(name.as_deref(), &bytes, format, &defaults, find)).await?;
    check_work(&call, &parsed).await?;
    check_future(&call, &parsed)?;
    let id = ScheduleName { tenant: parsed.tenant, name: parsed.name };
    let after = parsed.rule.after().to_vec();
    let new = parsed.work.definition().map(|runs| Following { id: id.clone(), after: after.clone(), runs });
    check_loops(&call, new.as_ref()).await?;
    let before = stored(&call, &id).await?;
    let order = ScheduleOrder::Put { expect, of_definition: false, overlap: parsed.overlap, body: parsed.body, after };
    let created = match carry_out(&call.api, call.actor(), &id, order).await? {
        Answered::Version(generation) => generation == 1,
        other => return Err(internal(&format!("a schedule was answered by {other:?}"))),
    };
    // Whoever else closes a loop at this moment has written before one of both looks again.
    if let Err(problem) = check_loops(&call, new.as_ref()).await {
        take_back(&call, &id, before).await?;
        return Err(problem);
    }
    let row = one(&call, &id.name, Some(id.tenant.clone())).await?;
    json(if created { StatusCode::CREATED } else { StatusCode::OK }, &shown(&row))
}

async fn check_loops(call: &Call, new: Option<&Following>) -> Result<(), Refused> {
    let looked = loops::look(&*call.api.reader, new.map_or(&[], std::slice::from_ref)).await.map_err(not_read)?;
    looked.problem.map_or(Ok(()), |problem| Err(Box::new(problem)))
}

async fn stored(call: &Call, id: &ScheduleName) -> Result<Option<ScheduleRow>, Refused> {
    let filter = ScheduleFilter { tenant: Some(id.tenant.clone()), name: Some(id.name.clone()) };
    Ok(call.api.reader.schedules(filter, None, 1).await.map_err(not_read)?.pop())
}

/// Makes a schedule what it was.
async fn take_back(call: &Call, id: &ScheduleName, before: Option<ScheduleRow>) -> Result<(), Refused> {
    let order = match before {
        None => ScheduleOrder::Delete { of_definition: false },
        Some(row) => {
            let after = row.state.after.map_or_else(Vec::new, |after| after.names);
            let after = after.into_iter().map(|(name, _)| name).collect();
            let (expect, of_definition) = (Expect::Any, false);
            ScheduleOrder::Put { expect, of_definition, overlap: row.overlap, body: row.body, after }
        }
    };
    carry_out(&call.api, call.actor(), id, order).await.map(|_| ())
}

/// A definition that is named must be there, and its parameters must fit.
async fn check_work(call: &Call, parsed: &ParsedSchedule) -> Result<(), Refused> {
    make(call, &parsed.work, &parsed.tenant).await.map(|_| ()).map_err(|mut problem| {
        if let Scheduled::Definition { name, .. } = &parsed.work
            && problem.code == Code::NotFound
        {
            let detail = format!("there is no job definition `{name}`");
            problem = Box::new(Problem::new(Code::InvalidValue, detail.clone()).at("/job", detail));
            problem.hint =
                Some(format!("apply it first: `mainspring apply FILE`, or PUT /api/v1/definitions/jobs/{name}"));
        }
        problem
    })
}

/// Something that is never due from now on is a mistake.
fn check_future(call: &Call, parsed: &ParsedSchedule) -> Result<(), Refused> {
    if !parsed.rule.after().is_empty() {
        return Ok(());
    }
    let next = parsed.rule.next_after(call.api.now(), 0);
    if next != mainspring_core::schedule::Next::Never {
        return Ok(());
    }
    let detail = "it is never due from now on";
    let problem = Problem::new(Code::InvalidValue, detail).at("", detail);
    Err(Box::new(problem.with_hint("look at `at`, `end` and `exclude`; use `…/backfill` for the past")))
}

async fn make(call: &Call, work: &Scheduled, tenant: &Name) -> Result<Work, Refused> {
    parse_with(&call.api, tenant, |find| work.make(tenant, find)).await
}

/// Carries an order out, waiting a little while a large job of the schedule is being published.
pub(super) async fn carry_out(
    api: &Api,
    actor: Name,
    id: &ScheduleName,
    order: ScheduleOrder,
) -> Result<Answered, Refused> {
    for _ in 0..BUSY_TRIES {
        match api.node.order(actor.clone(), Order::Schedule(id.clone(), order.clone())).await {
            Err(CallError::Refused(Refusal::Busy)) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            answer => return answer.map_err(not_called),
        }
    }
    Err(not_called(CallError::Refused(Refusal::Busy)))
}

/// The schedule that the path names.
pub(super) async fn named(call: &Call) -> Result<ScheduleRow, Refused> {
    one(call, call.segment("name"), call.tenant()).await
}

async fn one(call: &Call, name: &str, tenant: Option<Name>) -> Result<ScheduleRow, Refused> {
    let missing = || refuse(Code::NotFound, format!("there is no schedule `{}`", cut(name)));
    if name.len() > mainspring_core::limits::ID_CHARS_MAX {
        return Err(missing());
    }
    let filter = ScheduleFilter { tenant, name: Some(name.into()) };
    let mut rows = call.api.reader.schedules(filter, None, 11).await.map_err(not_read)?;
    match rows.len() {
        0 => Err(missing()),
        1 => Ok(rows.remove(0)),
        count => {
            let owners: Vec<_> = rows.iter().take(10).map(|row| format!("`?userId={}`", row.id.tenant)).collect();
            let problem = Problem::new(Code::AmbiguousId, format!("`{}` exists for {count} users", cut(name)));
            Err(Box::new(problem.with_hint(format!("add {}", owners.join(" or ")))))
        }
    }
}

async fn get(call: Call) -> Answer {
    ok(&shown(&named(&call).await?))
}

async fn delete(call: Call) -> Answer {
    let row = named(&call).await?;
    carry_out(&call.api, call.actor(), &row.id, ScheduleOrder::Delete { of_definition: false }).await?;
    Ok(nothing())
}

async fn occurrences(call: Call) -> Answer {
    let limit = call.params.limit()?;
    let after = call.params.text("cursor").map(cursor::to_key).transpose()?;
    let instant = call.params.text("instant").map(mainspring_protocol::time::parse).transpose();
    let instant = instant.map_err(|error| super::params::bad("instant", error.to_string(), None))?;
    let id = match named(&call).await {
        Ok(row) => row.id,
        // The ledger outlives its schedule.
        Err(problem) if problem.code == Code::NotFound => {
            let tenant = call.tenant().unwrap_or_else(|| mainspring_protocol::submit::DEFAULT_TENANT.into());
            let id = ScheduleName { tenant, name: call.segment("name").into() };
            let filter = OccurrenceFilter { schedule: id.clone(), instant: None };
            let known = call.api.reader.occurrences(filter, None, 1).await.map_err(not_read)?;
            if known.items.is_empty() {
                return Err(problem);
            }
            id
        }
        Err(problem) => return Err(problem),
    };
    let filter = OccurrenceFilter { schedule: id, instant };
    let page = call.api.reader.occurrences(filter, after, limit).await.map_err(not_read)?;
    let items = page.items.iter().map(OccurrenceView::from_row).collect();
    ok(&Page { items, next_cursor: page.next.map(cursor::of_key) })
}

async fn pause(mut call: Call, paused: bool) -> Answer {
    call.json::<Nothing>().await?;
    let row = named(&call).await?;
    carry_out(&call.api, call.actor(), &row.id, ScheduleOrder::Pause(paused)).await?;
    ok(&shown(&named(&call).await?))
}

async fn trigger(mut call: Call) -> Answer {
    let request: TriggerRequest = call.json().await?;
    let row = named(&call).await?;
    let stored = read_stored_schedule(&row.body, &row.id.tenant).map_err(|problem| internal(&problem))?;
    let work = match (stored.work, request.params) {
        (work, None) => work,
        (Scheduled::Definition { name, params }, Some(more)) => {
            let own = params.and_then(|params| serde_json::from_str(&params).ok());
            let mut all: serde_json::Map<String, serde_json::Value> = own.unwrap_or_default();
            all.extend(more);
            Scheduled::Definition { name, params: Some(serde_json::Value::Object(all).to_string()) }
        }
        (_, Some(_)) => {
            let detail = "`params` go with a schedule that names a definition";
            return Err(Box::new(Problem::new(Code::ConflictingFields, detail).at("/params", detail)));
        }
    };
    let instant = call.api.now();
    let work = make(&call, &work, &row.id.tenant).await?;
    let work = with_schedule(work, &row.id.name, instant, row.state.last_instant, true);
    let order = ScheduleOrder::Trigger(Box::new(Fire { instant, work }));
    match carry_out(&call.api, call.actor(), &row.id, order).await? {
        Answered::Fired(target) => json(StatusCode::CREATED, &TriggeredView::from_target(target)),
        other => Err(internal(&format!("a trigger was answered by {other:?}"))),
    }
}

async fn why(call: Call) -> Answer {
    let row = named(&call).await?;
    let filter = OccurrenceFilter { schedule: row.id.clone(), instant: None };
    let newest = call.api.reader.occurrences(filter, None, 1).await.map_err(not_read)?;
    let next = if row.state.paused { Vec::new() } else { upcoming(&row, row.state.covered.max(call.api.now()), 5) };
    let last = newest.items.first().map(OccurrenceView::from_row);
    ok(&ScheduleWhyView { reason: schedule_next::reason(&row), next, last })
}
