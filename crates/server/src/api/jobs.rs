//! Jobs: submission, lists, one, and orders about one.

use axum::http::StatusCode;
use mainspring_core::effect::Answer as Answered;
use mainspring_core::event::Order;
use mainspring_core::id::{Bucket, Key};
use mainspring_core::job::{JobRow, RerunFrom};
use mainspring_core::row::{ClaimKind, ClaimName};
use mainspring_protocol::order::{self, BulkRequest, RerunRequest};
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::schema::job_schema_in;
use mainspring_protocol::submit::ParsedJob;
use mainspring_protocol::view::{BulkView, JobView, Page, ParentView, SubmittedJobView};

use super::address::{self, job_id, task_id};
use super::bulk;
use super::call::{Answer, Call, Refused, refuse};
use super::cursor;
use super::definitions;
use super::params::{CURSOR, LIMIT, SORT, WAIT};
use super::reply::{json, not_called, not_read, nothing, ok};
use super::route::{BodyKind, Route};
use super::selection::{self, JOB_FILTERS};
use super::state::Api;
use super::submit::defaults;
use super::tasks::Nothing;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/v1/jobs", "submitJob", "Submits a job", |call| Box::pin(submit(call)))
            .reads_as(BodyKind::Document, job_schema_in)
            .gives::<SubmittedJobView>()
            .created(),
        Route::get("/api/v1/jobs", "listJobs", "Lists jobs, newest first", |call| Box::pin(list(call)))
            .query(&JOB_FILTERS)
            .query(&[SORT, LIMIT, CURSOR])
            .gives::<Page<JobView>>(),
        Route::post("/api/v1/jobs/bulk", "bulkJobs", "Orders something about all jobs that a query finds", |call| {
            Box::pin(bulk::jobs(call))
        })
        .reads::<BulkRequest>(BodyKind::Json)
        .gives::<BulkView>(),
        Route::get("/api/v1/jobs/{jobId}", "getJob", "One job", |call| Box::pin(get(call)))
            .query(&[WAIT])
            .gives::<JobView>(),
        Route::delete("/api/v1/jobs/{jobId}", "deleteJob", "Deletes an ended job", |call| Box::pin(delete(call))),
        Route::post("/api/v1/jobs/{jobId}/cancel", "cancelJob", "Calls a job off", |call| {
            Box::pin(order(call, Order::CancelJob))
        })
        .gives::<JobView>(),
        Route::post("/api/v1/jobs/{jobId}/pause", "pauseJob", "Starts no more of its tasks", |call| {
            Box::pin(order(call, Order::PauseJob))
        })
        .gives::<JobView>(),
        Route::post("/api/v1/jobs/{jobId}/resume", "resumeJob", "Ends a pause", |call| {
            Box::pin(order(call, Order::ResumeJob))
        })
        .gives::<JobView>(),
        Route::post("/api/v1/jobs/{jobId}/rerun", "rerunJob", "Runs an ended job again, whole or in part", |call| {
            Box::pin(rerun(call))
        })
        .reads::<RerunRequest>(BodyKind::OptionalJson)
        .gives::<JobView>(),
    ]
}

async fn submit(mut call: Call) -> Answer {
    let format = definitions::format(&call)?;
    let defaults = defaults(&call)?;
    let bytes = call.read().await?;
    let job = definitions::parse_job(&call, bytes.to_vec().into(), format, defaults).await?;
    accept(&call, job).await
}

/// Hands a valid job to the node.
pub(crate) async fn accept(call: &Call, job: ParsedJob) -> Answer {
    let given_id = job.given_id.clone();
    let submitted = call.api.node.submit_job(job.into_submit(0, Bucket::CONTROL)).await;
    let (key, status, repeated) = submitted.map_err(not_called)?;
    json(StatusCode::CREATED, &SubmittedJobView::new(key, given_id.as_deref(), status, repeated))
}

async fn list(call: Call) -> Answer {
    call.params.newest_first()?;
    let limit = call.params.limit()?;
    let after = call.params.text("cursor").map(cursor::to_key).transpose()?;
    let filter = call.job_filter().await?;
    let reach = selection::reach(after, &filter.terms, call.api.now());
    let page = call.api.reader.jobs(filter, reach.start, limit).await.map_err(not_read)?;
    let items = page.items.iter().map(|row| JobView::from_row(row).for_list()).collect();
    ok(&Page { items, next_cursor: reach.next(page.next).map(cursor::of_key) })
}

