//! Expressions that know without any cleverness whether they name a reading of the clock: each item of each field is asked in turn. They are made,
//! not read, so that nothing is shared with the parser that is tested.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime};

use crate::random::Random;

#[derive(Clone, Copy, Debug)]
enum Item {
    Star,
    StarStep(u32),
    One(u32),
    From(u32, u32),
    Range(u32, u32),
    RangeStep(u32, u32, u32),
    /// Days of the month: `L`, `L-n`, `nW`, `LW`.
    Last(u32),
    Nearest(u32),
    LastWeekday,
    /// Weekdays: `d#n`, `dL`.
    Nth(u32, u32),
    LastOf(u32),
}

/// An expression with its meaning.
#[derive(Clone, Debug)]
pub(crate) struct Naive {
    seconds: Vec<Item>,
    minutes: Vec<Item>,
    hours: Vec<Item>,
    days: Vec<Item>,
    months: Vec<Item>,
    weekdays: Vec<Item>,
    has_seconds: bool,
    pub text: String,
}

impl Naive {
    /// An expression that has a good chance to name readings near this one.
    pub(crate) fn near(random: &mut Random, with_seconds: bool, near: DateTime) -> Self {
        let hour = near.hour() as u32;
        let around = [(hour + 23) % 24, hour, (hour + 1) % 24, (hour + 2) % 24];
        let seconds = if with_seconds { field(random, 0, 59, near.second() as u32) } else { vec![Item::One(0)] };
        let minutes = field(random, 0, 59, near.minute() as u32);
        let hours = match random.below(3) {
            0 => vec![Item::Star],
            1 => vec![Item::One(*random.pick(&around)), Item::One(*random.pick(&around))],
            _ => field(random, 0, 23, hour),
        };
        let mut naive =
            Self { has_seconds: with_seconds, seconds, minutes, hours, ..Self::any_date(random, near.date()) };
        naive.text = naive.write();
        naive
    }

    /// An expression for one time a day, with any rule of dates.
    pub(crate) fn daily(random: &mut Random) -> Self {
        let date = Date::constant(2024, random.between(1, 12) as i8, random.between(1, 28) as i8);
        let mut naive = Self::any_date(random, date);
        if random.one_in(2) {
            naive.months = field(random, 1, 12, date.month() as u32);
        }
        naive.text = naive.write();
        naive
    }

    fn any_date(random: &mut Random, near: Date) -> Self {
        let star = |random: &mut Random| random.one_in(2).then(|| vec![Item::Star]);
        let days = star(random).unwrap_or_else(|| month_days(random, near.day() as u32));
        let weekdays = star(random).unwrap_or_else(|| weekdays(random, near.weekday().to_sunday_zero_offset() as u32));
        let months = if random.one_in(4) { field(random, 1, 12, near.month() as u32) } else { vec![Item::Star] };
        let zero = || vec![Item::One(0)];
        Self {
            seconds: zero(),
            minutes: zero(),
            hours: zero(),
            days,
            months,
            weekdays,
            has_seconds: false,
            text: String::new(),
        }
    }

    fn write(&self) -> String {
        let fields = [&self.seconds, &self.minutes, &self.hours, &self.days, &self.months, &self.weekdays];
        let written = fields.iter().skip(usize::from(!self.has_seconds)).map(|field| {
            let items: Vec<String> = field.iter().map(|item| item.write()).collect();
            items.join(",")
        });
        written.collect::<Vec<_>>().join(" ")
    }

    /// Whether it means times of day.
    pub(crate) fn is_fixed_time(&self) -> bool {
        ![&self.minutes, &self.hours].iter().any(|field| field[0].is_starred())
    }

    pub(crate) fn names(&self, reading: DateTime) -> bool {
        self.names_time(reading) && self.names_date(reading.date())
    }

    pub(crate) fn names_time(&self, reading: DateTime) -> bool {
        let has = |field: &[Item], value: i8, max| field.iter().any(|item| item.has(value as u32, 0, max));
        has(&self.seconds, reading.second(), 59)
            && has(&self.minutes, reading.minute(), 59)
            && has(&self.hours, reading.hour(), 23)
    }

    pub(crate) fn names_date(&self, date: Date) -> bool {
        let by_day = self.days.iter().any(|item| item.has_day(date));
        let by_weekday = self.weekdays.iter().any(|item| item.has_weekday(date));
        let starred = self.days[0].is_starred() || self.weekdays[0].is_starred();
        let by_date = if starred { by_day && by_weekday } else { by_day || by_weekday };
        by_date && self.months.iter().any(|item| item.has(date.month() as u32, 1, 12))
    }
}

