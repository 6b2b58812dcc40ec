//! How a worker is told to end.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How urgent the end is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Not at all: the worker runs.
    #[default]
    Run,
    /// Take nothing new, finish what runs within the grace, hand back the rest, leave.
    Drain,
    /// Kill what runs, hand it back, leave.
    Stop,
}

/// Tells a worker to end. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Stopper {
    urgency: watch::Sender<Urgency>,
}

impl Stopper {
    /// Asks for a graceful end; asked again, ends at once. What a second signal does.
    pub fn signal(&self) {
        self.urgency.send_modify(|urgency| {
            *urgency = if *urgency == Urgency::Run { Urgency::Drain } else { Urgency::Stop };
        });
    }

    /// Raises the urgency to this; never lowers it.
    pub fn raise(&self, to: Urgency) {
        self.urgency.send_if_modified(|urgency| {
            let raised = *urgency < to;
            *urgency = (*urgency).max(to);
            raised
        });
    }
}

/// The worker's ear for a [`Stopper`].
#[derive(Clone, Debug)]
pub struct Shutdown {
    urgency: watch::Receiver<Urgency>,
    /// Keeps the channel open after the stopper was dropped.
    _stopper: Stopper,
}

impl Shutdown {
    /// A pair of both ends.
    pub fn new() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(Urgency::Run);
        let stopper = Stopper { urgency: sender };
        (stopper.clone(), Self { urgency: receiver, _stopper: stopper })
    }

    /// Follows SIGTERM and SIGINT: the first drains, the second stops. Must be called inside a runtime.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn on_signals() -> std::io::Result<Self> {
        let (stopper, shutdown) = Self::new();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = terminate.recv() => stopper.signal(),
                    Some(()) = interrupt.recv() => stopper.signal(),
                    else => return,
                }
            }
        });
        Ok(shutdown)
    }

    /// How urgent it is now.
    pub(crate) fn urgency(&mut self) -> Urgency {
        *self.urgency.borrow_and_update()
    }

    /// Resolves when the urgency changed.
    pub(crate) async fn changed(&mut self) {
        if self.urgency.changed().await.is_err() {
            // Cannot happen while `_stopper` lives; never resolving is the safe answer.
            std::future::pending::<()>().await;
        }
    }
}
