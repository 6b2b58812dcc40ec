//! The JSON Schema of job and task files, for editors: the same fields and limits that [`crate::submit`] enforces.

mod limits;
mod schedule;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::duration::WireDuration;
use crate::submit::HttpRequest;
use crate::time::Rfc3339;
use limits::{RateLimit, UniqueField};

use schedule::Schedule;
pub use schedule::schedule_schema_in;

/// A task, as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("patternProperties" = {"^x-": true}))]
#[expect(dead_code, reason = "only its schema is used")]
struct Task {
    /// The id a client chooses; in a job its name there.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
    task_id: Option<String>,
    /// The human name.
    #[schemars(length(min = 1, max = 256))]
    task_name: Option<String>,
    /// The type. Default `shell` with `command` or `run`, `http` with `http`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 256))]
    kind: Option<String>,
    /// A program and its arguments: a list, or one text that is split as a shell would but run without one.
    command: Option<Command>,
    /// A script for `sh -c`.
    run: Option<String>,
    /// Any JSON value, at most 1 MiB.
    payload: Option<Value>,
    /// A request.
    http: Option<HttpRequest>,
    /// Environment variables.
    env: Option<BTreeMap<String, Scalar>>,
    /// Where the program starts.
    working_dir: Option<String>,
    /// Which queue it waits in. Default `default`.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
    queue: Option<String>,
    /// 0 to 9, 9 first. Default 0.
    #[schemars(range(max = 9))]
    priority: Option<u8>,
    /// How long to wait before it may start.
    delay_seconds: Option<WireDuration>,
    /// When it may start (standalone tasks).
    run_at: Option<Rfc3339>,
    /// The instant after which it is not worth starting.
    expires_at: Option<Rfc3339>,
    /// Failures that are tried again. Default 0.
    #[schemars(range(max = 1000))]
    retries: Option<u32>,
    /// How long to wait before each retry.
    backoff: Option<Backoff>,
    /// Longest time one attempt may run, at most 30 days.
    timeout: Option<WireDuration>,
    /// Longest silence of the task's code.
    heartbeat_timeout: Option<WireDuration>,
    /// What follows the loss of a worker. Default `retry`.
    on_worker_lost: Option<OnWorkerLost>,
    /// Tasks that it waits for.
    needs: Option<Names>,
    /// When it may start, over the states of its parents. Default `all_success`.
    trigger: Option<Trigger>,
    /// Tags.
    #[schemars(length(max = 32))]
    tags: Option<Vec<String>>,
    /// Labels a worker must carry.
    labels: Option<BTreeMap<String, Scalar>>,
    /// The same key again answers the same task.
    #[schemars(length(min = 1, max = 256))]
    idempotency_key: Option<String>,
    /// Error types that are never retried.
    non_retryable: Option<Names>,
    /// If given, the only error types that are retried.
    retry_on: Option<Names>,
    /// Exit codes that mean success. Default 0.
    success_exit_codes: Option<ExitCodes>,
    /// Exit codes that mean there was nothing to do.
    skip_exit_codes: Option<ExitCodes>,
    /// Names what may not run at the same time as others of this tenant with the same key.
    #[schemars(regex(pattern = "^[^~].{0,255}$"))]
    concurrency_key: Option<String>,
    /// How many with its `concurrencyKey` may run when it starts, itself among them. Default 1.
    #[schemars(range(min = 1, max = 1_000_000))]
    concurrency: Option<u32>,
    /// How fast tasks with the same rate key start.
    rate_limit: Option<RateLimit>,
    /// What it must be the only one of (standalone tasks): a key, or the same with all that can be said.
    unique: Option<UniqueField>,
    /// The group it is shown in.
    group: Option<String>,
    /// Whom it belongs to (standalone tasks).
    user_id: Option<String>,
    /// In a job: the expression under which it runs; otherwise it is skipped.
    #[serde(rename = "if")]
    condition: Option<Condition>,
    /// In a job: a list, an object or one expression; the task runs once for each `item`, at most 10,000.
    for_each: Option<Value>,
    /// In a job: waits for a person's answer (`POST …/signal`).
    approval: Option<Approval>,
    /// In a job: the definition of the sub-job that carries it out.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
    job: Option<String>,
    /// Parameters of the sub-job.
    params: Option<BTreeMap<String, Value>>,
    /// A condition over its own `output`: while it does not hold, the task runs again.
    until: Option<String>,
    /// The time between two such runs. Default one minute.
    every: Option<WireDuration>,
    /// The profile whose fields hold where the task has none.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
    profile: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Condition {
    Expression(String),
    Known(bool),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Approval {
    Plain(bool),
    Timed {
        /// How long it waits before it fails. Default for good.
        timeout: Option<WireDuration>,
    },
}

/// A parameter: its default, or a declaration.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Param {
    Declared {
        /// What its value must be. Default what its default is, otherwise anything.
        #[serde(rename = "type")]
        kind: Option<ParamType>,
        /// Its value where none is given.
        default: Option<Value>,
        /// Whether whoever runs the job must give it.
        required: Option<bool>,
        /// The only values that it may have.
        #[serde(rename = "enum")]
        allowed: Option<Vec<Value>>,
        /// For people.
        description: Option<String>,
    },
    Value(Value),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ParamType {
    String,
    Integer,
    Number,
    Boolean,
    List,
    Object,
    Any,
}

/// A job, as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("patternProperties" = {"^x-": true}))]
#[expect(dead_code, reason = "only its schema is used")]
struct Job {
    /// The definition's name.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
    job: Option<String>,
    /// The id of one instance.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
    job_id: Option<String>,
    /// The human name.
    #[schemars(length(min = 1, max = 256))]
    job_name: Option<String>,
    /// Whom it belongs to. Default `default`.
    user_id: Option<String>,
    /// The tasks: a map of id to task or script, or a list of tasks and names of task definitions.
    tasks: Tasks,
    /// For each task the tasks that it waits for; joined with their `needs`.
    dependencies: Option<BTreeMap<String, Names>>,
    /// What the failure of a task does to the rest. Default `continue`.
    failure_policy: Option<FailurePolicy>,
    /// Fields for every task that does not set them itself.
    defaults: Option<Box<Task>>,
    /// When the definition runs by itself, once it is applied. A submission, `run` and `dev` run it once now.
    schedule: Option<Schedule>,
    /// The priority of tasks that have none.
    #[schemars(range(max = 9))]
    priority: Option<u8>,
    /// Tags.
    #[schemars(length(max = 32))]
    tags: Option<Vec<String>>,
    /// The same key again answers the same job.
    idempotency_key: Option<String>,
    /// Parameters, for expressions: `params.NAME`.
    params: Option<BTreeMap<String, Param>>,
    /// The time from its acceptance after which what has not ended of it is cancelled, and it has failed.
    deadline: Option<WireDuration>,
    /// How many jobs of its definition may be live; others wait.
    #[schemars(range(min = 1, max = 1_000_000))]
    max_active: Option<u32>,
    /// A task that follows it once it has completed.
    on_success: Option<MapTask>,
    /// A task that follows it once it has failed.
    on_failed: Option<MapTask>,
    /// A task that follows it once it was cancelled.
    on_cancelled: Option<MapTask>,
    /// A task that follows it however it ended.
    on_complete: Option<MapTask>,
    /// The profile whose fields hold for tasks where neither they nor `defaults` have any.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
    profile: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Tasks {
    Map(BTreeMap<String, MapTask>),
    List(Vec<ListTask>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum MapTask {
    /// A script for `sh -c`.
    Script(String),
    Task(Box<Task>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum ListTask {
    /// The name of a task definition.
    Reference(String),
    Task(Box<Task>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Command {
    Text(String),
    Argv(Vec<Scalar>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Names {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Scalar {
    Text(String),
    Number(f64),
    Boolean(bool),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum ExitCodes {
    One(u8),
    Many(Vec<u8>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Backoff {
    Shape(Shape),
    Whole {
        #[serde(rename = "type")]
        shape: Option<Shape>,
        initial: Option<WireDuration>,
        factor: Option<f64>,
        max: Option<WireDuration>,
        jitter: Option<Jitter>,
    },
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Fixed,
    Linear,
    Exponential,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Jitter {
    Full,
    None,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OnWorkerLost {
    Retry,
    Fail,
    Hold,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FailurePolicy {
    Continue,
    FailFast,
}

/// One of the trigger rules.
struct Trigger;

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for Trigger {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Trigger".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = crate::submit::TRIGGERS.iter().map(|(_, word)| *word).collect();
        json_schema!({"type": "string", "enum": words})
    }
}

/// The schema of a job, or task, file.
pub fn job_schema() -> Value {
    whole::<Job>("A Mainspring job")
}

/// The schema of a task.
pub fn task_schema() -> Value {
    whole::<Task>("A Mainspring task")
}

/// The schema of a task among those of a larger description.
pub fn task_schema_in(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<Task>()
}

/// The schema of a job among those of a larger description.
pub fn job_schema_in(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<Job>()
}

/// The schema of a profile among those of a larger description: the fields of a task that a profile may set.
pub fn profile_schema_in(schemas: &mut SchemaGenerator) -> Schema {
    let task = Task::json_schema(schemas).to_value();
    let may = |name: &str| crate::submit::profile_field_names().contains(&name);
    let fields = task["properties"].as_object().into_iter().flatten().filter(|(name, _)| may(name));
    let fields: Map<String, Value> = fields.map(|(name, schema)| (name.clone(), schema.clone())).collect();
    json_schema!({
        "type": "object",
        "description": "Defaults of the tasks that name it.",
        "additionalProperties": false,
        "properties": fields,
    })
}

fn whole<T: JsonSchema>(title: &str) -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    schema["title"] = title.into();
    allow_extensions(&mut schema);
    schema
}

/// `x-…` members are ignored wherever members are known by name.
fn allow_extensions(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("additionalProperties") == Some(&Value::Bool(false)) {
                members.insert("patternProperties".to_owned(), json!({"^x-": true}));
            }
            members.values_mut().for_each(allow_extensions);
        }
        Value::Array(elements) => elements.iter_mut().for_each(allow_extensions),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_every_field_that_is_read_and_no_other() {
        let schema = task_schema();
        let mut fields: Vec<&str> =
            schema["properties"].as_object().expect("has properties").keys().map(String::as_str).collect();
        fields.sort_unstable();
        let mut known: Vec<&str> = crate::submit::task_field_names().to_vec();
        known.sort_unstable();
        assert_eq!(fields, known);
        assert_eq!(job_schema()["required"], json!(["tasks"]));
    }

    #[test]
    fn the_schema_of_a_profile_has_what_a_profile_may_set() {
        let schema = profile_schema_in(&mut SchemaGenerator::default()).to_value();
        let fields: Vec<&str> =
            schema["properties"].as_object().expect("has properties").keys().map(String::as_str).collect();
        let mut known: Vec<&str> = crate::submit::profile_field_names().to_vec();
        known.sort_unstable();
        assert_eq!(fields, known);
        assert_eq!(schema["properties"]["retries"]["maximum"], 1_000);
    }
}
