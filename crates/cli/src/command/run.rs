//! `mainspring run`: one job to its end in the foreground, without a server and without traces.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mainspring_core::event::Order;
use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::{JobRow, JobStatus};
use mainspring_protocol::submit::due;
use mainspring_protocol::view::JobView;
use mainspring_server::node::{Node, NodeConfig, StartError};
use mainspring_server::{ServeError, open_store};
use mainspring_store::JobFilter;
use mainspring_worker::Urgency;

use crate::args::{Format, Run};
use crate::command::definition::{Runnable, Source};
use crate::command::serve::{log, not_started};
use crate::command::signals::Signals;
use crate::embedded::{self, EmbeddedWorker, Watched, call_failed};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::progress::{Picture, Progress};

/// Where nothing is left behind.
const MEMORY: &str = "memory:";

/// Runs a job; exit 0 only if it completed.
pub(crate) async fn run(args: Run, quiet: bool) -> Outcome {
    let _ = log("error");
    let Runnable { mut jobs, definitions } = Source::read(&args.file)?.runnable(&args.params)?;
    if jobs.len() > 1 {
        let names: Vec<_> = jobs.iter().map(|job| job.name.clone()).collect();
        let message = format!("`{}` holds {} jobs, and `run` runs one", args.file.display(), names.len());
        return Err(
            Failure { details: names, ..Failure::new(Exit::Usage, message) }.hint("split the file, or use `dev`")
        );
    }
    let job = jobs.pop().context("a file without work was refused before")?;
    let signals = Signals::listen()?;
    let store = open_store(args.store.as_deref().unwrap_or(MEMORY)).await.map_err(not_started)?;
    let node = Node::start(store, NodeConfig::default())
        .await
        .map_err(|error: StartError| not_started(ServeError::Node(error)))?;
    let mut worker = EmbeddedWorker::start(&node, args.concurrency.max(1));
    embedded::apply(&node, definitions).await?;
    let (key, _, _) =
        node.submit_job(job.job.into_submit(0, Bucket::CONTROL)).await.map_err(|error| call_failed(&error))?;
    let outcome = follow(&node, key, signals, &mut worker, &args, quiet).await;
    worker.urge(Urgency::Stop);
    let ended = worker.ended().await;
    node.shutdown().await;
    outcome.and_then(|()| ended.map_err(Failure::from))
}

async fn follow(
    node: &Arc<Node>,
    key: Key,
    mut signals: Signals,
    worker: &mut EmbeddedWorker,
    args: &Run,
    quiet: bool,
) -> Outcome {
    let mut watched = Watched::new(node, key).await?;
    let mut progress = Progress::new(quiet);
    let timeout = async {
        match args.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let called_off = tokio::select! {
        picture = async {
            let picture = watched.follow(&mut progress).await?;
            hooks(node, key, &picture.id).await?;
            Ok::<_, Failure>(picture)
        } => return end(node, key, &watched, &picture?, args).await,
        ended = worker.ended() => return Err(ended.err().unwrap_or_else(|| anyhow::anyhow!("the worker ended by itself")).into()),
        () = signals.next() => Failure::new(Exit::Interrupted, "interrupted; the job is cancelled"),
        () = timeout => Failure::new(Exit::TimedOut, "not finished in time; the job is cancelled"),
    };
    let cancelled = node.order(Name::from("cli"), Order::CancelJob(key)).await;
    if cancelled.is_ok() {
        tokio::select! {
            picture = watched.follow(&mut progress) => { picture?; }
            () = signals.next() => {}
        }
    }
    Err(called_off)
}

/// Between two looks at hooks.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Waits until the hooks that follow the job have ended, too.
async fn hooks(node: &Arc<Node>, key: Key, id: &str) -> Outcome {
    let reader = node.reader();
    let row = reader.jobs_by_key(vec![key]).await.context("cannot read the job")?;
    let row = row.into_iter().next().context("the job was deleted")?;
    let wanted = due(&row.body, row.state.status.word()).len();
    if wanted == 0 {
        return Ok(());
    }
    loop {
        let page = reader.jobs(JobFilter::default(), None, 1_000).await.context("cannot read jobs")?;
        let follows = |job: &&JobRow| {
            let body: serde_json::Value = serde_json::from_str(&job.body).unwrap_or_default();
            body["hookOf"] == id
        };
        let hooks: Vec<&JobRow> = page.items.iter().filter(follows).collect();
        if hooks.len() >= wanted && hooks.iter().all(|job| job.state.status.is_terminal()) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

async fn end(node: &Arc<Node>, key: Key, watched: &Watched, picture: &Picture, args: &Run) -> Outcome {
    eprint!("{}", watched.failures(picture).await?);
    if args.output.output != Format::Table {
        let row = node.reader().jobs_by_key(vec![key]).await.context("cannot read the job")?;
        let row = row.into_iter().next().context("the job was deleted")?;
        output::one(&JobView::from_row(&row), &picture.id, args.output.output, String::new)?;
    }
    if picture.status == JobStatus::Completed { Ok(()) } else { Err(Failure::said(Exit::WorkFailed)) }
}
