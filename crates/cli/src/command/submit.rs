//! `mainspring submit`: a file of jobs or tasks, or one task by its type.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use mainspring_client::{Client, TaskRef};
use mainspring_core::row::DefinitionKind;
use mainspring_protocol::problem::Code;
use mainspring_protocol::submit::{Values, sub_jobs, with_params};
use mainspring_protocol::view::{SubmittedJobView, SubmittedView};
use serde_json::{Map, Value, json};

use crate::args::{Format, Submit};
use crate::command::definition::{Source, self_contained};
use crate::command::{tasks, watching};
use crate::exit::{Exit, Failure, Outcome};
use crate::{output, remote};

/// What to submit.
enum Work {
    Task(Value),
    Job(Value),
}

pub(crate) async fn run(args: Submit, quiet: bool) -> Outcome {
    let mut works = if is_file(&args.what) { from_file(&args)? } else { vec![Work::Task(of_type(&args)?)] };
    if let Some(id) = &args.id {
        let [work] = works.as_mut_slice() else {
            return Err(Failure::new(
                Exit::Usage,
                format!("--id names one piece of work, the file holds {}", works.len()),
            ));
        };
        match work {
            Work::Task(task) => task["taskId"] = json!(id),
            Work::Job(job) => job["jobId"] = json!(id),
        }
    }
    if args.dry_run {
        let bodies: Vec<_> = works.iter().map(|(Work::Task(body) | Work::Job(body))| body).collect();
        return bodies.into_iter().try_for_each(|body| output::line(&format!("{body:#}")));
    }
    let client = remote::client(&args.remote)?;
    let several = works.len() > 1;
    for (index, work) in works.into_iter().enumerate() {
        let key = args.idempotency_key.as_ref().map(|key| if several { format!("{key}/{index}") } else { key.clone() });
        match work {
            Work::Task(task) => submit_task(&client, &task, key.as_deref(), &args, quiet).await?,
            Work::Job(job) => submit_job(&client, &job, key.as_deref(), &args, quiet).await?,
        }
    }
    Ok(())
}

/// Whether an argument names a file: it says so by its form, or it is there.
fn is_file(what: &str) -> bool {
    let path = Path::new(what);
    let extension = path.extension().and_then(|extension| extension.to_str());
    what == "-" || what.contains('/') || matches!(extension, Some("yaml" | "yml" | "json")) || path.is_file()
}

/// The task that the flags describe.
fn of_type(args: &Submit) -> Outcome<Value> {
    if !args.params.is_empty() {
        return Err(Failure::new(Exit::Usage, "--param is for the parameters of a job, and this is a task"));
    }
    let seconds = |duration: Duration| json!(duration.as_secs_f64());
    let mut task = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            task.insert(name.to_owned(), value);
        }
    };
    set("type", Some(json!(args.what)));
    set("payload", args.payload.as_deref().map(read_json).transpose()?);
    set("command", args.command.as_ref().map(|command| json!(command)));
    set("delaySeconds", args.delay.map(seconds));
    set("retries", args.retries.map(|retries| json!(retries)));
    set("timeout", args.timeout.map(seconds));
    set("queue", args.queue.as_ref().map(|queue| json!(queue)));
    set("priority", args.priority.map(|priority| json!(priority)));
    set("tags", (!args.tags.is_empty()).then(|| json!(args.tags)));
    Ok(Value::Object(task))
}

