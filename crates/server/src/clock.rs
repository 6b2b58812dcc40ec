//! The one place of this crate that reads the machine's clocks.
//!
//! The wall clock says what time it is; the monotonic clock says how much time has passed, sleep of the machine included,
//! and is what deadlines and the wall clock's jumps are judged by.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainspring_core::time::Timestamp;

/// Where time comes from.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn wall_ms(&self) -> i64;

    /// Time since some fixed instant; never goes back, counts the machine's sleep where the system can tell.
    fn monotonic(&self) -> Duration;

    /// Whether the wall clock is not believed at present.
    fn is_held(&self) -> bool {
        false
    }
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

/// The clock of a node, which all its shards share: a wall clock that never leaps and never stands still, so that no lease and
/// no timeout is judged by what somebody set it to.
///
/// After a wall clock was set forward or back, time goes on at one and a half times or at half of the monotonic clock's pace until
/// the two agree. One that is more than [`JUMP_MS_MAX`] ahead of all that was believed is held: time then goes on as if it had
/// not been set.
#[derive(Debug)]
pub(crate) struct SteadyClock {
    clock: Arc<dyn Clock>,
    offset: Mutex<Option<Offset>>,
}

/// The difference between the wall and the monotonic clock, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Offset {
    /// The one that time goes by.
    present: i64,
    /// The largest that was believed; time may not go by it yet.
    largest: i64,
    /// When `present` was settled, by the monotonic clock.
    settled_ms: i64,
    held: bool,
}

impl SteadyClock {
    /// Believes what this clock says now.
    pub(crate) fn over(clock: Arc<dyn Clock>) -> Self {
        Self { clock, offset: Mutex::default() }
    }

    /// The offset that time goes by, and the monotonic clock.
    fn read(&self) -> (Offset, i64) {
        let mut known = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let monotonic_ms = i64::try_from(self.clock.monotonic().as_millis()).unwrap_or(i64::MAX);
        let wall = self.clock.wall_ms().saturating_sub(monotonic_ms);
        let first = Offset { present: wall, largest: wall, settled_ms: monotonic_ms, held: false };
        let offset = known.get_or_insert(first);
        offset.follow(wall, monotonic_ms);
        (*offset, monotonic_ms)
    }
}

impl Offset {
    fn follow(&mut self, wall: i64, monotonic_ms: i64) {
        self.held = wall > self.largest.saturating_add(JUMP_MS_MAX);
        if self.held || wall == self.present {
            self.settled_ms = monotonic_ms;
            return;
        }
        self.largest = self.largest.max(wall);
        let step = (monotonic_ms - self.settled_ms) / 2;
        self.present += (wall - self.present).clamp(-step, step);
        // What is left of an odd millisecond counts the next time.
        self.settled_ms += 2 * step;
    }
}

impl Clock for SteadyClock {
    fn wall_ms(&self) -> i64 {
        let (offset, monotonic_ms) = self.read();
        monotonic_ms.saturating_add(offset.present)
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn is_held(&self) -> bool {
        self.read().0.held
    }
}

/// A shard's time: the larger of the persisted high water and the clock, so that it never goes back.
#[derive(Debug, Default)]
pub(crate) struct ShardTime {
    last: Timestamp,
}

impl ShardTime {
    /// Time does not go below this.
    pub(crate) fn raise(&mut self, high_water: Timestamp) {
        self.last = self.last.max(high_water);
    }

    /// The time now.
    pub(crate) fn now(&mut self, clock: &dyn Clock) -> Timestamp {
        self.last = self.last.max(Timestamp::from_millis(clock.wall_ms()));
        self.last
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

    /// A shard's time at each instant of the wall and the monotonic clock, and whether the wall clock is held.
    fn times(instants: &[(i64, i64)]) -> Vec<(i64, bool)> {
        let clock = Arc::new(HandClock::at(instants[0].0, instants[0].1));
        let steady = SteadyClock::over(Arc::clone(&clock) as Arc<dyn Clock>);
        let mut time = ShardTime::default();
        let mut at = |(wall_ms, monotonic_ms): &(i64, i64)| {
            clock.set(*wall_ms, *monotonic_ms);
            (time.now(&steady).as_millis(), steady.is_held())
        };
        instants.iter().map(&mut at).collect()
    }

    #[test]
    fn time_starts_at_the_larger_of_high_water_and_wall() {
        let mut time = ShardTime::default();
        time.raise(Timestamp::from_millis(5_000));
        let clock = HandClock::at(1_000, 0);
        assert_eq!(time.now(&clock).as_millis(), 5_000);
        clock.set(6_000, 5_000);
        assert_eq!(time.now(&clock).as_millis(), 6_000);
    }

    #[test]
    fn a_leap_ahead_is_held_until_the_clocks_agree() {
        let times = times(&[(1_000_000, 0), (4_600_000, 10), (4_600_500, 510), (1_001_000, 1_000)]);
        assert_eq!(times, [(1_000_000, false), (1_000_010, true), (1_000_510, true), (1_001_000, false)]);
    }

    /// The time at each millisecond after the wall clock was set.
    fn after_a_step(by_ms: i64, instants: &[usize]) -> Vec<i64> {
        let each = (0..=130_000).map(|ms| (10_000_000 + ms + if ms > 0 { by_ms } else { 0 }, ms));
        let times = times(&each.collect::<Vec<_>>());
        assert!(
            times.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[1].0 <= pair[0].0 + 2),
            "it neither leaps nor goes back"
        );
        instants.iter().map(|at| times[*at].0 - 10_000_000).collect()
    }

    #[test]
    fn time_goes_faster_until_it_has_caught_up_with_a_clock_that_was_set_forward() {
        assert_eq!(after_a_step(50_000, &[60_000, 100_000, 130_000]), [90_000, 150_000, 180_000]);
    }

    #[test]
    fn time_goes_slower_until_a_clock_that_was_set_back_has_caught_up() {
        assert_eq!(after_a_step(-60_000, &[60_000, 120_000, 130_000]), [30_000, 60_000, 70_000]);
    }

    #[test]
    fn a_clock_that_is_set_back_and_put_right_is_not_taken_for_one_that_leapt() {
        let times = times(&[(10_000_000, 0), (2_000_000, 1_000), (2_599_000, 600_000), (10_900_000, 900_000)]);
        assert!(times.iter().all(|(_, held)| !held), "{times:?}");
        assert_eq!(times.last(), Some(&(10_750_000, false)));
    }

    #[test]
    fn a_shard_that_is_opened_after_a_leap_does_not_believe_it_either() {
        let clock = Arc::new(HandClock::at(1_000_000, 0));
        let steady = SteadyClock::over(Arc::clone(&clock) as Arc<dyn Clock>);
        assert_eq!(ShardTime::default().now(&steady).as_millis(), 1_000_000);
        clock.set(4_600_000, 10);
        assert_eq!(ShardTime::default().now(&steady).as_millis(), 1_000_010);
    }
}
