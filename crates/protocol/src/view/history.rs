//! The last hour in figures, kept by the server that is asked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Rfc3339;

/// Figures at regular instants, oldest first. They start anew with the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryView {
    /// Seconds from one point to the next.
    pub step_seconds: u64,
    /// The points.
    pub points: Vec<HistoryPointView>,
}

/// What happened in the seconds before an instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryPointView {
    /// The instant.
    pub at: Rfc3339,
    /// Attempts that ended, by outcome.
    pub ended: BTreeMap<String, u64>,
    /// Ready tasks at the instant.
    pub ready: u64,
    /// Running attempts at the instant.
    pub running: u64,
    /// From ready to granted, of attempts that started; absent if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_latency: Option<QuantilesView>,
    /// From grant to outcome, of attempts that ended; absent if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<QuantilesView>,
}

/// Quantiles in milliseconds, estimated from a histogram: each lies within its true bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuantilesView {
    /// Half of them took no longer.
    pub p50: f64,
    /// 95 of 100.
    pub p95: f64,
    /// 99 of 100.
    pub p99: f64,
}
