//! The hub of worker sessions: a worker speaks with one node, its tasks belong to many shards. What is decided about that
//! stands in [`mainspring_node::hub`]; here are the sessions that this node knows, and their calls.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mainspring_core::id::{Name, SessionId, Token};
use mainspring_node::hub::{Begun, Merged, Seat, Standing, in_turn};
use mainspring_protocol::exchange::ExchangeRequest;
use mainspring_protocol::token;
use mainspring_store::ShardId;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::Cluster;
use super::grants::Exchanged;
use super::turn::{Carried, Said};
use crate::node::{CallError, convert};

/// How long beyond its lease a silent session is remembered.
const GRACE: Duration = Duration::from_secs(60);
/// Workers that are remembered to have called.
const SEEN_MAX: usize = 100_000;

pub(super) type SharedSeat = Arc<Mutex<Chair>>;

/// A seat, and who speaks for it.
pub(super) struct Chair {
    pub(super) seat: Seat,
    /// Ends the call that waits.
    pub(super) current: Option<CancellationToken>,
    /// An older call has brought what the present one is to say.
    pub(super) left_over: Arc<Notify>,
}

/// See the module.
pub(super) struct Hub {
    seats: Mutex<HashMap<SessionId, SharedSeat>>,
    seen: Mutex<HashSet<Name>>,
    pub(super) wait_ms_max: u64,
    /// Changes when settings change.
    pub(super) settings: watch::Sender<u64>,
    pub(super) closed: CancellationToken,
}

impl Hub {
    pub(super) fn new(wait_ms_max: u64) -> Self {
        Self {
            seats: Mutex::default(),
            seen: Mutex::default(),
            wait_ms_max,
            settings: watch::Sender::new(0),
            closed: CancellationToken::new(),
        }
    }

    /// How many sessions are known.
    pub(super) fn sessions(&self) -> u64 {
        lock(&self.seats).len() as u64
    }

    pub(super) fn has_seen(&self, worker: &Name) -> bool {
        lock(&self.seen).contains(worker)
    }

    /// Lets every call look at its directive again.
    pub(super) fn wake_all(&self) {
        self.settings.send_modify(|settings| *settings = settings.wrapping_add(1));
    }

