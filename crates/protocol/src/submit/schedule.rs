//! Schedules: when they are due, as `schedule:` of a job definition and `/api/v1/schedules` write it, and what they submit.

mod rule;
mod work;

use std::sync::Arc;

use mainspring_core::id::Name;
use mainspring_core::limits::SCHEDULE_BODY_BYTES_MAX;
use mainspring_core::schedule::Overlap;

pub use rule::Rule;
pub use work::{Scheduled, with_schedule};

use crate::pointer::Pointer;
use crate::problem::{Code, Problem};
use crate::submit::fields::refuse_unknown;
use crate::submit::hash::compact;
use crate::submit::job::{located, single_document};
use crate::submit::library::Definitions;
use crate::submit::members::Members;
use crate::submit::read::{Findings, Rule as NameRule, Value};
use crate::submit::task::{check_tenant, object, utf8};
use crate::submit::{DEFAULT_TENANT, Defaults, Format};

/// Fields beside those of the rule.
const OWN: [&str; 5] = ["name", "userId", "job", "task", "params"];

/// A schedule, valid.
#[derive(Clone, Debug)]
pub struct ParsedSchedule {
    /// Its name; empty where the body has none.
    pub name: Name,
    /// Whom it belongs to.
    pub tenant: Name,
    /// What it does while earlier work runs.
    pub overlap: Overlap,
    /// What is stored: everything but name and tenant, as JSON text.
    pub body: Arc<str>,
    /// When it is due.
    pub rule: Rule,
    /// What it submits.
    pub work: Scheduled,
}

/// Reads a schedule for `POST` or `PUT /api/v1/schedules`. `name`: the one in the path.
///
/// # Errors
/// Every problem with its JSON pointer (and line and column for YAML).
pub fn parse_schedule(
    name: Option<&str>,
    bytes: &[u8],
    format: Format,
    defaults: &Defaults,
    definitions: Definitions<'_>,
) -> Result<ParsedSchedule, Problem> {
    let text = utf8(bytes)?;
    match format {
        Format::Json => read(name, text, defaults, definitions),
        Format::Yaml => {
            let node = single_document(text)?;
            read(name, &node.to_json(), defaults, definitions).map_err(|problem| located(problem, &node))
        }
    }
}

/// The documents of a YAML or JSON text, each as JSON.
///
/// # Errors
/// The text is not YAML at all, with line and column.
pub fn yaml_documents(text: &str) -> Result<Vec<String>, Problem> {
    Ok(crate::yaml::documents(text)?.iter().map(crate::yaml::Node::to_json).collect())
}

/// The stored body of the schedule that a job definition installs.
pub fn schedule_of_definition(rule: &str, definition: &str) -> String {
    let name = serde_json::to_string(definition).expect("a name is text");
    let rest = rule.trim().strip_prefix('{').unwrap_or(rule);
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    format!("{{\"job\":{name}{comma}{rest}")
}

/// The rule of the `schedule` in the stored text of a job definition; `None` where it says none.
pub fn rule_of_definition(text: &str) -> Option<Arc<str>> {
    let members: Members<'_> = serde_json::from_str(text).ok()?;
    let (_, raw) = members.0.iter().find(|(member, raw)| member == "schedule" && *raw != "null")?;
    read_of_job(&Value { raw, at: Pointer::text("/schedule") }, &mut Findings::default())
}

/// The text of a job definition with this rule as its `schedule`, or with none, whatever it says itself.
pub fn with_rule(text: &str, rule: Option<&str>) -> String {
    let members: Members<'_> = serde_json::from_str(text).unwrap_or_default();
    let kept = members.0.into_iter().filter(|(member, _)| member != "schedule");
    let all = kept.chain(rule.map(|rule| ("schedule".into(), rule)));
    let all = all.map(|(name, value)| format!("{}:{value}", serde_json::to_string(&name).expect("a name is text")));
    format!("{{{}}}", all.collect::<Vec<_>>().join(","))
}

