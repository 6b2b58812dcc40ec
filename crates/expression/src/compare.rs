//! Equality and order.

use std::cmp::Ordering;

use crate::fault::{EvalErrorKind, Fault};
use crate::limits::VALUE_DEPTH_MAX;
use crate::meter::Meter;
use crate::value::{List, Map, Value};

/// Whether two values are equal. Values of different types differ, but numbers are equal if they are the same number.
pub(crate) fn equal<'a>(left: &Value<'a>, right: &Value<'a>, meter: &mut Meter) -> Result<bool, Fault<'a>> {
    equal_at(left, right, meter, 0)
}

fn equal_at<'a>(left: &Value<'a>, right: &Value<'a>, meter: &mut Meter, depth: u32) -> Result<bool, Fault<'a>> {
    meter.take(1)?;
    if depth > VALUE_DEPTH_MAX {
        return Err(Fault::told(EvalErrorKind::TooDeep));
    }
    Ok(match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::Double(left), Value::Double(right)) => left == right,
        (Value::Int(left), Value::Double(right)) | (Value::Double(right), Value::Int(left)) => {
            int_with_double(*left, *right) == Ordering::Equal
        }
        (Value::Type(left), Value::Type(right)) => left == right,
        (Value::Text(left), Value::Text(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            meter.read(left.len().min(right.len()))?;
            left == right
        }
        (Value::List(left), Value::List(right)) => lists_equal(left, right, meter, depth + 1)?,
        (Value::Map(left), Value::Map(right)) => maps_equal(left, right, meter, depth + 1)?,
        _ => false,
    })
}

fn lists_equal<'a>(left: &List<'a>, right: &List<'a>, meter: &mut Meter, depth: u32) -> Result<bool, Fault<'a>> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for index in 0..left.len() {
        let (Some(left), Some(right)) = (left.get(index), right.get(index)) else { return Ok(false) };
        if !equal_at(&left, &right, meter, depth)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn maps_equal<'a>(left: &Map<'a>, right: &Map<'a>, meter: &mut Meter, depth: u32) -> Result<bool, Fault<'a>> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for key in left.keys() {
        meter.read(key.len())?;
        let (Some(left), Some(right)) = (left.get(key), right.get(key)) else { return Ok(false) };
        if !equal_at(&left, &right, meter, depth)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The order of two numbers, two texts or two bools; none for anything else.
pub(crate) fn order<'a>(left: &Value<'a>, right: &Value<'a>, meter: &mut Meter) -> Result<Option<Ordering>, Fault<'a>> {
    Ok(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Double(right)) => Some(int_with_double(*left, *right)),
        (Value::Double(left), Value::Int(right)) => Some(int_with_double(*right, *left).reverse()),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            meter.read(left.len().min(right.len()))?;
            Some(left.cmp(right))
        }
        _ => None,
    })
}

/// The exact order of an integer and a finite double: above 2^53 a conversion of the integer would round.
fn int_with_double(int: i64, double: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double >= BEYOND {
        return Ordering::Less;
    }
    if double < -BEYOND {
        return Ordering::Greater;
    }
    let whole = double.trunc();
    // `whole` lies in [-2^63, 2^63), so it is an i64.
    int.cmp(&(whole as i64)).then_with(|| whole.partial_cmp(&double).unwrap_or(Ordering::Equal))
}
