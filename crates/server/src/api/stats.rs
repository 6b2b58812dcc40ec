//! The state of everything in a few figures, and who ordered what.

use std::collections::BTreeMap;

use mainspring_core::event::Order;
use mainspring_protocol::view::{AuditView, CountView, Page, StatsView};

use super::call::{Answer, Call};
use super::metrics::{COUNTED_MAX, bounded_count, figures};
use super::params::LIMIT;
use super::queues;
use super::reply::{not_called, not_read, ok};
use super::route::Route;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/stats", "stats", "The state of everything in a few figures", |call| Box::pin(get(call)))
            .gives::<StatsView>(),
        Route::get("/api/v1/audit", "listAudit", "Who ordered what, newest first", |call| Box::pin(audit(call)))
            .query(&[LIMIT])
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
    let rows = call.api.reader.audit(call.params.limit()?).await.map_err(not_read)?;
    ok(&Page::whole(rows.iter().map(AuditView::from_row).collect()))
}