    /// Ends every call that waits.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    fn seat(&self, session: &SessionId, worker: &Name, now: Duration) -> Result<SharedSeat, CallError> {
        let mut seats = lock(&self.seats);
        let seat = seats.entry(session.clone()).or_insert_with(|| {
            let mut seen = lock(&self.seen);
            if seen.len() >= SEEN_MAX {
                seen.clear();
            }
            seen.insert(worker.clone());
            let seat = Seat::new(worker.clone(), now);
            Arc::new(Mutex::new(Chair { seat, current: None, left_over: Arc::default() }))
        });
        let seat = Arc::clone(seat);
        if lock(&seat).seat.worker() != worker {
            return Err(CallError::Invalid(format!(
                "the session `{session}` belongs to another worker than `{worker}`"
            )));
        }
        let silent = |seat: &SharedSeat| {
            let chair = lock(seat);
            chair.current.is_none() && chair.seat.heard_at + chair.seat.lease + GRACE < now
        };
        if seats.len().is_multiple_of(64) {
            seats.retain(|_, other| Arc::ptr_eq(other, &seat) || !silent(other));
        }
        Ok(seat)
    }

    pub(super) fn forget(&self, session: &SessionId) {
        lock(&self.seats).remove(session);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic leaves what these guard half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cluster {
    /// One call of a worker session.
    pub(in crate::node) async fn exchange(&self, request: ExchangeRequest) -> Result<Exchanged, CallError> {
        if self.shards > 1 {
            return self.exchange_with_all(request).await.map(Exchanged::Many);
        }
        let call = convert::call(request, self.config.wait_ms_max)?;
        let shared = self.local_shard(ShardId(0)).ok_or(CallError::Stopped)?;
        shared.exchange_here(call, &*self.reader).await.map(Exchanged::One)
    }

    async fn exchange_with_all(&self, request: ExchangeRequest) -> Result<Merged, CallError> {
        // Everything but the payload is checked before anything is told to anybody.
        let bare = ExchangeRequest {
            outcomes: Vec::new(),
            logs: Vec::new(),
            running: Vec::new(),
            progress: Vec::new(),
            ..request.clone()
        };
        let checked = convert::call(bare.clone(), self.hub.wait_ms_max)?;
        let now = self.config.clock.monotonic();
        let seat = self.hub.seat(&checked.session, &checked.worker, now)?;
        let digest = convert::digest(&request);
        let (said, spoken) = self.said(&bare, request);
        let current = CancellationToken::new();
        let pulse = self.pulse();
        let standing = Standing { seq: checked.seq, ack: checked.ack, digest, spoken: &spoken, pulse };
        let fresh = {
            let mut chair = lock(&seat);
            match chair.seat.begin(&standing, now) {
                Begun::Answered(merged) => return Ok(*merged),
                Begun::Go { fresh } => {
                    if let Some(older) = chair.current.replace(current.clone()) {
                        older.cancel();
                    }
                    chair.seat.lease = Duration::from_millis(checked.lease_ms);
                    fresh
                }
            }
        };
        let wanted = (checked.capacity, checked.wait);
        let carried = Carried::new(self, seat, bare, said, fresh, wanted);
        carried.run(&current).await
    }

    /// Splits what a call says by the shards of its tokens; and the tokens that it speaks of.
    fn said(&self, bare: &ExchangeRequest, request: ExchangeRequest) -> (Said, HashSet<Token>) {
        let (mut parts, mut running): (BTreeMap<ShardId, ExchangeRequest>, BTreeMap<_, Vec<String>>) =
            Default::default();
        let (mut spoken, mut unreadable) = (HashSet::new(), Vec::new());
        let mut find = |text: &str, speaks: bool| {
            let Some(token) = token::decode(text) else {
                unreadable.push(text.to_owned());
                return None;
            };
            if speaks {
                spoken.insert(token);
            }
            Some(ShardId::of_key(token.task, self.shards))
        };
        for text in request.running {
            if let Some(shard) = find(&text, true) {
                running.entry(shard).or_default().push(text);
            }
        }
        for report in request.outcomes {
            if let Some(shard) = find(&report.token, true) {
                parts.entry(shard).or_insert_with(|| bare.clone()).outcomes.push(report);
            }
        }
        for chunk in request.logs {
            if let Some(shard) = find(&chunk.token, false) {
                parts.entry(shard).or_insert_with(|| bare.clone()).logs.push(chunk);
            }
        }
        for report in request.progress {
            if let Some(shard) = find(&report.token, false) {
                parts.entry(shard).or_insert_with(|| bare.clone()).progress.push(report);
            }
        }
        for shard in running.keys() {
            parts.entry(*shard).or_insert_with(|| bare.clone());
        }
        unreadable.sort_unstable();
        unreadable.dedup();
        (Said { parts, running, unreadable }, spoken)
    }

    /// Shards with ready work that nobody has room for, ours first; from `rotation` on, so that each is first in its turn.
    pub(super) fn demand(&self, rotation: usize) -> Vec<(ShardId, u64)> {
        let here = self.local_shards();
        let left: Vec<(ShardId, u64)> = here
            .iter()
            .map(|shared| (shared.shard, shared.demand.load(std::sync::atomic::Ordering::Relaxed)))
            .filter(|(_, tasks)| *tasks > 0)
            .collect();
        let board = lock(&self.board);
        let there = board.iter().map(|(shard, tasks)| (*shard, *tasks));
        let there = there.filter(|(shard, tasks)| *tasks > 0 && here.iter().all(|shared| shared.shard != *shard));
        in_turn(left, there.collect(), rotation)
    }
}
