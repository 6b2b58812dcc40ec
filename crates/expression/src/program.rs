//! A compiled expression.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::context::Context;
use crate::error::{CompileError, CompileErrorKind};
use crate::eval::Evaluation;
use crate::fault::{EvalError, EvalErrorKind, Fault};
use crate::json::{Room, to_json};
use crate::lexer::lex;
use crate::limits::PROGRAM_BYTES_MAX;
use crate::meter::{Budget, Meter};
use crate::parser;
use crate::reads::ReadSet;
use crate::scope::Scope;
use crate::syntax::{Node, NodeKind, Operator, Reference};
use crate::value::{Type, Value};

/// An expression that has been checked against its scope.
#[derive(Debug)]
pub struct Program {
    source: Arc<str>,
    root: Node,
    reads: ReadSet,
}

impl Program {
    /// Compiles an expression, at most [`PROGRAM_BYTES_MAX`] bytes long.
    ///
    /// # Errors
    /// What is wrong with it, at which byte, and how to mend it.
    pub fn compile(text: &str, scope: &Scope<'_>) -> Result<Self, CompileError> {
        if text.len() > PROGRAM_BYTES_MAX {
            return Err(
                CompileError::new(CompileErrorKind::TooLong, 0).hint("do the work in a task, and use its output")
            );
        }
        let (tokens, _) = lex(text, 0, false)?;
        let (root, reads) = parser::parse(text, &tokens, scope)?;
        if parser::is_secret(&root) {
            return Err(CompileError::new(CompileErrorKind::SecretInExpression, 0)
                .hint("write it alone, `${{ secrets.NAME }}`, as a value or between other text"));
        }
        Ok(Self { source: text.into(), root, reads })
    }

    /// Compiles the expression in a text that starts at a byte and ends before `}}`; also gives where the text goes on.
    pub(crate) fn compile_part(
        source: &Arc<str>,
        start: usize,
        scope: &Scope<'_>,
    ) -> Result<(Self, usize), CompileError> {
        let (tokens, end) = lex(source, start, true)?;
        let (root, reads) = parser::parse(source, &tokens, scope)?;
        Ok((Self { source: Arc::clone(source), root, reads }, end))
    }

    /// What an evaluation reads.
    #[must_use]
    pub fn reads(&self) -> &ReadSet {
        &self.reads
    }

    /// The value of the expression.
    ///
    /// # Errors
    /// Why it has none.
    pub fn evaluate(&self, context: &Context<'_>, budget: Budget) -> Result<Json, EvalError> {
        self.measure(context, budget).0
    }

    /// The value, and how many steps it took: the same number each time.
    pub fn measure(&self, context: &Context<'_>, budget: Budget) -> (Result<Json, EvalError>, u64) {
        let mut meter = Meter::new(budget);
        let mut room = Room::new(budget.result_bytes);
        let result = self.value(context, &mut meter).and_then(|value| to_json(&value, &mut room, &mut meter));
        (result.map_err(|fault| self.tell(fault)), meter.steps())
    }

    pub(crate) fn value<'a>(&'a self, context: &Context<'a>, meter: &mut Meter) -> Result<Value<'a>, Fault<'a>> {
        Evaluation { context, meter, locals: Vec::new() }.value(&self.root)
    }

    /// A fault as an error; one without a place is about the whole expression.
    pub(crate) fn tell(&self, fault: Fault<'_>) -> EvalError {
        fault.at(self.root.start, self.root.end).tell(&self.source)
    }

    /// The secret that this program is nothing but.
    pub(crate) fn secret(&self) -> Option<&str> {
        match &self.root.kind {
            NodeKind::Reference(Reference::Secret(name)) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn offset(&self) -> usize {
        self.root.start as usize
    }
}

/// A compiled `if`.
#[derive(Debug)]
pub struct Condition(Program);

impl Condition {
    /// Compiles a condition; it may stand in `${{ … }}`, but need not.
    ///
    /// # Errors
    /// As for [`Program::compile`]; and if it can be seen that it gives no bool.
    pub fn compile(text: &str, scope: &Scope<'_>) -> Result<Self, CompileError> {
        let trimmed = text.trim_start();
        let program = if trimmed.starts_with("${{") {
            let start = text.len() - trimmed.len() + 3;
            let (program, end) = Program::compile_part(&text.into(), start, scope)?;
            if !text[end..].trim().is_empty() {
                let found = format!("`{}`", crate::nearest::clip(text[end..].trim()));
                let kind = CompileErrorKind::Expected { expected: "the end after `}}`", found };
                return Err(CompileError::new(kind, end)
                    .hint("put the whole condition between `${{` and `}}`, or leave both out"));
            }
            if program.secret().is_some() {
                return Err(CompileError::new(CompileErrorKind::SecretInExpression, program.offset()));
            }
            program
        } else {
            Program::compile(text, scope)?
        };
        match certain_type(&program.root) {
            Some(of) if of != Type::Bool => {
                let error = CompileError::new(CompileErrorKind::NotABool(of.described()), program.offset());
                Err(error.hint("compare it, like `x != null` or `size(x) > 0`"))
            }
            _ => Ok(Self(program)),
        }
    }

    /// What an evaluation reads.
    #[must_use]
    pub fn reads(&self) -> &ReadSet {
        self.0.reads()
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// Why that cannot be said; among others, that it gives no bool.
    pub fn evaluate(&self, context: &Context<'_>, budget: Budget) -> Result<bool, EvalError> {
        let mut meter = Meter::new(budget);
        match self.0.value(context, &mut meter) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(self.0.tell(Fault::told(EvalErrorKind::NotABool(other.of().described())))),
            Err(fault) => Err(self.0.tell(fault)),
        }
    }
}

/// The type that a node has whatever it reads, where that is plain to see.
fn certain_type(node: &Node) -> Option<Type> {
    Some(match &node.kind {
        NodeKind::Null => Type::Null,
        NodeKind::Int(_) => Type::Int,
        NodeKind::Double(_) => Type::Double,
        NodeKind::Text(_) | NodeKind::Reference(Reference::Status(_)) => Type::Text,
        NodeKind::List(_) => Type::List,
        NodeKind::Map(_) => Type::Map,
        NodeKind::Type(_) => Type::Meta,
        NodeKind::Reference(Reference::Index) => Type::Int,
        NodeKind::Chain(_, rest) => match rest.last()?.0 {
            Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide => return None,
            Operator::Remainder => Type::Int,
            _ => Type::Bool,
        },
        _ => return None,
    })
}
