//! The fields of a task: their names, where each came from, and which are understood but not built yet.

use crate::nearest::did_you_mean;
use crate::pointer::Pointer;
use crate::problem::Code;
use crate::submit::members::Members;
use crate::submit::profile::PROFILABLE;
use crate::submit::read::{Findings, Value};

macro_rules! fields {
    ($($field:ident = $name:literal,)*) => {
        /// A field of a task.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Field {
            $($field,)*
        }

        /// Names of the fields, in order.
        pub(super) const NAMES: &[&str] = &[$($name,)*];

        fn find(name: &str) -> Option<Field> {
            match name {
                $($name => Some(Field::$field),)*
                _ => None,
            }
        }
    };
}

fields! {
    Type = "type",
    Payload = "payload",
    TaskId = "taskId",
    TaskName = "taskName",
    Command = "command",
    Run = "run",
    Http = "http",
    Env = "env",
    WorkingDir = "workingDir",
    Queue = "queue",
    Priority = "priority",
    DelaySeconds = "delaySeconds",
    RunAt = "runAt",
    ExpiresAt = "expiresAt",
    Retries = "retries",
    Backoff = "backoff",
    Timeout = "timeout",
    HeartbeatTimeout = "heartbeatTimeout",
    OnWorkerLost = "onWorkerLost",
    Needs = "needs",
    Trigger = "trigger",
    Tags = "tags",
    Labels = "labels",
    IdempotencyKey = "idempotencyKey",
    NonRetryable = "nonRetryable",
    RetryOn = "retryOn",
    SuccessExitCodes = "successExitCodes",
    SkipExitCodes = "skipExitCodes",
    Group = "group",
    ConcurrencyKey = "concurrencyKey",
    Concurrency = "concurrency",
    RateLimit = "rateLimit",
    Unique = "unique",
    UserId = "userId",
    If = "if",
    ForEach = "forEach",
    Approval = "approval",
    Job = "job",
    Params = "params",
    Until = "until",
    Every = "every",
    Profile = "profile",
}

/// Fields that are understood and refused until they are built.
const LATER: &[&str] = &["email", "retention", "schedule"];

/// Fields that a job's `defaults` may set.
pub(super) const DEFAULTABLE: &[&str] = &[
    "type",
    "env",
    "workingDir",
    "queue",
    "priority",
    "delaySeconds",
    "expiresAt",
    "retries",
    "backoff",
    "timeout",
    "heartbeatTimeout",
    "onWorkerLost",
    "trigger",
    "tags",
    "labels",
    "nonRetryable",
    "retryOn",
    "successExitCodes",
    "skipExitCodes",
    "group",
    "concurrencyKey",
    "concurrency",
    "rateLimit",
];

/// Where the value of a field comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// The task itself.
    #[default]
    Own,
    /// The job's `defaults`, or its `priority`.
    Defaults,
    /// The definition it refers to.
    Definition,
    /// The profile of the task or of its job.
    Profile,
}

/// The fields of a task, unread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    slots: [Option<(&'a str, Origin)>; NAMES.len()],
    /// `env` of the layer below, whose variables hold where this one does not set them.
    pub(super) base_env: Option<(&'a str, Origin)>,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Self { slots: [None; NAMES.len()], base_env: None }
    }
}

impl<'a> Fields<'a> {
    /// Sorts members into fields. `null` counts as absent, `x-…` is ignored.
    pub(super) fn sort(members: &Members<'a>, at: &Pointer<'_>, origin: Origin, findings: &mut Findings) -> Self {
        let mut fields = Self::default();
        for (name, raw) in &members.0 {
            let Some(field) = find(name) else {
                refuse_unknown(name, raw, at, (NAMES, LATER), findings);
                continue;
            };
            if origin == Origin::Defaults && !DEFAULTABLE.contains(&&**name) {
                let detail = format!("`{name}` cannot stand in `defaults`");
                findings.add(Code::InvalidValue, &at.member(name), detail);
            }
            if origin == Origin::Profile && field != Field::Profile && !PROFILABLE.contains(&&**name) {
                let hint = format!("a profile may have {}", PROFILABLE.join(" "));
                let detail = format!("`{name}` cannot stand in a profile");
                findings.add_with_hint(Code::InvalidValue, &at.member(name), detail, hint);
            }
            let slot = &mut fields.slots[field as usize];
            if slot.is_some() {
                findings.add(Code::DuplicateKey, &at.member(name), format!("`{name}` occurs twice"));
            }
            *slot = Some((raw, origin));
        }
        for slot in &mut fields.slots {
            *slot = slot.filter(|(raw, _)| *raw != "null");
        }
        fields
    }

    pub(super) fn get(&self, field: Field) -> Option<(&'a str, Origin)> {
        self.slots[field as usize]
    }

    pub(super) fn set(&mut self, field: Field, raw: &'a str, origin: Origin) {
        self.slots[field as usize] = Some((raw, origin));
    }

    pub(super) fn clear(&mut self, field: Field) {
        self.slots[field as usize] = None;
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.slots[field as usize].is_some()
    }

