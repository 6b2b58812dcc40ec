//! The only place of this crate that reads a clock. No decision depends on it: it bounds reads and ages lists.
#![expect(clippy::disallowed_methods, reason = "the one clock of this crate")]

use std::time::{Duration, Instant, SystemTime};

use mainspring_core::time::Timestamp;

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A moment after which something should have ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// This long from now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// Whether it lies behind us.
    pub(crate) fn has_passed(self) -> bool {
        Instant::now() >= self.0
    }
}
