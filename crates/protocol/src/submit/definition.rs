//! Definitions: templates of tasks and jobs, and profiles, by name, and the files they are written in.

use std::collections::HashMap;
use std::sync::Arc;

use mainspring_core::id::Name;
use mainspring_core::row::DefinitionKind;

use crate::pointer::Pointer;
use crate::problem::{Code, Problem};
use crate::submit::fields::{Field, Fields, Origin};
use crate::submit::hash::compact;
use crate::submit::intern::Interner;
use crate::submit::job::{self, located, read_job, single_document};
use crate::submit::library::{Definitions, Found, Library};
use crate::submit::profile::{check_profile, find_profile};
use crate::submit::read::{Findings, Rule, Value, check_name};
use crate::submit::task::{Home, Source, object, read_spec, utf8};
use crate::submit::{DEFAULT_TENANT, Defaults, Format, ParsedJob};
use crate::yaml::{self, Node};

/// One document of a definition file.
#[derive(Clone, Debug)]
pub struct ParsedDefinition {
    /// What it is a template of.
    pub kind: DefinitionKind,
    /// Its name: `job` (or `jobId`, `jobName`) of a job, `taskId` of a task, `profile` of a profile; empty if it has none.
    pub name: Name,
    /// The line of the file it starts at, from 1.
    pub line: u64,
    /// The document as compact JSON text.
    pub json: Arc<str>,
    /// The job, or what is wrong with the document. `Ok(None)` for a valid task or profile.
    pub job: Result<Option<ParsedJob>, Problem>,
}

/// Validates a definition for `PUT /api/v1/definitions/{tasks|jobs|profiles}/{name}` and gives the JSON text to store, and
/// the rule of its `schedule`.
///
/// # Errors
/// Every problem with its JSON pointer; also a name that differs from the one in the body, and a `jobId`, which names
/// one instance and not a definition.
pub fn parse_definition(
    kind: DefinitionKind,
    name: &str,
    bytes: &[u8],
    format: Format,
    definitions: Definitions<'_>,
) -> Result<(Arc<str>, Option<Arc<str>>), Problem> {
    check_name(name, Rule::FreshId)
        .map_err(|(code, detail)| Problem::new(code, format!("the name in the path: {detail}")))?;
    let text = utf8(bytes)?;
    let node = match format {
        Format::Json => None,
        Format::Yaml => Some(single_document(text)?),
    };
    let json = match &node {
        Some(node) => node.to_json(),
        None => {
            let mut json = String::with_capacity(text.len());
            compact(text, &mut json);
            json
        }
    };
    let checked = match kind {
        DefinitionKind::Task => check_task(&json, Some(name), definitions).map(|()| None),
        DefinitionKind::Job => check_job(&json, name, definitions),
        DefinitionKind::Profile => check_profile(&json, Some(name)).map(|()| None),
    };
    match (checked, node) {
        (Ok(schedule), _) => Ok((json.into(), schedule)),
        (Err(problem), Some(node)) => Err(located(problem, &node)),
        (Err(problem), None) => Err(problem),
    }
}

fn check_job(json: &str, name: &str, definitions: Definitions<'_>) -> Result<Option<Arc<str>>, Problem> {
    let own = HashMap::from([((DefinitionKind::Job, Name::from(name)), Arc::from(json))]);
    let itself = OwnFirst { own, others: definitions };
    let job = read_job(json, &Defaults { definition: true, ..Defaults::default() }, &itself)?;
    let mut findings = Findings::default();
    if job.given_id.is_some() {
        let detail = "`jobId` names one instance of a job, not its definition";
        let hint = format!("leave it out, or write `job: {name}`");
        findings.add_with_hint(Code::InvalidValue, &Pointer::text("/jobId"), detail, hint);
    }
    if let Some(own) = job.definition.filter(|own| **own != *name) {
        let detail = format!("`{own}` differs from the name `{name}` in the path");
        findings.add(Code::ConflictingFields, &Pointer::text("/job"), detail);
    }
    if findings.is_empty() { Ok(job.schedule) } else { Err(findings.into_problem()) }
}

