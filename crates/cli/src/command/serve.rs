//! `mainspring serve`: the server alone.

use std::io::IsTerminal as _;
use std::sync::Arc;

use mainspring_server::config::LevelSetter;
use mainspring_server::{ServeConfig, ServeError, serve};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::Serve;
use crate::command::config::configured;
use crate::command::signals::Signals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Stderr, say};

/// Serves until it is told to stop.
pub(crate) async fn run(args: Serve, quiet: bool) -> Outcome {
    let level = log("warn");
    let (config, settings) = configured(&args.serving, Some(level.clone()))?;
    if !quiet && let Some(wanted) = settings.text("log.level") {
        level(wanted).map_err(|error| Failure::new(Exit::Invalid, format!("`log.level`: {error}")))?;
    }
    let signals = Signals::listen()?;
    reload_on_hangup(&config)?;
    let running = serve(config, signals.first()).await.map_err(not_started)?;
    if !quiet {
        say(format_args!("mainspring serves http://{} (API described at /docs)", running.addr));
    }
    running.finished().await;
    Ok(())
}

/// Has the server read its configuration again at each SIGHUP.
pub(crate) fn reload_on_hangup(config: &ServeConfig) -> Outcome {
    let Some(reloading) = &config.reloading else { return Ok(()) };
    let asked = Arc::clone(&reloading.asked);
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            asked.notify_one();
        }
    });
    Ok(())
}

/// Writes the log to standard error; `RUST_LOG` overrules the level. What it gives back changes the level.
pub(crate) fn log(level: &str) -> LevelSetter {
    let from_variable = EnvFilter::try_from_default_env().ok();
    let is_overruled = from_variable.is_some();
    let filter = from_variable.unwrap_or_else(|| EnvFilter::new(level));
    let (filter, handle) = tracing_subscriber::reload::Layer::new(filter);
    let ansi = crate::output::coloured_stderr() && std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(|| Stderr).with_ansi(ansi);
    // Fails only if a subscriber is set already, which then does the work.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Arc::new(move |level| {
        let filter = EnvFilter::builder().parse(level).map_err(|error| format!("`{level}`: {error}"))?;
        if is_overruled {
            return Ok(());
        }
        handle.reload(filter).map_err(|error| error.to_string())
    })
}

/// Why a server did not start, as an exit.
pub(crate) fn not_started(error: ServeError) -> Failure {
    let failure = |exit| Failure::new(exit, error.to_string());
    match &error {
        ServeError::NotLoopback { .. } | ServeError::StoreUrl { .. } | ServeError::Advertise { .. } => {
            failure(Exit::Usage)
        }
        ServeError::Store { source: mainspring_store::Error::Unavailable(_), url } if !url.starts_with("sqlite:") => {
            failure(Exit::Failure)
        }
        ServeError::Store { source, .. } => store_refused(source, failure(Exit::Failure)),
        ServeError::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => failure(Exit::Conflict)
            .hint("another server has it; use another address, or `--listen 127.0.0.1:0` for a free port"),
        ServeError::Node(mainspring_server::node::StartError::Store(source)) => {
            store_refused(source, failure(Exit::Failure))
        }
        ServeError::Bind { .. } | ServeError::Node(_) => failure(Exit::Failure),
    }
}

fn store_refused(error: &mainspring_store::Error, failure: Failure) -> Failure {
    use mainspring_store::Error;
    match error {
        Error::Conflict(_) => Failure { exit: Exit::Conflict, ..failure }
            .hint("another server has this store open; stop it, or use another --store"),
        Error::Unavailable(_) => failure.hint("is the folder there, writable, and on a disk with space left?"),
        Error::Corrupt(_) | Error::Incompatible(_) => failure,
    }
}
