//! `mainspring schedules`.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use mainspring_core::time::Timestamp;
use mainspring_protocol::order::{BackfillRequest, TriggerRequest};
use mainspring_protocol::submit::{
    Defaults, Format as Written, NoDefinitions, ParsedSchedule, parse_schedule, yaml_documents,
};
use mainspring_protocol::time::{self, Rfc3339};
use mainspring_protocol::view::{NextView, OccurrenceView, ScheduleView};
use serde_json::{Map, Value, json};

use crate::args::{Backfill, CreateSchedule, Next, ScheduleLedger, ScheduleList, Schedules};
use crate::clock;
use crate::command::cron;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Listed, line};
use crate::remote;

pub(crate) async fn run(command: Schedules, quiet: bool) -> Outcome {
    match command {
        Schedules::List(args) => list(args, quiet).await,
        Schedules::Get(args) => {
            let client = remote::client(&args.remote)?;
            let schedule = client.schedule(&args.name).await?;
            let why = client.why_schedule(&args.name).await?;
            output::one(&schedule, &args.name, args.output.output, || shown(&schedule, &why.reason, why.last.as_ref()))
        }
        Schedules::Create(args) => create(*args, quiet).await,
        Schedules::Apply { files, remote } => {
            let client = remote::client(&remote)?;
            for (name, body) in read_files(&files)? {
                let made = client.put_schedule(&name, body).await?;
                line(&format!("schedule {name} generation {}, {}", made.generation, made.description))?;
            }
            remote::follow_up(quiet, "mainspring schedules list");
            Ok(())
        }
        Schedules::Pause(args) => {
            remote::client(&args.remote)?.pause_schedule(&args.name).await?;
            line(&format!("schedule {} paused", args.name))?;
            remote::follow_up(quiet, &format!("mainspring schedules resume {}", args.name));
            Ok(())
        }
        Schedules::Resume(args) => {
            remote::client(&args.remote)?.resume_schedule(&args.name).await?;
            line(&format!("schedule {} resumed", args.name))?;
            remote::follow_up(quiet, &format!("mainspring schedules next {}", args.name));
            Ok(())
        }
        Schedules::Trigger { name, params, remote, output } => {
            let params = Some(read_params(&params)?).filter(|params| !params.is_empty());
            let fired = remote::client(&remote)?.trigger_schedule(&name, &TriggerRequest { params }).await?;
            let (noun, id) = match (&fired.job_id, &fired.task_id) {
                (Some(id), _) => ("job", id.clone()),
                (None, id) => ("task", id.clone().unwrap_or_default()),
            };
            output::one(&fired, &id, output.output, || format!("{noun} {id} submitted"))?;
            remote::follow_up(quiet, &format!("mainspring {noun}s get {id}"));
            Ok(())
        }
        Schedules::Backfill(args) => backfill(args, quiet).await,
        Schedules::Occurrences(args) => occurrences(args, quiet).await,
        Schedules::Next(args) => next(args, quiet).await,
        Schedules::Delete(args) => {
            remote::client(&args.remote)?.delete_schedule(&args.name).await?;
            line(&format!("schedule {} deleted", args.name))
        }
    }
}

async fn list(args: ScheduleList, quiet: bool) -> Outcome {
    let page = remote::client(&args.remote)?.schedules(args.limit, args.cursor).await?;
    output::list(&page.items, &page, args.output.output)?;
    remote::more(&page.next_cursor, quiet);
    Ok(())
}

async fn occurrences(args: ScheduleLedger, quiet: bool) -> Outcome {
    let ScheduleLedger { name, list } = args;
    let page = remote::client(&list.remote)?.occurrences(&name, list.limit, list.cursor).await?;
    output::list(&page.items, &page, list.output.output)?;
    remote::more(&page.next_cursor, quiet);
    Ok(())
}

async fn next(args: Next, quiet: bool) -> Outcome {
    let is_name = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace) && !text.starts_with('@');
    if !is_name(&args.expression) {
        return cron::next(&args, quiet);
    }
    let page = remote::client(&args.remote)?.next_occurrences(&args.expression, args.count.min(1_000)).await?;
    output::list(&page.items, &page.items, args.output.output)
}

async fn create(args: CreateSchedule, quiet: bool) -> Outcome {
    let mut body = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    let text = |text: Option<String>| text.map(Value::from);
    let length = |length: Option<Duration>| length.map(|length| json!(length.as_secs_f64()));
    set("name", Some(args.name.clone().into()));
    set("cron", text(args.cron));
    set("every", length(args.every));
    set("at", text(args.at));
    set("after", (!args.after.is_empty()).then(|| json!(args.after)));
    set("timezone", text(args.timezone));
    set("dst", text(args.dst));
    set("misfire", text(args.misfire));
    set("overlap", text(args.overlap));
    set("jitter", length(args.jitter));
    set("start", text(args.start));
    set("end", text(args.end));
    set("exclude", (!args.exclude.is_empty()).then(|| json!(args.exclude)));
    set("job", text(args.job));
    set("task", args.command.map(|command| json!({"command": command})));
    let params = read_params(&args.params)?;
    set("params", (!params.is_empty()).then_some(Value::Object(params)));
    let body = Value::Object(body).to_string().into_bytes();
    let made = remote::client(&args.remote)?.create_schedule(body).await?;
    output::one(&made, &args.name, args.output.output, || format!("schedule {}: {}", args.name, made.description))?;
    remote::follow_up(quiet, &format!("mainspring schedules next {}", args.name));
    Ok(())
}

