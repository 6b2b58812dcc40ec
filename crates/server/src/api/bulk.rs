//! One order about everything that a query finds: counted first, then carried out, at most [`BULK_MAX`] at a time.

use futures_util::future::join_all;
use mainspring_core::event::Order;
use mainspring_core::id::Key;
use mainspring_core::job::{JobRow, RerunFrom};
use mainspring_core::row::TaskRow;
use mainspring_protocol::order::BulkRequest;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::view::BulkView;
use mainspring_store::{JobFilter, TaskFilter};

use super::address::{job_id, task_id};
use super::call::{Answer, Call, Refused};
use super::names::Names;
use super::params::{LIMIT_MAX, cut, did_you_mean};
use super::reply::{not_called, not_read, ok};
use super::selection;
use super::state::Api;
use super::{jobs, tasks};
use crate::node::CallError;

/// Most tasks or jobs that one call takes.
pub(crate) const BULK_MAX: usize = 10_000;
/// Orders that are under way at once.
const ABREAST: usize = 256;

/// Tasks that a filter finds.
pub(crate) struct Found<T> {
    pub rows: Vec<T>,
    /// Whether there are more than were taken.
    pub more: bool,
}

/// Reads what a filter finds, newest first, up to `max`.
pub(crate) async fn find_tasks(api: &Api, filter: TaskFilter, max: usize) -> Result<Found<TaskRow>, Refused> {
    let mut found = Found { rows: Vec::new(), more: false };
    let reach = selection::reach(None, &filter.terms, api.now());
    let mut after = reach.start;
    loop {
        let page = api.reader.tasks(filter.clone(), after, LIMIT_MAX).await.map_err(not_read)?;
        found.rows.extend(page.items);
        after = reach.next(page.next);
        if found.rows.len() > max || after.is_none() {
            found.more = found.rows.len() > max || after.is_some();
            found.rows.truncate(max);
            return Ok(found);
        }
    }
}

async fn find_jobs(api: &Api, filter: JobFilter, max: usize) -> Result<Found<JobRow>, Refused> {
    let mut found = Found { rows: Vec::new(), more: false };
    let reach = selection::reach(None, &filter.terms, api.now());
    let mut after = reach.start;
    loop {
        let page = api.reader.jobs(filter.clone(), after, LIMIT_MAX).await.map_err(not_read)?;
        found.rows.extend(page.items);
        after = reach.next(page.next);
        if found.rows.len() > max || after.is_none() {
            found.more = found.rows.len() > max || after.is_some();
            found.rows.truncate(max);
            return Ok(found);
        }
    }
}

/// `POST /api/v1/tasks/bulk`
pub(crate) async fn tasks(mut call: Call) -> Answer {
    let request = read(&mut call, &["cancel", "retry", "delete"]).await?;
    let filter = selection::tasks(&call.api, &request.q, call.tenant()).await?;
    let mut found = find_tasks(&call.api, filter, BULK_MAX).await?;
    found.rows.retain(|row| match request.action.as_str() {
        "cancel" => !row.state.status.is_terminal(),
        "delete" => row.state.status.is_terminal() && row.job.is_none(),
        _ => true,
    });
    let names = Names::of_jobs(&call.api, &found.rows).await?;
    let id = |row: &TaskRow| names.job_of(row).map_or_else(|| task_id(row), |job| format!("{job}/{}", task_id(row)));
    if request.dry_run {
        return ok(&view(found.rows.iter().map(id).collect(), found.more, true));
    }
    let taken = match request.action.as_str() {
        "delete" => {
            let forget = found.rows.iter().flat_map(tasks::claims).collect();
            let keys: Vec<Key> = found.rows.iter().map(|row| row.key).collect();
            let order = Order::Delete { tasks: keys, jobs: Vec::new(), forget };
            call.api.node.order(call.actor(), order).await.map_err(not_called)?;
            found.rows
        }
        action => {
            let order = |row: &TaskRow| {
                if action == "cancel" { Order::CancelTask(row.key) } else { Order::RetryTask(row.key) }
            };
            each(&call, found.rows, order).await?
        }
    };
    ok(&view(taken.iter().map(id).collect(), found.more, false))
}

/// `POST /api/v1/jobs/bulk`
pub(crate) async fn jobs(mut call: Call) -> Answer {
    let request = read(&mut call, &["cancel", "pause", "resume", "rerun", "delete"]).await?;
    let filter = selection::jobs(&call.api, &request.q, call.tenant()).await?;
    let mut found = find_jobs(&call.api, filter, BULK_MAX).await?;
    found.rows.retain(|row| match request.action.as_str() {
        "cancel" | "pause" => !row.state.status.is_terminal(),
        "resume" => row.state.paused,
        _ => row.state.status.is_terminal(),
    });
    if request.dry_run {
        return ok(&view(found.rows.iter().map(job_id).collect(), found.more, true));
    }
    let taken = if request.action == "delete" {
        let forget = found.rows.iter().flat_map(jobs::claims).collect();
        let keys = found.rows.iter().map(|row| row.key).collect();
        let order = Order::Delete { tasks: Vec::new(), jobs: keys, forget };
        call.api.node.order(call.actor(), order).await.map_err(not_called)?;
        found.rows
    } else {
        let order = |row: &JobRow| match request.action.as_str() {
            "cancel" => Order::CancelJob(row.key),
            "pause" => Order::PauseJob(row.key),
            "resume" => Order::ResumeJob(row.key),
            _ => Order::RerunJob(row.key, RerunFrom::Failed),
        };
        each(&call, found.rows, order).await?
    };
    ok(&view(taken.iter().map(job_id).collect(), found.more, false))
}

/// Reads the request and checks its action.
pub(crate) async fn read(call: &mut Call, actions: &[&str]) -> Result<BulkRequest, Refused> {
    let request: BulkRequest = call.json().await?;
    if actions.contains(&request.action.as_str()) {
        return Ok(request);
    }
    let hint = did_you_mean(&request.action, actions.iter().copied())
        .unwrap_or_else(|| format!("it is one of {}", actions.join(", ")));
    let detail = format!("`{}` is not an action", cut(&request.action));
    Err(Box::new(Problem::new(Code::InvalidValue, detail.clone()).with_hint(hint).at("/action", detail)))
}

pub(crate) fn view(items: Vec<String>, more: bool, dry_run: bool) -> BulkView {
    BulkView { count: items.len() as u64, more, items, dry_run }
}

/// Gives the orders and keeps the rows whose order was taken: those in no state for it are left out, any other trouble
/// ends the call.
async fn each<T>(call: &Call, rows: Vec<T>, order: impl Fn(&T) -> Order) -> Result<Vec<T>, Refused> {
    let mut taken = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter();
    loop {
        let some: Vec<T> = rows.by_ref().take(ABREAST).collect();
        if some.is_empty() {
            return Ok(taken);
        }
        let results = join_all(some.iter().map(|row| call.api.node.order(call.actor(), order(row)))).await;
        for (row, result) in some.into_iter().zip(results) {
            match result {
                Ok(_) => taken.push(row),
                Err(CallError::Refused(_)) => {}
                Err(error) => return Err(not_called(error)),
            }
        }
    }
}
