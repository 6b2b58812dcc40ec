//! Standalone tasks, and the part of a task that jobs share.

use std::sync::Arc;

use mainspring_core::event::{NewTask, Start};
use mainspring_core::id::Name;
use mainspring_core::limits::{DELAY_MS_MAX, NAME_CHARS_MAX};
use mainspring_core::spec::{Class, TaskSpec};
use mainspring_core::time::Timestamp;

use crate::decode::{depth, not_json, too_deep, without_place};
use crate::duration::WireDuration;
use crate::pointer::Pointer;
use crate::problem::{Code, Problem, ProblemItem};
use crate::submit::body::read_body;
use crate::submit::fields::{
    Field, Fields, JOB_OF_ONE_TASK, Misplaced, Origin, refuse_expressions, refuse_in_script, refuse_in_text,
};
use crate::submit::hash::body_hash;
use crate::submit::intern::Interner;
use crate::submit::library::{Definitions, NoDefinitions};
use crate::submit::limits::read_limits;
use crate::submit::members::Members;
use crate::submit::policy::read_policy;
use crate::submit::profile::{Placing, find_profile, profile_fields, read_placing};
use crate::submit::read::{Findings, Rule, Value, check_name};
use crate::submit::unique::read_unique;
use crate::submit::{DEFAULT_TENANT, Defaults, NESTING_MAX};

/// The fields of one task and where their values stand.
pub(super) struct Source<'a, 'p> {
    pub(super) fields: &'a Fields<'a>,
    /// Where the task itself stands.
    pub(super) at: Pointer<'p>,
}

impl<'a> Source<'a, '_> {
    /// Where fields of this origin stand. What comes from a definition is reported at the reference to it.
    pub(super) fn base(&self, origin: Origin) -> Pointer<'_> {
        match origin {
            Origin::Own | Origin::Definition | Origin::Profile => self.at,
            Origin::Defaults => Pointer::text("/defaults"),
        }
    }

    /// Reads a field if it is there.
    pub(super) fn read(&self, field: Field, read: impl FnOnce(Value<'a, '_>)) {
        if let Some((raw, origin)) = self.fields.get(field) {
            let base = self.base(origin);
            read(Value { raw, at: base.member(super::fields::NAMES[field as usize]) });
        }
    }
}

/// Reads one standalone task that refers to nothing by name.
///
/// # Errors
/// Every problem with its JSON pointer.
pub fn parse_task(json: &[u8], defaults: &Defaults) -> Result<NewTask, Problem> {
    parse_task_with(json, defaults, &NoDefinitions)
}

/// Reads one standalone task. `definitions` finds its profile.
///
/// # Errors
/// Every problem with its JSON pointer.
pub fn parse_task_with(json: &[u8], defaults: &Defaults, definitions: Definitions<'_>) -> Result<NewTask, Problem> {
    let text = utf8(json)?;
    let key = defaults.idempotency_key.clone();
    let names = &mut Interner::default();
    read_element(text, &Pointer::ROOT, (defaults, definitions), key, (names, Findings::default()))
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        Problem::new(Code::InvalidJson, format!("the body is not UTF-8 at byte {}", error.valid_up_to()))
    })
}

/// Parses an object, bounded in depth; another kind of value is refused.
pub(super) fn object<'a>(text: &'a str, at: &Pointer<'_>) -> Result<Members<'a>, Problem> {
    // Less text than this cannot nest too deeply, and most bodies are shorter.
    if text.len() > 2 * NESTING_MAX {
        let depth = depth(text.as_bytes());
        if depth > NESTING_MAX {
            return Err(too_deep(depth));
        }
    }
    match serde_json::from_str::<Members<'a>>(text) {
        Ok(members) => Ok(members),
        Err(error) if error.is_data() && text.trim_ascii_start().starts_with('{') => {
            Err(Problem::of_items(vec![ProblemItem::new(Code::LimitExceeded, at.to_string(), without_place(&error))]))
        }
        Err(error) if error.is_data() => {
            let mut findings = Findings::default();
            Value { raw: text.trim(), at: *at }.wrong(&mut findings, "an object");
            Err(findings.into_problem())
        }
        Err(error) => Err(not_json(text.as_bytes(), &error)),
    }
}

