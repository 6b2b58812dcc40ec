//! Queues, limits, loans and workers as they are stored: a field and a word each.

use mainspring_core::loan::{LoanKind, LoanName, LoanRow};
use mainspring_core::permit::{LimitRow, LimitScope};
use mainspring_core::row::{Directive, QueueRow, WorkerRow};
use mainspring_store::record::{Unreadable, decode_limits};

const DIRECTIVES: [Directive; 3] = [Directive::Run, Directive::Pause, Directive::Drain];

pub(crate) fn encode_queue(row: &QueueRow) -> &'static [u8] {
    if row.paused { b"paused" } else { b"open" }
}

pub(crate) fn decode_queue((name, word): (Vec<u8>, Vec<u8>)) -> QueueRow {
    QueueRow { name: String::from_utf8_lossy(&name).into(), paused: word == b"paused" }
}

/// The field of limits: `scope:name`.
pub(crate) fn limits_field(row: &LimitRow) -> String {
    format!("{}:{}", row.scope.word(), row.name)
}

pub(crate) fn decode_limit((field, text): (Vec<u8>, Vec<u8>)) -> Result<LimitRow, Unreadable> {
    let field = String::from_utf8_lossy(&field);
    let (scope, name) = field.split_once(':').ok_or(Unreadable("name of limits"))?;
    let scope = LimitScope::from_word(scope).ok_or(Unreadable("scope of limits"))?;
    Ok(LimitRow { scope, name: name.into(), limits: decode_limits(&String::from_utf8_lossy(&text))? })
}

/// The field of what is lent or borrowed: `scope:kind:peer:name`; its record: `given:returned`.
pub(crate) fn loan_field(row: &LoanRow) -> String {
    format!("{}:{}:{}:{}", row.of.scope.word(), row.of.kind as u8, row.peer, row.of.name)
}

pub(crate) fn encode_loan(row: &LoanRow) -> String {
    format!("{}:{}", row.given, row.returned)
}

pub(crate) fn decode_loan((field, text): (Vec<u8>, Vec<u8>)) -> Result<LoanRow, Unreadable> {
    read_loan(&String::from_utf8_lossy(&field), &String::from_utf8_lossy(&text)).ok_or(Unreadable("row of a loan"))
}

fn read_loan(field: &str, text: &str) -> Option<LoanRow> {
    let mut parts = field.splitn(4, ':');
    let scope = LimitScope::from_word(parts.next()?)?;
    let kind = *LoanKind::ALL.get(parts.next()?.parse::<usize>().ok()?)?;
    let (peer, name) = (parts.next()?.parse().ok()?, parts.next()?.into());
    let (given, returned) = text.split_once(':')?;
    let of = LoanName { scope, name, kind };
    Some(LoanRow { of, peer, given: given.parse().ok()?, returned: returned.parse().ok()? })
}

pub(crate) fn encode_worker(row: &WorkerRow) -> [u8; 1] {
    [b'0' + row.directive as u8]
}

pub(crate) fn decode_worker((name, directive): (Vec<u8>, Vec<u8>)) -> Result<WorkerRow, Unreadable> {
    let number = directive.first().and_then(|digit| digit.checked_sub(b'0'));
    let directive = number.and_then(|number| DIRECTIVES.get(usize::from(number)));
    let directive = *directive.ok_or(Unreadable("directive of a worker"))?;
    Ok(WorkerRow { worker: String::from_utf8_lossy(&name).into(), directive })
}
