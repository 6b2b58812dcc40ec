//! A cron expression: which readings of a clock it names. Nothing here knows a zone.
//!
//! Sets of seconds, minutes, hours and months are bit sets; which days of a month are named is worked out per month, because
//! `L`, `W` and `#` depend on its length and its first weekday. Whether any day can ever be named is settled while reading, from the
//! fourteen kinds of year that the calendar has, so an impossible date never starts a search.

mod describe;
mod error;
mod field;
mod parse;
mod search;

use std::fmt;
use std::str::FromStr;

pub use error::CronError;
pub(crate) use parse::nearest;
pub(crate) use search::Pattern;

use crate::civil::month_length;

/// A cron expression of five fields, six (seconds first) or seven (a year last), or a word such as `@daily`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cron {
    text: Box<str>,
    /// Bits 0 to 59.
    pub(crate) seconds: u64,
    /// Bits 0 to 59.
    pub(crate) minutes: u64,
    /// Bits 0 to 23.
    pub(crate) hours: u32,
    pub(crate) days: MonthDays,
    /// Bits 1 to 12.
    pub(crate) months: u16,
    pub(crate) weekdays: Weekdays,
    /// Inclusive ranges in order; empty for every year.
    pub(crate) years: Vec<(u16, u16)>,
    /// Neither minute nor hour starts with `*`.
    fixed_time: bool,
}

/// The field "day of month".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct MonthDays {
    /// Begins with `*` or is `?`: a weekday beside it restricts it further.
    pub starred: bool,
    /// Bits 1 to 31.
    pub days: u32,
    /// Bit n: the day n days before the last one. `L` is bit 0.
    pub before_last: u32,
    /// Bit n: the weekday (Monday to Friday) nearest to day n.
    pub nearest: u32,
    /// `LW`: the last weekday (Monday to Friday) of the month.
    pub last_weekday: bool,
}

/// The field "day of week".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Weekdays {
    /// Begins with `*` or is `?`.
    pub starred: bool,
    /// Bits 0 (Sunday) to 6.
    pub days: u8,
    /// The first to fifth of a weekday in a month: `FRI#2` is bit 5 of the second.
    pub nth: [u8; 5],
    /// The last of a weekday in a month: `FRIL`.
    pub last: u8,
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// What is wrong with it, at which byte, and what could stand there instead.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        parse::parse(text)
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether neither minute nor hour starts with `*`: such an expression means times of day, the others mean a rhythm.
    pub fn is_fixed_time(&self) -> bool {
        self.fixed_time
    }

    /// Whether no date can ever match, as with `0 0 30 2 *`.
    pub fn is_never(&self) -> bool {
        Pattern::new(self, None).is_never()
    }

    /// The expression in words: "at 02:00, Monday to Friday".
    pub fn describe(&self) -> String {
        describe::describe(self)
    }

    /// Bits of the days that are named in a month of this length that begins on this weekday.
    pub(crate) fn days_of_month(&self, length: u8, first_weekday: u8) -> u32 {
        let by_day = self.days.in_month(length, first_weekday);
        let by_weekday = self.weekdays.in_month(length, first_weekday);
        // Paul Vixie's rule: two restricted fields are alternatives, a field with a star only narrows.
        if self.days.starred || self.weekdays.starred { by_day & by_weekday } else { by_day | by_weekday }
    }

    /// Whether a year is named at all.
    pub(crate) fn names_year(&self, year: i32) -> bool {
        self.years.is_empty() || self.years.iter().any(|(from, to)| (i32::from(*from)..=i32::from(*to)).contains(&year))
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        Self::parse(text)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Bits 1 to `length`.
pub(crate) fn whole_month(length: u8) -> u32 {
    ((1_u64 << (length + 1)) - 2) as u32
}

impl MonthDays {
    fn in_month(&self, length: u8, first_weekday: u8) -> u32 {
        let mut found = self.days;
        for before in bits(self.before_last.into()).filter(|before| *before < length) {
            found |= 1 << (length - before);
        }
        for day in bits(self.nearest.into()).filter(|day| *day <= length) {
            found |= 1 << nearest_weekday(day, length, first_weekday);
        }
        if self.last_weekday {
            let back = match weekday_of(length, first_weekday) {
                0 => 2,
                6 => 1,
                _ => 0,
            };
            found |= 1 << (length - back);
        }
        found & whole_month(length)
    }
}

impl Weekdays {
    fn in_month(&self, length: u8, first_weekday: u8) -> u32 {
        let mut found = 0;
        // The first day of each weekday, 1 to 7; its others follow by sevens.
        let first = |weekday: u8| (weekday + 7 - first_weekday) % 7 + 1;
        for weekday in bits(self.days.into()) {
            found |= 0x1020_4081_u32.wrapping_shl(first(weekday).into());
        }
        for (nth, days) in (0..).zip(self.nth) {
            for weekday in bits(days.into()) {
                found |= 1_u64.wrapping_shl((first(weekday) + 7 * nth).into()) as u32;
            }
        }
        for weekday in bits(self.last.into()) {
            let first = first(weekday);
            found |= 1 << (first + (length - first) / 7 * 7);
        }
        found & whole_month(length)
    }
}

fn weekday_of(day: u8, first_weekday: u8) -> u8 {
    (first_weekday + day - 1) % 7
}

/// The day from Monday to Friday that is nearest to a day, within its month.
fn nearest_weekday(day: u8, length: u8, first_weekday: u8) -> u8 {
    match weekday_of(day, first_weekday) {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == length => day - 2,
        0 => day + 1,
        _ => day,
    }
}

/// The numbers of the bits that are set.
pub(crate) fn bits(mut set: u64) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let lowest = (set != 0).then(|| set.trailing_zeros() as u8)?;
        set &= set - 1;
        Some(lowest)
    })
}

/// The months of one of the fourteen kinds of year: their numbers, lengths and first weekdays.
pub(crate) fn months_of_kind(leap: bool, first_weekday: u8) -> impl Iterator<Item = (u8, u8, u8)> {
    (1..=12).scan(first_weekday, move |weekday, month| {
        let (length, first) = (month_length(leap, month), *weekday);
        *weekday = (first + length) % 7;
        Some((month, length, first))
    })
}
