//! The schema of schedules.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;

use super::{Job, Task};
use crate::duration::WireDuration;

/// When something is due: one of `cron`, `every`, `at` and `after`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Schedule {
    /// Five fields, or six with seconds first; names, ranges, steps, `L`, `W`, `#`, or `@daily` and the like.
    cron: Option<String>,
    /// A length of time, at least 1 s; counted from `start`, else from 1970-01-01T00:00:00Z.
    every: Option<WireDuration>,
    /// One instant.
    at: Option<String>,
    /// Whenever a job of this definition has completed, or of each of these since the last time. With `overlap` only.
    after: Option<After>,
    /// A zone of the IANA database. Default `UTC`.
    timezone: Option<String>,
    /// What happens where a clock is put forward or back: `vixie` (the default), `skip`, `once`, `twice`.
    dst: Option<Dst>,
    /// Each occurrence is delayed by up to so much, at most a day; the same for the same instant.
    jitter: Option<WireDuration>,
    /// Nothing before this instant.
    start: Option<String>,
    /// Nothing after this instant.
    end: Option<String>,
    /// Dates on which nothing happens: `2026-12-25`, `*-12-25`, `2026-12-24..2027-01-06`; a list, or lists by the names of
    /// calendars.
    exclude: Option<Exclude>,
    /// What becomes of occurrences that were missed. Default `latest`.
    misfire: Option<Misfire>,
    /// At most so many run at once after an outage. Default 100.
    #[schemars(range(min = 1, max = 1_000))]
    burst: Option<u32>,
    /// An occurrence not older than this is not missed. Default 60 s, at most a day.
    grace: Option<WireDuration>,
    /// What is done while earlier work runs. Default `allow`.
    overlap: Option<OverlapWord>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum After {
    Definition(String),
    Definitions(Vec<String>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Exclude {
    Dates(Vec<String>),
    Calendars(BTreeMap<String, Vec<String>>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Dst {
    Vixie,
    Skip,
    Once,
    Twice,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Misfire {
    Skip,
    Latest,
    All,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OverlapWord {
    Allow,
    Skip,
    BufferOne,
    CancelRunning,
}

/// A schedule, as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("patternProperties" = {"^x-": true}))]
#[expect(dead_code, reason = "only its schema is used")]
struct WholeSchedule {
    /// Its name; of `PUT` it stands in the path.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
    name: Option<String>,
    /// Whom it belongs to. Default `default`.
    user_id: Option<String>,
    /// When.
    #[serde(flatten)]
    rule: Schedule,
    /// What: the name of a job definition, or a job.
    job: Option<ScheduledJob>,
    /// What: a task.
    task: Option<Box<Task>>,
    /// Parameters that replace those of the definition.
    params: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum ScheduledJob {
    Definition(String),
    Job(Box<Job>),
}

/// The schema of a schedule among those of a larger description.
pub fn schedule_schema_in(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<WholeSchedule>()
}
