//! How much may happen in one world. What is left of it is part of the world, so every space is finite.

/// A budget: each field is how often its thing may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Submissions of the task that has an idempotency key: every one after the first is a repeat.
    pub submissions: u8,
    /// Submissions of a second task, without a key.
    pub others: u8,
    /// Orders to cancel the first task.
    pub cancels: u8,
    /// Calls of each worker, over all its processes.
    pub calls: u8,
    /// Attempts that end in a failure, which the task's policy tries again once.
    pub failures: u8,
    /// Leases that pass.
    pub ticks: u8,
    /// Owners that are taken for dead, rightly or wrongly.
    pub suspicions: u8,
    /// Nodes that lose their memory.
    pub crashes: u8,
    /// Workers that do.
    pub worker_crashes: u8,
    /// Commits whose answer does not arrive.
    pub unknown: u8,
    /// Messages that the network loses.
    pub lost: u8,
    /// Messages that it delivers twice.
    pub doubled: u8,
}

impl Bounds {
    /// What is walked through with every change.
    pub const SMALL: [(&str, Self); 4] = [
        ("ownership", Self::OWNERSHIP),
        ("network", Self::NETWORK),
        ("crashes", Self::CRASHES),
        ("again", Self::AGAIN),
    ];
    /// What a campaign walks through.
    pub const CAMPAIGN: [(&str, Self); 7] = [
        ("again", Self::AGAIN),
        ("ownership", Self::OWNERSHIP),
        ("network", Self::NETWORK),
        ("crashes", Self::CRASHES),
        ("tasks", Self::TASKS),
        ("leases", Self::LEASES),
        ("everything", Self::EVERYTHING),
    ];
    /// A world that is small enough to be walked through with every change: ownership and unknown commits.
    pub const OWNERSHIP: Self =
        Self { submissions: 2, cancels: 1, calls: 1, suspicions: 1, unknown: 1, ..Self::NOTHING };
    /// The same for what the network does to grants, outcomes and cancels.
    pub const NETWORK: Self = Self { submissions: 1, cancels: 1, calls: 2, lost: 1, doubled: 1, ..Self::NOTHING };
    /// The same for processes that die, and leases that run out.
    pub const CRASHES: Self =
        Self { submissions: 1, calls: 1, ticks: 1, crashes: 1, worker_crashes: 1, suspicions: 1, ..Self::NOTHING };
    /// Two tasks, one of which fails and is tried again.
    pub const TASKS: Self = Self { submissions: 1, others: 1, calls: 2, failures: 1, suspicions: 1, ..Self::NOTHING };
    /// Leases that run out while owners change and the task is called off.
    pub const LEASES: Self = Self { submissions: 1, cancels: 1, calls: 2, ticks: 2, suspicions: 1, ..Self::NOTHING };
    /// Everything at once: more than can be walked through, so a time must be given.
    pub const EVERYTHING: Self = Self {
        submissions: 2,
        others: 1,
        cancels: 1,
        calls: 2,
        failures: 1,
        ticks: 2,
        suspicions: 2,
        crashes: 1,
        worker_crashes: 1,
        unknown: 1,
        lost: 1,
        doubled: 1,
    };
    /// A worker that comes to a new owner with what an old one granted.
    pub const AGAIN: Self = Self { submissions: 1, calls: 2, suspicions: 1, ..Self::NOTHING };
    /// Time stands still, and nobody says anything.
    pub const NOTHING: Self = Self {
        submissions: 0,
        others: 0,
        cancels: 0,
        calls: 0,
        failures: 0,
        ticks: 0,
        suspicions: 0,
        crashes: 0,
        worker_crashes: 0,
        unknown: 0,
        lost: 0,
        doubled: 0,
    };
}
