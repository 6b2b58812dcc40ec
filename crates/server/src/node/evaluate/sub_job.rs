//! Sub-jobs: from the name of a definition and parameters to the job that carries a task out.

use std::sync::Arc;

use mainspring_core::event::ChildJob;
use mainspring_core::job::JobRow;
use mainspring_core::row::DefinitionKind;
use mainspring_protocol::flow::SubJob;
use mainspring_protocol::problem::Problem;
use mainspring_protocol::submit::{self, Defaults, Definitions, Format, ParsedJob, Values, with_params};
use mainspring_store::{Error, Reader};
use serde_json::{Map, Value};

use crate::library::{Known, version};

/// The kind of error of a task whose sub-job cannot be made.
pub(super) const REFUSED: &str = "sub_job_refused";

/// Makes the job, or says why it cannot be made.
pub(super) async fn make(
    reader: &Arc<dyn Reader>,
    outer: &JobRow,
    sub: &SubJob,
) -> Result<Result<ChildJob, String>, Error> {
    let wanted = (DefinitionKind::Job, &*outer.tenant, sub.name.as_str());
    let Some(found) = version(&**reader, wanted, sub.version).await? else {
        let version = sub.version.map_or_else(String::new, |version| format!(" of version {version}"));
        return Ok(Err(format!("there is no job definition `{}`{version} any more", sub.name)));
    };
    let text = match with_params(&found.text, Values::Json(sub.params.clone())) {
        Ok(text) => text,
        Err(problem) => return Ok(Err(told(sub, &problem))),
    };
    let defaults = Defaults { tenant: Some(outer.tenant.clone()), ..Defaults::default() };
    let parse = |find: Definitions<'_>| submit::parse_job(text.as_bytes(), Format::Json, &defaults, find);
    let parsed = Known::of(Some(outer.tenant.clone())).parse(&**reader, parse).await?;
    Ok(match parsed {
        Ok(job) => Ok(child(job, sub, outer, found.version)),
        Err(problem) => Err(told(sub, &problem)),
    })
}

fn told(sub: &SubJob, problem: &Problem) -> String {
    let place = problem.errors.first().map_or("", |item| item.pointer.as_str());
    format!("the sub-job `{}` is refused: {} (`{place}`)", sub.name, problem.detail)
}

fn child(job: ParsedJob, sub: &SubJob, outer: &JobRow, version: Option<u32>) -> ChildJob {
    let mut body: Map<String, Value> = serde_json::from_str(&job.body).unwrap_or_default();
    // Hooks and limits of a definition are for jobs that somebody submits.
    body.remove("hooks");
    body.insert("definition".to_owned(), sub.name.as_str().into());
    if let Some(version) = version {
        body.insert("version".to_owned(), version.into());
    }
    let around: Map<String, Value> = serde_json::from_str(&outer.body).unwrap_or_default();
    if let Some(schedule) = around.get("schedule") {
        body.insert("schedule".to_owned(), schedule.clone());
    }
    ChildJob {
        graph: Arc::unwrap_or_clone(job.graph),
        title: job.title.or_else(|| Some(sub.name.as_str().into())),
        body: Value::Object(body).to_string().into(),
        tags: job.tags,
        failure_policy: job.failure_policy,
        instances: false,
    }
}
