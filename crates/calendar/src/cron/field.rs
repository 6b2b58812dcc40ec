//! Reading one field: lists, ranges, steps, names, and the letters `L`, `W` and `#`.

use std::ops::Range;

use super::error::CronError;
use super::{MonthDays, Weekdays};

/// What a field may hold.
pub(super) struct Field {
    /// What one value is called: "minute".
    pub name: &'static str,
    pub min: u16,
    pub max: u16,
    /// Where `*` and an open step end: before `max` for weekdays, which know Sunday twice.
    pub last: u16,
    /// Names of the values, the first for `min`.
    pub names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

pub(super) static SECOND: Field = Field { name: "second", min: 0, max: 59, last: 59, names: &[] };
pub(super) static MINUTE: Field = Field { name: "minute", min: 0, max: 59, last: 59, names: &[] };
pub(super) static HOUR: Field = Field { name: "hour", min: 0, max: 23, last: 23, names: &[] };
static DAY: Field = Field { name: "day of the month", min: 1, max: 31, last: 31, names: &[] };
pub(super) static MONTH: Field = Field { name: "month", min: 1, max: 12, last: 12, names: &MONTHS };
/// Seven is Sunday as well.
static WEEKDAY: Field = Field { name: "weekday", min: 0, max: 7, last: 6, names: &WEEKDAYS };
static YEAR: Field = Field { name: "year", min: 1970, max: 2199, last: 2199, names: &[] };

impl Field {
    fn values(&self) -> String {
        let names = match self.names {
            [] => String::new(),
            names => format!(" or {}-{}", names[0], names[names.len() - 1]),
        };
        format!("{}-{}{names}", self.min, self.max)
    }

    /// One value, by number or name.
    fn value(&self, text: &str, place: Range<usize>) -> Result<u16, CronError> {
        let given = &text[place.clone()];
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(given));
        let number = named.map(|index| index as u16 + self.min).or_else(|| digits(given));
        match number {
            Some(value) if (self.min..=self.max).contains(&value) => Ok(value),
            _ => Err(CronError::new(place, self.refusal(given), self.hint(given))),
        }
    }

    fn refusal(&self, given: &str) -> String {
        match given {
            "" => format!("a {} is missing", self.name),
            _ => format!("`{given}` is no {}", self.name),
        }
    }

    fn hint(&self, given: &str) -> String {
        let meant = self
            .names
            .iter()
            .find(|name| given.len() > 2 && given.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(name)));
        match meant {
            Some(name) => format!("{}; did you mean `{name}`?", self.values()),
            None => self.values(),
        }
    }
}

