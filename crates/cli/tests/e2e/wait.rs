//! Waiting for other processes: ask, look again, give up at a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How often a thing is looked at again.
const STEP: Duration = Duration::from_millis(10);

/// A point in time after which a test gives up.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// This many seconds from now.
    #[expect(clippy::disallowed_methods, reason = "other processes live on real time")]
    pub(crate) fn in_seconds(seconds: u64) -> Self {
        Self(Instant::now() + Duration::from_secs(seconds))
    }

    /// Whether it has passed.
    #[expect(clippy::disallowed_methods, reason = "other processes live on real time")]
    pub(crate) fn has_passed(self) -> bool {
        Instant::now() >= self.0
    }
}

/// Asks until there is an answer.
///
/// # Panics
/// If there is none within `seconds`.
pub(crate) fn until<T>(seconds: u64, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::in_seconds(seconds);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(!deadline.has_passed(), "no {what} within {seconds} s");
        pace(STEP);
    }
}

/// Lets real time pass between two acts of a load or of a saboteur; never to wait for something.
pub(crate) fn pace(time: Duration) {
    thread::sleep(time);
}
