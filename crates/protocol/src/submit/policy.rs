//! Reads retries, backoff and time limits.

use std::borrow::Cow;
use std::collections::HashSet;

use mainspring_core::id::Name;
use mainspring_core::limits::{DELAY_MS_MAX, RETRIES_MAX, TIMEOUT_MS_MAX};
use mainspring_core::spec::{Backoff, BackoffShape, OnWorkerLost, Policy};

use crate::problem::Code;
use crate::submit::fields::{Field, refuse_unknown};
use crate::submit::intern::Interner;
use crate::submit::read::{Findings, Rule, Value};
use crate::submit::task::Source;

const SHAPES: &[(BackoffShape, &str)] =
    &[(BackoffShape::Fixed, "fixed"), (BackoffShape::Linear, "linear"), (BackoffShape::Exponential, "exponential")];
const ON_LOST: &[(OnWorkerLost, &str)] =
    &[(OnWorkerLost::Retry, "retry"), (OnWorkerLost::Fail, "fail"), (OnWorkerLost::Hold, "hold")];
const JITTERS: &[(bool, &str)] = &[(true, "full"), (false, "none")];
const BACKOFF_FIELDS: &[&str] = &["type", "initial", "factor", "max", "jitter"];
/// Error types in `nonRetryable` or `retryOn`.
const ERROR_TYPES_MAX: usize = 64;
/// Largest factor of exponential growth.
const FACTOR_MAX: f64 = 1_000.0;

pub(super) fn read_policy(source: &Source<'_, '_>, names: &mut Interner, findings: &mut Findings) -> Policy {
    let mut policy = Policy::default();
    source.read(Field::Retries, |value| {
        policy.retries = value.number(RETRIES_MAX.into(), findings).unwrap_or(0) as u32;
    });
    source.read(Field::Backoff, |value| policy.backoff = read_backoff(&value, findings));
    source.read(Field::Timeout, |value| policy.timeout_ms = read_timeout(&value, findings));
    source.read(Field::HeartbeatTimeout, |value| policy.heartbeat_timeout_ms = read_timeout(&value, findings));
    source.read(Field::OnWorkerLost, |value| {
        policy.on_worker_lost = value.word(ON_LOST, findings).unwrap_or(OnWorkerLost::Retry);
    });
    let mut error_types = |value: Value<'_, '_>| -> Vec<Name> {
        let read = value.names(Rule::Name, true, ERROR_TYPES_MAX, findings);
        read.iter().map(|name| names.name(name)).collect()
    };
    source.read(Field::NonRetryable, |value| policy.non_retryable = error_types(value));
    source.read(Field::RetryOn, |value| policy.retry_on = error_types(value));
    policy
}

fn read_timeout(value: &Value<'_, '_>, findings: &mut Findings) -> Option<u64> {
    let length = value.duration(TIMEOUT_MS_MAX, findings)?;
    if length.ms() == 0 {
        findings.add(Code::InvalidValue, &value.at, "a time limit must be longer than 0");
        return None;
    }
    Some(length.ms())
}

/// `{type, initial, factor, max, jitter}`, or only the word of its type.
fn read_backoff(value: &Value<'_, '_>, findings: &mut Findings) -> Backoff {
    let mut backoff = Backoff::default();
    if value.raw.starts_with('"') {
        backoff.shape = value.word(SHAPES, findings).unwrap_or(backoff.shape);
        return backoff;
    }
    let mut seen: HashSet<Cow<'_, str>> = HashSet::new();
    let mut max_given = false;
    for (name, raw) in value.members(findings).unwrap_or_default().0 {
        let member = Value { raw, at: value.at.member(&name) };
        match &*name {
            "type" => backoff.shape = member.word(SHAPES, findings).unwrap_or(backoff.shape),
            "initial" => backoff.initial_ms = member.duration(DELAY_MS_MAX, findings).map_or(0, |wait| wait.ms()),
            "max" => {
                backoff.max_ms = member.duration(DELAY_MS_MAX, findings).map_or(0, |wait| wait.ms());
                max_given = true;
            }
            "factor" => backoff.factor_milli = read_factor(&member, findings),
            "jitter" if matches!(raw, "true" | "false") => backoff.full_jitter = raw == "true",
            "jitter" => backoff.full_jitter = member.word(JITTERS, findings).unwrap_or(true),
            _ => refuse_unknown(&name, raw, &value.at, (BACKOFF_FIELDS, &[]), findings),
        }
        if !seen.insert(name.clone()) {
            findings.add(Code::DuplicateKey, &value.at.member(&name), format!("`{name}` occurs twice"));
        }
    }
    if !max_given {
        // A first wait above the default cap would silently be cut to it.
        backoff.max_ms = backoff.max_ms.max(backoff.initial_ms);
    }
    backoff
}

fn read_factor(value: &Value<'_, '_>, findings: &mut Findings) -> u64 {
    match value.raw.parse::<f64>() {
        Ok(factor) if (1.0..=FACTOR_MAX).contains(&factor) => (factor * 1_000.0).round() as u64,
        _ => {
            let detail = format!("`{}` is not a factor from 1 to {FACTOR_MAX}", value.shown());
            findings.add(Code::InvalidValue, &value.at, detail);
            1_000
        }
    }
}
