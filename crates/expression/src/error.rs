//! Why a text is not a program: what, at which byte, and how to mend it.

use crate::limits;

/// What is wrong with a program or a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileErrorKind {
    /// Longer than [`limits::PROGRAM_BYTES_MAX`].
    #[error("an expression is longer than {} bytes", limits::PROGRAM_BYTES_MAX)]
    TooLong,
    /// Nested deeper than [`limits::PROGRAM_DEPTH_MAX`], or [`limits::VALUE_DEPTH_MAX`] for a template.
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The deepest nesting that is allowed.
        limit: u32,
    },
    /// A character that no expression contains.
    #[error("unexpected character `{0}`")]
    UnexpectedCharacter(char),
    /// A string without its end.
    #[error("a string is not closed")]
    UnclosedString,
    /// A backslash sequence that is not one.
    #[error("unknown escape `{0}`")]
    UnknownEscape(String),
    /// A number that cannot be read, or does not fit.
    #[error("`{0}` is not a number that fits")]
    BadNumber(String),
    /// Part of CEL, but not of this language.
    #[error("{0} are not supported")]
    Unsupported(&'static str),
    /// Something else should stand here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What may stand here.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A name that means nothing here.
    #[error("unknown name `{0}`")]
    UnknownName(String),
    /// No such task in the job.
    #[error("unknown task `{0}`")]
    UnknownTask(String),
    /// The task may not have ended when the expression is evaluated.
    #[error("task `{0}` does not end before this one")]
    NotAnAncestor(String),
    /// A field that the named thing does not have.
    #[error("`{of}` has no field `{field}`")]
    UnknownField {
        /// Of what.
        of: &'static str,
        /// What was written.
        field: String,
    },
    /// `tasks`, `tasks.NAME`, `schedule` or `secrets` alone.
    #[error("`{0}` is not a value")]
    NotAValue(&'static str),
    /// A name that would be known only when evaluated.
    #[error("a name after `{0}` must be written out, not computed")]
    ComputedName(&'static str),
    /// A parameter that the job does not declare.
    #[error("unknown parameter `{0}`")]
    UnknownParameter(String),
    /// `item`, `index`, `schedule`, `tasks` or `secrets` where there is none.
    #[error("`{0}` does not exist here")]
    NotHere(&'static str),
    /// A secret as part of a larger expression.
    #[error("a secret cannot be computed with")]
    SecretInExpression,
    /// No such function.
    #[error("unknown function `{0}`")]
    UnknownFunction(String),
    /// Too few or too many arguments.
    #[error("`{name}` takes {expected}, found {found}")]
    ArgumentCount {
        /// The function.
        name: &'static str,
        /// How it is called.
        expected: &'static str,
        /// How many there are, the receiver included.
        found: usize,
    },
    /// The first argument of a macro must be a fresh name.
    #[error("the variable of `{0}` must be a new name")]
    BadVariable(&'static str),
    /// `has` needs a field.
    #[error("`has` takes a field, like `has(params.region)`")]
    HasNeedsField,
    /// A regular expression that cannot be used.
    #[error("bad regular expression: {0}")]
    BadPattern(String),
    /// A condition that can never be a bool.
    #[error("a condition must be true or false, this is {0}")]
    NotABool(&'static str),
    /// `${{` without `}}`.
    #[error("`${{{{` is not closed")]
    UnclosedExpression,
    /// An expression in the key of an object.
    #[error("a key cannot contain an expression")]
    ExpressionInKey,
    /// A `forEach` that is neither a list, an object, nor one expression.
    #[error("`forEach` takes a list, an object or one expression, found {0}")]
    NotSpreadable(&'static str),
}

impl CompileErrorKind {
    /// A stable name of the kind of mistake, the heading in the guide.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::TooDeep { .. } => "too_deep",
            Self::UnexpectedCharacter(_) => "unexpected_character",
            Self::UnclosedString => "unclosed_string",
            Self::UnknownEscape(_) => "unknown_escape",
            Self::BadNumber(_) => "bad_number",
            Self::Unsupported(_) => "unsupported",
            Self::Expected { .. } => "syntax",
            Self::UnknownName(_) => "unknown_name",
            Self::UnknownTask(_) => "unknown_task",
            Self::NotAnAncestor(_) => "not_an_ancestor",
            Self::UnknownField { .. } => "unknown_field",
            Self::NotAValue(_) => "not_a_value",
            Self::ComputedName(_) => "computed_name",
            Self::UnknownParameter(_) => "unknown_parameter",
            Self::NotHere(_) => "not_here",
            Self::SecretInExpression => "secret_in_expression",
            Self::UnknownFunction(_) => "unknown_function",
            Self::ArgumentCount { .. } => "argument_count",
            Self::BadVariable(_) => "bad_variable",
            Self::HasNeedsField => "has_needs_field",
            Self::BadPattern(_) => "bad_pattern",
            Self::NotABool(_) => "not_a_bool",
            Self::UnclosedExpression => "unclosed_expression",
            Self::ExpressionInKey => "expression_in_key",
            Self::NotSpreadable(_) => "not_spreadable",
        }
    }
}

/// Why a text is not a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}{}", in_brackets(.hint.as_deref()))]
pub struct CompileError {
    /// What is wrong.
    pub kind: CompileErrorKind,
    /// Where, in bytes from the start of the string that was compiled.
    pub offset: usize,
    /// How to mend it, if that can be guessed.
    pub hint: Option<String>,
}

impl CompileError {
    pub(crate) fn new(kind: CompileErrorKind, offset: usize) -> Self {
        Self { kind, offset, hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

/// A hint as the end of a message.
pub(crate) fn in_brackets(hint: Option<&str>) -> String {
    hint.map(|hint| format!(" ({hint})")).unwrap_or_default()
}