/// The documents of a file. Tasks that a job names are part of it, and are not submitted alone.
fn from_file(args: &Submit) -> Outcome<Vec<Work>> {
    let flags = [
        ("--payload", args.payload.is_some()),
        ("--command", args.command.is_some()),
        ("--delay", args.delay.is_some()),
        ("--retries", args.retries.is_some()),
        ("--timeout", args.timeout.is_some()),
        ("--queue", args.queue.is_some()),
        ("--priority", args.priority.is_some()),
        ("--tag", !args.tags.is_empty()),
    ];
    if let Some((flag, _)) = flags.iter().find(|(_, given)| *given) {
        return Err(Failure::new(Exit::Usage, format!("{flag} describes a task by its type, not a file"))
            .hint("write it into the file"));
    }
    let source = Source::read(Path::new(&args.what))?;
    // Definitions that the file does not hold may be known to the server.
    let documents = source.valid_documents(&[Code::UnknownTask, Code::UnknownDefinition, Code::UnknownProfile])?;
    let has_job = documents.iter().any(|document| document.kind == DefinitionKind::Job);
    let of_jobs = || documents.iter().filter(|document| document.kind == DefinitionKind::Job);
    let is_sub_job = |name: &str| of_jobs().any(|other| sub_jobs(&other.json).iter().any(|sub| sub == name));
    let mut works = Vec::new();
    for document in &documents {
        match document.kind {
            // It is carried out by the job that includes it, if the server has it; else the server says what to do.
            DefinitionKind::Job if is_sub_job(&document.name) => {}
            DefinitionKind::Job => {
                let job = self_contained(document, &documents)?.to_string();
                let job = with_params(&job, Values::Texts(args.params.clone()))?;
                works.push(Work::Job(serde_json::from_str(&job).context("cannot read a job again")?));
            }
            DefinitionKind::Task if !has_job => {
                works.push(Work::Task(serde_json::from_str(&document.json).context("cannot read a task again")?));
            }
            DefinitionKind::Task | DefinitionKind::Profile => {}
        }
    }
    if works.is_empty() {
        return Err(Failure::new(Exit::Invalid, format!("`{}` holds no work", source.name))
            .hint("profiles are applied, not submitted: mainspring apply"));
    }
    Ok(works)
}

async fn submit_task(client: &Client, task: &Value, key: Option<&str>, args: &Submit, quiet: bool) -> Outcome {
    let submitted: SubmittedView = client.submit_task(task, key).await?;
    if let Some(problem) = submitted.problem {
        return Err((*problem).into());
    }
    let id = submitted.task_id.clone().context("the server named no task")?;
    let Some(limit) = args.wait else {
        let status = submitted.status.clone().unwrap_or_default();
        accepted(&submitted, "task", &id, &status, submitted.repeated, args.output.output)?;
        remote::follow_up(quiet, &format!("mainspring logs {id} -f"));
        return Ok(());
    };
    let task = tasks::until_ended(client, &TaskRef::from(id.as_str()), limit).await?;
    accepted(&task, "task", &id, &task.status, false, args.output.output)?;
    tasks::judge(&task)
}

async fn submit_job(client: &Client, job: &Value, key: Option<&str>, args: &Submit, quiet: bool) -> Outcome {
    let text = serde_json::to_vec(job).context("cannot write the job")?;
    let submitted: SubmittedJobView = client.submit_job_json(text, key).await?;
    let id = &submitted.job_id;
    let Some(limit) = args.wait else {
        accepted(&submitted, "job", id, &submitted.status, submitted.repeated, args.output.output)?;
        remote::follow_up(quiet, &format!("mainspring jobs get {id} --watch"));
        return Ok(());
    };
    let job = watching::job(client, id, limit, quiet).await?;
    accepted(&job, "job", id, &job.status, false, args.output.output)?;
    watching::judge(&job)
}

fn accepted(
    document: &impl serde::Serialize,
    noun: &str,
    id: &str,
    status: &str,
    repeated: bool,
    format: Format,
) -> Outcome {
    let before = if repeated { " (submitted before)" } else { "" };
    output::one(document, id, format, || format!("{noun} {id} {status}{before}"))
}

/// JSON given on the command line, or in a file as `@FILE`.
pub(crate) fn read_json(text: &str) -> Outcome<Value> {
    let (text, whence) = match text.strip_prefix('@') {
        None => (text.to_owned(), "the payload".to_owned()),
        Some(path) => {
            let read = std::fs::read_to_string(path).map_err(|error| {
                let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failure };
                Failure::new(exit, format!("cannot read `{path}`: {error}"))
            })?;
            (read, format!("`{path}`"))
        }
    };
    serde_json::from_str(&text).map_err(|error| {
        Failure::new(Exit::Invalid, format!("{whence} is not JSON: {error}"))
            .hint("a text needs its quotes: --payload '\"text\"'")
    })
}