pub(super) fn read_element(
    text: &str,
    at: &Pointer<'_>,
    (defaults, definitions): (&Defaults, Definitions<'_>),
    header_key: Option<Name>,
    (names, mut findings): (&mut Interner, Findings),
) -> Result<NewTask, Problem> {
    let members = object(text, at)?;
    let own = Fields::sort(&members, at, Origin::Own, &mut findings);
    let tenant = read_tenant(&Source { fields: &own, at: *at }, defaults, names, &mut findings);
    let mut profile = None;
    Source { fields: &own, at: *at }
        .read(Field::Profile, |value| profile = find_profile(&value, (&tenant, definitions), &mut findings));
    let fields = match &profile {
        Some(text) => own.over(&profile_fields(text, &mut findings)),
        None => own,
    };
    let source = Source { fields: &fields, at: *at };
    for field in [Field::Needs, Field::Trigger, Field::If, Field::ForEach, Field::Approval, Field::Job, Field::Params] {
        source.read(field, |value| {
            let detail = match field {
                Field::Needs | Field::Trigger => "only a task of a job has parents".to_owned(),
                _ => format!("only a task of a job has `{}`", super::fields::NAMES[field as usize]),
            };
            findings.add_with_hint(Code::InvalidValue, &value.at, detail, JOB_OF_ONE_TASK);
        });
    }
    let mut given_id = None;
    source.read(Field::TaskId, |value| given_id = value.name(Rule::FreshId, &mut findings).map(|id| Name::from(&*id)));
    let idempotency_key = read_key(&source, header_key, &mut findings);
    let start = read_start(&source, defaults.now, &mut findings);
    let (spec, _) = read_spec(&source, Home::Alone, names, &mut findings);
    let body = (&*spec.kind, &*spec.body);
    let unique = read_unique(&source, body, idempotency_key.is_some(), &mut findings);
    if !findings.is_empty() {
        return Err(findings.into_problem());
    }
    let named = given_id.is_some() || idempotency_key.is_some();
    let body_hash = if named { body_hash(text, &members) } else { 0 };
    Ok(NewTask { tenant, given_id, idempotency_key, body_hash, spec, start, unique })
}

fn read_tenant(source: &Source<'_, '_>, defaults: &Defaults, names: &mut Interner, findings: &mut Findings) -> Name {
    let mut own = None;
    source.read(Field::UserId, |value| own = check_tenant(&value, defaults, findings).map(|id| names.name(&id)));
    own.or_else(|| defaults.tenant.clone()).unwrap_or_else(|| names.name(DEFAULT_TENANT))
}

/// Reads `userId` against the caller's tenant.
pub(super) fn check_tenant(value: &Value<'_, '_>, defaults: &Defaults, findings: &mut Findings) -> Option<Name> {
    let own = value.name(Rule::Name, findings)?;
    if let Some(caller) = defaults.tenant.as_deref().filter(|caller| **caller != *own) {
        let detail = format!("`{own}` differs from the caller's userId `{caller}`");
        findings.add(Code::ConflictingFields, &value.at, detail);
    }
    Some(own.as_ref().into())
}

/// Reads `idempotencyKey` against the header.
fn read_key(source: &Source<'_, '_>, header: Option<Name>, findings: &mut Findings) -> Option<Name> {
    let mut own = None;
    source.read(Field::IdempotencyKey, |value| own = check_key(&value, header.as_deref(), findings));
    own.or(header)
}

/// Reads `idempotencyKey` against the header.
pub(super) fn check_key(value: &Value<'_, '_>, header: Option<&str>, findings: &mut Findings) -> Option<Name> {
    let own = value.name(Rule::Name, findings)?;
    if header.is_some_and(|header| *header != *own) {
        let detail = "`idempotencyKey` and the header `Idempotency-Key` differ";
        findings.add(Code::ConflictingFields, &value.at, detail);
    }
    Some(own.as_ref().into())
}

/// Checks the header `Idempotency-Key`: 1 to 256 characters, no control characters.
///
/// # Errors
/// [`Code::InvalidHeader`].
pub fn parse_idempotency_key(header: &[u8]) -> Result<Name, Problem> {
    let text = std::str::from_utf8(header).ok().filter(|text| check_name(text, Rule::Name).is_ok());
    text.map(Name::from).ok_or_else(|| {
        let detail = format!("`Idempotency-Key` must have 1 to {NAME_CHARS_MAX} characters, no control characters");
        Problem::new(Code::InvalidHeader, detail)
    })
}

fn read_start(source: &Source<'_, '_>, now: Option<Timestamp>, findings: &mut Findings) -> Start {
    let mut start = Start::Now;
    source.read(Field::DelaySeconds, |value| {
        if let Some(delay) = value.duration(DELAY_MS_MAX, findings).filter(|delay| delay.ms() > 0) {
            start = Start::After(delay.ms());
        }
    });
    source.read(Field::RunAt, |value| {
        let Some(at) = value.instant(findings) else { return };
        let ahead = now.map_or(0, |now| at.since(now));
        if ahead > DELAY_MS_MAX {
            let (ahead, limit) = (WireDuration::from_ms(ahead), WireDuration::from_ms(DELAY_MS_MAX));
            findings.add(Code::LimitExceeded, &value.at, format!("it lies {ahead} ahead, the limit is {limit}"));
        }
        if source.fields.has(Field::DelaySeconds) {
            findings.add(Code::ConflictingFields, &value.at, "`runAt` and `delaySeconds` exclude each other");
        }
        start = Start::At(at);
    });
    start
}

/// Where a task belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// It belongs to no job.
    Alone,
    /// To a job with this priority, which holds where the task has none.
    Job(Option<u8>),
}

