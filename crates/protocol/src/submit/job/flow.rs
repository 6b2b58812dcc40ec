//! What of a job's tasks is decided later: read task by task, then checked against the whole job, so that what is wrong
//! is said before anything runs.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use mainspring_core::graph::DraftTask;
use mainspring_core::id::Name;
use mainspring_core::job::Step;
use mainspring_core::limits::{DELAY_MS_MAX, JOB_EDGES_MAX};
use mainspring_core::row::DefinitionKind;
use mainspring_expression::{Condition, ReadSet, Scope, Spread, Standing, Tasks, Template, TemplateError};
use serde_json::{Map, Value as Json};

use super::nested;
use crate::flow::{ApprovalLogic, LOGIC_BYTES_MAX, Logic, flow_of};
use crate::pointer::Pointer;
use crate::problem::Code;
use crate::submit::fields::{Field, Fields, Origin, refuse_unknown};
use crate::submit::invalid_expression;
use crate::submit::library::Definitions;
use crate::submit::read::{Findings, Rule, Value};
use crate::submit::task::Source;

/// Tasks that are looked at to tell ancestors, for one job.
const VISITS_MAX: u64 = 20 * JOB_EDGES_MAX as u64;

/// What of one task is decided later, and where its parts stand.
pub(in crate::submit) struct Unchecked {
    logic: Logic,
    step: Step,
    /// Where the task stands, and where its `defaults` would.
    at: String,
    /// Fields that come from the job's `defaults`.
    below: Vec<&'static str>,
    /// Variables of `env` that come from there too.
    below_env: Vec<String>,
    /// Where the job of a sub-job is named, to be looked up.
    sub_job: bool,
}

/// Reads what of a task is decided later; `None` if nothing is. `with` are the members of its body with expressions.
pub(in crate::submit) fn read(
    source: &Source<'_, '_>,
    with: Option<String>,
    findings: &mut Findings,
) -> Option<Unchecked> {
    let has = |field| source.fields.has(field);
    let fields = [Field::If, Field::ForEach, Field::Approval, Field::Job, Field::Params];
    if with.is_none() && !fields.into_iter().any(has) {
        return None;
    }
    let mut logic = Logic::default();
    source.read(Field::If, |value| logic.condition = read_condition(&value, findings));
    source.read(Field::ForEach, |value| logic.for_each = read_json(value.raw, &value.at, findings));
    if let Some(text) = with
        && let Some(Json::Object(members)) = read_json(&text, &source.at, findings)
    {
        logic.with = members;
    }
    let mut step = Step::Attempt;
    source.read(Field::Approval, |value| step = Step::Approval { timeout_ms: read_approval(&value, findings) });
    source.read(Field::Job, |value| {
        logic.job = value.name(Rule::FreshId, findings).map(std::borrow::Cow::into_owned);
        step = Step::Group;
    });
    source.read(Field::Params, |value| {
        if !has(Field::Job) {
            findings.add(Code::MissingField, &value.at, "`params` goes with `job`, the definition of a sub-job");
        } else if value.members(findings).is_some()
            && let Some(Json::Object(members)) = read_json(value.raw, &value.at, findings)
        {
            logic.params = members;
        }
    });
    if let (Some(_), Step::Approval { timeout_ms }) = (&logic.for_each, step) {
        logic.approval = Some(ApprovalLogic { timeout_ms });
    }
    if logic.for_each.is_some() {
        step = Step::Group;
    }
    let bytes = if logic.is_evaluated() { logic.to_text().len() } else { 0 };
    if bytes > LOGIC_BYTES_MAX {
        let detail =
            format!("`if`, `forEach` and fields with expressions have {bytes} bytes, the limit is {LOGIC_BYTES_MAX}");
        findings.add_with_hint(
            Code::LimitExceeded,
            &source.at,
            detail,
            "let a task return large values, and name them here",
        );
    }
    let sub_job = logic.job.is_some();
    let (below, below_env) = below(source.fields);
    Some(Unchecked { logic, step, at: source.at.to_string(), below, below_env, sub_job })
}

/// Fields, and variables, that come from `defaults`.
fn below(fields: &Fields<'_>) -> (Vec<&'static str>, Vec<String>) {
    let from_defaults = fields.all().filter(|(_, _, origin)| *origin == Origin::Defaults).map(|(name, ..)| name);
    let mut below: Vec<&'static str> = from_defaults.collect();
    let names = |raw: &str| -> Vec<String> {
        let members = serde_json::from_str::<Map<String, Json>>(raw).unwrap_or_default();
        members.into_iter().map(|(name, _)| name).collect()
    };
    let mut variables = Vec::new();
    if let Some((raw, Origin::Defaults)) = fields.base_env {
        let own = fields.get(Field::Env).map(|(raw, _)| names(raw)).unwrap_or_default();
        variables = names(raw).into_iter().filter(|name| !own.contains(name)).collect();
        below.retain(|name| *name != "env");
    }
    (below, variables)
}

