//! Limits that a task carries, and what it must be the only one of, in the schema of files.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::duration::WireDuration;

/// What a task must be the only one of.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum UniqueField {
    /// The key.
    Key(#[schemars(length(min = 1, max = 256))] String),
    /// The key, for how long, and what a second task does.
    Parts(UniqueParts),
}

/// What a task must be the only one of.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct UniqueParts {
    /// The key. Default: the type and what is to be done.
    #[schemars(length(min = 1, max = 256))]
    key: Option<String>,
    /// How long the key is held, from the submission. Default: while the task is live.
    window: Option<WireDuration>,
    /// What a second task does. Default `reject`.
    policy: Option<UniquePolicy>,
}

/// What a task does whose key is held by one that has not started.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UniquePolicy {
    /// It is refused, with the other's id; also while that one runs.
    Reject,
    /// It takes the other's place, which is cancelled.
    Replace,
    /// It gives the other its body and its start.
    Debounce,
}

/// A rate of starts, or text like `100/1m`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum RateLimit {
    /// `100/1m`: so many in each period, counted by the task's type.
    Text(#[schemars(regex(pattern = "^[0-9]+/.+$"))] String),
    /// The same with all that can be said.
    Parts(KeyRate),
}

/// A rate of starts.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct KeyRate {
    /// Starts in each period.
    #[schemars(range(min = 1, max = 1_000_000))]
    limit: u32,
    /// The period, 1 ms to a day.
    per: WireDuration,
    /// How many may start at once after a quiet time. Default `limit`.
    #[schemars(range(min = 1, max = 1_000_000))]
    burst: Option<u32>,
    /// What is counted together. Default: the task's type.
    #[schemars(regex(pattern = "^[^~].{0,255}$"))]
    key: Option<String>,
}
