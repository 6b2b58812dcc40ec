//! Reads the limits that a task carries: `concurrencyKey` with `concurrency`, and `rateLimit`.

use std::borrow::Cow;

use mainspring_core::id::Name;
use mainspring_core::limits::{RATE_MAX, RATE_PERIOD_MS_MAX};
use mainspring_core::permit::{KeyBound, KeyLimit, KeyLimits, Rate};

use crate::problem::Code;
use crate::rate;
use crate::settings::CONCURRENCY_MAX;
use crate::submit::fields::{Field, refuse_unknown};
use crate::submit::intern::Interner;
use crate::submit::read::{Findings, Rule, Value};
use crate::submit::task::Source;

const RATE_FIELDS: &[&str] = &["limit", "per", "burst", "key"];

/// Reads them. A rate without a key is that of the task's type.
pub(super) fn read_limits(
    source: &Source<'_, '_>,
    kind: &Name,
    names: &mut Interner,
    findings: &mut Findings,
) -> KeyLimits {
    let mut limits = Vec::new();
    let mut max = 1;
    source.read(Field::Concurrency, |value| {
        max = read_positive(&value, u64::from(CONCURRENCY_MAX), findings).unwrap_or(1) as u32;
        if source.fields.has(Field::ConcurrencyKey) {
            return;
        }
        if source.fields.has(Field::ForEach) {
            // A key of the job that the instances are made in: the core adds which.
            limits.push(KeyLimit { key: names.name("~"), bound: KeyBound::Running(max) });
        } else {
            let hint = "name what may not run at the same time with `concurrencyKey`, or stand beside a `forEach`; the limit of a whole queue or type \
                        is a setting of that queue or type";
            let detail = "`concurrency` needs `concurrencyKey` beside it";
            findings.add_with_hint(Code::MissingField, &value.at, detail, hint);
        }
    });
    source.read(Field::ConcurrencyKey, |value| {
        if let Some(key) = read_key(&value, findings) {
            limits.push(KeyLimit { key: names.name(&key), bound: KeyBound::Running(max) });
        }
    });
    source.read(Field::RateLimit, |value| {
        if let Some((rate, key)) = read_rate(&value, findings) {
            let key = key.map_or_else(|| kind.clone(), |key| names.name(&key));
            limits.push(KeyLimit { key, bound: KeyBound::Starts(rate) });
        }
    });
    limits.sort();
    limits.into()
}

fn read_key<'a>(value: &Value<'a, '_>, findings: &mut Findings) -> Option<Cow<'a, str>> {
    let key = value.name(Rule::Name, findings)?;
    if key.starts_with('~') {
        findings.add(Code::InvalidValue, &value.at, "a key cannot start with `~`: such keys are the engine's own");
        return None;
    }
    Some(key)
}

fn read_positive(value: &Value<'_, '_>, max: u64, findings: &mut Findings) -> Option<u64> {
    let number = value.number(max, findings)?;
    if number == 0 {
        findings.add(Code::InvalidValue, &value.at, format!("`0` is not a whole number from 1 to {max}"));
        return None;
    }
    Some(number)
}

/// `{limit, per, burst?, key?}`, or text like `100/1m`.
fn read_rate<'a>(value: &Value<'a, '_>, findings: &mut Findings) -> Option<(Rate, Option<Cow<'a, str>>)> {
    if value.raw.starts_with('"') {
        let text = value.text(findings)?;
        return match rate::parse_rate(&text) {
            Ok(rate) => Some((rate, None)),
            Err(error) => {
                let hint = format!("write {}", rate::FORMS);
                findings.add_with_hint(Code::InvalidValue, &value.at, error.to_string(), hint);
                None
            }
        };
    }
    let (mut limit, mut per, mut burst, mut key) = (None, None, None, None);
    let mut seen: Vec<Cow<'_, str>> = Vec::new();
    for (name, raw) in value.members(findings)?.0 {
        let member = Value { raw, at: value.at.member(&name) };
        match &*name {
            "limit" => limit = read_positive(&member, u64::from(RATE_MAX), findings),
            "burst" => burst = read_positive(&member, u64::from(RATE_MAX), findings),
            "per" => per = member.duration(RATE_PERIOD_MS_MAX, findings),
            "key" => key = read_key(&member, findings),
            _ => refuse_unknown(&name, raw, &value.at, (RATE_FIELDS, &[]), findings),
        }
        if seen.contains(&name) {
            findings.add(Code::DuplicateKey, &value.at.member(&name), format!("`{name}` occurs twice"));
        }
        seen.push(name);
    }
    for name in ["limit", "per"] {
        if !seen.iter().any(|seen| *seen == name) {
            let hint = format!("write {}", rate::FORMS);
            findings.add_with_hint(Code::MissingField, &value.at.member(name), format!("a rate needs `{name}`"), hint);
        }
    }
    let read = rate::rate(limit?, per?, burst);
    if let Err(error) = &read {
        findings.add(Code::InvalidValue, &value.at, error.to_string());
    }
    Some((read.ok()?, key))
}

