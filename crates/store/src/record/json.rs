//! Rare parts of rows, as small JSON objects that a person can read in the database; what is default is left out.

use std::sync::Arc;

use mainspring_core::id::Name;
use mainspring_core::job::{RerunFrom, Sweep, SweepKind};
use mainspring_core::spec::{Backoff, BackoffShape, OnWorkerLost, Policy, TaskSpec, Trigger};
use mainspring_core::task::{Attempt, Lease, ParentCounts, Settling, SkipReason, TaskState};
use serde::{Deserialize, Serialize};

use super::Unreadable;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
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

#[derive(Serialize, Deserialize, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
struct PolicyRecord {
    #[serde(skip_serializing_if = "is_default")]
    retries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff: Option<(u8, u64, u64, u64, bool)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    on_worker_lost: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    non_retryable: Vec<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retry_on: Vec<Name>,
}

impl PolicyRecord {
    fn of(policy: &Policy) -> Self {
        let backoff = policy.backoff;
        let shape = match backoff.shape {
            BackoffShape::Fixed => 0,
            BackoffShape::Linear => 1,
            BackoffShape::Exponential => 2,
        };
        let fields = (shape, backoff.initial_ms, backoff.factor_milli, backoff.max_ms, backoff.full_jitter);
        Self {
            retries: policy.retries,
            backoff: (backoff != Backoff::default()).then_some(fields),
            timeout_ms: policy.timeout_ms,
            heartbeat_timeout_ms: policy.heartbeat_timeout_ms,
            on_worker_lost: match policy.on_worker_lost {
                OnWorkerLost::Retry => 0,
                OnWorkerLost::Fail => 1,
                OnWorkerLost::Hold => 2,
            },
            non_retryable: policy.non_retryable.clone(),
            retry_on: policy.retry_on.clone(),
        }
    }

    fn into_policy(self) -> Option<Policy> {
        let backoff = match self.backoff {
            None => Backoff::default(),
            Some((shape, initial_ms, factor_milli, max_ms, full_jitter)) => {
                let shape = match shape {
                    0 => BackoffShape::Fixed,
                    1 => BackoffShape::Linear,
                    2 => BackoffShape::Exponential,
                    _ => return None,
                };
                Backoff { shape, initial_ms, factor_milli, max_ms, full_jitter }
            }
        };
        let on_worker_lost = match self.on_worker_lost {
            0 => OnWorkerLost::Retry,
            1 => OnWorkerLost::Fail,
            2 => OnWorkerLost::Hold,
            _ => return None,
        };
        Some(Policy {
            retries: self.retries,
            backoff,
            timeout_ms: self.timeout_ms,
            heartbeat_timeout_ms: self.heartbeat_timeout_ms,
            on_worker_lost,
            non_retryable: self.non_retryable,
            retry_on: self.retry_on,
        })
    }
}

pub(super) fn policy_to_text(policy: &Policy) -> String {
    serde_json::to_string(&PolicyRecord::of(policy)).expect("a policy is plain data")
}

pub(super) fn policy_from_text(text: &str) -> Option<Policy> {
    serde_json::from_str::<PolicyRecord>(text).ok()?.into_policy()
}

const TRIGGERS: [Trigger; 11] = [
    Trigger::AllSuccess,
    Trigger::AllDone,
    Trigger::AllFailed,
    Trigger::AllSkipped,
    Trigger::OneSuccess,
    Trigger::OneFailed,
    Trigger::OneDone,
    Trigger::NoneFailed,
    Trigger::NoneFailedMinOneSuccess,
    Trigger::NoneSkipped,
    Trigger::Always,
];

pub(super) fn trigger_number(trigger: Trigger) -> u64 {
    TRIGGERS.iter().position(|known| *known == trigger).expect("every trigger is in the list") as u64
}

pub(super) fn trigger_from_number(number: u64) -> Option<Trigger> {
    TRIGGERS.get(usize::try_from(number).ok()?).copied()
}

/// What most specs leave at its default, and what a task has only in a job.
#[derive(Serialize, Deserialize, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct RareSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    executor: Option<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyRecord>,
    #[serde(skip_serializing_if = "is_default")]
    trigger: u64,
    #[serde(skip_serializing_if = "is_default")]
    parents: u32,
}

impl RareSpec {
    /// The record of a task, `None` where all is default.
    pub fn encode(spec: &TaskSpec, trigger: Trigger, parents: u32) -> Option<String> {
        let plain_class = spec.class.executor == spec.kind && spec.class.labels.is_empty();
        let plain_policy = *spec.policy == Policy::default();
        if plain_class && plain_policy && spec.expires_at_ms.is_none() && trigger == Trigger::default() && parents == 0
        {
            return None;
        }
        let record = Self {
            executor: (spec.class.executor != spec.kind).then(|| spec.class.executor.clone()),
            labels: spec.class.labels.to_vec(),
            expires_at_ms: spec.expires_at_ms,
            policy: (!plain_policy).then(|| PolicyRecord::of(&spec.policy)),
            trigger: trigger_number(trigger),
            parents,
        };
        Some(serde_json::to_string(&record).expect("a spec is plain data"))
    }

    /// Reads what [`RareSpec::encode`] wrote.
    ///
    /// # Errors
    /// If this text is something else.
    pub fn decode(text: Option<&str>) -> Result<Self, Unreadable> {
        text.map_or(Ok(Self::default()), |text| serde_json::from_str(text).map_err(|_| Unreadable("spec of a task")))
    }

    /// When the task may start in its job, and how many parents it has there.
    ///
    /// # Errors
    /// If the trigger is not known.
    pub fn in_job(&self) -> Result<(Trigger, u32), Unreadable> {
        Ok((trigger_from_number(self.trigger).ok_or(Unreadable("trigger of a task"))?, self.parents))
    }

    /// Completes a spec that has everything but what this record knows.
    ///
    /// # Errors
    /// If the policy cannot be read.
    pub fn complete(self, spec: &mut TaskSpec) -> Result<(), Unreadable> {
        spec.class.executor = self.executor.unwrap_or_else(|| spec.kind.clone());
        spec.class.labels = Arc::from(self.labels);
        spec.expires_at_ms = self.expires_at_ms;
        if let Some(policy) = self.policy {
            spec.policy = Arc::new(policy.into_policy().ok_or(Unreadable("policy of a task"))?);
        }
        Ok(())
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
            && state.settling.is_none();
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
        };
        Ok(Sweep { kind, next: record.next })
    }
}
