//! `mainspring definitions`: what there is, its versions, how they differ, and back to an earlier one.

use mainspring_protocol::view::{AppliedView, DefinitionDiffView, DefinitionView, Page};
use serde_json::{Map, Value};

use crate::args::{Definition, DefinitionKindArg as Kind, Definitions};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, line};
use crate::remote;

pub(crate) async fn run(command: Definitions, quiet: bool) -> Outcome {
    match command {
        Definitions::List { kind, remote, output } => {
            let client = remote::client(&remote)?;
            let mut items = Vec::new();
            for kind in kind.map_or(vec![Kind::Jobs, Kind::Tasks, Kind::Profiles], |kind| vec![kind]) {
                items.extend(client.definitions(kind.word()).await?.items);
            }
            let page = Page::whole(items);
            output::list(&page.items, &page, output.output)
        }
        Definitions::Get { of, version } => {
            let (kind, name) = split(&of.name)?;
            let found = remote::client(&of.remote)?.definition(kind, name, version).await?;
            show(&found, &of)
        }
        Definitions::Versions(of) => {
            let (kind, name) = split(&of.name)?;
            let page = remote::client(&of.remote)?.definition_versions(kind, name).await?;
            output::list(&page.items, &page, of.output.output)
        }
        Definitions::Diff { of, from, to } => {
            let (kind, name) = split(&of.name)?;
            let diff = remote::client(&of.remote)?.definition_diff(kind, name, from, to).await?;
            output::one(&diff, &of.name, of.output.output, || diff_text(&diff))
        }
        Definitions::Rollback { of, to } => {
            let (kind, name) = split(&of.name)?;
            let applied = remote::client(&of.remote)?.roll_back_definition(kind, name, to).await?;
            output::one(&applied, name, of.output.output, || applied_text(&of.name, &applied))?;
            remote::follow_up(quiet, &format!("mainspring definitions diff {}", of.name));
            Ok(())
        }
        Definitions::Delete(of) => {
            let (kind, name) = split(&of.name)?;
            remote::client(&of.remote)?.delete_definition(kind, name).await?;
            line(&format!("definition {} deleted", of.name))?;
            remote::follow_up(quiet, &format!("mainspring definitions versions {}", of.name));
            Ok(())
        }
        Definitions::Run { of, params } => start(&of, &params, quiet).await,
    }
}

async fn start(of: &Definition, params: &[String], quiet: bool) -> Outcome {
    let ("jobs", name) = split(&of.name)? else {
        return Err(Failure::new(Exit::Usage, "only definitions of jobs are run"));
    };
    let params = params.iter().map(|param| assignment(param)).collect::<Outcome<Map<_, _>>>()?;
    let submitted = remote::client(&of.remote)?.run_definition(name, params).await?;
    let id = &submitted.job_id;
    output::one(&submitted, id, of.output.output, || format!("job {id} {}", submitted.status))?;
    remote::follow_up(quiet, &format!("mainspring jobs get {id} --watch"));
    Ok(())
}

/// `NAME=VALUE`, the value as JSON if it is some, else as a text.
pub(crate) fn assignment(text: &str) -> Outcome<(String, Value)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            Ok((name.to_owned(), value))
        }
        _ => Err(Failure::new(Exit::Usage, format!("`{text}` is not written NAME=VALUE"))),
    }
}

/// The kind and the name that a word means.
fn split(word: &str) -> Outcome<(&'static str, &str)> {
    let Some((kind, name)) = word.split_once('/') else { return Ok(("jobs", word)) };
    match kind {
        "jobs" | "job" => Ok(("jobs", name)),
        "tasks" | "task" => Ok(("tasks", name)),
        "profiles" | "profile" => Ok(("profiles", name)),
        _ => Err(Failure::new(Exit::Usage, format!("`{kind}` is no kind of definition"))
            .hint("write jobs/NAME, tasks/NAME or profiles/NAME")),
    }
}

fn show(found: &DefinitionView, of: &Definition) -> Outcome {
    output::one(found, &of.name, of.output.output, || definition_text(found))
}

/// A definition for people: what it is, then what was applied, as YAML.
pub(crate) fn definition_text(found: &DefinitionView) -> String {
    let by = found.applied_by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
    let head = format!("# {} {} version {}, applied {}{by}", found.kind, found.name, found.version, found.applied_at);
    let body = found.body.as_ref().and_then(|body| serde_json::from_str::<Value>(body.get()).ok());
    let body = body.and_then(|body| serde_saphyr::to_string(&body).ok());
    format!("{head}\n{}", body.as_deref().map_or("# deleted by this version", str::trim_end))
}

/// What became of an applied definition.
pub(crate) fn applied_text(name: &str, applied: &AppliedView) -> String {
    let what = if applied.unchanged { "unchanged, version" } else { "version" };
    format!("definition {name} {what} {}", applied.version)
}

/// Each place that differs on its line, `+` for what came, `-` for what went.
pub(crate) fn diff_text(diff: &DefinitionDiffView) -> String {
    let mut lines = vec![format!("{} {}: version {} → {}", diff.kind, diff.name, diff.from, diff.to)];
    for change in &diff.changes {
        let path = if change.path.is_empty() { "/" } else { &change.path };
        for (sign, value) in [("-", &change.before), ("+", &change.after)] {
            if let Some(value) = value {
                lines.push(format!("{sign} {path}: {value}"));
            }
        }
    }
    if diff.changes.is_empty() {
        lines.push("no difference".to_owned());
    }
    lines.join("\n")
}
