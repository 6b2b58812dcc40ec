//! Submissions: tasks, jobs and definitions, read from JSON or YAML into the core's own types, every limit enforced.

mod batch;
mod body;
mod canonical;
#[cfg(test)]
mod contract;
mod definition;
mod fields;
#[cfg(test)]
mod flow_tests;
mod hash;
#[cfg(test)]
mod hostile;
mod http;
mod intern;
mod job;
mod library;
mod limits;
mod members;
mod params;
mod policy;
mod profile;
mod read;
mod repeats;
mod schedule;
mod sensor;
mod task;
#[cfg(test)]
mod tests;
mod unique;

use mainspring_core::id::Name;
use mainspring_core::spec::Trigger;
use mainspring_core::time::Timestamp;
use mainspring_expression::{CompileError, CompileErrorKind};

use crate::pointer::Pointer;
use crate::problem::Code;
use read::Findings;

use crate::view::DefinitionRef;

pub use batch::{Submission, parse_submission, parse_tasks, parse_tasks_with};
pub(crate) use body::rendered_body;
pub use definition::{ParsedDefinition, parse_definition, parse_definition_file};
pub use http::HttpRequest;
pub use job::{FollowedJob, HOOKS, ParsedJob, definition_of, due, hook_job, parse_job, referenced_tasks, sub_jobs};
pub use library::{Definitions, Found, Library, NoDefinitions};
pub use params::{Values, with_params};
pub use schedule::{
    ParsedSchedule, Rule, Scheduled, parse_schedule, read_stored_schedule, rule_of_definition, schedule_of_definition,
    with_rule, with_schedule, yaml_documents,
};
pub use sensor::UNTIL_SCOPE;
pub use task::{parse_idempotency_key, parse_task, parse_task_with};

/// The tenant of work that names none.
pub const DEFAULT_TENANT: &str = "default";
/// The queue of work that names none.
pub const DEFAULT_QUEUE: &str = "default";
/// Longest bodies: tasks and jobs, in bytes.
pub const SUBMISSION_BYTES_MAX: usize = 64 << 20;
/// Longest bodies: everything else, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of JSON or YAML.
pub const NESTING_MAX: usize = 64;

/// What a request says beside its body.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The caller's tenant (`?userId=`, or its token's); `None`: the body's `userId`, else `default`. A body that names
    /// another one is refused.
    pub tenant: Option<Name>,
    /// The header `Idempotency-Key`. Elements of a batch get `key/index`.
    pub idempotency_key: Option<Name>,
    /// The caller's clock, to bound `runAt`; `None`: not bounded.
    pub now: Option<Timestamp>,
    /// The job is a definition, from which jobs will be made: a required parameter may be without a value.
    pub definition: bool,
    /// The definition, with its version, that a job is made from.
    pub made_from: Option<DefinitionRef>,
}

/// Names of the fields of a task.
pub fn task_field_names() -> &'static [&'static str] {
    fields::NAMES
}

/// Names of the fields that a profile may set.
pub fn profile_field_names() -> &'static [&'static str] {
    profile::PROFILABLE
}

/// Names what is wrong with an expression.
fn invalid_expression(at: &Pointer<'_>, error: &CompileError, findings: &mut Findings) {
    let detail = format!("{} at byte {}", error.kind, error.offset);
    let (code, detail) = match error.kind {
        CompileErrorKind::NotHere("secrets") => {
            (Code::NotSupportedYet, "secrets are understood, but this version cannot hand them out yet".to_owned())
        }
        _ => (Code::InvalidExpression, detail),
    };
    match &error.hint {
        Some(hint) => findings.add_with_hint(code, at, detail, hint),
        None => findings.add(code, at, detail),
    }
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML 1.2.
    Yaml,
}

/// Trigger rules and their words.
pub(crate) const TRIGGERS: [(Trigger, &str); 11] = [
    (Trigger::AllSuccess, "all_success"),
    (Trigger::AllDone, "all_done"),
    (Trigger::AllFailed, "all_failed"),
    (Trigger::AllSkipped, "all_skipped"),
    (Trigger::OneSuccess, "one_success"),
    (Trigger::OneFailed, "one_failed"),
    (Trigger::OneDone, "one_done"),
    (Trigger::NoneFailed, "none_failed"),
    (Trigger::NoneFailedMinOneSuccess, "none_failed_min_one_success"),
    (Trigger::NoneSkipped, "none_skipped"),
    (Trigger::Always, "always"),
];

/// The word of a trigger rule.
pub fn trigger_word(trigger: Trigger) -> &'static str {
    TRIGGERS.iter().find(|(known, _)| *known == trigger).map_or("all_success", |(_, word)| word)
}

/// Reads [`trigger_word`].
pub fn trigger_from_word(word: &str) -> Option<Trigger> {
    TRIGGERS.iter().find(|(_, known)| *known == word).map(|(trigger, _)| *trigger)
}
