//! What a schedule submits, and how the work of one occurrence is made.

use std::sync::Arc;

use mainspring_core::event::SubmitJob;
use mainspring_core::graph::Graph;
use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::GraphChunk;
use mainspring_core::row::DefinitionKind;
use mainspring_core::schedule::Work;
use mainspring_core::spec::TaskSpec;
use mainspring_core::time::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use crate::pointer::Pointer;
use crate::problem::{Code, Problem};
use crate::submit::body::SCHEDULED_AT;
use crate::submit::library::Definitions;
use crate::submit::members::Members;
use crate::submit::read::{Findings, Rule as NameRule, Value};
use crate::submit::{Defaults, Format, Values, parse_job, parse_task, with_params};
use crate::view::DefinitionRef;

/// Fields that name one instance, or say when: a schedule does both itself.
const REFUSED: [&str; 5] = ["jobId", "taskId", "idempotencyKey", "runAt", "delaySeconds"];

/// What a schedule submits.
#[derive(Clone, Debug)]
pub enum Scheduled {
    /// A job made from the newest version of a definition.
    Definition {
        /// Its name.
        name: Name,
        /// Parameters that replace the definition's own, as the text of a JSON object.
        params: Option<String>,
    },
    /// A job, as JSON text.
    Job(String),
    /// A standalone task, as JSON text.
    Task(String),
}

impl Scheduled {
    pub(super) fn read(members: &Members<'_>, findings: &mut Findings) -> Option<Self> {
        let find = |name: &str| members.0.iter().find(|(member, raw)| **member == *name && *raw != "null");
        let value = |name: &'static str| {
            find(name).map(|(_, raw)| Value {
                raw,
                at: Pointer::text(POINTERS.iter().find(|at| at.ends_with(name)).expect("each has one")),
            })
        };
        let params = value("params");
        if let Some(params) = params.filter(|params| !params.raw.starts_with('{')) {
            params.wrong(findings, "an object");
            return None;
        }
        let work = match (value("job"), value("task")) {
            (Some(job), None) if job.raw.starts_with('"') => {
                let name = job.name(NameRule::Id, findings)?;
                let params = params.map(|params| params.raw.to_owned());
                return Some(Self::Definition { name: name.as_ref().into(), params });
            }
            (Some(job), None) => {
                instance(&job, findings)?;
                Self::Job(job.raw.to_owned())
            }
            (None, Some(task)) => {
                instance(&task, findings)?;
                Self::Task(task.raw.to_owned())
            }
            (Some(_), Some(task)) => {
                findings.add(Code::ConflictingFields, &task.at, "`job` and `task` exclude each other");
                return None;
            }
            (None, None) => {
                let hint = "`job: NAME` runs a definition, `task: {command: …}` a command";
                findings.add_with_hint(Code::MissingField, &Pointer::text("/job"), "it does not say what to run", hint);
                return None;
            }
        };
        if let Some(params) = params {
            findings.add(Code::ConflictingFields, &params.at, "`params` go with the name of a definition");
            return None;
        }
        Some(work)
    }

    /// The definition whose jobs it makes, if they are of one.
    pub fn definition(&self) -> Option<Name> {
        match self {
            Self::Definition { name, .. } => Some(name.clone()),
            Self::Job(text) => {
                let job: Json = serde_json::from_str(text).ok()?;
                Some(job.get("job")?.as_str()?.into())
            }
            Self::Task(_) => None,
        }
    }

    /// Makes the work once, to see whether it can be made. A definition is looked at by whoever has them.
    pub(super) fn check(&self, tenant: &Name, definitions: Definitions<'_>) -> Result<(), Problem> {
        let at = match self {
            Self::Definition { .. } => return Ok(()),
            Self::Job(_) => "/job",
            Self::Task(_) => "/task",
        };
        let made = self.make(tenant, definitions).map(|_| ());
        made.map_err(|mut problem| {
            problem.errors.iter_mut().for_each(|item| item.pointer = format!("{at}{}", item.pointer));
            problem
        })
    }

    /// The work of an occurrence.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn make(&self, tenant: &Name, definitions: Definitions<'_>) -> Result<Work, Problem> {
        let defaults = Defaults { tenant: Some(tenant.clone()), ..Defaults::default() };
        match self {
            Self::Definition { name, params } => {
                let found = definitions.find(DefinitionKind::Job, tenant, name);
                let missing = || Problem::new(Code::NotFound, format!("there is no job definition `{name}`"));
                let params = params.as_deref().map_or(Ok(Map::new()), serde_json::from_str);
                let odd = |error: serde_json::Error| Problem::new(Code::InvalidJson, error.to_string());
                let found = found.ok_or_else(missing)?;
                let mut text = with_params(&found.text, Values::Json(params.map_err(odd)?))?;
                if !serde_json::from_str::<Map<String, Json>>(&text).is_ok_and(|job| job.contains_key("job")) {
                    // It is stored without its name.
                    text = super::with_member(&text, "job", &Json::from(&**name).to_string());
                }
                let made_from = Some(DefinitionRef { name: name.to_string(), version: found.version });
                job(&text, &Defaults { made_from, ..defaults }, definitions)
            }
            Self::Job(text) => job(text, &defaults, definitions),
            Self::Task(text) => Ok(Work::Task(Box::new(parse_task(text.as_bytes(), &defaults)?))),
        }
    }
}

