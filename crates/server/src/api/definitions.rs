//! Definitions: versioned templates of tasks and jobs, and profiles.

use axum::http::header::ETAG;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use mainspring_core::id::Name;
use mainspring_core::row::{DefinitionKind, DefinitionRow};
use mainspring_core::schedule::ScheduleName;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::schema::profile_schema_in;
use mainspring_protocol::submit::{
    self, DEFAULT_TENANT, Defaults, Definitions, Format, ParsedJob, Values, with_params,
};
use mainspring_protocol::view::{AppliedView, DefinitionRef, DefinitionView, Page, SubmittedJobView};
use mainspring_store::DefinitionFilter;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::call::{Answer, Call, Refused, refuse};
use super::installed;
use super::jobs;
use super::params::cut;
use super::reply::{internal, json, not_called, not_read, nothing, ok};
use super::route::{BodyKind, Param, Route, SchemaOf};
use super::state::Api;
use super::submit::defaults;
use crate::applied::{ApplyError, Change, OnlyIf, TRIES, apply};
use crate::library::{self, Known};

const MEDIA_TYPES: [&str; 4] = ["application/json", "application/yaml", "application/x-yaml", "text/yaml"];
const VERSION: Param =
    Param { name: "version", kind: "integer", about: "This version, a deleted one too. Default: the newest." };

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = of(
        ["/api/v1/definitions/{kind}", "/api/v1/definitions/{kind}/{name}"],
        ["listDefinitions", "putDefinition", "getDefinition", "deleteDefinition"],
        [
            "Lists the definitions of `tasks`, `jobs` or `profiles`",
            "Applies a new version of a definition; one that is the same already makes none",
            "A version of a definition, the newest unless one is named",
            "Deletes a definition; its versions are kept",
        ],
        |schemas| schemas.subschema_for::<Value>(),
    );
    routes.extend(of(
        ["/api/v1/profiles", "/api/v1/profiles/{name}"],
        ["listProfiles", "putProfile", "getProfile", "deleteProfile"],
        [
            "Lists the profiles",
            "Applies a new version of a profile; one that is the same already makes none",
            "A version of a profile, the newest unless one is named",
            "Deletes a profile; its versions are kept",
        ],
        profile_schema_in,
    ));
    routes.push(
        Route::post(
            "/api/v1/definitions/{kind}/{name}/run",
            "runDefinition",
            "Submits a job made from its definition",
            |call| Box::pin(run(call)),
        )
        .reads::<RunRequest>(BodyKind::OptionalJson)
        .gives::<SubmittedJobView>()
        .created(),
    );
    routes
}

