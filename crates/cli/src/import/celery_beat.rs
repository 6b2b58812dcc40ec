//! Celery beat: the `beat_schedule` of a Python module, and calls of `add_periodic_task`.
//!
//! The module is parsed by Python and never run ([`SCRIPT`]); here its entries become jobs whose one task is of the Celery task's type.

use mainspring_calendar::{Cron, Zone};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Imported, Job, Task, Work, name, python};

/// Prints what a module on its standard input schedules.
pub(crate) const SCRIPT: &str = concat!(include_str!("source.py"), "\n\n", include_str!("celery_beat.py"));

#[derive(Debug, Deserialize)]
struct Beat {
    timezone: Option<String>,
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    line: usize,
    name: Option<String>,
    entry: Value,
}

/// Turns what the script printed into jobs.
pub(crate) fn import(printed: &str, origin: &str) -> Result<Imported, serde_json::Error> {
    let beat: Beat = serde_json::from_str(printed)?;
    let mut found = Imported::default();
    let zone = match Zone::get(beat.timezone.as_deref().unwrap_or("UTC")) {
        Ok(zone) => zone.name().to_owned(),
        Err(error) => {
            found.lost(0, error.to_string());
            "UTC".to_owned()
        }
    };
    for entry in beat.entries {
        let line = entry.line;
        if let Err(why) = job(entry, &zone, origin, &mut found) {
            found.lost(line, why);
        }
    }
    Ok(found)
}

fn job(entry: Entry, zone: &str, origin: &str, found: &mut Imported) -> Result<(), String> {
    let line = entry.line;
    let (title, fields) = match entry.entry.get("$call") {
        Some(_) => periodic(&entry.entry)?,
        None => (entry.name.unwrap_or_default(), entry.entry.as_object().cloned().unwrap_or_default()),
    };
    let kind = fields.get("task").and_then(Value::as_str).ok_or("its task is not a plain name")?;
    let schedule = schedule(fields.get("schedule").unwrap_or(&Value::Null), zone)?;
    let [args, kwargs] = ["args", "kwargs"].map(|name| fields.get(name).cloned());
    let payload = json!({"args": args.unwrap_or(json!([])), "kwargs": kwargs.unwrap_or(json!({}))});
    if payload.to_string().contains("\"$") {
        return Err(format!("the arguments of `{kind}` are computed by the program"));
    }
    let mut queue = None;
    for (option, value) in fields.get("options").and_then(Value::as_object).into_iter().flatten() {
        match (option.as_str(), value) {
            ("queue", Value::String(name)) => queue = Some(name.clone()),
            _ => found.review(line, format!("the option `{option}` of `{title}` was left out")),
        }
    }
    found.review(line, format!("`{kind}` needs a worker with a handler of that type; its payload is {{args, kwargs}}"));
    let name = Some(name::slug(&title)).filter(|name| !name.is_empty()).unwrap_or_else(|| name::slug(kind));
    let task =
        Task { name: name.clone(), work: Work::Handler { kind: kind.to_owned(), payload }, queue, ..Task::default() };
    found.add(line, Job { name, comments: vec![format!("{origin}:{line} {title}")], schedule, tasks: vec![task] });
    Ok(())
}

/// `add_periodic_task(schedule, signature, name=…)` as an entry.
fn periodic(call: &Value) -> Result<(String, Map<String, Value>), String> {
    let signature = &call["args"][1];
    let kind = signature["of"].as_str().ok_or("its signature is computed by the program")?;
    let title = call["kwargs"]["name"].as_str().unwrap_or(kind).to_owned();
    let fields = [
        ("task", json!(kind)),
        ("schedule", call["args"][0].clone()),
        ("args", signature["args"].clone()),
        ("kwargs", signature["kwargs"].clone()),
    ];
    Ok((title, fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// Fields of `schedule:`. Beat runs what is due when it comes back once, and does not wait for the run before.
fn schedule(value: &Value, zone: &str) -> Result<Vec<(&'static str, String)>, String> {
    let kwargs = &value["kwargs"];
    let mut fields = match (value, value["$call"].as_str()) {
        (Value::Number(seconds), _) => vec![("every", python::interval(seconds.as_f64().unwrap_or(0.0))?)],
        (_, Some("timedelta")) => vec![("every", python::interval(python::seconds(value)?)?)],
        (_, Some("schedule")) => {
            let every = if kwargs["run_every"].is_null() { &value["args"][0] } else { &kwargs["run_every"] };
            return schedule(every, zone);
        }
        (_, Some("crontab")) => vec![("cron", cron(value)?), ("timezone", zone.to_owned())],
        (_, Some(other)) => return Err(format!("a schedule by `{other}` has no equal here")),
        _ => return Err("its schedule is computed by the program".to_owned()),
    };
    fields.extend([("misfire", "latest"), ("overlap", "allow")].map(|(field, value)| (field, value.to_owned())));
    Ok(fields)
}

/// `crontab(minute=…, hour=…, …)`. There both fields of days must hold.
fn cron(crontab: &Value) -> Result<String, String> {
    let fields = ["minute", "hour", "day_of_month", "month_of_year", "day_of_week"];
    // By place the weekday stands third.
    let places = [0, 1, 3, 4, 2];
    let mut written = Vec::new();
    for (field, place) in fields.into_iter().zip(places) {
        let given = crontab["kwargs"].get(field).or_else(|| crontab["args"].get(place));
        written.push(match given {
            None => "*".to_owned(),
            Some(Value::String(text)) => text.split_whitespace().collect(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Array(items)) if items.iter().all(Value::is_number) => {
                items.iter().map(Value::to_string).collect::<Vec<_>>().join(",")
            }
            Some(_) => return Err(format!("the `{field}` of its crontab is computed by the program")),
        });
    }
    if !written[2].starts_with('*') && !written[4].starts_with('*') {
        return Err("its crontab wants day of month and day of week at once; here either would be enough".to_owned());
    }
    let written = written.join(" ");
    Cron::parse(&written).map_err(|error| format!("`{written}`: {error}"))?;
    Ok(written)
}

#[cfg(test)]
#[path = "celery_beat_tests.rs"]
mod tests;
