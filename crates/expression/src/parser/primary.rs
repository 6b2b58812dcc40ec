//! Literals, names, brackets.

use super::{Parsed, Parser};
use crate::error::{CompileError, CompileErrorKind as Kind};
use crate::lexer::TokenKind;
use crate::nearest;
use crate::syntax::{Node, NodeKind, Reference};
use crate::value::Type;

const ROOTS: [&str; 9] = ["tasks", "params", "item", "index", "schedule", "secrets", "true", "false", "null"];

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parsed<Node> {
        let token = self.token();
        let start = token.start;
        let kind = match &token.kind {
            TokenKind::Int(number) => {
                let Ok(number) = i64::try_from(*number) else {
                    let kind = Kind::BadNumber(self.written(token).to_owned());
                    return Err(CompileError::new(kind, start).hint("integers have 64 bits"));
                };
                self.at += 1;
                NodeKind::Int(number)
            }
            TokenKind::Double(number) => {
                self.at += 1;
                NodeKind::Double(*number)
            }
            TokenKind::Text(text) => {
                self.at += 1;
                NodeKind::Text(text.clone())
            }
            TokenKind::Name => return self.name(),
            TokenKind::Symbol("(") => {
                self.at += 1;
                let inner = self.expression()?;
                self.expect(")", "an operator or `)`")?;
                return Ok(self.node(inner.kind, start));
            }
            TokenKind::Symbol("[") => self.list()?,
            TokenKind::Symbol("{") => self.map()?,
            TokenKind::Symbol(_) | TokenKind::End => return Err(self.expected("a value")),
        };
        Ok(self.node(kind, start))
    }

    fn list(&mut self) -> Parsed<NodeKind> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.eat("]") {
            items.push(self.expression()?);
            if !self.eat(",") && !self.is("]") {
                return Err(self.expected("`,` or `]`"));
            }
        }
        Ok(NodeKind::List(items))
    }

    fn map(&mut self) -> Parsed<NodeKind> {
        self.at += 1;
        let mut entries = Vec::new();
        while !self.eat("}") {
            let key = self.expression()?;
            self.expect(":", "`:` and a value")?;
            entries.push((key, self.expression()?));
            if !self.eat(",") && !self.is("}") {
                return Err(self.expected("`,` or `}`"));
            }
        }
        Ok(NodeKind::Map(entries))
    }

    fn name(&mut self) -> Parsed<Node> {
        let token = self.next();
        let (start, name) = (token.start, self.written(token));
        if let Some(slot) = self.locals.iter().rposition(|local| *local == name) {
            return Ok(self.node(NodeKind::Local(slot), start));
        }
        let kind = match name {
            "true" => NodeKind::Bool(true),
            "false" => NodeKind::Bool(false),
            "null" => NodeKind::Null,
            _ if self.is("(") => match name {
                "has" => self.has(start)?,
                "default" => self.default(start)?,
                _ => NodeKind::Call(Box::new(self.call(name, start, false)?)),
            },
            "tasks" | "params" | "item" | "index" | "schedule" | "secrets" => self.reference(name, start)?,
            "output" if self.scope.output => NodeKind::Reference(Reference::Own),
            _ => match Type::named(name) {
                Some(of) => NodeKind::Type(of),
                None => return Err(self.unknown_name(name, start)),
            },
        };
        Ok(self.node(kind, start))
    }

    fn unknown_name(&self, name: &str, start: usize) -> CompileError {
        let error = CompileError::new(Kind::UnknownName(nearest::clip(name)), start);
        if name == "env" {
            return error.hint("the environment is not read here; pass the value as a parameter");
        }
        let known = self.locals.iter().copied().chain(ROOTS);
        if let Some(near) = nearest::nearest(name, known) {
            return error.hint(format!("did you mean `{near}`?"));
        }
        let is_task = self.scope.tasks.is_some_and(|tasks| tasks.standing(name) != crate::scope::Standing::Unknown);
        if is_task {
            return error.hint(format!("the output of a task is `tasks.{name}.output`"));
        }
        if self.scope.params.is_some_and(|params| params.contains(&name)) {
            return error.hint(format!("a parameter is `params.{name}`"));
        }
        error.hint(format!("a text stands in quotes: '{}'", nearest::clip(name)))
    }
}
