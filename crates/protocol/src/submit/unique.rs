//! Reads `unique`: `{key?, window?, policy?}`, or only the key.

use std::borrow::Cow;

use mainspring_core::event::{Unique, UniquePolicy};
use mainspring_core::id::Name;
use mainspring_core::limits::DELAY_MS_MAX;

use crate::problem::Code;
use crate::submit::fields::{Field, refuse_unknown};
use crate::submit::hash::text_hash;
use crate::submit::read::{Findings, Rule, Value};
use crate::submit::task::Source;

const POLICIES: &[(UniquePolicy, &str)] =
    &[(UniquePolicy::Reject, "reject"), (UniquePolicy::Replace, "replace"), (UniquePolicy::Debounce, "debounce")];
const FIELDS: &[&str] = &["key", "window", "policy"];

/// Reads it. `kind` and `body` of the task are its key if it gives none; `has_key`: whether an `Idempotency-Key` came.
pub(super) fn read_unique(
    source: &Source<'_, '_>,
    (kind, body): (&str, &str),
    has_key: bool,
    findings: &mut Findings,
) -> Option<Unique> {
    let mut unique = None;
    source.read(Field::Unique, |value| {
        if has_key || source.fields.has(Field::TaskId) {
            let detail = "`unique` excludes `taskId` and an idempotency key: each of them names the task";
            findings.add(Code::ConflictingFields, &value.at, detail);
        }
        unique = read(&value, (kind, body), findings);
    });
    unique
}

fn read(value: &Value<'_, '_>, (kind, body): (&str, &str), findings: &mut Findings) -> Option<Unique> {
    if value.raw.starts_with('"') {
        let key = value.name(Rule::Name, findings)?;
        return Some(Unique { key: Name::from(&*key), window_ms: None, policy: UniquePolicy::Reject });
    }
    let (mut key, mut window_ms, mut policy) = (None, None, UniquePolicy::Reject);
    let mut seen: Vec<Cow<'_, str>> = Vec::new();
    for (name, raw) in value.members(findings)?.0 {
        let member = Value { raw, at: value.at.member(&name) };
        match &*name {
            "key" => key = member.name(Rule::Name, findings).map(|key| Name::from(&*key)),
            "window" => {
                window_ms = member.duration(DELAY_MS_MAX, findings).map(|window| window.ms());
                if window_ms == Some(0) {
                    findings.add(Code::InvalidValue, &member.at, "a window must be longer than 0");
                }
            }
            "policy" => policy = member.word(POLICIES, findings).unwrap_or(policy),
            _ => refuse_unknown(&name, raw, &value.at, (FIELDS, &[]), findings),
        }
        if seen.contains(&name) {
            findings.add(Code::DuplicateKey, &value.at.member(&name), format!("`{name}` occurs twice"));
        }
        seen.push(name);
    }
    let key = key.unwrap_or_else(|| format!("{:032x}", text_hash(&format!("{kind}\n{body}"))).into());
    Some(Unique { key, window_ms, policy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submit::{Defaults, parse_task};

    fn unique(fields: &str) -> Unique {
        let json = format!(r#"{{"type":"sync",{fields}}}"#);
        let task = parse_task(json.as_bytes(), &Defaults::default()).expect("the task is valid");
        task.unique.expect("it is unique")
    }

    #[test]
    fn a_unique_task_names_its_key_window_and_policy() {
        let key = |key: &str, window_ms, policy| Unique { key: key.into(), window_ms, policy };
        assert_eq!(unique(r#""unique":"k""#), key("k", None, UniquePolicy::Reject));
        assert_eq!(
            unique(r#""unique":{"key":"k","window":"5m","policy":"debounce"}"#),
            key("k", Some(300_000), UniquePolicy::Debounce)
        );
        // Without a key, what is to be done is the key.
        let (one, other) = (unique(r#""unique":{},"payload":1"#), unique(r#""unique":{},"payload":2"#));
        assert_eq!(one, unique(r#""payload": 1, "unique":{}"#));
        assert_ne!(one.key, other.key);
    }

    #[test]
    fn what_is_not_unique_is_refused_at_its_place() {
        for (fields, code, pointer) in [
            (r#""unique":{"policy":"skip"}"#, Code::InvalidValue, "/unique/policy"),
            (r#""unique":{"window":0}"#, Code::InvalidValue, "/unique/window"),
            (r#""unique":{"key":""}"#, Code::InvalidValue, "/unique/key"),
            (r#""unique":"k","taskId":"t""#, Code::ConflictingFields, "/unique"),
            (r#""unique":"k","idempotencyKey":"t""#, Code::ConflictingFields, "/unique"),
            (r#""unique":true"#, Code::InvalidValue, "/unique"),
        ] {
            let json = format!(r#"{{"type":"sync",{fields}}}"#);
            let problem = parse_task(json.as_bytes(), &Defaults::default()).expect_err(fields);
            assert_eq!((problem.errors[0].code, &*problem.errors[0].pointer), (Some(code), pointer), "{fields}");
        }
    }
}
