//! Reading an expression: words, the number of fields, and what each field becomes.

use std::ops::Range;

use super::error::CronError;
use super::field::{self, Field};
use super::{Cron, MonthDays, Pattern, Weekdays};

/// Longer than any sensible expression; keeps error messages and stored rows short.
const LENGTH_MAX: usize = 512;

/// The words that stand for whole expressions.
const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

const FIELDS: &str =
    "5 fields (minute hour day month weekday), 6 with seconds first, or 7 with seconds first and a year last";

pub(super) fn parse(text: &str) -> Result<Cron, CronError> {
    if text.len() > LENGTH_MAX {
        let detail = format!("the expression has {} bytes", text.len());
        return Err(CronError::new(LENGTH_MAX..text.len(), detail, format!("at most {LENGTH_MAX}")));
    }
    let fields = split(text);
    if let [first, ..] = fields.as_slice()
        && text[first.clone()].starts_with('@')
    {
        return word(text, first.clone(), fields.len() == 1);
    }
    let whole = || fields.first().map_or(0..0, |first| first.start..fields[fields.len() - 1].end);
    let none: Range<usize> = 0..0;
    let [second, minute, hour, day, month, weekday, year] = match fields.as_slice() {
        [] => return Err(CronError::new(0..text.len(), "the expression is empty", FIELDS)),
        [minute, hour, day, month, weekday] => [&none, minute, hour, day, month, weekday, &none],
        [.., last] if fields.len() == 6 && is_year(&text[last.clone()]) => {
            let detail =
                format!("`{}` looks like a year, but six fields are read with seconds first", &text[last.clone()]);
            return Err(CronError::new(last.clone(), detail, "seconds in front of it, which makes seven fields"));
        }
        [second, minute, hour, day, month, weekday] => [second, minute, hour, day, month, weekday, &none],
        [second, minute, hour, day, month, weekday, year] => [second, minute, hour, day, month, weekday, year],
        more => {
            let detail = format!("{} field{}", more.len(), if more.len() == 1 { "" } else { "s" });
            return Err(CronError::new(whole(), detail, FIELDS));
        }
    };
    let read = |field: &'static Field, place: &Range<usize>| field::plain(text, place.clone(), field);
    let mut days = MonthDays::default();
    field::month_days(text, day.clone(), &mut days)?;
    let mut weekdays = Weekdays::default();
    field::weekdays(text, weekday.clone(), &mut weekdays)?;
    let cron = Cron {
        text: text.trim().into(),
        seconds: if second.is_empty() { 1 } else { read(&field::SECOND, second)? },
        minutes: read(&field::MINUTE, minute)?,
        hours: read(&field::HOUR, hour)? as u32,
        days,
        months: read(&field::MONTH, month)? as u16,
        weekdays,
        years: if year.is_empty() { Vec::new() } else { field::years(text, year.clone())? },
        fixed_time: !text[minute.clone()].starts_with('*') && !text[hour.clone()].starts_with('*'),
    };
    debug_assert!(Pattern::new(&cron, None).is_never() || cron.minutes != 0);
    Ok(cron)
}

/// The places of the fields.
fn split(text: &str) -> Vec<Range<usize>> {
    let mut fields = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        match (c.is_ascii_whitespace(), start) {
            (true, Some(from)) => {
                fields.push(from..at);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    fields.extend(start.map(|from| from..text.len()));
    fields
}

fn is_year(field: &str) -> bool {
    let first = field.split(['-', ',', '/']).next().unwrap_or_default();
    first.len() == 4 && first.bytes().all(|byte| byte.is_ascii_digit())
}

fn word(text: &str, place: Range<usize>, alone: bool) -> Result<Cron, CronError> {
    let given = text[place.clone()].to_ascii_lowercase();
    if let Some((_, meaning)) = WORDS.iter().find(|(name, _)| *name == given) {
        if !alone {
            let rest = place.end + 1..text.len();
            return Err(CronError::new(rest, format!("something follows `{given}`"), "nothing after a word"));
        }
        let read = parse(meaning)?;
        return Ok(Cron { text: text.trim().into(), ..read });
    }
    let detail = format!("unknown word `{}`", &text[place.clone()]);
    let expected = match given.as_str() {
        "@reboot" => "an expression with instants; a start of the machine is none".to_owned(),
        "@every" => "an interval instead of a cron expression".to_owned(),
        _ => {
            let names = WORDS.map(|(name, _)| name);
            match nearest(&given, names.iter().copied()) {
                Some(name) => format!("one of {}; did you mean `{name}`?", names.join(" ")),
                None => format!("one of {}", names.join(" ")),
            }
        }
    };
    Err(CronError::new(place, detail, expected))
}

/// The name that was most likely meant.
pub(crate) fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_ascii_lowercase();
    let scored = names.map(|name| (strsim::jaro_winkler(&given, &name.to_ascii_lowercase()), name));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 >= 0.8).then_some(best.1)
}
