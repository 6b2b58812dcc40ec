//! Sub-jobs: that none includes itself, and that they get parameters that they have.

use mainspring_core::row::DefinitionKind;
use serde_json::{Map, Value as Json};

use crate::flow::SUB_JOB_DEPTH_MAX;
use crate::nearest::did_you_mean;
use crate::pointer::Pointer;
use crate::problem::Code;
use crate::submit::library::Definitions;
use crate::submit::read::Findings;

/// Definitions that are looked at for one sub-job.
const LOOKED_AT_MAX: usize = 1_000;

/// Refuses a sub-job that includes itself, or includes others too deeply.
pub(super) fn check(name: &str, text: &str, at: &Pointer<'_>, whose: (&str, Definitions<'_>), findings: &mut Findings) {
    let mut walk = Walk { whose, path: vec![name.to_owned()], looked_at: 0 };
    if let Err((code, detail)) = walk.down(text) {
        findings.add_with_hint(code, at, detail, "let it name another definition");
    }
}

struct Walk<'d> {
    whose: (&'d str, Definitions<'d>),
    path: Vec<String>,
    looked_at: usize,
}

impl Walk<'_> {
    fn down(&mut self, text: &str) -> Result<(), (Code, String)> {
        for name in sub_jobs(text) {
            let shown = || format!("{} → {name}", self.path.join(" → "));
            if self.path.contains(&name) {
                return Err((Code::Cycle, format!("the sub-job includes itself: {}", shown())));
            }
            self.looked_at += 1;
            if self.path.len() >= SUB_JOB_DEPTH_MAX || self.looked_at > LOOKED_AT_MAX {
                let limit = SUB_JOB_DEPTH_MAX;
                return Err((
                    Code::LimitExceeded,
                    format!("sub-jobs stand in each other more than {limit} deep: {}", shown()),
                ));
            }
            // What is missing was refused when that definition was applied.
            let (tenant, definitions) = self.whose;
            if let Some(found) = definitions.find(DefinitionKind::Job, tenant, &name) {
                self.path.push(name);
                self.down(&found.text)?;
                self.path.pop();
            }
        }
        Ok(())
    }
}

/// The definitions that the tasks of a job (JSON text) name as sub-jobs, each once.
pub fn sub_jobs(text: &str) -> Vec<String> {
    if !text.contains("\"job\"") {
        return Vec::new();
    }
    let document: Json = serde_json::from_str(text).unwrap_or_default();
    let tasks: Vec<&Json> = match document.get("tasks") {
        Some(Json::Object(tasks)) => tasks.values().collect(),
        Some(Json::Array(tasks)) => tasks.iter().collect(),
        _ => Vec::new(),
    };
    let mut names: Vec<String> =
        tasks.into_iter().filter_map(|task| task.get("job")?.as_str().map(str::to_owned)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Refuses parameters that the sub-job does not have, and says which required ones are missing.
pub(super) fn check_params(text: &str, given: &Map<String, Json>, place: &str, findings: &mut Findings) {
    let document: Json = serde_json::from_str(text).unwrap_or_default();
    let empty = Map::new();
    let declared = document.get("params").and_then(Json::as_object).unwrap_or(&empty);
    let at = Pointer::text(place);
    for name in given.keys().filter(|name| !declared.contains_key(*name)) {
        let hint = did_you_mean(name, declared.keys().map(String::as_str));
        let hint = hint.unwrap_or_else(|| "add it to the `params` of that definition".to_owned());
        findings.add_with_hint(
            Code::UnknownField,
            &at.member(name),
            format!("the sub-job has no parameter `{name}`"),
            hint,
        );
    }
    for (name, declaration) in declared {
        let required = declaration.get("required") == Some(&Json::Bool(true)) && declaration.get("default").is_none();
        if required && !given.contains_key(name) {
            findings.add(Code::MissingField, &at.member(name), format!("the sub-job requires the parameter `{name}`"));
        }
    }
}
