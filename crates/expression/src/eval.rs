//! Evaluation: a walk over the tree that counts every step. Recursion is as deep as the program's brackets, which are bounded.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::context::Context;
use crate::fault::{EvalErrorKind, Fault, FaultKind};
use crate::meter::Meter;
use crate::syntax::{Node, NodeKind, Reference, Step, StepKind};
use crate::value::{List, Map, Text, Value};

mod call;
mod convert;
mod each;
mod operate;

type Evaluated<'a> = Result<Value<'a>, Fault<'a>>;

/// Bytes that a list takes for an item, and a map for an entry beside its key.
pub(crate) const ITEM_BYTES: usize = size_of::<Value<'_>>();
pub(crate) const ENTRY_BYTES: usize = ITEM_BYTES + 64;

/// One evaluation.
pub(crate) struct Evaluation<'a, 'm> {
    pub(crate) context: &'m Context<'a>,
    pub(crate) meter: &'m mut Meter,
    /// Values of the macros' variables, outermost first.
    pub(crate) locals: Vec<Value<'a>>,
}

impl<'a> Evaluation<'a, '_> {
    /// The value of a node; a fault that has no place yet gets this one's.
    pub(crate) fn value(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.kind(node).map_err(|fault| fault.at(node.start, node.end))
    }

    fn kind(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.meter.take(1)?;
        Ok(match &node.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Bool(value) => Value::Bool(*value),
            NodeKind::Int(value) => Value::Int(*value),
            NodeKind::Double(value) => Value::Double(*value),
            NodeKind::Text(text) => Value::Text(Text::Lent(text)),
            NodeKind::Type(of) => Value::Type(*of),
            NodeKind::Local(slot) => self.locals.get(*slot).cloned().unwrap_or(Value::Null),
            NodeKind::Reference(reference) => self.reference(reference)?,
            NodeKind::List(items) => {
                self.meter.make(items.len() * ITEM_BYTES)?;
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.value(item)).collect();
                Value::List(List::Made(Rc::new(items?)))
            }
            NodeKind::Map(entries) => self.map(entries)?,
            NodeKind::Not(count, operand) => match self.value(operand)? {
                Value::Bool(value) => Value::Bool(value ^ (count % 2 == 1)),
                other => return Err(Fault::wrong("!", "a bool", other.of())),
            },
            NodeKind::Negative(count, operand) => {
                let mut value = self.value(operand)?;
                for _ in 0..*count {
                    value = operate::negative(&value)?;
                }
                value
            }
            NodeKind::Chain(first, rest) => self.chain(node, first, rest)?,
            NodeKind::Logic { any, operands } => self.logic(*any, operands)?,
            NodeKind::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                match self.value(condition)? {
                    Value::Bool(chosen) => self.value(if chosen { yes } else { no })?,
                    other => return Err(Fault::wrong("? :", "a bool", other.of()).at(condition.start, condition.end)),
                }
            }
            NodeKind::Path(base, steps) => {
                let mut value = self.value(base)?;
                let mut end = base.end;
                for step in steps {
                    value = self.step(value, step, (base.start, end))?;
                    end = step.end;
                }
                value
            }
            NodeKind::Call(call) => self.call(call, None)?,
            NodeKind::Has(path) => match self.value(path) {
                Ok(_) => Value::Bool(true),
                Err(fault) if fault.is_absence() => Value::Bool(false),
                Err(fault) => return Err(fault),
            },
            NodeKind::Default(parts) => {
                let [value, otherwise] = &**parts;
                match self.value(value) {
                    Ok(Value::Null) => self.value(otherwise)?,
                    Err(fault) if fault.is_absence() => self.value(otherwise)?,
                    other => other?,
                }
            }
        })
    }

    fn reference(&mut self, reference: &'a Reference) -> Evaluated<'a> {
        let not_loaded = |name: String| Fault::told(EvalErrorKind::NotLoaded(name));
        let task = |name: &str, field: &str| {
            self.context.tasks.get(name).copied().ok_or_else(|| not_loaded(format!("tasks.{name}.{field}")))
        };
        let maybe_text = |text: Option<&'a str>| text.map_or(Value::Null, |text| Value::Text(Text::Lent(text)));
        let schedule = || self.context.schedule;
        Ok(match reference {
            Reference::Output(name) => task(name, "output")?.output.map_or(Value::Null, Value::lent),
            Reference::Outputs(name) => task(name, "outputs")?.outputs.map_or(Value::Null, Value::lent),
            Reference::Status(name) => Value::Text(Text::Lent(task(name, "status")?.status)),
            Reference::Params => self.context.params.map(Value::lent).ok_or_else(|| not_loaded("params".to_owned()))?,
            Reference::Item => self.context.item.map(Value::lent).ok_or_else(|| not_loaded("item".to_owned()))?,
            Reference::Index => self.context.index.map(Value::Int).ok_or_else(|| not_loaded("index".to_owned()))?,
            Reference::Own => self.context.output.map(Value::lent).ok_or_else(|| not_loaded("output".to_owned()))?,
            Reference::ScheduleInstant => maybe_text(schedule().and_then(|schedule| schedule.instant)),
            Reference::SchedulePreviousInstant => maybe_text(schedule().and_then(|schedule| schedule.previous_instant)),
            Reference::ScheduleManual => Value::Bool(schedule().is_none_or(|schedule| schedule.manual)),
            // A program that is nothing but a secret is not evaluated: a template leaves its place.
            Reference::Secret(name) => return Err(not_loaded(format!("secrets.{name}"))),
        })
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Evaluated<'a> {
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let text = match self.value(key)? {
                Value::Text(text) => text,
                other => return Err(Fault::wrong("{ }", "a string as key", other.of()).at(key.start, key.end)),
            };
            self.meter.make(ENTRY_BYTES + text.as_str().len())?;
            let value = self.value(value)?;
            if map.insert(text.as_str().to_owned(), value).is_some() {
                let twice = EvalErrorKind::DuplicateKey(crate::nearest::clip(text.as_str()));
                return Err(Fault::told(twice).at(key.start, key.end));
            }
        }
        Ok(Value::Map(Map::Made(Rc::new(map))))
    }

    /// `&&` and `||`: what decides wins over a fault on the other side, as in CEL; nothing wins over a spent budget.
    fn logic(&mut self, any: bool, operands: &'a [Node]) -> Evaluated<'a> {
        let mut caught = None;
        for operand in operands {
            match self.value(operand) {
                Ok(Value::Bool(value)) if value == any => return Ok(Value::Bool(any)),
                Ok(Value::Bool(_)) => {}
                Ok(other) => {
                    let fault = Fault::wrong(if any { "||" } else { "&&" }, "bools", other.of());
                    caught = caught.or(Some(fault.at(operand.start, operand.end)));
                }
                Err(fault) if fault.is_final() => return Err(fault),
                Err(fault) => caught = caught.or(Some(fault)),
            }
        }
        caught.map_or(Ok(Value::Bool(!any)), Err)
    }

    /// One step of a path; `before` is where the value stands in the source.
    fn step(&mut self, value: Value<'a>, step: &'a Step, before: (u32, u32)) -> Evaluated<'a> {
        self.meter.take(1)?;
        let here = |fault: Fault<'a>| fault.at(before.0, before.1);
        match &step.kind {
            StepKind::Field(name) => field(&value, name).map_err(here),
            StepKind::Index(index) => {
                let index = self.value(index)?;
                item(&value, &index).map_err(here)
            }
            StepKind::Call(call) => self.call(call, Some(value)).map_err(|fault| fault.at(step.start, step.end)),
            StepKind::Each(each) => self.each(each, value).map_err(|fault| fault.at(step.start, step.end)),
        }
    }
}

