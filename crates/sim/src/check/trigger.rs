//! Trigger rules, written a second time from the words of `architecture.md`, over the states of all parents.

use mainspring_core::spec::Trigger;
use mainspring_core::task::{SkipReason, TaskState, TaskStatus};

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// Too early.
    Wait,
    /// It may start.
    Start,
    /// It never will.
    Skip,
}

/// How a parent stands, in the words of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Not ended.
    Open,
    /// Completed.
    Completed,
    /// Failed, cancelled, or skipped because of a failure.
    Failed,
    /// Skipped otherwise.
    Skipped,
}

/// How a task counts for its children.
pub fn class_of(state: &TaskState) -> Parent {
    match state.status {
        TaskStatus::Completed => Parent::Completed,
        TaskStatus::Failed | TaskStatus::Cancelled => Parent::Failed,
        TaskStatus::Skipped if state.skip_reason == Some(SkipReason::UpstreamFailed) => Parent::Failed,
        TaskStatus::Skipped => Parent::Skipped,
        _ => Parent::Open,
    }
}

/// Judges a rule over all parents.
pub fn says(rule: Trigger, parents: &[Parent]) -> Says {
    if parents.is_empty() || rule == Trigger::Always {
        return Says::Start;
    }
    let any = |class: Parent| parents.contains(&class);
    let open = any(Parent::Open);
    let (completed, failed, skipped) = (any(Parent::Completed), any(Parent::Failed), any(Parent::Skipped));
    let (starts, never) = match rule {
        Trigger::AllSuccess => (!open && !failed && !skipped, failed || skipped),
        Trigger::AllDone => (!open, false),
        Trigger::AllFailed => (!open && !completed && !skipped, completed || skipped),
        Trigger::AllSkipped => (!open && !completed && !failed, completed || failed),
        Trigger::OneSuccess => (completed, !open && !completed),
        Trigger::OneFailed => (failed, !open && !failed),
        Trigger::OneDone => (completed || failed, !open && !completed && !failed),
        Trigger::NoneFailed => (!open && !failed, failed),
        Trigger::NoneFailedMinOneSuccess => (!open && !failed && completed, failed || (!open && !completed)),
        Trigger::NoneSkipped => (!open && !skipped, skipped),
        Trigger::Always => (true, false),
    };
    match (starts, never) {
        (true, _) => Says::Start,
        (false, true) => Says::Skip,
        (false, false) => Says::Wait,
    }
}