/// The executor of everything that runs a program.
const SHELL: &str = "shell";
const POINTERS: [&str; 3] = ["/job", "/task", "/params"];

fn job(text: &str, defaults: &Defaults, definitions: Definitions<'_>) -> Result<Work, Problem> {
    let mut job = parse_job(text.as_bytes(), Format::Json, defaults, definitions)?;
    job.given_id = None;
    job.idempotency_key = None;
    Ok(Work::Job(Box::new(job.into_submit(0, Bucket::CONTROL))))
}

/// Refuses what names one instance.
fn instance(value: &Value<'_, '_>, findings: &mut Findings) -> Option<()> {
    let members = value.members(findings)?;
    let mut fine = Some(());
    for (name, _) in members.0.iter().filter(|(name, raw)| REFUSED.contains(&&**name) && *raw != "null") {
        let detail = format!("`{name}` is of one instance; a schedule makes many");
        findings.add_with_hint(Code::InvalidValue, &value.at.member(name), detail, "leave it out");
        fine = None;
    }
    fine
}

/// Tells work which occurrence it is of: a job in its body, where parameters stand, and programs by their environment.
pub fn with_schedule(
    work: Work,
    schedule: &str,
    instant: Timestamp,
    previous: Option<Timestamp>,
    manual: bool,
) -> Work {
    let at = crate::time::format(instant);
    match work {
        Work::Broken(why) => Work::Broken(why),
        Work::Task(mut task) => {
            task.spec = told(&task.spec, &at);
            Work::Task(task)
        }
        Work::Job(mut job) => {
            let about = serde_json::json!({
                "name": schedule,
                "instant": at,
                "previousInstant": previous.map(crate::time::format),
                "manual": manual,
            });
            job.body = with_member(&job.body, "schedule", about);
            job.graph = Arc::new(told_graph(&job, &at));
            Work::Job(job)
        }
    }
}

fn told_graph(job: &SubmitJob, at: &str) -> Graph {
    let mut tasks = job.graph.tasks().to_vec();
    tasks.iter_mut().for_each(|task| task.spec = told(&task.spec, at));
    Graph::of_chunks(vec![GraphChunk { job: Key::from_raw(0), number: 0, tasks }])
}

/// The spec of something that runs a program, with the instant among its variables.
fn told(spec: &Arc<TaskSpec>, at: &str) -> Arc<TaskSpec> {
    type Raw = std::collections::BTreeMap<String, Box<RawValue>>;
    let Ok(mut body) = serde_json::from_str::<Raw>(&spec.body) else { return spec.clone() };
    if &*spec.class.executor != SHELL {
        return spec.clone();
    }
    let env = body.get("env").and_then(|env| serde_json::from_str::<Map<String, Json>>(env.get()).ok());
    let mut env = env.unwrap_or_default();
    env.insert(SCHEDULED_AT.to_owned(), at.into());
    let env = serde_json::value::to_raw_value(&env).expect("texts serialize");
    body.insert("env".to_owned(), env);
    let body = serde_json::to_string(&body).expect("it was read just now");
    Arc::new(TaskSpec { body: body.into(), ..(**spec).clone() })
}

fn with_member(object: &str, name: &str, value: Json) -> Arc<str> {
    let mut members: Map<String, Json> = serde_json::from_str(object).unwrap_or_default();
    members.insert(name.to_owned(), value);
    Json::Object(members).to_string().into()
}
