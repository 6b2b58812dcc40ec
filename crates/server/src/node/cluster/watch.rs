//! The watch: beats for this node, judges the others by their beats, and opens and closes shards as the plan says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mainspring_core::event::{Event, Settings};
use mainspring_core::id::{Name, SessionId};
use mainspring_node::balance::{Free, Plan, plan};
use mainspring_node::judge::{Judge, STILL};
use mainspring_node::roster;
use mainspring_store::{Error, Roster, ShardId};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::hub::lock;
use super::known::Known;
use super::roster::View;
use super::{Cluster, StartError, process};

/// How often a node shows that it lives.
const BEAT_EVERY: Duration = Duration::from_millis(500);
/// Longest wait for one beat: the next one after it still comes before this node counts as dead.
const BEAT_MAX: Duration = Duration::from_millis(1_200);
/// Two looks are at least so far apart, whatever is due.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long a peer may take to hear that a shard is free.
const CALL_MAX: Duration = Duration::from_millis(500);
/// Nodes whose end is remembered, for shards that are opened later.
const ENDED_MAX: usize = 1_000;

type Settled = oneshot::Sender<Result<(), StartError>>;

/// A task that ends with whoever wants it.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the watch remembers from beat to beat.
struct Watch {
    cluster: Arc<Cluster>,
    judge: Judge,
    free: Free,
    settings: Settings,
    /// Nodes whose end every shard of ours has been told.
    ended: BTreeSet<SessionId>,
    opening: BTreeSet<ShardId>,
    work: JoinSet<(ShardId, Option<SessionId>, Result<(), StartError>)>,
    closing: JoinSet<()>,
    /// Who follows the news of which node.
    following: BTreeMap<SessionId, AbortOnDrop>,
    /// Shards that take in what waits for them in the store.
    taking: BTreeMap<ShardId, AbortOnDrop>,
    silent_since: Option<Duration>,
    settled: Option<Settled>,
    failure: Option<StartError>,
}

/// Watches until the node stops. `settled` hears once every shard is served by somebody.
pub(super) async fn run(cluster: Arc<Cluster>, settled: Settled) {
    let mut watch = Watch {
        cluster: Arc::clone(&cluster),
        judge: Judge::default(),
        free: Free::default(),
        settings: Settings::default(),
        ended: BTreeSet::new(),
        opening: BTreeSet::new(),
        work: JoinSet::new(),
        closing: JoinSet::new(),
        following: BTreeMap::new(),
        taking: BTreeMap::new(),
        silent_since: None,
        settled: Some(settled),
        failure: None,
    };
    while !cluster.closing.is_cancelled() {
        watch.beat().await;
        watch.rest().await;
    }
    // What is being opened is closed by whoever stops the node, once it is there.
    while watch.work.join_next().await.is_some() {}
    while watch.closing.join_next().await.is_some() {}
}

impl Watch {
    async fn beat(&mut self) {
        let members = self.cluster.members.clone().expect("only a shared store is watched");
        let now = self.cluster.config.clock.monotonic();
        let known = Known::of(self.cluster.local_shards());
        let beat = tokio::time::timeout(BEAT_MAX, members.beat(self.cluster.me.clone())).await;
        let error = match beat {
            Ok(Ok(roster)) => {
                self.silent_since = None;
                lock(&self.cluster.pulse).beat(now, self.cluster.config.clock.monotonic());
                known.compare(&roster);
                return self.turn(roster, now).await;
            }
            Ok(Err(error)) => error,
            Err(_) => Error::Unavailable(format!("no answer within {} ms", BEAT_MAX.as_millis())),
        };
        tracing::warn!(%error, "this node cannot show that it lives");
        let since = *self.silent_since.get_or_insert(now);
        if now.saturating_sub(since) >= STILL {
            self.cluster.set_reason(Some(format!("the store takes no sign of life of this node: {error}")));
        }
        let is_final = matches!(error, Error::Corrupt(_) | Error::Incompatible(_));
        if is_final && let Some(settled) = self.settled.take() {
            let _ = settled.send(Err(error.into()));
        }
    }