fn read_condition(value: &Value<'_, '_>, findings: &mut Findings) -> Option<String> {
    match value.raw {
        "true" | "false" => Some(value.raw.to_owned()),
        _ => value.text(findings).map(std::borrow::Cow::into_owned),
    }
}

fn read_approval(value: &Value<'_, '_>, findings: &mut Findings) -> Option<u64> {
    let mut timeout_ms = None;
    if value.raw == "true" {
        return None;
    }
    for (name, raw) in value.members(findings)?.0 {
        let member = Value { raw, at: value.at.member(&name) };
        match &*name {
            "timeout" => {
                let length = member.duration(DELAY_MS_MAX, findings);
                if length.is_some_and(|length| length.ms() == 0) {
                    findings.add(Code::InvalidValue, &member.at, "a time limit must be longer than 0");
                }
                timeout_ms = length.map(|length| length.ms());
            }
            _ => refuse_unknown(&name, raw, &value.at, (&["timeout"], &[]), findings),
        }
    }
    timeout_ms
}

fn read_json(raw: &str, at: &Pointer<'_>, findings: &mut Findings) -> Option<Json> {
    let json = serde_json::from_str(raw);
    if let Err(error) = &json {
        findings.add(Code::InvalidValue, at, format!("it cannot be read: {error}"));
    }
    json.ok()
}

