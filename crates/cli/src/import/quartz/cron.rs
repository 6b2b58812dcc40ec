//! Quartz's cron expressions in Mainspring's words.
//!
//! Quartz counts weekdays from 1 for Sunday, lets every range run over its end, writes `/5` for `0/5`, and wants a `?` in one of the two fields
//! of days. All else is the same: seconds first, a year last if there is one.

use mainspring_calendar::Cron;

const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// First and last value of each field but the year's.
const BOUNDS: [(u16, u16); 6] = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (1, 7)];
const WEEKDAY: usize = 5;
const YEARS: (u16, u16) = (1970, 2099);

/// The same instants as an expression that the calendar reads.
pub(super) fn translate(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let fields: Vec<&str> = upper.split_whitespace().collect();
    if !(6..=7).contains(&fields.len()) {
        return Err(format!("`{text}`: Quartz has 6 fields, or 7 with a year"));
    }
    if (fields[3] == "?") == (fields[WEEKDAY] == "?") {
        return Err(format!(
            "`{text}`: Quartz wants `?` in one of the two fields of days, and has no meaning for others"
        ));
    }
    let mut written = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let bounds = BOUNDS.get(index).copied().unwrap_or(YEARS);
        let items = field.split(',').map(|item| item_of(item, index, bounds));
        let items = items.collect::<Result<Vec<_>, _>>().map_err(|why| format!("`{text}`: {why}"))?;
        written.push(items.join(","));
    }
    let written = written.join(" ");
    Cron::parse(&written).map_err(|error| format!("`{text}`: {error}"))?;
    Ok(written)
}

/// One item of a list.
fn item_of(item: &str, index: usize, bounds: (u16, u16)) -> Result<String, String> {
    if index == WEEKDAY {
        return weekday(item);
    }
    if item.ends_with('C') && item != "DEC" {
        return Err(format!("`{item}` asks a calendar of Quartz's, which has no equal here"));
    }
    if item.starts_with("L-") && item.ends_with('W') {
        return Err(format!("`{item}` has no equal here: the weekday nearest to a day before the last"));
    }
    let (body, step) = item.split_once('/').map_or((item, None), |(body, step)| (body, Some(step)));
    if body.is_empty() {
        return Ok(format!("*/{}", step.unwrap_or_default()));
    }
    let value = |word: &str| {
        let named = MONTHS.iter().position(|name| index == 4 && *name == word).map(|at| at as u16 + 1);
        named.or_else(|| word.parse().ok())
    };
    let Some((first, last)) = body.split_once('-').and_then(|(first, last)| Some((value(first)?, value(last)?))) else {
        return Ok(item.to_owned());
    };
    if first <= last {
        return Ok(item.to_owned());
    }
    let step = step_of(step)?;
    let values = over_the_end(first, last, step, bounds).iter().map(u16::to_string).collect::<Vec<_>>();
    Ok(values.join(","))
}

/// An item of the weekdays, by their names, so that nobody counts.
fn weekday(item: &str) -> Result<String, String> {
    if matches!(item, "*" | "?") {
        return Ok(item.to_owned());
    }
    if item == "L" {
        return Ok("SAT".to_owned()); // Without a day before it Quartz takes it for the seventh of the week.
    }
    let named = |word: &str| -> Result<u16, String> {
        let index = WEEKDAYS.iter().position(|name| *name == word);
        let number = index.map(|index| index as u16 + 1).or_else(|| word.parse().ok());
        number
            .filter(|day| (1..=7).contains(day))
            .ok_or_else(|| format!("`{word}` is no weekday of Quartz's: 1-7 from Sunday to Saturday, or SUN-SAT"))
    };
    let name = |day: u16| WEEKDAYS[usize::from(day) - 1];
    if let Some((day, nth)) = item.split_once('#') {
        return Ok(format!("{}#{nth}", name(named(day)?)));
    }
    if let Some(day) = item.strip_suffix('L') {
        return Ok(format!("{}L", name(named(day)?)));
    }
    let (body, step) = item.split_once('/').map_or((item, None), |(body, step)| (body, Some(step)));
    let step = step_of(step)?;
    let (first, last) = match (body, body.split_once('-')) {
        ("*" | "", _) => (1, 7),
        (_, Some((first, last))) => (named(first)?, named(last)?),
        (_, None) if item.contains('/') => (named(body)?, 7),
        (day, None) => return Ok(name(named(day)?).to_owned()),
    };
    if step == 1 {
        return Ok(format!("{}-{}", name(first), name(last)));
    }
    Ok(over_the_end(first, last, step, (1, 7)).into_iter().map(name).collect::<Vec<_>>().join(","))
}

fn step_of(step: Option<&str>) -> Result<u16, String> {
    let Some(step) = step else { return Ok(1) };
    step.parse().ok().filter(|step| *step > 0).ok_or_else(|| format!("`{step}` is no step"))
}

/// The values of a range that may begin behind its end.
fn over_the_end(first: u16, last: u16, step: u16, (min, max): (u16, u16)) -> Vec<u16> {
    let count = max - min + 1;
    let last = if last < first { last + count } else { last };
    (first..=last).step_by(step.into()).map(|value| min + (value - min) % count).collect()
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn expressions_keep_their_instants() {
        for (quartz, here) in [
            ("0 0 12 * * ?", "0 0 12 * * ?"),
            ("0 15 10 ? * 6L 2026-2030", "0 15 10 ? * FRIL 2026-2030"),
            ("0 15 10 ? * 6#3", "0 15 10 ? * FRI#3"),
            ("0 0 8 ? * 2-6", "0 0 8 ? * MON-FRI"),
            ("0 0 8 ? * fri-mon", "0 0 8 ? * FRI-MON"),
            ("0 0 8 ? * 2/2", "0 0 8 ? * MON,WED,FRI"),
            ("0 0 8 ? * 7-3/2", "0 0 8 ? * SAT,MON"),
            ("0 0 8 ? * L", "0 0 8 ? * SAT"),
            ("/5 0/10 8-18 15W * ?", "*/5 0/10 8-18 15W * ?"),
            ("0 0 22-2 LW nov-feb ?", "0 0 22,23,0,1,2 LW 11,12,1,2 ?"),
            ("0 0 20-4/4 L-3 DEC ?", "0 0 20,0,4 L-3 DEC ?"),
        ] {
            assert_eq!(translate(quartz).as_deref(), Ok(here), "{quartz}");
        }
    }

    #[test]
    fn what_quartz_or_the_calendar_does_not_know_is_refused() {
        for (quartz, why) in [
            ("0 12 * * ?", "6 fields"),
            ("0 0 12 * * *", "Quartz wants `?`"),
            ("0 0 12 ? * ?", "Quartz wants `?`"),
            ("0 0 12 5C * ?", "calendar of Quartz's"),
            ("0 0 12 L-3W * ?", "no equal"),
            ("0 0 12 ? * 0", "no weekday of Quartz's"),
            ("0 0 25 * * ?", "`25` is no hour"),
            ("0 0 22-2/x * * ?", "no step"),
            ("0 0 12 ? * MON/0", "no step"),
        ] {
            let refused = translate(quartz).expect_err(quartz);
            assert!(refused.contains(why), "{quartz}: {refused}");
        }
    }
}
