//! Queues: what stands in them, and their pauses.

use std::collections::BTreeMap;

use mainspring_core::effect::Figures;
use mainspring_core::event::Order;
use mainspring_core::id::Name;
use mainspring_core::limits::ID_CHARS_MAX;
use mainspring_core::permit::{LimitScope, LimitsPatch};
use mainspring_core::task::TaskStatus;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::rate::WireRate;
use mainspring_protocol::settings::QueueSettings;
use mainspring_protocol::view::{CountView, Page, QueueView};

use super::call::{Answer, Call, Refused};
use super::metrics::{COUNTED_MAX, bounded_count, figures, is_of_shard};
use super::params::cut;
use super::reply::{not_called, not_read, ok};
use super::route::{BodyKind, Route};
use super::tasks::Nothing;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/queues", "listQueues", "Every queue that has tasks or a pause", |call| {
            Box::pin(list(call))
        })
        .gives::<Page<QueueView>>(),
        Route::patch("/api/v1/queues/{queue}", "patchQueue", "Changes a queue's settings", |call| {
            Box::pin(patch(call))
        })
        .reads::<QueueSettings>(BodyKind::Json)
        .gives::<QueueView>(),
        Route::post(
            "/api/v1/queues/{queue}/pause",
            "pauseQueue",
            "Grants nothing from a queue, which may have no task yet",
            |call| Box::pin(pause(call, true)),
        )
        .gives::<QueueView>(),
        Route::post("/api/v1/queues/{queue}/resume", "resumeQueue", "Ends a pause", |call| {
            Box::pin(pause(call, false))
        })
        .gives::<QueueView>(),
    ]
}

async fn list(call: Call) -> Answer {
    ok(&Page::whole(all(&call).await?))
}

/// Every queue. What is ready or running is the shard's own count, the rest a bounded count of the store.
pub(crate) async fn all(call: &Call) -> Result<Vec<QueueView>, Refused> {
    let figures = figures(&call.api).await?;
    let counts = call.api.reader.task_counts(call.tenant(), COUNTED_MAX).await.map_err(not_read)?;
    // The shard does not count per tenant; for one tenant everything comes from the store.
    let from_shard = call.tenant().is_none();
    Ok(join(&figures, &counts, from_shard))
}

fn join(figures: &Figures, counts: &[(Name, TaskStatus, u64)], from_shard: bool) -> Vec<QueueView> {
    let mut views = BTreeMap::new();
    let view = |views: &mut BTreeMap<Name, QueueView>, name: &Name, change: &dyn Fn(&mut QueueView)| {
        change(
            views.entry(name.clone()).or_insert_with(|| QueueView { name: name.to_string(), ..QueueView::default() }),
        );
    };
    for (name, status, count) in counts.iter().filter(|(_, status, _)| !is_of_shard(*status) || !from_shard) {
        let count = bounded_count(*count);
        view(&mut views, name, &|queue| {
            queue.tasks.insert(status.word().to_owned(), count);
        });
    }
    for (name, status, count) in
        figures.tasks.iter().filter(|(_, status, count)| is_of_shard(*status) && from_shard && *count > 0)
    {
        view(&mut views, name, &|queue| {
            queue.tasks.insert(status.word().to_owned(), CountView { count: *count, more: false });
        });
    }
    for (name, ms) in &figures.ready_age_ms {
        view(&mut views, name, &|queue| queue.oldest_ready_seconds = Some(*ms as f64 / 1_000.0));
    }
    for name in &figures.paused_queues {
        view(&mut views, name, &|queue| queue.paused = true);
    }
    for row in figures.limits.iter().filter(|row| row.scope == LimitScope::Queue) {
        view(&mut views, &row.name, &|queue| {
            queue.concurrency = row.limits.concurrency;
            queue.rate = row.limits.rate.map(WireRate);
        });
    }
    views.into_values().collect()
}

async fn patch(mut call: Call) -> Answer {
    let settings: QueueSettings = call.json().await?;
    let queue = named(&call, "queue")?;
    let patch = settings.patch()?;
    if settings.paused.is_none() || patch != LimitsPatch::default() {
        super::limits::set(&call, LimitScope::Queue, &queue, patch).await?;
    }
    if let Some(paused) = settings.paused {
        set_paused(&call, &queue, paused).await?;
    }
    show(&call, &queue).await
}

async fn pause(mut call: Call, paused: bool) -> Answer {
    call.json::<Nothing>().await?;
    let queue = named(&call, "queue")?;
    set_paused(&call, &queue, paused).await?;
    show(&call, &queue).await
}

async fn set_paused(call: &Call, queue: &Name, paused: bool) -> Result<(), Refused> {
    let order = Order::PauseQueue { queue: queue.clone(), paused };
    call.api.node.order(call.actor(), order).await.map_err(not_called)?;
    Ok(())
}

async fn show(call: &Call, queue: &Name) -> Answer {
    let known = all(call).await?.into_iter().find(|view| view.name == **queue);
    ok(&known.unwrap_or_else(|| QueueView { name: queue.to_string(), ..QueueView::default() }))
}

/// A segment that names a queue or a worker, which need not be known yet.
pub(crate) fn named(call: &Call, segment: &str) -> Result<Name, Refused> {
    let text = call.segment(segment);
    let mut bytes = text.bytes();
    let good = text.len() <= ID_CHARS_MAX
        && bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if good {
        return Ok(text.into());
    }
    Err(Box::new(
        Problem::new(Code::InvalidPath, format!("`{}` is not the name of a {segment}", cut(text)))
            .with_hint("a name is 1 to 128 letters, digits, `.`, `_` or `-`, and starts with a letter or digit"),
    ))
}
