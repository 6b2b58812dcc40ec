//! The triggers of Quartz as fields of `schedule:`.

use mainspring_calendar::{Timestamp, Zone};
use roxmltree::Node;

use super::{cron, text};
use crate::import::Imported;

/// A schedule's fields, in order.
type Fields = Vec<(&'static str, String)>;

/// What a trigger says about time, whatever its kind.
struct Span<'a> {
    zone: &'a Zone,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

/// The fields of one trigger: a `simple`, `cron` or `calendar-interval` element.
pub(super) fn schedule(kind: Node<'_, '_>, zone: &Zone, found: &mut Imported) -> Result<Fields, String> {
    let line = super::line(kind);
    let zone = match text(kind, "time-zone") {
        Some(name) => Zone::get(name).map_err(|error| error.to_string())?,
        None => zone.clone(),
    };
    if text(kind, "start-time-seconds-in-future").is_some() {
        found.lost(line, "its start counts from the start of Quartz, which has no equal here");
    }
    let instant = |name| match text(kind, name) {
        None => Ok(None),
        Some(given) => zone.instant(given).map(Some).ok_or_else(|| format!("`{given}` is no time")),
    };
    let span = Span { zone: &zone, start: instant("start-time")?, end: instant("end-time")? };
    if let Some(name) = text(kind, "calendar-name") {
        let where_to = "programs make calendars, files do not hold them; write its dates as `exclude`";
        found.lost(line, format!("the calendar `{name}`: {where_to}"));
    }
    let mut fields = match kind.tag_name().name() {
        "cron" => by_cron(kind, &span)?,
        "simple" => simple(kind, &span, found)?,
        _ => by_calendar(kind, &span, found)?,
    };
    misfire(kind, &mut fields, found)?;
    fields.push(("overlap", "allow".to_owned()));
    Ok(fields)
}

fn by_cron(kind: Node<'_, '_>, span: &Span<'_>) -> Result<Fields, String> {
    let expression = text(kind, "cron-expression").ok_or("it has no cron-expression")?;
    let mut fields = vec![("cron", cron::translate(expression)?), ("timezone", span.zone.name().to_owned())];
    fields.extend(span.start.map(|start| ("start", start.to_string())));
    fields.extend(span.end.map(|end| ("end", end.to_string())));
    Ok(fields)
}

/// So many times, so many milliseconds apart; -1 is without an end.
fn simple(kind: Node<'_, '_>, span: &Span<'_>, found: &mut Imported) -> Result<Fields, String> {
    let number = |name, default: i64| match text(kind, name) {
        None => Ok(default),
        Some(given) => given.parse::<i64>().map_err(|_| format!("`{given}` is no {name}")),
    };
    let (count, every_ms) = (number("repeat-count", 0)?, number("repeat-interval", 0)?);
    if count == 0 {
        let start = span.start.ok_or("it fires once, when Quartz reads it; submit the job instead")?;
        return Ok(vec![("at", start.to_string())]);
    }
    if every_ms < 1_000 || every_ms % 1_000 != 0 {
        return Err(format!("an interval of {every_ms} ms has no equal here: whole seconds from 1"));
    }
    let mut end = span.end;
    if count > 0 {
        let start = span.start.ok_or("its repetitions count from the start of Quartz; give it a start-time")?;
        let last = count.checked_mul(every_ms).and_then(|ms| start.as_millisecond().checked_add(ms));
        let last = last.and_then(|ms| Timestamp::from_millisecond(ms).ok()).ok_or("its last repetition is too far")?;
        end = Some(end.map_or(last, |end| end.min(last)));
    }
    Ok(every(every_ms / 1_000, span.start, end, super::line(kind), found))
}

fn every(seconds: i64, start: Option<Timestamp>, end: Option<Timestamp>, line: usize, found: &mut Imported) -> Fields {
    if start.is_none() {
        found.review(line, "it has no start: its intervals are counted from 1970 instead of the start of Quartz");
    }
    let mut fields = vec![("every", format!("{seconds}s"))];
    fields.extend(start.map(|start| ("start", start.to_string())));
    fields.extend(end.map(|end| ("end", end.to_string())));
    fields
}

/// Intervals of the calendar: days and longer keep the time on the clock, so they are cron's.
fn by_calendar(kind: Node<'_, '_>, span: &Span<'_>, found: &mut Imported) -> Result<Fields, String> {
    let count = text(kind, "repeat-interval").unwrap_or_default();
    let count = count.parse::<i64>().ok().filter(|count| (1..=1_000_000).contains(count));
    let count = count.ok_or("its repeat-interval is no number from 1 to 1000000")?;
    let unit = text(kind, "repeat-interval-unit").unwrap_or_default();
    let seconds = match unit {
        "SECOND" => 1,
        "MINUTE" => 60,
        "HOUR" => 3_600,
        _ => 0,
    };
    if seconds > 0 {
        return Ok(every(count * seconds, span.start, span.end, super::line(kind), found));
    }
    let start = span.start.ok_or("its intervals count from the start of Quartz; give it a start-time")?;
    let reading = span.zone.local(start); // 2026-03-29T03:00:00+02:00
    let part = |place: std::ops::Range<usize>| reading.get(place).and_then(|part| part.parse::<u16>().ok());
    let at = |place| part(place).ok_or("its start is outside the calendar");
    let (year, month, day) = (at(0..4)?, at(5..7)?, at(8..10)?);
    let clock = format!("{} {} {}", at(17..19)?, at(14..16)?, at(11..13)?);
    let of_month = match (unit, day) {
        ("MONTH", 31) => "L".to_owned(),
        ("MONTH", 29..) => return Err(format!("the {day}th of each month, or its last day: no expression says so")),
        ("YEAR", 29) if month == 2 => return Err("29 February, or 28 February: no expression says so".to_owned()),
        (_, day) => day.to_string(),
    };
    let weekday = span.zone.show(start)[..3].to_ascii_uppercase();
    let expression = match (unit, count) {
        ("DAY", 1) => format!("{clock} * * ?"),
        ("WEEK", 1) => format!("{clock} ? * {weekday}"),
        ("DAY" | "WEEK", _) => {
            let line = super::line(kind);
            found.review(
                line,
                format!("every {count} {unit}S is a length of time here: an hour off when clocks change"),
            );
            let days = count * if unit == "WEEK" { 7 } else { 1 };
            return Ok(every(days * 86_400, span.start, span.end, line, found));
        }
        ("MONTH", 1) => format!("{clock} {of_month} * ?"),
        ("MONTH", 2 | 3 | 4 | 6 | 12) => {
            let step = count as u16;
            let months = (0..12 / step).map(|nth| ((month - 1 + nth * step) % 12 + 1).to_string());
            format!("{clock} {of_month} {} ?", months.collect::<Vec<_>>().join(","))
        }
        ("YEAR", 1) => format!("{clock} {of_month} {month} ?"),
        ("YEAR", _) if (1_970..2_199).contains(&year) => format!("{clock} {of_month} {month} ? {year}/{count}"),
        ("MONTH" | "YEAR", _) => return Err(format!("every {count} {unit}S has no equal here")),
        _ => return Err(format!("`{unit}` is no unit of time")),
    };
    let mut fields =
        vec![("cron", expression), ("timezone", span.zone.name().to_owned()), ("start", start.to_string())];
    fields.extend(span.end.map(|end| ("end", end.to_string())));
    Ok(fields)
}

/// What becomes of instants that were missed. Quartz decides for itself (`SMART_POLICY`) where the file does not.
fn misfire(kind: Node<'_, '_>, fields: &mut Fields, found: &mut Imported) -> Result<(), String> {
    let given = text(kind, "misfire-instruction").unwrap_or("SMART_POLICY");
    let word = given.strip_prefix("MISFIRE_INSTRUCTION_").unwrap_or(given);
    let is_simple = kind.tag_name().name() == "simple";
    let policy = match word {
        "SMART_POLICY" if is_simple && text(kind, "repeat-count") == Some("-1") => "skip",
        "SMART_POLICY" | "FIRE_ONCE_NOW" | "FIRE_NOW" => "latest",
        "DO_NOTHING" | "RESCHEDULE_NEXT_WITH_EXISTING_COUNT" | "RESCHEDULE_NEXT_WITH_REMAINING_COUNT" => "skip",
        "IGNORE_MISFIRE_POLICY" => "all",
        "RESCHEDULE_NOW_WITH_EXISTING_REPEAT_COUNT" | "RESCHEDULE_NOW_WITH_REMAINING_REPEAT_COUNT" => {
            let why = "here the newest runs and the rhythm stays; there the rhythm begins anew";
            found.review(super::line(kind), format!("`{word}`: {why}"));
            "latest"
        }
        other => return Err(format!("`{other}` is no misfire-instruction")),
    };
    fields.push(("misfire", policy.to_owned()));
    if policy == "all" {
        fields.push(("burst", "1000".to_owned()));
    }
    Ok(())
}
