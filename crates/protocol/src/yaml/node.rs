//! A document as a tree whose nodes know their place.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use crate::problem::{Code, ProblemItem};

/// A value and where it stands in the text.
#[derive(Clone, Debug)]
pub struct Node {
    line: u64,
    column: u64,
    kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Null,
    /// A boolean or a number, as JSON text.
    Plain(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl From<Spanned<Kind>> for Node {
    fn from(spanned: Spanned<Kind>) -> Self {
        let place = spanned.referenced;
        Self { line: place.line(), column: place.column(), kind: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reads)
    }
}

struct Reads;

impl<'de> Visitor<'de> for Reads {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Plain(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Plain(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Plain(value.to_string()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Kind, E> {
        Ok(Kind::Plain(value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Kind, E> {
        Ok(Kind::Plain(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Kind, E> {
        match serde_json::Number::from_f64(value) {
            Some(number) => Ok(Kind::Plain(number.to_string())),
            None => Err(E::custom("a number must be finite")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Kind, E> {
        Ok(Kind::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element::<Spanned<Kind>>()? {
            list.push(element.into());
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            members.push((name, map.next_value::<Spanned<Kind>>()?.into()));
        }
        Ok(Kind::Map(members))
    }
}

impl Node {
    /// Whether it is empty or `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The line it starts at, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The text of the member of this name, if this is a map that has it.
    pub fn member_text(&self, name: &str) -> Option<&str> {
        match self.member(name)?.kind {
            Kind::Text(ref text) => Some(text),
            _ => None,
        }
    }

    /// The member of this name, if this is a map that has it.
    pub fn member(&self, name: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(members) => members.iter().find(|(known, _)| known == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Compact JSON text.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match &self.kind {
            Kind::Null => out.push_str("null"),
            Kind::Plain(text) => out.push_str(text),
            Kind::Text(text) => write_text(text, out),
            Kind::List(list) => {
                out.push('[');
                for (index, node) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    node.write(out);
                }
                out.push(']');
            }
            Kind::Map(members) => {
                out.push('{');
                for (index, (name, node)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(name, out);
                    out.push(':');
                    node.write(out);
                }
                out.push('}');
            }
        }
    }

    /// Line and column of what a JSON pointer names, or of the nearest thing around it.
    pub fn locate(&self, pointer: &str) -> Option<(u64, u64)> {
        let mut node = self;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match &node.kind {
                Kind::Map(_) => node.member(&step),
                Kind::List(list) => step.parse().ok().and_then(|index: usize| list.get(index)),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        (node.line > 0).then_some((node.line, node.column))
    }

    /// Refuses plain `yes`, `no`, `on`, `off`: half of all readers take them for booleans.
    pub(super) fn find_old_booleans(&self, text: &str, items: &mut Vec<ProblemItem>) {
        let lines: Vec<&str> = if items.is_empty() { text.lines().collect() } else { Vec::new() };
        self.find_old_booleans_in(&lines, items);
    }

    fn find_old_booleans_in(&self, lines: &[&str], items: &mut Vec<ProblemItem>) {
        match &self.kind {
            Kind::Text(text) if is_old_boolean(text) => {
                let line = usize::try_from(self.line).unwrap_or(0).checked_sub(1).and_then(|line| lines.get(line));
                let column = usize::try_from(self.column).unwrap_or(0).saturating_sub(1);
                let quoted = line.and_then(|line| line.chars().nth(column)).is_none_or(|c| !c.is_ascii_alphabetic());
                if !quoted {
                    let detail = format!("`{text}` is a boolean in YAML 1.1 and a text in YAML 1.2");
                    let hint = format!("write `true` or `false`, or quote it: \"{text}\"");
                    let mut item = ProblemItem::new(Code::InvalidYaml, "", detail).with_hint(hint);
                    (item.line, item.column) = (Some(self.line), Some(self.column));
                    items.push(item);
                }
            }
            Kind::List(list) => list.iter().for_each(|node| node.find_old_booleans_in(lines, items)),
            Kind::Map(members) => members.iter().for_each(|(_, node)| node.find_old_booleans_in(lines, items)),
            _ => {}
        }
    }
}

fn is_old_boolean(text: &str) -> bool {
    ["yes", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a text serializes"));
}
