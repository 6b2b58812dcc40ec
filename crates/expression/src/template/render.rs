//! Rendering: a template and a context give JSON, and the places where the worker puts secrets in.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{Part, Piece, Template, before, push_key};
use crate::context::Context;
use crate::fault::{EvalError, EvalErrorKind, Fault};
use crate::json::{Room, to_json};
use crate::limits::RENDERED_BYTES_MAX;
use crate::meter::{Budget, Meter};
use crate::program::Program;
use crate::rendered::{Rendered, SecretPlace};
use crate::value::scalar_text;

/// Why a template cannot be rendered: which string, and what went wrong in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{error}", before(.pointer))]
pub struct RenderError {
    /// JSON pointer of the string; empty for the whole.
    pub pointer: String,
    /// What went wrong; its offset counts from the start of the string.
    pub error: EvalError,
}

impl Template {
    /// Renders the template. The budget is for all its expressions together, its `result_bytes` for each of them.
    ///
    /// # Errors
    /// The first expression that has no value; or that the whole is larger than [`RENDERED_BYTES_MAX`].
    pub fn render(&self, context: &Context<'_>, budget: Budget) -> Result<Rendered, RenderError> {
        let (meter, room) = (Meter::new(budget), Room::new(RENDERED_BYTES_MAX));
        let mut rendering = Rendering { context, meter, room, pointer: String::new(), secrets: Vec::new() };
        match rendering.part(&self.part) {
            Ok(value) => Ok(Rendered { value, secrets: rendering.secrets }),
            Err(error) => Err(RenderError { pointer: rendering.pointer, error }),
        }
    }
}

struct Rendering<'r, 'c> {
    context: &'r Context<'c>,
    meter: Meter,
    /// What the whole may still measure.
    room: Room,
    /// Where we are; after an error, where it was.
    pointer: String,
    secrets: Vec<SecretPlace>,
}

impl Rendering<'_, '_> {
    fn part(&mut self, part: &Part) -> Result<Json, EvalError> {
        match part {
            // What was written costs no steps: it is as long as its document.
            Part::Literal(json) => {
                self.room.take_json(json).map_err(|fault| fault.tell(""))?;
                Ok(json.clone())
            }
            Part::Whole(program) => match program.secret() {
                Some(name) => {
                    self.secrets.push(SecretPlace { pointer: self.pointer.clone(), at: 0, name: name.to_owned() });
                    Ok(Json::String(String::new()))
                }
                None => self.whole(program),
            },
            Part::Text(pieces) => self.text(pieces).map(Json::String),
            Part::List(parts) => {
                self.separators(parts.len(), 1)?;
                let mut items = Vec::with_capacity(parts.len());
                for (index, part) in parts.iter().enumerate() {
                    items.push(self.within(&index.to_string(), part)?);
                }
                Ok(Json::Array(items))
            }
            Part::Map(parts) => {
                self.separators(parts.len(), 2)?;
                let mut entries = serde_json::Map::new();
                for (key, part) in parts {
                    self.room.take_text(key).map_err(|fault| fault.tell(""))?;
                    entries.insert(key.clone(), self.within(key, part)?);
                }
                Ok(Json::Object(entries))
            }
        }
    }

    fn within(&mut self, key: &str, part: &Part) -> Result<Json, EvalError> {
        let length = self.pointer.len();
        push_key(&mut self.pointer, key);
        let json = self.part(part)?;
        self.pointer.truncate(length);
        Ok(json)
    }

    /// The bytes of brackets, commas and colons.
    fn separators(&mut self, count: usize, each: usize) -> Result<(), EvalError> {
        self.room.take(2 + (count * each).saturating_sub(1)).map_err(|fault| fault.tell(""))
    }

    fn whole(&mut self, program: &Program) -> Result<Json, EvalError> {
        let mut own = Room::new(self.meter.result_bytes());
        let value = program.value(self.context, &mut self.meter);
        let json = value.and_then(|value| to_json(&value, &mut own, &mut self.meter));
        let json = json.and_then(|json| self.room.take(own.used()).map(|()| json));
        json.map_err(|fault| program.tell(fault))
    }

    /// Strings as they are, numbers and bools as CEL writes them, null as nothing, lists and maps as compact JSON.
    fn text(&mut self, pieces: &[Piece]) -> Result<String, EvalError> {
        self.room.take(2).map_err(|fault| fault.tell(""))?;
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => {
                    self.room.take(literal.len()).map_err(|fault| fault.tell(""))?;
                    text.push_str(literal);
                }
                Piece::Expression(program) => match program.secret() {
                    Some(name) => {
                        let (pointer, name) = (self.pointer.clone(), name.to_owned());
                        self.secrets.push(SecretPlace { pointer, at: text.len(), name });
                    }
                    None => self.insert(program, &mut text).map_err(|fault| program.tell(fault))?,
                },
            }
        }
        Ok(text)
    }

    fn insert<'p>(&mut self, program: &'p Program, text: &mut String) -> Result<(), Fault<'p>>
    where
        Self: 'p,
    {
        let value = program.value(self.context, &mut self.meter)?;
        let written: Cow<'_, str> = match scalar_text(&value) {
            Some(written) => written,
            None => {
                let mut own = Room::new(self.meter.result_bytes());
                to_json(&value, &mut own, &mut self.meter)?.to_string().into()
            }
        };
        let limit = self.meter.result_bytes();
        if written.len() > limit {
            return Err(Fault::told(EvalErrorKind::ResultTooLarge { limit }));
        }
        self.meter.read(written.len())?;
        self.room.take(written.len())?;
        text.push_str(&written);
        Ok(())
    }
}