    /// Until the next beat, the moment at which a beat of another node has stood still for too long, or something to be told
    /// at once.
    async fn rest(&mut self) {
        let now = self.cluster.config.clock.monotonic();
        // Without an answer of the store nobody is judged.
        let due = self.judge.due(&self.cluster.me.id, now).filter(|_| self.silent_since.is_none());
        let rest = due.map_or(BEAT_EVERY, |due| due.clamp(LOOK_AGAIN, BEAT_EVERY));
        let mut until = std::pin::pin!(tokio::time::sleep(rest));
        loop {
            tokio::select! {
                () = self.cluster.closing.cancelled() => return,
                () = until.as_mut() => return,
                () = self.cluster.hurry.notified() => return,
                Some(opened) = self.work.join_next() => {
                    if let Ok((shard, before, outcome)) = opened {
                        self.opened(shard, before, outcome);
                    }
                    // It starts nothing until it has heard the settings of now.
                    return;
                }
                Some(_) = self.closing.join_next() => {
                    if self.closing.is_empty() {
                        self.cluster.call_on_peers().await;
                        return;
                    }
                }
            }
        }
    }

    /// Follows a roster that was asked for at this instant.
    async fn turn(&mut self, roster: Roster, asked_at: Duration) {
        let cluster = Arc::clone(&self.cluster);
        let now = cluster.config.clock.monotonic();
        let dead = self.judge.judge(&roster, &cluster.me.id, (asked_at, now), |node| process::is_gone(&node.process));
        self.reap(&roster, &dead);
        let view = Arc::new(View::new(&roster, &dead, &self.judge.silence(now)));
        cluster.view.send_replace(Arc::clone(&view));
        cluster.set_reason(None);
        self.tell(&view, &dead, asked_at);
        self.listen(&view);
        let mine: BTreeSet<ShardId> =
            cluster.local_shards().iter().map(|shared| shared.shard).chain(self.opening.iter().copied()).collect();
        let alive = roster.nodes.iter().map(|(node, _)| node.id.clone()).filter(|id| !dead.contains(id)).collect();
        let Plan { take, give } = plan(&roster.shards, &alive, &dead, &cluster.me.id, &mine, &mut self.free);
        for (shard, epoch) in take {
            self.open(&roster, shard, epoch);
        }
        for shard in give {
            tracing::info!(shard = shard.0, "giving a shard to another node");
            let cluster = Arc::clone(&cluster);
            self.closing.spawn(async move { cluster.close_shard(shard).await });
        }
        self.take_off(&roster, &dead).await;
        self.take_in();
        self.report(&view);
    }

    /// Forgets shards whose threads have ended, and ends those that belong to others by now.
    fn reap(&mut self, roster: &Roster, dead: &BTreeSet<SessionId>) {
        for shared in self.cluster.local_shards() {
            let held = roster.shards.get(usize::from(shared.shard.0));
            let epoch = shared.fence().map_or(0, |fence| fence.epoch);
            if held.is_some_and(|held| roster::is_taken(held, epoch, &self.cluster.me.id)) {
                tracing::warn!(shard = shared.shard.0, ?dead, "another node has taken a shard of this one over");
                shared.close();
            }
            if shared.has_stopped() {
                self.cluster.forget_shard(shared.shard, &shared);
            }
        }
    }

    /// Tells the shards of ours what has changed in the cluster.
    fn tell(&mut self, view: &View, dead: &BTreeSet<SessionId>, asked_at: Duration) {
        let shards = self.cluster.local_shards();
        if self.settings != view.settings {
            self.settings = view.settings.clone();
            self.cluster.hub.wake_all();
        }
        for shared in shards.iter().filter(|shared| shared.shard != ShardId::CONTROL) {
            shared.follow(&view.settings, asked_at);
        }
        for node in dead {
            if self.ended.insert(node.clone()) {
                tracing::warn!(%node, "a node shows no life");
                shards.iter().for_each(|shared| shared.tell(Event::EndNode(node.clone())));
            }
        }
        if self.ended.len() > ENDED_MAX {
            self.ended.retain(|node| dead.contains(node));
        }
    }

