//! How long a walk took, for the report. The model's own time is counted in ticks.

use std::time::{Duration, Instant};

/// Measures from its making.
#[derive(Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(self.0)
    }
}
