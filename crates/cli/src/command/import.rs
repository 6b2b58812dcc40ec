//! `mainspring import`: definitions to review, and a report of what has no equal. Nothing is submitted and nothing is run.

use std::io::Read as _;
use std::path::Path;

use mainspring_calendar::Zone;

use crate::args::{CrontabForm, Files, Import};
use crate::exit::{Exit, Failure, Outcome};
use crate::import::{Imported, crontab, yaml};
use crate::output::{line, say};

/// Carries out an import.
pub(crate) fn run(args: &Import, quiet: bool) -> Outcome {
    match args {
        Import::Crontab { files, timezone, form } => {
            let text = read(&files.file)?;
            let zone = match timezone {
                Some(name) => Zone::get(name).map_err(|error| Failure::new(Exit::Invalid, error.to_string()))?,
                None => local_zone(),
            };
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
    }
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

/// Whether a path is one of those whose lines name a user.
fn is_of_the_system(path: &Path) -> bool {
    path == Path::new("/etc/crontab") || path.parent().is_some_and(|folder| folder.ends_with("cron.d"))
}

/// The zone of this machine, or UTC where it cannot be told.
fn local_zone() -> Zone {
    let link = std::fs::read_link("/etc/localtime").ok();
    let name = link.as_deref().and_then(Path::to_str).and_then(|path| path.split_once("zoneinfo/"));
    name.and_then(|(_, name)| Zone::get(name).ok()).unwrap_or_else(Zone::utc)
}
