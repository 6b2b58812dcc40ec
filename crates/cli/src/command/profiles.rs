//! `mainspring profiles`: named defaults of tasks.

use mainspring_client::{Client, OnlyIf};
use mainspring_protocol::view::{AppliedView, Page};
use serde_json::{Map, Value};

use crate::args::Profiles;
use crate::command::definitions::{applied_text, assignment, definition_text};
use crate::exit::Outcome;
use crate::output::{self, line};
use crate::remote;

/// As addresses have it.
const KIND: &str = "profiles";

pub(crate) async fn run(command: Profiles, quiet: bool) -> Outcome {
    match command {
        Profiles::List { remote, output } => {
            let page: Page<_> = remote::client(&remote)?.definitions(KIND).await?;
            output::list(&page.items, &page, output.output)
        }
        Profiles::Get { name, remote, output } => {
            let found = remote::client(&remote)?.definition(KIND, &name, None).await?;
            output::one(&found, &name, output.output, || definition_text(&found))
        }
        Profiles::Set { name, fields, remote, output } => {
            let applied = set(&remote::client(&remote)?, &name, &fields).await?;
            output::one(&applied, &name, output.output, || applied_text(&format!("profiles/{name}"), &applied))?;
            remote::follow_up(quiet, &format!("mainspring profiles get {name}"));
            Ok(())
        }
        Profiles::Delete { name, remote } => {
            remote::client(&remote)?.delete_definition(KIND, &name).await?;
            line(&format!("profile {name} deleted"))?;
            remote::follow_up(quiet, &format!("mainspring definitions versions profiles/{name}"));
            Ok(())
        }
    }
}

/// Changes these fields, unless somebody else changes the profile meanwhile.
async fn set(client: &Client, name: &str, fields: &[String]) -> Outcome<AppliedView> {
    let (mut body, only_if) = match client.definition(KIND, name, None).await {
        Ok(found) => {
            let text = found.body.as_ref().map_or("{}", |body| body.get());
            let body: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            (body, OnlyIf::Version(found.version))
        }
        Err(error) if remote::is_missing(&error) => (Map::new(), OnlyIf::Missing),
        Err(error) => return Err(error.into()),
    };
    for field in fields {
        match field.strip_suffix('=') {
            Some(field) => drop(body.remove(field)),
            None => body.extend([assignment(field)?]),
        }
    }
    let body = serde_json::to_vec(&body).map_err(anyhow::Error::from)?;
    Ok(client.apply_definition(KIND, name, body, only_if).await?)
}
