//! Settings of queues, types and tenants: what a call changes, and how they are shown.
//!
//! In a change a member that is left out stays as it is, and `null` takes a limit away.

use mainspring_core::limits::{BACKLOG_MAX, WEIGHT_MAX};
use mainspring_core::permit::{LimitRow, LimitScope, Limits, LimitsPatch};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::problem::{Code, Problem, ProblemItem};
use crate::rate::WireRate;

/// The largest concurrency of a queue, a type or a key.
pub const CONCURRENCY_MAX: u32 = 1_000_000;

/// `PATCH /api/v1/queues/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueSettings {
    /// Whether nothing is granted from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// How many of its tasks may run at a time, over all workers and tenants: 0 to 1,000,000.
    #[serde(default, deserialize_with = "change", skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Option<u32>>,
    /// How fast its tasks may start.
    #[serde(default, deserialize_with = "change", skip_serializing_if = "Option::is_none")]
    pub rate: Option<Option<WireRate>>,
}

/// `PATCH /api/v1/types/{type}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TypeSettings {
    /// How many of its tasks may run at a time, over all queues, workers and tenants: 0 to 1,000,000.
    #[serde(default, deserialize_with = "change", skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Option<u32>>,
    /// How fast its tasks may start.
    #[serde(default, deserialize_with = "change", skip_serializing_if = "Option::is_none")]
    pub rate: Option<Option<WireRate>>,
}

/// `PATCH /api/v1/tenants/{tenant}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSettings {
    /// How many of its tasks are taken in its turn, 1 to 100. Default 1.
    #[serde(default, deserialize_with = "change", skip_serializing_if = "Option::is_none")]
    pub weight: Option<Option<u32>>,
    /// How fast it may submit tasks; beyond it `quota_exceeded`.
    #[serde(default, deserialize_with = "change", skip_serializing_if = "Option::is_none")]
    pub submit_rate: Option<Option<WireRate>>,
    /// How many unfinished tasks it may have, those of its jobs included; a submission beyond it is refused with
    /// `quota_exceeded`: 0 to 1,000,000,000,000.
    #[serde(default, deserialize_with = "change", skip_serializing_if = "Option::is_none")]
    pub max_backlog: Option<Option<u64>>,
}

/// A type that has limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TypeView {
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many of its tasks may run at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How fast its tasks may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<WireRate>,
}

/// A tenant that has settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantView {
    /// The tenant.
    pub user_id: String,
    /// How many of its tasks are taken in its turn.
    pub weight: u32,
    /// How fast it may submit tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submit_rate: Option<WireRate>,
    /// How many unfinished tasks it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_backlog: Option<u64>,
}

impl TypeView {
    /// Shows the limits of a type.
    pub fn new(kind: &str, limits: &Limits) -> Self {
        Self { kind: kind.to_owned(), concurrency: limits.concurrency, rate: limits.rate.map(WireRate) }
    }
}

impl TenantView {
    /// Shows the settings of a tenant.
    pub fn new(tenant: &str, limits: &Limits) -> Self {
        Self {
            user_id: tenant.to_owned(),
            weight: limits.weight.unwrap_or(1),
            submit_rate: limits.submit_rate.map(WireRate),
            max_backlog: limits.max_backlog,
        }
    }
}

/// The limits of one thing among all that are set.
pub fn limits_of(rows: &[LimitRow], scope: LimitScope, name: &str) -> Limits {
    let row = rows.iter().find(|row| row.scope == scope && *row.name == *name);
    row.map_or_else(Limits::default, |row| row.limits)
}

/// A change to a value or, by `null`, to none.
fn change<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl QueueSettings {
    /// What changes besides the pause.
    ///
    /// # Errors
    /// A number beyond its limit.
    pub fn patch(&self) -> Result<LimitsPatch, Problem> {
        started(self.concurrency, self.rate)
    }
}

impl TypeSettings {
    /// What changes.
    ///
    /// # Errors
    /// A number beyond its limit.
    pub fn patch(&self) -> Result<LimitsPatch, Problem> {
        started(self.concurrency, self.rate)
    }
}

impl TenantSettings {
    /// What changes.
    ///
    /// # Errors
    /// A number beyond its limit.
    pub fn patch(&self) -> Result<LimitsPatch, Problem> {
        if let Some(Some(weight)) = self.weight.filter(|weight| weight.is_some_and(|w| !(1..=WEIGHT_MAX).contains(&w)))
        {
            return Err(beyond("/weight", u64::from(weight), 1, u64::from(WEIGHT_MAX)));
        }
        if let Some(Some(max)) = self.max_backlog.filter(|max| max.is_some_and(|max| max > BACKLOG_MAX)) {
            return Err(beyond("/maxBacklog", max, 0, BACKLOG_MAX));
        }
        let submit_rate = self.submit_rate.map(|rate| rate.map(|WireRate(rate)| rate));
        let (weight, max_backlog) = (self.weight, self.max_backlog);
        Ok(LimitsPatch { weight, submit_rate, max_backlog, ..LimitsPatch::default() })
    }
}

fn started(concurrency: Option<Option<u32>>, rate: Option<Option<WireRate>>) -> Result<LimitsPatch, Problem> {
    if let Some(Some(max)) = concurrency.filter(|max| max.is_some_and(|max| max > CONCURRENCY_MAX)) {
        return Err(beyond("/concurrency", u64::from(max), 0, u64::from(CONCURRENCY_MAX)));
    }
    let rate = rate.map(|rate| rate.map(|WireRate(rate)| rate));
    Ok(LimitsPatch { concurrency, rate, ..LimitsPatch::default() })
}

fn beyond(pointer: &str, value: u64, least: u64, most: u64) -> Problem {
    let detail = format!("{value} is not among {least} to {most}");
    Problem::of_items(vec![ProblemItem::new(Code::LimitExceeded, pointer, detail)])
}
