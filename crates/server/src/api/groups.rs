//! Tasks that another job carries out: the instances of a `forEach`, and sub-jobs.

use std::collections::HashMap;

use mainspring_core::id::Key;
use mainspring_core::job::JobRow;
use mainspring_core::row::TaskRow;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::view::{Page, TaskView};

use super::address::{FoundTask, job_id, task_id};
use super::call::{Answer, Call, Refused};
use super::job_details;
use super::params::{CURSOR, LIMIT, STATUS};
use super::reply::{not_read, ok};
use super::route::Route;
use super::state::Api;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/v1/jobs/{jobId}/tasks/{taskId}/instances",
            "listInstances",
            "The instances of a task with a `forEach`, in order",
            |call| Box::pin(instances(call)),
        )
        .query(&[STATUS, LIMIT, CURSOR])
        .gives::<Page<TaskView>>(),
    ]
}

/// Shows tasks with what is known of the jobs that carry them out; `job_of` is the id of a task's own job.
pub(crate) async fn views<'a>(
    api: &Api,
    rows: &[TaskRow],
    job_of: impl Fn(&TaskRow) -> Option<&'a str>,
) -> Result<Vec<TaskView>, Refused> {
    let children = children(api, rows).await?;
    let view = |row: &TaskRow| {
        let view = TaskView::from_row(row, job_of(row));
        match row.state.child.and_then(|child| children.get(&child)) {
            Some(child) => view.with_child(child),
            None => view,
        }
    };
    Ok(rows.iter().map(view).collect())
}

/// Shows one task likewise.
pub(crate) async fn view(api: &Api, found: &FoundTask) -> Result<TaskView, Refused> {
    let job = found.job.as_ref().map(job_id);
    let mut views = views(api, std::slice::from_ref(&found.row), |_| job.as_deref()).await?;
    Ok(views.remove(0))
}

async fn children(api: &Api, rows: &[TaskRow]) -> Result<HashMap<Key, JobRow>, Refused> {
    let keys: Vec<Key> = rows.iter().filter_map(|row| row.state.child).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = api.reader.jobs_by_key(keys).await.map_err(not_read)?;
    Ok(rows.into_iter().map(|row| (row.key, row)).collect())
}

async fn instances(call: Call) -> Answer {
    let found = call.task().await?;
    let child = children(&call.api, std::slice::from_ref(&found.row)).await?.into_values().next();
    let Some(child) = child.filter(JobRow::is_instances) else {
        // Before its turn, or over an empty list, it has none.
        if found.row.state.child.is_none() {
            return ok(&Page::<TaskView>::whole(Vec::new()));
        }
        let problem = Problem::new(Code::WrongState, format!("`{}` has no instances", task_id(&found.row)));
        return Err(Box::new(problem.with_hint("a sub-job carries it out: see its `childJobId`")));
    };
    let around = found.job.as_ref().map(job_id);
    job_details::task_page(&call, &child, around.as_deref()).await
}
