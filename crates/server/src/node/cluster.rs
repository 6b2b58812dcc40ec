//! The cluster as one node sees it: which shards it owns itself, who owns the others, and how a call reaches its shard.
//!
//! ```text
//!  call ─▶ which shard? ─┬─ ours ──────▶ mailbox of the shard's thread
//!                        ├─ another's ─▶ peer, sealed HTTP ─▶ its mailbox
//!                        └─ nobody's ──▶ wait for the next beat, then look again
//! ```
//! A store that nobody shares has one shard, and the first way is the only one.

mod grants;
mod hub;
mod inbox;
mod inside;
mod keys;
mod known;
mod loans;
mod merge;
mod news;
mod part_call;
mod process;
mod roster;
mod routing;
mod split;
mod turn;
mod watch;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join_all;
use mainspring_core::id::{Name, SessionId};
use mainspring_node::pulse::Pulse;
use mainspring_store::{Members, NodeRow, Reader, ShardId, Store};
use tokio::sync::{Notify, watch as channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::hub::Hub;
use self::roster::View;
use super::figures::{NodeFigures, Readiness};
use super::peer::{Door, Peers};
use super::shared::{Shared, Wakes};
use super::{CallError, NodeConfig, StartError, actor};
use crate::clock::SteadyClock;

pub use grants::Exchanged;
pub(crate) use inside::{Inside, ROOT};
pub use roster::{ClusterView, NodeView, ShardView};

/// How long a start waits until every shard has an owner.
const START_MAX: Duration = Duration::from_secs(20);
/// A shard of ours whose mailbox holds more than this gets no work that could as well go elsewhere.
const BUSY_BYTES: usize = 8 << 20;

/// See the module.
pub(super) struct Cluster {
    pub(super) store: Arc<dyn Store>,
    pub(super) reader: Arc<dyn Reader>,
    pub(super) config: NodeConfig,
    pub(super) shards: u16,
    pub(super) me: NodeRow,
    members: Option<Arc<dyn Members>>,
    pub(super) wakes: Wakes,
    /// The shards whose threads run here.
    local: RwLock<BTreeMap<ShardId, Arc<Shared>>>,
    /// As of the last beat.
    view: channel::Sender<Arc<View>>,
    /// Ready work left over in the shards of others, as they say.
    pub(super) board: Mutex<BTreeMap<ShardId, u64>>,
    /// The newest commits of the shards of others, as they say.
    pub(super) heads: Mutex<BTreeMap<ShardId, u64>>,
    hub: Hub,
    pulse: Mutex<Pulse>,
    peers: Arc<Peers>,
    pub(super) door: Door,
    /// Asks for a beat before its time.
    hurry: Notify,
    /// Why the cluster as a whole keeps this node from its work.
    reason: Mutex<Option<String>>,
    /// Reads of the shard that a store without members has, after its thread has ended.
    last: OnceLock<Arc<Shared>>,
    closing: CancellationToken,
    work: TaskTracker,
    favourite: AtomicUsize,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("node", &self.me.id).field("shards", &self.shards).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Takes part, and returns once every shard is served by somebody, as far as anyone can tell.
    pub(super) async fn start(store: Arc<dyn Store>, mut config: NodeConfig) -> Result<Arc<Self>, StartError> {
        config.clock = Arc::new(SteadyClock::over(config.clock));
        let id: SessionId = format!("node-{:016x}", super::recovery::random()).into();
        let me = NodeRow {
            address: config.advertise.as_deref().map(Name::from),
            about: process::about().into(),
            process: process::name().into(),
            version: env!("CARGO_PKG_VERSION").into(),
            id,
        };
        let cluster = Arc::new(Self {
            reader: store.reader(),
            shards: store.shards(),
            members: store.members(),
            store,
            me,
            wakes: Wakes::new(),
            local: RwLock::default(),
            view: channel::Sender::new(Arc::default()),
            board: Mutex::default(),
            heads: Mutex::default(),
            hub: Hub::new(config.wait_ms_max),
            pulse: Mutex::default(),
            peers: Arc::new(Peers::new(Arc::clone(&config.clock))),
            door: Door::new(),
            hurry: Notify::new(),
            reason: Mutex::default(),
            last: OnceLock::new(),
            closing: CancellationToken::new(),
            work: TaskTracker::new(),
            favourite: AtomicUsize::new(super::recovery::random() as usize),
            config,
        });
        if cluster.members.is_none() {
            cluster.open_shard(ShardId(0), None).await?;
            return Ok(cluster);
        }
        let (settled, has_settled) = tokio::sync::oneshot::channel();
        cluster.work.spawn(watch::run(Arc::clone(&cluster), settled));
        match tokio::time::timeout(START_MAX, has_settled).await {
            Ok(Ok(Ok(()))) => Ok(cluster),
            Ok(Ok(Err(error))) => {
                cluster.shutdown().await;
                Err(error)
            }
            // It goes on trying, and says so.
            Ok(Err(_)) | Err(_) => Ok(cluster),
        }
    }

    /// Starts the thread of a shard; `dead` is the epoch of an owner that shows no life.
    async fn open_shard(self: &Arc<Self>, shard: ShardId, dead: Option<u64>) -> Result<(), StartError> {
        let shared = Arc::new(Shared::new(&self.store, &self.config, shard, &self.wakes));
        let (store, owner) = (Arc::clone(&self.store), self.me.id.clone());
        actor::start(Arc::clone(&shared), store, self.config.clone(), owner, dead).await?;
        self.work.spawn(super::evaluate::run(Arc::clone(&shared), Arc::clone(&self.reader)));
        self.work.spawn(super::planner::run(Arc::clone(&shared), Arc::clone(&self.reader)));
        if self.shards > 1 {
            self.work.spawn(loans::run(Arc::clone(self), Arc::clone(&shared)));
        }
        let _ = self.last.set(Arc::clone(&shared));
        let mut local = self.local.write().unwrap_or_else(PoisonError::into_inner);
        local.insert(shard, shared);
        Ok(())
    }

    /// Gives a shard up: what it has taken in is committed first.
    async fn close_shard(&self, shard: ShardId) {
        let Some(shared) = self.local_shard(shard) else { return };
        shared.close();
        shared.stopped().await;
        self.forget_shard(shard, &shared);
    }

    fn forget_shard(&self, shard: ShardId, shared: &Arc<Shared>) {
        let mut local = self.local.write().unwrap_or_else(PoisonError::into_inner);
        if local.get(&shard).is_some_and(|known| Arc::ptr_eq(known, shared)) {
            local.remove(&shard);
        }
    }

    /// The shard, if its thread runs here.
    pub(super) fn local_shard(&self, shard: ShardId) -> Option<Arc<Shared>> {
        self.local.read().unwrap_or_else(PoisonError::into_inner).get(&shard).cloned()
    }

    /// Whether the control shard's thread runs here.
    pub(in crate::node) fn serves_control(&self) -> bool {
        self.local_shard(ShardId::CONTROL).is_some()
    }

    /// All shards whose threads run here, in order.
    pub(super) fn local_shards(&self) -> Vec<Arc<Shared>> {
        self.local.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether several processes may share the store.
    pub(super) fn is_shared(&self) -> bool {
        self.members.is_some()
    }

    fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// Where work goes that may go anywhere: one shard of ours, so that batches stay large, until it has enough to do.
    pub(super) fn favourite(&self) -> ShardId {
        let local = self.local.read().unwrap_or_else(PoisonError::into_inner);
        if local.is_empty() {
            let view = self.view();
            let owned: Vec<ShardId> = view.owned().collect();
            let place = self.favourite.fetch_add(1, Ordering::Relaxed) % owned.len().max(1);
            return owned.get(place).copied().unwrap_or(ShardId::CONTROL);
        }
        let place = self.favourite.load(Ordering::Relaxed) % local.len();
        let (shard, shared) = local.iter().nth(place).expect("the place is inside");
        if shared.mailbox.bytes().1 <= BUSY_BYTES {
            return *shard;
        }
        let least = local.iter().min_by_key(|(_, shared)| shared.mailbox.bytes().1);
        least.map_or(*shard, |(shard, _)| *shard)
    }

    /// Figures of all shards that are served here.
    pub(super) fn figures(&self) -> NodeFigures {
        let mut shards = self.local_shards();
        if shards.is_empty() {
            shards.extend(self.last.get().cloned());
        }
        let mut figures = shards.iter().map(|shared| shared.figures());
        let first = figures.next().unwrap_or_else(|| NodeFigures::none(&self.store));
        let mut sum = figures.fold(first, NodeFigures::plus);
        sum.readiness = self.readiness();
        if self.shards > 1 {
            sum.sessions = self.hub.sessions();
        }
        sum
    }

    /// Why this node cannot do its work: reasons of its shards, one of each kind, and of the cluster.
    pub(super) fn readiness(&self) -> Readiness {
        let mut shards = self.local_shards();
        if shards.is_empty() && !self.is_shared() {
            shards.extend(self.last.get().cloned());
        }
        let mut reasons: BTreeMap<&'static str, String> = BTreeMap::new();
        for shared in shards {
            for (word, reason) in shared.readiness().reasons {
                reasons.entry(word).or_insert(reason);
            }
        }
        if let Some(reason) = self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            reasons.insert("cluster", reason);
        }
        Readiness { reasons: reasons.into_iter().collect() }
    }

    /// Whether a worker has called this node since it started.
    pub(super) fn has_seen(&self, worker: &Name) -> bool {
        self.hub.has_seen(worker) || self.local_shards().iter().any(|shared| shared.has_seen(worker))
    }

    /// How many commits the shards here have made; changes whenever one of them makes another.
    pub(super) fn commits_made(&self) -> u64 {
        self.local_shards().iter().map(|shared| shared.commit.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }

    /// Changes with each commit of any shard, within a beat; `None`: the store does not tell.
    pub(super) fn commits_known(&self) -> Option<u64> {
        if self.is_shared() { self.view().commits } else { Some(self.commits_made()) }
    }

    /// The number of the newest commit of a shard; `None` where this node does not hear of them.
    pub(super) fn head(&self, shard: ShardId) -> Option<u64> {
        if let Some(shared) = self.local_shard(shard) {
            return Some(shared.commit.load(Ordering::Relaxed));
        }
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).get(&shard).copied()
    }

    /// Nodes and shards, for people.
    pub(super) fn for_people(&self) -> ClusterView {
        let view = self.view();
        let local = self.local_shards();
        let shard = |shard: u16| {
            let here = local.iter().find(|shared| shared.shard.0 == shard);
            let epoch = here.and_then(|shared| shared.fence()).map(|fence| fence.epoch);
            let owner = view.owner(ShardId(shard)).map(|owner| owner.node.clone());
            ShardView {
                shard,
                epoch: epoch.or_else(|| view.epochs.get(usize::from(shard)).copied()).unwrap_or(0),
                owner: if here.is_some() { Some(self.me.id.clone()) } else { owner.filter(|id| *id != self.me.id) },
            }
        };
        let node = |(row, alive, silent): &(NodeRow, bool, Duration)| NodeView {
            id: row.id.clone(),
            address: row.address.clone(),
            about: row.about.clone(),
            version: row.version.clone(),
            alive: *alive,
            silent: *silent,
        };
        let mut nodes: Vec<NodeView> = view.nodes.iter().map(node).collect();
        if nodes.iter().all(|node| node.id != self.me.id) {
            nodes.push(node(&(self.me.clone(), true, Duration::ZERO)));
        }
        ClusterView { me: self.me.id.clone(), nodes, shards: (0..self.shards).map(shard).collect() }
    }

    /// Names the time for which this node surely was not taken for dead; `None`: it may have been since. See
    /// [`mainspring_node::pulse`].
    pub(super) fn pulse(&self) -> Option<u64> {
        if self.members.is_none() { Some(0) } else { hub::lock(&self.pulse).at(self.config.clock.monotonic()) }
    }

    fn set_reason(&self, reason: Option<String>) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Gives all shards back and leaves. Idempotent.
    pub(super) async fn shutdown(&self) {
        self.closing.cancel();
        self.hub.close();
        join_all(self.local_shards().iter().map(|shared| self.close_shard(shared.shard))).await;
        self.work.close();
        self.work.wait().await;
        // One that was being opened meanwhile.
        join_all(self.local_shards().iter().map(|shared| self.close_shard(shared.shard))).await;
        if let Some(members) = &self.members {
            if let Err(error) = members.leave(self.me.id.clone()).await {
                tracing::warn!(%error, "failed to leave the cluster");
            }
            self.call_on_peers().await;
        }
    }

    /// Takes nothing more in.
    pub(super) fn close(&self) {
        self.closing.cancel();
        self.local_shards().iter().for_each(|shared| shared.close());
    }
}

/// No shard could be found for a call in time; nothing of it was applied.
fn not_served(shard: ShardId) -> CallError {
    CallError::Unavailable(format!("no node serves shard {} just now", shard.0))
}
