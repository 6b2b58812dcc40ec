//! What users limit: how many tasks run at a time, how fast they start, what a tenant may take up.
//!
//! A *permit* is the right to start one more task under a limit. Permits are never stored: who has one follows from the
//! live leases (I12). The hard bounds of the engine are in [`crate::limits`].

use std::sync::Arc;

use crate::id::Name;

/// A token bucket: `limit` starts in each `per_ms`, of which up to `burst` may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    /// Starts in each period, 1 to 1,000,000.
    pub limit: u32,
    /// The period in milliseconds, 1 to [`crate::limits::RATE_PERIOD_MS_MAX`].
    pub per_ms: u64,
    /// How many permits an unused bucket holds, 1 to 1,000,000. Default: `limit`.
    pub burst: u32,
}

/// A limit that a task itself carries, by a key of its tenant's choice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyLimit {
    /// The key. Concurrency keys and rate keys are names of different kinds: the same text in both is no conflict.
    pub key: Name,
    /// What it bounds.
    pub bound: KeyBound,
}

/// What a key bounds among the tasks of (tenant, key). Tasks of one key that carry different numbers are each held to
/// their own, and all of them count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyBound {
    /// It starts only while fewer than this many run; at least 1.
    Running(u32),
    /// It starts only when this bucket of the key holds a permit.
    Starts(Rate),
}

/// The limits that a task carries, sorted; at most [`crate::limits::KEY_LIMITS_MAX`].
pub type KeyLimits = Arc<[KeyLimit]>;

/// The first key whose limit holds beyond one job; it decides where its tasks live.
pub fn shared_key(limits: &[KeyLimit]) -> Option<&Name> {
    limits.iter().map(|limit| &limit.key).find(|key| !is_local(key))
}

/// Whether a key is the engine's own, and so names something inside one job: such keys start with `~`.
pub fn is_local(key: &str) -> bool {
    key.starts_with('~')
}

/// What a row of limits is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitScope {
    /// A queue, over all tenants.
    Queue,
    /// A task type, over all queues and tenants.
    Type,
    /// A tenant.
    Tenant,
}

impl LimitScope {
    /// All scopes, in the order of their stored numbers.
    pub const ALL: [LimitScope; 3] = [Self::Queue, Self::Type, Self::Tenant];

    /// The word in the audit and in stores.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Type => "type",
            Self::Tenant => "tenant",
        }
    }

    /// Reads [`LimitScope::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.word() == word)
    }
}

/// What a rate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// The queue of a task.
    Queue,
    /// Its type.
    Type,
    /// A key that it carries.
    Key,
}

impl LimitedBy {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Type => "type",
            Self::Key => "key",
        }
    }

    /// Reads [`LimitedBy::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Queue, Self::Type, Self::Key].into_iter().find(|by| by.word() == word)
    }
}

/// The limits of a queue, a type or a tenant; each `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Tasks that may run at a time: of a queue or a type. 0 lets nothing start.
    pub concurrency: Option<u32>,
    /// How fast tasks may start: of a queue or a type.
    pub rate: Option<Rate>,
    /// How many tasks of a tenant are taken in its turn, 1 to [`crate::limits::WEIGHT_MAX`]. Default 1.
    pub weight: Option<u32>,
    /// Tasks of a tenant that may be unfinished (submitted and not ended): 0 to [`crate::limits::BACKLOG_MAX`].
    pub max_backlog: Option<u64>,
    /// How fast a tenant may submit tasks.
    pub submit_rate: Option<Rate>,
}

/// The limits of one thing; the default ones are the same as no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRow {
    /// What kind of thing.
    pub scope: LimitScope,
    /// Which: the name of a queue, a type or a tenant.
    pub name: Name,
    /// Its limits.
    pub limits: Limits,
}

/// A change of limits: the outer `None` leaves a limit as it is, the inner one takes it away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitsPatch {
    /// See [`Limits::concurrency`].
    pub concurrency: Option<Option<u32>>,
    /// See [`Limits::rate`].
    pub rate: Option<Option<Rate>>,
    /// See [`Limits::weight`].
    pub weight: Option<Option<u32>>,
    /// See [`Limits::max_backlog`].
    pub max_backlog: Option<Option<u64>>,
    /// See [`Limits::submit_rate`].
    pub submit_rate: Option<Option<Rate>>,
}

impl LimitsPatch {
    /// The limits after the change.
    pub fn apply(&self, before: Limits) -> Limits {
        Limits {
            concurrency: self.concurrency.unwrap_or(before.concurrency),
            rate: self.rate.unwrap_or(before.rate),
            weight: self.weight.unwrap_or(before.weight),
            max_backlog: self.max_backlog.unwrap_or(before.max_backlog),
            submit_rate: self.submit_rate.unwrap_or(before.submit_rate),
        }
    }
}
