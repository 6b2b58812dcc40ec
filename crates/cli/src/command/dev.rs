//! `mainspring dev`: server and worker in one process on one file.

use std::sync::Arc;

use mainspring_core::id::Bucket;
use mainspring_server::node::Node;
use mainspring_server::serve;
use mainspring_worker::Urgency;
use tokio::sync::oneshot;

use crate::args::Dev;
use crate::command::config::configured;
use crate::command::definition::{Runnable, Source};
use crate::command::serve::{log, not_started, reload_on_hangup};
use crate::command::signals::Signals;
use crate::embedded::{self, EmbeddedWorker, Watched, call_failed};
use crate::exit::{Failure, Outcome};
use crate::output::line;
use crate::output::say;
use crate::progress::Progress;

/// Serves and works until it is told to stop. The first signal lets running attempts finish, the second does not.
pub(crate) async fn run(args: Dev, quiet: bool) -> Outcome {
    let level = log("warn");
    let (config, settings) = configured(&args.serving, Some(level))?;
    reload_on_hangup(&config)?;
    let sources = args.files.iter().map(|path| Source::read(path)).collect::<Outcome<Vec<_>>>()?;
    let files = sources.iter().map(|source| source.runnable(&[])).collect::<Outcome<Vec<_>>>()?;
    let mut signals = Signals::listen()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = serve(config, async { drop(stopped.await) }).await.map_err(not_started)?;
    let mut worker = EmbeddedWorker::start(&running.node, args.concurrency.max(1));
    line(&format!("mainspring dev  http://{}  (API: /docs, /openapi.json)", running.addr))?;
    if !quiet {
        let store = settings.get("store").map(|(value, _)| value.shown(mainspring_server::config::Kind::Store));
        say(format_args!("store {}; stop with ctrl-c", store.unwrap_or_default()));
        say(format_args!(
            "this worker runs every kind of task, shell commands included: whoever can reach the port can run programs as you"
        ));
    }
    let outcome = tokio::select! {
        outcome = work(&running.node, files, quiet) => outcome,
        ended = worker.ended() => ended.and_then(|()| anyhow::bail!("the worker ended by itself")).map_err(Failure::from),
        () = signals.next() => Ok(()),
    };
    worker.urge(Urgency::Drain);
    tokio::select! {
        ended = worker.ended() => if outcome.is_ok() { ended? },
        () = signals.next() => {
            worker.urge(Urgency::Stop);
            let _ = worker.ended().await;
        }
    }
    // The server may be gone already if its node failed; then there is nobody to tell.
    let _ = stop.send(());
    running.finished().await;
    outcome
}

/// Runs the jobs of the files one after the other, then waits forever.
async fn work(node: &Arc<Node>, files: Vec<Runnable>, quiet: bool) -> Outcome {
    let mut jobs = Vec::new();
    for file in files {
        embedded::apply(node, file.definitions).await?;
        jobs.extend(file.jobs);
    }
    for job in jobs {
        let name = job.name.clone();
        let (key, _, repeated) =
            node.submit_job(job.job.into_submit(0, Bucket::CONTROL)).await.map_err(|error| call_failed(&error))?;
        if repeated && !quiet {
            say(format_args!("`{name}` was submitted before under the same jobId; showing that one"));
        }
        let mut watched = Watched::new(node, key).await?;
        let picture = watched.follow(&mut Progress::new(quiet)).await?;
        eprint!("{}", watched.failures(&picture).await?);
        line(&format!("job {} {}", picture.id, picture.status.word()))?;
    }
    std::future::pending().await
}
