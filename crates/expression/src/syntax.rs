//! The tree of a program. Chains of operators, fields and calls are flat, so that its depth is the depth of brackets, which is bounded.

use crate::function::{Function, Macro};
use crate::pattern::Pattern;
use crate::value::Type;

/// An expression and the bytes it stands on.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    Type(Type),
    /// What stands outside the expression.
    Reference(Reference),
    /// The variable of a macro, counted from the outermost.
    Local(usize),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// `!` so many times.
    Not(u32, Box<Node>),
    /// `-` so many times.
    Negative(u32, Box<Node>),
    /// `a + b - c`: operators of one rank, from left to right.
    Chain(Box<Node>, Vec<(Operator, u32, Node)>),
    /// `a && b && c` or, if `any`, `a || b || c`.
    Logic {
        any: bool,
        operands: Vec<Node>,
    },
    /// `condition ? yes : no`
    Choice(Box<[Node; 3]>),
    /// `base.field[index].function()`
    Path(Box<Node>, Vec<Step>),
    Call(Box<Call>),
    /// `has(path)`
    Has(Box<Node>),
    /// `default(value, otherwise)`
    Default(Box<[Node; 2]>),
}

/// What an expression reads from its context.
#[derive(Debug)]
pub(crate) enum Reference {
    Output(Box<str>),
    Outputs(Box<str>),
    Status(Box<str>),
    Params,
    Item,
    Index,
    ScheduleInstant,
    SchedulePreviousInstant,
    ScheduleManual,
    /// What the attempt itself returned.
    Own,
    Secret(Box<str>),
}

/// One step of a path.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

#[derive(Debug)]
pub(crate) enum StepKind {
    Field(Box<str>),
    Index(Node),
    Call(Box<Call>),
    Each(Box<Each>),
}

/// A function and its arguments; as a step of a path, its first argument is what stands before it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) function: Function,
    pub(crate) arguments: Vec<Node>,
    /// The regular expression of `matches`, where it is written out.
    pub(crate) pattern: Option<Pattern>,
}

/// A macro that visits the items of a list or the keys of a map.
#[derive(Debug)]
pub(crate) struct Each {
    pub(crate) which: Macro,
    /// The filter of `map` with three arguments.
    pub(crate) filter: Option<Node>,
    pub(crate) body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Operator {
    /// The operator and its rank: 0 compares, 1 adds, 2 multiplies.
    pub(crate) fn read(symbol: &str) -> Option<(Self, u8)> {
        Some(match symbol {
            "==" => (Self::Equal, 0),
            "!=" => (Self::NotEqual, 0),
            "<" => (Self::Less, 0),
            "<=" => (Self::LessOrEqual, 0),
            ">" => (Self::Greater, 0),
            ">=" => (Self::GreaterOrEqual, 0),
            "in" => (Self::In, 0),
            "+" => (Self::Add, 1),
            "-" => (Self::Subtract, 1),
            "*" => (Self::Multiply, 2),
            "/" => (Self::Divide, 2),
            "%" => (Self::Remainder, 2),
            _ => return None,
        })
    }

    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }
}
