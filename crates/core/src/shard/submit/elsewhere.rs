//! Idempotency keys of tasks and jobs that stand in another shard than their key leads to, because an id, or a key that is
//! limited for all, has chosen that one. Two such submissions under one key may meet in no other shard than the key's own; so that
//! one judges, before the task or job is submitted:
//!
//! ```text
//!  key's shard: claim the key for (body, home) ──▶ home: submit, claim the id and the key
//! ```
//! *Invariants:* a claim of this kind names no task, but the only bucket in which a task may have the key; it never changes before
//! it expires. Whether the submission then fails, or is cut off in between, makes no difference to it: the same body finds the
//! key claimed for itself, any other finds it used.

use super::super::Shard;
use super::key_name;
use crate::effect::Answer;
use crate::event::KeyClaim;
use crate::id::{Bucket, Key};
use crate::limits::IDEMPOTENCY_MS;
use crate::row::ClaimRow;

/// What a claim leads to whose task stands in another bucket: no sequence begins at 0.
fn in_bucket(home: Bucket) -> Key {
    Key::new(0, home)
}

/// Whether a claim only tells where the task with its key stands.
pub(super) fn is_elsewhere(target: Key) -> bool {
    target.sequence() == 0
}

impl Shard {
    pub(in super::super) fn order_claim_keys(&mut self, claims: Vec<KeyClaim>) -> Answer {
        Answer::Claimed(claims.into_iter().map(|claim| self.claim_key(claim)).collect())
    }

    /// Whether the key may be used for this.
    fn claim_key(&mut self, claim: KeyClaim) -> bool {
        let (name, target) = (key_name(&claim.tenant, &claim.key), in_bucket(claim.home));
        let known = self.claims.get(&name).and_then(|(known, _)| known.as_ref());
        if let Some(known) = known.filter(|known| known.expires_at.is_none_or(|at| at > self.now)) {
            return known.target == target && known.body_hash == claim.body_hash;
        }
        let expires_at = Some(self.now.plus_ms(IDEMPOTENCY_MS));
        self.put_claim(ClaimRow { name, target, body_hash: claim.body_hash, expires_at });
        true
    }
}
