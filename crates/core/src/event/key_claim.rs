//! Idempotency keys that lead to another shard than the task or job that they are sent with.

use super::NewTask;
use crate::id::{Bucket, Name};

/// An idempotency key that is claimed in the shard that it leads to, for a task or a job that stands where something else leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyClaim {
    /// Whose.
    pub tenant: Name,
    /// The key.
    pub key: Name,
    /// Hash of the submitted body.
    pub body_hash: u128,
    /// The bucket in which the task or job stands.
    pub home: Bucket,
}

impl KeyClaim {
    /// The bucket that the key itself leads to.
    pub fn bucket(&self) -> Bucket {
        Bucket::of_text(&self.key)
    }
}

impl NewTask {
    /// What is to be claimed for it first, where its key leads to another shard than [`NewTask::home`].
    pub fn key_claim(&self) -> Option<KeyClaim> {
        let key = self.idempotency_key.clone()?;
        Some(KeyClaim { tenant: self.tenant.clone(), key, body_hash: self.body_hash, home: self.home()? })
    }
}
