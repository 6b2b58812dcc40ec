//! Definitions: versioned templates of tasks and jobs, and the lookup of task definitions that a job names.

use axum::http::StatusCode;
use bytes::Bytes;
use mainspring_core::effect::Answer as Answered;
use mainspring_core::event::Order;
use mainspring_core::id::Name;
use mainspring_core::row::{DefinitionKind, DefinitionRow};
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::submit::{self, DEFAULT_TENANT, Defaults, Format, ParsedJob, Values, with_params};
use mainspring_protocol::view::{AppliedView, DefinitionView, Page, SubmittedJobView};
use mainspring_store::DefinitionFilter;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::call::{Answer, Call, Refused, refuse};
use super::jobs;
use super::params::cut;
use super::reply::{internal, json, not_called, not_read, nothing, ok};
use super::route::{BodyKind, Route};
use super::submit::defaults;
use crate::lookup::{Lookup, versions};

const MEDIA_TYPES: [&str; 4] = ["application/json", "application/yaml", "application/x-yaml", "text/yaml"];

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/v1/definitions/{kind}",
            "listDefinitions",
            "Lists the definitions of `tasks` or `jobs`",
            |call| Box::pin(list(call)),
        )
        .gives::<Page<DefinitionView>>(),
        Route::put(
            "/api/v1/definitions/{kind}/{name}",
            "putDefinition",
            "Applies a new version of a definition",
            |call| Box::pin(put(call)),
        )
        .reads::<Value>(BodyKind::Document)
        .gives::<AppliedView>(),
        Route::get(
            "/api/v1/definitions/{kind}/{name}",
            "getDefinition",
            "The newest version of a definition",
            |call| Box::pin(get(call)),
        )
        .gives::<DefinitionView>(),
        Route::delete("/api/v1/definitions/{kind}/{name}", "deleteDefinition", "Deletes a definition", |call| {
            Box::pin(delete(call))
        }),
        Route::get(
            "/api/v1/definitions/{kind}/{name}/history",
            "listVersions",
            "Every version of a definition",
            |call| Box::pin(history(call)),
        )
        .gives::<Page<DefinitionView>>(),
        Route::post(
            "/api/v1/definitions/{kind}/{name}/run",
            "runDefinition",
            "Submits a job made from its definition",
            |call| Box::pin(run(call)),
        )
        .reads::<RunRequest>(BodyKind::OptionalJson)
        .gives::<SubmittedJobView>()
        .created(),
    ]
}

/// The body of `POST …/run`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RunRequest {
    /// Parameters that replace the definition's own.
    #[serde(default)]
    params: Map<String, Value>,
}

/// How the body is written.
pub(crate) fn format(call: &Call) -> Result<Format, Refused> {
    Ok(if call.media_type(&MEDIA_TYPES)? == 0 { Format::Json } else { Format::Yaml })
}

fn kind(call: &Call) -> Result<DefinitionKind, Refused> {
    match call.segment("kind") {
        "tasks" => Ok(DefinitionKind::Task),
        "jobs" => Ok(DefinitionKind::Job),
        other => {
            let detail = format!("there are definitions of `tasks` and `jobs`, not of `{}`", cut(other));
            Err(refuse(Code::NoSuchRoute, detail))
        }
    }
}

async fn list(call: Call) -> Answer {
    let filter = DefinitionFilter { kind: kind(&call)?, tenant: call.tenant(), name: None };
    let rows = call.api.reader.definitions(filter).await.map_err(not_read)?;
    ok(&Page::whole(rows.iter().map(DefinitionView::from_row).collect()))
}

async fn put(mut call: Call) -> Answer {
    let kind = kind(&call)?;
    let format = format(&call)?;
    let tenant = call.tenant().unwrap_or_else(|| DEFAULT_TENANT.into());
    let bytes = call.read().await?.to_vec();
    let name = call.segment("name").to_owned();
    let mut known = Lookup::of(&call.api.reader, &tenant);
    let parsed = known.parse(|find| submit::parse_definition(kind, &name, &bytes, format, find)).await;
    let body = parsed.map_err(not_read)??;
    let order = Order::Define { kind, tenant, name: name.as_str().into(), body: Some(body) };
    match call.api.node.order(call.actor(), order).await.map_err(not_called)? {
        Answered::Version(version) => {
            let status = if version == 1 { StatusCode::CREATED } else { StatusCode::OK };
            json(status, &AppliedView { name, version })
        }
        other => Err(internal(&format!("a definition was answered by {other:?}"))),
    }
}

