//! Jobs: their own fields, then their tasks in whatever spelling, then the graph.

mod draft;
mod fields;
pub(super) mod flow;
mod hooks;
mod nested;
mod report;

use std::sync::Arc;

use mainspring_core::event::{RequestId, SubmitJob};
use mainspring_core::graph::Graph;
use mainspring_core::id::{Bucket, Name};
use mainspring_core::job::{FailurePolicy, Followed};

use crate::pointer::Pointer;
use crate::problem::{Code, Problem, ProblemItem};
use crate::submit::hash::body_hash;
use crate::submit::library::Definitions;
use crate::submit::task::{object, utf8};
use crate::submit::{Defaults, Format};
use crate::yaml::{self, Node, Part};

pub use hooks::{Followed as FollowedJob, HOOKS, definition_of, due, hook_job};
pub use nested::sub_jobs;

/// A valid job: everything that [`SubmitJob`] needs except whom to answer and where it lives.
#[derive(Clone, Debug)]
pub struct ParsedJob {
    /// Whom it belongs to.
    pub tenant: Name,
    /// The id its client chose.
    pub given_id: Option<Name>,
    /// The idempotency key.
    pub idempotency_key: Option<Name>,
    /// Hash of the submitted body.
    pub body_hash: u128,
    /// The human name.
    pub title: Option<Name>,
    /// The definition it is made from (`job:`).
    pub definition: Option<Name>,
    /// What the failure of a task does.
    pub failure_policy: FailurePolicy,
    /// Milliseconds from its acceptance until what has not ended of it is cancelled (`deadline`).
    pub deadline_ms: Option<u64>,
    /// How many jobs of its definition may be live (`maxActive`).
    pub max_active: Option<u32>,
    /// Everything else, as JSON text: `{"definition", "version", "params", "hooks"}`.
    pub body: Arc<str>,
    /// Whether something follows its end (`onSuccess`, …).
    pub has_hooks: bool,
    /// When the definition that this is shall run by itself: the rule as JSON text. A submission runs once all the same.
    pub schedule: Option<Arc<str>>,
    /// Tags.
    pub tags: Arc<[Name]>,
    /// The tasks.
    pub graph: Arc<Graph>,
}

impl ParsedJob {
    /// The event for a core.
    pub fn into_submit(self, to: RequestId, bucket: Bucket) -> SubmitJob {
        SubmitJob {
            to,
            bucket,
            tenant: self.tenant,
            given_id: self.given_id,
            idempotency_key: self.idempotency_key,
            body_hash: self.body_hash,
            title: self.title,
            failure_policy: self.failure_policy,
            body: self.body,
            tags: self.tags,
            graph: self.graph,
            deadline_ms: self.deadline_ms,
            followed: Followed { hooks: self.has_hooks, definition: self.definition.is_some() },
            active_key: self.definition.zip(self.max_active),
        }
    }
}

/// Reads one job. `definitions` finds the task definitions that a list of `tasks` refers to, each asked for once, the
/// profiles of the job and of its tasks, and the job definitions of sub-jobs.
///
/// # Errors
/// Every problem with its JSON pointer (and line and column for YAML).
pub fn parse_job(
    bytes: &[u8],
    format: Format,
    defaults: &Defaults,
    definitions: Definitions<'_>,
) -> Result<ParsedJob, Problem> {
    let text = utf8(bytes)?;
    match format {
        Format::Json => read_job(text, defaults, definitions),
        Format::Yaml => {
            let node = single_document(text)?;
            read_job(&node.to_json(), defaults, definitions).map_err(|problem| located(problem, &node))
        }
    }
}

/// The names of task definitions that a job refers to, so that a caller can fetch them before it parses the job.
/// Empty for whatever [`parse_job`] refuses.
pub fn referenced_tasks(bytes: &[u8], format: Format) -> Vec<String> {
    let Ok(text) = utf8(bytes) else { return Vec::new() };
    let json;
    let text = match format {
        Format::Json => text,
        Format::Yaml => match single_document(text) {
            Ok(node) => {
                json = node.to_json();
                &json
            }
            Err(_) => return Vec::new(),
        },
    };
    draft::references(text)
}

/// The only document of a YAML text.
pub(super) fn single_document(text: &str) -> Result<Node, Problem> {
    let mut nodes = yaml::documents(text)?;
    match (nodes.pop(), nodes.len()) {
        (Some(node), 0) => Ok(node),
        (None, _) => Err(Problem::new(Code::InvalidYaml, "the body has no document")),
        (Some(_), others) => {
            let detail = format!("the body has {} documents, expected one", others + 1);
            Err(Problem::new(Code::InvalidYaml, detail).with_hint("submit them one by one"))
        }
    }
}

/// Adds line and column to each problem.
pub(super) fn located(mut problem: Problem, node: &Node) -> Problem {
    for item in &mut problem.errors {
        if let (None, Some((line, column))) = (item.line, node.locate(&item.pointer, part_of(item, node))) {
            (item.line, item.column) = (Some(line), Some(column));
        }
    }
    problem
}

/// What a problem marks: the name of a field that should not be there, otherwise the value.
fn part_of(item: &ProblemItem, node: &Node) -> Part {
    match item.code {
        Some(Code::UnknownField | Code::DuplicateKey | Code::DuplicateTask) => Part::Name,
        // A field that is not built yet, unless it is an expression in one that is.
        Some(Code::NotSupportedYet) if !node.text_at(&item.pointer).is_some_and(|text| text.contains("${{")) => {
            Part::Name
        }
        _ => Part::Value,
    }
}

pub(super) fn read_job(text: &str, defaults: &Defaults, definitions: Definitions<'_>) -> Result<ParsedJob, Problem> {
    let members = object(text, &Pointer::ROOT)?;
    let head = fields::read_head(&members, defaults);
    let (own, graph) = draft::read_tasks(head, definitions)?;
    let hooks = hooks::read(&own, &members, definitions)?;
    let named = own.given_id.is_some() || own.idempotency_key.is_some();
    let mut body = serde_json::Map::new();
    if let Some(definition) = &own.definition {
        body.insert("definition".to_owned(), (&**definition).into());
        let made_from = defaults.made_from.as_ref().filter(|made_from| *made_from.name == **definition);
        if let Some(version) = made_from.and_then(|made_from| made_from.version) {
            body.insert("version".to_owned(), version.into());
        }
    }
    if !own.params.values.is_empty() {
        body.insert("params".to_owned(), serde_json::Value::Object(own.params.values));
    }
    let has_hooks = !hooks.is_empty();
    if has_hooks {
        body.insert("hooks".to_owned(), serde_json::Value::Object(hooks));
    }
    Ok(ParsedJob {
        tenant: own.tenant,
        given_id: own.given_id,
        idempotency_key: own.idempotency_key,
        body_hash: if named { body_hash(text, &members) } else { 0 },
        title: own.title,
        definition: own.definition,
        failure_policy: own.failure_policy,
        deadline_ms: own.deadline_ms,
        max_active: own.max_active,
        has_hooks,
        body: serde_json::Value::Object(body).to_string().into(),
        schedule: own.schedule,
        tags: own.tags,
        graph: Arc::new(graph),
    })
}
