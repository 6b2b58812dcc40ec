//! `mainspring tasks`.

use std::time::Duration;

use mainspring_client::{Client, Error, ListQuery, TaskRef};
use mainspring_core::task::TaskStatus;
use mainspring_protocol::order::SignalRequest;
use mainspring_protocol::view::TaskView;

use crate::args::{Act, Format, Listing, One, Reply, Tasks};
use crate::command::acting::{Words, by_query, told};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Listed as _};
use crate::{remote, rows};

pub(crate) async fn run(command: Tasks, quiet: bool) -> Outcome {
    match command {
        Tasks::List { listing, job, queue, kind } => {
            let client = remote::client(&listing.remote)?;
            let job_id = match job {
                Some(job) => Some(remote::job(&client, &job).await?.job_id),
                None => None,
            };
            let query = ListQuery { job_id, queue, kind, ..remote::list_query(&listing) };
            list(&client, &listing, &query, quiet).await
        }
        Tasks::Get { one, wait: None } => {
            let client = remote::client(&one.remote)?;
            show(&remote::task(&client, &one.id).await?, &one)
        }
        Tasks::Get { one, wait: Some(limit) } => {
            let client = remote::client(&one.remote)?;
            let task = remote::task(&client, &one.id).await?;
            let task = until_ended(&client, &remote::reference(&task), limit).await?;
            show(&task, &one)?;
            judge(&task)
        }
        Tasks::Attempts(one) => {
            let client = remote::client(&one.remote)?;
            let task = remote::task(&client, &one.id).await?;
            let page = client.attempts(&remote::reference(&task)).await?;
            output::list(&page.items, &page, one.output.output)
        }
        Tasks::Cancel(act) => {
            let words = Words { action: "cancel", done: "cancelled", noun: "task" };
            order(act, words, quiet, async |client, task| client.cancel_task(task).await).await
        }
        Tasks::Retry(act) => {
            let words = Words { action: "retry", done: "retried", noun: "task" };
            order(act, words, quiet, async |client, task| client.retry_task(task).await).await
        }
        Tasks::Delete(act) => {
            let words = Words { action: "delete", done: "deleted", noun: "task" };
            order(act, words, true, async |client, task| client.delete_task(task).await).await
        }
        Tasks::Approve(reply) => answer(reply, true, quiet).await,
        Tasks::Refuse(reply) => answer(reply, false, quiet).await,
        Tasks::Signal { reply, approved } => answer(reply, approved, quiet).await,
    }
}

/// Answers approvals.
async fn answer(reply: Reply, approved: bool, quiet: bool) -> Outcome {
    let client = remote::client(&reply.remote)?;
    let request = SignalRequest { approved, comment: reply.comment.clone() };
    for id in &reply.ids {
        let task = remote::reference(&remote::task(&client, id).await?);
        client.signal_task(&task, &request).await?;
        let id = task.to_string();
        match reply.output.output {
            Format::Name => output::line(&id)?,
            _ => output::line(&format!("task {id} {}", if approved { "approved" } else { "refused" }))?,
        }
        remote::follow_up(quiet, &format!("mainspring tasks get {id}"));
    }
    Ok(())
}

async fn list(client: &Client, listing: &Listing, query: &ListQuery, quiet: bool) -> Outcome {
    remote::watch(client, listing.watch, async || {
        let page = client.tasks(query).await?;
        output::list(&page.items, &page, listing.output.output)?;
        remote::more(&page.next_cursor, quiet);
        Ok(())
    })
    .await
}

fn show(task: &TaskView, one: &One) -> Outcome {
    output::one(task, &task.name(), one.output.output, || rows::task_text(task))
}

/// Waits for the end of a task.
pub(crate) async fn until_ended(client: &Client, task: &TaskRef, limit: Option<Duration>) -> Outcome<TaskView> {
    remote::until_ended(limit, &format!("task {task}"), async |wait| {
        let seen = client.task_when_ended(task, wait).await?;
        let ended = TaskStatus::from_word(&seen.status).is_some_and(TaskStatus::is_terminal);
        Ok(ended.then_some(seen))
    })
    .await
}

/// Exit 4 for awaited work that did not complete.
pub(crate) fn judge(task: &TaskView) -> Outcome {
    if task.status == "completed" || task.status == "skipped" {
        return Ok(());
    }
    let error = task.error.as_ref().map(|error| format!(": {}: {}", error.kind, error.message)).unwrap_or_default();
    let failure = Failure::new(Exit::WorkFailed, format!("task {} {}{error}", task.name(), task.status));
    Err(failure.hint(format!("see its output with `mainspring logs {}`", task.name())))
}

async fn order(
    act: Act,
    words: Words,
    quiet: bool,
    call: impl AsyncFn(&Client, &TaskRef) -> Result<(), Error>,
) -> Outcome {
    let client = remote::client(&act.remote)?;
    if let Some(query) = &act.query {
        return by_query(&act, query, words, |request| {
            let client = client.clone();
            async move { client.bulk_tasks(&request).await }
        })
        .await;
    }
    for id in &act.ids {
        let task = remote::reference(&remote::task(&client, id).await?);
        if !act.dry_run {
            call(&client, &task).await?;
        }
        let id = task.to_string();
        told(&act, words, &id)?;
        remote::follow_up(quiet || act.dry_run, &format!("mainspring tasks get {id}"));
    }
    Ok(())
}
