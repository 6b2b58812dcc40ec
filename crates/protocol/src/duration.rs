//! Durations on the wire: a number of seconds, or text like `90s`, `5m`, `1h30m`, `500ms`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time in whole milliseconds. Written as a number of seconds, read from seconds or text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireDuration {
    ms: u64,
}

/// Why a value is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADuration {
    /// Not of a known form.
    #[error("`{0}` is not a duration")]
    Form(String),
    /// Below zero.
    #[error("`{0}` is negative")]
    Negative(String),
    /// Not a finite number of milliseconds below 2^63.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

/// How a duration may be written, for hints.
pub const FORMS: &str = "a number of seconds, or text like \"90s\", \"5m\", \"1h30m\", \"500ms\"";

impl WireDuration {
    /// This many milliseconds.
    pub const fn from_ms(ms: u64) -> Self {
        Self { ms }
    }

    /// Milliseconds.
    pub const fn ms(self) -> u64 {
        self.ms
    }

    /// Seconds.
    pub fn seconds(self) -> f64 {
        self.ms as f64 / 1_000.0
    }

    /// This many seconds, rounded to milliseconds.
    ///
    /// # Errors
    /// Negative, not a number, or too large.
    pub fn from_seconds(seconds: f64) -> Result<Self, NotADuration> {
        if seconds < 0.0 {
            return Err(NotADuration::Negative(seconds.to_string()));
        }
        let ms = (seconds * 1_000.0).round();
        if ms.is_nan() || ms >= i64::MAX as f64 {
            return Err(NotADuration::TooLarge(seconds.to_string()));
        }
        Ok(Self { ms: ms as u64 })
    }
}

/// Reads `1h30m`, `90s`, `500ms`, `1.5h`, `2d`, or a plain number of seconds. Units `w d h m s ms`, each at most once,
/// larger ones first.
///
/// # Errors
/// Any other text.
pub fn parse(text: &str) -> Result<WireDuration, NotADuration> {
    let form = || NotADuration::Form(text.to_owned());
    if let Some(rest) = text.strip_prefix('-') {
        return Err(if parse(rest).is_ok() { NotADuration::Negative(text.to_owned()) } else { form() });
    }
    if let Some(seconds) = decimal(text) {
        return WireDuration::from_seconds(seconds).map_err(|_| NotADuration::TooLarge(text.to_owned()));
    }
    let mut rest = text;
    let mut seconds = 0.0;
    let mut smallest = f64::INFINITY;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(form)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit = unit_seconds(unit).filter(|unit| *unit < smallest).ok_or_else(form)?;
        seconds += decimal(number).ok_or_else(form)? * unit;
        smallest = unit;
        rest = tail;
    }
    if smallest.is_infinite() {
        return Err(form());
    }
    WireDuration::from_seconds(seconds).map_err(|_| NotADuration::TooLarge(text.to_owned()))
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "w" => 604_800.0,
        "d" => 86_400.0,
        "h" => 3_600.0,
        "m" | "min" => 60.0,
        "s" => 1.0,
        "ms" => 0.001,
        _ => return None,
    })
}

/// Digits with at most one point; no sign, exponent or special value.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    if plain && starts && !text.ends_with('.') { text.parse().ok() } else { None }
}

impl fmt::Display for WireDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ms == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.ms;
        for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")] {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

impl Serialize for WireDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.ms.is_multiple_of(1_000) {
            serializer.serialize_u64(self.ms / 1_000)
        } else {
            serializer.serialize_f64(self.seconds())
        }
    }
}

impl<'de> Deserialize<'de> for WireDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;
        impl Visitor<'_> for Reads {
            type Value = WireDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(FORMS)
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<WireDuration, E> {
                seconds
                    .checked_mul(1_000)
                    .filter(|ms| *ms < i64::MAX as u64)
                    .map(WireDuration::from_ms)
                    .ok_or_else(|| E::custom(NotADuration::TooLarge(seconds.to_string())))
            }

            fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<WireDuration, E> {
                let seconds = u64::try_from(seconds);
                seconds
                    .map_err(|_| E::custom("a duration cannot be negative"))
                    .and_then(|seconds| self.visit_u64(seconds))
            }

            fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<WireDuration, E> {
                WireDuration::from_seconds(seconds).map_err(E::custom)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<WireDuration, E> {
                parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Reads).map_err(D::Error::custom)
    }
}

impl JsonSchema for WireDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": FORMS,
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(w|d|h|min|m|s|ms)?)+$"}],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_usual_spellings_are_read() {
        for (text, ms) in [
            ("90s", 90_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1.5h", 5_400_000),
            ("2d", 172_800_000),
            ("60", 60_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(WireDuration::from_ms(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "soon",
            "5 m",
            "m5",
            "5x",
            "1m1h",
            "1m1m",
            "1..5s",
            "1e3",
            "-5s",
            "NaN",
            "inf",
            "h",
            ".",
            "5.",
            "٣s",
            "99999999999999999999",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("-5s"), Err(NotADuration::Negative("-5s".to_owned())));
        assert!(WireDuration::from_seconds(f64::NAN).is_err());
        assert!(WireDuration::from_seconds(f64::INFINITY).is_err());
    }

    proptest! {
        #[test]
        fn every_duration_reads_back(ms in 0..10_u64.pow(15)) {
            let duration = WireDuration::from_ms(ms);
            prop_assert_eq!(parse(&duration.to_string()), Ok(duration));
            let json = serde_json::to_string(&duration).expect("serializes");
            prop_assert_eq!(serde_json::from_str::<WireDuration>(&json).expect("reads"), duration);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