    /// Follows the news of every node that lives.
    fn listen(&mut self, view: &View) {
        let peers: BTreeMap<SessionId, Name> = view.peers(&self.cluster.me.id).into_iter().collect();
        self.following.retain(|node, _| peers.contains_key(node));
        for (node, address) in peers {
            self.following
                .entry(node)
                .or_insert_with(|| AbortOnDrop(tokio::spawn(super::news::follow(Arc::clone(&self.cluster), address))));
        }
    }

    fn open(&mut self, roster: &Roster, shard: ShardId, epoch: Option<u64>) {
        if !self.opening.insert(shard) {
            return;
        }
        let before = roster.shards.get(usize::from(shard.0)).and_then(|held| held.owner.clone());
        let cluster = Arc::clone(&self.cluster);
        self.work.spawn(async move { (shard, before, cluster.open_shard(shard, epoch).await) });
    }

    fn opened(&mut self, shard: ShardId, before: Option<SessionId>, outcome: Result<(), StartError>) {
        self.opening.remove(&shard);
        match outcome {
            Ok(()) => {
                let Some(shared) = self.cluster.local_shard(shard) else { return };
                tracing::info!(
                    shard = shard.0,
                    epoch = shared.fence().map_or(0, |fence| fence.epoch),
                    "serving a shard"
                );
                shared.follow_anew();
                for node in self.ended.iter().chain(before.iter().filter(|node| **node != self.cluster.me.id)) {
                    shared.tell(Event::EndNode(node.clone()));
                }
            }
            Err(StartError::Store(Error::Conflict(reason))) => {
                tracing::debug!(shard = shard.0, reason, "another node was faster");
            }
            Err(error) => {
                tracing::warn!(shard = shard.0, %error, "failed to open a shard");
                self.failure = Some(error);
            }
        }
    }

    /// Has the shards of ours take in what waits for them in the store.
    fn take_in(&mut self) {
        let Some(inbox) = self.cluster.store.inbox() else { return };
        for shard in inbox.waits_for() {
            let is_ours = self.cluster.local_shard(shard).is_some();
            if is_ours && self.taking.get(&shard).is_none_or(|taking| taking.0.is_finished()) {
                let (cluster, inbox) = (Arc::clone(&self.cluster), Arc::clone(&inbox));
                let taking = tokio::spawn(async move { cluster.take_in(inbox, shard).await });
                self.taking.insert(shard, AbortOnDrop(taking));
            }
        }
    }

    /// Takes the dead off once nothing is theirs.
    async fn take_off(&mut self, roster: &Roster, dead: &BTreeSet<SessionId>) {
        let Some(members) = &self.cluster.members else { return };
        for node in dead {
            let listed = roster.nodes.iter().any(|(row, _)| row.id == *node);
            let owns = roster.shards.iter().any(|held| held.owner.as_ref() == Some(node));
            if listed
                && !owns
                && let Err(error) = members.leave(node.clone()).await
            {
                tracing::warn!(%error, "failed to take a dead node off");
            }
        }
    }

    /// Tells whoever started the node how it went.
    fn report(&mut self, view: &View) {
        let served = |shard: &ShardId| self.cluster.local_shard(*shard).is_some() || view.owner(*shard).is_some();
        let all = (0..self.cluster.shards).map(ShardId).filter(served).count() == usize::from(self.cluster.shards);
        let outcome = match self.failure.take() {
            Some(error) if self.cluster.local_shards().is_empty() => Err(error),
            _ if all && self.opening.is_empty() => Ok(()),
            _ => return,
        };
        if let Some(settled) = self.settled.take() {
            let _ = settled.send(outcome);
        }
    }
}

impl Cluster {
    /// Asks the other nodes to look at the roster at once.
    pub(super) async fn call_on_peers(&self) {
        let view = self.view();
        let Some(key) = &view.key else { return };
        let calls = view.peers(&self.me.id).into_iter().map(|(_, address)| async move {
            // They look by themselves twice a second.
            let _ = self.peers.call(key, &address, super::inside::BEAT, Vec::new(), CALL_MAX).await;
        });
        futures_util::future::join_all(calls).await;
    }
}
