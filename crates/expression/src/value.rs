//! Values while they are computed. What comes from the context is lent, never copied.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map as JsonMap, Value as Json};

/// A value of the language.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Always finite.
    Double(f64),
    Text(Text<'a>),
    List(List<'a>),
    Map(Map<'a>),
    Type(Type),
}

#[derive(Clone, Debug)]
pub(crate) enum Text<'a> {
    Lent(&'a str),
    Made(Rc<str>),
}

#[derive(Clone, Debug)]
pub(crate) enum List<'a> {
    Lent(&'a [Json]),
    Made(Rc<Vec<Value<'a>>>),
}

#[derive(Clone, Debug)]
pub(crate) enum Map<'a> {
    Lent(&'a JsonMap<String, Json>),
    Made(Rc<BTreeMap<String, Value<'a>>>),
}

/// What `type(x)` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Null,
    Bool,
    Int,
    Double,
    Text,
    List,
    Map,
    /// The type of types.
    Meta,
}

const TYPES: [(&str, Type); 8] = [
    ("null_type", Type::Null),
    ("bool", Type::Bool),
    ("int", Type::Int),
    ("double", Type::Double),
    ("string", Type::Text),
    ("list", Type::List),
    ("map", Type::Map),
    ("type", Type::Meta),
];

impl Type {
    pub(crate) fn named(name: &str) -> Option<Self> {
        TYPES.into_iter().find(|(of, _)| *of == name).map(|(_, of)| of)
    }

    pub(crate) fn name(self) -> &'static str {
        TYPES.into_iter().find(|(_, of)| *of == self).map_or("type", |(name, _)| name)
    }

    /// With its article, for messages.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a bool",
            Self::Int => "an int",
            Self::Double => "a double",
            Self::Text => "a string",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Meta => "a type",
        }
    }
}

impl<'a> Value<'a> {
    /// A view of a JSON value. Numbers that fit into 64 bits are integers; all others are doubles.
    pub(crate) fn lent(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => Self::Int(value),
                None => number.as_f64().filter(|value| value.is_finite()).map_or(Self::Null, Self::Double),
            },
            Json::String(text) => Self::Text(Text::Lent(text)),
            Json::Array(items) => Self::List(List::Lent(items)),
            Json::Object(entries) => Self::Map(Map::Lent(entries)),
        }
    }

    pub(crate) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    pub(crate) fn of(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Double(_) => Type::Double,
            Self::Text(_) => Type::Text,
            Self::List(_) => Type::List,
            Self::Map(_) => Type::Map,
            Self::Type(_) => Type::Meta,
        }
    }
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Lent(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl<'a> List<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Lent(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Lent(items) => items.get(index).map(Value::lent),
            Self::Made(items) => items.get(index).cloned(),
        }
    }
}

impl<'a> Map<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Lent(entries) => entries.len(),
            Self::Made(entries) => entries.len(),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Value<'a>> {
        match self {
            Self::Lent(entries) => entries.get(key).map(Value::lent),
            Self::Made(entries) => entries.get(key).cloned(),
        }
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        match self {
            Self::Lent(entries) => entries.contains_key(key),
            Self::Made(entries) => entries.contains_key(key),
        }
    }

    pub(crate) fn keys(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Lent(entries) => Box::new(entries.keys().map(String::as_str)),
            Self::Made(entries) => Box::new(entries.keys().map(String::as_str)),
        }
    }

    /// The keys as values, in order.
    pub(crate) fn key_values(&self) -> Vec<Value<'a>> {
        match self {
            Self::Lent(entries) => entries.keys().map(|key| Value::Text(Text::Lent(key))).collect(),
            Self::Made(entries) => entries.keys().map(|key| Value::text(key.as_str())).collect(),
        }
    }
}

/// A double as text: the shortest that reads back as the same number.
pub(crate) fn double_text(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-7..1e21).contains(&size) { format!("{value}") } else { format!("{value:e}") }
}

/// A value that is no list and no map as text; null is empty.
pub(crate) fn scalar_text<'v>(value: &'v Value<'_>) -> Option<Cow<'v, str>> {
    Some(match value {
        Value::Null => "".into(),
        Value::Bool(value) => if *value { "true" } else { "false" }.into(),
        Value::Int(value) => value.to_string().into(),
        Value::Double(value) => double_text(*value).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Type(of) => of.name().into(),
        Value::List(_) | Value::Map(_) => return None,
    })
}
