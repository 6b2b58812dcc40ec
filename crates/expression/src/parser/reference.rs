//! `tasks.NAME.output`, `params.NAME` and the like. Their names are constant, which is what makes the read set static.

use super::{Parsed, Parser};
use crate::error::{CompileError, CompileErrorKind as Kind};
use crate::lexer::TokenKind;
use crate::nearest::{clip, hint, nearest};
use crate::scope::Standing;
use crate::syntax::{NodeKind, Reference};

const HYPHENS: &str = "names with `-` or `.` are written `tasks['a-b']`";

impl<'p> Parser<'p> {
    /// From the first name on.
    pub(super) fn reference(&mut self, root: &str, start: usize) -> Parsed<NodeKind> {
        let nowhere = |name| CompileError::new(Kind::NotHere(name), start);
        let reference = match root {
            "tasks" => self.task(start)?,
            "params" => self.params()?,
            "item" if self.scope.item => {
                self.reads.item = true;
                Reference::Item
            }
            "index" if self.scope.item => {
                self.reads.index = true;
                Reference::Index
            }
            "schedule" if self.scope.schedule => self.schedule(start)?,
            "secrets" if self.scope.secrets => {
                let (name, _) = self.constant("secrets", start)?;
                self.reads.secrets.insert(name.clone());
                Reference::Secret(name.into())
            }
            "item" => return Err(nowhere("item").hint("it exists beside a `forEach`")),
            "index" => return Err(nowhere("index").hint("it exists beside a `forEach`")),
            "schedule" => return Err(nowhere("schedule")),
            _ => return Err(nowhere("secrets")),
        };
        Ok(NodeKind::Reference(reference))
    }

    /// `.NAME` or `['NAME']`, and where the name stands.
    fn constant(&mut self, of: &'static str, start: usize) -> Parsed<(String, usize)> {
        if self.eat(".") {
            let at = self.token().start;
            return Ok((self.field_name()?.to_owned(), at));
        }
        if !self.eat("[") {
            return Err(CompileError::new(Kind::NotAValue(of), start).hint(format!("write `{of}.NAME`")));
        }
        let token = self.token();
        let TokenKind::Text(name) = &token.kind else {
            return Err(CompileError::new(Kind::ComputedName(of), token.start).hint(format!("write `{of}['NAME']`")));
        };
        self.at += 1;
        if !self.eat("]") {
            return Err(CompileError::new(Kind::ComputedName(of), token.start).hint(format!("write `{of}['NAME']`")));
        }
        Ok((name.to_string(), token.start))
    }

    fn task(&mut self, start: usize) -> Parsed<Reference> {
        let Some(tasks) = self.scope.tasks else {
            return Err(CompileError::new(Kind::NotHere("tasks"), start));
        };
        let (name, at) = self.constant("tasks", start)?;
        match tasks.standing(&name) {
            Standing::Ancestor => {}
            Standing::Unordered => {
                let needs = format!("add `{}` to `needs` of this task, or of one that it needs", clip(&name));
                return Err(CompileError::new(Kind::NotAnAncestor(clip(&name)), at).hint(needs));
            }
            Standing::Unknown => {
                let names: Vec<&str> = tasks.ancestors().take(crate::limits::HINT_NAMES_MAX).collect();
                let error = CompileError::new(Kind::UnknownTask(clip(&name)), at);
                return Err(match self.hyphenated(at) {
                    Some(hint) => error.hint(hint),
                    None => error.maybe_hint(hint(&name, names.into_iter())),
                });
            }
        }
        let not_a_value = CompileError::new(Kind::NotAValue("tasks.NAME"), start);
        if !self.is(".") {
            let field = format!("write `tasks.{}.output`, `.outputs` or `.status`", clip(&name));
            return Err(not_a_value.hint(self.hyphenated(at).unwrap_or(field)));
        }
        self.at += 1;
        let field_at = self.token().start;
        let field = self.field_name()?;
        let reads = self.reads.tasks.entry(name.clone()).or_default();
        match field {
            "output" => reads.output = true,
            "outputs" => reads.outputs = true,
            "status" => reads.status = true,
            _ => {
                let known = ["output", "outputs", "status"].into_iter();
                let guess = nearest(field, known.clone()).map(str::to_owned);
                let error = CompileError::new(Kind::UnknownField { of: "tasks.NAME", field: clip(field) }, field_at);
                return Err(match guess {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!("what a task returned is `tasks.{}.output`", clip(&name))),
                });
            }
        }
        Ok(match field {
            "output" => Reference::Output(name.into()),
            "outputs" => Reference::Outputs(name.into()),
            _ => Reference::Status(name.into()),
        })
    }

    fn schedule(&mut self, start: usize) -> Parsed<Reference> {
        let (field, at) = self.constant("schedule", start)?;
        Ok(match field.as_str() {
            "instant" => {
                self.reads.schedule_instant = true;
                Reference::ScheduleInstant
            }
            "previousInstant" => {
                self.reads.schedule_previous_instant = true;
                Reference::SchedulePreviousInstant
            }
            "manual" => {
                self.reads.schedule_manual = true;
                Reference::ScheduleManual
            }
            _ => {
                let known = ["instant", "previousInstant", "manual"].into_iter();
                let error = CompileError::new(Kind::UnknownField { of: "schedule", field: clip(&field) }, at);
                return Err(error.maybe_hint(hint(&field, known)));
            }
        })
    }

    /// A hint if what stands at a byte would be the name of an ancestor, were it in brackets.
    fn hyphenated(&self, at: usize) -> Option<String> {
        let written: &'p str = &self.text[at..];
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let long = &written[..written.bytes().take_while(|byte| is_name(byte)).count()];
        let tasks = self.scope.tasks?;
        let mut ends = long.char_indices().filter(|(_, c)| matches!(c, '-' | '.')).map(|(end, _)| end);
        ends.next()?;
        ends.chain([long.len()])
            .map(|end| &long[..end])
            .find(|name| tasks.standing(name) == Standing::Ancestor)
            .map(|name| format!("{HYPHENS}: `tasks['{name}']`"))
    }

    /// A parameter becomes a field of all of them; only the read set knows it by name.
    fn params(&mut self) -> Parsed<Reference> {
        let ahead = |count: usize| self.tokens.get(self.at + count).map(|token| &token.kind);
        let next = self.tokens.get(self.at + 1);
        let name = match (ahead(0), ahead(1), ahead(2)) {
            (Some(TokenKind::Symbol(".")), Some(TokenKind::Name), after) if after != Some(&TokenKind::Symbol("(")) => {
                next.map(|token| self.written(token))
            }
            (Some(TokenKind::Symbol("[")), Some(TokenKind::Text(name)), Some(TokenKind::Symbol("]"))) => Some(&**name),
            _ => None,
        };
        let Some((name, at)) = name.zip(next.map(|token| token.start)) else {
            self.reads.all_params = true;
            return Ok(Reference::Params);
        };
        if let Some(known) = self.scope.params
            && !known.contains(&name)
        {
            let error = CompileError::new(Kind::UnknownParameter(clip(name)), at);
            return Err(error.maybe_hint(hint(name, known.iter().copied())));
        }
        self.reads.params.insert(name.to_owned());
        Ok(Reference::Params)
    }
}
