//! How the shard's thread ends: whatever ended it, nobody is left waiting for it.

use std::any::Any;
use std::sync::Arc;

use super::CallError;
use super::mailbox::{Message, Room};
use super::shared::Shared;

/// Says why, closes the mailbox and refuses what waits, at the latest when it is dropped.
pub(super) struct Ending {
    shared: Option<Arc<Shared>>,
}

impl Ending {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared: Some(shared) }
    }

    /// The thread ends in this way. `shared` is the thread's last hold on the store.
    pub(super) fn end(&mut self, shared: Arc<Shared>, outcome: Result<(), Box<dyn Any + Send>>) {
        drop(shared);
        match outcome {
            Ok(()) => self.refuse(None),
            Err(panic) => {
                let reason = panic_text(&*panic);
                self.refuse(Some(reason));
                // Last: a log that cannot be written must not keep anybody waiting.
                tracing::error!(reason, "the shard has stopped: its core failed");
            }
        }
    }

    fn refuse(&mut self, failure: Option<&str>) {
        let Some(shared) = self.shared.take() else { return };
        if let Some(failure) = failure {
            shared.set_reason("shard_failed", Some(format!("the shard has stopped: {failure}")));
        }
        shared.mailbox.close();
        refuse_all(&shared, &CallError::Stopped);
        shared.stop();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.refuse(Some("its thread ended"));
    }
}

/// Everything that waits in the mailbox.
pub(super) fn drain(shared: &Shared) -> Vec<Message> {
    let mut messages = Vec::new();
    shared.mailbox.drain(&mut Room { events: usize::MAX, bytes: usize::MAX }, &mut messages);
    messages
}

/// Answers everything that waits in the mailbox with an error; none of it was applied.
fn refuse_all(shared: &Shared, error: &CallError) {
    drain(shared).into_iter().for_each(|message| refuse(message, error));
}

/// Answers a message with an error; a caller that went away does not need it.
pub(super) fn refuse(message: Message, error: &CallError) {
    match message {
        Message::Tasks { answer, .. }
        | Message::Inbox { answer, .. }
        | Message::Job { answer, .. }
        | Message::Order { answer, .. } => {
            let _ = answer.send(Err(error.clone()));
        }
        Message::Exchange { answer, .. } => {
            let _ = answer.send(Err(error.clone()));
        }
        Message::Hangup { .. } | Message::News(_) | Message::Evaluated(_) => {}
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mainspring_store::{MemoryStore, ShardId, Store};
    use tokio::sync::oneshot;

    use super::super::NodeConfig;
    use super::super::shared::Wakes;
    use super::*;

    #[tokio::test]
    async fn a_thread_that_ends_in_any_way_leaves_nobody_waiting() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let shared = Arc::new(Shared::new(&store, &NodeConfig::default(), ShardId(0), &Wakes::new()));
        let (answer, waiting) = oneshot::channel();
        shared.mailbox.push(Message::Tasks { tasks: Vec::new(), answer }).expect("there is room");
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let _ending = Ending::new(of_thread);
            panic!("outside of everything that catches");
        });
        assert!(thread.join().is_err());
        let hang = Duration::from_secs(20);
        let refused = tokio::time::timeout(hang, waiting).await.expect("nobody waits").expect("it is answered");
        assert_eq!(refused.err(), Some(CallError::Stopped));
        assert!(shared.mailbox.is_closed());
        assert_eq!(shared.readiness().reasons[0].0, "shard_failed");
        tokio::time::timeout(hang, shared.stopped()).await.expect("it says that it has stopped");
    }
}
