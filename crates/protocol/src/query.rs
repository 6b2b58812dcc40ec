//! The query language of the API, the command line and the dashboard.
//!
//! ```text
//! status:failed queue:email,sms tag:nightly -type:noop duration:>5m created:>24h "free text"
//! ```
//! A space is *and*, a comma *or*, a minus *not*. `created:>24h` means longer ago than a day.

use std::fmt;

use mainspring_core::job::JobStatus;
use mainspring_core::task::TaskStatus;

use crate::duration;
use crate::nearest::did_you_mean;
use crate::problem::{Code, Problem};

/// One condition. All conditions of a query hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// On what.
    pub field: Field,
    /// Whether it must not hold.
    pub negated: bool,
    /// What.
    pub test: Test,
}

/// What a condition can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `id`, `taskId`.
    Id,
    /// `job`, `jobId`: a job's id.
    Job,
    /// `name`, `taskName`, `jobName`.
    Name,
    /// `status`.
    Status,
    /// `queue`.
    Queue,
    /// `type`.
    Type,
    /// `tag`.
    Tag,
    /// `worker`.
    Worker,
    /// `user`, `userId`: the tenant.
    User,
    /// `error`: the error's type.
    Error,
    /// `duration` of the last attempt, in milliseconds.
    Duration,
    /// `created`: milliseconds since it was accepted.
    Created,
    /// `attempt`.
    Attempt,
    /// `priority`.
    Priority,
    /// `dead`: among the dead letters (`dead:true`).
    Dead,
    /// `parent`: the job that it is inside of (jobs).
    Parent,
    /// Free text.
    Text,
}

/// What a condition asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Equals one of these; a `*` at the end matches any rest.
    AnyOf(Vec<String>),
    /// Anything that has the field.
    Any,
    /// Equals this number.
    Equal(u64),
    /// Greater than this number (durations and ages in milliseconds).
    Greater(u64),
    /// Less than this number.
    Less(u64),
    /// Contains this, whatever the case.
    Contains(String),
}

/// Why a query is not valid, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail} at character {at}")]
pub struct QueryError {
    /// The character it is about, from 1.
    pub at: usize,
    /// What is wrong.
    pub detail: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let problem = Problem::new(Code::InvalidQuery, error.to_string());
        match error.hint {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        }
    }
}

/// Names of fields as they are written, and what they stand for.
const FIELDS: &[(&str, Field)] = &[
    ("id", Field::Id),
    ("taskId", Field::Id),
    ("job", Field::Job),
    ("jobId", Field::Job),
    ("name", Field::Name),
    ("taskName", Field::Name),
    ("jobName", Field::Name),
    ("status", Field::Status),
    ("queue", Field::Queue),
    ("type", Field::Type),
    ("tag", Field::Tag),
    ("worker", Field::Worker),
    ("workerId", Field::Worker),
    ("user", Field::User),
    ("userId", Field::User),
    ("error", Field::Error),
    ("duration", Field::Duration),
    ("created", Field::Created),
    ("attempt", Field::Attempt),
    ("attempts", Field::Attempt),
    ("priority", Field::Priority),
    ("dead", Field::Dead),
    ("parent", Field::Parent),
    ("text", Field::Text),
];

/// Longest query, in characters.
pub const QUERY_CHARS_MAX: usize = 2_000;
/// Conditions of one query.
pub const TERMS_MAX: usize = 50;

/// Reads a query. An empty one has no terms and matches everything.
///
/// # Errors
/// An unknown field, a value that its field cannot have, a quote without an end.
pub fn parse(text: &str) -> Result<Vec<Term>, QueryError> {
    let count = text.chars().count();
    if count > QUERY_CHARS_MAX {
        return Err(error(1, format!("the query has {count} characters, the limit is {QUERY_CHARS_MAX}")));
    }
    if let Some(at) = text.chars().position(char::is_control) {
        return Err(error(at + 1, "a query has no control characters".to_owned()));
    }
    let mut reader = Reader { chars: text.chars().collect(), at: 0 };
    let mut terms = Vec::new();
    loop {
        while reader.peek().is_some_and(char::is_whitespace) {
            reader.at += 1;
        }
        if reader.peek().is_none() {
            return Ok(terms);
        }
        if terms.len() == TERMS_MAX {
            return Err(error(reader.at + 1, format!("a query has at most {TERMS_MAX} conditions")));
        }
        terms.push(reader.term()?);
    }
}

