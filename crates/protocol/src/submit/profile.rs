//! Profiles: named bundles of defaults of tasks. A task takes from its profile what it does not say itself.
//!
//! ```text
//!  task  >  task's profile  >  job's `defaults`  >  job's own `priority`  >  job's profile
//! ```

use std::sync::Arc;

use mainspring_core::id::Name;
use mainspring_core::limits::{PRIORITY_MAX, TAGS_MAX};
use mainspring_core::row::DefinitionKind;

use crate::nearest::did_you_mean;
use crate::pointer::Pointer;
use crate::problem::{Code, Problem};
use crate::submit::DEFAULT_QUEUE;
use crate::submit::body::read_labels;
use crate::submit::fields::{Field, Fields, Origin};
use crate::submit::intern::Interner;
use crate::submit::library::Definitions;
use crate::submit::members::Members;
use crate::submit::policy::read_policy;
use crate::submit::read::{Findings, Rule, Value};
use crate::submit::task::{Source, object};

/// Fields that a profile may set.
pub(super) const PROFILABLE: &[&str] = &[
    "queue",
    "priority",
    "retries",
    "backoff",
    "timeout",
    "heartbeatTimeout",
    "onWorkerLost",
    "nonRetryable",
    "retryOn",
    "labels",
    "tags",
];

/// Checks the text of a profile. Its name may stand in it, as `profile`.
pub(super) fn check_profile(json: &str, name: Option<&str>) -> Result<(), Problem> {
    let members = object(json, &Pointer::ROOT)?;
    let mut findings = Findings::default();
    let fields = Fields::sort(&members, &Pointer::ROOT, Origin::Profile, &mut findings);
    // What is written here stands at the root, not at a task that uses it.
    let source = Source { fields: &fields, at: Pointer::ROOT };
    source.read(Field::Profile, |value| {
        let Some(own) = value.name(Rule::Id, &mut findings) else { return };
        if let Some(name) = name.filter(|name| **name != *own) {
            let detail = format!("`{own}` differs from the name `{name}` in the path");
            findings.add(Code::ConflictingFields, &value.at, detail);
        }
    });
    let names = &mut Interner::default();
    read_placing(&source, names, &mut findings);
    read_policy(&source, names, &mut findings);
    if findings.is_empty() { Ok(()) } else { Err(findings.into_problem()) }
}

/// The text of the profile that a value names. One that nobody knows is a finding.
pub(super) fn find_profile(
    value: &Value<'_, '_>,
    (tenant, definitions): (&str, Definitions<'_>),
    findings: &mut Findings,
) -> Option<Arc<str>> {
    let name = value.name(Rule::Id, findings)?;
    let found = definitions.find(DefinitionKind::Profile, tenant, &name);
    if found.is_none() && !findings.only_counts() {
        let known = definitions.names(DefinitionKind::Profile);
        let near = did_you_mean(&name, known.iter().map(String::as_str));
        let hint = near.unwrap_or_else(|| "make it first: PUT /api/v1/profiles/…".to_owned());
        findings.add_with_hint(Code::UnknownProfile, &value.at, format!("there is no profile `{name}`"), hint);
    }
    found.map(|found| found.text)
}

/// The fields of a profile's text, which was checked when it was applied.
pub(super) fn profile_fields<'a>(text: &'a str, findings: &mut Findings) -> Fields<'a> {
    let members = serde_json::from_str::<Members<'a>>(text).unwrap_or_default();
    let mut fields = Fields::sort(&members, &Pointer::ROOT, Origin::Profile, findings);
    fields.clear(Field::Profile);
    fields
}

/// Where a task waits, and what marks it.
pub(super) struct Placing {
    pub(super) queue: Name,
    pub(super) priority: Option<u8>,
    pub(super) tags: Arc<[Name]>,
    pub(super) labels: Vec<String>,
}

pub(super) fn read_placing(source: &Source<'_, '_>, names: &mut Interner, findings: &mut Findings) -> Placing {
    let mut placing =
        Placing { queue: names.name(DEFAULT_QUEUE), priority: None, tags: names.list::<&str>(&[]), labels: Vec::new() };
    source.read(Field::Queue, |value| {
        if let Some(queue) = value.name(Rule::Id, findings) {
            placing.queue = names.name(&queue);
        }
    });
    source.read(Field::Priority, |value| {
        placing.priority = value.number(PRIORITY_MAX.into(), findings).map(|number| number as u8);
    });
    source.read(Field::Tags, |value| placing.tags = names.list(&value.names(Rule::Name, false, TAGS_MAX, findings)));
    source.read(Field::Labels, |value| placing.labels = read_labels(&value, TAGS_MAX, findings));
    placing
}
