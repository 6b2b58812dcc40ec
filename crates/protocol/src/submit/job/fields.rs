//! A job's own fields.

use std::collections::HashSet;
use std::sync::Arc;

use mainspring_core::id::Name;
use mainspring_core::job::FailurePolicy;
use mainspring_core::limits::{DELAY_MS_MAX, PRIORITY_MAX, TAGS_MAX};
use serde_json::{Map, Value as Json};

use crate::pointer::Pointer;
use crate::problem::Code;
use crate::submit::fields::{DEFAULTABLE, Fields, Misplaced, Origin, refuse_expressions, refuse_unknown};
use crate::submit::intern::Interner;
use crate::submit::members::Members;
use crate::submit::params::{Params, read_params};
use crate::submit::read::{Findings, Rule, Value};
use crate::submit::task::{check_key, check_tenant};
use crate::submit::{DEFAULT_TENANT, Defaults};

const KNOWN: &[&str] = &[
    "jobId",
    "jobName",
    "job",
    "userId",
    "tasks",
    "dependencies",
    "failurePolicy",
    "defaults",
    "priority",
    "tags",
    "idempotencyKey",
    "profile",
    "schedule",
    "params",
    "deadline",
    "maxActive",
    "onSuccess",
    "onFailed",
    "onCancelled",
    "onComplete",
];
const LATER: &[&str] = &["email", "notify", "retention"];
/// Fields of tasks that have no meaning for a job.
const OF_TASKS: &[&str] =
    &["if", "forEach", "approval", "until", "every", "concurrency", "concurrencyKey", "rateLimit", "unique"];
/// Live jobs of one definition.
const ACTIVE_MAX: u64 = 1_000_000;
const POLICIES: &[(FailurePolicy, &str)] =
    &[(FailurePolicy::Continue, "continue"), (FailurePolicy::FailFast, "fail_fast")];

/// A job's own fields.
pub(super) struct Own {
    pub(super) tenant: Name,
    pub(super) given_id: Option<Name>,
    pub(super) idempotency_key: Option<Name>,
    pub(super) title: Option<Name>,
    pub(super) definition: Option<Name>,
    pub(super) failure_policy: FailurePolicy,
    pub(super) tags: Arc<[Name]>,
    pub(super) params: Params,
    pub(super) deadline_ms: Option<u64>,
    pub(super) max_active: Option<u32>,
    /// Tasks that follow the job's end, by the field they stand in.
    pub(super) hooks: Map<String, Json>,
    pub(super) schedule: Option<Arc<str>>,
}

/// A job's own fields, read, and its tasks, unread.
pub(super) struct Head<'a> {
    pub(super) own: Own,
    pub(super) tasks: Option<&'a str>,
    pub(super) dependencies: Option<&'a str>,
    pub(super) defaults: Fields<'a>,
    pub(super) priority: Option<u8>,
    pub(super) profile: Option<&'a str>,
    pub(super) names: Interner,
    pub(super) findings: Findings,
}

pub(super) fn read_head<'a>(members: &Members<'a>, defaults: &Defaults) -> Head<'a> {
    let mut names = Interner::default();
    let own = Own {
        tenant: defaults.tenant.clone().unwrap_or_else(|| names.name(DEFAULT_TENANT)),
        given_id: None,
        idempotency_key: defaults.idempotency_key.clone(),
        title: None,
        definition: None,
        failure_policy: FailurePolicy::default(),
        tags: names.list::<&str>(&[]),
        params: Params::default(),
        deadline_ms: None,
        max_active: None,
        hooks: Map::new(),
        schedule: None,
    };
    let mut head = Head {
        own,
        tasks: None,
        dependencies: None,
        defaults: Fields::default(),
        priority: None,
        profile: None,
        names,
        findings: Findings::default(),
    };
    let mut seen: HashSet<&str> = HashSet::new();
    for (name, raw) in &members.0 {
        let value = Value { raw, at: Pointer::ROOT.member(name) };
        if !seen.insert(name) {
            head.findings.add(Code::DuplicateKey, &value.at, format!("`{name}` occurs twice"));
        }
        if *raw != "null" || !KNOWN.contains(&&**name) {
            read_member(&mut head, name, &value, defaults);
        }
    }
    if head.own.schedule.is_some() && head.own.given_id.is_some() {
        let detail = "`jobId` names one instance of a job; a schedule makes many";
        let at = Pointer::text("/jobId");
        head.findings.add_with_hint(Code::InvalidValue, &at, detail, "write `job: NAME` instead");
    }
    head.own.title = head.own.title.take().or_else(|| head.own.definition.clone());
    if head.own.max_active.is_some() && head.own.definition.is_none() {
        let detail = "`maxActive` limits the jobs of a definition, and this one has none";
        let place = Pointer::ROOT;
        head.findings.add_with_hint(Code::MissingField, &place.member("maxActive"), detail, "name it: `job: NAME`");
    }
    head
}

