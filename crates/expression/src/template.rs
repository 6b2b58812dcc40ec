//! JSON whose strings contain `${{ … }}`.
//!
//! A string that is only one expression becomes its value, with its type. Otherwise expressions become text between the other text.
//! `$${{` stands for the characters `${{`.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::error::{CompileError, CompileErrorKind};
use crate::limits::VALUE_DEPTH_MAX;
use crate::program::Program;
use crate::reads::ReadSet;
use crate::scope::Scope;

mod render;

pub use render::RenderError;

/// Most mistakes that are told at once.
const ERRORS_MAX: usize = 100;

/// A template that has been checked against its scope.
#[derive(Debug)]
pub struct Template {
    part: Part,
    reads: ReadSet,
}

/// Why a template is none: which string, and what is wrong in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{error}", before(.pointer))]
pub struct TemplateError {
    /// JSON pointer of the string; empty for the whole.
    pub pointer: String,
    /// What is wrong; its offset counts from the start of the string.
    pub error: CompileError,
}

pub(crate) fn before(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!("`{pointer}`: ") }
}

#[derive(Debug)]
enum Part {
    /// No expression in it.
    Literal(Json),
    /// Only an expression.
    Whole(Program),
    /// Text with expressions.
    Text(Vec<Piece>),
    List(Vec<Part>),
    Map(Vec<(String, Part)>),
}

impl Part {
    fn into_literal(self) -> Option<Json> {
        match self {
            Self::Literal(json) => Some(json),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    Expression(Program),
}

impl Template {
    /// Compiles all strings of a JSON value.
    ///
    /// # Errors
    /// All mistakes in it, at most a hundred, in the order of the value.
    pub fn parse(json: &Json, scope: &Scope<'_>) -> Result<Self, Vec<TemplateError>> {
        let mut reading = Reading { scope, reads: ReadSet::default(), errors: Vec::new(), pointer: String::new() };
        let part = reading.part(json, 0);
        if reading.errors.is_empty() { Ok(Self { part, reads: reading.reads }) } else { Err(reading.errors) }
    }

    /// Compiles one string.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse_str(text: &str, scope: &Scope<'_>) -> Result<Self, CompileError> {
        let mut reads = ReadSet::default();
        Ok(Self { part: string(text, scope, &mut reads)?, reads })
    }

    /// What rendering reads, and which secrets the worker will need.
    #[must_use]
    pub fn reads(&self) -> &ReadSet {
        &self.reads
    }

    /// Whether there is no expression in it: then rendering gives the same value always.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        matches!(self.part, Part::Literal(_))
    }

    /// The only expression, if the template is nothing else.
    pub(crate) fn whole(&self) -> Option<&Program> {
        match &self.part {
            Part::Whole(program) => Some(program),
            _ => None,
        }
    }
}

struct Reading<'r> {
    scope: &'r Scope<'r>,
    reads: ReadSet,
    errors: Vec<TemplateError>,
    pointer: String,
}

impl Reading<'_> {
    fn part(&mut self, json: &Json, depth: u32) -> Part {
        if depth > VALUE_DEPTH_MAX {
            self.complain(CompileError::new(CompileErrorKind::TooDeep { limit: VALUE_DEPTH_MAX }, 0));
            return Part::Literal(Json::Null);
        }
        match json {
            Json::String(text) => match string(text, self.scope, &mut self.reads) {
                Ok(part) => part,
                Err(error) => {
                    self.complain(error);
                    Part::Literal(Json::Null)
                }
            },
            Json::Array(items) => {
                let named = items.iter().enumerate();
                let parts: Vec<Part> = named
                    .map(|(index, item)| self.at(&index.to_string(), |reading| reading.part(item, depth + 1)))
                    .collect();
                list(parts)
            }
            Json::Object(entries) => {
                let mut parts = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let part = self.at(key, |reading| {
                        if contains_expression(key) {
                            let error =
                                CompileError::new(CompileErrorKind::ExpressionInKey, key.find("${{").unwrap_or(0));
                            reading.complain(error.hint("build the object in an expression: `${{ {key: value} }}`"));
                        }
                        reading.part(value, depth + 1)
                    });
                    parts.push((key.clone(), part));
                }
                map(parts)
            }
            _ => Part::Literal(json.clone()),
        }
    }

    fn at<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        push_key(&mut self.pointer, key);
        let value = read(self);
        self.pointer.truncate(length);
        value
    }

    fn complain(&mut self, error: CompileError) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(TemplateError { pointer: self.pointer.clone(), error });
        }
    }
}

/// A list; a literal one if all its parts are.
fn list(parts: Vec<Part>) -> Part {
    if !parts.iter().all(|part| matches!(part, Part::Literal(_))) {
        return Part::List(parts);
    }
    Part::Literal(parts.into_iter().filter_map(Part::into_literal).collect())
}

/// An object; a literal one if all its parts are.
fn map(parts: Vec<(String, Part)>) -> Part {
    if !parts.iter().all(|(_, part)| matches!(part, Part::Literal(_))) {
        return Part::Map(parts);
    }
    Part::Literal(parts.into_iter().filter_map(|(key, part)| Some((key, part.into_literal()?))).collect())
}

/// Whether a text has an expression in it, escaped ones not counted. For places where none may stand, like `run`.
#[must_use]
pub fn contains_expression(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find("${{") {
        if !rest[..at].ends_with('$') {
            return true;
        }
        rest = &rest[at + 3..];
    }
    false
}

/// A string as a part.
fn string(text: &str, scope: &Scope<'_>, reads: &mut ReadSet) -> Result<Part, CompileError> {
    if !text.contains("${{") {
        return Ok(Part::Literal(Json::String(text.to_owned())));
    }
    let source: Arc<str> = text.into();
    let (mut at, mut literal, mut pieces) = (0, String::new(), Vec::new());
    while let Some(found) = text[at..].find("${{") {
        let start = at + found;
        if text[at..start].ends_with('$') {
            literal.push_str(&text[at..start - 1]);
            literal.push_str("${{");
            at = start + 3;
            continue;
        }
        literal.push_str(&text[at..start]);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        let (program, end) = Program::compile_part(&source, start + 3, scope)?;
        reads.merge(program.reads());
        if start == 0 && end == text.len() {
            return Ok(Part::Whole(program));
        }
        pieces.push(Piece::Expression(program));
        at = end;
    }
    literal.push_str(&text[at..]);
    if pieces.is_empty() {
        return Ok(Part::Literal(Json::String(literal)));
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(Part::Text(pieces))
}

/// One more step of a JSON pointer (RFC 6901).
pub(crate) fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
}
