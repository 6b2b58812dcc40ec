//! Finding the next and the previous local time that an expression names.
//!
//! A search looks at one day, then at the months of one year, then at years. A year is looked into only if its kind (leap or not, and the
//! weekday it begins with) holds a match, and of kinds that exist at all the rarest returns within 40 years: so a search ends after a few dozen steps.

use super::{Cron, bits, months_of_kind};
use crate::civil::{DAY, Date, YEARS, days_before_year, days_in_month, is_leap, weekday};
use crate::exclusion::Exclusions;

/// An expression together with the dates that are excluded from it.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub cron: Cron,
    exclusions: Option<Exclusions>,
    /// A bit for each kind of year that holds a match; see [`kind`].
    kinds: u16,
}

/// The number of a year's kind.
fn kind(leap: bool, first_weekday: u8) -> u8 {
    first_weekday + if leap { 7 } else { 0 }
}

impl Pattern {
    pub(crate) fn new(cron: &Cron, exclusions: Option<&Exclusions>) -> Self {
        let yearly = |month| exclusions.map_or(0, |excluded| excluded.every_year(month));
        let mut kinds = 0;
        for leap in [false, true] {
            for first_weekday in 0..7 {
                let matches = months_of_kind(leap, first_weekday).any(|(month, length, first)| {
                    cron.months >> month & 1 == 1 && cron.days_of_month(length, first) & !yearly(month) != 0
                });
                kinds |= u16::from(matches) << kind(leap, first_weekday);
            }
        }
        Self { cron: cron.clone(), exclusions: exclusions.cloned(), kinds }
    }

    /// Whether no year of any kind holds a match.
    pub(crate) fn is_never(&self) -> bool {
        // The years that are named, unless they are all.
        let named = |year: &i32| self.holds(*year);
        self.kinds == 0 || (!self.cron.years.is_empty() && !(1970..=2199).any(|year| named(&year)))
    }

    /// Whether a year may hold a match.
    fn holds(&self, year: i32) -> bool {
        let first = weekday(days_before_year(year));
        self.cron.names_year(year) && self.kinds >> kind(is_leap(year), first) & 1 == 1
    }

    /// Bits of the days that match in a month.
    fn days(&self, year: i32, month: u8) -> u32 {
        if self.cron.months >> month & 1 == 0 || !self.cron.names_year(year) {
            return 0;
        }
        let first = weekday(Date::new(year, month, 1).to_day());
        let named = self.cron.days_of_month(days_in_month(year, month), first);
        named & !self.exclusions.as_ref().map_or(0, |excluded| excluded.in_month(year, month))
    }

    /// The first local time from this one on.
    pub(crate) fn next(&self, from: i64) -> Option<i64> {
        if self.kinds == 0 {
            return None;
        }
        let (day, time) = (from.div_euclid(DAY), from.rem_euclid(DAY));
        let date = Date::of_day(day);
        let today = self.days(date.year, date.month);
        if today >> date.day & 1 == 1
            && let Some(time) = self.time_from(time)
        {
            return Some(day * DAY + time);
        }
        let later = today & (u32::MAX << date.day) & !(1 << date.day);
        let found = match later {
            0 => self.date_after(date)?,
            days => Date { day: days.trailing_zeros() as u8, ..date },
        };
        Some(found.to_day() * DAY + self.time_from(0)?)
    }

    /// The first date in a month after this date's.
    fn date_after(&self, date: Date) -> Option<Date> {
        let mut month = date.month + 1;
        for year in date.year.max(*YEARS.start())..=*YEARS.end() {
            if self.holds(year) {
                for month in month..=12 {
                    let days = self.days(year, month);
                    if days != 0 {
                        return Some(Date::new(year, month, days.trailing_zeros() as u8));
                    }
                }
            } else if self.cron.years.iter().map(|(_, last)| i32::from(*last)).max().is_some_and(|last| year > last) {
                return None;
            }
            month = 1;
        }
        None
    }

    /// The last local time up to this one.
    pub(crate) fn previous(&self, from: i64) -> Option<i64> {
        if self.kinds == 0 {
            return None;
        }
        let (day, time) = (from.div_euclid(DAY), from.rem_euclid(DAY));
        let date = Date::of_day(day);
        let today = self.days(date.year, date.month);
        if today >> date.day & 1 == 1
            && let Some(time) = self.time_until(time)
        {
            return Some(day * DAY + time);
        }
        let earlier = today & ((1 << date.day) - 1);
        let found = match earlier {
            0 => self.date_before(date)?,
            days => Date { day: 31 - days.leading_zeros() as u8, ..date },
        };
        Some(found.to_day() * DAY + self.time_until(DAY - 1)?)
    }

    /// The last date in a month before this date's.
    fn date_before(&self, date: Date) -> Option<Date> {
        let mut before = date.month;
        for year in (*YEARS.start()..=date.year.min(*YEARS.end())).rev() {
            if self.holds(year) {
                for month in (1..before).rev() {
                    let days = self.days(year, month);
                    if days != 0 {
                        return Some(Date::new(year, month, 31 - days.leading_zeros() as u8));
                    }
                }
            } else if self.cron.years.first().is_some_and(|(first, _)| year < i32::from(*first)) {
                return None;
            }
            before = 13;
        }
        None
    }

    /// The first second of a day from this one on.
    fn time_from(&self, time: i64) -> Option<i64> {
        let [hour, minute, second] = parts(time);
        let cron = &self.cron;
        let lowest = |set: u64| bits(set).next().map(i64::from);
        let at_or_after = |set: u64, place: i64| lowest(set & (u64::MAX << place));
        let after = |set: u64, place: i64| at_or_after(set & !(1 << place), place);
        if cron.hours >> hour & 1 == 1 {
            if cron.minutes >> minute & 1 == 1
                && let Some(second) = at_or_after(cron.seconds, second)
            {
                return Some(hour * 3600 + minute * 60 + second);
            }
            if let Some(minute) = after(cron.minutes, minute) {
                return Some(hour * 3600 + minute * 60 + lowest(cron.seconds)?);
            }
        }
        Some(after(cron.hours.into(), hour)? * 3600 + lowest(cron.minutes)? * 60 + lowest(cron.seconds)?)
    }

    /// The last second of a day up to this one.
    fn time_until(&self, time: i64) -> Option<i64> {
        let [hour, minute, second] = parts(time);
        let cron = &self.cron;
        let highest = |set: u64| (set != 0).then(|| 63 - i64::from(set.leading_zeros()));
        let before = |set: u64, place: i64| highest(set & ((1 << place) - 1));
        if cron.hours >> hour & 1 == 1 {
            if cron.minutes >> minute & 1 == 1
                && let Some(second) = before(cron.seconds, second + 1)
            {
                return Some(hour * 3600 + minute * 60 + second);
            }
            if let Some(minute) = before(cron.minutes, minute) {
                return Some(hour * 3600 + minute * 60 + highest(cron.seconds)?);
            }
        }
        Some(before(cron.hours.into(), hour)? * 3600 + highest(cron.minutes)? * 60 + highest(cron.seconds)?)
    }
}

fn parts(time: i64) -> [i64; 3] {
    [time / 3600, time / 60 % 60, time % 60]
}
