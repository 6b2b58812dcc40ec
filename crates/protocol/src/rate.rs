//! Rates on the wire: `{"limit": 100, "per": "1m", "burst": 20}`, or text like `100/1m`.

use std::borrow::Cow;

use mainspring_core::limits::{RATE_MAX, RATE_PERIOD_MS_MAX};
use mainspring_core::permit::Rate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::duration::{WireDuration, parse};

/// How a rate may be written, for hints.
pub const FORMS: &str = "`{\"limit\": 100, \"per\": \"1m\"}`, with `burst` if you like, or text like \"100/1m\"";

/// A rate that is valid: `limit` and `burst` from 1 to 1,000,000, `per` from 1 ms to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireRate(pub Rate);

/// Why a rate is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARate {
    /// Not of a known form.
    #[error("`{0}` is not a rate like `100/1m`")]
    Form(String),
    /// The limit or the burst is out of its range.
    #[error("`{0}` of a rate must be 1 to {RATE_MAX}, not {1}")]
    Number(&'static str, u64),
    /// The period is out of its range.
    #[error("`per` of a rate must be 1 ms to a day, not {0}")]
    Period(WireDuration),
}

/// A rate of these parts. `burst` is `limit` if it is not given.
///
/// # Errors
/// A part that is out of its range.
pub fn rate(limit: u64, per: WireDuration, burst: Option<u64>) -> Result<Rate, NotARate> {
    let number = |name, value: u64| match u32::try_from(value) {
        Ok(value) if (1..=RATE_MAX).contains(&value) => Ok(value),
        _ => Err(NotARate::Number(name, value)),
    };
    let (limit, burst) = (number("limit", limit)?, burst.map(|burst| number("burst", burst)).transpose()?);
    if !(1..=RATE_PERIOD_MS_MAX).contains(&per.ms()) {
        return Err(NotARate::Period(per));
    }
    Ok(Rate { limit, per_ms: per.ms(), burst: burst.unwrap_or(limit) })
}

/// Reads `100/1m`, or `100/m` for one of the unit.
///
/// # Errors
/// Any other text, and parts that are out of their range.
pub fn parse_rate(text: &str) -> Result<Rate, NotARate> {
    let form = || NotARate::Form(text.to_owned());
    let (limit, per) = text.split_once('/').ok_or_else(form)?;
    let limit = limit.trim().parse().map_err(|_| form())?;
    let per = per.trim();
    let per =
        if per.starts_with(|first: char| first.is_ascii_alphabetic()) { format!("1{per}") } else { per.to_owned() };
    rate(limit, parse(&per).map_err(|_| form())?, None)
}

/// A rate for people: `100/1m`, and its burst where it is not the limit.
pub fn text(rate: &Rate) -> String {
    let per = WireDuration::from_ms(rate.per_ms);
    let burst = if rate.burst == rate.limit { String::new() } else { format!(" (burst {})", rate.burst) };
    format!("{}/{per}{burst}", rate.limit)
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parts {
    /// Starts in each period, 1 to 1,000,000.
    limit: u64,
    /// The period, 1 ms to a day.
    per: WireDuration,
    /// How many may come at once after a quiet time. Default `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    burst: Option<u64>,
}

impl Serialize for WireRate {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Rate { limit, per_ms, burst } = self.0;
        Parts { limit: limit.into(), per: WireDuration::from_ms(per_ms), burst: Some(burst.into()) }.serialize(to)
    }
}

impl<'de> Deserialize<'de> for WireRate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Parts(Parts),
        }
        let wrong = |_| D::Error::custom(format_args!("not a rate: give {FORMS}"));
        let read = match Written::deserialize(from).map_err(wrong)? {
            Written::Text(text) => parse_rate(&text),
            Written::Parts(Parts { limit, per, burst }) => rate(limit, per, burst),
        };
        read.map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for WireRate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let parts = Parts::json_schema(generator);
        json_schema!({
            "description": "A rate: an object, or text like `100/1m`.",
            "anyOf": [parts, {"type": "string", "pattern": "^[0-9]+/.+$"}],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_from_text_and_from_its_parts() {
        let read = |json: &str| serde_json::from_str::<WireRate>(json).map(|rate| rate.0).map_err(|e| e.to_string());
        let minute = Rate { limit: 100, per_ms: 60_000, burst: 100 };
        assert_eq!(read(r#""100/1m""#), Ok(minute));
        assert_eq!(read(r#""100/m""#), Ok(minute));
        assert_eq!(read(r#"{"limit": 100, "per": 60}"#), Ok(minute));
        assert_eq!(read(r#"{"limit": 100, "per": "1m", "burst": 5}"#), Ok(Rate { burst: 5, ..minute }));
        for (json, error) in [
            (r#""100""#, "`100` is not a rate like `100/1m`"),
            (r#""0/1s""#, "`limit` of a rate must be 1 to 1000000, not 0"),
            (r#"{"limit": 1, "per": "2d"}"#, "`per` of a rate must be 1 ms to a day, not 2d"),
            (r#"{"limit": 1, "per": "1s", "burst": 0}"#, "`burst` of a rate must be 1 to 1000000, not 0"),
            (r#"{"limit": 1, "every": "1s"}"#, "not a rate: give"),
        ] {
            assert!(read(json).is_err_and(|told| told.contains(error)), "{json}: {:?}", read(json));
        }
        assert_eq!(text(&Rate { burst: 5, ..minute }), "100/1m (burst 5)");
    }
}
