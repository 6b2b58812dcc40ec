//! `mainspring worker`: takes tasks from a server and runs them.

use std::sync::Arc;

use anyhow::Context as _;
use mainspring_worker::{HttpConfig, HttpSource, ShellConfig, Shutdown, WorkerConfig};

use crate::args::Worker;
use crate::command::serve::log;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::say;
use crate::remote;

/// Works until it is told to stop: the first signal lets running attempts finish, the second does not.
pub(crate) async fn run(args: Worker, quiet: bool) -> Outcome {
    let _ = log(if quiet { "warn" } else { "info" });
    if args.concurrency == 0 {
        return Err(Failure::new(Exit::Usage, "a worker needs a --concurrency of at least 1"));
    }
    let client = remote::client(&args.remote)?;
    let mut config = WorkerConfig::default();
    config.queues = args.queues;
    config.labels = args.labels.into_iter().collect();
    config.concurrency = args.concurrency;
    config.lease = args.lease;
    config.shell = args.shell.then(ShellConfig::default);
    config.http = Some(HttpConfig::default());
    if let Some(id) = args.worker_id {
        config.worker_id = id;
    }
    if !quiet {
        let shell = if args.shell { "" } else { "; commands are not run without --shell" };
        say(format_args!("worker {} takes tasks from {}{shell}", config.worker_id, client.address()));
    }
    let shutdown = Shutdown::on_signals()?;
    mainspring_worker::run(config, Arc::new(HttpSource::new(client)), shutdown).await.context("the worker ended")?;
    Ok(())
}
