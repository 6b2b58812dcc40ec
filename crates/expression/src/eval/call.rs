//! The functions of texts and lists.

use std::rc::Rc;

use super::{Evaluated, Evaluation, ITEM_BYTES, convert};
use crate::fault::{EvalErrorKind, Fault};
use crate::function::Function;
use crate::pattern::Pattern;
use crate::syntax::Call;
use crate::value::{List, Text, Value};

/// Steps to compile a regular expression that is known only now.
const COMPILE_STEPS: u64 = 10_000;

impl<'a> Evaluation<'a, '_> {
    /// Calls a function; the receiver, if there is one, is its first argument.
    pub(super) fn call(&mut self, call: &'a Call, receiver: Option<Value<'a>>) -> Evaluated<'a> {
        let mut arguments = receiver.into_iter().collect::<Vec<_>>();
        for argument in &call.arguments {
            arguments.push(self.value(argument)?);
        }
        let mut arguments = arguments.into_iter();
        // The parser has counted the arguments.
        let first = arguments.next().unwrap_or(Value::Null);
        let second = arguments.next();
        let function = call.function;
        match function {
            Function::Size => self.size(&first),
            Function::Int | Function::Double | Function::Text | Function::Bool => {
                convert::convert(function, first, self.meter)
            }
            Function::Type => Ok(Value::Type(first.of())),
            Function::Json => convert::json(&first, self.meter),
            Function::ParseJson => convert::parse_json(&text(function, &first)?, self.meter),
            Function::Join => self.join(&first, second),
            Function::Lower | Function::Upper => {
                let text = text(function, &first)?;
                // A letter becomes three at most.
                self.meter.make(3 * text.as_str().len())?;
                let lower = function == Function::Lower;
                Ok(Value::text(if lower { text.as_str().to_lowercase() } else { text.as_str().to_uppercase() }))
            }
            _ => {
                let (of, other) = (text(function, &first)?, text(function, &second.unwrap_or(Value::Null))?);
                self.two_texts(call, &of, &other)
            }
        }
    }

    fn two_texts(&mut self, call: &'a Call, of: &Text<'a>, other: &Text<'a>) -> Evaluated<'a> {
        let (text, part) = (of.as_str(), other.as_str());
        Ok(match call.function {
            Function::StartsWith | Function::EndsWith => {
                self.meter.read(part.len())?;
                let starts = call.function == Function::StartsWith;
                Value::Bool(if starts { text.starts_with(part) } else { text.ends_with(part) })
            }
            Function::Matches => {
                let fresh;
                let pattern = match &call.pattern {
                    Some(pattern) => pattern,
                    None => {
                        self.meter.take(COMPILE_STEPS)?;
                        let refused = |reason| Fault::told(EvalErrorKind::BadPattern(reason));
                        fresh = Pattern::new(part).map_err(refused)?;
                        &fresh
                    }
                };
                self.meter.take(pattern.cost(text.len()))?;
                Value::Bool(pattern.matches(text))
            }
            Function::Split => self.split(text, part)?,
            _ => {
                self.meter.read(text.len() + part.len())?;
                Value::Bool(text.contains(part))
            }
        })
    }

    fn size(&mut self, value: &Value<'a>) -> Evaluated<'a> {
        let size = match value {
            Value::Text(text) => {
                self.meter.read(text.as_str().len())?;
                text.as_str().chars().count()
            }
            Value::List(list) => list.len(),
            Value::Map(map) => map.len(),
            other => return Err(Fault::wrong("size", "a string, a list or a map", other.of())),
        };
        Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
    }

    fn join(&mut self, list: &Value<'a>, separator: Option<Value<'a>>) -> Evaluated<'a> {
        let Value::List(list) = list else {
            return Err(Fault::wrong("join", "a list of strings", list.of()));
        };
        let separator = text(Function::Join, &separator.unwrap_or(Value::Text(Text::Lent(""))))?;
        let mut joined = String::new();
        for index in 0..list.len() {
            let Some(item) = list.get(index) else { break };
            let Value::Text(item) = item else {
                return Err(Fault::wrong("join", "a list of strings", item.of()));
            };
            let before = if index == 0 { "" } else { separator.as_str() };
            self.meter.take(1)?;
            self.meter.make(before.len() + item.as_str().len())?;
            joined.push_str(before);
            joined.push_str(item.as_str());
        }
        self.meter.make(joined.len())?;
        Ok(Value::text(joined))
    }

    /// Split at every separator; an empty one splits into characters.
    fn split(&mut self, text: &str, separator: &str) -> Evaluated<'a> {
        self.meter.make(text.len())?;
        let mut pieces = Vec::new();
        let mut push = |piece: &str| {
            self.meter.take(1)?;
            self.meter.make(ITEM_BYTES + 16)?;
            pieces.push(Value::text(piece));
            Ok::<(), Fault<'a>>(())
        };
        if separator.is_empty() {
            let mut bytes = [0; 4];
            text.chars().try_for_each(|character| push(character.encode_utf8(&mut bytes)))?;
        } else {
            text.split(separator).try_for_each(push)?;
        }
        Ok(Value::List(List::Made(Rc::new(pieces))))
    }
}

fn text<'a>(function: Function, value: &Value<'a>) -> Result<Text<'a>, Fault<'a>> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        other => Err(Fault::wrong(function.name(), "a string", other.of())),
    }
}
