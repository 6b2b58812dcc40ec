//! Whether a node may still think that its shards are its own, and that what others told it of theirs still holds.
//!
//! Others take the shards of a node over once its beat has stood still for [`STILL`]. A node that was stopped for
//! as long, or had no store, finds that out with its next commit; but to hand a grant out takes no commit. So grants are handed
//! out under a beat that is younger than that, and what was not handed out by then is asked for again: a task that was called
//! off meanwhile, or has ended elsewhere, is not started any more.

use std::time::Duration;

use super::judge::STILL;

/// How old a beat may be: what is sent then still arrives before anybody else has the shards.
pub const FRESH: Duration = STILL.saturating_sub(Duration::from_millis(500));

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pulse(Option<Beats>);

#[derive(Clone, Copy, Debug)]
struct Beats {
    /// When the last one that succeeded was begun.
    last: Duration,
    /// How many came too late.
    late: u64,
}

impl Pulse {
    /// A beat has succeeded that was begun then.
    pub fn beat(&mut self, begun: Duration, now: Duration) {
        let late = self.0.map_or(0, |beats| beats.late + u64::from(now.saturating_sub(beats.last) >= FRESH));
        self.0 = Some(Beats { last: begun, late });
    }

    /// Names the time since the last late beat; `None`: the next is late already.
    pub fn at(&self, now: Duration) -> Option<u64> {
        let beats = self.0?;
        (now.saturating_sub(beats.last) < FRESH).then_some(beats.late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_another_one_after_each_late_beat() {
        let (mut pulse, ms) = (Pulse::default(), Duration::from_millis);
        assert_eq!(pulse.at(ms(0)), None);
        pulse.beat(ms(0), ms(10));
        assert_eq!([pulse.at(ms(1_999)), pulse.at(ms(2_000))], [Some(0), None]);
        pulse.beat(ms(500), ms(1_999));
        assert_eq!(pulse.at(ms(2_100)), Some(0));
        // Begun in time, but whether it arrived in time nobody knows.
        pulse.beat(ms(2_400), ms(2_500));
        assert_eq!([pulse.at(ms(2_500)), pulse.at(ms(4_400))], [Some(1), None]);
    }
}
