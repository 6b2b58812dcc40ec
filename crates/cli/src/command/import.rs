//! `mainspring import`: definitions to review, and a report of what has no equal. Nothing is submitted and nothing is run.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use mainspring_calendar::Zone;

use crate::args::{CrontabForm, Files, Import};
use crate::exit::{Exit, Failure, Outcome};
use crate::import::{Imported, airflow, celery_beat, crontab, quartz, yaml};
use crate::output::{line, say};

/// Carries out an import.
pub(crate) fn run(args: &Import, quiet: bool) -> Outcome {
    match args {
        Import::Crontab { files, timezone, form } => {
            let text = read(&files.file)?;
            let zone = zone(timezone.as_deref())?;
            let form = match form {
                CrontabForm::Auto if is_of_the_system(&files.file) => crontab::Form::System,
                CrontabForm::Auto => crontab::form(&text),
                CrontabForm::User => crontab::Form::User,
                CrontabForm::System => crontab::Form::System,
            };
            let found = crontab::import(&text, form, zone.name(), &files.file.display().to_string());
            let column = if form == crontab::Form::System { "with" } else { "without" };
            let how = format!("Read {column} a column for the user; times are those of {}.", zone.name());
            finish(&found, files, "cron", &how, quiet)
        }
        Import::CeleryBeat(files) => from_python(files, "Celery", celery_beat::SCRIPT, celery_beat::import, quiet),
        Import::Quartz { files, timezone } => {
            let zone = zone(timezone.as_deref())?;
            let found = quartz::import(&read(&files.file)?, &zone, &files.file.display().to_string())
                .map_err(|why| Failure::new(Exit::Invalid, format!("cannot read `{}`: {why}", files.file.display())))?;
            let how = format!("Times without a zone are those of {}.", zone.name());
            finish(&found, files, "Quartz", &how, quiet)
        }
        Import::Airflow(files) => from_python(files, "Airflow", airflow::SCRIPT, airflow::import, quiet),
    }
}

type FromPrinted = fn(&str, &str) -> Result<Imported, serde_json::Error>;

fn from_python(files: &Files, scheduler: &str, script: &str, import: FromPrinted, quiet: bool) -> Outcome {
    let printed = parsed_by_python(script, &read(&files.file)?)?;
    let found = import(&printed, &files.file.display().to_string())
        .map_err(|error| Failure::new(Exit::Failure, format!("cannot read what python3 made of the file: {error}")))?;
    finish(&found, files, scheduler, "The file was parsed, not run.", quiet)
}

fn finish(found: &Imported, files: &Files, scheduler: &str, how: &str, quiet: bool) -> Outcome {
    let heading =
        format!("Imported from {}'s {}. {how}\nReview it before you apply it.", scheduler, files.file.display());
    let text = yaml(&found.jobs, &heading);
    match &files.output {
        Some(path) => std::fs::write(path, &text)
            .map_err(|error| Failure::new(Exit::Failure, format!("cannot write `{}`: {error}", path.display())))?,
        None => line(text.trim_end())?,
    }
    for finding in &found.findings {
        say(finding);
    }
    if !quiet {
        let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        say(format_args!("{how}"));
        say(format_args!("{}, {}", count(found.jobs.len(), "job"), count(found.findings.len(), "finding")));
    }
    if found.jobs.is_empty() {
        return Err(Failure::new(Exit::Invalid, format!("`{}` holds nothing to import", files.file.display())));
    }
    Ok(())
}

fn read(path: &Path) -> Outcome<String> {
    let cannot = |error: std::io::Error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failure };
        Failure::new(exit, format!("cannot read `{}`: {error}", path.display()))
    };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map_err(cannot)?;
    } else {
        bytes = std::fs::read(path).map_err(cannot)?;
    }
    String::from_utf8(bytes).map_err(|_| Failure::new(Exit::Invalid, format!("`{}` is not UTF-8", path.display())))
}

/// What a script of ours prints about Python source. It gets the source as data; nothing of it is run.
fn parsed_by_python(script: &str, source: &str) -> Outcome<String> {
    let hint = "reading Python needs `python3` (3.9 or newer) in PATH";
    let cannot = |what: String| Failure::new(Exit::Failure, what).hint(hint);
    let mut python = Command::new("python3")
        .args(["-I", "-S", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| cannot(format!("cannot start python3: {error}")))?;
    let mut input = python.stdin.take().expect("its input is piped");
    // The script reads everything before it prints anything.
    input.write_all(source.as_bytes())?;
    drop(input);
    let ended = python.wait_with_output()?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(cannot(format!("python3 failed: {}", said.lines().last().unwrap_or_default())));
    }
    let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
    match serde_json::from_str::<serde_json::Value>(&printed).ok().as_ref().and_then(|value| value["error"].as_str()) {
        Some(error) => Err(Failure::new(Exit::Invalid, format!("the file is no Python that can be read: {error}"))),
        None => Ok(printed),
    }
}

/// Whether a path is one of those whose lines name a user.
fn is_of_the_system(path: &Path) -> bool {
    path == Path::new("/etc/crontab") || path.parent().is_some_and(|folder| folder.ends_with("cron.d"))
}

/// The zone of that name, or this machine's.
fn zone(name: Option<&str>) -> Outcome<Zone> {
    match name {
        Some(name) => Zone::get(name).map_err(|error| Failure::new(Exit::Invalid, error.to_string())),
        None => Ok(local_zone()),
    }
}

/// The zone of this machine, or UTC where it cannot be told.
fn local_zone() -> Zone {
    let link = std::fs::read_link("/etc/localtime").ok();
    let name = link.as_deref().and_then(Path::to_str).and_then(|path| path.split_once("zoneinfo/"));
    name.and_then(|(_, name)| Zone::get(name).ok()).unwrap_or_else(Zone::utc)
}
