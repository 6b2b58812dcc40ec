//! The versions of a definition: which there are, how they differ, and back to an earlier one.

use mainspring_core::row::DefinitionRow;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::submit::Format;
use mainspring_protocol::view::{AppliedView, DefinitionDiffView, DefinitionView, Page, differences};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::call::{Answer, Call, Refused, refuse};
use super::definitions::{kind, missing, one_version, only_if, put_text, versions};
use super::params::cut;
use super::reply::{internal, ok};
use super::route::{BodyKind, Param, Route};

const FROM: Param =
    Param { name: "from", kind: "integer", about: "The earlier version. Default: the one before `to`." };
const TO: Param = Param { name: "to", kind: "integer", about: "The later version. Default: the newest." };

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/v1/definitions/{kind}/{name}/versions",
            "listVersions",
            "Every version of a definition, newest first, with who applied it and when",
            |call| Box::pin(list(call)),
        )
        .gives::<Page<DefinitionView>>(),
        Route::get(
            "/api/v1/definitions/{kind}/{name}/diff",
            "diffVersions",
            "What differs between two versions of a definition",
            |call| Box::pin(diff(call)),
        )
        .query(&[FROM, TO])
        .gives::<DefinitionDiffView>(),
        Route::post(
            "/api/v1/definitions/{kind}/{name}/rollback",
            "rollbackDefinition",
            "Applies an earlier version again, as a new one",
            |call| Box::pin(rollback(call)),
        )
        .reads::<RollbackRequest>(BodyKind::Json)
        .gives::<AppliedView>(),
    ]
}

/// The body of `POST …/rollback`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RollbackRequest {
    /// The version to go back to.
    version: u32,
}

async fn list(call: Call) -> Answer {
    let rows = versions(&call).await?;
    if rows.is_empty() {
        return Err(missing(call.segment("name")));
    }
    ok(&Page::whole(rows.iter().map(DefinitionView::from_row).collect()))
}

async fn diff(call: Call) -> Answer {
    let to = match call.params.number("to", 1, u32::MAX.into())? {
        Some(to) => one_version(&call, to).await?,
        None => {
            let newest = versions(&call).await?.iter().map(|row| row.version).max();
            let newest = newest.ok_or_else(|| missing(call.segment("name")))?;
            one_version(&call, newest.into()).await?
        }
    };
    let from = match call.params.number("from", 1, u32::MAX.into())? {
        Some(from) => Some(one_version(&call, from).await?),
        None if to.version > 1 => Some(one_version(&call, u64::from(to.version) - 1).await?),
        None => None,
    };
    let (before, after) = (from.as_ref().map_or(Ok(Value::Null), document)?, document(&to)?);
    ok(&DefinitionDiffView {
        kind: to.kind.word().to_owned(),
        name: to.name.to_string(),
        from: from.map_or(0, |row| row.version),
        to: to.version,
        changes: differences(&before, &after),
    })
}

/// What was applied; `null` if the version deleted it.
fn document(row: &DefinitionRow) -> Result<Value, Refused> {
    let Some(body) = &row.body else { return Ok(Value::Null) };
    serde_json::from_str(body).map_err(|error| internal(&error))
}

async fn rollback(mut call: Call) -> Answer {
    let request: RollbackRequest = call.json().await?;
    let only_if = only_if(&call)?;
    let row = one_version(&call, request.version.into()).await?;
    let name = call.segment("name").to_owned();
    let Some(body) = &row.body else {
        let detail = format!("version {} deleted `{}`; there is nothing to apply again", row.version, cut(&name));
        let problem = Problem::new(Code::InvalidValue, detail).at("/version", "deleted by this version");
        return Err(Box::new(problem.with_hint("delete the definition instead")));
    };
    if kind(&call)? != row.kind {
        return Err(refuse(Code::Internal, "a version of another kind was found"));
    }
    put_text(&call, (row.kind, row.tenant.clone(), &name), (body.as_bytes(), Format::Json), only_if).await
}
