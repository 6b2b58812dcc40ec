//! An expression in words, for people who do not read cron: "at 02:00, Monday to Friday".

use super::{Cron, bits, whole_month};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ALL_MONTHS: u16 = 0b1_1111_1111_1110;
/// More times of day than this are told as sets of minutes and hours.
const TIMES_MAX: usize = 6;

pub(super) fn describe(cron: &Cron) -> String {
    let mut words = times(cron);
    words.push_str(&dates(cron));
    if cron.months != ALL_MONTHS {
        words += &format!(" in {}", runs(cron.months.into(), |month| MONTHS[usize::from(month) - 1].to_owned()));
    }
    if !cron.years.is_empty() {
        let years =
            cron.years.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from} to {to}") });
        words += &format!(", in {}", joined(years.collect()));
    }
    if cron.is_never() {
        words += "; no such date exists, so never";
    }
    words
}

fn times(cron: &Cron) -> String {
    let all = |values: u64| bits(values).collect::<Vec<_>>();
    let [seconds, minutes, hours] = [all(cron.seconds), all(cron.minutes), all(cron.hours.into())];
    if seconds.len() * minutes.len() * hours.len() <= TIMES_MAX {
        let mut all = Vec::new();
        for (hour, minute) in hours.iter().flat_map(|hour| minutes.iter().map(move |minute| (hour, minute))) {
            all.extend(seconds.iter().map(|second| match second {
                0 if seconds.len() == 1 => format!("{hour:02}:{minute:02}"),
                _ => format!("{hour:02}:{minute:02}:{second:02}"),
            }));
        }
        let every_day = match (dates(cron).as_str(), cron.months == ALL_MONTHS) {
            ("", true) => " every day",
            ("", false) => ", every day",
            _ => "",
        };
        return format!("at {}{every_day}", joined(all));
    }
    let mut parts = Vec::new();
    if cron.seconds != 1 {
        parts.push(set(cron.seconds, 59).tell("second", cron.seconds));
    }
    let minute_set = set(cron.minutes, 59);
    if parts.is_empty() || !matches!(minute_set, Set::Every(1)) {
        parts.push(minute_set.tell("minute", cron.minutes));
    }
    match set(cron.hours.into(), 23) {
        Set::Every(1) if matches!(minute_set, Set::Every(_)) => {}
        Set::Every(1) => parts.push("of every hour".to_owned()),
        _ if is_row(cron.hours.into()) => {
            parts.push(format!("from {:02}:00 to {:02}:59", hours[0], hours[hours.len() - 1]));
        }
        _ => parts.push(format!("in the hours {}", runs(cron.hours.into(), |hour| format!("{hour:02}")))),
    }
    parts.join(", ").replace(", of", " of")
}

/// Whether values follow each other without a gap.
fn is_row(values: u64) -> bool {
    let from_zero = values >> values.trailing_zeros().min(63);
    from_zero & from_zero.wrapping_add(1) == 0
}

fn dates(cron: &Cron) -> String {
    let by_day = month_days(cron);
    let by_weekday = weekdays(cron);
    let either = !cron.days.starred && !cron.weekdays.starred;
    match (by_day, by_weekday) {
        (None, None) => String::new(),
        (Some(_), None) | (None, Some(_)) if either => String::new(),
        (Some(days), None) => format!(", on {days}"),
        (None, Some(days)) => format!(", {days}"),
        (Some(left), Some(right)) if either => format!(", on {left}, and also {right}"),
        (Some(left), Some(right)) => format!(", on {left} if it is {right}"),
    }
}

/// Nothing if every day is meant.
fn month_days(cron: &Cron) -> Option<String> {
    let days = &cron.days;
    let mut parts = Vec::new();
    if days.days == whole_month(31) {
        return None;
    }
    if days.days != 0 {
        let word = if days.days.count_ones() == 1 { "day" } else { "days" };
        parts.push(format!("{word} {}", runs(days.days.into(), |day| day.to_string())));
    }
    parts.extend(bits(days.before_last.into()).map(|before| match before {
        0 => "the last day".to_owned(),
        1 => "the day before the last".to_owned(),
        _ => format!("the day {before} days before the last"),
    }));
    parts.extend(bits(days.nearest.into()).map(|day| format!("the working day nearest to day {day}")));
    if days.last_weekday {
        parts.push("the last working day".to_owned());
    }
    Some(format!("{} of the month", joined(parts)))
}

/// Nothing if every day is meant.
fn weekdays(cron: &Cron) -> Option<String> {
    let weekdays = &cron.weekdays;
    if weekdays.days == 0x7f {
        return None;
    }
    let name = |weekday: u8| WEEKDAYS[usize::from(weekday)].to_owned();
    let mut parts = Vec::new();
    if weekdays.days != 0 {
        // Sunday last, so that a weekend is one piece.
        let from_monday = (u64::from(weekdays.days >> 1) << 1) | (u64::from(weekdays.days & 1) << 7);
        parts.push(runs(from_monday, |weekday| name(weekday % 7)));
    }
    for (place, set) in ["first", "second", "third", "fourth", "fifth"].iter().zip(weekdays.nth) {
        parts.extend(bits(set.into()).map(|weekday| format!("the {place} {} of the month", name(weekday))));
    }
    parts.extend(bits(weekdays.last.into()).map(|weekday| format!("the last {} of the month", name(weekday))));
    Some(joined(parts))
}

