//! Workers: who is connected, what they are told, and the exchange they live by.

use axum::http::StatusCode;
use mainspring_core::effect::Answer as Answered;
use mainspring_core::event::Order;
use mainspring_core::id::{IdKind, Name};
use mainspring_core::row::Directive;
use mainspring_protocol::decode;
use mainspring_protocol::exchange::{ExchangeReply, ExchangeRequest};
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::view::{Page, RunningView, WorkerView};

use super::call::{Answer, Call, Refused};
use super::names::Names;
use super::queues::named;
use super::reply::{internal, json_bytes, not_called, not_read, ok};
use super::route::{BodyKind, Route};
use super::tasks::Nothing;

/// Entries of the audit trail in which a worker is looked for.
const AUDIT_MAX: usize = 1_000;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/workers", "listWorkers", "Every connected worker session", |call| Box::pin(list(call)))
            .gives::<Page<WorkerView>>(),
        Route::post("/api/v1/workers/exchange", "exchange", "One turn of a worker", |call| Box::pin(exchange(call)))
            .reads::<ExchangeRequest>(BodyKind::Exchange)
            .gives::<ExchangeReply>(),
        Route::post("/api/v1/workers/{worker}/pause", "pauseWorker", "Grants a worker nothing new", |call| {
            Box::pin(direct(call, Directive::Pause))
        })
        .gives::<WorkerView>(),
        Route::post("/api/v1/workers/{worker}/resume", "resumeWorker", "Grants to a worker again", |call| {
            Box::pin(direct(call, Directive::Run))
        })
        .gives::<WorkerView>(),
        Route::post("/api/v1/workers/{worker}/drain", "drainWorker", "Lets a worker finish, then leave", |call| {
            Box::pin(direct(call, Directive::Drain))
        })
        .gives::<WorkerView>(),
    ]
}

async fn exchange(mut call: Call) -> Answer {
    call.media_type(&["application/json"])?;
    let bytes = call.read().await?;
    let request: ExchangeRequest = decode::from_slice(&bytes)?;
    drop(bytes);
    let answer = call.unless_stopping(call.api.node.exchange(request)).await?.map_err(not_called)?;
    Ok(json_bytes(StatusCode::OK, answer.to_json()))
}

async fn list(call: Call) -> Answer {
    ok(&Page::whole(all(&call).await?))
}

async fn all(call: &Call) -> Result<Vec<WorkerView>, Refused> {
    let sessions = match call.api.node.order(call.actor(), Order::Sessions).await.map_err(not_called)? {
        Answered::Sessions(sessions) => sessions,
        other => return Err(internal(&format!("sessions were answered by {other:?}"))),
    };
    let running = sessions.iter().flat_map(|session| session.running.iter().copied()).collect();
    let rows = call.api.reader.tasks_by_key(running).await.map_err(not_read)?;
    let names = Names::of_jobs(&call.api, &rows).await?;
    let view = |key| {
        let row = rows.iter().find(|row| row.key == key);
        RunningView {
            task_id: row.map_or_else(|| key.id(IdKind::Task), super::address::task_id),
            job_id: row.and_then(|row| names.job_of(row)).map(str::to_owned),
        }
    };
    let shown = |session: &mainspring_core::effect::SessionView| {
        WorkerView::from_session(session, session.running.iter().map(|key| view(*key)).collect())
    };
    Ok(sessions.iter().map(shown).collect())
}

/// Whether a worker has called since the server started, or was told something not too long ago: what it is told holds
/// while it is away as well.
async fn is_known(call: &Call, worker: &Name) -> Result<bool, Refused> {
    if call.api.node.has_seen(worker) {
        return Ok(true);
    }
    // It may have called another node.
    if all(call).await?.iter().any(|view| view.worker_id == **worker) {
        return Ok(true);
    }
    let audit = call.api.reader.audit(None, AUDIT_MAX).await.map_err(not_read)?;
    Ok(audit.iter().any(|row| row.action.starts_with("worker.") && row.target == *worker))
}

async fn direct(mut call: Call, directive: Directive) -> Answer {
    call.json::<Nothing>().await?;
    let worker = named(&call, "worker")?;
    if directive != Directive::Run && !is_known(&call, &worker).await? {
        let detail = format!("no worker `{worker}` has called or was told anything");
        let hint = "`GET /api/v1/workers` lists those that are connected";
        return Err(Box::new(Problem::new(Code::NotFound, detail).with_hint(hint)));
    }
    let order = Order::DirectWorker { worker: worker.clone(), directive };
    call.api.node.order(call.actor(), order).await.map_err(not_called)?;
    let known = all(&call).await?.into_iter().find(|view| view.worker_id == *worker);
    let told = WorkerView { worker_id: worker.to_string(), directive: directive.into(), ..WorkerView::default() };
    ok(&known.unwrap_or(told))
}
