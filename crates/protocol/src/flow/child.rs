//! Jobs inside jobs: what a group task hands to the job that carries it out.

use std::sync::Arc;

use mainspring_core::job::{Flow, GraphTask, Step};
use serde_json::{Map, Value};

use super::logic::Logic;

/// How deep sub-jobs may stand in each other.
pub const SUB_JOB_DEPTH_MAX: usize = 6;

/// A sub-job to be: its definition is looked up by whoever evaluates.
#[derive(Clone, Debug, PartialEq)]
pub struct SubJob {
    /// The name of the definition.
    pub name: String,
    /// Its version; `None`: the newest.
    pub version: Option<u32>,
    /// Parameters that replace the definition's own.
    pub params: Map<String, Value>,
}

/// What an instance of a spread task does.
pub(super) fn step_of_instance(task: &GraphTask, logic: &Logic) -> Step {
    if logic.job.is_some() {
        return Step::Group;
    }
    let logic_of_group = task.flow.as_ref().and_then(|flow| Logic::from_text(&flow.logic).ok());
    match logic_of_group.and_then(|logic| logic.approval) {
        Some(approval) if !logic.skip => Step::Approval { timeout_ms: approval.timeout_ms },
        _ => Step::Attempt,
    }
}

/// The flow of a task with this step and logic; `None` for an ordinary one.
pub(crate) fn flow_of(step: Step, logic: &Logic) -> Option<Arc<Flow>> {
    let evaluated = logic.is_evaluated();
    if !evaluated && step == Step::Attempt {
        return None;
    }
    Some(Arc::new(Flow { evaluated, step, logic: logic.to_text().into() }))
}
