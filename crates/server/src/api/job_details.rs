//! What belongs to one job: its tasks, its graph, the attempts of all its tasks.

use mainspring_core::job::{GraphChunk, JobRow};
use mainspring_core::row::TaskRow;
use mainspring_protocol::view::{AttemptView, GraphView, Page, TaskView};

use super::address::{job_id, task_id};
use super::call::{Answer, Call, Refused};
use super::cursor;
use super::groups;
use super::params::{CURSOR, LIMIT, LIMIT_MAX, STATUS, bad};
use super::reply::{not_read, ok};
use super::route::Route;
use super::state::Api;

/// Nodes above which a graph is not shown as one answer.
const GRAPH_NODES_MAX: u32 = 100_000;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/jobs/{jobId}/tasks", "listTasksOfJob", "The tasks of a job, parents first", |call| {
            Box::pin(tasks(call))
        })
        .query(&[STATUS, LIMIT, CURSOR])
        .gives::<Page<TaskView>>(),
        Route::get("/api/v1/jobs/{jobId}/attempts", "listAttemptsOfJob", "All attempts of a job's tasks", |call| {
            Box::pin(attempts(call))
        })
        .query(&[LIMIT, CURSOR])
        .gives::<Page<AttemptView>>(),
        Route::get(
            "/api/v1/jobs/{jobId}/graph",
            "getGraph",
            "The graph of a job, with the state of its tasks",
            |call| Box::pin(graph(call)),
        )
        .gives::<GraphView>(),
    ]
}

/// A page of a job's tasks by index: the rows, and where the next page starts.
async fn page(call: &Call, job: &JobRow) -> Result<(Vec<TaskRow>, Option<String>), Refused> {
    let limit = call.params.limit()?;
    let from = call.params.text("cursor").map(cursor::to_index).transpose()?.unwrap_or(0);
    let from = u32::try_from(from).unwrap_or(u32::MAX);
    let rows = call.api.reader.job_tasks(job.key, from, limit).await.map_err(not_read)?;
    let next = from.saturating_add(rows.len() as u32);
    let more = next < job.tasks && !rows.is_empty();
    Ok((rows, more.then(|| cursor::of_index(u64::from(next)))))
}

async fn tasks(call: Call) -> Answer {
    let job = call.job().await?;
    let id = job_id(&job);
    task_page(&call, &job, Some(&id)).await
}

/// A page of a job's tasks, shown as tasks of the job with this id.
pub(crate) async fn task_page(call: &Call, job: &JobRow, id: Option<&str>) -> Answer {
    let wanted: Vec<&str> = call.params.words("status").collect();
    if let Some(word) = wanted.iter().find(|word| mainspring_core::task::TaskStatus::from_word(word).is_none()) {
        return Err(bad("status", format!("`{}` is not a status", super::params::cut(word)), None));
    }
    let (mut rows, next_cursor) = page(call, job).await?;
    rows.retain(|row| wanted.is_empty() || wanted.contains(&row.state.status.word()));
    let views = groups::views(&call.api, &rows, |_| id).await?;
    ok(&Page { items: views.into_iter().map(TaskView::for_list).collect(), next_cursor })
}

async fn attempts(call: Call) -> Answer {
    let job = call.job().await?;
    let id = job_id(&job);
    let (rows, next_cursor) = page(&call, &job).await?;
    let mut items = Vec::new();
    for row in &rows {
        let name = task_id(row);
        // The last attempt stands in the row; only earlier ones cost a read.
        let all = match (&row.state.last, row.state.attempt) {
            (None, _) => continue,
            (Some(only), 1) => vec![only.clone()],
            _ => call.api.reader.attempts(row.key).await.map_err(not_read)?,
        };
        items.extend(all.iter().map(|attempt| AttemptView::from_attempt(attempt, &name, Some(&id), String::new())));
    }
    ok(&Page { items, next_cursor })
}

async fn graph(call: Call) -> Answer {
    let job = call.job().await?;
    let (chunks, rows) = parts(&call, &job).await?;
    ok(&GraphView::from_chunks(&job_id(&job), &chunks, &rows))
}

/// What a graph is made of: its stored chunks, and the tasks as they are now.
pub(crate) async fn parts(call: &Call, job: &JobRow) -> Result<(Vec<GraphChunk>, Vec<TaskRow>), Refused> {
    let chunks = call.api.reader.chunks(job.key).await.map_err(not_read)?;
    Ok((chunks, all_tasks(&call.api, job).await?))
}

async fn all_tasks(api: &Api, job: &JobRow) -> Result<Vec<TaskRow>, Refused> {
    let mut rows: Vec<TaskRow> = Vec::with_capacity(job.tasks as usize);
    while (rows.len() as u32) < job.tasks.min(GRAPH_NODES_MAX) {
        let more = api.reader.job_tasks(job.key, rows.len() as u32, LIMIT_MAX).await.map_err(not_read)?;
        if more.is_empty() {
            break;
        }
        rows.extend(more);
    }
    Ok(rows)
}