/// What values of a field are alike.
#[derive(Debug)]
enum Set {
    /// All of them, or every second, third, … from 0.
    Every(u8),
    Few(Vec<u8>),
    Many,
}

fn set(values: u64, max: u8) -> Set {
    let all: Vec<u8> = bits(values).collect();
    let step = if let [first, second, ..] = all[..] { second - first } else { 0 };
    let even = step > 0 && all[0] == 0 && all.iter().copied().eq((0..=max).step_by(step.into()));
    match all.len() {
        // Steps that do not divide the hour are a list with a seam.
        _ if even && (max + 1).is_multiple_of(step) => Set::Every(step),
        0..=TIMES_MAX => Set::Few(all),
        _ => Set::Many,
    }
}

impl Set {
    fn tell(&self, word: &str, values: u64) -> String {
        match self {
            Set::Every(1) => format!("every {word}"),
            Set::Every(step) => format!("every {step} {word}s"),
            Set::Few(all) if all.len() == 1 => format!("at {word} {}", all[0]),
            _ => format!("at {word}s {}", runs(values, |value| value.to_string())),
        }
    }
}

/// Values as a list in which three and more in a row are a range.
fn runs(values: u64, name: impl Fn(u8) -> String) -> String {
    let mut parts = Vec::new();
    let all: Vec<u8> = bits(values).collect();
    let mut rest = all.as_slice();
    while let Some(first) = rest.first() {
        let length = rest.iter().zip(*first..).take_while(|(value, expected)| *value == expected).count();
        let (row, after) = rest.split_at(if length > 2 { length } else { 1 });
        parts.push(match row {
            [one] => name(*one),
            _ => format!("{} to {}", name(row[0]), name(row[row.len() - 1])),
        });
        rest = after;
    }
    joined(parts)
}

fn joined(mut parts: Vec<String>) -> String {
    match parts.pop() {
        Some(last) if parts.is_empty() => last,
        Some(last) => format!("{} and {last}", parts.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::Cron;

    #[test]
    fn words_say_what_the_expression_means() {
        let mut said = String::new();
        for expression in [
            "0 2 * * *",
            "@hourly",
            "* * * * *",
            "*/15 * * * *",
            "*/7 * * * *",
            "*/10 9-17 * * MON-FRI",
            "0 6 * * 1-5",
            "0 */6 * * *",
            "30 8,20 * * SAT,SUN",
            "0 0 1 1 *",
            "0 0 L * *",
            "0 12 15W * ?",
            "0 9 LW 3,6,9,12 *",
            "0 9 ? * FRI#2",
            "0 9 * * 5L",
            "0 0 13 * FRI",
            "0 0 */13 * FRI",
            "*/5 * * * * *",
            "30 15 10 * * *",
            "0,30 0-9 3 * * *",
            "0 0 30 2 *",
            "0 0 8 1-7 * ? 2027-2029",
            "0 0 * 6-8 *",
            "0 8,9,10,22 * * *",
            "*/20 8,10,22 * * *",
            "0 0 1-31 * FRI",
        ] {
            said += &format!("{expression:<24} {}\n", Cron::parse(expression).unwrap().describe());
        }
        expect![[r#"
            0 2 * * *                at 02:00 every day
            @hourly                  at minute 0 of every hour
            * * * * *                every minute
            */15 * * * *             every 15 minutes
            */7 * * * *              at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour
            */10 9-17 * * MON-FRI    every 10 minutes, from 09:00 to 17:59, Monday to Friday
            0 6 * * 1-5              at 06:00, Monday to Friday
            0 */6 * * *              at 00:00, 06:00, 12:00 and 18:00 every day
            30 8,20 * * SAT,SUN      at 08:30 and 20:30, Saturday and Sunday
            0 0 1 1 *                at 00:00, on day 1 of the month in January
            0 0 L * *                at 00:00, on the last day of the month
            0 12 15W * ?             at 12:00, on the working day nearest to day 15 of the month
            0 9 LW 3,6,9,12 *        at 09:00, on the last working day of the month in March, June, September and December
            0 9 ? * FRI#2            at 09:00, the second Friday of the month
            0 9 * * 5L               at 09:00, the last Friday of the month
            0 0 13 * FRI             at 00:00, on day 13 of the month, and also Friday
            0 0 */13 * FRI           at 00:00, on days 1, 14 and 27 of the month if it is Friday
            */5 * * * * *            every 5 seconds
            30 15 10 * * *           at 10:15:30 every day
            0,30 0-9 3 * * *         every 30 seconds, at minutes 0 to 9, from 03:00 to 03:59
            0 0 30 2 *               at 00:00, on day 30 of the month in February; no such date exists, so never
            0 0 8 1-7 * ? 2027-2029  at 08:00, on days 1 to 7 of the month, in 2027 to 2029
            0 0 * 6-8 *              at 00:00, every day in June to August
            0 8,9,10,22 * * *        at 08:00, 09:00, 10:00 and 22:00 every day
            */20 8,10,22 * * *       every 20 minutes, in the hours 08, 10 and 22
            0 0 1-31 * FRI           at 00:00 every day
        "#]].assert_eq(&said);
    }
}