/// `value.name`
fn field<'a>(value: &Value<'a>, name: &str) -> Evaluated<'a> {
    match value {
        Value::Map(map) => map.get(name).ok_or_else(|| Fault::here(FaultKind::Missing(map.clone(), name.to_owned()))),
        Value::Null => Err(Fault::here(FaultKind::NullField(name.to_owned()))),
        other => Err(Fault::wrong(".field", "a map", other.of())),
    }
}

/// `value[index]`
fn item<'a>(value: &Value<'a>, index: &Value<'a>) -> Evaluated<'a> {
    match (value, index) {
        (Value::Map(_) | Value::Null, Value::Text(name)) => field(value, name.as_str()),
        (Value::Null, Value::Int(index)) => Err(Fault::here(FaultKind::NullField(index.to_string()))),
        (Value::List(list), Value::Int(index)) => usize::try_from(*index)
            .ok()
            .and_then(|at| list.get(at))
            .ok_or_else(|| Fault::here(FaultKind::OutOfRange(*index, list.len()))),
        (Value::List(_), other) => Err(Fault::wrong("[ ]", "an int for an item of a list", other.of())),
        (Value::Map(_), other) => Err(Fault::wrong("[ ]", "a string for a field of a map", other.of())),
        (other, _) => Err(Fault::wrong("[ ]", "a list or a map", other.of())),
    }
}
