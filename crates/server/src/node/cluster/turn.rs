//! One call of a worker while it is carried out: who is called, what they answer, and when that is news.

mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mainspring_core::id::{SessionId, Token};
use mainspring_protocol::exchange::ExchangeRequest;
use mainspring_store::ShardId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::grants::{Merged, Part};
use super::hub::{SharedSeat, lock};
use super::part_call::{Failed, PartCall, after_failure, call_here, read_part, speaks};
use super::routing::Place;
use super::{Cluster, inside};
use crate::node::CallError;

/// How long a call waits for the verdict of a shard before it is answered without.
const VERDICT_MAX: Duration = Duration::from_secs(2);
/// How often places are moved between shards that all have work.
const ROTATE: Duration = Duration::from_millis(50);
/// How long a peer may take beyond the wait that it was asked for.
const PEER_SLACK: Duration = Duration::from_secs(10);

/// What a call says, by shard.
pub(super) struct Said {
    /// Outcomes, output and progress.
    pub(super) parts: BTreeMap<ShardId, ExchangeRequest>,
    /// Attempts that still run.
    pub(super) running: BTreeMap<ShardId, Vec<String>>,
    /// What was sent as tokens and is none.
    pub(super) unreadable: Vec<String>,
}

/// One call of a worker while it is carried out.
pub(super) struct Turn<'a> {
    cluster: &'a Cluster,
    seat: SharedSeat,
    /// What is the same in the calls to all shards.
    base: ExchangeRequest,
    /// What each shard is told, until it is called.
    parts: BTreeMap<ShardId, ExchangeRequest>,
    /// Running attempts by shard: each call to it names them.
    running: BTreeMap<ShardId, Vec<String>>,
    fresh: bool,
    capacity: u32,
    open: FuturesUnordered<PartCall>,
    /// Shards with an open call, and what it offers them.
    called: BTreeMap<ShardId, u32>,
    /// Shards whose verdict the worker waits for.
    verdicts: BTreeSet<ShardId>,
    /// Shards that are told what is said only once.
    once: BTreeSet<ShardId>,
    accepted: Vec<Token>,
    stale: Vec<Token>,
    unreadable: Vec<String>,
    rotation: usize,
}

impl<'a> Turn<'a> {
    /// `base` is what is the same for every shard; `fresh`: the session is new to this node.
    pub(super) fn new(
        cluster: &'a Cluster,
        seat: SharedSeat,
        base: ExchangeRequest,
        said: Said,
        (fresh, capacity): (bool, u32),
    ) -> Self {
        let Said { parts, running, unreadable } = said;
        let of = |fits: fn(&ExchangeRequest) -> bool| {
            parts.iter().filter(|(_, part)| fits(part)).map(|(shard, _)| *shard).collect::<BTreeSet<ShardId>>()
        };
        Self {
            cluster,
            seat,
            fresh,
            capacity,
            open: FuturesUnordered::new(),
            called: BTreeMap::new(),
            verdicts: of(speaks),
            once: of(|part| !(part.logs.is_empty() && part.progress.is_empty())),
            accepted: Vec::new(),
            stale: Vec::new(),
            unreadable,
            rotation: usize::try_from(base.seq).unwrap_or(0),
            base,
            parts,
            running,
        }
    }

    /// Carries the call out; `current` ends it when a newer one speaks for the session.
    pub(super) async fn run(mut self, wait: Duration, current: &CancellationToken) -> Result<Merged, CallError> {
        let due = Instant::now() + wait;
        let verdicts_due = Instant::now() + VERDICT_MAX;
        let (mut demands, mut settings) =
            (self.cluster.wakes.demands.subscribe(), self.cluster.hub.settings.subscribe());
        let mut rotate = Instant::now() + ROTATE;
        let left_over = Arc::clone(&lock(&self.seat).left_over);
        self.call_all(due);
        loop {
            let superseded = current.is_cancelled();
            if !superseded {
                self.offer(due);
            }
            let now = Instant::now();
            let answered = self.verdicts.is_empty() || now >= verdicts_due;
            if answered && (superseded || self.has_news() || now >= due) {
                break;
            }
            let contended = self.is_contended();
            let until = if answered { due } else { due.max(verdicts_due) };
            let until = if contended { until.min(rotate) } else { until };
            tokio::select! {
                biased;
                () = current.cancelled(), if !superseded => {}
                () = self.cluster.hub.closed.cancelled() => break,
                Some((shard, seq, part)) = self.open.next() => self.take(shard, seq, part)?,
                Ok(()) = demands.changed() => {}
                Ok(()) = settings.changed() => {}
                () = left_over.notified(), if !superseded => {}
                () = tokio::time::sleep_until(until) => {
                    if contended && Instant::now() >= rotate {
                        rotate = Instant::now() + ROTATE;
                        self.rotation = self.rotation.wrapping_add(1);
                    }
                }
            }
        }
        Ok(self.end(current))
    }

