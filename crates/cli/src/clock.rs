//! The one place of the command line that looks at a clock.

#![expect(clippy::disallowed_methods, reason = "this is where the time comes from")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mainspring_core::time::Timestamp;

/// The monotonic clock, for durations.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
