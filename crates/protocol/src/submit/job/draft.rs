//! A job's tasks: objects, scripts and references, in a list or a map, joined with `defaults`, definitions and
//! `dependencies`, then ordered by the core.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mainspring_core::graph::{DraftTask, Graph};
use mainspring_core::id::Name;
use mainspring_core::limits::{DELAY_MS_MAX, JOB_EDGES_MAX, JOB_TASKS_MAX};
use mainspring_core::row::DefinitionKind;
use mainspring_core::spec::Trigger;

use super::fields::{Head, Own};
use super::flow::{self, Unchecked};
use super::report::report;
use crate::nearest::did_you_mean;
use crate::pointer::Pointer;
use crate::problem::{Code, Problem};
use crate::submit::TRIGGERS;
use crate::submit::fields::{Field, Fields, Origin};
use crate::submit::library::Definitions;
use crate::submit::members::{Elements, Members};
use crate::submit::profile::{find_profile, profile_fields};
use crate::submit::read::{Findings, Rule, Value};
use crate::submit::task::{Home, Source, read_spec};

pub(super) const TASKS: Pointer<'static> = Pointer::text("/tasks");
pub(super) const DEPENDENCIES: Pointer<'static> = Pointer::text("/dependencies");
const PROFILE: Pointer<'static> = Pointer::text("/profile");

/// One entry of `tasks`.
pub(super) struct Entry<'a> {
    /// Its name in a map.
    pub(super) name: Option<Cow<'a, str>>,
    /// Its place in a list.
    index: usize,
    pub(super) raw: &'a str,
}

impl Entry<'_> {
    pub(super) fn at(&self) -> Pointer<'_> {
        match &self.name {
            Some(name) => TASKS.member(name),
            None => TASKS.index(self.index),
        }
    }

    pub(super) fn is_reference(&self) -> bool {
        self.name.is_none() && self.raw.starts_with('"')
    }
}

/// A task that was read, and what of it is decided later.
type Draft = (DraftTask, Option<Unchecked>);

/// What reading the tasks of one job needs.
struct Tasks<'h, 'a> {
    head: &'h mut Head<'a>,
    /// Names of tasks, so that each edge shares the text with its task.
    known: HashSet<Name>,
}

pub(super) fn read_tasks(mut head: Head<'_>, definitions: Definitions<'_>) -> Result<(Own, Graph), Problem> {
    let entries = split(head.tasks, &mut head.findings);
    let texts = resolve(&entries, &head.own.tenant, definitions);
    let (whose, findings) = ((&*head.own.tenant, definitions), &mut head.findings);
    let profile = head.profile.and_then(|raw| find_profile(&Value { raw, at: PROFILE }, whose, findings));
    let below = profile.as_deref().map(|text| profile_of_job(text, &mut head));
    let mut tasks = Tasks { head: &mut head, known: HashSet::with_capacity(entries.len()) };
    let (mut drafts, mut later) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
    for entry in &entries {
        let Some(own) = tasks.fields(entry, &texts) else { continue };
        let profile = tasks.profile(entry, &own, definitions);
        let mut fields = own;
        if let Some(text) = &profile {
            fields = fields.over(&profile_fields(text, &mut tasks.head.findings));
        }
        fields = fields.over(&tasks.head.defaults);
        if let Some(below) = &below {
            fields = fields.over(below);
        }
        if let Some((draft, unchecked)) = tasks.draft(entry, &fields) {
            drafts.push(draft);
            later.push(unchecked);
        }
    }
    let whole = drafts.len() == entries.len();
    if whole {
        tasks.add_dependencies(&mut drafts);
        let Head { own, findings, .. } = &mut *tasks.head;
        flow::check(later, &mut drafts, &own.params.names, (&own.tenant, definitions), findings);
    }
    let edges: usize = drafts.iter().map(|draft| draft.needs.len()).sum();
    if edges > JOB_EDGES_MAX {
        let detail = format!("the job has {edges} dependencies, the limit is {JOB_EDGES_MAX}");
        head.findings.add(Code::LimitExceeded, &TASKS, detail);
    } else if whole {
        // Problems of the graph are named together with those of the tasks.
        match Graph::build(drafts) {
            Ok(graph) if head.findings.is_empty() => return Ok((head.own, graph)),
            Ok(_) => {}
            Err(problems) => report(&problems, &entries, &mut head),
        }
    }
    Err(head.findings.into_problem())
}

/// The profile that holds for all tasks. The job's own `priority` goes before its.
fn profile_of_job<'a>(text: &'a str, head: &mut Head<'_>) -> Fields<'a> {
    let mut fields = profile_fields(text, &mut head.findings);
    if head.priority.is_some() {
        fields.clear(Field::Priority);
    }
    fields
}

