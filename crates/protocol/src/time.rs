//! RFC 3339 on the wire, [`Timestamp`] inside.

use std::borrow::Cow;
use std::fmt;

use mainspring_core::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant on the wire: RFC 3339 in UTC with milliseconds (`2026-11-23T06:00:00.000Z`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rfc3339(pub Timestamp);

/// Why a text is not an instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an RFC 3339 instant")]
pub struct NotAnInstant(pub String);

/// Writes an instant as RFC 3339 with milliseconds, in UTC. Instants beyond the years −9999 to 9999 are cut to them.
pub fn format(at: Timestamp) -> String {
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(if at.as_millis() < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    format!("{instant:.3}")
}

/// Reads an RFC 3339 instant with any offset. Fractions below a millisecond are dropped.
///
/// # Errors
/// [`NotAnInstant`] for any other text, also for a date without a time or a time without an offset.
pub fn parse(text: &str) -> Result<Timestamp, NotAnInstant> {
    // jiff also reads forms beyond RFC 3339 (annotations, years of six digits); they are refused here.
    let plain = (20..=40).contains(&text.len()) && text.bytes().all(|byte| b"0123456789-+:.TtZz ".contains(&byte));
    let year = text.bytes().take_while(u8::is_ascii_digit).count() == 4;
    if !plain || !year {
        return Err(NotAnInstant(text.to_owned()));
    }
    let instant: jiff::Timestamp = text.parse().map_err(|_| NotAnInstant(text.to_owned()))?;
    Ok(Timestamp::from_millis(instant.as_millisecond()))
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format(self.0))
    }
}

impl From<Timestamp> for Rfc3339 {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl From<Rfc3339> for Timestamp {
    fn from(at: Rfc3339) -> Self {
        at.0
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rfc3339 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        parse(&text).map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for Rfc3339 {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_with_any_offset_and_print_in_utc() {
        let at = parse("2026-11-23T07:00:00.1239+01:00").expect("valid");
        assert_eq!(format(at), "2026-11-23T06:00:00.123Z");
        assert_eq!(parse(&format(at)), Ok(at));
        assert_eq!(format(Timestamp::from_millis(0)), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "2025-13-45",
            "2025-01-01",
            "2025-01-01T00:00:00",
            "soon",
            "",
            "2025-01-01T25:00:00Z",
            "2025-01-01T00:00:00Z[UTC]",
            "+002025-01-01T00:00:00Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
