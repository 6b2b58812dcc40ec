//! Rare parts of rows, as small JSON objects that a person can read in the database; what is default is left out.

use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{RerunFrom, Sweep, SweepKind};
use mainspring_core::task::{Attempt, Failure, Lease, ParentCounts, Settling, SkipReason, TaskState};
use serde::{Deserialize, Serialize};

use super::Unreadable;

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A list of names as a JSON array; `None` for the empty one.
pub fn encode_names(names: &[Name]) -> Option<String> {
    (!names.is_empty()).then(|| serde_json::to_string(names).expect("names are plain text"))
}

/// Reads what [`encode_names`] wrote.
///
/// # Errors
/// If this text is something else.
pub fn decode_names(text: Option<&str>) -> Result<Arc<[Name]>, Unreadable> {
    match text {
        None => Ok(Arc::from([])),
        Some(text) => serde_json::from_str::<Vec<Name>>(text).map(Arc::from).map_err(|_| Unreadable("list of names")),
    }
}

/// What most states of tasks leave at its default.
#[derive(Serialize, Deserialize, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct RareState {
    #[serde(skip_serializing_if = "is_default")]
    failures: u32,
    #[serde(skip_serializing_if = "is_default")]
    losses: u32,
    #[serde(skip_serializing_if = "is_default")]
    snoozes: u32,
    #[serde(skip_serializing_if = "is_default")]
    parents_completed: u32,
    #[serde(skip_serializing_if = "is_default")]
    parents_failed: u32,
    #[serde(skip_serializing_if = "is_default")]
    parents_skipped: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_reason: Option<Name>,
    #[serde(skip_serializing_if = "is_default")]
    handled: bool,
    #[serde(skip_serializing_if = "is_default")]
    held: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    settling_children: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settling_parents: Option<u32>,
    #[serde(skip_serializing_if = "is_default")]
    evaluating: bool,
    /// The key of the job that carries it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<Arc<str>>,
    /// Kind, message and trace of what no attempt did.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<(Name, Name, Option<Name>)>,
    /// Number and generation of the last attempt, where they are not those of the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<(u32, u32)>,
    /// Number and worker of the lease, where they are not those of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<(u64, Name)>,
}

impl RareState {
    /// The record of a state, `None` where all is default.
    pub fn encode(state: &TaskState) -> Option<String> {
        let last = state.last.as_ref();
        let other_last = last.filter(|last| (last.number, last.generation) != (state.attempt, state.generation));
        let same_lease = |lease: &&Lease| last.is_none_or(|l| (l.lease, &l.worker) != (lease.number, &lease.worker));
        let other_lease = state.lease.as_ref().filter(same_lease);
        let plain = state.failures == 0
            && state.losses == 0
            && state.snoozes == 0
            && state.parents == ParentCounts::default()
            && state.skip_reason.is_none()
            && !state.handled
            && !state.held
            && state.settling.is_none()
            && !state.evaluating
            && state.child.is_none()
            && state.checkpoint.is_none()
            && state.failure.is_none();
        if plain && other_last.is_none() && other_lease.is_none() {
            return None;
        }
        let settling = |of: fn(Settling) -> Option<u32>| state.settling.and_then(of);
        let record = Self {
            failures: state.failures,
            losses: state.losses,
            snoozes: state.snoozes,
            parents_completed: state.parents.completed,
            parents_failed: state.parents.failed,
            parents_skipped: state.parents.skipped,
            skip_reason: state.skip_reason.map(|reason| reason.word().into()),
            handled: state.handled,
            held: state.held,
            settling_children: settling(|at| if let Settling::Children(next) = at { Some(next) } else { None }),
            settling_parents: settling(|at| if let Settling::Parents(next) = at { Some(next) } else { None }),
            evaluating: state.evaluating,
            child: state.child.map(Key::raw),
            checkpoint: state.checkpoint.clone(),
            failure: state.failure.clone().map(|error| (error.kind, error.message, error.trace)),
            last: other_last.map(|last| (last.number, last.generation)),
            lease: other_lease.map(|lease| (lease.number, lease.worker.clone())),
        };
        Some(serde_json::to_string(&record).expect("a state is plain data"))
    }

    /// Reads what [`RareState::encode`] wrote.
    ///
    /// # Errors
    /// If this text is something else.
    pub fn decode(text: Option<&str>) -> Result<Self, Unreadable> {
        text.map_or(Ok(Self::default()), |text| serde_json::from_str(text).map_err(|_| Unreadable("state of a task")))
    }

