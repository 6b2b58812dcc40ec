//! A document as a tree whose nodes know their place.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// A value and where it stands in the text.
#[derive(Clone, Debug)]
pub struct Node {
    place: Place,
    pub(super) kind: Kind,
}

/// Where a value or a member's name stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// From 1.
    pub(super) line: u64,
    /// In characters, from 1.
    pub(super) column: u64,
    /// Where the value is written, as a range of bytes; an alias stands elsewhere than its value.
    pub(super) written: (usize, usize),
}

/// Which part of a member a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its name.
    Name,
    /// Its value.
    Value,
}

/// A member of a map.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Null,
    /// A boolean or a number, as JSON text.
    Plain(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Member>),
}

impl<T> From<&Spanned<T>> for Place {
    fn from(spanned: &Spanned<T>) -> Self {
        let span = spanned.defined.span();
        let bytes = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
        let start = bytes(span.byte_offset());
        let written = (start, start.saturating_add(bytes(span.byte_len())));
        Self { line: spanned.referenced.line(), column: spanned.referenced.column(), written }
    }
}

impl From<Spanned<Kind>> for Node {
    fn from(spanned: Spanned<Kind>) -> Self {
        Self { place: Place::from(&spanned), kind: spanned.value }
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
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            let node = map.next_value::<Spanned<Kind>>()?.into();
            members.push(Member { place: Place::from(&name), name: name.value, node });
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
        self.place.line
    }

    pub(super) fn place(&self) -> Place {
        self.place
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
        self.find(name).map(|member| &member.node)
    }

    fn find(&self, name: &str) -> Option<&Member> {
        match &self.kind {
            Kind::Map(members) => members.iter().find(|member| member.name == name),
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
                for (index, member) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(&member.name, out);
                    out.push(':');
                    member.node.write(out);
                }
                out.push('}');
            }
        }
    }

    /// Line and column of what a JSON pointer names, or of the nearest thing around it. `part`: of its name (if it is a
    /// member) or of its value.
    pub fn locate(&self, pointer: &str, part: Part) -> Option<(u64, u64)> {
        let mut node = self;
        let mut place = self.place;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match &node.kind {
                Kind::List(list) => step.parse().ok().and_then(|index: usize| list.get(index)).map(|next| (next, None)),
                _ => node.find(&step).map(|member| (&member.node, Some(member.place))),
            };
            let Some((next, name)) = next else {
                place = node.place;
                break;
            };
            place = name.filter(|_| part == Part::Name).unwrap_or(next.place);
            node = next;
        }
        (place.line > 0).then_some((place.line, place.column))
    }

    /// The text that a JSON pointer names.
    pub fn text_at(&self, pointer: &str) -> Option<&str> {
        let mut node = self;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            node = match &node.kind {
                Kind::List(list) => list.get(step.parse::<usize>().ok()?)?,
                _ => node.member(&step)?,
            };
        }
        match &node.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a text serializes"));
}
