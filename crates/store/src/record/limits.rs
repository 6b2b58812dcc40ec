//! Limits, as small JSON texts that a person can read in the database.

use mainspring_core::id::Name;
use mainspring_core::permit::{KeyBound, KeyLimit, KeyLimits, Limits, Rate};
use serde::{Deserialize, Serialize};

use super::Unreadable;

/// `limit`, `per_ms`, `burst`.
type RateRecord = (u32, u64, u32);

fn rate_record(rate: Rate) -> RateRecord {
    (rate.limit, rate.per_ms, rate.burst)
}

fn rate((limit, per_ms, burst): RateRecord) -> Rate {
    Rate { limit, per_ms, burst }
}

/// A limit by key: the key, and either how many may run or how fast they may start.
#[derive(Serialize, Deserialize, PartialEq)]
#[serde(untagged)]
pub(super) enum KeyLimitRecord {
    Running(Name, u32),
    Starts(Name, RateRecord),
}

impl KeyLimitRecord {
    pub(super) fn of(limit: &KeyLimit) -> Self {
        let key = limit.key.clone();
        match limit.bound {
            KeyBound::Running(max) => Self::Running(key, max),
            KeyBound::Starts(rate) => Self::Starts(key, rate_record(rate)),
        }
    }

    pub(super) fn into_limit(self) -> KeyLimit {
        match self {
            Self::Running(key, max) => KeyLimit { key, bound: KeyBound::Running(max) },
            Self::Starts(key, record) => KeyLimit { key, bound: KeyBound::Starts(rate(record)) },
        }
    }
}

/// The limits that tasks carry as a JSON array; `None` for the empty list.
pub fn encode_key_limits(limits: &[KeyLimit]) -> Option<String> {
    let records: Vec<KeyLimitRecord> = limits.iter().map(KeyLimitRecord::of).collect();
    (!records.is_empty()).then(|| serde_json::to_string(&records).expect("limits are plain data"))
}

/// Reads what [`encode_key_limits`] wrote.
///
/// # Errors
/// If this text is something else.
pub fn decode_key_limits(text: Option<&str>) -> Result<KeyLimits, Unreadable> {
    let Some(text) = text else { return Ok(KeyLimits::default()) };
    let records: Vec<KeyLimitRecord> = serde_json::from_str(text).map_err(|_| Unreadable("list of limits"))?;
    Ok(records.into_iter().map(KeyLimitRecord::into_limit).collect())
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct LimitsRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<RateRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_backlog: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    submit_rate: Option<RateRecord>,
}

/// The limits of a queue, a type or a tenant.
pub fn encode_limits(limits: &Limits) -> String {
    let record = LimitsRecord {
        concurrency: limits.concurrency,
        rate: limits.rate.map(rate_record),
        weight: limits.weight,
        max_backlog: limits.max_backlog,
        submit_rate: limits.submit_rate.map(rate_record),
    };
    serde_json::to_string(&record).expect("limits are plain data")
}

/// Reads what [`encode_limits`] wrote.
///
/// # Errors
/// If this text is something else.
pub fn decode_limits(text: &str) -> Result<Limits, Unreadable> {
    let record: LimitsRecord = serde_json::from_str(text).map_err(|_| Unreadable("row of limits"))?;
    Ok(Limits {
        concurrency: record.concurrency,
        rate: record.rate.map(rate),
        weight: record.weight,
        max_backlog: record.max_backlog,
        submit_rate: record.submit_rate.map(rate),
    })
}
