//! The one place of this crate that reads a clock: how long a stage took.

use std::time::{Duration, Instant};

/// Starts when it is made.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "a stage's duration is shown to a person and decides nothing")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// `1.2 s` or `3 min 07 s`.
pub(crate) fn readable(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        assert_eq!(readable(Duration::from_millis(1_234)), "1.2 s");
        assert_eq!(readable(Duration::from_secs(187)), "3 min 07 s");
    }
}
