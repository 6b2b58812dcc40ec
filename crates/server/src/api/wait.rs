//! Waiting for committed rows to change: `?wait=` and streams wake on commits, and read at most every few milliseconds, so
//! that many waiters do not cost a busy server a read each per commit.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

use super::call::{Call, Refused};
use crate::node::Node;

/// The shortest pause between two reads of one waiter.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// How often a waiter looks by itself where commits are made on several nodes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Wakes one waiter when something was committed, ever more slowly while commits come in a stream.
pub(crate) struct Wakes {
    commits: watch::Receiver<u64>,
    pause: Duration,
    /// After how long to look even though no commit was heard of: one of another node may have been missed.
    look_every: Duration,
}

impl Wakes {
    /// Commits from now on.
    pub(crate) fn new(node: &Node) -> Self {
        let mut commits = node.commits();
        commits.mark_unchanged();
        let look_every = if node.shards() > 1 { LOOK_EVERY } else { Duration::MAX };
        Self { commits, pause: PAUSE_MIN, look_every }
    }

    /// Waits for the next commit, and not less than the pause. `false`: there will be none, the node has stopped.
    pub(crate) async fn next(&mut self) -> bool {
        if self.commits.has_changed().unwrap_or(false) {
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        } else {
            self.pause = PAUSE_MIN;
        }
        let changed = tokio::time::timeout(self.look_every, self.commits.changed());
        changed.await.is_ok_and(|changed| changed.is_ok()) || self.look_every < Duration::MAX
    }
}

impl Call {
    /// Reads until `done` says so or `?wait=` has passed; gives what was read last.
    pub(crate) async fn wait_for<T, F>(
        &self,
        mut read: impl FnMut() -> F,
        done: impl Fn(&T) -> bool,
    ) -> Result<T, Refused>
    where
        F: Future<Output = Result<T, Refused>>,
    {
        let Some(wait_ms) = self.params.wait_ms()? else { return read().await };
        // Subscribed before the first read, so that no commit falls between the two.
        let mut wakes = Wakes::new(&self.api.node);
        let deadline = tokio::time::sleep(Duration::from_millis(wait_ms));
        let mut deadline = std::pin::pin!(deadline);
        let mut last = read().await?;
        while !done(&last) {
            tokio::select! {
                biased;
                () = self.api.stop.cancelled() => break,
                () = deadline.as_mut() => break,
                more = wakes.next() => if !more { break },
            }
            last = read().await?;
        }
        Ok(last)
    }
}