/// Checks everything that is decided later against the job, and puts it into its tasks.
pub(super) fn check(
    unchecked: Vec<Option<Unchecked>>,
    drafts: &mut [DraftTask],
    params: &[String],
    whose: (&str, Definitions<'_>),
    findings: &mut Findings,
) {
    if unchecked.iter().all(Option::is_none) {
        return;
    }
    let params: Vec<&str> = params.iter().map(String::as_str).collect();
    let mut flows = Vec::with_capacity(drafts.len());
    {
        let spread = |index: u32| unchecked[index as usize].as_ref().is_some_and(|task| task.logic.for_each.is_some());
        let family = Family::of(drafts);
        for (task, index) in unchecked.iter().zip(0..) {
            let Some(task) = task else {
                flows.push(None);
                continue;
            };
            let version = task.sub_job(whose, findings);
            family.me.set(index);
            let scope = Scope { tasks: Some(&family), params: Some(&params), schedule: true, ..Scope::default() };
            let reads = task.check(&scope, findings);
            task.check_fields_of_groups(&reads, &family, &spread, findings);
            flows.push(flow_of(task.step, &Logic { version, ..task.logic.clone() }));
        }
        if family.visits.get() > VISITS_MAX {
            let detail = "the expressions name tasks that are too far above them: their order cannot be told in time";
            let hint = "let tasks name what they need directly";
            findings.add_with_hint(Code::LimitExceeded, &super::draft::TASKS, detail, hint);
        }
    }
    for (draft, flow) in drafts.iter_mut().zip(flows) {
        draft.flow = flow;
    }
}

/// Checks the expressions of a task that stands alone: a definition. Which tasks there will be is not known.
pub(in crate::submit) fn check_alone(task: &Unchecked, findings: &mut Findings) {
    task.check(&crate::flow::WIDE, findings);
}

impl Unchecked {
    /// Where a member of the task is written.
    fn place(&self, pointer: &str) -> String {
        let mut steps = pointer.trim_start_matches('/').split('/');
        let (field, variable) = (steps.next().unwrap_or_default(), steps.next().unwrap_or_default());
        let is_below =
            self.below.contains(&field) || field == "env" && self.below_env.iter().any(|name| name == variable);
        if is_below { format!("/defaults{pointer}") } else { format!("{}{pointer}", self.at) }
    }

    fn complain(&self, field: &str, errors: &[TemplateError], findings: &mut Findings) {
        for error in errors {
            // A field from a definition is reported where the definition is named.
            let place = self.place(&format!("{field}{}", error.pointer));
            invalid_expression(&Pointer::text(&place), &error.error, findings);
        }
    }

    /// Compiles everything; says what is read.
    fn check(&self, scope: &Scope<'_>, findings: &mut Findings) -> ReadSet {
        let mut reads = ReadSet::default();
        let item = self.logic.for_each.is_some();
        if let Some(json) = &self.logic.for_each {
            match Spread::compile(json, scope) {
                Ok(spread) => reads.merge(spread.reads()),
                Err(errors) => self.complain("/forEach", &errors, findings),
            }
        }
        let scope = Scope { item, ..*scope };
        if let Some(text) = &self.logic.condition {
            match Condition::compile(text, &scope) {
                Ok(condition) => reads.merge(condition.reads()),
                Err(error) => invalid_expression(&Pointer::text(&self.place("/if")), &error, findings),
            }
        }
        for (field, members) in [("", &self.logic.with), ("/params", &self.logic.params)] {
            if members.is_empty() {
                continue;
            }
            match Template::parse(&Json::Object(members.clone()), &scope) {
                Ok(template) => reads.merge(template.reads()),
                Err(errors) => self.complain(field, &errors, findings),
            }
        }
        reads
    }

    /// A task with `forEach` has `outputs`, any other `output`.
    fn check_fields_of_groups(
        &self,
        reads: &ReadSet,
        family: &Family<'_>,
        is_spread: &dyn Fn(u32) -> bool,
        findings: &mut Findings,
    ) {
        for (name, reads) in &reads.tasks {
            let spread = family.by_name.get(name.as_str()).is_some_and(|index| is_spread(*index));
            let (has, wrong) = if spread { ("outputs", reads.output) } else { ("output", reads.outputs) };
            if wrong {
                let without = if spread { "has a `forEach`" } else { "has no `forEach`" };
                let detail = format!("`{name}` {without}: what it returns is `tasks.{name}.{has}`");
                findings.add(Code::InvalidExpression, &Pointer::text(&self.at), detail);
            }
        }
    }

    /// Looks the definition of a sub-job up; gives its version.
    fn sub_job(&self, (tenant, definitions): (&str, Definitions<'_>), findings: &mut Findings) -> Option<u32> {
        let name = self.logic.job.as_deref().filter(|_| self.sub_job)?;
        let place = format!("{}/job", self.at);
        let at = Pointer::text(&place);
        let Some(found) = definitions.find(DefinitionKind::Job, tenant, name) else {
            let hint = "apply it first (PUT /api/v1/definitions/jobs/…), or put it into the same file";
            findings.add_with_hint(Code::UnknownDefinition, &at, format!("there is no job definition `{name}`"), hint);
            return None;
        };
        nested::check(name, &found.text, &at, (tenant, definitions), findings);
        nested::check_params(&found.text, &self.logic.params, &format!("{}/params", self.at), findings);
        found.version
    }
}

/// The tasks of a job as seen from one of them.
struct Family<'d> {
    names: Vec<&'d str>,
    by_name: HashMap<&'d str, u32>,
    parents: Vec<Vec<u32>>,
    /// Whose eyes these are.
    me: Cell<u32>,
    /// In which walk a task was met last, and the number of the walk.
    met: RefCell<(Vec<u32>, u32)>,
    visits: Cell<u64>,
}

impl<'d> Family<'d> {
    fn of(drafts: &'d [DraftTask]) -> Self {
        let names: Vec<&str> = drafts.iter().map(|draft| &*draft.name).collect();
        let by_name: HashMap<&str, u32> = names.iter().copied().zip(0..).collect();
        let index = |name: &Name| by_name.get(&**name).copied();
        let parents = drafts.iter().map(|draft| draft.needs.iter().filter_map(index).collect()).collect();
        let met = RefCell::new((vec![0; names.len()], 0));
        Self { names, by_name, parents, me: Cell::new(0), met, visits: Cell::new(0) }
    }

    /// Walks over the ancestors, nearest first, until one is as wished.
    fn walk(&self, mut wished: impl FnMut(u32) -> bool) -> bool {
        let (met, walk) = &mut *self.met.borrow_mut();
        *walk += 1;
        let mut line = std::collections::VecDeque::from([self.me.get()]);
        while let Some(task) = line.pop_front() {
            for &parent in &self.parents[task as usize] {
                let visits = self.visits.get() + 1;
                self.visits.set(visits);
                if wished(parent) {
                    return true;
                }
                // Beyond the bound the job is refused anyway.
                if met[parent as usize] != *walk && visits <= VISITS_MAX {
                    met[parent as usize] = *walk;
                    line.push_back(parent);
                }
            }
        }
        false
    }
}

impl Tasks for Family<'_> {
    fn standing(&self, name: &str) -> Standing {
        match self.by_name.get(name) {
            None => Standing::Unknown,
            Some(index) if *index != self.me.get() && self.walk(|parent| parent == *index) => Standing::Ancestor,
            Some(_) => Standing::Unordered,
        }
    }

    fn ancestors(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        let mut found = Vec::new();
        self.walk(|parent| {
            found.push(self.names[parent as usize]);
            found.len() >= 1_000
        });
        Box::new(found.into_iter())
    }
}
