//! Hooks: tasks that follow the end of a job. Each becomes a job of one task, which is submitted once the other has
//! ended; it is checked with the job that it follows. Beside that job's parameters it has one more, `hook`, with what it
//! follows: `{"jobId", "jobName", "status", "generation"}`.

use std::sync::Arc;

use mainspring_core::id::Name;
use serde_json::{Map, Value as Json, json};

use super::fields::Own;
use super::{ParsedJob, read_job};
use crate::problem::{Code, Problem};
use crate::submit::Defaults;
use crate::submit::library::Definitions;
use crate::submit::members::Members;

/// Fields whose task follows the end of the job, and the statuses of the job that it follows.
pub const HOOKS: [(&str, &[&str]); 4] = [
    ("onSuccess", &["completed"]),
    ("onFailed", &["failed"]),
    ("onCancelled", &["cancelled"]),
    ("onComplete", &["completed", "failed", "cancelled"]),
];

/// The parameter of a hook that says what it follows.
const HOOK: &str = "hook";

/// Checks the hooks of a job. Gives the jobs that they become, by field.
pub(super) fn read(
    own: &Own,
    members: &Members<'_>,
    definitions: Definitions<'_>,
) -> Result<Map<String, Json>, Problem> {
    let mut jobs = Map::new();
    for (name, task) in &own.hooks {
        let defaults = members.0.iter().find(|(member, _)| member == "defaults").map(|(_, raw)| *raw);
        let defaults: Json = serde_json::from_str(defaults.unwrap_or("{}")).unwrap_or_default();
        // Wrapped, so that no value passes for a declaration.
        let params = own.params.names.iter().map(|name| {
            let value = own.params.values.get(name).cloned().unwrap_or_default();
            (name.clone(), json!({"type": "any", "default": value}))
        });
        let mut params: Map<String, Json> = params.collect();
        if params.contains_key(HOOK) {
            let detail = "a job with hooks cannot have a parameter `hook`: it says to them what they follow";
            return Err(Problem::new(Code::InvalidValue, detail).at(format!("/params/{HOOK}"), "reserved"));
        }
        params.insert(HOOK.to_owned(), json!({"type": "object"}));
        let mut job = json!({"defaults": defaults, "params": params, "tasks": {name: task}});
        if let Some((_, profile)) = members.0.iter().find(|(member, _)| member == "profile") {
            job["profile"] = serde_json::from_str(profile).unwrap_or_default();
        }
        let whose = Defaults { tenant: Some(own.tenant.clone()), ..Defaults::default() };
        if let Err(mut problem) = read_job(&job.to_string(), &whose, definitions) {
            for item in &mut problem.errors {
                item.pointer = item.pointer.strip_prefix("/tasks").unwrap_or(&item.pointer).to_owned();
            }
            return Err(problem);
        }
        jobs.insert(name.clone(), job);
    }
    Ok(jobs)
}

/// What a hook follows.
#[derive(Clone, Copy, Debug)]
pub struct Followed<'a> {
    /// The id of the job.
    pub job_id: &'a str,
    /// Its human name.
    pub job_name: Option<&'a str>,
    /// How it ended.
    pub status: &'a str,
    /// Which generation of it.
    pub generation: u32,
}

/// The hooks that follow a job that ended so, from the job's body: their fields, and the text of the jobs that they become.
pub fn due(body: &str, status: &str) -> Vec<(&'static str, Json)> {
    // Most jobs have none.
    if !body.contains("\"hooks\"") {
        return Vec::new();
    }
    let mut body: Json = serde_json::from_str(body).unwrap_or_default();
    let due = HOOKS.into_iter().filter(|(_, statuses)| statuses.contains(&status));
    due.filter_map(|(name, _)| Some((name, body.get_mut("hooks")?.get_mut(name)?.take()))).collect()
}

/// The definition that a job is of, from the job's body.
pub fn definition_of(body: &str) -> Option<Name> {
    let body: Json = serde_json::from_str(body).ok()?;
    Some(body.get("definition")?.as_str()?.into())
}

/// Makes the job of a hook.
///
/// # Errors
/// What is wrong with it by now, like a definition that is gone.
pub fn hook_job(
    name: &str,
    mut job: Json,
    followed: &Followed<'_>,
    tenant: Name,
    definitions: Definitions<'_>,
) -> Result<ParsedJob, Problem> {
    let value = json!({
        "jobId": followed.job_id, "jobName": followed.job_name, "status": followed.status, "generation": followed.generation,
    });
    job["params"][HOOK] = json!({"type": "object", "default": value});
    let title = format!("{} {name}", followed.job_name.unwrap_or(followed.job_id));
    job["jobName"] = title.chars().take(mainspring_core::limits::NAME_CHARS_MAX).collect::<String>().into();
    let defaults = Defaults { tenant: Some(tenant), ..Defaults::default() };
    let mut parsed = read_job(&job.to_string(), &defaults, definitions)?;
    let mut body: Map<String, Json> = serde_json::from_str(&parsed.body).unwrap_or_default();
    body.insert("hookOf".to_owned(), followed.job_id.into());
    parsed.body = Arc::from(Json::Object(body).to_string());
    Ok(parsed)
}
