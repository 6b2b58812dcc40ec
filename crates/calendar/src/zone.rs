//! Time zones from the IANA database that is built in, so that every node knows the same rules whatever its system has installed.
//!
//! A zone is read as a row of *stretches* of constant offset. At the border of two of them the clock is put forward (a gap: readings
//! that it never shows) or back (a fold: readings that it shows twice).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::cron::nearest;
use crate::exclusion::did_you_mean;

/// No two readings of one instant differ by more: offsets lie between −26 and +26 hours.
const OFFSETS_APART: i64 = 52 * 3600;

/// An IANA time zone.
#[derive(Clone, Debug)]
pub struct Zone {
    rules: TimeZone,
    /// The borders of stretches up to [`TABLE_END`] and the first after it: the first second and the offset from there on.
    ///
    /// A table of our own, because the library's `preceding` answers from a zone's general rule where its last singular change is nearer (jiff
    /// 1.0.1: America/Ciudad_Juarez in December 2022).
    borders: Borders,
}

type Borders = Arc<[(i64, i64)]>;

/// Rules that repeat do so with the calendar, every 400 years. By then all singular changes are long past.
const TABLE_END: i64 = 16_725_225_600;
const PERIOD: i64 = 146_097 * 86_400;

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
        let known = database().get(name).ok().and_then(|rules| Some(Self::of(rules.clone().iana_name()?, rules)));
        known.ok_or_else(|| {
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
        Self::of("UTC", TimeZone::UTC)
    }

    fn of(name: &str, rules: TimeZone) -> Self {
        // Zones in use are few and their tables are shared by all schedules.
        static TABLES: Mutex<BTreeMap<String, Borders>> = Mutex::new(BTreeMap::new());
        let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
        let borders = tables.entry(name.to_owned()).or_insert_with(|| borders(&rules)).clone();
        Self { rules, borders }
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
        self.rules.iana_name().unwrap_or("UTC")
    }

    /// An instant as a clock of this zone shows it: `2026-03-29 03:00:00`, with the weekday in front and the offset's name behind.
    pub fn show(&self, at: Timestamp) -> String {
        let info = self.rules.to_offset_info(at);
        let reading = info.offset().to_datetime(at);
        let weekday = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        let weekday = weekday[reading.weekday().to_sunday_zero_offset() as usize];
        format!("{weekday} {} {} {}", reading.date(), reading.time(), info.abbreviation())
    }

    /// An instant as RFC 3339 with the zone's offset: `2026-03-29T03:00:00+02:00`.
    pub fn local(&self, at: Timestamp) -> String {
        at.display_with_offset(self.rules.to_offset(at)).to_string()
    }

    /// The instant that a text names: RFC 3339 with an offset, or a date or local time of this zone, where a time that comes twice is the first and one
    /// that never comes is as long after the gap as it is into it.
    pub fn instant(&self, text: &str) -> Option<Timestamp> {
        let local = || text.parse::<jiff::civil::DateTime>().ok();
        text.parse().ok().or_else(|| self.rules.to_ambiguous_timestamp(local()?).compatible().ok())
    }

    /// The stretch that a second lies in.
    pub(crate) fn stretch(&self, at: i64) -> Stretch {
        let shift = if at < TABLE_END { 0 } else { ((at - TABLE_END) / PERIOD + 1) * PERIOD };
        let behind = self.borders.partition_point(|(start, _)| *start <= at - shift);
        let (start, offset) = self.borders[behind - 1];
        let end = self.borders.get(behind).map(|(end, _)| end + shift);
        let start = match end {
            // What never ends does not repeat either.
            None => start,
            Some(_) => start.saturating_add(shift),
        };
        Stretch { start: Some(start).filter(|start| *start > SECONDS.start), end, offset }
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

/// Where the clock of a zone is put forward or back. Changes of the time's name alone are passed over.
fn borders(rules: &TimeZone) -> Borders {
    let first = timestamp(SECONDS.start);
    let mut borders = vec![(i64::MIN, i64::from(rules.to_offset(first).seconds()))];
    for change in rules.following(first) {
        let (start, offset) = (change.timestamp().as_second(), i64::from(change.offset().seconds()));
        if borders[borders.len() - 1].1 != offset {
            borders.push((start, offset));
        }
        if start > TABLE_END {
            break;
        }
    }
    borders.into()
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

    #[test]
    fn stretches_agree_with_the_library_at_any_time() {
        for name in ["Europe/Berlin", "America/Ciudad_Juarez", "Africa/Casablanca", "Asia/Tokyo", "Pacific/Apia"] {
            let zone = Zone::get(name).unwrap();
            for at in (-4_000_000_000..200_000_000_000_i64).step_by(9_999_937) {
                let stretch = zone.stretch(at);
                let theirs = |at| i64::from(zone.rules.to_offset(timestamp(at)).seconds());
                assert_eq!(stretch.offset, theirs(at), "{name} at {at}");
                let end = zone
                    .rules
                    .following(timestamp(at))
                    .find(|change| i64::from(change.offset().seconds()) != stretch.offset);
                assert_eq!(stretch.end, end.map(|change| change.timestamp().as_second()), "{name} at {at}");
                if let Some(start) = stretch.start {
                    assert_eq!(theirs(start), stretch.offset, "{name} at {at}");
                    assert_ne!(theirs(start - 1), stretch.offset, "{name} at {at}");
                }
            }
        }
    }

    #[test]
    fn a_change_of_rules_is_not_hidden_by_the_rule_that_follows_it() {
        let juarez = Zone::get("America/Ciudad_Juarez").unwrap();
        let december = "2022-12-10T00:00:00Z".parse::<Timestamp>().unwrap().as_second();
        let start = juarez.stretch(december).start.map(|start| timestamp(start).to_string());
        assert_eq!(start.as_deref(), Some("2022-11-30T06:00:00Z"));
    }
}
