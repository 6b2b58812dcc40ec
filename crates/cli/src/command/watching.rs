//! Follows a job of a server to its end.

use std::time::Duration;

use mainspring_client::{Client, Error, TaskRef};
use mainspring_core::job::JobStatus;
use mainspring_core::task::TaskStatus;
use mainspring_protocol::view::JobView;

use crate::command::graph;
use crate::embedded::failure;
use crate::exit::{Exit, Failure, Outcome};
use crate::progress::{Line, Picture, Progress};
use crate::remote;

/// How often a shown job is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(400);
/// Tasks above which only the counts are shown.
const TASKS_MAX: u32 = 2_000;
/// Failed tasks whose output is shown.
const FAILURES_MAX: usize = 5;

/// Shows a job until it has ended.
pub(crate) async fn job(client: &Client, id: &str, limit: Option<Duration>, quiet: bool) -> Outcome<JobView> {
    let mut progress = Progress::new(quiet);
    let job = remote::until_ended(limit, &format!("job {id}"), async |wait| {
        let wait = if quiet { wait } else { wait.min(LOOK_AGAIN) };
        let job = client.job_when_ended(id, wait).await?;
        let ended = JobStatus::from_word(&job.status).is_some_and(JobStatus::is_terminal);
        if !quiet && !ended {
            progress.show(&picture(client, &job).await?);
        }
        Ok(ended.then_some(job))
    })
    .await?;
    if !quiet {
        let picture = picture(client, &job).await?;
        progress.end(&picture);
        eprint!("{}", failures(client, &picture).await?);
    }
    Ok(job)
}

/// Exit 4 for an awaited job that did not complete.
pub(crate) fn judge(job: &JobView) -> Outcome {
    if job.status == JobStatus::Completed.word() {
        return Ok(());
    }
    let failure = Failure::new(Exit::WorkFailed, format!("job {} {}", job.job_id, job.status));
    Err(failure.hint(format!("run what failed again with `mainspring jobs rerun {}`", job.job_id)))
}

async fn picture(client: &Client, job: &JobView) -> Result<Picture, Error> {
    let graph = if job.tasks.total > TASKS_MAX { None } else { Some(client.graph(&job.job_id).await?) };
    let line = |node: &mainspring_protocol::view::GraphNode| Line {
        name: node.task_id.clone(),
        depth: node.wave as usize,
        status: graph::status(node),
        attempt: node.attempt,
        started_at: node.start_time.map(Into::into),
        ended_at: node.end_time.map(Into::into),
        run_at: None,
        error: None,
    };
    let counts = &job.tasks;
    Ok(Picture {
        title: job.job_name.clone().unwrap_or_else(|| job.job_id.clone()),
        id: job.job_id.clone(),
        status: JobStatus::from_word(&job.status).unwrap_or(JobStatus::Running),
        since: job.created_at.into(),
        ended_at: job.end_time.map(Into::into),
        total: counts.total as usize,
        ended: (counts.completed + counts.failed + counts.cancelled + counts.skipped) as usize,
        tasks: graph.iter().flat_map(|graph| &graph.nodes).map(line).collect(),
    })
}

async fn failures(client: &Client, picture: &Picture) -> Result<String, Error> {
    let mut text = String::new();
    for line in picture.tasks.iter().filter(|line| line.status == TaskStatus::Failed).take(FAILURES_MAX) {
        let task = TaskRef::of_job(&picture.id, &line.name);
        let Some(last) = client.attempts(&task).await?.items.pop() else { continue };
        let error = last.error.map(|error| error.message);
        text.push_str(&failure(&Line { error, ..line.clone() }, &last.logs));
    }
    Ok(text)
}