#[cfg(test)]
mod tests {
    use mainspring_core::permit::{KeyBound, KeyLimit, Rate};

    use crate::problem::Code;
    use crate::submit::{Defaults, parse_task};

    fn limits(fields: &str) -> Vec<KeyLimit> {
        let json = format!(r#"{{"type":"email",{fields}}}"#);
        let task = parse_task(json.as_bytes(), &Defaults::default()).expect("the task is valid");
        task.spec.limits.to_vec()
    }

    fn refused(fields: &str) -> (Option<Code>, String, String) {
        let json = format!(r#"{{"type":"email",{fields}}}"#);
        let problem = parse_task(json.as_bytes(), &Defaults::default()).expect_err("the task is not valid");
        let item = problem.errors.into_iter().next().expect("one problem");
        (item.code, item.pointer, item.detail)
    }

    #[test]
    fn a_task_carries_the_limits_of_its_keys() {
        let running = |key: &str, max| KeyLimit { key: key.into(), bound: KeyBound::Running(max) };
        let starts = |key: &str, limit, per_ms, burst| KeyLimit {
            key: key.into(),
            bound: KeyBound::Starts(Rate { limit, per_ms, burst }),
        };
        assert_eq!(limits(r#""concurrencyKey":"db""#), [running("db", 1)]);
        assert_eq!(limits(r#""concurrency":3,"concurrencyKey":"db""#), [running("db", 3)]);
        assert_eq!(limits(r#""rateLimit":"10/s""#), [starts("email", 10, 1_000, 10)]);
        assert_eq!(
            limits(r#""concurrencyKey":"k","rateLimit":{"limit":1,"per":"1h","burst":2,"key":"api"}"#),
            [starts("api", 1, 3_600_000, 2), running("k", 1)]
        );
    }

    #[test]
    fn what_is_no_limit_is_refused_at_its_place() {
        for (fields, code, pointer, detail) in [
            (
                r#""concurrency":3"#,
                Code::MissingField,
                "/concurrency",
                "`concurrency` needs `concurrencyKey` beside it",
            ),
            (
                r#""concurrency":0,"concurrencyKey":"k""#,
                Code::InvalidValue,
                "/concurrency",
                "`0` is not a whole number from 1 to 1000000",
            ),
            (r#""concurrencyKey":"~k""#, Code::InvalidValue, "/concurrencyKey", "a key cannot start with `~`"),
            (r#""concurrencyKey":7"#, Code::InvalidValue, "/concurrencyKey", "expected a string, found a number `7`"),
            (r#""rateLimit":"fast""#, Code::InvalidValue, "/rateLimit", "`fast` is not a rate like `100/1m`"),
            (r#""rateLimit":{"limit":1}"#, Code::MissingField, "/rateLimit/per", "a rate needs `per`"),
            (r#""rateLimit":{"limit":1,"per":0}"#, Code::InvalidValue, "/rateLimit", "`per` of a rate must be 1 ms"),
            (r#""rateLimit":{"limit":1,"per":"2d"}"#, Code::LimitExceeded, "/rateLimit/per", "exceeds the limit of 1d"),
            (r#""rateLimit":{"limit":1,"per":1,"every":1}"#, Code::UnknownField, "/rateLimit/every", "unknown field"),
        ] {
            let (found, at, told) = refused(fields);
            assert_eq!((found, &*at), (Some(code), pointer), "{fields}: {told}");
            assert!(told.contains(detail), "{fields}: {told}");
        }
    }
}
