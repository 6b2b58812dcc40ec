//! Reads single values, and collects what is wrong with them: value, limit, place.

use std::borrow::Cow;

use mainspring_core::id::Key;
use mainspring_core::limits::{ID_CHARS_MAX, NAME_CHARS_MAX};
use mainspring_core::time::Timestamp;
use serde::Deserialize;

use crate::decode::without_place;
use crate::duration::{self, NotADuration, WireDuration};
use crate::pointer::Pointer;
use crate::problem::{Code, Problem, ProblemItem};
use crate::submit::members::{Elements, Members};
use crate::time;

/// Problems listed at once; the rest is only counted.
const FINDINGS_MAX: usize = 100;

/// What is wrong with a body.
#[derive(Debug)]
pub(super) struct Findings {
    items: Vec<ProblemItem>,
    more: usize,
    max: usize,
}

impl Default for Findings {
    fn default() -> Self {
        Self::listing(FINDINGS_MAX)
    }
}

impl Findings {
    /// Lists at most this many problems, of which 100 is the most.
    pub(super) fn listing(max: usize) -> Self {
        Self { items: Vec::new(), more: 0, max: max.min(FINDINGS_MAX) }
    }

    /// Whether one more problem would only be counted; it is counted then. Spares the search for its words.
    pub(super) fn only_counts(&mut self) -> bool {
        let full = self.is_full();
        self.more += usize::from(full);
        full
    }

    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= self.max
    }

    pub(super) fn add(&mut self, code: Code, at: &Pointer<'_>, detail: impl Into<String>) {
        self.push(ProblemItem::new(code, at.to_string(), detail));
    }

    pub(super) fn add_with_hint(
        &mut self,
        code: Code,
        at: &Pointer<'_>,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(ProblemItem::new(code, at.to_string(), detail).with_hint(hint));
    }

    /// A value that many tasks share is named once.
    fn push(&mut self, item: ProblemItem) {
        if !self.only_counts() && !self.items.contains(&item) {
            self.items.push(item);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len() + self.more
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn into_problem(self) -> Problem {
        let more = self.more;
        let mut problem = Problem::of_items(self.items);
        if more > 0 {
            problem.detail = format!("{}; {more} further problems are not listed", problem.detail);
        }
        problem
    }
}

/// A value that was found, and where.
#[derive(Clone, Copy)]
pub(super) struct Value<'a, 'p> {
    pub(super) raw: &'a str,
    pub(super) at: Pointer<'p>,
}

/// Which texts a name may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// A human name: not empty, at most 256 characters, no control characters.
    Name,
    /// `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
    Id,
    /// The same, and not the form of a server-made id.
    FreshId,
}