    fn has_news(&self) -> bool {
        let verdict = !(self.accepted.is_empty() && self.stale.is_empty() && self.unreadable.is_empty());
        let paused = self.is_paused();
        verdict || self.base.leaving && self.verdicts.is_empty() || lock(&self.seat).has_news(paused)
    }

    fn is_paused(&self) -> bool {
        let worker = lock(&self.seat).worker.clone();
        self.cluster.view().settings.paused_workers.contains(&worker)
    }

    /// Calls a shard; an older call to it is superseded.
    fn call(&mut self, shard: ShardId, capacity: u32, due: Instant) {
        let now = self.cluster.config.clock.monotonic();
        let (seq, ack, fresh) = lock(&self.seat).call(shard, capacity, now);
        let part = self.parts.remove(&shard).unwrap_or_else(|| self.base.clone());
        let running = self.running.get(&shard).cloned().unwrap_or_default();
        let left = due.saturating_duration_since(Instant::now());
        let stands = capacity > 0 || !running.is_empty();
        let speaks = speaks(&part);
        let place = self.cluster.place(shard);
        // A call that brings something to another node is answered at once, so that it is known to have arrived.
        let wait = if !stands || speaks && matches!(place, Place::There { .. }) { Duration::ZERO } else { left };
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let request = ExchangeRequest { seq, ack, capacity, running, wait_ms, ..part };
        let settle = capacity == 0 || self.is_lowered(shard, capacity);
        self.called.insert(shard, capacity);
        let call: PartCall = match place {
            Place::Here(shared) => {
                let (reader, wait_max) = (Arc::clone(&self.cluster.reader), self.cluster.hub.wait_ms_max);
                Box::pin(async move {
                    let part = call_here(&shared, &*reader, request, wait_max, fresh, settle).await;
                    (shard, seq, part)
                })
            }
            Place::There { node, address, key } => {
                let body = inside::exchange_body(&request, fresh, settle);
                let (peers, lost) = (Arc::clone(&self.cluster.peers), self.cluster.has_lost(node, shard));
                Box::pin(async move {
                    let path = inside::exchange_path(shard);
                    let part = tokio::select! {
                        biased;
                        answer = peers.call(&key, &address, &path, body, wait + PEER_SLACK) => read_part(answer),
                        // What it said is said again to whoever owns the shard now.
                        () = lost => Err(Failed::Away),
                    };
                    (shard, seq, part)
                })
            }
            Place::Nowhere => Box::pin(async move { (shard, seq, Err(Failed::Away)) }),
        };
        self.open.push(after_failure(call));
    }

    fn is_lowered(&self, shard: ShardId, capacity: u32) -> bool {
        lock(&self.seat).links.get(&shard).is_some_and(|link| link.offered > capacity)
    }

    /// A shard has answered, or has not.
    fn take(&mut self, shard: ShardId, seq: u64, part: Result<Part, Failed>) -> Result<(), CallError> {
        let mut seat = lock(&self.seat);
        let is_last = seat.links.get(&shard).is_some_and(|link| link.seq == seq);
        if is_last {
            self.called.remove(&shard);
            self.verdicts.remove(&shard);
        }
        let once = self.once.remove(&shard);
        match part {
            Ok(mut part) => {
                seat.answered(shard, seq, &mut part);
                self.accepted.append(&mut part.accepted);
                self.stale.append(&mut part.stale);
                Ok(())
            }
            Err(Failed::Away) => {
                self.verdicts.remove(&shard);
                if once {
                    // The worker says it again only if it hears of no answer.
                    return Err(CallError::Unavailable(format!("shard {} cannot be reached just now", shard.0)));
                }
                if let Some(link) = seat.links.get_mut(&shard) {
                    // Whoever owns it next has not met the session.
                    link.greeted = false;
                }
                Ok(())
            }
            Err(Failed::Refused(error)) => Err(error),
        }
    }

    /// Answers the worker; what is still open is hung up.
    fn end(self, current: &CancellationToken) -> Merged {
        let paused = self.is_paused();
        let mut seat = lock(&self.seat);
        if current.is_cancelled() {
            // A newer call speaks for the session: what there is to say is said to that.
            seat.left_over.notify_one();
            let (accepted, stale, unreadable) = (self.accepted, self.stale, self.unreadable);
            let directive = seat.directive(paused);
            return Merged { accepted, stale, unreadable, directive, ..Merged::default() };
        }
        let mut merged = seat.tell(paused);
        merged.accepted = self.accepted;
        merged.stale = self.stale;
        merged.stale.sort_unstable();
        merged.stale.dedup();
        merged.unreadable = self.unreadable;
        seat.remember(&merged);
        drop(seat);
        if self.base.leaving {
            self.cluster.hub.forget(&SessionId::from(self.base.session_id.as_str()));
        }
        merged
    }
}