/// Reads the body of a stored schedule.
///
/// # Errors
/// If it is not one: then it was stored by something else.
pub fn read_stored_schedule(body: &str, tenant: &Name) -> Result<ParsedSchedule, Problem> {
    let defaults = Defaults { tenant: Some(tenant.clone()), ..Defaults::default() };
    // Its work is checked anew when it is made.
    let text = with_member(body, "name", "\"x\"");
    let members = object(&text, &Pointer::ROOT)?;
    let mut findings = Findings::default();
    let (rule, work) = parts(&members, &mut findings);
    let (Some(rule), Some(work), true) = (rule, work, findings.is_empty()) else {
        return Err(findings.into_problem());
    };
    let tenant = defaults.tenant.unwrap_or_else(|| DEFAULT_TENANT.into());
    Ok(ParsedSchedule { name: "".into(), tenant, overlap: rule.overlap(), body: body.into(), rule, work })
}

fn with_member(object: &str, name: &str, value: &str) -> String {
    let rest = object.trim_start().strip_prefix('{').unwrap_or(object);
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    format!("{{\"{name}\":{value}{comma}{rest}")
}

fn parts(members: &Members<'_>, findings: &mut Findings) -> (Option<Rule>, Option<Scheduled>) {
    let rule = Rule::read(members, &Pointer::ROOT, findings);
    let work = Scheduled::read(members, findings);
    (rule, work)
}

fn read(
    name: Option<&str>,
    text: &str,
    defaults: &Defaults,
    definitions: Definitions<'_>,
) -> Result<ParsedSchedule, Problem> {
    let members = object(text, &Pointer::ROOT)?;
    let mut findings = Findings::default();
    let (mut own, mut tenant) = (None, defaults.tenant.clone());
    let is_named = name.is_some() || members.0.iter().any(|(member, _)| member == "name");
    let mut body = String::from("{");
    let known: Vec<&str> = OWN.iter().chain(&rule::KNOWN).copied().collect();
    for (member, raw) in &members.0 {
        let value = Value { raw, at: Pointer::ROOT.member(member) };
        match &**member {
            "name" => own = value.name(NameRule::Id, &mut findings).map(|name| name.into_owned()),
            "userId" => tenant = check_tenant(&value, defaults, &mut findings).or(tenant),
            known_name if known.contains(&known_name) => {
                if *raw != "null" {
                    let comma = if body.len() > 1 { "," } else { "" };
                    body.push_str(&format!("{comma}\"{known_name}\":"));
                    compact(raw, &mut body);
                }
            }
            _ => refuse_unknown(member, raw, &Pointer::ROOT, (&known, &[]), &mut findings),
        }
    }
    body.push('}');
    if let (Some(path), Some(own)) = (name, &own)
        && path != own
    {
        let detail = format!("`{own}` differs from the name `{path}` in the path");
        findings.add(Code::ConflictingFields, &Pointer::text("/name"), detail);
    }
    let (rule, work) = parts(&members, &mut findings);
    let tenant = tenant.unwrap_or_else(|| DEFAULT_TENANT.into());
    if body.len() > SCHEDULE_BODY_BYTES_MAX {
        let detail = format!("{} bytes exceed the limit of {SCHEDULE_BODY_BYTES_MAX}", body.len());
        findings.add_with_hint(
            Code::LimitExceeded,
            &Pointer::ROOT,
            detail,
            "apply the job as a definition and name it: `job: NAME`",
        );
    }
    let name: Name = own.as_deref().or(name).unwrap_or_default().into();
    if !is_named {
        findings.add_with_hint(Code::MissingField, &Pointer::text("/name"), "a schedule has a name", "`name: nightly`");
    }
    let (Some(rule), Some(work), true) = (rule, work, findings.is_empty()) else {
        return Err(findings.into_problem());
    };
    work.check(&tenant, definitions)?;
    Ok(ParsedSchedule { name, tenant, overlap: rule.overlap(), body: body.into(), rule, work })
}

/// Reads the `schedule` of a job; gives what is stored of it.
pub(super) fn read_of_job(value: &Value<'_, '_>, findings: &mut Findings) -> Option<Arc<str>> {
    let members = value.members(findings)?;
    for (member, raw) in &members.0 {
        if !rule::KNOWN.contains(&&**member) {
            refuse_unknown(member, raw, &value.at, (&rule::KNOWN, &[]), findings);
        }
    }
    Rule::read(&members, &value.at, findings)?;
    let mut body = String::with_capacity(value.raw.len());
    compact(value.raw, &mut body);
    Some(body.into())
}

#[cfg(test)]
mod tests;