/// What can be done with all definitions at one address, and with one at the other.
fn of(
    [all, one]: [&'static str; 2],
    operations: [&'static str; 4],
    summaries: [&'static str; 4],
    body: SchemaOf,
) -> Vec<Route> {
    vec![
        Route::get(all, operations[0], summaries[0], |call| Box::pin(list(call))).gives::<Page<DefinitionView>>(),
        Route::put(one, operations[1], summaries[1], |call| Box::pin(put(call)))
            .reads_as(BodyKind::Document, body)
            .gives::<AppliedView>(),
        Route::get(one, operations[2], summaries[2], |call| Box::pin(get(call)))
            .query(&[VERSION])
            .gives::<DefinitionView>(),
        Route::delete(one, operations[3], summaries[3], |call| Box::pin(delete(call))),
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

pub(crate) fn kind(call: &Call) -> Result<DefinitionKind, Refused> {
    if !call.route.segments().any(|segment| segment == "kind") {
        return Ok(DefinitionKind::Profile);
    }
    match call.segment("kind") {
        "tasks" => Ok(DefinitionKind::Task),
        "jobs" => Ok(DefinitionKind::Job),
        "profiles" => Ok(DefinitionKind::Profile),
        other => {
            let detail = format!("there are definitions of `tasks`, `jobs` and `profiles`, not of `{}`", cut(other));
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
    let only_if = only_if(&call)?;
    let bytes = call.read().await?.to_vec();
    let name = call.segment("name").to_owned();
    let tenant = call.tenant().unwrap_or_else(|| DEFAULT_TENANT.into());
    put_text(&call, (kind, tenant, &name), (&bytes, format), only_if).await
}

/// Validates a text and applies it, with the schedule that it says.
pub(crate) async fn put_text(
    call: &Call,
    (kind, tenant, name): (DefinitionKind, Name, &str),
    (bytes, format): (&[u8], Format),
    only_if: OnlyIf,
) -> Answer {
    let parse = |find: Definitions<'_>| submit::parse_definition(kind, name, bytes, format, find);
    let (body, rule) = parse_with(&call.api, &tenant, parse).await?;
    let id = ScheduleName { tenant: tenant.clone(), name: name.into() };
    let following = installed::check(&call.api, kind, &id, rule.as_deref()).await?;
    let mut change = Change { kind, tenant, name: name.into(), body: Some(body), only_if, seen: Vec::new() };
    let mut tries = 1;
    let applied = loop {
        change.seen = installed::check_loops(&call.api, following.clone()).await?;
        match apply(&call.api.node, call.actor(), std::slice::from_ref(&change)).await {
            // What it follows was changed meanwhile: that may have closed a loop.
            Err(ApplyError::Overtaken(_)) if tries < TRIES => tries += 1,
            done => break done.map_err(not_applied)?[0],
        }
    };
    installed::carry_out(&call.api, call.actor(), kind, &id).await?;
    let status = if applied.version == 1 && !applied.unchanged { StatusCode::CREATED } else { StatusCode::OK };
    let view = AppliedView { name: name.to_owned(), version: applied.version, unchanged: applied.unchanged };
    Ok(tagged(json(status, &view)?, applied.version))
}

async fn get(call: Call) -> Answer {
    let row = match call.params.number("version", 1, u32::MAX.into())? {
        None => newest(&call).await?,
        Some(version) => one_version(&call, version).await?,
    };
    Ok(tagged(ok(&DefinitionView::from_row(&row))?, row.version))
}

async fn delete(call: Call) -> Answer {
    let only_if = match only_if(&call)? {
        OnlyIf::Anything => OnlyIf::Exists,
        other => other,
    };
    let DefinitionRow { kind, tenant, name, .. } = newest(&call).await?;
    let id = ScheduleName { tenant: tenant.clone(), name: name.clone() };
    let change = Change { kind, tenant, name, body: None, only_if, seen: Vec::new() };
    apply(&call.api.node, call.actor(), &[change]).await.map_err(not_applied)?;
    installed::carry_out(&call.api, call.actor(), kind, &id).await?;
    Ok(nothing())
}

async fn run(mut call: Call) -> Answer {
    let request: RunRequest = call.json().await?;
    let kind = kind(&call)?;
    if kind != DefinitionKind::Job {
        return Err(refuse(
            Code::NotSupportedYet,
            "only definitions of jobs can be run; submit a job that names the task",
        ));
    }
    let row = newest(&call).await?;
    let body = row.body.as_deref().ok_or_else(|| missing(&row.name))?;
    let mut text = with_params(body, Values::Json(request.params))?;
    if !serde_json::from_str::<Map<String, Value>>(&text).is_ok_and(|job| job.contains_key("job")) {
        // It is stored without its name, which the path said.
        let name = serde_json::to_string(&*row.name).map_err(|error| internal(&error))?;
        text.insert_str(text.find('{').map_or(0, |at| at + 1), &format!("\"job\":{name},"));
    }
    let made_from = Some(DefinitionRef { name: row.name.to_string(), version: Some(row.version) });
    let defaults = Defaults { tenant: Some(row.tenant.clone()), made_from, ..defaults(&call)? };
    let job = parse_job(&call, text.into(), Format::Json, defaults).await?;
    jobs::accept(&call, job).await
}

/// The version of a definition that holds; deleted ones are missing.
async fn newest(call: &Call) -> Result<DefinitionRow, Refused> {
    let mut rows = versions(call).await?;
    rows.dedup_by(|later, kept| later.tenant == kept.tenant);
    rows.retain(|row| row.body.is_some());
    only(call, rows)
}

/// One version of a definition, deleted or not.
pub(crate) async fn one_version(call: &Call, version: u64) -> Result<DefinitionRow, Refused> {
    let mut rows = versions(call).await?;
    if rows.is_empty() {
        return Err(missing(call.segment("name")));
    }
    let newest = rows.iter().map(|row| row.version).max().unwrap_or_default();
    rows.retain(|row| u64::from(row.version) == version);
    if rows.is_empty() {
        let detail = format!("`{}` has no version {version}", cut(call.segment("name")));
        return Err(Box::new(Problem::new(Code::NotFound, detail).with_hint(format!("its newest is {newest}"))));
    }
    only(call, rows)
}

/// The only one of these, each of which belongs to another tenant.
fn only(call: &Call, mut rows: Vec<DefinitionRow>) -> Result<DefinitionRow, Refused> {
    match rows.len() {
        0 => Err(missing(call.segment("name"))),
        1 => Ok(rows.remove(0)),
        count => {
            let owners: Vec<_> = rows.iter().take(10).map(|row| format!("`?userId={}`", row.tenant)).collect();
            let detail = format!("`{}` exists for {count} users", cut(call.segment("name")));
            let problem = Problem::new(Code::AmbiguousId, detail);
            Err(Box::new(problem.with_hint(format!("add {}", owners.join(" or ")))))
        }
    }
}

/// Every version of the definition that a call is about, by tenant, newest first.
pub(crate) async fn versions(call: &Call) -> Result<Vec<DefinitionRow>, Refused> {
    let (kind, name) = (kind(call)?, call.segment("name"));
    library::versions(&*call.api.reader, kind, name, call.tenant()).await.map_err(not_read)
}

pub(crate) fn missing(name: &str) -> Refused {
    refuse(Code::NotFound, format!("there is no definition `{}`", cut(name)))
}

/// The version in the header that later requests may name in `If-Match`.
fn tagged(mut response: Response, version: u32) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).expect("a number is a header's value");
    response.headers_mut().insert(ETAG, tag);
    response
}

/// What `If-Match` and `If-None-Match` ask for.
pub(crate) fn only_if(call: &Call) -> Result<OnlyIf, Refused> {
    let wrong = |name: &str| {
        let detail = format!("`{name}` must be `*` or versions in quotes, as in `\"3\"`");
        refuse(Code::InvalidHeader, detail)
    };
    let (matching, other) = (call.header("if-match")?, call.header("if-none-match")?);
    match (matching.map(str::trim), other.map(str::trim)) {
        (None, None) => Ok(OnlyIf::Anything),
        (Some("*"), None) => Ok(OnlyIf::Exists),
        (None, Some("*")) => Ok(OnlyIf::Missing),
        (Some(versions), None) => {
            let each = versions.split(',').map(|version| version.trim().trim_matches('"').parse());
            each.collect::<Result<_, _>>().map(OnlyIf::Version).map_err(|_| wrong("If-Match"))
        }
        (_, Some(_)) => Err(refuse(Code::InvalidHeader, "`If-None-Match` takes `*` alone, without `If-Match`")),
    }
}

pub(crate) fn not_applied(error: ApplyError) -> Refused {
    match error {
        ApplyError::Overtaken(_) => {
            Box::new(Problem::new(Code::VersionMismatch, error.to_string()).with_hint("apply it again"))
        }
        ApplyError::Other { .. } => {
            let problem = Problem::new(Code::VersionMismatch, error.to_string());
            Box::new(problem.with_hint("read it again, then decide again"))
        }
        ApplyError::Call(error) => not_called(error),
        ApplyError::Read(error) => not_read(error),
    }
}

/// Reads a job, looking up the task definitions and profiles that it names.
pub(crate) async fn parse_job(
    call: &Call,
    bytes: Bytes,
    format: Format,
    defaults: Defaults,
) -> Result<ParsedJob, Refused> {
    let mut known = Known::of(defaults.tenant.clone());
    let parse = |find: Definitions<'_>| submit::parse_job(&bytes, format, &defaults, find);
    Ok(known.parse(&*call.api.reader, parse).await.map_err(not_read)??)
}

/// Runs a parse that asks for definitions.
pub(crate) async fn parse_with<T>(
    api: &Api,
    tenant: &Name,
    parse: impl Fn(Definitions<'_>) -> Result<T, Problem>,
) -> Result<T, Refused> {
    Ok(Known::of(Some(tenant.clone())).parse(&*api.reader, parse).await.map_err(not_read)??)
}
