//! Calls about definitions: templates of tasks and jobs, and profiles. `kind` is `tasks`, `jobs` or `profiles`.

use mainspring_protocol::view::{AppliedView, DefinitionDiffView, DefinitionView, Page, SubmittedJobView};
use reqwest::Method;
use reqwest::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use crate::client::{Call, Client, JSON};
use crate::error::Error;

/// What must be there for a definition to be applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnlyIf {
    /// Whatever is there.
    #[default]
    Anything,
    /// There is none.
    Missing,
    /// This is the newest version.
    Version(u32),
}

/// # Errors
/// Every method: see [`Error`].
impl Client {
    /// Every definition of a kind, in its newest version.
    pub async fn definitions(&self, kind: &str) -> Result<Page<DefinitionView>, Error> {
        self.get(vec!["definitions", kind], Vec::new()).await
    }

    /// A definition, in its newest version unless one is named.
    pub async fn definition(&self, kind: &str, name: &str, version: Option<u32>) -> Result<DefinitionView, Error> {
        self.get(vec!["definitions", kind, name], number("version", version)).await
    }

    /// Every version of a definition, newest first.
    pub async fn definition_versions(&self, kind: &str, name: &str) -> Result<Page<DefinitionView>, Error> {
        self.get(vec!["definitions", kind, name, "versions"], Vec::new()).await
    }

    /// What differs between two versions; without any, between the newest and the one before.
    pub async fn definition_diff(
        &self,
        kind: &str,
        name: &str,
        from: Option<u32>,
        to: Option<u32>,
    ) -> Result<DefinitionDiffView, Error> {
        let query = [number("from", from), number("to", to)].concat();
        self.get(vec!["definitions", kind, name, "diff"], query).await
    }

    /// Applies a definition. One that is the same already makes no new version.
    pub async fn apply_definition(
        &self,
        kind: &str,
        name: &str,
        body: Vec<u8>,
        only_if: OnlyIf,
    ) -> Result<AppliedView, Error> {
        let headers: Vec<(HeaderName, String)> = match only_if {
            OnlyIf::Anything => Vec::new(),
            OnlyIf::Missing => vec![(IF_NONE_MATCH, "*".to_owned())],
            OnlyIf::Version(version) => vec![(IF_MATCH, format!("\"{version}\""))],
        };
        let path = vec!["definitions", kind, name];
        self.call(Method::PUT, Call { path, headers, body: Some((body, JSON)), ..Call::default() }).await
    }

    /// Applies an earlier version again, as a new one.
    pub async fn roll_back_definition(&self, kind: &str, name: &str, version: u32) -> Result<AppliedView, Error> {
        self.post(vec!["definitions", kind, name, "rollback"], &json!({"version": version})).await
    }

    /// Deletes a definition; its versions are kept.
    pub async fn delete_definition(&self, kind: &str, name: &str) -> Result<(), Error> {
        let call = Call { path: vec!["definitions", kind, name], ..Call::default() };
        self.call::<IgnoredAny>(Method::DELETE, call).await.map(drop)
    }

    /// Submits a job made from its definition.
    pub async fn run_definition(&self, name: &str, params: Map<String, Value>) -> Result<SubmittedJobView, Error> {
        let body = if params.is_empty() { json!({}) } else { json!({"params": params}) };
        self.post(vec!["definitions", "jobs", name, "run"], &body).await
    }
}

fn number(name: &'static str, value: Option<u32>) -> Vec<(&'static str, String)> {
    value.map(|value| (name, value.to_string())).into_iter().collect()
}
