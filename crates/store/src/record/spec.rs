//! The rare parts of what was submitted: policy, class, trigger.

use std::sync::Arc;

use mainspring_core::id::Name;
use mainspring_core::spec::{Backoff, BackoffShape, OnWorkerLost, Policy, TaskSpec, Trigger};
use serde::{Deserialize, Serialize};

use super::Unreadable;
use super::json::is_default;
use super::limits::KeyLimitRecord;

#[derive(Serialize, Deserialize, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
struct PolicyRecord {
    #[serde(skip_serializing_if = "is_default")]
    retries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff: Option<(u8, u64, u64, u64, bool)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    on_worker_lost: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    non_retryable: Vec<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retry_on: Vec<Name>,
}

impl PolicyRecord {
    fn of(policy: &Policy) -> Self {
        let backoff = policy.backoff;
        let shape = match backoff.shape {
            BackoffShape::Fixed => 0,
            BackoffShape::Linear => 1,
            BackoffShape::Exponential => 2,
        };
        let fields = (shape, backoff.initial_ms, backoff.factor_milli, backoff.max_ms, backoff.full_jitter);
        Self {
            retries: policy.retries,
            backoff: (backoff != Backoff::default()).then_some(fields),
            timeout_ms: policy.timeout_ms,
            heartbeat_timeout_ms: policy.heartbeat_timeout_ms,
            on_worker_lost: match policy.on_worker_lost {
                OnWorkerLost::Retry => 0,
                OnWorkerLost::Fail => 1,
                OnWorkerLost::Hold => 2,
            },
            non_retryable: policy.non_retryable.clone(),
            retry_on: policy.retry_on.clone(),
        }
    }

    fn into_policy(self) -> Option<Policy> {
        let backoff = match self.backoff {
            None => Backoff::default(),
            Some((shape, initial_ms, factor_milli, max_ms, full_jitter)) => {
                let shape = match shape {
                    0 => BackoffShape::Fixed,
                    1 => BackoffShape::Linear,
                    2 => BackoffShape::Exponential,
                    _ => return None,
                };
                Backoff { shape, initial_ms, factor_milli, max_ms, full_jitter }
            }
        };
        let on_worker_lost = match self.on_worker_lost {
            0 => OnWorkerLost::Retry,
            1 => OnWorkerLost::Fail,
            2 => OnWorkerLost::Hold,
            _ => return None,
        };
        Some(Policy {
            retries: self.retries,
            backoff,
            timeout_ms: self.timeout_ms,
            heartbeat_timeout_ms: self.heartbeat_timeout_ms,
            on_worker_lost,
            non_retryable: self.non_retryable,
            retry_on: self.retry_on,
        })
    }
}

pub(super) fn policy_to_text(policy: &Policy) -> String {
    serde_json::to_string(&PolicyRecord::of(policy)).expect("a policy is plain data")
}

pub(super) fn policy_from_text(text: &str) -> Option<Policy> {
    serde_json::from_str::<PolicyRecord>(text).ok()?.into_policy()
}

const TRIGGERS: [Trigger; 11] = [
    Trigger::AllSuccess,
    Trigger::AllDone,
    Trigger::AllFailed,
    Trigger::AllSkipped,
    Trigger::OneSuccess,
    Trigger::OneFailed,
    Trigger::OneDone,
    Trigger::NoneFailed,
    Trigger::NoneFailedMinOneSuccess,
    Trigger::NoneSkipped,
    Trigger::Always,
];

pub(super) fn trigger_number(trigger: Trigger) -> u64 {
    TRIGGERS.iter().position(|known| *known == trigger).expect("every trigger is in the list") as u64
}

pub(super) fn trigger_from_number(number: u64) -> Option<Trigger> {
    TRIGGERS.get(usize::try_from(number).ok()?).copied()
}

/// What most specs leave at its default, and what a task has only in a job.
#[derive(Serialize, Deserialize, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct RareSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    executor: Option<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyRecord>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    limits: Vec<KeyLimitRecord>,
    #[serde(skip_serializing_if = "is_default")]
    trigger: u64,
    #[serde(skip_serializing_if = "is_default")]
    parents: u32,
}

impl RareSpec {
    /// The record of a task, `None` where all is default.
    pub fn encode(spec: &TaskSpec, trigger: Trigger, parents: u32) -> Option<String> {
        let plain_class = spec.class.executor == spec.kind && spec.class.labels.is_empty();
        let plain_policy = *spec.policy == Policy::default();
        let plain_spec = plain_class && plain_policy && spec.limits.is_empty() && spec.expires_at_ms.is_none();
        if plain_spec && trigger == Trigger::default() && parents == 0 {
            return None;
        }
        let record = Self {
            executor: (spec.class.executor != spec.kind).then(|| spec.class.executor.clone()),
            labels: spec.class.labels.to_vec(),
            expires_at_ms: spec.expires_at_ms,
            policy: (!plain_policy).then(|| PolicyRecord::of(&spec.policy)),
            limits: spec.limits.iter().map(KeyLimitRecord::of).collect(),
            trigger: trigger_number(trigger),
            parents,
        };
        Some(serde_json::to_string(&record).expect("a spec is plain data"))
    }

    /// Reads what [`RareSpec::encode`] wrote.
    ///
    /// # Errors
    /// If this text is something else.
    pub fn decode(text: Option<&str>) -> Result<Self, Unreadable> {
        text.map_or(Ok(Self::default()), |text| serde_json::from_str(text).map_err(|_| Unreadable("spec of a task")))
    }

    /// When the task may start in its job, and how many parents it has there.
    ///
    /// # Errors
    /// If the trigger is not known.
    pub fn in_job(&self) -> Result<(Trigger, u32), Unreadable> {
        Ok((trigger_from_number(self.trigger).ok_or(Unreadable("trigger of a task"))?, self.parents))
    }

    /// Completes a spec that has everything but what this record knows.
    ///
    /// # Errors
    /// If the policy cannot be read.
    pub fn complete(self, spec: &mut TaskSpec) -> Result<(), Unreadable> {
        spec.class.executor = self.executor.unwrap_or_else(|| spec.kind.clone());
        spec.class.labels = Arc::from(self.labels);
        spec.expires_at_ms = self.expires_at_ms;
        spec.limits = self.limits.into_iter().map(KeyLimitRecord::into_limit).collect();
        if let Some(policy) = self.policy {
            spec.policy = Arc::new(policy.into_policy().ok_or(Unreadable("policy of a task"))?);
        }
        Ok(())
    }
}
