//! Idempotency keys that lead to another shard than the task or job that they are sent with: the key's own shard is asked first
//! whether the key may be used for it. Two commits, in this order; whatever is cut off in between, the repeat of the submission
//! finds the key claimed for itself.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use mainspring_core::effect::{Answer, Refusal};
use mainspring_core::event::{KeyClaim, Order};
use mainspring_core::limits::KEY_CLAIMS_MAX;
use mainspring_store::ShardId;

use super::Cluster;
use crate::node::CallError;
use crate::node::wire::Ask;

impl Cluster {
    /// Claims keys, each in its own shard, unless that is where its task or job stands anyway; what came of those that may not be
    /// used or could not be claimed, by their places.
    pub(super) async fn claim_keys(
        &self,
        claims: impl Iterator<Item = (usize, KeyClaim)>,
    ) -> BTreeMap<usize, CallError> {
        let mut by_shard: BTreeMap<ShardId, Vec<(usize, KeyClaim)>> = BTreeMap::new();
        for (place, claim) in claims {
            let shard = ShardId::of(claim.bucket(), self.shards);
            if shard != ShardId::of(claim.home, self.shards) {
                by_shard.entry(shard).or_default().push((place, claim));
            }
        }
        let parts =
            by_shard.iter().flat_map(|(shard, claims)| claims.chunks(KEY_CLAIMS_MAX).map(|part| (*shard, part)));
        let asked = join_all(parts.map(|(shard, part)| self.claim_in(shard, part))).await;
        asked.into_iter().flatten().collect()
    }

    async fn claim_in(&self, shard: ShardId, claims: &[(usize, KeyClaim)]) -> Vec<(usize, CallError)> {
        let order = Order::ClaimKeys(claims.iter().map(|(_, claim)| claim.clone()).collect());
        let reused = |claim: &KeyClaim| CallError::Refused(Refusal::KeyReused(claim.key.clone()));
        match self.ask(shard, Ask::Order { actor: "system".into(), order }).await {
            Ok(Answer::Claimed(may)) => {
                let refused = claims.iter().zip(may).filter(|(_, may)| !may);
                refused.map(|((place, claim), _)| (*place, reused(claim))).collect()
            }
            Ok(other) => unreachable!("keys were answered by {other:?}"),
            Err(error) => claims.iter().map(|(place, _)| (*place, error.clone())).collect(),
        }
    }
}