async fn get(call: Call) -> Answer {
    ok(&DefinitionView::from_row(&newest(&call).await?))
}

async fn delete(call: Call) -> Answer {
    let row = newest(&call).await?;
    let order = Order::Define { kind: row.kind, tenant: row.tenant, name: row.name, body: None };
    call.api.node.order(call.actor(), order).await.map_err(not_called)?;
    Ok(nothing())
}

async fn history(call: Call) -> Answer {
    let rows = versions(&call.api.reader, kind(&call)?, call.segment("name"), call.tenant()).await;
    let rows = rows.map_err(not_read)?;
    if rows.is_empty() {
        return Err(missing(call.segment("name")));
    }
    ok(&Page::whole(rows.iter().map(DefinitionView::from_row).collect()))
}

async fn run(mut call: Call) -> Answer {
    let request: RunRequest = call.json().await?;
    let kind = kind(&call)?;
    if kind == DefinitionKind::Task {
        return Err(refuse(
            Code::NotSupportedYet,
            "only definitions of jobs can be run; submit a job that names the task",
        ));
    }
    let row = newest_of(&call, kind, call.segment("name")).await?;
    let body = row.body.as_deref().ok_or_else(|| missing(&row.name))?;
    let mut text = with_params(body, Values::Json(request.params))?;
    if !serde_json::from_str::<Map<String, Value>>(&text).is_ok_and(|job| job.contains_key("job")) {
        // It is stored without its name, which the path said.
        let name = serde_json::to_string(&*row.name).map_err(|error| internal(&error))?;
        text.insert_str(text.find('{').map_or(0, |at| at + 1), &format!("\"job\":{name},"));
    }
    let defaults = Defaults { tenant: Some(row.tenant.clone()), ..defaults(&call)? };
    let job = parse_job(&call, text.into(), Format::Json, defaults).await?;
    jobs::accept(&call, job).await
}

async fn newest(call: &Call) -> Result<DefinitionRow, Refused> {
    newest_of(call, kind(call)?, call.segment("name")).await
}

/// The version of a definition that holds; deleted ones are missing.
async fn newest_of(call: &Call, kind: DefinitionKind, name: &str) -> Result<DefinitionRow, Refused> {
    let rows = versions(&call.api.reader, kind, name, call.tenant()).await.map_err(not_read)?;
    let mut newest: Vec<DefinitionRow> = Vec::new();
    for row in rows {
        match newest.iter_mut().find(|known| known.tenant == row.tenant) {
            Some(known) if known.version < row.version => *known = row,
            Some(_) => {}
            None => newest.push(row),
        }
    }
    newest.retain(|row| row.body.is_some());
    match newest.len() {
        0 => Err(missing(name)),
        1 => Ok(newest.remove(0)),
        count => {
            let owners: Vec<_> = newest.iter().take(10).map(|row| format!("`?userId={}`", row.tenant)).collect();
            let problem = Problem::new(Code::AmbiguousId, format!("`{}` exists for {count} users", cut(name)));
            Err(Box::new(problem.with_hint(format!("add {}", owners.join(" or ")))))
        }
    }
}

fn missing(name: &str) -> Refused {
    refuse(Code::NotFound, format!("there is no definition `{}`", cut(name)))
}

/// Reads a job, looking up the task definitions that it names.
pub(crate) async fn parse_job(
    call: &Call,
    bytes: Bytes,
    format: Format,
    defaults: Defaults,
) -> Result<ParsedJob, Refused> {
    let tenant = defaults.tenant.clone().unwrap_or_else(|| peek_tenant(&bytes, format));
    let mut known = Lookup::of(&call.api.reader, &tenant);
    let parsed = known.parse(|find| submit::parse_job(&bytes, format, &defaults, find)).await;
    Ok(parsed.map_err(not_read)??)
}

/// The `userId` of a job that is not read yet, to know whose definitions it means. What cannot be told is the default
/// tenant's.
fn peek_tenant(bytes: &[u8], format: Format) -> Name {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Peek {
        user_id: Option<String>,
    }
    let found = match format {
        Format::Json => serde_json::from_slice::<Peek>(bytes).ok().and_then(|peek| peek.user_id),
        Format::Yaml => std::str::from_utf8(bytes).ok().and_then(|text| {
            let value = text.lines().find_map(|line| line.strip_prefix("userId:"))?;
            Some(value.split(" #").next()?.trim().trim_matches(['"', '\'']).to_owned())
        }),
    };
    found.as_deref().unwrap_or(DEFAULT_TENANT).into()
}
