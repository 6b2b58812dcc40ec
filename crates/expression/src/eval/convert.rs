//! From one type to another, only where it is asked for.

use super::{Evaluated, operate};
use crate::fault::{EvalErrorKind, Fault};
use crate::function::Function;
use crate::json::{Room, owned, to_json};
use crate::limits::RESULT_BYTES_MAX;
use crate::meter::Meter;
use crate::nearest::clip;
use crate::value::{Text, Value, scalar_text};

pub(super) fn convert<'a>(function: Function, value: Value<'a>, meter: &mut Meter) -> Evaluated<'a> {
    match (function, value) {
        (Function::Int, value) => int(value),
        (Function::Double, value) => double(value),
        (Function::Bool, Value::Bool(value)) => Ok(Value::Bool(value)),
        (Function::Bool, Value::Text(text)) => match text.as_str() {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Bool(false)),
            _ => Err(unreadable("bool", &text)),
        },
        (Function::Bool, other) => Err(Fault::wrong("bool", "a bool or a string", other.of())),
        (_, Value::Text(text)) => Ok(Value::Text(text)),
        (_, Value::Null) => Err(Fault::wrong("string", "a number, a bool, a type or a string", Value::Null.of())),
        (_, value) => match scalar_text(&value) {
            Some(text) => {
                meter.make(text.len())?;
                Ok(Value::text(text.as_ref()))
            }
            None => Err(Fault::wrong("string", "a number, a bool, a type or a string", value.of())),
        },
    }
}

fn int(value: Value<'_>) -> Evaluated<'_> {
    match value {
        Value::Int(value) => Ok(Value::Int(value)),
        // Both bounds are exact doubles; the upper one is already too large.
        Value::Double(value) if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) => {
            Ok(Value::Int(value as i64))
        }
        Value::Double(_) => Err(Fault::told(EvalErrorKind::Overflow("int"))),
        Value::Text(text) => match text.as_str().parse() {
            Ok(value) => Ok(Value::Int(value)),
            Err(_) => Err(unreadable("int", &text)),
        },
        other => Err(Fault::wrong("int", "a number or a string", other.of())),
    }
}

fn double(value: Value<'_>) -> Evaluated<'_> {
    match value {
        Value::Double(value) => Ok(Value::Double(value)),
        Value::Int(value) => Ok(Value::Double(value as f64)),
        // No number needs more; and parsing takes time that nobody counts.
        Value::Text(text) if text.as_str().len() <= 64 => match text.as_str().parse() {
            Ok(value) => operate::finite(value, "double"),
            Err(_) => Err(unreadable("double", &text)),
        },
        Value::Text(text) => Err(unreadable("double", &text)),
        other => Err(Fault::wrong("double", "a number or a string", other.of())),
    }
}

fn unreadable<'a>(function: &'static str, text: &Text<'a>) -> Fault<'a> {
    Fault::told(EvalErrorKind::Unreadable { function, text: clip(text.as_str()) })
}

/// The compact JSON of a value, as a text.
pub(super) fn json<'a>(value: &Value<'a>, meter: &mut Meter) -> Evaluated<'a> {
    let json = to_json(value, &mut Room::new(RESULT_BYTES_MAX), meter)?.to_string();
    meter.make(json.len())?;
    Ok(Value::text(json))
}

/// A value from a text of JSON.
pub(super) fn parse_json<'a>(text: &Text<'a>, meter: &mut Meter) -> Evaluated<'a> {
    let written = text.as_str();
    if written.len() > RESULT_BYTES_MAX {
        return Err(Fault::told(EvalErrorKind::ResultTooLarge { limit: RESULT_BYTES_MAX }));
    }
    // What the parser makes on the way takes time too; what remains of it is counted value by value.
    meter.take((written.len() / 8) as u64)?;
    let json = serde_json::from_str(written).map_err(|_| unreadable("parseJson", text))?;
    owned(json, meter, 0)
}
