//! Holiday calendars: named sets of dates on which a schedule does nothing.

use std::collections::BTreeMap;
use std::fmt;

use crate::civil::{Date, days_in_month, month_length};
use crate::cron::{nearest, whole_month};

/// The most days that one entry `FROM..TO` may span.
const SPAN_DAYS_MAX: i64 = 3_660;

/// A named set of dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    name: String,
    dates: Exclusions,
}

/// Dates on which nothing happens, in the zone of the schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusions {
    /// Bits 1 to 31 for each month, 1 to 12.
    yearly: [u32; 13],
    /// Bits 1 to 31 for each (year, month).
    single: BTreeMap<(i32, u8), u32>,
}

/// A refusal of a calendar, or of a choice of calendars.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// An entry that names no date.
    #[error(
        "`{entry}` in the calendar `{calendar}` is no date; expected 2026-12-25, *-12-25 or 2026-12-24..2027-01-06"
    )]
    NoDate {
        /// The calendar's name.
        calendar: String,
        /// The entry as it was written.
        entry: String,
    },
    /// An entry that runs backwards, or for longer than ten years.
    #[error("`{entry}` in the calendar `{calendar}` must end after it begins, and span at most {SPAN_DAYS_MAX} days")]
    Span {
        /// The calendar's name.
        calendar: String,
        /// The entry as it was written.
        entry: String,
    },
    /// A date that is there already.
    #[error("`{entry}` in the calendar `{calendar}` repeats {date}, which `{other}` excludes already")]
    Overlap {
        /// The calendar's name.
        calendar: String,
        /// The entry as it was written; for two calendars, the date.
        entry: String,
        /// The date that stands in both.
        date: String,
        /// What has it already: an entry of this calendar, or another calendar.
        other: String,
    },
    /// A name that no calendar has.
    #[error("no calendar is named `{name}`{}", did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// The name as it was written.
        name: String,
        /// The name that was most likely meant.
        nearest: Option<String>,
    },
}

pub(crate) fn did_you_mean(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// A date as an entry names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Yearly { month: u8, day: u8 },
    Once(Date),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Yearly { month, day } => write!(f, "*-{month:02}-{day:02}"),
            Entry::Once(date) => write!(f, "{:04}-{:02}-{:02}", date.year, date.month, date.day),
        }
    }
}