/// Checks the text of a task definition. It may have what a job's task and a standalone task may have.
fn check_task(json: &str, name: Option<&str>, definitions: Definitions<'_>) -> Result<(), Problem> {
    let members = object(json, &Pointer::ROOT)?;
    let mut findings = Findings::default();
    let fields = Fields::sort(&members, &Pointer::ROOT, Origin::Own, &mut findings);
    let source = Source { fields: &fields, at: Pointer::ROOT };
    source.read(Field::TaskId, |value| {
        let Some(own) = value.name(Rule::FreshId, &mut findings) else { return };
        if let Some(name) = name.filter(|name| **name != *own) {
            let detail = format!("`{own}` differs from the name `{name}` in the path");
            findings.add(Code::ConflictingFields, &value.at, detail);
        }
    });
    source.read(Field::Profile, |value| {
        find_profile(&value, (DEFAULT_TENANT, definitions), &mut findings);
    });
    source.read(Field::Needs, |value| {
        value.names(Rule::Id, true, mainspring_core::limits::JOB_TASKS_MAX, &mut findings);
    });
    source.read(Field::Trigger, |value| {
        value.word(&crate::submit::TRIGGERS, &mut findings);
    });
    source.read(Field::DelaySeconds, |value| {
        value.duration(mainspring_core::limits::DELAY_MS_MAX, &mut findings);
    });
    source.read(Field::RunAt, |value: Value<'_, '_>| {
        findings.add(Code::InvalidValue, &value.at, "a definition is used many times; it has no `runAt`");
    });
    let (_, with) = read_spec(&source, Home::Job(None), &mut Interner::default(), &mut findings);
    if let Some(task) = job::flow::read(&source, with, &mut findings) {
        job::flow::check_alone(&task, &mut findings);
    }
    if findings.is_empty() { Ok(()) } else { Err(findings.into_problem()) }
}

/// Reads a file of one or several documents, YAML or JSON. Task and profile documents serve the other documents of the
/// same file; `definitions` finds what the file does not have.
///
/// # Errors
/// The text is not YAML at all, with line and column. What is wrong with a document stands in it.
pub fn parse_definition_file(text: &str, definitions: Definitions<'_>) -> Result<Vec<ParsedDefinition>, Problem> {
    let nodes = yaml::documents(text)?;
    if nodes.is_empty() {
        return Err(Problem::new(Code::InvalidYaml, "the file has no document").with_hint("describe a job: `tasks: …`"));
    }
    let documents: Vec<(Node, Arc<str>)> = nodes.into_iter().map(with_json).collect();
    let mut own = OwnFirst { own: HashMap::new(), others: definitions };
    for (node, json) in &documents {
        let (kind, name) = identity(node);
        // What only has a `jobId` is one job, and no definition.
        if !name.is_empty() && (kind != DefinitionKind::Job || node.member("job").is_some()) {
            own.own.entry((kind, name)).or_insert_with(|| json.clone());
        }
    }
    Ok(documents.iter().map(|(node, json)| read_document(node, json, &own)).collect())
}

fn with_json(node: Node) -> (Node, Arc<str>) {
    let json = node.to_json().into();
    (node, json)
}

/// What a file defines itself, before what is known elsewhere.
struct OwnFirst<'a> {
    own: HashMap<(DefinitionKind, Name), Arc<str>>,
    others: Definitions<'a>,
}

impl Library for OwnFirst<'_> {
    fn find(&self, kind: DefinitionKind, tenant: &str, name: &str) -> Option<Found> {
        let own = self.own.get(&(kind, name.into())).map(|text| Found { text: text.clone(), version: None });
        own.or_else(|| self.others.find(kind, tenant, name))
    }

    fn names(&self, kind: DefinitionKind) -> Vec<String> {
        let mut names = self.others.names(kind);
        names.extend(self.own.keys().filter(|(of, _)| *of == kind).map(|(_, name)| name.to_string()));
        names
    }
}

/// What a document describes, and its name; empty if it has none. Without `tasks` it is a task if it names or runs
/// something, and a profile if it has a name as one.
fn identity(node: &Node) -> (DefinitionKind, Name) {
    let has = |name| node.member(name).is_some();
    let runs = ["taskId", "command", "run", "http", "type", "approval"].into_iter().any(has);
    let (kind, names): (_, &[&str]) = match (has("tasks"), runs) {
        (false, true) => (DefinitionKind::Task, &["taskId"]),
        (false, false) if has("profile") => (DefinitionKind::Profile, &["profile"]),
        _ => (DefinitionKind::Job, &["job", "jobId", "jobName"]),
    };
    (kind, names.iter().find_map(|name| node.member_text(name)).unwrap_or_default().into())
}

fn read_document(node: &Node, json: &Arc<str>, definitions: Definitions<'_>) -> ParsedDefinition {
    let (kind, name) = identity(node);
    let defaults = Defaults { definition: true, ..Defaults::default() };
    let job = match kind {
        DefinitionKind::Task => check_task(json, None, definitions).map(|()| None),
        DefinitionKind::Profile => check_profile(json, None).map(|()| None),
        DefinitionKind::Job => read_job(json, &defaults, definitions).map(Some),
    };
    let job = job.map_err(|problem| located(problem, node));
    ParsedDefinition { kind, name, line: node.line(), json: json.clone(), job }
}
