//! Carries what shards tell each other about the limits that they share. A message may be lost: its shard says it again for
//! as long as it needs an answer. So nothing is queued here for a shard that cannot be reached.

use std::sync::Arc;
use std::time::Duration;

use mainspring_core::event::Event;
use mainspring_core::loan::LoanMessage;
use mainspring_store::ShardId;
use tokio::task::JoinSet;

use super::Cluster;
use super::inside::loan_path;
use super::routing::Place;
use crate::node::shared::Shared;
use crate::node::wire::write_loan;

/// How long another node may take to hear a message.
const TELL_MAX: Duration = Duration::from_secs(1);
/// Messages of one shard that are on their way to other nodes; beyond it they are lost.
const UNDER_WAY_MAX: usize = 256;

/// Carries what the shard says, until its thread has ended.
pub(super) async fn run(cluster: Arc<Cluster>, shared: Arc<Shared>) {
    let Some(mut said) = shared.loans.take() else { return };
    let mut stopped = shared.when_stopped();
    // The shard's thread lets go of the store when nobody holds this any more.
    drop(shared);
    let mut under_way = JoinSet::new();
    loop {
        let message = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return,
            Some(_) = under_way.join_next() => continue,
            message = said.recv() => message,
        };
        let Some(message) = message else { return };
        match cluster.place(ShardId(message.to)) {
            Place::Here(shared) => shared.tell(Event::Loan(Box::new(message))),
            Place::There { address, key, .. } if under_way.len() < UNDER_WAY_MAX => {
                let peers = Arc::clone(&cluster.peers);
                under_way.spawn(async move {
                    let (path, body) = (loan_path(ShardId(message.to)), write_loan(&message));
                    if let Err(error) = peers.call(&key, &address, &path, body, TELL_MAX).await {
                        tracing::debug!(to = message.to, %error, "a word about a loan was lost; it is said again");
                    }
                });
            }
            Place::There { .. } | Place::Nowhere => {}
        }
    }
}

impl Cluster {
    /// Takes in what a shard of another node says.
    pub(super) fn hear_of_loan(&self, shard: ShardId, message: LoanMessage) {
        if let Some(shared) = self.local_shard(shard).filter(|_| message.to == shard.0) {
            shared.tell(Event::Loan(Box::new(message)));
        }
    }
}