async fn get(call: Call) -> Answer {
    let key = call.job().await?.key;
    let row = call.wait_for(|| again(&call.api, key), |row| row.state.status.is_terminal()).await?;
    ok(&JobView { parent: parent(&call.api, &row).await?, ..JobView::from_row(&row) })
}

/// The task that a job carries out.
async fn parent(api: &Api, row: &JobRow) -> Result<Option<ParentView>, Refused> {
    let Some(key) = row.parent else { return Ok(None) };
    let Some(group) = api.reader.tasks_by_key(vec![key]).await.map_err(not_read)?.pop() else { return Ok(None) };
    let around = api.reader.jobs_by_key(group.job.into_iter().collect()).await.map_err(not_read)?.pop();
    Ok(around.map(|around| ParentView { job_id: job_id(&around), task_id: task_id(&group) }))
}

/// Reads a job again that was found before.
pub(crate) async fn again(api: &Api, key: Key) -> Result<JobRow, Refused> {
    let rows = api.reader.jobs_by_key(vec![key]).await.map_err(not_read)?;
    rows.into_iter().next().ok_or_else(|| refuse(Code::NotFound, "the job was deleted meanwhile"))
}

async fn order(mut call: Call, order: fn(Key) -> Order) -> Answer {
    call.json::<Nothing>().await?;
    let key = call.job().await?.key;
    carry_out(&call, key, order(key)).await
}

async fn carry_out(call: &Call, key: Key, order: Order) -> Answer {
    call.api.node.order(call.actor(), order).await.map_err(not_called)?;
    ok(&JobView::from_row(&again(&call.api, key).await?))
}

async fn rerun(mut call: Call) -> Answer {
    let request: RerunRequest = call.json().await?;
    let job = call.job().await?;
    let from = match (request.from, &request.task_id) {
        (order::RerunFrom::Failed, None) => RerunFrom::Failed,
        (order::RerunFrom::Start, None) => RerunFrom::Start,
        (order::RerunFrom::Task, Some(task)) => {
            let found = address::task(&call.api, &format!("{}/{task}", job_id(&job)), Some(&job.tenant)).await?;
            if found.row.job != Some(job.key) {
                let problem = Problem::new(Code::InvalidValue, format!("`{task}` is an instance of a `forEach`"));
                let hint = "name the task itself: all its instances run again";
                return Err(Box::new(problem.at("/taskId", "an instance").with_hint(hint)));
            }
            RerunFrom::Task(job.key.index_of(found.row.key))
        }
        (order::RerunFrom::Task, None) => {
            let problem = Problem::new(Code::MissingField, "`from: task` needs the `taskId` to run again");
            return Err(Box::new(problem.at("/taskId", "missing")));
        }
        (order::RerunFrom::Failed | order::RerunFrom::Start, Some(_)) => {
            let problem = Problem::new(Code::ConflictingFields, "`taskId` only goes with `from: task`");
            return Err(Box::new(problem.at("/taskId", "not with this `from`")));
        }
    };
    carry_out(&call, job.key, Order::RerunJob(job.key, from)).await
}

async fn delete(call: Call) -> Answer {
    let job = call.job().await?;
    if !job.state.status.is_terminal() {
        let detail = format!("`{}` is {}; only what has ended can be deleted", job_id(&job), job.state.status.word());
        return Err(Box::new(Problem::new(Code::WrongState, detail).with_hint("cancel it first")));
    }
    let order = Order::Delete { tasks: Vec::new(), jobs: vec![job.key], forget: claims(&job) };
    match call.api.node.order(call.actor(), order).await.map_err(not_called)? {
        Answered::Took(keys) if keys.is_empty() => Err(refuse(Code::WrongState, "the job runs again by now")),
        _ => Ok(nothing()),
    }
}

/// The claims that lead to a job.
pub(crate) fn claims(job: &JobRow) -> Vec<ClaimName> {
    let claim = |id| ClaimName { kind: ClaimKind::JobId, tenant: job.tenant.clone(), text: id };
    job.given_id.clone().map(claim).into_iter().collect()
}
