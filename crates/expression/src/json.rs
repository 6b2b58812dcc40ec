//! From values to JSON and back, within bounds that are checked before anything is copied.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Number, Value as Json};

use crate::fault::{EvalErrorKind, Fault};
use crate::limits::VALUE_DEPTH_MAX;
use crate::meter::Meter;
use crate::value::{List, Map, Value};

/// What a value may still measure as compact JSON.
pub(crate) struct Room {
    limit: usize,
    left: usize,
}

impl Room {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    pub(crate) fn used(&self) -> usize {
        self.limit - self.left
    }

    pub(crate) fn take<'a>(&mut self, bytes: usize) -> Result<(), Fault<'a>> {
        let too_large = || Fault::told(EvalErrorKind::ResultTooLarge { limit: self.limit });
        self.left = self.left.checked_sub(bytes).ok_or_else(too_large)?;
        Ok(())
    }

    /// A string with its quotes, as `serde_json` escapes it.
    pub(crate) fn take_text<'a>(&mut self, text: &str) -> Result<(), Fault<'a>> {
        self.take(text.len() + 2)?;
        let escapes = text.bytes().map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
            0..=0x1f => 5,
            _ => 0,
        });
        self.take(escapes.sum())
    }

    /// A whole JSON value.
    pub(crate) fn take_json<'a>(&mut self, json: &Json) -> Result<(), Fault<'a>> {
        match json {
            Json::String(text) => self.take_text(text),
            Json::Array(items) => {
                self.take(2 + items.len().saturating_sub(1))?;
                items.iter().try_for_each(|item| self.take_json(item))
            }
            Json::Object(entries) => {
                self.take(2 + (entries.len() * 2).saturating_sub(1))?;
                entries.iter().try_for_each(|(key, value)| {
                    self.take_text(key)?;
                    self.take_json(value)
                })
            }
            scalar => self.take(scalar_len(scalar)),
        }
    }
}

/// The JSON of a value.
pub(crate) fn to_json<'a>(value: &Value<'a>, room: &mut Room, meter: &mut Meter) -> Result<Json, Fault<'a>> {
    made(value, room, meter, 0)
}

fn made<'a>(value: &Value<'a>, room: &mut Room, meter: &mut Meter, depth: u32) -> Result<Json, Fault<'a>> {
    meter.take(1)?;
    if depth > VALUE_DEPTH_MAX {
        return Err(Fault::told(EvalErrorKind::TooDeep));
    }
    let json = match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::Number((*value).into()),
        Value::Double(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
        Value::Type(of) => Json::String(of.name().to_owned()),
        Value::Text(text) => {
            room.take_text(text.as_str())?;
            meter.read(text.as_str().len())?;
            return Ok(Json::String(text.as_str().to_owned()));
        }
        Value::List(list) => {
            room.take(2 + list.len().saturating_sub(1))?;
            let items = (0..list.len()).filter_map(|index| list.get(index));
            return items.map(|item| made(&item, room, meter, depth + 1)).collect::<Result<_, _>>().map(Json::Array);
        }
        Value::Map(map) => {
            room.take(2 + (map.len() * 2).saturating_sub(1))?;
            let mut entries = serde_json::Map::new();
            for key in map.keys() {
                room.take_text(key)?;
                meter.read(key.len())?;
                let Some(value) = map.get(key) else { continue };
                entries.insert(key.to_owned(), made(&value, room, meter, depth + 1)?);
            }
            return Ok(Json::Object(entries));
        }
    };
    room.take(scalar_len(&json))?;
    Ok(json)
}

fn scalar_len(json: &Json) -> usize {
    match json {
        Json::Null | Json::Bool(true) => 4,
        Json::Bool(false) => 5,
        Json::String(text) => text.len() + 2,
        other => other.to_string().len(),
    }
}

/// A value of its own from JSON that nobody lends.
pub(crate) fn owned<'a>(json: Json, meter: &mut Meter, depth: u32) -> Result<Value<'a>, Fault<'a>> {
    meter.make(size_of::<Value<'_>>())?;
    if depth > VALUE_DEPTH_MAX {
        return Err(Fault::told(EvalErrorKind::TooDeep));
    }
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => number.as_f64().filter(|value| value.is_finite()).map_or(Value::Null, Value::Double),
        },
        Json::String(text) => {
            meter.make(text.len())?;
            Value::text(text)
        }
        Json::Array(items) => {
            let items: Result<Vec<_>, _> = items.into_iter().map(|item| owned(item, meter, depth + 1)).collect();
            Value::List(List::Made(Rc::new(items?)))
        }
        Json::Object(entries) => {
            let mut map = BTreeMap::new();
            for (key, value) in entries {
                meter.make(key.len() + 64)?;
                map.insert(key, owned(value, meter, depth + 1)?);
            }
            Value::Map(Map::Made(Rc::new(map)))
        }
    })
}