async fn backfill(args: Backfill, quiet: bool) -> Outcome {
    let client = remote::client(&args.remote)?;
    if args.stop {
        client.stop_backfill(&args.name).await?;
        return line(&format!("backfill of {} stopped", args.name));
    }
    let instant = |text: &str| {
        let read = time::parse(text).map(Rfc3339);
        read.map_err(|error| Failure::new(Exit::Usage, error.to_string()).hint("write it like 2026-11-23T06:00:00Z"))
    };
    let to = args.to.as_deref().map(instant).transpose()?;
    let request = BackfillRequest {
        from: instant(args.from.as_deref().unwrap_or_default())?,
        to: to.unwrap_or_else(|| Rfc3339(Timestamp::from_millis(clock::now().as_millis()))),
        concurrency: Some(args.concurrency),
        dry_run: args.dry_run,
    };
    let plan = client.backfill_schedule(&args.name, &request).await?;
    output::one(&plan, &args.name, args.output.output, || {
        let more = if plan.more { "more than " } else { "" };
        let verb = if plan.dry_run { "would run" } else { "run" };
        let mut text = format!("{more}{} occurrences {verb}, {} ran before", plan.count, plan.fired_before);
        for at in &plan.first {
            text.push_str(&format!("\n  {at}"));
        }
        text
    })?;
    if !plan.dry_run {
        remote::follow_up(quiet, &format!("mainspring schedules occurrences {}", args.name));
    }
    Ok(())
}

/// The schedules of files as JSON, each with its name; all are valid as far as that can be told here.
fn read_files(files: &[std::path::PathBuf]) -> Outcome<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for file in files {
        let shown = file.display();
        let text = read_file(file)?;
        let documents =
            yaml_documents(&text).map_err(|problem| Failure::new(Exit::Invalid, format!("`{shown}`: {problem}")))?;
        for document in documents {
            let parsed: Result<ParsedSchedule, _> =
                parse_schedule(None, document.as_bytes(), Written::Json, &Defaults::default(), &NoDefinitions);
            let parsed = parsed.map_err(|problem| {
                let place = problem.errors.first().map_or(String::new(), |item| format!(" at {}", item.pointer));
                Failure::new(Exit::Invalid, format!("`{shown}`{place}: {problem}"))
            })?;
            all.push((parsed.name.to_string(), document.into_bytes()));
        }
    }
    Ok(all)
}

fn read_file(path: &Path) -> Outcome<String> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failure };
        Failure::new(exit, format!("cannot read `{}`: {error}", path.display()))
    })
}

fn state(schedule: &ScheduleView) -> &'static str {
    match (schedule.paused, schedule.finished) {
        (true, _) => "paused",
        (false, true) => "finished",
        (false, false) => "active",
    }
}

fn shown(schedule: &ScheduleView, reason: &str, last: Option<&OccurrenceView>) -> String {
    let mut text = format!("{}: {} ({})", schedule.name, schedule.description, state(schedule));
    let mut row = |name: &str, value: String| text.push_str(&format!("\n  {name:<14}{value}"));
    row("now", reason.to_owned());
    if let Some(last) = last {
        let why = last.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
        let what = last.job_id.as_ref().or(last.task_id.as_ref()).map_or(String::new(), |id| format!(" {id}"));
        row("last", format!("{} {}{why}{what}", last.instant, last.status));
        if let Some(detail) = &last.detail {
            row("", detail.clone());
        }
    }
    row("generation", schedule.generation.to_string());
    if schedule.of_definition {
        row("installed by", format!("the job definition {}", schedule.name));
    }
    if let Some(backfill) = &schedule.backfill {
        row("backfill", format!("{} submitted, at {} of {}", backfill.fired, backfill.done_until, backfill.to));
    }
    row("spec", schedule.spec.to_string());
    text
}

fn or_none(at: Option<&Rfc3339>) -> String {
    at.map_or_else(|| "-".to_owned(), ToString::to_string)
}

impl Listed for ScheduleView {
    const COLUMNS: &'static [&'static str] = &["NAME", "STATE", "NEXT", "LAST", "DUE"];
    const WIDE: &'static [&'static str] = &["GENERATION", "RUNNING", "TENANT"];

    fn name(&self) -> String {
        self.name.clone()
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            state(self).to_owned(),
            or_none(self.next_due.as_ref()),
            or_none(self.last_instant.as_ref()),
            self.description.clone(),
            self.generation.to_string(),
            self.running.len().to_string(),
            self.user_id.clone(),
        ]
    }
}

impl Listed for OccurrenceView {
    const COLUMNS: &'static [&'static str] = &["INSTANT", "UNTIL", "STATUS", "REASON", "CAUSE", "WORK"];
    const WIDE: &'static [&'static str] = &["GENERATION", "DETAIL"];

    fn name(&self) -> String {
        self.instant.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let dash = || "-".to_owned();
        vec![
            self.instant.to_string(),
            or_none(self.until.as_ref()),
            self.status.clone(),
            self.reason.clone().unwrap_or_else(dash),
            self.cause.clone(),
            self.job_id.clone().or_else(|| self.task_id.clone()).unwrap_or_else(dash),
            self.generation.to_string(),
            self.detail.clone().unwrap_or_else(dash),
        ]
    }
}

impl Listed for NextView {
    const COLUMNS: &'static [&'static str] = &["AT", "DUE"];

    fn name(&self) -> String {
        self.at.to_string()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.at.to_string(), or_none(self.due.as_ref())]
    }
}

/// Reads `NAME=VALUE` arguments; a value is JSON, or a text.
fn read_params(params: &[String]) -> Outcome<serde_json::Map<String, serde_json::Value>> {
    let read = |param: &String| {
        let (name, value) = param.split_once('=').with_context(|| format!("`{param}` is not NAME=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| serde_json::Value::String(value.to_owned()));
        anyhow::Ok((name.to_owned(), value))
    };
    params.iter().map(read).collect::<Result<_, _>>().map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}
