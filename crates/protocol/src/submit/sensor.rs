//! Sensors: an `http` or shell task that runs again until something holds (`until` and `every`).

use mainspring_core::limits::DELAY_MS_MAX;
use mainspring_expression::{Condition, Scope};

use crate::problem::Code;
use crate::submit::body::Writer;
use crate::submit::fields::Field;
use crate::submit::read::Findings;
use crate::submit::task::Source;

/// What a condition of a sensor may name: what its attempt returned.
pub const UNTIL_SCOPE: Scope<'static> =
    Scope { tasks: None, params: Some(&[]), item: false, schedule: false, secrets: false, output: true };
/// The time between two attempts if it is not said, in seconds.
const EVERY_DEFAULT: f64 = 60.0;

/// Reads `until` and `every`; the worker evaluates them.
pub(super) fn read(source: &Source<'_, '_>, body: &mut Writer, findings: &mut Findings) {
    let has = |field| source.fields.has(field);
    if !has(Field::Until) {
        source.read(Field::Every, |value| {
            findings.add(
                Code::MissingField,
                &value.at,
                "`every` goes with `until`, the condition that ends the waiting",
            );
        });
        return;
    }
    let runs = has(Field::Command) || has(Field::Run) || has(Field::Http);
    source.read(Field::Until, |value| {
        let Some(text) = value.text(findings) else { return };
        match Condition::compile(&text, &UNTIL_SCOPE) {
            Ok(_) if runs => body.json("until", &text),
            Ok(_) => {
                let detail = "`until` goes with `command`, `run` or `http`";
                findings.add_with_hint(
                    Code::InvalidValue,
                    &value.at,
                    detail,
                    "a handler of your own answers `snoozed` with `retryAfter`",
                );
            }
            Err(error) => super::invalid_expression(&value.at, &error, findings),
        }
    });
    let mut every = EVERY_DEFAULT;
    source.read(Field::Every, |value| {
        let Some(length) = value.duration(DELAY_MS_MAX, findings) else { return };
        if length.ms() == 0 {
            findings.add(Code::InvalidValue, &value.at, "the time between two attempts must be longer than 0");
        }
        every = length.ms() as f64 / 1_000.0;
    });
    body.json("every", &every);
}
