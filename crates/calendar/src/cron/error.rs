//! What is wrong with a cron expression, and where.

use std::fmt;
use std::ops::Range;

/// A refusal of a cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronError {
    /// The bytes of the expression that are meant.
    pub span: Range<usize>,
    /// What is wrong there.
    pub detail: String,
    /// What could stand there instead.
    pub expected: String,
}

impl CronError {
    pub(crate) fn new(span: Range<usize>, detail: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { span, detail: detail.into(), expected: expected.into() }
    }

    /// The place as a line of carets, to print below the expression.
    pub fn carets(&self, expression: &str) -> String {
        let width = |range: Range<usize>| expression.get(range).map_or(0, |text| text.chars().count());
        let marked = width(self.span.clone()).max(1);
        format!("{}{}", " ".repeat(width(0..self.span.start)), "^".repeat(marked))
    }
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}; expected {}", self.span.start, self.detail, self.expected)
    }
}

impl std::error::Error for CronError {}