impl Calendar {
    /// Reads a calendar from entries such as `2026-12-25`, `*-12-25` (every year) or `2026-12-24..2027-01-06` (both included).
    ///
    /// # Errors
    ///
    /// The first entry that is no date, or that repeats a date.
    pub fn parse<'a>(name: &str, entries: impl IntoIterator<Item = &'a str>) -> Result<Self, CalendarError> {
        let mut dates = Exclusions::default();
        let mut origin: BTreeMap<Entry, &str> = BTreeMap::new();
        for text in entries {
            for entry in read(name, text)? {
                if dates.has(entry) {
                    let other = origin.iter().find(|(has, _)| meet(**has, entry)).map_or(text, |(_, text)| text);
                    return Err(CalendarError::Overlap {
                        calendar: name.to_owned(),
                        entry: text.to_owned(),
                        date: entry.to_string(),
                        other: other.to_owned(),
                    });
                }
                dates.add(entry);
                origin.insert(entry, text);
            }
        }
        Ok(Self { name: name.to_owned(), dates })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The dates of one entry.
fn read(calendar: &str, text: &str) -> Result<Vec<Entry>, CalendarError> {
    let broken = || CalendarError::NoDate { calendar: calendar.to_owned(), entry: text.to_owned() };
    if let Some((from, to)) = text.split_once("..") {
        let [from, to] = [date(from).ok_or_else(broken)?, date(to).ok_or_else(broken)?];
        let days = from.to_day()..=to.to_day();
        if from >= to || to.to_day() - from.to_day() >= SPAN_DAYS_MAX {
            return Err(CalendarError::Span { calendar: calendar.to_owned(), entry: text.to_owned() });
        }
        return Ok(days.map(|day| Entry::Once(Date::of_day(day))).collect());
    }
    if let Some(rest) = text.trim().strip_prefix("*-") {
        // A leap year, so that the 29th of February can be named.
        let Date { month, day, .. } = date(&format!("2024-{rest}")).ok_or_else(broken)?;
        return Ok(vec![Entry::Yearly { month, day }]);
    }
    Ok(vec![Entry::Once(date(text).ok_or_else(broken)?)])
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.trim().splitn(3, '-');
    let mut number = |length: usize| {
        let part =
            parts.next().filter(|part| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        part.parse::<u16>().ok()
    };
    let date = Date::new(number(4)?.into(), number(2)? as u8, number(2)? as u8);
    (date.exists() && date.year > 0).then_some(date)
}

/// Whether two entries name a date together.
fn meet(left: Entry, right: Entry) -> bool {
    let month_and_day = |entry| match entry {
        Entry::Yearly { month, day } => (month, day),
        Entry::Once(date) => (date.month, date.day),
    };
    left == right
        || (month_and_day(left) == month_and_day(right) && !matches!((left, right), (Entry::Once(_), Entry::Once(_))))
}

impl Exclusions {
    /// The dates of several calendars together.
    ///
    /// # Errors
    ///
    /// A date that two of them exclude: one of them is not what its name says.
    pub fn of(calendars: &[&Calendar]) -> Result<Self, CalendarError> {
        let mut all = Self::default();
        for (index, calendar) in calendars.iter().enumerate() {
            for entry in calendar.dates.entries() {
                if all.has(entry) {
                    let other = calendars[..index].iter().find(|other| other.dates.has(entry));
                    return Err(CalendarError::Overlap {
                        calendar: calendar.name.clone(),
                        entry: entry.to_string(),
                        date: entry.to_string(),
                        other: other.map_or_else(String::new, |other| other.name.clone()),
                    });
                }
            }
            calendar.dates.entries().for_each(|entry| all.add(entry));
        }
        Ok(all)
    }

    /// The dates of the calendars with these names.
    ///
    /// # Errors
    ///
    /// A name that none of them has, or a date that two of them exclude.
    pub fn choose<'a>(calendars: &[Calendar], names: impl IntoIterator<Item = &'a str>) -> Result<Self, CalendarError> {
        let find = |name: &'a str| {
            calendars.iter().find(|calendar| calendar.name == name).ok_or_else(|| CalendarError::Unknown {
                name: name.to_owned(),
                nearest: nearest(name, calendars.iter().map(Calendar::name)).map(str::to_owned),
            })
        };
        Self::of(&names.into_iter().map(find).collect::<Result<Vec<_>, _>>()?)
    }

    /// Whether no date is excluded.
    pub fn is_empty(&self) -> bool {
        self.single.is_empty() && self.yearly == [0; 13]
    }

    /// Bits of the days excluded from this month of every year.
    pub(crate) fn every_year(&self, month: u8) -> u32 {
        self.yearly[usize::from(month)]
    }

    /// Bits of the days excluded from one month.
    pub(crate) fn in_month(&self, year: i32, month: u8) -> u32 {
        self.every_year(month) | self.single.get(&(year, month)).copied().unwrap_or(0)
    }

    /// The first date from this one on that is not excluded; none if the whole calendar is.
    pub(crate) fn open_from(&self, date: Date) -> Option<Date> {
        let open = |year, month| whole_month(days_in_month(year, month)) & !self.in_month(year, month);
        let rest = open(date.year, date.month) & (u32::MAX << date.day);
        if rest != 0 {
            return Some(Date { day: rest.trailing_zeros() as u8, ..date });
        }
        if (1..=12).all(|month| whole_month(month_length(true, month)) & !self.every_year(month) == 0) {
            return None;
        }
        // A leap day comes within eight years; single dates end.
        let last = self.single.keys().next_back().map_or(date.year, |(year, _)| date.year.max(*year)) + 8;
        let months = (date.year..=last).flat_map(|year| (1..=12).map(move |month| (year, month)));
        let mut later = months.filter(|place| *place > (date.year, date.month));
        later.find_map(|(year, month)| {
            let days = open(year, month);
            (days != 0).then(|| Date::new(year, month, days.trailing_zeros() as u8))
        })
    }

    fn has(&self, entry: Entry) -> bool {
        match entry {
            Entry::Once(date) => self.in_month(date.year, date.month) >> date.day & 1 == 1,
            Entry::Yearly { month, day } => {
                let singles = self.single.iter().filter(|((_, of), _)| *of == month);
                singles.map(|(_, days)| days).chain([&self.every_year(month)]).any(|days| days >> day & 1 == 1)
            }
        }
    }

    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Once(date) => *self.single.entry((date.year, date.month)).or_default() |= 1 << date.day,
            Entry::Yearly { month, day } => self.yearly[usize::from(month)] |= 1 << day,
        }
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        let days = |set: u32| crate::cron::bits(set.into());
        let yearly =
            (0..).zip(self.yearly).flat_map(move |(month, set)| days(set).map(move |day| Entry::Yearly { month, day }));
        let single = self
            .single
            .iter()
            .flat_map(move |((year, month), set)| days(*set).map(|day| Entry::Once(Date::new(*year, *month, day))));
        yearly.chain(single)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn german() -> Calendar {
        Calendar::parse("german", ["*-12-25", "*-12-26", "2026-04-03"]).unwrap()
    }

    fn refusal<T: fmt::Debug>(result: Result<T, CalendarError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn entries_are_dates_yearly_dates_and_spans() {
        let calendar = Calendar::parse("works", ["2026-12-24..2027-01-06", "*-05-01"]).unwrap();
        assert_eq!(calendar.dates.in_month(2027, 1), 0b111_1110);
        assert_eq!(calendar.dates.in_month(2031, 5), 0b10);
        for broken in ["2026-02-29", "*-02-30", "26-01-01", "christmas", "2026-1-1", "0000-01-01"] {
            assert!(refusal(Calendar::parse("works", [broken])).contains("is no date"), "{broken}");
        }
        assert!(refusal(Calendar::parse("works", ["2027-01-06..2026-12-24"])).contains("must end after"));
    }

    #[test]
    fn a_date_that_two_entries_or_two_calendars_exclude_is_named() {
        let twice = Calendar::parse("works", ["2026-12-24..2027-01-06", "*-01-01"]);
        assert_eq!(
            refusal(twice),
            "`*-01-01` in the calendar `works` repeats *-01-01, which `2026-12-24..2027-01-06` excludes already"
        );
        let works = Calendar::parse("works", ["2026-12-24..2027-01-06"]).unwrap();
        let both = [german(), works];
        assert_eq!(
            refusal(Exclusions::choose(&both, ["german", "works"])),
            "`2026-12-25` in the calendar `works` repeats 2026-12-25, which `german` excludes already"
        );
        assert_eq!(
            refusal(Exclusions::choose(&both, ["germany"])),
            "no calendar is named `germany`; did you mean `german`?"
        );
    }

    #[test]
    fn the_next_open_date_is_found_behind_whole_closed_years() {
        let dates = Exclusions::of(&[&german()]).unwrap();
        assert_eq!(dates.open_from(Date::new(2026, 12, 25)), Some(Date::new(2026, 12, 27)));
        let mut closed = Exclusions::default();
        for month in 1..=12 {
            closed.yearly[usize::from(month)] = whole_month(month_length(false, month));
        }
        assert_eq!(closed.open_from(Date::new(2096, 3, 1)), Some(Date::new(2104, 2, 29)));
        closed.yearly[2] = whole_month(29);
        assert_eq!(closed.open_from(Date::new(2096, 3, 1)), None);
    }
}
