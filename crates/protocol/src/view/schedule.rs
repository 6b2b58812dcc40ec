//! Schedules and their occurrences, as the API shows them.

use mainspring_core::id::Name;
use mainspring_core::schedule::{Next, OccurrenceRow, ScheduleRow, Target};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::Rfc3339;

/// A schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleView {
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub user_id: String,
    /// Whether the job definition of the same name installs it, and alone may change or delete it.
    pub of_definition: bool,
    /// 1, and one more with each edit.
    pub generation: u32,
    /// Nothing is due while set.
    pub paused: bool,
    /// When it is due, in words.
    pub description: String,
    /// When it is due and what it submits, as it was written.
    pub spec: Value,
    /// The next nominal instant; absent while nobody has looked, and if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_instant: Option<Rfc3339>,
    /// When that fires, with its jitter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Rfc3339>,
    /// Whether it is never due again.
    pub finished: bool,
    /// The definitions whose jobs it follows; empty if it goes by time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<FollowedView>,
    /// The nominal instant that fired last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_instant: Option<Rfc3339>,
    /// Up to here every instant has its record.
    pub covered_until: Rfc3339,
    /// Ids of work that has not ended; not kept under `overlap: allow`.
    pub running: Vec<String>,
    /// The instant that waits for them to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffered: Option<Rfc3339>,
    /// A range that is being made up for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill: Option<BackfillView>,
    /// When it was made.
    pub created_at: Rfc3339,
    /// When this generation was made.
    pub changed_at: Rfc3339,
}

/// A definition whose jobs a schedule follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FollowedView {
    /// Its name.
    pub definition: String,
    /// Whether a job of it has completed since the schedule fired last.
    pub completed: bool,
}

impl FollowedView {
    fn of((definition, completed): &(Name, bool)) -> Self {
        Self { definition: definition.to_string(), completed: *completed }
    }
}

/// A backfill that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackfillView {
    /// Everything up to here is done.
    pub done_until: Rfc3339,
    /// The end of the range.
    pub to: Rfc3339,
    /// How many may run side by side.
    pub concurrency: u32,
    /// How many were submitted.
    pub fired: u32,
    /// Ids of those that have not ended.
    pub running: Vec<String>,
}

/// A record of the ledger: what became of an instant, or of all instants of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OccurrenceView {
    /// The instant, or the beginning of the range.
    pub instant: Rfc3339,
    /// The end of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Rfc3339>,
    /// `fired`, `coalesced` or `skipped`.
    pub status: String,
    /// Why it did not fire: `missed`, `burst_cap`, `overlap`, `paused`, `edited`, `deleted`, `invalid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Why it came: `time`, `trigger`, `backfill`.
    pub cause: String,
    /// The schedule's generation.
    pub generation: u32,
    /// The job that it submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The task that it submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
}

/// An instant to come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextView {
    /// The nominal instant.
    pub at: Rfc3339,
    /// When it fires, if that is later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Rfc3339>,
}

/// What a trigger submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TriggeredView {
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
}

/// What a backfill does, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackfillPlanView {
    /// Instants of the range that were never fired; at most 10,000 are counted.
    pub count: u64,
    /// Whether there are more.
    pub more: bool,
    /// The first of them, at most 20.
    pub first: Vec<Rfc3339>,
    /// Instants of the range that were fired before, and are left alone.
    pub fired_before: u64,
    /// Whether this was only a look.
    pub dry_run: bool,
}

/// Why a schedule does what it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleWhyView {
    /// In one sentence.
    pub reason: String,
    /// The next instants.
    pub next: Vec<NextView>,
    /// The newest record of its ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<OccurrenceView>,
}

impl ScheduleView {
    /// Shows a row; `description`: its rule in words.
    pub fn from_row(row: &ScheduleRow, description: &str) -> Self {
        let state = &row.state;
        let (next_instant, next_due) = match state.next {
            Next::At { instant, due } => (Some(Rfc3339(instant)), Some(Rfc3339(due))),
            Next::Unplanned | Next::Never => (None, None),
        };
        let ids = |targets: &[Target]| targets.iter().map(|target| target.id()).collect();
        Self {
            name: row.id.name.to_string(),
            user_id: row.id.tenant.to_string(),
            of_definition: row.of_definition,
            generation: state.generation,
            paused: state.paused,
            description: description.to_owned(),
            spec: serde_json::from_str(&row.body).unwrap_or_default(),
            next_instant,
            next_due: next_due.filter(|_| !state.paused),
            finished: state.next == Next::Never && state.after.is_none(),
            after: state.after.iter().flat_map(|after| &after.names).map(FollowedView::of).collect(),
            last_instant: state.last_instant.map(Rfc3339),
            covered_until: Rfc3339(state.covered),
            running: ids(&state.running),
            buffered: state.buffered.map(Rfc3339),
            backfill: state.backfill.as_ref().map(|backfill| BackfillView {
                done_until: Rfc3339(backfill.cursor),
                to: Rfc3339(backfill.to),
                concurrency: backfill.concurrency,
                fired: backfill.fired,
                running: ids(&backfill.running),
            }),
            created_at: Rfc3339(row.created_at),
            changed_at: Rfc3339(state.changed_at),
        }
    }
}

impl OccurrenceView {
    /// Shows a record.
    pub fn from_row(row: &OccurrenceRow) -> Self {
        let mut view = Self {
            instant: Rfc3339(row.first),
            until: (row.last != row.first).then_some(Rfc3339(row.last)),
            cause: row.cause.word().to_owned(),
            generation: row.generation,
            detail: row.detail.as_deref().map(str::to_owned),
            ..Self::default()
        };
        match row.result {
            Ok(target) => {
                view.status = "fired".to_owned();
                match target {
                    Target::Job(_) => view.job_id = Some(target.id()),
                    Target::Task(_) => view.task_id = Some(target.id()),
                }
            }
            Err(mainspring_core::schedule::PassReason::Coalesced) => view.status = "coalesced".to_owned(),
            Err(reason) => {
                view.status = "skipped".to_owned();
                view.reason = Some(reason.word().to_owned());
            }
        }
        view
    }
}

impl TriggeredView {
    /// Shows what was submitted.
    pub fn from_target(target: Target) -> Self {
        match target {
            Target::Job(_) => Self { job_id: Some(target.id()), task_id: None },
            Target::Task(_) => Self { job_id: None, task_id: Some(target.id()) },
        }
    }
}