fn read_member<'a>(head: &mut Head<'a>, name: &str, value: &Value<'a, '_>, defaults: &Defaults) {
    let Head { own, findings, .. } = head;
    let text = |name: std::borrow::Cow<'_, str>| Name::from(&*name);
    let is_hook = name.starts_with("on");
    if !matches!(name, "tasks" | "defaults") && !is_hook && KNOWN.contains(&name) {
        refuse_expressions(value, Misplaced::Field, findings);
    }
    match name {
        "jobId" => own.given_id = value.name(Rule::FreshId, findings).map(text),
        "jobName" => own.title = value.name(Rule::Name, findings).map(text),
        "job" => own.definition = value.name(Rule::Id, findings).map(text),
        "userId" => {
            if let Some(tenant) = check_tenant(value, defaults, findings) {
                own.tenant = tenant;
            }
        }
        "idempotencyKey" => {
            let key = check_key(value, defaults.idempotency_key.as_deref(), findings);
            own.idempotency_key = key.or_else(|| own.idempotency_key.take());
        }
        "failurePolicy" => own.failure_policy = value.word(POLICIES, findings).unwrap_or_default(),
        "tags" => own.tags = head.names.list(&value.names(Rule::Name, false, TAGS_MAX, findings)),
        "schedule" => own.schedule = crate::submit::schedule::read_of_job(value, findings),
        "priority" => head.priority = value.number(PRIORITY_MAX.into(), findings).map(|number| number as u8),
        "profile" => head.profile = Some(value.raw),
        "params" => own.params = read_params(value, defaults.definition, findings),
        "deadline" => own.deadline_ms = read_deadline(value, findings),
        "maxActive" => own.max_active = read_max_active(value, findings),
        "onSuccess" | "onFailed" | "onCancelled" | "onComplete" => {
            if let Ok(task) = serde_json::from_str(value.raw) {
                own.hooks.insert(name.to_owned(), task);
            }
        }
        "tasks" => head.tasks = Some(value.raw),
        "dependencies" => head.dependencies = Some(value.raw),
        "defaults" => {
            if let Some(members) = value.members(findings) {
                head.defaults = Fields::sort(&members, &value.at, Origin::Defaults, findings);
            }
        }
        _ if OF_TASKS.contains(&name) => {
            findings.add(Code::UnknownField, &value.at, format!("`{name}` is a field of tasks"));
        }
        _ if DEFAULTABLE.contains(&name) => {
            let detail = format!("`{name}` is a field of tasks");
            let hint = format!("write it under `defaults` to set it for all tasks: `defaults: {{{name}: …}}`");
            findings.add_with_hint(Code::UnknownField, &value.at, detail, hint);
        }
        _ => refuse_unknown(name, value.raw, &Pointer::ROOT, (KNOWN, LATER), findings),
    }
}

fn read_deadline(value: &Value<'_, '_>, findings: &mut Findings) -> Option<u64> {
    let length = value.duration(DELAY_MS_MAX, findings)?;
    if length.ms() == 0 {
        findings.add(Code::InvalidValue, &value.at, "a deadline must be longer than 0");
        return None;
    }
    Some(length.ms())
}

fn read_max_active(value: &Value<'_, '_>, findings: &mut Findings) -> Option<u32> {
    let most = value.number(ACTIVE_MAX, findings)?;
    if most == 0 {
        findings.add_with_hint(
            Code::InvalidValue,
            &value.at,
            "`maxActive` must be 1 or more",
            "to run none, pause the queue",
        );
        return None;
    }
    Some(most as u32)
}
