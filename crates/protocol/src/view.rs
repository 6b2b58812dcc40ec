//! What the API returns: committed rows as JSON, in the contract's names. Ids, not keys; RFC 3339, not milliseconds.

mod attempt;
mod cluster;
mod config;
mod definition;
mod event;
mod graph;
mod history;
mod job;
mod layout;
mod operations;
mod schedule;
mod task;
mod why;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::time::Rfc3339;

pub use attempt::{AttemptView, LogView};
pub use cluster::{ClusterNodeView, ClusterShardView, ClusterView, ReasonView};
pub use config::ReloadView;
pub use definition::{
    AppliedView, AuditView, DefinitionDiffView, DefinitionRef, DefinitionView, DifferenceView, differences,
};
pub use event::{
    EventView, GapView, event_id, event_status, event_word, parse_event_id, parse_stream_position, stream_position,
};
pub use graph::{GraphNode, GraphView, group_of};
pub use history::{HistoryPointView, HistoryView, QuantilesView};
pub use job::{JobCountsView, JobView, ParentView, SubmittedJobView};
pub use layout::{BendView, Collapse, GraphLayoutView, LaidOutNode};
pub use operations::{
    BulkView, CountView, DeadLetterGroup, DeadLetterView, DeadLettersView, HealthView, QueueView, RunningView,
    StatsView, WorkerView, fingerprint,
};
pub use schedule::{
    BackfillPlanView, BackfillView, NextView, OccurrenceView, ScheduleView, ScheduleWhyView, TriggeredView,
};
pub use task::{BackoffView, TaskView};
pub use why::{GateView, HolderView, WhyView};

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items; may be fewer than asked for, even none, while there is a next page.
    pub items: Vec<T>,
    /// Pass it as `cursor` for the next page; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A list that has no further page.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }
}

/// The answer to one submitted task: alone, or an element of a batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmittedView {
    /// Its id; absent if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Where it stands; absent if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When it becomes ready, if it is scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Rfc3339>,
    /// Whether it was accepted earlier under the same id or key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Box<Problem>>,
}

impl SubmittedView {
    /// An element of a batch that was refused.
    pub fn refused(problem: Problem) -> Self {
        Self { problem: Some(Box::new(problem)), ..Self::default() }
    }

    /// A task that was accepted. `given_id` is the id its client chose.
    pub fn accepted(submitted: &mainspring_core::effect::Submitted, given_id: Option<&str>) -> Self {
        let id = given_id.map_or_else(|| submitted.key.id(mainspring_core::id::IdKind::Task), str::to_owned);
        Self {
            task_id: Some(id),
            status: Some(submitted.status.word().to_owned()),
            run_at: submitted.run_at.map(Rfc3339),
            repeated: submitted.repeated,
            problem: None,
        }
    }
}