impl<'a> Value<'a, '_> {
    /// What kind of value it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self.raw.as_bytes().first() {
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    /// The value as it stands, cut to a readable length.
    pub(super) fn shown(&self) -> String {
        if self.raw.len() <= 60 {
            return self.raw.to_owned();
        }
        format!("{}…", &self.raw[..self.raw.floor_char_boundary(57)])
    }

    pub(super) fn wrong(&self, findings: &mut Findings, expected: &str) {
        let detail = format!("expected {expected}, found {} `{}`", self.kind(), self.shown());
        findings.add(Code::InvalidValue, &self.at, detail);
    }

    pub(super) fn text(&self, findings: &mut Findings) -> Option<Cow<'a, str>> {
        let Some(inner) = self.raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            self.wrong(findings, "a string");
            return None;
        };
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Some(Cow::Borrowed(inner));
        }
        match serde_json::from_str(self.raw) {
            Ok(text) => Some(Cow::Owned(text)),
            Err(_) => {
                let detail = format!("`{}` has an escape that is no Unicode character", self.shown());
                findings.add(Code::InvalidValue, &self.at, detail);
                None
            }
        }
    }

    /// Any text without NUL, for what a program is given.
    pub(super) fn program_text(&self, findings: &mut Findings) -> Option<Cow<'a, str>> {
        let text = self.text(findings)?;
        if text.contains('\0') {
            findings.add(Code::InvalidValue, &self.at, "a NUL character cannot be handed to a program");
            return None;
        }
        Some(text)
    }

    /// A text, or a number or boolean as its text.
    pub(super) fn scalar_text(&self, findings: &mut Findings) -> Option<Cow<'a, str>> {
        match self.raw.as_bytes().first() {
            Some(b'"') => self.program_text(findings),
            Some(b'{' | b'[' | b'n') => {
                self.wrong(findings, "a string, a number or a boolean");
                None
            }
            _ => Some(Cow::Borrowed(self.raw)),
        }
    }

    pub(super) fn name(&self, rule: Rule, findings: &mut Findings) -> Option<Cow<'a, str>> {
        let text = self.text(findings)?;
        match check_name(&text, rule) {
            Ok(()) => Some(text),
            Err((code, detail)) => {
                findings.add(code, &self.at, detail);
                None
            }
        }
    }

    /// A whole number from 0 to `max`.
    pub(super) fn number(&self, max: u64, findings: &mut Findings) -> Option<u64> {
        let whole = if self.kind() == "a number" { self.raw.parse::<u64>().ok() } else { None };
        if let Some(number) = whole {
            if number <= max {
                return Some(number);
            }
        } else if self.kind() != "a number" {
            self.wrong(findings, &format!("a whole number from 0 to {max}"));
            return None;
        } else if self.raw.starts_with('-') {
            let detail = format!("`{}` is negative; it must be from 0 to {max}", self.shown());
            findings.add(Code::InvalidValue, &self.at, detail);
            return None;
        } else if self.raw.contains(['.', 'e', 'E']) && self.raw.parse::<f64>().is_ok_and(|number| number <= max as f64)
        {
            let detail = format!("`{}` is not a whole number from 0 to {max}", self.shown());
            findings.add(Code::InvalidValue, &self.at, detail);
            return None;
        }
        findings.add(Code::LimitExceeded, &self.at, format!("`{}` exceeds the limit of {max}", self.shown()));
        None
    }

    pub(super) fn duration(&self, max_ms: u64, findings: &mut Findings) -> Option<WireDuration> {
        let max = WireDuration::from_ms(max_ms);
        let read = match self.raw.as_bytes().first() {
            Some(b'"') => duration::parse(&self.text(findings)?),
            Some(b'-' | b'0'..=b'9') => match self.raw.parse::<f64>() {
                Ok(seconds) => WireDuration::from_seconds(seconds),
                Err(_) => Err(NotADuration::Form(self.shown())),
            },
            _ => Err(NotADuration::Form(self.shown())),
        };
        let shown = self.shown();
        match read {
            Ok(length) if length.ms() <= max_ms => return Some(length),
            Ok(_) | Err(NotADuration::TooLarge(_)) => {
                findings.add(Code::LimitExceeded, &self.at, format!("`{shown}` exceeds the limit of {max}"));
            }
            Err(NotADuration::Negative(_)) => {
                findings.add(Code::InvalidValue, &self.at, format!("`{shown}` is negative; a duration cannot be"));
            }
            Err(NotADuration::Form(_)) => {
                let hint = format!("write {}", duration::FORMS);
                findings.add_with_hint(Code::InvalidValue, &self.at, format!("`{shown}` is not a duration"), hint);
            }
        }
        None
    }

    pub(super) fn instant(&self, findings: &mut Findings) -> Option<Timestamp> {
        let text = self.text(findings)?;
        match time::parse(&text) {
            Ok(at) => Some(at),
            Err(error) => {
                let hint = "write it like \"2026-11-23T06:00:00Z\" or \"2026-11-23T07:00:00+01:00\"";
                findings.add_with_hint(Code::InvalidValue, &self.at, error.to_string(), hint);
                None
            }
        }
    }

    /// One of these words.
    pub(super) fn word<T: Copy>(&self, words: &[(T, &str)], findings: &mut Findings) -> Option<T> {
        let text = self.text(findings)?;
        if let Some((value, _)) = words.iter().find(|(_, word)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
        let detail = format!("`{text}` is none of `{}`", known.join("`, `"));
        match crate::nearest::did_you_mean(&text, known) {
            Some(hint) => findings.add_with_hint(Code::InvalidValue, &self.at, detail, hint),
            None => findings.add(Code::InvalidValue, &self.at, detail),
        }
        None
    }

    pub(super) fn elements(&self, findings: &mut Findings) -> Option<Vec<&'a str>> {
        if !self.raw.starts_with('[') {
            self.wrong(findings, "a list");
            return None;
        }
        self.taken_apart::<Elements<'a>>(findings).map(|elements| elements.0)
    }

    pub(super) fn members(&self, findings: &mut Findings) -> Option<Members<'a>> {
        if !self.raw.starts_with('{') {
            self.wrong(findings, "an object");
            return None;
        }
        self.taken_apart(findings)
    }

    fn taken_apart<T: Deserialize<'a>>(&self, findings: &mut Findings) -> Option<T> {
        match serde_json::from_str(self.raw) {
            Ok(parts) => Some(parts),
            Err(error) if error.is_data() => {
                findings.add(Code::LimitExceeded, &self.at, without_place(&error));
                None
            }
            Err(_) => {
                let detail = "a member's name has an escape that is no Unicode character";
                findings.add(Code::InvalidValue, &self.at, detail);
                None
            }
        }
    }

    /// A list of names; with `or_one`, also a single name.
    pub(super) fn names(&self, rule: Rule, or_one: bool, max: usize, findings: &mut Findings) -> Vec<Cow<'a, str>> {
        if or_one && self.raw.starts_with('"') {
            return self.name(rule, findings).into_iter().collect();
        }
        let Some(elements) = self.elements(findings) else { return Vec::new() };
        if elements.len() > max {
            findings.add(
                Code::LimitExceeded,
                &self.at,
                format!("{} entries exceed the limit of {max}", elements.len()),
            );
            return Vec::new();
        }
        let each = elements.into_iter().enumerate();
        each.filter_map(|(index, raw)| Value { raw, at: self.at.index(index) }.name(rule, findings)).collect()
    }
}

/// Checks a name against its rule.
pub(super) fn check_name(text: &str, rule: Rule) -> Result<(), (Code, String)> {
    let invalid = |detail: String| Err((Code::InvalidValue, detail));
    let shown = || text.chars().take(60).flat_map(char::escape_debug).collect::<String>();
    let max = if rule == Rule::Name { NAME_CHARS_MAX } else { ID_CHARS_MAX };
    if text.is_empty() {
        return invalid("it must not be empty".to_owned());
    }
    if text.len() > max {
        let count = text.chars().count();
        if count > max {
            return Err((Code::LimitExceeded, format!("{count} characters exceed the limit of {max}")));
        }
    }
    if rule == Rule::Name {
        if text.chars().any(char::is_control) {
            return invalid(format!("`{}` has a control character", shown()));
        }
        return Ok(());
    }
    let bytes = text.as_bytes();
    let legal = bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    if !legal {
        return invalid(format!("`{}` is not an id: letters, digits, `.`, `_`, `-`, a letter or digit first", shown()));
    }
    if rule == Rule::FreshId && Key::parse(text).is_some() {
        return invalid(format!("`{text}` has the form of a server-made id, which is reserved"));
    }
    Ok(())
}
