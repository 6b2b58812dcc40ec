//! `mainspring jobs`.

use mainspring_client::{Client, Error, ListQuery};
use mainspring_protocol::order::{RerunFrom, RerunRequest};
use mainspring_protocol::view::{JobView, Page};

use crate::args::{Act, Jobs, Listing, One};
use crate::command::acting::{Words, by_query, told};
use crate::command::{events, graph, watching};
use crate::exit::Outcome;
use crate::output;
use crate::{remote, rows};

pub(crate) async fn run(command: Jobs, quiet: bool) -> Outcome {
    let words = |action, done| Words { action, done, noun: "job" };
    match command {
        Jobs::List(listing) => list(&listing, quiet).await,
        Jobs::Get { one, wait: None, watch: false } => {
            let client = remote::client(&one.remote)?;
            show(&remote::job(&client, &one.id).await?, &one)
        }
        Jobs::Get { one, wait, watch } => {
            let client = remote::client(&one.remote)?;
            let job = remote::job(&client, &one.id).await?;
            let job = watching::job(&client, &job.job_id, wait.flatten(), quiet || !watch).await?;
            show(&job, &one)?;
            watching::judge(&job)
        }
        Jobs::Tasks(one) => tasks(&one).await,
        Jobs::Graph { id, remote, output } => graph::run(&id, &remote, output).await,
        Jobs::Events { one, follow } => {
            let client = remote::client(&one.remote)?;
            let job = remote::job(&client, &one.id).await?;
            events::of_job(&client, &job.job_id, follow, one.output.output).await
        }
        Jobs::Cancel(act) => {
            order(act, words("cancel", "cancelled"), quiet, async |client, job| client.cancel_job(job).await).await
        }
        Jobs::Pause(act) => {
            order(act, words("pause", "paused"), quiet, async |client, job| client.pause_job(job).await).await
        }
        Jobs::Resume(act) => {
            order(act, words("resume", "resumed"), quiet, async |client, job| client.resume_job(job).await).await
        }
        Jobs::Rerun { act, from } => {
            let request = match from.as_str() {
                "failed" => RerunRequest { from: RerunFrom::Failed, task_id: None },
                "start" => RerunRequest { from: RerunFrom::Start, task_id: None },
                _ => RerunRequest { from: RerunFrom::Task, task_id: Some(from) },
            };
            order(act, words("rerun", "rerun"), quiet, async |client, job| client.rerun_job(job, &request).await).await
        }
        Jobs::Delete(act) => {
            order(act, words("delete", "deleted"), true, async |client, job| client.delete_job(job).await).await
        }
    }
}

async fn list(listing: &Listing, quiet: bool) -> Outcome {
    let client = remote::client(&listing.remote)?;
    let query = remote::list_query(listing);
    remote::watch(&client, listing.watch, async || {
        let page = client.jobs(&query).await?;
        output::list(&page.items, &page, listing.output.output)?;
        remote::more(&page.next_cursor, quiet);
        Ok(())
    })
    .await
}

fn show(job: &JobView, one: &One) -> Outcome {
    output::one(job, &job.job_id, one.output.output, || rows::job_text(job))
}

/// All tasks of a job, page by page.
async fn tasks(one: &One) -> Outcome {
    const PAGE: u32 = 1_000;
    let client = remote::client(&one.remote)?;
    let job = remote::job(&client, &one.id).await?;
    let mut all = Vec::new();
    let mut query = ListQuery { limit: Some(PAGE), ..ListQuery::default() };
    loop {
        let page = client.job_tasks(&job.job_id, &query).await?;
        all.extend(page.items);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    let page = Page::whole(all);
    output::list(&page.items, &page, one.output.output)
}

async fn order(act: Act, words: Words, quiet: bool, call: impl AsyncFn(&Client, &str) -> Result<(), Error>) -> Outcome {
    let client = remote::client(&act.remote)?;
    if let Some(query) = &act.query {
        return by_query(&act, query, words, |request| {
            let client = client.clone();
            async move { client.bulk_jobs(&request).await }
        })
        .await;
    }
    for id in &act.ids {
        let job = remote::job(&client, id).await?.job_id;
        if !act.dry_run {
            call(&client, &job).await?;
        }
        told(&act, words, &job)?;
        remote::follow_up(quiet || act.dry_run, &format!("mainspring jobs get {job} --watch"));
    }
    Ok(())
}
