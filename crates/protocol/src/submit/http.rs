//! The request of an `http` task.

use std::collections::{BTreeMap, HashSet};

use mainspring_core::limits::TIMEOUT_MS_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::duration::WireDuration;
use crate::problem::Code;
use crate::submit::body::{Writer, copy_json};
use crate::submit::fields::{has_expression, refuse_unknown};
use crate::submit::members::Members;
use crate::submit::read::{Findings, Value};

/// What an `http` task sends, and which answers are good. In a grant every member was validated.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpRequest {
    /// `GET HEAD POST PUT PATCH DELETE OPTIONS`; default `GET`, or `POST` with a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// An `http` or `https` address, at most 8,192 characters.
    pub url: String,
    /// Headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Box<RawValue>>,
    /// A text body; excludes `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Statuses that are good; default 200 to 299.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success_status: Vec<u16>,
    /// Longest time for one request; the task's `timeout` holds as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<WireDuration>,
}

const METHODS: &[((), &str)] =
    &[((), "GET"), ((), "HEAD"), ((), "POST"), ((), "PUT"), ((), "PATCH"), ((), "DELETE"), ((), "OPTIONS")];
const FIELDS: &[&str] = &["method", "url", "headers", "json", "body", "successStatus", "timeout"];
const HEADERS_MAX: usize = 64;
const URL_CHARS_MAX: usize = 8_192;

/// Whether it is a text with an expression.
fn is_template(raw: &str) -> bool {
    raw.starts_with('"') && has_expression(raw)
}

/// Checks `http` and copies it into the body.
pub(super) fn read_http(value: &Value<'_, '_>, body: &mut Writer, findings: &mut Findings) {
    let Some(Members(members)) = value.members(findings) else { return };
    let mut seen: HashSet<&str> = HashSet::new();
    for (name, raw) in &members {
        let member = Value { raw, at: value.at.member(name) };
        if !seen.insert(name) {
            findings.add(Code::DuplicateKey, &member.at, format!("`{name}` occurs twice"));
        }
        match &**name {
            // What an expression gives is checked once it is known.
            known if is_template(raw) && FIELDS.contains(&known) => {}
            "method" => {
                member.word(METHODS, findings);
            }
            "url" => read_url(&member, findings),
            "headers" => read_headers(&member, findings),
            "json" => {}
            "body" => {
                member.text(findings);
            }
            "successStatus" => read_statuses(&member, findings),
            "timeout" => {
                member.duration(TIMEOUT_MS_MAX, findings);
            }
            _ => refuse_unknown(name, raw, &value.at, (FIELDS, &[]), findings),
        }
    }
    if !seen.contains("url") {
        findings.add(Code::MissingField, &value.at.member("url"), "an http task needs a `url`");
    }
    if seen.contains("json") && seen.contains("body") {
        findings.add(Code::ConflictingFields, &value.at, "`json` and `body` exclude each other");
    }
    copy_json(value, "http", body, findings);
}

fn read_url(value: &Value<'_, '_>, findings: &mut Findings) {
    let Some(url) = value.text(findings) else { return };
    let host = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
        findings.add(Code::InvalidValue, &value.at, format!("`{}` is not an http or https address", value.shown()));
    } else if url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        findings.add(Code::InvalidValue, &value.at, "an address has no spaces or control characters; escape them");
    } else if url.len() > URL_CHARS_MAX {
        let detail = format!("{} characters exceed the limit of {URL_CHARS_MAX}", url.len());
        findings.add(Code::LimitExceeded, &value.at, detail);
    }
}

fn read_headers(value: &Value<'_, '_>, findings: &mut Findings) {
    let members = value.members(findings).unwrap_or_default().0;
    if members.len() > HEADERS_MAX {
        let detail = format!("{} headers exceed the limit of {HEADERS_MAX}", members.len());
        findings.add(Code::LimitExceeded, &value.at, detail);
        return;
    }
    for (name, raw) in members {
        let member = Value { raw, at: value.at.member(&name) };
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            findings.add(Code::InvalidValue, &member.at, "not the name of a header");
        }
        if member.text(findings).is_some_and(|text| text.contains(char::is_control)) {
            findings.add(Code::InvalidValue, &member.at, "a header has no control characters");
        }
    }
}

fn read_statuses(value: &Value<'_, '_>, findings: &mut Findings) {
    for (index, raw) in value.elements(findings).unwrap_or_default().into_iter().enumerate() {
        Value { raw, at: value.at.index(index) }.number(599, findings);
    }
}
