//! The macros over the items of a list or the keys of a map.

use std::rc::Rc;

use super::{Evaluated, Evaluation, ITEM_BYTES};
use crate::fault::Fault;
use crate::function::Macro;
use crate::syntax::{Each, Node};
use crate::value::{List, Value};

impl<'a> Evaluation<'a, '_> {
    pub(super) fn each(&mut self, each: &'a Each, over: Value<'a>) -> Evaluated<'a> {
        let list = match over {
            Value::List(list) => list,
            Value::Map(map) => {
                self.meter.make(map.len() * ITEM_BYTES)?;
                for key in map.keys() {
                    self.meter.make(key.len())?;
                }
                List::Made(Rc::new(map.key_values()))
            }
            other => return Err(Fault::wrong(name(each.which), "a list or a map", other.of())),
        };
        match each.which {
            Macro::All => self.decide(&list, &each.body, false),
            Macro::Exists => self.decide(&list, &each.body, true),
            Macro::ExistsOne => self.exactly_one(&list, &each.body),
            Macro::Map | Macro::Filter => self.collect(&list, each),
        }
    }

    /// The value of a node while the macro's variable is an item.
    fn with(&mut self, item: Value<'a>, node: &'a Node) -> Evaluated<'a> {
        self.locals.push(item);
        let value = self.value(node);
        self.locals.pop();
        value
    }

    fn condition(&mut self, item: Value<'a>, node: &'a Node, which: Macro) -> Result<bool, Fault<'a>> {
        match self.with(item, node)? {
            Value::Bool(value) => Ok(value),
            other => Err(Fault::wrong(name(which), "a bool as condition", other.of()).at(node.start, node.end)),
        }
    }

    /// `exists` if `any`, else `all`; like `||` and `&&` over the items.
    fn decide(&mut self, list: &List<'a>, body: &'a Node, any: bool) -> Evaluated<'a> {
        let mut caught = None;
        for item in (0..list.len()).filter_map(|index| list.get(index)) {
            self.meter.take(1)?;
            match self.condition(item, body, if any { Macro::Exists } else { Macro::All }) {
                Ok(value) if value == any => return Ok(Value::Bool(any)),
                Ok(_) => {}
                Err(fault) if fault.is_final() => return Err(fault),
                Err(fault) => caught = caught.or(Some(fault)),
            }
        }
        caught.map_or(Ok(Value::Bool(!any)), Err)
    }

    fn exactly_one(&mut self, list: &List<'a>, body: &'a Node) -> Evaluated<'a> {
        let mut count = 0;
        for item in (0..list.len()).filter_map(|index| list.get(index)) {
            self.meter.take(1)?;
            count += u32::from(self.condition(item, body, Macro::ExistsOne)?);
        }
        Ok(Value::Bool(count == 1))
    }

    fn collect(&mut self, list: &List<'a>, each: &'a Each) -> Evaluated<'a> {
        let mut found = Vec::new();
        for item in (0..list.len()).filter_map(|index| list.get(index)) {
            self.meter.take(1)?;
            let value = if each.which == Macro::Filter {
                if !self.condition(item.clone(), &each.body, Macro::Filter)? {
                    continue;
                }
                item
            } else {
                if let Some(filter) = &each.filter
                    && !self.condition(item.clone(), filter, Macro::Map)?
                {
                    continue;
                }
                self.with(item, &each.body)?
            };
            self.meter.make(ITEM_BYTES)?;
            found.push(value);
        }
        Ok(Value::List(List::Made(Rc::new(found))))
    }
}

fn name(which: Macro) -> &'static str {
    match which {
        Macro::All => "all",
        Macro::Exists => "exists",
        Macro::ExistsOne => "exists_one",
        Macro::Map => "map",
        Macro::Filter => "filter",
    }
}
