//! Why an evaluation has no value. While it may still be caught (`||`, `default`), a fault is a few words; only at the end it becomes a message.

use crate::error::in_brackets;
use crate::limits;
use crate::meter::Spent;
use crate::nearest::{clip, hint};
use crate::value::{Map, Type};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalErrorKind {
    /// A map without that key.
    #[error("`{path}` has no field `{field}`")]
    MissingField {
        /// The map, as written.
        path: String,
        /// The key.
        field: String,
    },
    /// A field or an item of null.
    #[error("`{path}` is null and has no field `{field}`")]
    NullHasNoField {
        /// What is null, as written.
        path: String,
        /// The key.
        field: String,
    },
    /// A list that is too short.
    #[error("`{path}` has no item {index}, its size is {size}")]
    OutOfRange {
        /// The list, as written.
        path: String,
        /// The wished item.
        index: i64,
        /// How many there are.
        size: usize,
    },
    /// An operand or an argument of a type that does not fit.
    #[error("`{operation}` takes {expected}, found {found}")]
    WrongType {
        /// The operator, function or place.
        operation: &'static str,
        /// What fits.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// An integer beyond 64 bits.
    #[error("`{0}` goes beyond a 64-bit integer")]
    Overflow(&'static str),
    /// A division by zero, of integers or doubles.
    #[error("`{0}` by zero")]
    DivisionByZero(&'static str),
    /// A double that would be infinite or not a number.
    #[error("`{0}` gives no finite number")]
    NotFinite(&'static str),
    /// A text that cannot be read as the wished type.
    #[error("`{function}` cannot read `{text}`")]
    Unreadable {
        /// The function.
        function: &'static str,
        /// The beginning of the text.
        text: String,
    },
    /// A regular expression that cannot be used.
    #[error("bad regular expression: {0}")]
    BadPattern(String),
    /// A key that is written twice in a map.
    #[error("the key `{0}` is there twice")]
    DuplicateKey(String),
    /// The evaluation would take longer, or grow larger, than it may.
    #[error("the expression takes more than {limit} {}", match .spent { Spent::Steps => "steps", Spent::MadeBytes => "bytes of memory" })]
    BudgetExceeded {
        /// Which part of the budget.
        spent: Spent,
        /// How much there was.
        limit: u64,
    },
    /// A result that is too large.
    #[error("the result is larger than {limit} bytes")]
    ResultTooLarge {
        /// Bytes of compact JSON.
        limit: usize,
    },
    /// A value nested too deeply.
    #[error("a value is nested deeper than {}", limits::VALUE_DEPTH_MAX)]
    TooDeep,
    /// The context lacks what the read set names.
    #[error("`{0}` was not loaded")]
    NotLoaded(String),
    /// A condition that is neither true nor false.
    #[error("a condition must be true or false, this is {0}")]
    NotABool(&'static str),
    /// A `forEach` over something that has no items.
    #[error("`forEach` takes a list or a map, this is {0}")]
    NotSpreadable(&'static str),
    /// A `forEach` over too many items.
    #[error("`forEach` takes at most {limit} items, found {found}")]
    TooManyItems {
        /// How many there are.
        found: usize,
        /// [`limits::SPREAD_ITEMS_MAX`]
        limit: usize,
    },
}

impl EvalErrorKind {
    /// A stable name of the kind of error, the heading in the guide.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingField { .. } => "missing_field",
            Self::NullHasNoField { .. } => "null_has_no_field",
            Self::OutOfRange { .. } => "out_of_range",
            Self::WrongType { .. } => "wrong_type",
            Self::Overflow(_) => "overflow",
            Self::DivisionByZero(_) => "division_by_zero",
            Self::NotFinite(_) => "not_finite",
            Self::Unreadable { .. } => "unreadable",
            Self::BadPattern(_) => "bad_pattern",
            Self::DuplicateKey(_) => "duplicate_key",
            Self::BudgetExceeded { .. } => "budget_exceeded",
            Self::ResultTooLarge { .. } => "result_too_large",
            Self::TooDeep => "too_deep",
            Self::NotLoaded(_) => "not_loaded",
            Self::NotABool(_) => "not_a_bool",
            Self::NotSpreadable(_) => "not_spreadable",
            Self::TooManyItems { .. } => "too_many_items",
        }
    }
}

/// Why an evaluation has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}{}", in_brackets(.hint.as_deref()))]
pub struct EvalError {
    /// What went wrong.
    pub kind: EvalErrorKind,
    /// Where, in bytes from the start of the string that was compiled.
    pub offset: usize,
    /// How to mend it, if that can be guessed.
    pub hint: Option<String>,
}

/// An error that may still be caught.
#[derive(Debug)]
pub(crate) struct Fault<'a> {
    pub(crate) kind: FaultKind<'a>,
    /// The bytes of the source that it is about; `None` until the node that failed fills it in.
    pub(crate) place: Option<(u32, u32)>,
}

#[derive(Debug)]
pub(crate) enum FaultKind<'a> {
    /// The place is the map.
    Missing(Map<'a>, String),
    NullField(String),
    OutOfRange(i64, usize),
    WrongType {
        operation: &'static str,
        expected: &'static str,
        found: Type,
        other: Option<Type>,
    },
    Budget(Spent, u64),
    /// All others are as they will be told.
    Told(EvalErrorKind),
}

impl<'a> Fault<'a> {
    /// A fault of the node that is being evaluated.
    pub(crate) fn here(kind: FaultKind<'a>) -> Self {
        Self { kind, place: None }
    }

    pub(crate) fn told(kind: EvalErrorKind) -> Self {
        Self::here(FaultKind::Told(kind))
    }

    pub(crate) fn wrong(operation: &'static str, expected: &'static str, found: Type) -> Self {
        Self::here(FaultKind::WrongType { operation, expected, found, other: None })
    }

    /// The place, unless a deeper node has said its own.
    pub(crate) fn at(mut self, start: u32, end: u32) -> Self {
        self.place = self.place.or(Some((start, end)));
        self
    }

    /// Whether the value is only not there, so that `has` and `default` have an answer.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self.kind, FaultKind::Missing(..) | FaultKind::NullField(_) | FaultKind::OutOfRange(..))
    }

    /// Whether nothing may catch it.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.kind, FaultKind::Budget(..) | FaultKind::Told(EvalErrorKind::NotLoaded(_)))
    }

    /// The message, with what is written at the place.
    pub(crate) fn tell(self, source: &str) -> EvalError {
        let (start, end) = self.place.map_or((0, 0), |(start, end)| (start as usize, end as usize));
        let path = || clip(source.get(start..end).unwrap_or_default());
        let mut advice = None;
        let kind = match self.kind {
            FaultKind::Missing(map, field) => {
                let keys: Vec<&str> = map.keys().take(limits::HINT_NAMES_MAX).collect();
                advice = hint(&field, keys.into_iter())
                    .or_else(|| Some("it is empty; `default(x.field, otherwise)` gives another value".to_owned()));
                EvalErrorKind::MissingField { path: path(), field: clip(&field) }
            }
            FaultKind::NullField(field) => {
                advice =
                    Some("a skipped task has no output; `default(x.field, otherwise)` gives another value".to_owned());
                EvalErrorKind::NullHasNoField { path: path(), field: clip(&field) }
            }
            FaultKind::OutOfRange(index, size) => EvalErrorKind::OutOfRange { path: path(), index, size },
            FaultKind::WrongType { operation, expected, found, other } => {
                advice = advise(operation, found, other);
                let found = match other {
                    Some(other) => format!("{} and {}", found.described(), other.described()),
                    None => found.described().to_owned(),
                };
                EvalErrorKind::WrongType { operation, expected, found }
            }
            FaultKind::Budget(spent, limit) => {
                advice = Some("do the work in a task, and use its output".to_owned());
                EvalErrorKind::BudgetExceeded { spent, limit }
            }
            FaultKind::Told(kind) => {
                advice = match kind {
                    EvalErrorKind::NotABool(_) => Some("compare it, like `x != null` or `size(x) > 0`".to_owned()),
                    EvalErrorKind::ResultTooLarge { .. } => Some("pass a reference to the data".to_owned()),
                    _ => None,
                };
                kind
            }
        };
        EvalError { kind, offset: start, hint: advice }
    }
}

/// What helps against operands that do not fit together.
fn advise(operation: &str, found: Type, other: Option<Type>) -> Option<String> {
    let either = |of| found == of || other == Some(of);
    let hint = match operation {
        "+" if either(Type::Text) => "`string(x)` makes a text of a value",
        "+" | "-" | "*" | "/" | "%" | "<" | "<=" | ">" | ">=" if either(Type::Text) => {
            "`int(x)` and `double(x)` make a number of a text"
        }
        "+" | "-" | "*" | "/" | "%" if either(Type::Int) && either(Type::Double) => {
            "`double(x)` and `int(x)` make one of the other"
        }
        "in" if either(Type::Text) => "whether a text contains another is `text.contains(part)`",
        "string" => "`json(x)` makes a text of a list or a map",
        "join" => "make texts first: `list.map(x, string(x)).join(',')`",
        "[ ]" => "an item has an int, a field a string",
        _ if either(Type::Null) => "`default(x, otherwise)` gives another value for null",
        _ => return None,
    };
    Some(hint.to_owned())
}
