//! The Gregorian calendar as numbers. A day is counted from 1970-01-01, a local time in seconds from that day's midnight; neither
//! knows a zone.

/// Seconds of a day on a clock that is never put forward or back.
pub(crate) const DAY: i64 = 86_400;

/// The years that are searched. Beyond them nothing happens, so no search can run away.
pub(crate) const YEARS: std::ops::RangeInclusive<i32> = 1..=9_900;

/// A date of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    pub(crate) const fn new(year: i32, month: u8, day: u8) -> Self {
        Self { year, month, day }
    }

    /// The date of a day.
    pub(crate) fn of_day(day: i64) -> Self {
        // 146,097 days are exactly 400 years; the guess is at most one year off.
        let guess = 1970 + day.saturating_mul(400).div_euclid(146_097);
        let mut year = i32::try_from(guess).unwrap_or(if day < 0 { *YEARS.start() } else { *YEARS.end() });
        while days_before_year(year) > day {
            year -= 1;
        }
        while days_before_year(year + 1) <= day {
            year += 1;
        }
        let mut rest = day - days_before_year(year);
        let mut month = 1;
        while month < 12 && rest >= i64::from(days_in_month(year, month)) {
            rest -= i64::from(days_in_month(year, month));
            month += 1;
        }
        Self { year, month, day: rest as u8 + 1 }
    }

    /// The day of this date.
    pub(crate) fn to_day(self) -> i64 {
        let months: i64 = (1..self.month).map(|month| i64::from(days_in_month(self.year, month))).sum();
        days_before_year(self.year) + months + i64::from(self.day) - 1
    }

    /// Whether the calendar has such a date.
    pub(crate) fn exists(self) -> bool {
        (1..=12).contains(&self.month) && (1..=days_in_month(self.year, self.month)).contains(&self.day)
    }
}

/// Days from 1970-01-01 to the first of January of a year.
pub(crate) fn days_before_year(year: i32) -> i64 {
    let before = i64::from(year) - 1;
    365 * (i64::from(year) - 1970) + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 477
}

/// Whether February has 29 days.
pub(crate) fn is_leap(year: i32) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// How many days a month has.
pub(crate) fn days_in_month(year: i32, month: u8) -> u8 {
    month_length(is_leap(year), month)
}

/// How many days a month has in a leap year or another.
pub(crate) fn month_length(leap: bool, month: u8) -> u8 {
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The weekday of a day, 0 for Sunday.
pub(crate) fn weekday(day: i64) -> u8 {
    (day + 4).rem_euclid(7) as u8
}

/// A local time as people read it.
pub(crate) fn local(seconds: i64) -> jiff::civil::DateTime {
    let date = Date::of_day(seconds.div_euclid(DAY));
    let rest = seconds.rem_euclid(DAY);
    let year = i16::try_from(date.year).unwrap_or(i16::MAX).clamp(-9999, 9999);
    let [hour, minute, second] = [rest / 3600, rest / 60 % 60, rest % 60].map(|part| part as i8);
    jiff::civil::date(year, date.month as i8, date.day as i8).at(hour, minute, second, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_others_inverse_and_agree_with_jiff() {
        for day in (-700_000..2_900_000).step_by(13) {
            let date = Date::of_day(day);
            assert_eq!(date.to_day(), day);
            let theirs = jiff::civil::date(1970, 1, 1) + jiff::Span::new().days(day as i32);
            let ours = (date.year, date.month, date.day, weekday(day));
            let weekday = theirs.weekday().to_sunday_zero_offset() as u8;
            assert_eq!(ours, (i32::from(theirs.year()), theirs.month() as u8, theirs.day() as u8, weekday));
        }
    }

    #[test]
    fn a_date_that_no_calendar_has_does_not_exist() {
        assert!(Date::new(2024, 2, 29).exists());
        assert!(!Date::new(2100, 2, 29).exists());
        assert!(!Date::new(2026, 13, 1).exists());
        assert!(!Date::new(2026, 4, 31).exists());
    }
}
