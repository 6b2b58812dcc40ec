//! `mainspring serve`: the server alone.

use std::io::IsTerminal as _;

use mainspring_server::{ServeError, serve};
use tracing_subscriber::EnvFilter;

use crate::args::Serve;
use crate::command::signals::Signals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Stderr, say};

/// Serves until it is told to stop.
pub(crate) async fn run(args: Serve, quiet: bool) -> Outcome {
    log(if quiet { "warn" } else { "info" });
    let signals = Signals::listen()?;
    let running = serve(args.serving.config(), signals.first()).await.map_err(not_started)?;
    if !quiet {
        say(format_args!("mainspring serves http://{} (API described at /docs)", running.addr));
    }
    running.finished().await;
    Ok(())
}

/// Writes the log to standard error; `RUST_LOG` overrules the level.
pub(crate) fn log(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let ansi = crate::output::coloured_stderr() && std::io::stderr().is_terminal();
    // Fails only if a subscriber is set already, which then does the work.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Stderr).with_ansi(ansi).try_init();
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
