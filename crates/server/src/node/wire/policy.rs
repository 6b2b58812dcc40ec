//! Forms of policies.

use mainspring_core::id::Name;
use mainspring_core::spec::{Backoff, BackoffShape, OnWorkerLost, Policy};
use serde::{Deserialize, Serialize};

use super::form::{formed, one};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Policy", rename_all = "camelCase")]
struct PolicyForm {
    retries: u32,
    #[serde(with = "one")]
    backoff: Backoff,
    timeout_ms: Option<u64>,
    heartbeat_timeout_ms: Option<u64>,
    #[serde(with = "one")]
    on_worker_lost: OnWorkerLost,
    non_retryable: Vec<Name>,
    retry_on: Vec<Name>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Backoff", rename_all = "camelCase")]
struct BackoffForm {
    #[serde(with = "one")]
    shape: BackoffShape,
    initial_ms: u64,
    factor_milli: u64,
    max_ms: u64,
    full_jitter: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "BackoffShape", rename_all = "camelCase")]
enum BackoffShapeForm {
    Fixed,
    Linear,
    Exponential,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OnWorkerLost", rename_all = "camelCase")]
enum OnWorkerLostForm {
    Retry,
    Fail,
    Hold,
}

formed! {
    Policy => PolicyForm,
    Backoff => BackoffForm,
    BackoffShape => BackoffShapeForm,
    OnWorkerLost => OnWorkerLostForm,
}