/// Reads what a standalone task and a task of a job have in common. Gives beside the spec the members of its body that
/// have expressions, as a JSON object: none of a task that belongs to no job.
pub(super) fn read_spec(
    source: &Source<'_, '_>,
    home: Home,
    names: &mut Interner,
    findings: &mut Findings,
) -> (Arc<TaskSpec>, Option<String>) {
    refuse_misplaced_expressions(source, home, findings);
    let Placing { queue, priority, tags, labels } = read_placing(source, names, findings);
    let (kind, class) = read_class(source, &labels, names, findings);
    let (body, with) = read_body(source, home != Home::Alone, findings);
    let limits = read_limits(source, &kind, names, findings);
    let job_priority = match home {
        Home::Job(priority) => priority,
        Home::Alone => None,
    };
    let mut spec = TaskSpec {
        kind,
        class,
        title: None,
        queue,
        priority: priority.or(job_priority).unwrap_or(0),
        expires_at_ms: None,
        policy: names_policy(source, names, findings),
        limits,
        body,
        tags,
    };
    source.read(Field::TaskName, |value| spec.title = value.name(Rule::Name, findings).map(|name| Name::from(&*name)));
    source.read(Field::ExpiresAt, |value| spec.expires_at_ms = value.instant(findings).map(Timestamp::as_millis));
    (Arc::new(spec), with)
}

/// Refuses expressions where none can stand.
fn refuse_misplaced_expressions(source: &Source<'_, '_>, home: Home, findings: &mut Findings) {
    for (name, raw, origin) in source.fields.all() {
        let base = source.base(origin);
        let value = Value { raw, at: base.member(name) };
        match name {
            "run" => refuse_in_script(&value, findings),
            "if" | "forEach" | "until" => {}
            _ if home == Home::Alone => refuse_expressions(&value, Misplaced::Alone, findings),
            "command" if raw.starts_with('"') => refuse_in_text(&value, findings),
            "command" | "payload" | "http" | "env" | "workingDir" | "params" => {}
            _ => refuse_expressions(&value, Misplaced::Field, findings),
        }
    }
}

fn names_policy(
    source: &Source<'_, '_>,
    names: &mut Interner,
    findings: &mut Findings,
) -> Arc<mainspring_core::spec::Policy> {
    let policy = read_policy(source, names, findings);
    names.policy(policy)
}

/// The type, and what a worker must offer: `shell` for a command or a script, else the type.
fn read_class(
    source: &Source<'_, '_>,
    labels: &[String],
    names: &mut Interner,
    findings: &mut Findings,
) -> (Name, Class) {
    let has = |field| source.fields.has(field);
    let shell = has(Field::Command) || has(Field::Run);
    if has(Field::Command) && has(Field::Run) {
        findings.add(Code::ConflictingFields, &source.at, "`command` and `run` exclude each other");
    }
    if shell && has(Field::Http) {
        findings.add(Code::ConflictingFields, &source.at, "`http` excludes `command` and `run`");
    }
    for (field, name) in [(Field::Approval, "approval"), (Field::Job, "job")] {
        let runs = shell || has(Field::Http) || field == Field::Approval && has(Field::Job);
        if has(field) && runs {
            let detail = format!("`{name}` excludes `command`, `run`, `http` and whatever else a task is");
            findings.add(Code::ConflictingFields, &source.at, detail);
        }
    }
    let mut kind = None;
    source.read(Field::Type, |value| kind = read_type(&value, findings));
    let implied =
        [(shell, "shell"), (has(Field::Http), "http"), (has(Field::Approval), "approval"), (has(Field::Job), "job")];
    let implied = implied.into_iter().find(|(is, _)| *is).map(|(_, kind)| kind);
    let kind = match (kind, implied) {
        (Some(kind), _) => names.name(&kind),
        (None, Some(implied)) => names.name(implied),
        (None, None) => {
            if !has(Field::Type) {
                let hint = "give `type`, `command`, `run`, `http`, `approval` or `job`";
                let detail = "a task needs a type or something to run";
                findings.add_with_hint(Code::MissingField, &source.at.member("type"), detail, hint);
            }
            names.name("")
        }
    };
    if !shell {
        check_builtin(source, &kind, findings);
    }
    let class = names.class(if shell { "shell" } else { &kind }, labels);
    (kind, class)
}

fn read_type(value: &Value<'_, '_>, findings: &mut Findings) -> Option<String> {
    let kind = value.name(Rule::Name, findings)?;
    if &*kind == "*" {
        findings.add(Code::InvalidValue, &value.at, "`*` is what a worker offers, not a type");
        return None;
    }
    Some(kind.into_owned())
}

/// The built-in types need what they are about, and nothing else has it.
fn check_builtin(source: &Source<'_, '_>, kind: &str, findings: &mut Findings) {
    if kind == "shell" {
        let detail = "a task of type `shell` needs `command` or `run`";
        findings.add(Code::MissingField, &source.at.member("command"), detail);
    }
    for (field, name) in [(Field::Http, "http"), (Field::Approval, "approval"), (Field::Job, "job")] {
        let has = source.fields.has(field);
        if kind == name && !has {
            let detail = format!("a task of type `{name}` needs `{name}`");
            findings.add(Code::MissingField, &source.at.member(name), detail);
        } else if kind != name && has {
            let detail = format!("`{name}` needs the type `{name}`, not `{kind}`");
            findings.add_with_hint(Code::ConflictingFields, &source.at.member("type"), detail, "leave `type` out");
        }
    }
}
