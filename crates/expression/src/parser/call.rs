//! `f(x, y)` and `x.f(y)`.

use super::{Parsed, Parser};
use crate::error::{CompileError, CompileErrorKind as Kind};
use crate::function::{self, Function};
use crate::nearest;
use crate::pattern::Pattern;
use crate::syntax::{Call, Node, NodeKind, StepKind};

impl Parser<'_> {
    /// A call, from the opening bracket on. With a receiver, the first argument stands before the dot.
    pub(super) fn call(&mut self, name: &str, at: usize, receiver: bool) -> Parsed<Call> {
        let Some(signature) = function::function(name) else {
            return Err(unknown(name, at, receiver));
        };
        let arguments = self.arguments()?;
        let found = arguments.len() + usize::from(receiver);
        if found < signature.fewest || found > signature.most {
            let kind = Kind::ArgumentCount { name: signature.name, expected: signature.form, found };
            return Err(CompileError::new(kind, at));
        }
        let pattern = match (signature.function, arguments.last()) {
            (Function::Matches, Some(Node { kind: NodeKind::Text(text), start, .. })) => {
                let refused = |reason: String| CompileError::new(Kind::BadPattern(reason), *start as usize);
                Some(Pattern::new(text).map_err(refused)?)
            }
            _ => None,
        };
        Ok(Call { function: signature.function, arguments, pattern })
    }

    pub(super) fn arguments(&mut self) -> Parsed<Vec<Node>> {
        self.expect("(", "`(`")?;
        let mut arguments = Vec::new();
        while !self.eat(")") {
            if !arguments.is_empty() {
                self.expect(",", "`,` or `)`")?;
            }
            arguments.push(self.expression()?);
        }
        Ok(arguments)
    }

    /// `has(path)`: the path must end in a field.
    pub(super) fn has(&mut self, at: usize) -> Parsed<NodeKind> {
        let mut arguments = self.arguments()?;
        let found = arguments.len();
        let (Some(path), 1) = (arguments.pop(), found) else {
            let kind = Kind::ArgumentCount { name: "has", expected: "one argument: `has(x.field)`", found };
            return Err(CompileError::new(kind, at));
        };
        let is_field = match &path.kind {
            NodeKind::Path(_, steps) => {
                matches!(steps.last().map(|step| &step.kind), Some(StepKind::Field(_) | StepKind::Index(_)))
            }
            _ => false,
        };
        if !is_field {
            return Err(CompileError::new(Kind::HasNeedsField, path.start as usize)
                .hint("to see whether a value is null, write `x != null`"));
        }
        Ok(NodeKind::Has(Box::new(path)))
    }

    /// `default(value, otherwise)`.
    pub(super) fn default(&mut self, at: usize) -> Parsed<NodeKind> {
        let arguments = self.arguments()?;
        let found = arguments.len();
        let arguments: Result<[Node; 2], _> = arguments.try_into();
        arguments.map(|both| NodeKind::Default(Box::new(both))).map_err(|_| {
            let expected = "two arguments: `default(x.field, otherwise)`";
            CompileError::new(Kind::ArgumentCount { name: "default", expected, found }, at)
        })
    }
}

fn unknown(name: &str, at: usize, receiver: bool) -> CompileError {
    let error = CompileError::new(Kind::UnknownFunction(nearest::clip(name)), at);
    match name {
        "has" | "default" if receiver => error.hint(format!("write `{name}(…)` with the value inside the brackets")),
        _ if function::each(name).is_some() => error.hint(format!("write `list.{name}(x, …)`")),
        "len" | "length" | "count" => error.hint("did you mean `size`?"),
        "now" | "timestamp" | "duration" => {
            error.hint("there is no clock here; `schedule.instant` is the time that the job is for")
        }
        "str" => error.hint("did you mean `string`?"),
        "float" => error.hint("did you mean `double`?"),
        "toJson" | "tojson" => error.hint("did you mean `json`?"),
        "fromJson" | "fromJSON" => error.hint("did you mean `parseJson`?"),
        _ => error.maybe_hint(nearest::nearest(name, function::names()).map(|near| format!("did you mean `{near}`?"))),
    }
}
