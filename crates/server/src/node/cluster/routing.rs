//! How a call reaches its shard, wherever that is.

use std::sync::Arc;
use std::time::Duration;

use mainspring_core::effect::Answer;
use mainspring_core::event::Order;
use mainspring_core::id::{Name, SessionId};
use mainspring_store::ShardId;

use super::roster::View;
use super::{Cluster, not_served};
use crate::node::CallError;
use crate::node::mailbox::Message;
use crate::node::peer::PeerError;
use crate::node::shared::Shared;
use crate::node::wire::{Ask, read_answer, write_ask};

/// How long a call waits for its shard to have an owner: a failover takes 3 to 4 seconds.
const ROUTE_MAX: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long another node may take for a call.
const ASK_MAX: Duration = Duration::from_secs(30);

/// Where a shard is.
pub(super) enum Place {
    Here(Arc<Shared>),
    There { node: SessionId, address: Name, key: Arc<[u8; 32]> },
    Nowhere,
}

/// Why a call did not reach a shard.
enum Missed {
    /// It is not where it was looked for; nothing was applied.
    Elsewhere,
    Failed(CallError),
}

impl Cluster {
    pub(super) fn place(&self, shard: ShardId) -> Place {
        if let Some(shared) = self.local_shard(shard).filter(|shared| !self.is_shared() || !shared.mailbox.is_closed())
        {
            return Place::Here(shared);
        }
        let view = self.view();
        let owner = view.owner(shard).filter(|owner| owner.node != self.me.id);
        match (owner.and_then(|owner| Some((owner.node.clone(), owner.address.clone()?))), &view.key) {
            (Some((node, address)), Some(key)) => Place::There { node, address, key: Arc::clone(key) },
            _ => Place::Nowhere,
        }
    }

    /// Resolves once a node no longer owns a shard, as far as is known here: it is dead, or has given the shard up.
    pub(super) fn has_lost(&self, node: SessionId, shard: ShardId) -> impl Future<Output = ()> + Send + 'static {
        let mut views = self.view.subscribe();
        async move {
            let lost = |view: &Arc<View>| view.owner(shard).is_none_or(|owner| owner.node != node);
            // An error means that this node stops, which ends the call as well.
            let _ = views.wait_for(lost).await;
        }
    }

    /// Carries a call to its shard; waits for a while for the shard to be somewhere.
    pub(super) async fn ask(&self, shard: ShardId, ask: Ask) -> Result<Answer, CallError> {
        if !self.is_shared() {
            let shared = self.local_shard(shard).ok_or(CallError::Stopped)?;
            return shared.ask(ask).await;
        }
        let deadline = tokio::time::Instant::now() + ROUTE_MAX;
        loop {
            match self.ask_once(shard, ask.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(Missed::Failed(error)) => return Err(error),
                Err(Missed::Elsewhere) => {}
            }
            if self.closing.is_cancelled() {
                return Err(CallError::Stopped);
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(not_served(shard));
            }
            self.hurry.notify_one();
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Asks a shard that is somewhere now; `None` if it is nowhere.
    pub(super) async fn ask_if_served(&self, shard: ShardId, ask: Ask) -> Result<Option<Answer>, CallError> {
        match self.ask_once(shard, ask).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Missed::Elsewhere) => Ok(None),
            Err(Missed::Failed(error)) => Err(error),
        }
    }

    async fn ask_once(&self, shard: ShardId, ask: Ask) -> Result<Answer, Missed> {
        let answer = match self.place(shard) {
            Place::Here(shared) => shared.ask(ask).await,
            Place::There { node, address, key } => {
                let path = super::inside::ask_path(shard);
                let call = self.peers.call(&key, &address, &path, write_ask(&ask), ASK_MAX);
                let body = tokio::select! {
                    biased;
                    body = call => body,
                    // It may have carried the call out before. Whoever owns the shard now knows, once it is asked again.
                    () = self.has_lost(node.clone(), shard) => Err(PeerError::Lost(format!("{node} lost the shard"))),
                };
                let body = body.map_err(|error| match error {
                    PeerError::NotSent(_) => Missed::Elsewhere,
                    PeerError::Lost(reason) => {
                        tracing::warn!(shard = shard.0, reason, "a call of another node was cut off");
                        Missed::Failed(CallError::OutcomeUnknown)
                    }
                    PeerError::Refused(reason) => Missed::Failed(CallError::Unavailable(format!(
                        "the node that owns shard {} refuses this one: {reason}",
                        shard.0
                    ))),
                })?;
                read_answer(&body).unwrap_or_else(|error| {
                    tracing::error!(%error, "another node answered what cannot be read");
                    Err(CallError::OutcomeUnknown)
                })
            }
            Place::Nowhere => return Err(Missed::Elsewhere),
        };
        answer.map_err(|error| match error {
            CallError::Stopped => Missed::Elsewhere,
            error => Missed::Failed(error),
        })
    }
}

impl Shared {
    /// Puts a call into the mailbox and waits for its answer.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Answer, CallError> {
        if let Ask::Order {
            order: Order::PauseQueue { .. } | Order::SetLimits { .. } | Order::DirectWorker { .. },
            ..
        } = ask
        {
            self.follow_anew();
        }
        self.call(|answer| match ask {
            Ask::Tasks(tasks) => Message::Tasks { tasks, answer },
            Ask::Job(job) => Message::Job { job, answer },
            Ask::Order { actor, order } => Message::Order { actor, order, answer },
        })
        .await
    }
}
