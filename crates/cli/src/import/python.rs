//! Values as `source.py` prints them.

use serde_json::Value;

const UNITS: [(&str, f64); 7] = [
    ("days", 86_400.0),
    ("seconds", 1.0),
    ("microseconds", 1e-6),
    ("milliseconds", 1e-3),
    ("minutes", 60.0),
    ("hours", 3_600.0),
    ("weeks", 604_800.0),
];

/// The seconds of a call of `timedelta`.
pub(super) fn seconds(timedelta: &Value) -> Result<f64, String> {
    let by_name = timedelta["kwargs"].as_object().into_iter().flatten();
    let by_name = by_name.map(|(name, value)| (UNITS.iter().find(|unit| unit.0 == name), value));
    let by_place =
        timedelta["args"].as_array().into_iter().flatten().zip(&UNITS).map(|(value, unit)| (Some(unit), value));
    by_name.chain(by_place).try_fold(0.0, |sum, (unit, value)| {
        let amount = unit.zip(value.as_f64()).map(|(unit, number)| unit.1 * number);
        amount.map(|amount| sum + amount).ok_or_else(|| "its timedelta is computed by the program".to_owned())
    })
}

/// A length of time as definitions write it.
pub(super) fn interval(seconds: f64) -> Result<String, String> {
    if seconds >= 1.0 && seconds.fract() == 0.0 {
        return Ok(format!("{seconds}s"));
    }
    Err(format!("an interval of {seconds} s has no equal here: whole seconds from 1"))
}
