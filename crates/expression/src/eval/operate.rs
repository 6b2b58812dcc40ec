//! Operators. Integers stay integers, doubles stay doubles; what does not fit is an error with the place of the operator.

use std::cmp::Ordering;
use std::rc::Rc;

use super::{Evaluated, Evaluation, ITEM_BYTES};
use crate::compare::{equal, order};
use crate::fault::{EvalErrorKind, Fault, FaultKind};
use crate::meter::Meter;
use crate::syntax::{Node, Operator};
use crate::value::{List, Value};

impl<'a> Evaluation<'a, '_> {
    pub(super) fn chain(
        &mut self,
        node: &'a Node,
        first: &'a Node,
        rest: &'a [(Operator, u32, Node)],
    ) -> Evaluated<'a> {
        let mut left = self.value(first)?;
        for (operator, at, right) in rest {
            self.meter.take(1)?;
            let right = self.value(right)?;
            left = apply(*operator, &left, &right, self.meter).map_err(|fault| fault.at(*at, node.end))?;
        }
        Ok(left)
    }
}

fn apply<'a>(operator: Operator, left: &Value<'a>, right: &Value<'a>, meter: &mut Meter) -> Evaluated<'a> {
    let wished = |wish: fn(Ordering) -> bool, meter: &mut Meter| match order(left, right, meter)? {
        Some(order) => Ok(Value::Bool(wish(order))),
        None => Err(unfit(operator, "two numbers, strings or bools", left, right)),
    };
    match operator {
        Operator::Equal => Ok(Value::Bool(equal(left, right, meter)?)),
        Operator::NotEqual => Ok(Value::Bool(!equal(left, right, meter)?)),
        Operator::Less => wished(Ordering::is_lt, meter),
        Operator::LessOrEqual => wished(Ordering::is_le, meter),
        Operator::Greater => wished(Ordering::is_gt, meter),
        Operator::GreaterOrEqual => wished(Ordering::is_ge, meter),
        Operator::In => contains(left, right, meter),
        Operator::Add => add(left, right, meter),
        _ => arithmetic(operator, left, right),
    }
}

fn unfit<'a>(operator: Operator, expected: &'static str, left: &Value<'a>, right: &Value<'a>) -> Fault<'a> {
    let (operation, found, other) = (operator.symbol(), left.of(), Some(right.of()));
    Fault::here(FaultKind::WrongType { operation, expected, found, other })
}

fn contains<'a>(left: &Value<'a>, right: &Value<'a>, meter: &mut Meter) -> Evaluated<'a> {
    match (left, right) {
        (_, Value::List(list)) => {
            for item in (0..list.len()).filter_map(|index| list.get(index)) {
                if equal(left, &item, meter)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        (Value::Text(key), Value::Map(map)) => Ok(Value::Bool(map.contains(key.as_str()))),
        _ => Err(unfit(Operator::In, "something and a list, or a string and a map", left, right)),
    }
}

fn add<'a>(left: &Value<'a>, right: &Value<'a>, meter: &mut Meter) -> Evaluated<'a> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            meter.make(left.len() + right.len())?;
            Ok(Value::text([left, right].concat()))
        }
        (Value::List(left), Value::List(right)) => {
            meter.make((left.len() + right.len()) * ITEM_BYTES)?;
            let items = (0..left.len()).filter_map(|index| left.get(index));
            let items = items.chain((0..right.len()).filter_map(|index| right.get(index)));
            Ok(Value::List(List::Made(Rc::new(items.collect()))))
        }
        (Value::Int(_), Value::Int(_)) | (Value::Double(_), Value::Double(_)) => arithmetic(Operator::Add, left, right),
        _ => Err(unfit(Operator::Add, "two ints, doubles, strings or lists", left, right)),
    }
}

fn arithmetic<'a>(operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Evaluated<'a> {
    let symbol = operator.symbol();
    match (left, right) {
        (Value::Int(_), Value::Int(0)) if matches!(operator, Operator::Divide | Operator::Remainder) => {
            Err(Fault::told(EvalErrorKind::DivisionByZero(symbol)))
        }
        (Value::Int(left), Value::Int(right)) => match operator {
            Operator::Add => left.checked_add(*right),
            Operator::Subtract => left.checked_sub(*right),
            Operator::Multiply => left.checked_mul(*right),
            Operator::Divide => left.checked_div(*right),
            _ => left.checked_rem(*right),
        }
        .map(Value::Int)
        .ok_or_else(|| Fault::told(EvalErrorKind::Overflow(symbol))),
        (Value::Double(_), Value::Double(0.0)) if operator == Operator::Divide => {
            Err(Fault::told(EvalErrorKind::DivisionByZero(symbol)))
        }
        (Value::Double(left), Value::Double(right)) if operator != Operator::Remainder => {
            let result = match operator {
                Operator::Add => left + right,
                Operator::Subtract => left - right,
                Operator::Multiply => left * right,
                _ => left / right,
            };
            finite(result, symbol)
        }
        _ if operator == Operator::Remainder => Err(unfit(operator, "two ints", left, right)),
        _ => Err(unfit(operator, "two ints or two doubles", left, right)),
    }
}

pub(super) fn finite<'a>(value: f64, operation: &'static str) -> Evaluated<'a> {
    if value.is_finite() { Ok(Value::Double(value)) } else { Err(Fault::told(EvalErrorKind::NotFinite(operation))) }
}

pub(super) fn negative<'a>(value: &Value<'a>) -> Evaluated<'a> {
    match value {
        Value::Int(value) => {
            value.checked_neg().map(Value::Int).ok_or_else(|| Fault::told(EvalErrorKind::Overflow("-")))
        }
        Value::Double(value) => Ok(Value::Double(-value)),
        other => Err(Fault::wrong("-", "a number", other.of())),
    }
}
