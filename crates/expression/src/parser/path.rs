//! `base.field[index].function(…)`: what follows a value.

use super::{Parsed, Parser};
use crate::error::{CompileError, CompileErrorKind as Kind};
use crate::function;
use crate::lexer::TokenKind;
use crate::syntax::{Each, Node, NodeKind, Step, StepKind};

/// Names that a macro's variable may not hide.
const TAKEN: [&str; 15] = [
    "tasks", "params", "item", "index", "schedule", "secrets", "true", "false", "null", "in", "int", "double",
    "string", "bool", "type",
];

impl<'p> Parser<'p> {
    pub(super) fn path(&mut self) -> Parsed<Node> {
        let base = self.primary()?;
        self.steps(base)
    }

    pub(super) fn steps(&mut self, base: Node) -> Parsed<Node> {
        let start = base.start as usize;
        let mut steps = Vec::new();
        while let Some(kind) = self.step()? {
            let (kind, at) = kind;
            let node = self.node(NodeKind::Null, at);
            steps.push(Step { kind, start: node.start, end: node.end });
        }
        Ok(if steps.is_empty() { base } else { self.node(NodeKind::Path(Box::new(base), steps), start) })
    }

    fn step(&mut self) -> Parsed<Option<(StepKind, usize)>> {
        let at = self.token().start;
        if self.eat("[") {
            let index = self.expression()?;
            self.expect("]", "`]`")?;
            return Ok(Some((StepKind::Index(index), at)));
        }
        if !self.eat(".") {
            return Ok(None);
        }
        let name = self.field_name()?;
        let at = self.tokens[self.at - 1].start;
        if !self.is("(") {
            return Ok(Some((StepKind::Field(name.into()), at)));
        }
        if let Some((which, name, form)) = function::each(name) {
            return Ok(Some((StepKind::Each(Box::new(self.each(which, name, form, at)?)), at)));
        }
        Ok(Some((StepKind::Call(Box::new(self.call(name, at, true)?)), at)))
    }

    /// The name after a dot.
    pub(super) fn field_name(&mut self) -> Parsed<&'p str> {
        if self.token().kind != TokenKind::Name {
            return Err(self.expected("a field name").hint("other names are written in brackets: `x['a-b']`"));
        }
        let token = self.next();
        Ok(self.written(token))
    }

    /// `.map(x, …)` and its like, from the opening bracket on.
    fn each(&mut self, which: function::Macro, name: &'static str, form: &'static str, at: usize) -> Parsed<Each> {
        self.expect("(", "`(`")?;
        let variable = self.token();
        let written = self.written(variable);
        if variable.kind != TokenKind::Name || TAKEN.contains(&written) {
            return Err(CompileError::new(Kind::BadVariable(name), variable.start).hint(format!("write {form}")));
        }
        self.next();
        let wrong = |found| CompileError::new(Kind::ArgumentCount { name, expected: form, found }, at);
        if !self.eat(",") {
            return Err(if self.is(")") { wrong(1) } else { self.expected("`,`") });
        }
        self.locals.push(written);
        let mut parts = vec![self.expression()?];
        while self.eat(",") {
            parts.push(self.expression()?);
        }
        self.locals.pop();
        self.expect(")", "`,` or `)`")?;
        let most = if which == function::Macro::Map { 2 } else { 1 };
        if parts.len() > most {
            return Err(wrong(parts.len() + 1));
        }
        let body = parts.pop().ok_or_else(|| wrong(1))?;
        Ok(Each { which, filter: parts.pop(), body })
    }
}