fn error(at: usize, detail: String) -> QueryError {
    QueryError { at, detail, hint: None }
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn term(&mut self) -> Result<Term, QueryError> {
        let negated = self.take('-');
        let start = self.at;
        if self.peek() == Some('"') {
            return Ok(Term { field: Field::Text, negated, test: Test::Contains(self.quoted()?) });
        }
        let word = self.until(&[':', ' ', '"']);
        if !self.take(':') {
            if word.is_empty() {
                return Err(error(start + 1, "expected a condition".to_owned()));
            }
            return Ok(Term { field: Field::Text, negated, test: Test::Contains(word) });
        }
        let field = find_field(&word, start + 1)?;
        let test = self.test(field)?;
        Ok(Term { field, negated, test })
    }

    fn test(&mut self, field: Field) -> Result<Test, QueryError> {
        let start = self.at + 1;
        match field {
            Field::Duration | Field::Created | Field::Attempt | Field::Priority => self.comparison(field, start),
            Field::Text => {
                let mut values = self.values()?;
                Ok(Test::Contains(values.swap_remove(0).1))
            }
            _ => {
                let values = self.values()?;
                for (at, value) in &values {
                    check_value(field, value, *at)?;
                }
                Ok(Test::AnyOf(values.into_iter().map(|(_, value)| value).collect()))
            }
        }
    }

    fn comparison(&mut self, field: Field, start: usize) -> Result<Test, QueryError> {
        let greater = self.take('>');
        let less = !greater && self.take('<');
        let or_equal = (greater || less) && self.take('=');
        let word = self.until(&[' ', ',']);
        let is_time = matches!(field, Field::Duration | Field::Created);
        let number = if is_time {
            duration::parse(&word).map(|length| length.ms()).map_err(|problem| QueryError {
                at: start,
                detail: problem.to_string(),
                hint: Some("write it like `>5m` or `<1h30m`".to_owned()),
            })?
        } else {
            word.parse().map_err(|_| error(start, format!("`{word}` is not a whole number")))?
        };
        if self.peek() == Some(',') {
            return Err(error(self.at + 1, format!("`{field}` is compared with one value")));
        }
        match (greater, less) {
            (true, _) if or_equal => Ok(number.checked_sub(1).map_or(Test::Any, Test::Greater)),
            (true, _) => Ok(Test::Greater(number)),
            (_, true) if or_equal => Ok(Test::Less(number.saturating_add(1))),
            (_, true) => Ok(Test::Less(number)),
            _ if is_time => Err(QueryError {
                at: start,
                detail: format!("`{field}` is compared with `>` or `<`"),
                hint: Some(format!("write `{field}:>{word}`")),
            }),
            _ => Ok(Test::Equal(number)),
        }
    }

    /// Values with commas between them, each with the character it starts at.
    fn values(&mut self) -> Result<Vec<(usize, String)>, QueryError> {
        let mut values = Vec::new();
        loop {
            let at = self.at + 1;
            let value = if self.peek() == Some('"') { self.quoted()? } else { self.until(&[' ', ',', '"']) };
            if value.is_empty() {
                return Err(error(at, "expected a value".to_owned()));
            }
            values.push((at, value));
            if !self.take(',') {
                return Ok(values);
            }
        }
    }

    fn until(&mut self, stops: &[char]) -> String {
        let start = self.at;
        while self.peek().is_some_and(|c| !stops.contains(&c)) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    /// Text between quotes; a backslash takes the next character as it is.
    fn quoted(&mut self) -> Result<String, QueryError> {
        let start = self.at + 1;
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.peek().ok_or_else(|| error(start, "the quote has no end".to_owned()))?;
            self.at += 1;
            match c {
                '"' if text.is_empty() => return Err(error(start, "the quotes are empty".to_owned())),
                '"' => return Ok(text),
                '\\' => {
                    text.extend(self.peek());
                    self.at += 1;
                }
                c => text.push(c),
            }
        }
    }
}

