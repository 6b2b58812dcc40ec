//! The one place of this crate that reads the machine's clocks.
//!
//! The wall clock says what time it is; the monotonic clock says how much time has passed, sleep of the machine included,
//! and is what deadlines and the wall clock's jumps are judged by.

use std::fmt;
use std::time::Duration;

use mainspring_core::time::Timestamp;

/// Where time comes from.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn wall_ms(&self) -> i64;

    /// Time since some fixed instant; never goes back, counts the machine's sleep where the system can tell.
    fn monotonic(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    #[cfg(not(target_os = "linux"))]
    start: std::time::Instant,
}

impl SystemClock {
    /// The machine's own clocks.
    #[cfg(target_os = "linux")]
    pub fn new() -> Self {
        Self {}
    }

    /// The machine's own clocks.
    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::disallowed_methods, reason = "this is the crate's clock")]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the crate's clock")]
    fn wall_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 is wrong anyway; the shard's high water then is the time.
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    #[cfg(target_os = "linux")]
    fn monotonic(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(now.tv_sec.max(0) as u64, now.tv_nsec.max(0) as u32)
    }

    #[cfg(not(target_os = "linux"))]
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// How far the wall clock may run ahead of the monotonic one before it is not believed.
pub(crate) const JUMP_MS_MAX: i64 = 60_000;

/// A shard's time: never goes back, and does not follow a wall clock that leaps ahead.
///
/// It is the larger of the persisted high water and the wall clock. A wall clock that ran more than [`JUMP_MS_MAX`] ahead
/// of what the monotonic clock allows is held: time then goes on at the monotonic clock's pace, from the last wall
/// time that was believed, until the two agree again.
#[derive(Debug)]
pub(crate) struct ShardTime {
    last: Timestamp,
    /// The largest difference between the wall and the monotonic clock that was believed.
    offset_ms: Option<i64>,
    held: bool,
}

impl ShardTime {
    pub(crate) fn new() -> Self {
        Self { last: Timestamp::default(), offset_ms: None, held: false }
    }

    /// Time does not go below this.
    pub(crate) fn raise(&mut self, high_water: Timestamp) {
        self.last = self.last.max(high_water);
    }

    /// The time now.
    pub(crate) fn now(&mut self, clock: &dyn Clock) -> Timestamp {
        let monotonic_ms = i64::try_from(clock.monotonic().as_millis()).unwrap_or(i64::MAX);
        let wall_ms = clock.wall_ms();
        let offset_ms = wall_ms.saturating_sub(monotonic_ms);
        let believed_ms = *self.offset_ms.get_or_insert(offset_ms);
        self.held = offset_ms > believed_ms.saturating_add(JUMP_MS_MAX);
        let now_ms = if self.held {
            monotonic_ms.saturating_add(believed_ms)
        } else {
            self.offset_ms = Some(believed_ms.max(offset_ms));
            wall_ms
        };
        self.last = self.last.max(Timestamp::from_millis(now_ms));
        self.last
    }

    /// Whether the wall clock is not believed at present.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// Clocks that a test moves.
    #[derive(Debug, Default)]
    pub(crate) struct HandClock {
        pub(crate) wall_ms: AtomicI64,
        pub(crate) monotonic_ms: AtomicI64,
    }

    impl HandClock {
        fn at(wall_ms: i64, monotonic_ms: i64) -> Self {
            Self { wall_ms: wall_ms.into(), monotonic_ms: monotonic_ms.into() }
        }

        fn set(&self, wall_ms: i64, monotonic_ms: i64) {
            self.wall_ms.store(wall_ms, Ordering::Relaxed);
            self.monotonic_ms.store(monotonic_ms, Ordering::Relaxed);
        }
    }

    impl Clock for HandClock {
        fn wall_ms(&self) -> i64 {
            self.wall_ms.load(Ordering::Relaxed)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.monotonic_ms.load(Ordering::Relaxed) as u64)
        }
    }

    #[test]
    fn time_starts_at_the_larger_of_high_water_and_wall() {
        let mut time = ShardTime::new();
        time.raise(Timestamp::from_millis(5_000));
        let clock = HandClock::at(1_000, 0);
        assert_eq!(time.now(&clock).as_millis(), 5_000);
        clock.set(6_000, 5_000);
        assert_eq!(time.now(&clock).as_millis(), 6_000);
    }

    #[test]
    fn a_leap_ahead_is_held_until_the_clocks_agree() {
        let clock = HandClock::at(1_000_000, 0);
        let mut time = ShardTime::new();
        time.now(&clock);
        clock.set(1_000_000 + 3_600_000, 10);
        assert_eq!((time.now(&clock).as_millis(), time.is_held()), (1_000_010, true));
        clock.set(1_000_000 + 3_600_500, 510);
        assert_eq!((time.now(&clock).as_millis(), time.is_held()), (1_000_510, true));
        clock.set(1_000_000 + 1_000, 1_000);
        assert_eq!((time.now(&clock).as_millis(), time.is_held()), (1_001_000, false));
    }

    #[test]
    fn a_small_step_ahead_is_followed() {
        let clock = HandClock::at(1_000_000, 0);
        let mut time = ShardTime::new();
        time.now(&clock);
        clock.set(1_000_000 + 59_000, 1);
        assert_eq!((time.now(&clock).as_millis(), time.is_held()), (1_059_000, false));
    }

    #[test]
    fn a_step_back_and_forth_neither_rewinds_nor_holds() {
        let clock = HandClock::at(10_000_000, 0);
        let mut time = ShardTime::new();
        time.now(&clock);
        clock.set(2_000_000, 1_000);
        assert_eq!((time.now(&clock).as_millis(), time.is_held()), (10_000_000, false));
        clock.set(10_002_000, 2_000);
        assert_eq!((time.now(&clock).as_millis(), time.is_held()), (10_002_000, false));
    }
}