    /// Completes a state that has everything but what this record knows. Where number, generation, lease and worker of
    /// the last attempt and of the lease follow from each other, the caller has set them so.
    ///
    /// # Errors
    /// If a word is not known.
    pub fn complete(self, state: &mut TaskState) -> Result<(), Unreadable> {
        state.failures = self.failures;
        state.losses = self.losses;
        state.snoozes = self.snoozes;
        state.parents = ParentCounts {
            completed: self.parents_completed,
            failed: self.parents_failed,
            skipped: self.parents_skipped,
        };
        state.skip_reason = match self.skip_reason {
            None => None,
            Some(word) => Some(SkipReason::from_word(&word).ok_or(Unreadable("skip reason"))?),
        };
        state.handled = self.handled;
        state.held = self.held;
        let children = self.settling_children.map(Settling::Children);
        state.settling = children.or(self.settling_parents.map(Settling::Parents));
        state.evaluating = self.evaluating;
        state.child = self.child.map(Key::from_raw);
        state.checkpoint = self.checkpoint;
        state.failure = self.failure.map(|(kind, message, trace)| Failure { kind, message, trace });
        if let (Some((number, generation)), Some(last)) = (self.last, state.last.as_mut()) {
            *last = Attempt { number, generation, ..last.clone() };
        }
        if let (Some((number, worker)), Some(lease)) = (self.lease, state.lease.as_mut()) {
            *lease = Lease { number, worker, ..lease.clone() };
        }
        Ok(())
    }
}

/// A sweep over a job's tasks.
#[derive(Serialize, Deserialize)]
pub struct SweepRecord {
    kind: SweepWord,
    next: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum SweepWord {
    Staging,
    Starting,
    Resuming,
    Cancelling,
    FailingFast,
    RerunningFailed,
    RerunningTask(u32),
    RerunningStart,
    Deleting,
    Reporting,
    Hooking,
    Announcing(u64),
}

impl SweepRecord {
    /// The text that a staging sweep begins with, for an index over what was never published.
    pub const STAGING: &'static str = r#"{"kind":"staging""#;

    /// The record of a sweep.
    pub fn encode(sweep: &Sweep) -> String {
        let kind = match sweep.kind {
            SweepKind::Staging => SweepWord::Staging,
            SweepKind::Starting => SweepWord::Starting,
            SweepKind::Resuming => SweepWord::Resuming,
            SweepKind::Cancelling => SweepWord::Cancelling,
            SweepKind::FailingFast => SweepWord::FailingFast,
            SweepKind::Rerunning(RerunFrom::Failed) => SweepWord::RerunningFailed,
            SweepKind::Rerunning(RerunFrom::Task(index)) => SweepWord::RerunningTask(index),
            SweepKind::Rerunning(RerunFrom::Start) => SweepWord::RerunningStart,
            SweepKind::Deleting => SweepWord::Deleting,
            SweepKind::Reporting => SweepWord::Reporting,
            SweepKind::Hooking => SweepWord::Hooking,
            SweepKind::Announcing(number) => SweepWord::Announcing(number),
        };
        serde_json::to_string(&Self { kind, next: sweep.next }).expect("a sweep is plain data")
    }

    /// Reads what [`SweepRecord::encode`] wrote.
    ///
    /// # Errors
    /// If this text is something else.
    pub fn decode(text: &str) -> Result<Sweep, Unreadable> {
        let record: Self = serde_json::from_str(text).map_err(|_| Unreadable("sweep of a job"))?;
        let kind = match record.kind {
            SweepWord::Staging => SweepKind::Staging,
            SweepWord::Starting => SweepKind::Starting,
            SweepWord::Resuming => SweepKind::Resuming,
            SweepWord::Cancelling => SweepKind::Cancelling,
            SweepWord::FailingFast => SweepKind::FailingFast,
            SweepWord::RerunningFailed => SweepKind::Rerunning(RerunFrom::Failed),
            SweepWord::RerunningTask(index) => SweepKind::Rerunning(RerunFrom::Task(index)),
            SweepWord::RerunningStart => SweepKind::Rerunning(RerunFrom::Start),
            SweepWord::Deleting => SweepKind::Deleting,
            SweepWord::Reporting => SweepKind::Reporting,
            SweepWord::Hooking => SweepKind::Hooking,
            SweepWord::Announcing(number) => SweepKind::Announcing(number),
        };
        Ok(Sweep { kind, next: record.next })
    }
}