fn find_field(word: &str, at: usize) -> Result<Field, QueryError> {
    if let Some((_, field)) = FIELDS.iter().find(|(name, _)| *name == word) {
        return Ok(*field);
    }
    let names = FIELDS.iter().map(|(name, _)| *name);
    let known = || format!("known fields: {}", FIELDS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" "));
    let hint = did_you_mean(word, names).unwrap_or_else(known);
    Err(QueryError { at, detail: format!("unknown field `{word}`"), hint: Some(hint) })
}

fn check_value(field: Field, value: &str, at: usize) -> Result<(), QueryError> {
    let words: Vec<&str> = match field {
        Field::Status => {
            let mut words: Vec<&str> = TaskStatus::ALL.iter().map(|status| status.word()).collect();
            words.push(JobStatus::Paused.word());
            words
        }
        Field::Dead => vec!["true", "false"],
        _ => return Ok(()),
    };
    if words.contains(&value) {
        return Ok(());
    }
    let hint = did_you_mean(value, words.iter().copied()).unwrap_or_else(|| format!("one of {}", words.join(" ")));
    Err(QueryError { at, detail: format!("`{value}` is not a value of `{field}`"), hint: Some(hint) })
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FIELDS.iter().find(|(_, field)| field == self).map_or("text", |(name, _)| name);
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_of(field: Field, negated: bool, values: &[&str]) -> Term {
        let test = Test::AnyOf(values.iter().map(|value| (*value).to_owned()).collect());
        Term { field, negated, test }
    }

    #[test]
    fn the_contracts_example_is_read() {
        let text = "status:failed queue:email,sms tag:nightly -type:noop duration:>5m created:>24h \"free text\" word";
        assert_eq!(
            parse(text).expect("is a query"),
            vec![
                any_of(Field::Status, false, &["failed"]),
                any_of(Field::Queue, false, &["email", "sms"]),
                any_of(Field::Tag, false, &["nightly"]),
                any_of(Field::Type, true, &["noop"]),
                Term { field: Field::Duration, negated: false, test: Test::Greater(300_000) },
                Term { field: Field::Created, negated: false, test: Test::Greater(86_400_000) },
                Term { field: Field::Text, negated: false, test: Test::Contains("free text".to_owned()) },
                Term { field: Field::Text, negated: false, test: Test::Contains("word".to_owned()) },
            ]
        );
        assert_eq!(parse("  "), Ok(Vec::new()));
    }

    #[test]
    fn numbers_compare_and_quotes_hold_commas() {
        assert_eq!(parse("attempt:>=3").expect("is a query")[0].test, Test::Greater(2));
        assert_eq!(parse("priority:5").expect("is a query")[0].test, Test::Equal(5));
        assert_eq!(parse("name:\"a, b\",c*").expect("is a query"), vec![any_of(Field::Name, false, &["a, b", "c*"])]);
        assert_eq!(parse("\"say \\\"hi\\\"\"").expect("is a query")[0].test, Test::Contains("say \"hi\"".to_owned()));
    }

    #[test]
    fn a_wrong_query_says_where_and_how_to_mend_it() {
        let error = parse("queue:email stauts:failed").expect_err("is refused");
        assert_eq!((error.at, error.hint.as_deref()), (13, Some("did you mean `status`?")));
        let error = parse("status:faild").expect_err("is refused");
        assert_eq!((error.at, error.hint.as_deref()), (8, Some("did you mean `failed`?")));
        for text in
            ["\"open", "queue:", "queue:a,", "duration:5m", "duration:>soon", "attempt:x", "-", "\"\"", "a\u{0}b"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_near_query_panics(text in "(-?(status|queue|duration|text)?:?[<>]?=?[a-z0-9\",\\\\*]{0,6} ?){0,6}") {
            let _ = parse(&text);
        }
    }
}
