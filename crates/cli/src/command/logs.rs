//! `mainspring logs`: what a task printed, or all tasks of a job side by side.

use std::io::Write as _;

use anyhow::Context as _;
use mainspring_client::{Client, ListQuery, TaskRef};
use mainspring_protocol::exchange::StreamName;
use mainspring_protocol::view::LogView;
use tokio::task::JoinSet;

use crate::args::Logs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::say;
use crate::remote;

/// Tasks of a job that are followed at once.
const FOLLOWED_MAX: usize = 100;

pub(crate) async fn run(args: &Logs) -> Outcome {
    let client = remote::client(&args.remote)?;
    let missing = match remote::task(&client, &args.id).await {
        Ok(task) => return print(&client, &remote::reference(&task), args, "").await,
        Err(failure) if failure.exit == Exit::NotFound && !args.id.contains('/') => failure,
        Err(failure) => return Err(failure),
    };
    // Not a task of its own, so it may be a job.
    let job = match remote::job(&client, &args.id).await {
        Err(failure) if failure.exit == Exit::NotFound => {
            return Err(missing.hint("name a task of a job as JOB/TASK"));
        }
        found => found?.job_id,
    };
    of_job(&client, &job, args).await
}

/// Prints the output of every task of a job, each line behind the task's name.
async fn of_job(client: &Client, job: &str, args: &Logs) -> Outcome {
    let query = ListQuery { limit: Some(1_000), ..ListQuery::default() };
    let tasks: Vec<String> = client.job_tasks(job, &query).await?.items.into_iter().map(|task| task.task_id).collect();
    let width = tasks.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let prefix = |name: &str| format!("{name:width$} │ ");
    if !args.follow {
        for name in &tasks {
            print(client, &TaskRef::of_job(job, name), args, &prefix(name)).await?;
        }
        return Ok(());
    }
    if tasks.len() > FOLLOWED_MAX {
        let message = format!("the job has {} tasks, and at most {FOLLOWED_MAX} are followed at once", tasks.len());
        return Err(Failure::new(Exit::Usage, message).hint("follow one of them as JOB/TASK"));
    }
    let mut followed = JoinSet::new();
    for name in tasks {
        let (client, task, prefix, attempt) =
            (client.clone(), TaskRef::of_job(job, &name), prefix(&name), args.attempt);
        followed.spawn(async move { follow(&client, &task, attempt, &prefix).await });
    }
    while let Some(ended) = followed.join_next().await {
        ended.context("a follower broke off")??;
    }
    Ok(())
}

async fn print(client: &Client, task: &TaskRef, args: &Logs, prefix: &str) -> Outcome {
    if args.follow {
        return follow(client, task, args.attempt, prefix).await;
    }
    let (mut cursor, mut lines) = (None, Lines::new(prefix));
    loop {
        let page = client.logs(task, args.attempt, cursor).await?;
        for chunk in &page.items {
            lines.print(chunk)?;
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return lines.end();
        }
    }
}

async fn follow(client: &Client, task: &TaskRef, attempt: Option<u32>, prefix: &str) -> Outcome {
    let mut stream = client.follow_logs(task, attempt).await?;
    let mut lines = Lines::new(prefix);
    while let Some(message) = stream.next().await? {
        let chunk: LogView = serde_json::from_str(&message.data).context("cannot read a piece of the log")?;
        lines.print(&chunk)?;
    }
    lines.end()
}

/// Prints chunks as they came, or line by line behind a prefix.
struct Lines<'a> {
    prefix: &'a str,
    rest: String,
}

impl<'a> Lines<'a> {
    fn new(prefix: &'a str) -> Self {
        Self { prefix, rest: String::new() }
    }

    fn print(&mut self, chunk: &LogView) -> Outcome {
        if chunk.stream == StreamName::System {
            // Remarks of the engine are about the output, not part of it.
            say(format_args!("{}{}", self.prefix, chunk.data.trim_end()));
            return Ok(());
        }
        if self.prefix.is_empty() {
            let mut out = std::io::stdout().lock();
            out.write_all(chunk.data.as_bytes())?;
            return Ok(out.flush()?);
        }
        self.rest.push_str(&chunk.data);
        while let Some(end) = self.rest.find('\n') {
            let line: String = self.rest.drain(..=end).collect();
            write!(std::io::stdout().lock(), "{}{line}", self.prefix)?;
        }
        Ok(())
    }

    fn end(self) -> Outcome {
        if !self.rest.is_empty() {
            writeln!(std::io::stdout().lock(), "{}{}", self.prefix, self.rest)?;
        }
        Ok(())
    }
}
