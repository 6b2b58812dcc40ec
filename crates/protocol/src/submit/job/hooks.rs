//! Hooks: tasks that follow the end of a job. Each becomes a job of one task, which is submitted once the other has
//! ended; it is checked with the job that it follows.

use serde_json::{Map, Value as Json, json};

use super::fields::Own;
use super::{Definitions, read_job};
use crate::problem::Problem;
use crate::submit::Defaults;
use crate::submit::members::Members;

/// Fields whose task follows the end of the job, and the statuses of the job that it follows.
pub const HOOKS: [(&str, &[&str]); 4] = [
    ("onSuccess", &["completed"]),
    ("onFailed", &["failed"]),
    ("onCancelled", &["cancelled"]),
    ("onComplete", &["completed", "failed", "cancelled"]),
];

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
        let params: Map<String, Json> = params.collect();
        let job = json!({"defaults": defaults, "params": params, "tasks": {name: task}});
        if let Err(mut problem) = read_job(&job.to_string(), &Defaults::default(), definitions) {
            for item in &mut problem.errors {
                item.pointer = item.pointer.strip_prefix("/tasks").unwrap_or(&item.pointer).to_owned();
            }
            return Err(problem);
        }
        jobs.insert(name.clone(), job);
    }
    Ok(jobs)
}
