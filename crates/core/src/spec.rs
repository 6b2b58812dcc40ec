//! What a submitter says about a task, as far as a decision can depend on it.
//!
//! Everything else (command, payload, environment, tags …) travels as an opaque [`Body`].

use std::sync::Arc;

use crate::id::{IdKind, Key, Name};
use crate::permit::{KeyLimit, KeyLimits, is_local};
use crate::row::LaneName;

/// The part of a task that only the worker reads: the text of one JSON object (`{}` at the least) whose members
/// are handed over with the grant as they are (`payload`, `command`, `run`, `http`, `env`, `workingDir`, …).
pub type Body = Arc<str>;

/// The immutable part of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// The task's type, at most 256 characters.
    pub kind: Name,
    /// The human name (`taskName`), if one was given.
    pub title: Option<Name>,
    /// Which queue it waits in. Default `default`.
    pub queue: Name,
    /// What a worker must offer to run it.
    pub class: Class,
    /// 0 to 9, 9 first. Default 0.
    pub priority: u8,
    /// The instant after which it is not worth starting, in milliseconds since the Unix epoch.
    pub expires_at_ms: Option<i64>,
    /// Retries, timeouts and the like; shared between the tasks of a batch that have the same.
    pub policy: Arc<Policy>,
    /// Limits that it carries, by key. Default none.
    pub limits: KeyLimits,
    /// What the worker gets.
    pub body: Body,
    /// Tags, as submitted.
    pub tags: Arc<[Name]>,
}

impl TaskSpec {
    /// A task of this type that leaves everything at its default. A command needs the executor `shell` beside it.
    pub fn new(kind: Name, body: Body) -> Self {
        Self {
            class: Class { executor: kind.clone(), labels: Arc::from([]) },
            kind,
            title: None,
            queue: "default".into(),
            priority: 0,
            expires_at_ms: None,
            policy: Arc::default(),
            limits: Arc::default(),
            body,
            tags: Arc::from([]),
        }
    }

    /// The limits that it carries as a task of this job: keys of the engine's own name the job.
    pub fn limits_in(&self, job: Option<Key>) -> KeyLimits {
        match job.filter(|_| self.limits.iter().any(|limit| is_local(&limit.key))) {
            None => self.limits.clone(),
            Some(job) => {
                let named = |limit: &KeyLimit| match is_local(&limit.key) {
                    true => KeyLimit { key: format!("{}{}", limit.key, job.id(IdKind::Job)).into(), ..limit.clone() },
                    false => limit.clone(),
                };
                self.limits.iter().map(named).collect()
            }
        }
    }

    /// The lane that such a task of this tenant and job stands in.
    pub fn lane(&self, tenant: &Name, job: Option<Key>) -> LaneName {
        LaneName {
            queue: self.queue.clone(),
            tenant: tenant.clone(),
            class: self.class.clone(),
            kind: self.kind.clone(),
            limits: self.limits_in(job),
        }
    }
}

/// What a worker must offer to be granted a task: an executor (the task's type, or `shell` for a task with a command)
/// and labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// `shell` where the task has a command or a script, else its type.
    pub executor: Name,
    /// Labels that the worker must carry, as `name=value`, sorted.
    pub labels: Arc<[Name]>,
}

/// How attempts end, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Failures and timeouts after the first that are tried again. Default 0, at most 1,000.
    pub retries: u32,
    /// How long to wait before each retry.
    pub backoff: Backoff,
    /// Longest time one attempt may run, in milliseconds. Default none, at most 30 days.
    pub timeout_ms: Option<u64>,
    /// Longest silence of the task's own code (no output, no progress), in milliseconds. Default none.
    pub heartbeat_timeout_ms: Option<u64>,
    /// What follows the loss of a worker. Default [`OnWorkerLost::Retry`].
    pub on_worker_lost: OnWorkerLost,
    /// Error types that are never retried.
    pub non_retryable: Vec<Name>,
    /// If not empty, the only error types that are retried.
    pub retry_on: Vec<Name>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries: 0,
            backoff: Backoff::default(),
            timeout_ms: None,
            heartbeat_timeout_ms: None,
            on_worker_lost: OnWorkerLost::Retry,
            non_retryable: Vec::new(),
            retry_on: Vec::new(),
        }
    }
}

/// The wait before retry `n` (from 1) is, before jitter, `min(max, initial · shape(n))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// How the wait grows. Default [`BackoffShape::Exponential`].
    pub shape: BackoffShape,
    /// The first wait, in milliseconds. Default 1,000.
    pub initial_ms: u64,
    /// The factor of exponential growth, in thousandths. Default 2,000 (doubling).
    pub factor_milli: u64,
    /// The cap, in milliseconds. Default 300,000 (five minutes).
    pub max_ms: u64,
    /// Whether the wait is drawn evenly from 0 to the computed one. Default true.
    pub full_jitter: bool,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            shape: BackoffShape::Exponential,
            initial_ms: 1_000,
            factor_milli: 2_000,
            max_ms: 300_000,
            full_jitter: true,
        }
    }
}

/// How a backoff grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackoffShape {
    /// Always `initial`.
    Fixed,
    /// `initial · n`.
    Linear,
    /// `initial · factor^(n−1)`.
    Exponential,
}

/// What follows the loss of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnWorkerLost {
    /// Try again, at most three losses.
    Retry,
    /// Fail at once: at most one start.
    Fail,
    /// Wait (`waiting`, reason held) until somebody retries it.
    Hold,
}

/// When a task of a job may start, over the recorded states of its parents. Failed includes upstream-failed
/// skips and cancelled parents. The words are Airflow's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trigger {
    /// Every parent completed. A skipped parent skips the child.
    #[default]
    AllSuccess,
    /// Every parent is terminal.
    AllDone,
    /// Every parent failed.
    AllFailed,
    /// Every parent was skipped.
    AllSkipped,
    /// One parent completed; does not wait for the others.
    OneSuccess,
    /// One parent failed; does not wait for the others.
    OneFailed,
    /// One parent completed or failed; does not wait for the others.
    OneDone,
    /// Every parent is terminal, none failed.
    NoneFailed,
    /// Every parent is terminal, none failed, at least one completed.
    NoneFailedMinOneSuccess,
    /// Every parent is terminal, none was skipped.
    NoneSkipped,
    /// At once, whatever the parents do.
    Always,
}
