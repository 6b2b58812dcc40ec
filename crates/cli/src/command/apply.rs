//! `mainspring apply`: the definitions of files, checked as a whole before the first one is applied.

use anyhow::Context as _;
use mainspring_client::{Client, OnlyIf};
use mainspring_core::row::DefinitionKind;
use mainspring_protocol::problem::Code;
use mainspring_protocol::view::{DefinitionDiffView, differences};
use serde::Serialize;
use serde_json::Value;

use crate::args::Apply;
use crate::command::definition::Source;
use crate::command::definitions::{applied_text, diff_text};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::remote;

/// A definition of a file.
struct Wanted {
    kind: DefinitionKind,
    name: String,
    json: String,
}

impl Wanted {
    /// As addresses have it.
    fn kind(&self) -> &'static str {
        match self.kind {
            DefinitionKind::Task => "tasks",
            DefinitionKind::Job => "jobs",
            DefinitionKind::Profile => "profiles",
        }
    }

    /// As people write it.
    fn shown(&self) -> String {
        format!("{}/{}", self.kind(), self.name)
    }
}

pub(crate) async fn run(args: Apply, quiet: bool) -> Outcome {
    let mut all = Vec::new();
    for path in &args.files {
        all.extend(read(&Source::read(path)?)?);
    }
    // What others refer to comes first.
    all.sort_by_key(|wanted: &Wanted| match wanted.kind {
        DefinitionKind::Profile => 0,
        DefinitionKind::Task => 1,
        DefinitionKind::Job => 2,
    });
    let client = remote::client(&args.remote)?;
    for wanted in &all {
        if args.dry_run {
            let diff = compare(&client, wanted).await?;
            show(&diff, wanted, &args, || diff_text(&diff))?;
        } else {
            let body = wanted.json.clone().into_bytes();
            let applied = client.apply_definition(wanted.kind(), &wanted.name, body, OnlyIf::Anything).await?;
            show(&applied, wanted, &args, || applied_text(&wanted.shown(), &applied))?;
        }
    }
    let job = all.iter().find(|wanted| wanted.kind == DefinitionKind::Job);
    match job.filter(|_| !args.dry_run) {
        Some(job) => remote::follow_up(quiet, &format!("mainspring definitions run {}", job.name)),
        None => remote::follow_up(quiet, "mainspring definitions list"),
    }
    Ok(())
}

fn show(document: &impl Serialize, wanted: &Wanted, args: &Apply, text: impl FnOnce() -> String) -> Outcome {
    output::one(document, &wanted.shown(), args.output.output, text)
}

/// The definitions of a file, all of them valid but for what only the server knows.
fn read(source: &Source) -> Outcome<Vec<Wanted>> {
    let documents = source.valid_documents(&[Code::UnknownTask, Code::UnknownProfile])?;
    let mut all = Vec::new();
    for document in documents {
        if document.name.is_empty() {
            let field = match document.kind {
                DefinitionKind::Task => "taskId",
                DefinitionKind::Job => "job",
                DefinitionKind::Profile => "profile",
            };
            let message = format!("{}:{}: a definition needs a name", source.name, document.line);
            return Err(Failure::new(Exit::Invalid, message).hint(format!("write `{field}: NAME`")));
        }
        all.push(Wanted { kind: document.kind, name: document.name.to_string(), json: document.json.to_string() });
    }
    Ok(all)
}

/// What applying it would change.
async fn compare(client: &Client, wanted: &Wanted) -> Outcome<DefinitionDiffView> {
    let found = match client.definition(wanted.kind(), &wanted.name, None).await {
        Ok(found) => Some(found),
        Err(error) if remote::is_missing(&error) => None,
        Err(error) => return Err(error.into()),
    };
    let body = found.as_ref().and_then(|found| found.body.as_ref()).map_or("null", |body| body.get());
    let before: Value = serde_json::from_str(body).context("cannot read what is applied")?;
    let after: Value = serde_json::from_str(&wanted.json).context("cannot read what would be applied")?;
    let version = found.map_or(0, |found| found.version);
    let changes = differences(&before, &after);
    let to = version + u32::from(!changes.is_empty());
    let kind = wanted.kind.word().to_owned();
    Ok(DefinitionDiffView { kind, name: wanted.name.clone(), from: version, to, changes })
}
