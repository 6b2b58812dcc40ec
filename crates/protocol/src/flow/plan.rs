//! Logic, compiled: checked at submission, so that it compiles here again in the widest scope.

use mainspring_expression::{Condition, ReadSet, Scope, Spread, Standing, Tasks, Template};
use serde_json::Value;

use super::logic::Logic;

/// What of a task is decided when its turn comes, ready to be evaluated.
#[derive(Debug)]
pub struct Plan {
    pub(super) condition: Option<Condition>,
    /// Whether the condition is asked of each instance, because it names `item` or `index`.
    pub(super) each: bool,
    pub(super) spread: Option<Spread>,
    /// The members of the body with expressions.
    pub(super) with: Option<Template>,
    /// The parameters of a sub-job.
    pub(super) params: Option<Template>,
    pub(super) logic: Logic,
    reads: ReadSet,
}

/// Every name is an ancestor: which ones are was checked when the job was submitted.
struct Anyone;

impl Tasks for Anyone {
    fn standing(&self, _: &str) -> Standing {
        Standing::Ancestor
    }

    fn ancestors(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(std::iter::empty())
    }
}

/// The widest scope of a task's fields. Secrets are not handed out yet.
pub(crate) const WIDE: Scope<'static> =
    Scope { tasks: Some(&Anyone), params: None, item: true, schedule: true, secrets: false, output: false };

impl Plan {
    /// Compiles the stored text.
    ///
    /// # Errors
    /// What is wrong with it: it was written by another version, or damaged.
    pub fn compile(text: &str) -> Result<Self, String> {
        let logic = Logic::from_text(text).map_err(|error| error.to_string())?;
        let mut reads = ReadSet::default();
        let condition = match &logic.condition {
            Some(text) => Some(Condition::compile(text, &WIDE).map_err(|error| format!("`if`: {error}"))?),
            None => None,
        };
        let spread = match &logic.for_each {
            Some(json) => Some(Spread::compile(json, &WIDE).map_err(|errors| first("forEach", &errors))?),
            None => None,
        };
        let template = |members: &serde_json::Map<String, Value>, field: &str| {
            let json = (!members.is_empty()).then(|| Value::Object(members.clone()));
            json.map(|json| Template::parse(&json, &WIDE).map_err(|errors| first(field, &errors))).transpose()
        };
        let (with, params) = (template(&logic.with, "")?, template(&logic.params, "params")?);
        let each = spread.is_some()
            && condition.as_ref().is_some_and(|condition| condition.reads().item || condition.reads().index);
        let parts = [condition.as_ref().map(Condition::reads), spread.as_ref().map(Spread::reads)];
        let parts = parts.into_iter().chain([with.as_ref().map(Template::reads), params.as_ref().map(Template::reads)]);
        parts.flatten().for_each(|part| reads.merge(part));
        Ok(Self { condition, each, spread, with, params, logic, reads })
    }

    /// What an evaluation looks at, and nothing else.
    pub fn reads(&self) -> &ReadSet {
        &self.reads
    }

    /// Whether the task's own body is needed.
    pub fn needs_body(&self) -> bool {
        self.with.is_some() || self.spread.is_some()
    }
}

fn first(field: &str, errors: &[mainspring_expression::TemplateError]) -> String {
    errors.first().map_or_else(String::new, |error| format!("`{field}`: {error}"))
}
