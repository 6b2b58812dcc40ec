//! The state of everything in a few figures, and who ordered what.

use std::collections::{BTreeMap, HashMap};

use mainspring_core::event::Order;
use mainspring_core::id::{IdKind, Key};
use mainspring_core::job::JobRow;
use mainspring_core::row::{AuditRow, TaskRow};
use mainspring_protocol::view::{AuditView, CountView, Page, StatsView};

use super::address::{job_id, task_id};
use super::call::{Answer, Call, Refused};
use super::cursor;
use super::metrics::{COUNTED_MAX, bounded_count, figures};
use super::names::Names;
use super::params::{CURSOR, LIMIT};
use super::queues;
use super::reply::{not_called, not_read, ok};
use super::route::Route;
use super::state::Api;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/stats", "stats", "The state of everything in a few figures", |call| Box::pin(get(call)))
            .gives::<StatsView>(),
        Route::get("/api/v1/audit", "listAudit", "Who ordered what, newest first", |call| Box::pin(audit(call)))
            .query(&[LIMIT, CURSOR])
            .gives::<Page<AuditView>>(),
    ]
}

async fn get(call: Call) -> Answer {
    let api = &call.api;
    let figures = figures(api).await?;
    let queues = queues::all(&call).await?;
    let mut tasks: BTreeMap<String, CountView> = BTreeMap::new();
    for (status, count) in queues.iter().flat_map(|queue| &queue.tasks) {
        let total = tasks.entry(status.clone()).or_default();
        total.count += count.count;
        total.more |= count.more;
    }
    let counts = api.reader.job_counts(call.tenant(), COUNTED_MAX).await.map_err(not_read)?;
    let jobs = counts.into_iter().map(|(status, count)| (status.word().to_owned(), bounded_count(count))).collect();
    let mut attempts: BTreeMap<String, u64> = BTreeMap::new();
    for (_, _, outcome, count) in &figures.attempts {
        *attempts.entry(outcome.word().to_owned()).or_default() += count;
    }
    let workers = match api.node.order(call.actor(), Order::Sessions).await.map_err(not_called)? {
        mainspring_core::effect::Answer::Sessions(sessions) => sessions.len() as u64,
        _ => 0,
    };
    let store = format!("{} {} {}", api.store.name, api.store.durability.class(), api.store.detail);
    ok(&StatsView {
        tasks,
        jobs,
        queues,
        workers,
        running: figures.leases,
        attempts,
        store: store.trim_end().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: api.now().since(api.started_at) as f64 / 1_000.0,
    })
}

async fn audit(call: Call) -> Answer {
    let limit = call.params.limit()?;
    let (until, told) = call.params.text("cursor").map(cursor::to_instant).transpose()?.unzip();
    let told = told.unwrap_or(0);
    let mut rows = call.api.reader.audit(until, told + limit + 1).await.map_err(not_read)?;
    let next = next_of(&rows, told + limit);
    rows.truncate(told + limit);
    let rows = rows.get(told..).unwrap_or_default();
    let targets = targets(&call.api, rows).await?;
    let view = |row: &AuditRow| {
        let view = AuditView::from_row(row);
        let target = targets.get(&view.target).cloned().unwrap_or_else(|| view.target.clone());
        AuditView { target, ..view }
    };
    ok(&Page { items: rows.iter().map(view).collect(), next_cursor: next })
}

/// The cursor behind so many records, if there are more: their last instant, and how many of it were told.
fn next_of(rows: &[AuditRow], told: usize) -> Option<String> {
    let last = rows.get(..told).filter(|_| rows.len() > told)?.last()?;
    let of_it = rows[..told].iter().rev().take_while(|row| row.at == last.at).count();
    Some(cursor::of_instant(last.at, of_it))
}

/// The ids that people use for the tasks and jobs of these records, by the text of their keys. What was deleted since has
/// none.
async fn targets(api: &Api, rows: &[AuditRow]) -> Result<HashMap<String, String>, Refused> {
    let about_work =
        |row: &&AuditRow| ["task.", "job.", "dead_letter."].iter().any(|kind| row.action.starts_with(kind));
    let keys: Vec<(IdKind, Key)> = rows.iter().filter(about_work).filter_map(|row| Key::parse(&row.target)).collect();
    let of_kind = |wanted| keys.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, key)| *key);
    let tasks = api.reader.tasks_by_key(of_kind(IdKind::Task).collect()).await.map_err(not_read)?;
    let jobs = api.reader.jobs_by_key(of_kind(IdKind::Job).collect()).await.map_err(not_read)?;
    let names = Names::of_jobs(api, &tasks).await?;
    let of_task = |row: &TaskRow| {
        let id = names.job_of(row).map_or_else(|| task_id(row), |job| format!("{job}/{}", task_id(row)));
        (row.key.id(IdKind::Task), id)
    };
    let of_job = |row: &JobRow| (row.key.id(IdKind::Job), job_id(row));
    Ok(tasks.iter().map(of_task).chain(jobs.iter().map(of_job)).collect())
}