fn digits(text: &str) -> Option<u16> {
    (!text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

/// The items of a list and their places.
fn items(text: &str, place: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
    let mut at = place.start;
    let lengths: Vec<usize> = text[place].split(',').map(str::len).collect();
    lengths.into_iter().map(move |length| {
        let item = at..at + length;
        at = item.end + 1;
        item
    })
}

/// `*`, `a`, `a-b`, each with `/step`: first, last, step.
fn range(text: &str, item: Range<usize>, field: &Field) -> Result<(u16, u16, u16), CronError> {
    let given = &text[item.clone()];
    let (body, step) = match given.split_once('/') {
        None => (item.clone(), None),
        Some((body, _)) => {
            let from = item.start + body.len();
            (item.start..from, Some(from + 1..item.end))
        }
    };
    let step_value = match &step {
        None => 1,
        Some(place) => match digits(&text[place.clone()]) {
            Some(step @ 1..) => step,
            _ => {
                let detail = format!("`{}` is no step", &text[place.clone()]);
                return Err(CronError::new(place.clone(), detail, format!("a number from 1 to {}", field.max)));
            }
        },
    };
    let body_text = &text[body.clone()];
    if body_text == "*" {
        return Ok((field.min, field.last, step_value));
    }
    let Some((first, _)) = body_text.split_once('-') else {
        let value = field.value(text, body)?;
        return Ok((value, if step.is_some() { field.last.max(value) } else { value }, step_value));
    };
    let middle = body.start + first.len();
    let from = field.value(text, body.start..middle)?;
    let to = field.value(text, middle + 1..body.end)?;
    if from > to && field.name != "weekday" {
        let detail = format!("the range `{body_text}` runs backwards");
        let expected =
            format!("the smaller {} first; over the end write `{from}-{},{}-{to}`", field.name, field.max, field.min);
        return Err(CronError::new(body, detail, expected));
    }
    Ok((from, to, step_value))
}

/// A field of plain numbers as a set of bits.
pub(super) fn plain(text: &str, place: Range<usize>, field: &Field) -> Result<u64, CronError> {
    let mut found = 0;
    for item in items(text, place) {
        let (from, to, step) = range(text, item, field)?;
        for value in (from..=to).step_by(step.into()) {
            found |= 1 << value;
        }
    }
    Ok(found)
}

/// The field "year" as ranges in order.
pub(super) fn years(text: &str, place: Range<usize>) -> Result<Vec<(u16, u16)>, CronError> {
    if &text[place.clone()] == "*" {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for item in items(text, place) {
        let (from, to, step) = range(text, item, &YEAR)?;
        match step {
            1 => found.push((from, to)),
            _ => found.extend((from..=to).step_by(step.into()).map(|year| (year, year))),
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Whether a field leaves the choice to the other field of days.
fn starred(text: &str, place: Range<usize>) -> bool {
    text[place].starts_with(['*', '?'])
}

/// The field "day of month".
pub(super) fn month_days(text: &str, place: Range<usize>, into: &mut MonthDays) -> Result<(), CronError> {
    into.starred = starred(text, place.clone());
    if &text[place.clone()] == "?" {
        into.days = super::whole_month(31);
        return Ok(());
    }
    for item in items(text, place) {
        let given = text[item.clone()].to_ascii_uppercase();
        let number = |cut: Range<usize>| DAY.value(text, item.start + cut.start..item.start + cut.end);
        match given.as_str() {
            "L" => into.before_last |= 1,
            "LW" | "WL" => into.last_weekday = true,
            _ if given.starts_with("L-") => {
                let before = number(2..given.len())?;
                if before > 30 {
                    let detail = format!("no month has a day {before} days before its last");
                    return Err(CronError::new(item, detail, "L-1 to L-30"));
                }
                into.before_last |= 1 << before;
            }
            _ if given.len() > 1 && given.ends_with('W') => into.nearest |= 1 << number(0..given.len() - 1)?,
            _ if given.contains(['L', 'W', '?', '#']) => {
                let detail = format!("`{}` is no day of the month", &text[item.clone()]);
                return Err(CronError::new(item, detail, "1-31, L, L-3, 15W or LW"));
            }
            _ => {
                let (from, to, step) = range(text, item.clone(), &DAY)?;
                for day in (from..=to).step_by(step.into()) {
                    into.days |= 1 << day;
                }
            }
        }
    }
    Ok(())
}

/// The field "day of week".
pub(super) fn weekdays(text: &str, place: Range<usize>, into: &mut Weekdays) -> Result<(), CronError> {
    into.starred = starred(text, place.clone());
    if &text[place.clone()] == "?" {
        into.days = 0x7f;
        return Ok(());
    }
    for item in items(text, place) {
        let given = &text[item.clone()];
        if let Some((day, _)) = given.split_once('#') {
            let middle = item.start + day.len();
            let weekday = WEEKDAY.value(text, item.start..middle)? % 7;
            match &text[middle + 1..item.end] {
                "L" | "l" => into.last |= 1 << weekday,
                nth => match digits(nth) {
                    Some(nth @ 1..=5) => into.nth[usize::from(nth) - 1] |= 1 << weekday,
                    _ => {
                        let detail = format!("`{nth}` is no place in a month");
                        return Err(CronError::new(middle + 1..item.end, detail, "1-5, or L for the last"));
                    }
                },
            }
        } else if given.eq_ignore_ascii_case("L") {
            return Err(CronError::new(item, "`L` leaves open which weekday", "one, as in FRIL, or SAT for Saturdays"));
        } else if given.len() > 1 && given.ends_with(['L', 'l']) {
            into.last |= 1 << (WEEKDAY.value(text, item.start..item.end - 1)? % 7);
        } else {
            let (from, to, step) = range(text, item.clone(), &WEEKDAY)?;
            // Over the end of the week, as in FRI-MON.
            let to = if to < from { to + 7 } else { to };
            for weekday in (from..=to).step_by(step.into()) {
                into.days |= 1 << (weekday % 7);
            }
        }
    }
    Ok(())
}
