//! What the core of a shard asks outside (values of expressions, plans of schedules, loans), on its way to whoever answers.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

/// Questions of one kind. A question is lost with the shard; its next owner asks anew.
#[derive(Debug)]
pub(super) struct Questions<T> {
    asks: mpsc::UnboundedSender<T>,
    asked: Mutex<Option<mpsc::UnboundedReceiver<T>>>,
}

impl<T> Default for Questions<T> {
    fn default() -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        Self { asks, asked: Mutex::new(Some(asked)) }
    }
}

impl<T> Questions<T> {
    pub(super) fn ask(&self, question: T) {
        // Whoever answers has gone when the shard goes.
        let _ = self.asks.send(question);
    }

    /// What is asked; for one who answers.
    pub(super) fn take(&self) -> Option<mpsc::UnboundedReceiver<T>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
