//! What becomes of a task whose turn has come.

use std::sync::Arc;

use mainspring_core::graph::{DraftTask, Graph};
use mainspring_core::id::Name;
use mainspring_core::job::GraphTask;
use mainspring_core::spec::{Body, TaskSpec};
use mainspring_expression::{Budget, Context, EvalError, RenderError};
use serde_json::{Map, Value};

use super::child::SubJob;
use super::logic::Logic;
use super::plan::Plan;
use super::{INSTANCES_BYTES_MAX, LOGIC_BYTES_MAX};
use crate::submit::rendered_body;

/// The kind of error of a task whose expressions could not be evaluated. It is not retried.
pub const EXPRESSION_FAILED: &str = "expression_failed";

/// Why nothing could be decided, for a person: which field, which expression, where in it, and mostly how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

/// What becomes of a task.
#[derive(Clone, Debug)]
pub enum Decision {
    /// It runs; with this body, where its own has expressions.
    Run(Option<Body>),
    /// Its condition does not hold.
    Skip,
    /// It has these instances, perhaps none.
    Spread(Option<Graph>),
    /// A sub-job carries it out.
    SubJob(SubJob),
}

impl Plan {
    /// Decides about a task. `body` is its own body, as far as it has no expressions ([`Plan::needs_body`]).
    ///
    /// # Errors
    /// What is wrong with the values. It would be wrong again, so nothing is retried.
    pub fn decide(&self, task: &GraphTask, body: &str, context: &Context<'_>) -> Result<Decision, Failed> {
        if self.logic.skip || !self.each && !self.holds(context)? {
            return Ok(Decision::Skip);
        }
        if self.spread.is_some() {
            return self.instances(task, body, context);
        }
        if self.logic.job.is_some() {
            return Ok(Decision::SubJob(self.sub_job(context)?));
        }
        let body = self.with.is_some().then(|| self.body(body, context)).transpose()?;
        Ok(Decision::Run(body))
    }

    fn holds(&self, context: &Context<'_>) -> Result<bool, Failed> {
        let Some(condition) = &self.condition else { return Ok(true) };
        let text = self.logic.condition.as_deref().unwrap_or_default();
        condition.evaluate(context, Budget::default()).map_err(|error| of_condition(text, &error))
    }

    fn body(&self, own: &str, context: &Context<'_>) -> Result<Body, Failed> {
        let Some(with) = &self.with else { return Ok(own.into()) };
        let rendered = with.render(context, Budget::default()).map_err(|error| {
            let whole = Value::Object(self.logic.with.clone());
            of_template("", &whole, &error)
        })?;
        let Value::Object(members) = rendered.value else { return Ok(own.into()) };
        rendered_body(own, members).map_err(|problem| {
            let place = problem.errors.first().map(|item| item.pointer.trim_start_matches('/').to_owned());
            Failed(format!("`{}` as evaluated: {}", place.unwrap_or_default(), problem.detail))
        })
    }

    fn sub_job(&self, context: &Context<'_>) -> Result<SubJob, Failed> {
        let mut params = self.logic.values.clone();
        if let Some(template) = &self.params {
            let rendered = template.render(context, Budget::default()).map_err(|error| {
                let whole = Value::Object(self.logic.params.clone());
                of_template("params", &whole, &error)
            })?;
            if let Value::Object(rendered) = rendered.value {
                params.extend(rendered);
            }
        }
        let name = self.logic.job.clone().unwrap_or_default();
        Ok(SubJob { name, version: self.logic.version, params })
    }

