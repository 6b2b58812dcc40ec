//! Time zones from the IANA database that is built in, so that every node knows the same rules whatever its system has installed.
//!
//! A zone is read as a row of *stretches* of constant offset. At the border of two of them the clock is put forward (a gap: readings
//! that it never shows) or back (a fold: readings that it shows twice).

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::cron::nearest;
use crate::exclusion::did_you_mean;

/// No two readings of one instant differ by more: offsets lie between −26 and +26 hours.
const OFFSETS_APART: i64 = 52 * 3600;

/// An IANA time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: Box<str>,
    rules: TimeZone,
}

/// A name that the database does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no time zone is named `{name}`{}", did_you_mean(.nearest.as_deref()))]
pub struct UnknownZone {
    /// The name as it was written.
    pub name: String,
    /// The name that was most likely meant.
    pub nearest: Option<String>,
}

/// A stretch of constant offset, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Its first second; none if it has always been.
    pub start: Option<i64>,
    /// The second after its last; none if it never ends.
    pub end: Option<i64>,
    /// Seconds that local time is ahead of UTC.
    pub offset: i64,
}

fn database() -> &'static TimeZoneDatabase {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled)
}

impl Zone {
    /// The zone of that name, in any case of letters.
    ///
    /// # Errors
    ///
    /// The name is unknown; the nearest name that is known comes with the error.
    pub fn get(name: &str) -> Result<Self, UnknownZone> {
        let known = database().get(name).ok().and_then(|rules| Some((rules.iana_name()?.into(), rules)));
        known.map(|(name, rules)| Self { name, rules }).ok_or_else(|| {
            let names: Vec<&str> = Self::names().collect();
            // People write the city alone.
            let city =
                names.iter().find(|known| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name)));
            let nearest = city.copied().or_else(|| nearest(name, names.iter().copied()));
            UnknownZone { name: name.to_owned(), nearest: nearest.map(str::to_owned) }
        })
    }

    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".into(), rules: TimeZone::UTC }
    }

    /// All names that are known, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        static NAMES: OnceLock<Vec<String>> = OnceLock::new();
        NAMES
            .get_or_init(|| database().available().map(|name| name.as_str().to_owned()).collect())
            .iter()
            .map(String::as_str)
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An instant as a clock of this zone shows it: `2026-03-29 03:00:00`, with the weekday in front and the offset's name behind.
    pub fn show(&self, at: Timestamp) -> String {
        let info = self.rules.to_offset_info(at);
        let reading = info.offset().to_datetime(at);
        let weekday = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        let weekday = weekday[reading.weekday().to_sunday_zero_offset() as usize];
        format!("{weekday} {} {} {}", reading.date(), reading.time(), info.abbreviation())
    }

    /// The offset at a second.
    fn offset(&self, at: i64) -> i64 {
        self.rules.to_offset(timestamp(at)).seconds().into()
    }

    /// The stretch that a second lies in.
    pub(crate) fn stretch(&self, at: i64) -> Stretch {
        // The rules also have transitions that change the name of the time and not the clock; they are passed over.
        let offset = self.offset(at);
        let mut before = self.rules.preceding(timestamp(at + 1)).map(|transition| transition.timestamp().as_second());
        let start = before.find(|start| *start > SECONDS.start && self.offset(start - 1) != offset);
        let mut after = self.rules.following(timestamp(at));
        let end = after.find(|transition| i64::from(transition.offset().seconds()) != offset);
        Stretch { start, end: end.map(|transition| transition.timestamp().as_second()), offset }
    }

    /// The reading up to which the clock had come before this stretch began: what is earlier has been shown, or passed over.
    pub(crate) fn shown_before(&self, stretch: &Stretch) -> i64 {
        let Some(start) = stretch.start else { return i64::MIN };
        let mut shown = i64::MIN;
        let mut end = start;
        // An older stretch cannot have come further than the one before this.
        while start - end <= OFFSETS_APART {
            let earlier = self.stretch(end - 1);
            shown = shown.max(end + earlier.offset);
            match earlier.start {
                Some(earlier) => end = earlier,
                None => break,
            }
        }
        shown
    }
}

/// The seconds that are looked at: the years 1 to 9,899. Before and after them nothing happens.
pub(crate) const SECONDS: std::ops::Range<i64> = -62_135_596_800..250_246_368_000;

/// A second as the library counts it; what lies beyond all years that are searched is moved to their border.
pub(crate) fn timestamp(second: i64) -> Timestamp {
    Timestamp::from_second(second.clamp(SECONDS.start, SECONDS.end)).expect("its range is wider")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_answered_with_the_right_one() {
        let nearest = |name: &str| Zone::get(name).unwrap_err().nearest;
        assert_eq!(nearest("Europe/Berlim").as_deref(), Some("Europe/Berlin"));
        assert_eq!(nearest("tokyo").as_deref(), Some("Asia/Tokyo"));
        assert_eq!(nearest("").as_deref(), None);
        assert_eq!(Zone::get("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(
            Zone::get("America/New_Yrok").unwrap_err().to_string(),
            "no time zone is named `America/New_Yrok`; did you mean `America/New_York`?"
        );
    }

    #[test]
    fn a_stretch_reaches_from_one_change_of_the_clock_to_the_next() {
        let berlin = Zone::get("Europe/Berlin").unwrap();
        let second = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let summer = berlin.stretch(second("2026-07-01T00:00:00Z"));
        let [start, end] = [second("2026-03-29T01:00:00Z"), second("2026-10-25T01:00:00Z")];
        assert_eq!(summer, Stretch { start: Some(start), end: Some(end), offset: 7200 });
        assert_eq!(berlin.stretch(start), summer);
        assert_eq!(berlin.stretch(end).start, Some(end));
        let utc = Stretch { start: None, end: None, offset: 0 };
        assert_eq!(Zone::utc().stretch(0), utc);
        assert_eq!(Zone::get("Etc/UTC").unwrap().stretch(0), utc);
    }
}
