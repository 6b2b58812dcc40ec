//! Ctrl-C and SIGTERM: the first asks for a graceful end, the second ends at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Outcome};
use crate::output::say;

/// The signals that ask a long-running command to end.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> Outcome<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for the first signal; from then on the next one ends the process at once.
    pub(crate) async fn first(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            say(format_args!("ending at once"));
            std::process::exit(Exit::Interrupted as i32);
        });
    }
}