    fn instances(&self, task: &GraphTask, body: &str, context: &Context<'_>) -> Result<Decision, Failed> {
        let Some(spread) = &self.spread else { return Ok(Decision::Spread(None)) };
        let items = spread.items(context, Budget::default()).map_err(|error| {
            let whole = self.logic.for_each.clone().unwrap_or_default();
            of_template("forEach", &whole, &error)
        })?;
        let own: Body = body.into();
        let mut drafts = Vec::with_capacity(items.len());
        let mut bytes = 0;
        for (index, item) in items.iter().enumerate() {
            let context = Context { item: Some(item), index: Some(index as i64), ..context.clone() };
            let draft = self.instance(task, &own, index, &context);
            let draft = draft.map_err(|Failed(error)| Failed(format!("instance {index}: {error}")))?;
            bytes += if self.with.is_some() { draft.spec.body.len() } else { 0 };
            if bytes > INSTANCES_BYTES_MAX {
                let limit = INSTANCES_BYTES_MAX;
                let hint = "pass where the data is instead of the data";
                return Err(Failed(format!("`forEach`: the instances have more than {limit} bytes ({hint})")));
            }
            drafts.push(draft);
        }
        if drafts.is_empty() {
            return Ok(Decision::Spread(None));
        }
        let graph = Graph::build(drafts).map_err(|problems| {
            Failed(format!("`forEach`: {}", problems.first().map(ToString::to_string).unwrap_or_default()))
        })?;
        Ok(Decision::Spread(Some(graph)))
    }

    fn instance(&self, task: &GraphTask, own: &Body, index: usize, context: &Context<'_>) -> Result<DraftTask, Failed> {
        let mut logic = Logic::default();
        let mut spec = Arc::clone(&task.spec);
        if self.each && !self.holds(context)? {
            logic.skip = true;
        } else if self.logic.job.is_some() {
            let SubJob { name, version, params } = self.sub_job(context)?;
            logic = Logic { job: Some(name), version, values: params, ..logic };
            let bytes = logic.to_text().len();
            if bytes > LOGIC_BYTES_MAX {
                return Err(Failed(format!("`params` have {bytes} bytes, the limit is {LOGIC_BYTES_MAX}")));
            }
        } else {
            let body = if self.with.is_some() { self.body(own, context)? } else { Arc::clone(own) };
            spec = Arc::new(TaskSpec { body, ..TaskSpec::clone(&spec) });
        }
        Ok(draft_of(task, format!("{}~{index}", task.name).into(), spec, &logic))
    }
}

/// An instance of a task. `concurrency` beside a `forEach` belongs here: a key of the group that all its instances share.
fn draft_of(task: &GraphTask, name: Name, spec: Arc<TaskSpec>, logic: &Logic) -> DraftTask {
    let step = super::child::step_of_instance(task, logic);
    let flow = super::child::flow_of(step, logic);
    DraftTask { name, spec, trigger: mainspring_core::spec::Trigger::AllSuccess, delay_ms: 0, needs: Vec::new(), flow }
}

fn of_condition(text: &str, error: &EvalError) -> Failed {
    Failed(format!("`if`: `{}`: {error}", cut(text)))
}

/// Says which string of a field it is, and what is written there.
fn of_template(field: &str, whole: &Value, error: &RenderError) -> Failed {
    let written = whole.pointer(&error.pointer).and_then(Value::as_str).unwrap_or_default();
    let place = format!("{field}{}", error.pointer);
    Failed(format!("`{}`: `{}`: {}", place.trim_start_matches('/'), cut(written), error.error))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The text of a value where a program gets it: texts as they are, numbers and bools as written, null as nothing, lists
/// and objects as JSON.
pub(crate) fn program_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(double) if double.abs() < 1e21 => format!("{double}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Members with what a program is given made into text.
pub(crate) fn as_texts(mut members: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Array(argv)) = members.get_mut("command") {
        argv.iter_mut().for_each(|word| *word = Value::String(program_text(word)));
    }
    if let Some(Value::Object(env)) = members.get_mut("env") {
        env.values_mut().for_each(|value| *value = Value::String(program_text(value)));
    }
    if let Some(path) = members.get_mut("workingDir") {
        *path = Value::String(program_text(path));
    }
    members
}