/// Names of the task definitions that a job's text refers to.
pub(super) fn references(text: &str) -> Vec<String> {
    let members = serde_json::from_str::<Members<'_>>(text).unwrap_or_default().0;
    let tasks = members.into_iter().find(|(name, _)| name == "tasks").map_or("[]", |(_, raw)| raw);
    let elements = serde_json::from_str::<Elements<'_>>(tasks).unwrap_or_default().0;
    let mut names: Vec<String> = elements.into_iter().filter_map(|raw| serde_json::from_str(raw).ok()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn split<'a>(raw: Option<&'a str>, findings: &mut Findings) -> Vec<Entry<'a>> {
    let Some(raw) = raw else {
        findings.add_with_hint(
            Code::MissingField,
            &TASKS,
            "a job needs `tasks`",
            "a map of id to task or script, or a list of tasks and names of task definitions",
        );
        return Vec::new();
    };
    let value = Value { raw, at: TASKS };
    let entries: Vec<Entry<'a>> = if raw.starts_with('{') {
        let members = value.members(findings).unwrap_or_default().0;
        members.into_iter().zip(0..).map(|((name, raw), index)| Entry { name: Some(name), index, raw }).collect()
    } else if raw.starts_with('[') {
        let elements = value.elements(findings).unwrap_or_default();
        elements.into_iter().zip(0..).map(|(raw, index)| Entry { name: None, index, raw }).collect()
    } else {
        value.wrong(findings, "a map or a list of tasks");
        return Vec::new();
    };
    if entries.is_empty() && findings.is_empty() {
        findings.add(Code::InvalidValue, &TASKS, "a job needs at least one task");
    }
    entries
}

/// Texts of the definitions that are referred to, each asked for once.
fn resolve<'a>(
    entries: &[Entry<'a>],
    tenant: &str,
    definitions: Definitions<'_>,
) -> HashMap<&'a str, Option<Arc<str>>> {
    let mut texts = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.is_reference()) {
        texts.entry(entry.raw).or_insert_with(|| {
            let name: String = serde_json::from_str(entry.raw).ok()?;
            definitions.find(DefinitionKind::Task, tenant, &name).map(|found| found.text)
        });
    }
    texts
}

