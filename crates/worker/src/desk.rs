//! The attempts a worker has: what runs, and which tokens it has seen, so that a grant that comes twice runs once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::attempt::{Control, Stop};
use crate::feed::Feed;

/// An attempt that runs.
pub(crate) struct Running {
    pub(crate) feed: Arc<Feed>,
    control: watch::Sender<Control>,
    lease: Duration,
    /// The first call that names it among the running: its answer and later ones renew the lease.
    listed_from: u64,
    /// The server says that the lease is over: nobody waits for the outcome.
    stale: bool,
}

#[derive(Default)]
pub(crate) struct Desk {
    running: HashMap<Arc<str>, Running>,
    /// Ended here; the other side has not said that it knows.
    ended: HashSet<String>,
    /// Done with, remembered while a call that was under way may still bring the grant again: its last `seq`.
    parting: VecDeque<(u64, String)>,
}

impl Desk {
    /// Whether a grant with this token was taken before.
    pub(crate) fn knows(&self, token: &str) -> bool {
        self.running.contains_key(token)
            || self.ended.contains(token)
            || self.parting.iter().any(|(_, parted)| parted == token)
    }

    pub(crate) fn running_count(&self) -> usize {
        self.running.len()
    }

    /// Whether nothing runs and everything that ran is settled.
    pub(crate) fn is_clear(&self) -> bool {
        self.running.is_empty() && self.ended.is_empty()
    }

    /// Starts to keep an attempt; gives the attempt's ear for orders.
    pub(crate) fn begin(
        &mut self,
        feed: &Arc<Feed>,
        lease: Duration,
        now: Instant,
        listed_from: u64,
    ) -> watch::Receiver<Control> {
        let (control, ear) = watch::channel(Control { stop: None, lease_until: now + safe(lease) });
        let running = Running { feed: Arc::clone(feed), control, lease, listed_from, stale: false };
        self.running.insert(Arc::clone(&feed.token), running);
        ear
    }

    /// An attempt that needed no running.
    pub(crate) fn note_ended(&mut self, token: String) {
        self.ended.insert(token);
    }

    /// An attempt ended. `None` if nobody waits for its outcome.
    pub(crate) fn end(&mut self, token: &str) -> Option<Arc<Feed>> {
        let running = self.running.remove(token)?;
        if running.stale {
            return None;
        }
        self.ended.insert(token.to_owned());
        Some(running.feed)
    }

    /// The other side knows of the end. `under_way` is the newest call that is still under way, if any.
    pub(crate) fn settle(&mut self, token: String, under_way: Option<u64>) {
        if self.ended.remove(&token)
            && let Some(seq) = under_way
        {
            self.parting.push_back((seq, token));
        }
    }

    /// No call up to this `seq` is under way any more.
    pub(crate) fn forget_before(&mut self, seq: u64) {
        while self.parting.front().is_some_and(|(until, _)| *until < seq) {
            self.parting.pop_front();
        }
    }

    /// The tokens to renew.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = String> {
        self.running.iter().filter(|(_, running)| !running.stale).map(|(token, _)| token.to_string())
    }

    pub(crate) fn feed(&self, token: &str) -> Option<&Arc<Feed>> {
        self.running.get(token).map(|running| &running.feed)
    }

    /// The call with this `seq`, sent then, was answered: what it named is renewed from that moment.
    pub(crate) fn renewed(&mut self, seq: u64, sent_at: Instant) {
        for running in self.running.values().filter(|running| running.listed_from <= seq) {
            let until = sent_at + safe(running.lease);
            running.control.send_if_modified(|control| {
                let later = control.lease_until < until;
                control.lease_until = control.lease_until.max(until);
                later
            });
        }
    }

    /// Ends one attempt before its time. Whether that changes anything.
    pub(crate) fn stop(&mut self, token: &str, stop: Stop) -> bool {
        self.running.get_mut(token).is_some_and(|running| {
            running.stale |= stop == Stop::Stale;
            order(running, stop)
        })
    }

    /// Ends all.
    pub(crate) fn stop_all(&mut self, stop: Stop) {
        for running in self.running.values() {
            order(running, stop);
        }
    }

    /// Ends those whose lease has run out, and says how many.
    pub(crate) fn stop_expired(&mut self, now: Instant) -> usize {
        let expired = |running: &&Running| {
            let control = running.control.borrow();
            control.lease_until <= now && control.stop.is_none_or(Stop::is_gentle)
        };
        self.running.values().filter(expired).filter(|running| order(running, Stop::LeaseLost)).count()
    }
}

fn order(running: &Running, stop: Stop) -> bool {
    running.control.send_if_modified(|control| {
        // A harsh end is not softened, and the first of two equally harsh stands.
        let changes = control.stop.is_none_or(|before| before.is_gentle() && !stop.is_gentle());
        if changes {
            control.stop = Some(stop);
        }
        changes
    })
}

/// The part of a lease that the worker uses: the kill must be over before the other side may grant again.
fn safe(lease: Duration) -> Duration {
    lease - (lease / 10).min(Duration::from_secs(1))
}
