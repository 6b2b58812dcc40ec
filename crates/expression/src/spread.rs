//! `forEach`: the items that a task is spread over.

use serde_json::{Value as Json, json};

use crate::context::Context;
use crate::error::{CompileError, CompileErrorKind};
use crate::fault::{EvalError, EvalErrorKind, Fault};
use crate::limits::{SPREAD_BYTES_MAX, SPREAD_ITEMS_MAX};
use crate::meter::Budget;
use crate::reads::ReadSet;
use crate::scope::Scope;
use crate::template::{RenderError, Template, TemplateError};

/// A compiled `forEach`.
#[derive(Debug)]
pub struct Spread(Template);

impl Spread {
    /// Compiles a list, an object or a string that is one expression. `item` and secrets do not exist in it.
    ///
    /// # Errors
    /// All mistakes in it.
    pub fn compile(json: &Json, scope: &Scope<'_>) -> Result<Self, Vec<TemplateError>> {
        let refused = |found| {
            let error = CompileError::new(CompileErrorKind::NotSpreadable(found), 0)
                .hint("write a list, or `${{ tasks.NAME.output.FIELD }}`");
            Err(vec![TemplateError { pointer: String::new(), error }])
        };
        let template = Template::parse(json, &Scope { item: false, secrets: false, ..*scope })?;
        match json {
            Json::Array(_) | Json::Object(_) => {}
            Json::String(_) if template.whole().is_some() => {}
            Json::String(_) => return refused("a text"),
            Json::Null => return refused("null"),
            Json::Bool(_) => return refused("a bool"),
            Json::Number(_) => return refused("a number"),
        }
        Ok(Self(template))
    }

    /// What an evaluation reads.
    #[must_use]
    pub fn reads(&self) -> &ReadSet {
        self.0.reads()
    }

    /// The items: those of a list, or `{"key", "value"}` of each entry of a map in the order of its keys. At most
    /// [`SPREAD_ITEMS_MAX`] of them and [`SPREAD_BYTES_MAX`] bytes, whatever the budget says about results.
    ///
    /// # Errors
    /// Why there are none; among others, that it is neither a list nor a map.
    pub fn items(&self, context: &Context<'_>, budget: Budget) -> Result<Vec<Json>, RenderError> {
        let budget = Budget { result_bytes: SPREAD_BYTES_MAX, ..budget };
        let items = match self.0.whole() {
            Some(program) => program.evaluate(context, budget).map_err(whole)?,
            None => self.0.render(context, budget)?.value,
        };
        let found = match &items {
            Json::Array(items) => items.len(),
            Json::Object(entries) => entries.len(),
            other => return Err(self.refuse(EvalErrorKind::NotSpreadable(described(other)))),
        };
        if found > SPREAD_ITEMS_MAX {
            return Err(self.refuse(EvalErrorKind::TooManyItems { found, limit: SPREAD_ITEMS_MAX }));
        }
        Ok(match items {
            Json::Array(items) => items,
            Json::Object(entries) => {
                let mut entries: Vec<_> = entries.into_iter().collect();
                entries.sort_by(|(left, _), (right, _)| left.cmp(right));
                entries.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
            }
            _ => Vec::new(),
        })
    }

    fn refuse(&self, kind: EvalErrorKind) -> RenderError {
        let fault = Fault::told(kind);
        whole(match self.0.whole() {
            Some(program) => program.tell(fault),
            None => fault.tell(""),
        })
    }
}

fn whole(error: EvalError) -> RenderError {
    RenderError { pointer: String::new(), error }
}

fn described(json: &Json) -> &'static str {
    crate::value::Value::lent(json).of().described()
}