impl<'a> Tasks<'_, 'a> {
    /// The fields of an entry, without what lies below them.
    fn fields<'t>(&mut self, entry: &Entry<'t>, texts: &'t HashMap<&'t str, Option<Arc<str>>>) -> Option<Fields<'t>>
    where
        'a: 't,
    {
        let findings = &mut self.head.findings;
        let value = Value { raw: entry.raw, at: entry.at() };
        let own = if entry.is_reference() {
            let name = value.name(Rule::FreshId, findings)?;
            let Some(text) = texts.get(entry.raw).and_then(|text| text.as_deref()) else {
                let hint = "apply its definition first (PUT /api/v1/definitions/tasks/…), or write the task here";
                let detail = format!("there is no task definition `{name}`");
                findings.add_with_hint(Code::UnknownTask, &value.at, detail, hint);
                return None;
            };
            let Ok(members) = serde_json::from_str::<Members<'t>>(text) else {
                findings.add(Code::UnknownTask, &value.at, format!("the definition of `{name}` is not an object"));
                return None;
            };
            Fields::sort(&members, &value.at, Origin::Definition, findings)
        } else if entry.raw.starts_with('"') {
            let mut fields = Fields::default();
            fields.set(Field::Run, entry.raw, Origin::Own);
            fields
        } else {
            if !entry.raw.starts_with('{') {
                value.wrong(findings, "a task");
                return None;
            }
            Fields::sort(&value.members(findings)?, &value.at, Origin::Own, findings)
        };
        Some(own)
    }

    /// The text of the task's own profile.
    fn profile(&mut self, entry: &Entry<'_>, own: &Fields<'_>, definitions: Definitions<'_>) -> Option<Arc<str>> {
        let mut found = None;
        let Head { own: Own { tenant, .. }, findings, .. } = &mut *self.head;
        Source { fields: own, at: entry.at() }
            .read(Field::Profile, |value| found = find_profile(&value, (tenant, definitions), findings));
        found
    }

    fn draft(&mut self, entry: &Entry<'_>, fields: &Fields<'_>) -> Option<Draft> {
        let source = Source { fields, at: entry.at() };
        let name = self.name(entry, &source);
        let Head { names, findings, priority, .. } = &mut *self.head;
        let (spec, with) = read_spec(&source, Home::Job(*priority), names, findings);
        let unchecked = flow::read(&source, with, findings);
        refuse_misplaced(&source, findings);
        let trigger = Trigger::AllSuccess;
        let mut draft = DraftTask { name: name.clone()?, spec, trigger, delay_ms: 0, needs: Vec::new(), flow: None };
        source.read(Field::DelaySeconds, |value| {
            draft.delay_ms = value.duration(DELAY_MS_MAX, findings).map_or(0, |delay| delay.ms());
        });
        source.read(Field::Trigger, |value| draft.trigger = value.word(&TRIGGERS, findings).unwrap_or_default());
        let mut needs = Vec::new();
        source.read(Field::Needs, |value| needs = value.names(Rule::Id, true, JOB_TASKS_MAX, findings));
        draft.needs = needs.iter().map(|needs| self.shared(needs)).collect();
        Some((draft, unchecked))
    }

    /// The task's id in the job: its key in a map, the name of the definition, or `taskId`.
    fn name(&mut self, entry: &Entry<'_>, source: &Source<'_, '_>) -> Option<Name> {
        let findings = &mut self.head.findings;
        let mut task_id = None;
        if !entry.is_reference() {
            source.read(Field::TaskId, |value| task_id = value.name(Rule::FreshId, findings));
        }
        let name = match &entry.name {
            Some(name) => {
                if let Some(task_id) = task_id.filter(|task_id| task_id != name) {
                    let detail = format!("`{task_id}` differs from the key `{name}` it stands under");
                    findings.add(Code::ConflictingFields, &source.at.member("taskId"), detail);
                }
                let quoted = serde_json::to_string(name).expect("a text serializes");
                Value { raw: &quoted, at: source.at }.name(Rule::FreshId, findings)?.into_owned()
            }
            None if entry.is_reference() => {
                Value { raw: entry.raw, at: source.at }.name(Rule::FreshId, findings)?.into_owned()
            }
            None => {
                if task_id.is_none() && !source.fields.has(Field::TaskId) {
                    let detail = "a task in a list needs a `taskId`";
                    findings.add(Code::MissingField, &source.at.member("taskId"), detail);
                }
                task_id?.into_owned()
            }
        };
        Some(self.shared(&name))
    }

    fn shared(&mut self, text: &str) -> Name {
        if let Some(name) = self.known.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        self.known.insert(name.clone());
        name
    }

    /// Merges the job's `dependencies` into the tasks.
    fn add_dependencies(&mut self, drafts: &mut [DraftTask]) {
        let Some(raw) = self.head.dependencies else { return };
        let value = Value { raw, at: DEPENDENCIES };
        let members = value.members(&mut self.head.findings).unwrap_or_default().0;
        let by_name: HashMap<Name, usize> =
            drafts.iter().zip(0..).map(|(draft, at)| (draft.name.clone(), at)).collect();
        let mut seen: HashSet<&str> = HashSet::with_capacity(members.len());
        for (name, raw) in &members {
            if self.head.findings.is_full() {
                return;
            }
            let findings = &mut self.head.findings;
            let value = Value { raw, at: DEPENDENCIES.member(name) };
            if !seen.insert(name) {
                findings.add(Code::DuplicateKey, &value.at, format!("`{name}` occurs twice"));
            }
            let Some(index) = by_name.get(&**name) else {
                let shown: String = name.chars().take(128).collect();
                let detail = format!("the job has no task `{shown}`");
                let near = did_you_mean(name, by_name.keys().take(1_000).map(|name| &**name));
                let hint = near.unwrap_or_else(|| "name it in `tasks` too".to_owned());
                findings.add_with_hint(Code::UnknownDependency, &value.at, detail, hint);
                continue;
            };
            let needs = value.names(Rule::Id, true, JOB_TASKS_MAX, findings);
            drafts[*index].needs.extend(needs.iter().map(|needs| self.shared(needs)));
        }
    }
}

/// Fields that belong to the job, or to standalone tasks. A definition may have them for its other uses.
fn refuse_misplaced(source: &Source<'_, '_>, findings: &mut Findings) {
    for field in [Field::UserId, Field::IdempotencyKey] {
        if source.fields.get(field).is_some_and(|(_, origin)| origin == Origin::Own) {
            source.read(field, |value| {
                findings.add(Code::InvalidValue, &value.at, "inside a job it is a field of the job, not of a task");
            });
        }
    }
    source.read(Field::Unique, |value| {
        let hint = "give the job a `jobId` or an idempotency key instead";
        findings.add_with_hint(Code::InvalidValue, &value.at, "only a standalone task can be unique", hint);
    });
    source.read(Field::RunAt, |value| {
        let detail = "`runAt` inside a job is understood, but this version cannot do it yet";
        findings.add_with_hint(Code::NotSupportedYet, &value.at, detail, "use `delaySeconds`");
    });
}
