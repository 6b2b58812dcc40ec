//! Taking the shard over again after a commit was refused or lost, or after the store failed: a new epoch, then a fresh
//! load, and nothing is ever repeated blindly.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use mainspring_core::driver::Driver;
use mainspring_core::row::Snapshot;
use mainspring_core::shard::ShardConfig;
use mainspring_store::{Error, ShardId};

use super::CallError;
use super::actor::{Actor, Lost};
use super::ending::{drain, refuse};
use super::mailbox::Message;
use super::trouble::Parked;

/// First and longest wait between two tries to take the shard over.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
const LOADING: &str = "shard_loading";

/// A number that nobody can foresee: for names of owners and seeds of jitter, neither of which a decision depends on.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(std::thread::current().id())
}

impl Actor {
    /// Builds the driver over what was loaded.
    pub(super) fn install(&mut self, snapshot: Snapshot) {
        self.time.raise(snapshot.high_water.time);
        let now = self.read_time();
        let commit = snapshot.high_water.commit;
        let seed = if self.config.shard.seed == 0 { random() } else { self.config.shard.seed };
        let control = self.shared.shard == ShardId::CONTROL;
        let config = ShardConfig {
            seed,
            control,
            shard: self.shared.shard.0,
            shards: self.shared.shards,
            ..self.config.shard.clone()
        };
        self.driver = Some(Driver::new(config, snapshot, now));
        self.quiet = false;
        self.shared.set_fence(Some(self.fence.clone()));
        self.shared.committed(commit);
        self.shared.set_reason(LOADING, None);
        self.shared.follow_anew();
    }

    /// Gives the driver up, tells everybody whose commit is lost with it, and takes the shard over anew. False if the node
    /// must stop.
    pub(super) fn recover(&mut self, lost: Lost) -> bool {
        let own = self.fence.epoch;
        let mut reason = match lost {
            Lost::Rejected(epoch) if epoch > own => format!("another owner has the shard since epoch {epoch}"),
            Lost::Rejected(epoch) => {
                let reason = format!("the store is at epoch {epoch}, it has lost the write of epoch {own}");
                self.commit_failed(&reason);
                reason
            }
            Lost::Unknown(reason) => {
                self.commit_failed(&reason);
                format!("a commit's outcome is unknown: {reason}")
            }
            Lost::Read(error) => format!("the store could not be read: {error}"),
        };
        let mut backoff = self.trouble.as_ref().map_or(BACKOFF.0, |trouble| trouble.backoff);
        tracing::warn!(reason, "loading the shard anew");
        self.abandon();
        self.shared.reloads.fetch_add(1, Ordering::Relaxed);
        loop {
            self.shared.set_reason(LOADING, Some(reason));
            let error = match self.take_over() {
                Ok(()) => {
                    self.serve_parked();
                    return true;
                }
                Err(error @ (Error::Corrupt(_) | Error::Incompatible(_))) => {
                    tracing::error!(%error, "the shard has stopped: what is stored cannot be used");
                    self.shared.set_reason(LOADING, None);
                    self.shared.set_reason("store_unusable", Some(error.to_string()));
                    return false;
                }
                Err(error @ Error::Conflict(_)) if self.shared.is_shared => {
                    tracing::warn!(shard = self.shared.shard.0, %error, "the shard has gone to another node");
                    self.shared.set_reason(LOADING, None);
                    return false;
                }
                Err(error) => error,
            };
            tracing::warn!(%error, retry_ms = backoff.as_millis() as u64, "failed to take the shard over");
            reason = error.to_string();
            if !self.wait(backoff, &reason) {
                return false;
            }
            backoff = (backoff * 2).min(BACKOFF.1);
        }
    }

    fn take_over(&mut self) -> Result<(), Error> {
        self.fence = self.block_on(self.store.acquire(self.shared.shard, self.owner.clone(), None))?;
        let snapshot = self.block_on(self.store.load(self.fence.clone()))?;
        self.install(snapshot);
        Ok(())
    }

    /// Waits before the next try, while nothing that arrives can be served; false if the node is to stop.
    fn wait(&mut self, backoff: Duration, reason: &str) -> bool {
        let until = self.shared.clock.monotonic() + backoff;
        loop {
            self.refuse_or_park(reason);
            self.expire_parked(self.shared.clock.monotonic());
            if self.shared.mailbox.is_closed() {
                return false;
            }
            let now = self.shared.clock.monotonic();
            let left = until.saturating_sub(now);
            if left.is_zero() {
                return true;
            }
            let parked = self.parked.iter().map(|parked| parked.due.saturating_sub(now)).min();
            std::thread::park_timeout(parked.map_or(left, |parked| parked.min(left)));
        }
    }

    /// Refuses what waits in the mailbox. Exchanges wait on, so that their workers do not call again and again.
    fn refuse_or_park(&mut self, reason: &str) {
        for message in drain(&self.shared) {
            match message {
                Message::Exchange { request, call, answer } => self.park(request, call, answer),
                message => refuse(message, &CallError::Unavailable(reason.to_owned())),
            }
        }
    }

    /// Drops the driver and everything in flight. Whoever waits learns that the outcome is unknown.
    pub(super) fn abandon(&mut self) {
        self.shared.set_fence(None);
        self.commit = None;
        self.held = None;
        self.taken.clear();
        self.read = None;
        self.failed_read = None;
        if let Some(driver) = self.driver.take() {
            for request in driver.abandon() {
                if let Some(caller) = self.callers.remove(&request) {
                    let _ = caller.send(Err(CallError::OutcomeUnknown));
                }
            }
        }
        // Whoever is left asked for something that the driver had not taken up yet; it is just as lost.
        for (_, caller) in self.callers.drain() {
            let _ = caller.send(Err(CallError::OutcomeUnknown));
        }
        let polls = self.gateway.reset();
        self.park_polls(polls.into_iter().map(Parked::of).collect());
    }

    /// Waits for a store's answer on this thread.
    pub(super) fn block_on<T>(&self, mut future: std::pin::Pin<Box<dyn Future<Output = T> + Send>>) -> T {
        let mut context = Context::from_waker(&self.waker);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(value) => return value,
                Poll::Pending => std::thread::park_timeout(Duration::from_secs(1)),
            }
        }
    }
}