    /// Takes what is absent here from a layer below.
    pub(super) fn over(mut self, below: &Fields<'a>) -> Self {
        if self.has(Field::Env) {
            self.base_env = self.base_env.or(below.get(Field::Env));
        }
        for (slot, below) in self.slots.iter_mut().zip(below.slots) {
            *slot = slot.or(below);
        }
        self
    }

    /// Every value with its name, that of the `env` below included.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &'a str, Origin)> + '_ {
        let own =
            NAMES.iter().zip(self.slots).filter_map(|(name, slot)| slot.map(|(raw, origin)| (*name, raw, origin)));
        own.chain(self.base_env.map(|(raw, origin)| ("env", raw, origin)))
    }
}

/// Refuses a member that is not among `known`: as not built yet (`null` counts as absent), or as unknown with the
/// nearest known name. `x-…` is ignored.
pub(super) fn refuse_unknown(
    name: &str,
    raw: &str,
    at: &Pointer<'_>,
    (known, later): (&[&str], &[&str]),
    findings: &mut Findings,
) {
    if name.starts_with("x-") || raw == "null" && later.contains(&name) || findings.only_counts() {
        return;
    }
    let place = at.member(name);
    if later.contains(&name) {
        let detail = format!("`{name}` is understood, but this version cannot do it yet");
        findings.add(Code::NotSupportedYet, &place, detail);
        return;
    }
    let shown: String = name.chars().take(60).collect();
    let detail = format!("unknown field `{shown}`");
    let hint = did_you_mean(name, known.iter().chain(later).copied());
    let hint = hint.unwrap_or_else(|| format!("known fields: {}", known.join(" ")));
    findings.add_with_hint(Code::UnknownField, &place, detail, hint);
}

/// Whether a JSON text has an expression, its escapes read or not.
pub(super) fn has_expression(raw: &str) -> bool {
    let has = |pattern: &[u8]| memchr::memmem::find(raw.as_bytes(), pattern).is_some();
    if has(b"${{") {
        return true;
    }
    // `$\u007b{` is the same text.
    (has(b"\\u007") || has(b"\\u0024"))
        && (!raw.starts_with('"') || serde_json::from_str::<String>(raw).is_ok_and(|text| text.contains("${{")))
}

/// Why an expression cannot stand where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// In a task that belongs to no job.
    Alone,
    /// In a field of a task, or of a job, that has none.
    Field,
}

/// Refuses expressions, wherever they stand in a value.
pub(super) fn refuse_expressions(value: &Value<'_, '_>, why: Misplaced, findings: &mut Findings) {
    if !has_expression(value.raw) {
        return;
    }
    match value.raw.as_bytes().first() {
        Some(b'{') => {
            for (name, raw) in value.members(findings).unwrap_or_default().0 {
                refuse_expressions(&Value { raw, at: value.at.member(&name) }, why, findings);
            }
        }
        Some(b'[') => {
            for (index, raw) in value.elements(findings).unwrap_or_default().into_iter().enumerate() {
                refuse_expressions(&Value { raw, at: value.at.index(index) }, why, findings);
            }
        }
        _ if findings.only_counts() => {}
        _ => {
            let (place, hint) = match why {
                Misplaced::Alone => ("a task that belongs to no job", JOB_OF_ONE_TASK),
                Misplaced::Field => ("this field", EXPRESSION_FIELDS),
            };
            let detail = format!("an expression cannot stand in {place}: `{}`", value.shown());
            findings.add_with_hint(Code::InvalidValue, &value.at, detail, hint);
        }
    }
}

/// How a task comes to have what only a task of a job has.
pub(super) const JOB_OF_ONE_TASK: &str =
    "make it a job of one task: `{\"tasks\": {\"main\": {…}}}` for POST /api/v1/jobs, or as `job` of a schedule";

/// Where expressions stand.
const EXPRESSION_FIELDS: &str = "expressions stand in `command` (as a list), `payload`, `http`, `env`, `workingDir`, `params`, `if` and `forEach` of a task";

/// Refuses expressions in a text that is taken apart or run, for good: what they stand for would be a part of it.
pub(super) fn refuse_in_script(value: &Value<'_, '_>, findings: &mut Findings) {
    if has_expression(value.raw) {
        let detail = "a script cannot have expressions: what they stand for would be run as a part of it";
        let hint = "give the value as a variable, `env: {NAME: \"${{ … }}\"}`, and write \"$NAME\" in the script";
        findings.add_with_hint(Code::InvalidValue, &value.at, detail, hint);
    }
}

/// Refuses expressions in a command that is one text.
pub(super) fn refuse_in_text(value: &Value<'_, '_>, findings: &mut Findings) {
    if has_expression(value.raw) {
        let detail = "a command written as one text cannot have expressions";
        let hint = "write it as a list, each argument by itself: `command: [program, \"${{ … }}\"]`";
        findings.add_with_hint(Code::InvalidValue, &value.at, detail, hint);
    }
}