impl Item {
    fn is_starred(self) -> bool {
        matches!(self, Item::Star | Item::StarStep(_))
    }

    fn write(self) -> String {
        let mut out = String::new();
        let written = match self {
            Item::Star => write!(out, "*"),
            Item::StarStep(step) => write!(out, "*/{step}"),
            Item::One(value) => write!(out, "{value}"),
            Item::From(from, step) => write!(out, "{from}/{step}"),
            Item::Range(from, to) => write!(out, "{from}-{to}"),
            Item::RangeStep(from, to, step) => write!(out, "{from}-{to}/{step}"),
            Item::Last(0) => write!(out, "L"),
            Item::Last(before) => write!(out, "L-{before}"),
            Item::Nearest(day) => write!(out, "{day}W"),
            Item::LastWeekday => write!(out, "LW"),
            Item::Nth(weekday, nth) => write!(out, "{weekday}#{nth}"),
            Item::LastOf(weekday) => write!(out, "{weekday}L"),
        };
        written.unwrap();
        out
    }

    fn has(self, value: u32, min: u32, max: u32) -> bool {
        let stepped = |from: u32, to: u32, step: u32| (from..=to).step_by(step as usize).any(|named| named == value);
        match self {
            Item::Star => true,
            Item::StarStep(step) => stepped(min, max, step),
            Item::One(one) => value == one,
            Item::From(from, step) => stepped(from, max, step),
            Item::Range(from, to) => stepped(from, to, 1),
            Item::RangeStep(from, to, step) => stepped(from, to, step),
            _ => unreachable!("only in fields of days"),
        }
    }

    fn has_day(self, date: Date) -> bool {
        let last = date.last_of_month();
        match self {
            Item::Last(before) => i32::from(date.day()) == i32::from(last.day()) - before as i32,
            Item::LastWeekday => date == to_weekday(last),
            Item::Nearest(day) => {
                day <= last.day() as u32 && date == to_weekday(date.with().day(day as i8).build().unwrap())
            }
            other => other.has(date.day() as u32, 1, 31),
        }
    }

    fn has_weekday(self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_zero_offset() as u32;
        match self {
            Item::Nth(of, nth) => weekday == of % 7 && (date.day() as u32 - 1) / 7 + 1 == nth,
            Item::LastOf(of) => weekday == of % 7 && date.day() + 7 > date.last_of_month().day(),
            other => other.has(weekday, 0, 6) || (weekday == 0 && matches!(other, Item::One(7) | Item::Range(_, 7))),
        }
    }
}

/// The nearest day from Monday to Friday in the same month, looked for in both directions.
fn to_weekday(date: Date) -> Date {
    let works = |day: &Date| (1..=5).contains(&day.weekday().to_sunday_zero_offset()) && day.month() == date.month();
    let around = [0, -1, 1, -2, 2].map(|days| date.checked_add(jiff::Span::new().days(days)).unwrap());
    around.into_iter().find(works).unwrap()
}

fn field(random: &mut Random, min: u32, max: u32, near: u32) -> Vec<Item> {
    let near = if random.one_in(2) { near } else { random.between(min, max) };
    let step = random.between(1, (max - min) / 2);
    match random.below(6) {
        0 => vec![Item::Star],
        1 => vec![Item::StarStep(step)],
        2 => vec![Item::From(near, step)],
        3 => vec![Item::Range(min, near), Item::One(max)],
        4 => vec![Item::RangeStep(near, max, step)],
        _ => (0..random.between(1, 3)).map(|_| Item::One(random.between(min, max))).chain([Item::One(near)]).collect(),
    }
}

fn month_days(random: &mut Random, near: u32) -> Vec<Item> {
    match random.below(6) {
        0 => vec![Item::Last(random.below(5))],
        1 => vec![Item::Nearest(*random.pick(&[1, 2, 28, 29, 30, 31])), Item::Nearest(near)],
        2 => vec![Item::LastWeekday],
        _ => field(random, 1, 31, near),
    }
}

fn weekdays(random: &mut Random, near: u32) -> Vec<Item> {
    match random.below(5) {
        0 => vec![Item::Nth(near, random.between(1, 5)), Item::Nth(random.between(0, 7), random.between(1, 5))],
        1 => vec![Item::LastOf(near)],
        2 => vec![Item::Range(random.between(0, 6), 7)],
        _ => field(random, 0, 6, near),
    }
}
