//! The one place of this crate that reads a clock.

#![expect(clippy::disallowed_methods, reason = "this is the worker's clock")]

use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// The monotonic instant.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, for dates in headers.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// Milliseconds of the machine's monotonic clock: the same for every process, so that a lease can be handed over.
pub(crate) fn monotonic_ms() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

/// The instant as a number of [`monotonic_ms`].
pub(crate) fn to_monotonic_ms(at: Instant) -> u64 {
    let now = now();
    match at.checked_duration_since(now) {
        Some(ahead) => monotonic_ms() + millis(ahead),
        None => monotonic_ms().saturating_sub(millis(now.duration_since(at))),
    }
}

/// Whole milliseconds of a duration.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
