//! A plan: when a schedule's occurrences are. It answers for any instant without walking through what lies before it.

use std::time::Duration;

use jiff::Timestamp;

use crate::civil::{DAY, Date};
use crate::cron::{Cron, Pattern};
use crate::dst::{DstPolicy, Note};
use crate::exclusion::Exclusions;
use crate::walk::Walk;
use crate::zone::{self, Zone};

/// How many excluded steps of an interval are looked at. A yearly calendar lets a day pass long before, or never.
const EXCLUDED_STEPS_MAX: usize = 1_000;

/// When the occurrences of a schedule are.
#[derive(Clone, Debug)]
pub struct Plan {
    timing: Timing,
    zone: Zone,
    start: Option<i64>,
    end: Option<i64>,
    jitter_ms: u64,
    exclusions: Exclusions,
}

#[derive(Clone, Debug)]
enum Timing {
    Cron { pattern: Pattern, dst: DstPolicy },
    Interval { every_ms: i64, anchor: i64 },
    At(i64),
    Never,
}

/// Why there is no such plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// An interval outside the bounds.
    #[error("an interval is at least 1 s and at most 10 years")]
    Interval,
}

/// An occurrence and what a change of the clock has to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When.
    pub at: Timestamp,
    /// Whether it stands in a gap or a fold.
    pub note: Note,
}

impl Plan {
    /// A plan by a cron expression, read on the clock of a zone.
    pub fn cron(cron: &Cron, zone: Zone, dst: DstPolicy) -> Self {
        Self::new(Timing::Cron { pattern: Pattern::new(cron, None), dst }, zone)
    }

    /// A plan by a length of time, counted from `anchor`, which is its first occurrence if it also starts there.
    ///
    /// # Errors
    ///
    /// The interval is shorter than a second or longer than ten years.
    pub fn every(interval: Duration, anchor: Timestamp) -> Result<Self, PlanError> {
        let every_ms = i64::try_from(interval.as_millis()).map_err(|_| PlanError::Interval)?;
        if !(1_000..=3_653 * DAY * 1_000).contains(&every_ms) {
            return Err(PlanError::Interval);
        }
        Ok(Self::new(Timing::Interval { every_ms, anchor: millis(anchor) }, Zone::utc()))
    }

    /// A plan of one instant.
    pub fn at(instant: Timestamp) -> Self {
        Self::new(Timing::At(millis(instant)), Zone::utc())
    }

    /// A plan of no instant.
    pub fn never() -> Self {
        Self::new(Timing::Never, Zone::utc())
    }

    fn new(timing: Timing, zone: Zone) -> Self {
        Self { timing, zone, start: None, end: None, jitter_ms: 0, exclusions: Exclusions::default() }
    }

    /// The same, with no occurrence before `start`.
    #[must_use]
    pub fn starting(mut self, start: Timestamp) -> Self {
        self.start = Some(millis(start));
        self
    }

    /// The same, with no occurrence after `end`.
    #[must_use]
    pub fn ending(mut self, end: Timestamp) -> Self {
        self.end = Some(millis(end));
        self
    }

    /// The same, with each occurrence delayed by up to `jitter`; see [`Plan::fire_at`].
    #[must_use]
    pub fn jittered(mut self, jitter: Duration) -> Self {
        self.jitter_ms = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX).min(DAY as u64 * 1_000);
        self
    }

    /// The same, with nothing on excluded dates. A date is one of the zone; for cron it is the one that the expression names, even if
    /// a gap moves the occurrence into the next.
    #[must_use]
    pub fn excluding(mut self, exclusions: Exclusions) -> Self {
        if let Timing::Cron { pattern, .. } = &mut self.timing {
            *pattern = Pattern::new(&pattern.cron, Some(&exclusions));
        }
        self.exclusions = exclusions;
        self
    }

    /// The same, with dates read on the clock of a zone: for intervals and single instants, whose time does not depend on it.
    #[must_use]
    pub fn in_zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// The zone whose clock is read.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first occurrence after an instant; none if there is never one again.
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        let from = millis(instant).saturating_add(1).max(self.start.unwrap_or(i64::MIN));
        let found = match &self.timing {
            Timing::Cron { .. } => {
                self.walk()?.next(from.div_euclid(1_000) + i64::from(from.rem_euclid(1_000) != 0))? * 1_000
            }
            Timing::Interval { every_ms, anchor } => self.next_interval(*every_ms, *anchor, from)?,
            Timing::At(at) => Some(*at).filter(|at| *at >= from && !self.is_excluded(*at))?,
            Timing::Never => return None,
        };
        self.within(found)
    }

    /// The newest occurrence at or before an instant, found from that instant backwards.
    pub fn latest_before(&self, instant: Timestamp) -> Option<Timestamp> {
        let until = millis(instant).min(self.end.unwrap_or(i64::MAX));
        let found = match &self.timing {
            Timing::Cron { .. } => self.walk()?.latest(until.div_euclid(1_000))? * 1_000,
            Timing::Interval { every_ms, anchor } => self.latest_interval(*every_ms, *anchor, until)?,
            Timing::At(at) => Some(*at).filter(|at| *at <= until && !self.is_excluded(*at))?,
            Timing::Never => return None,
        };
        self.within(found)
    }

    /// The occurrences after one instant and up to another, oldest first. Take as many as are wanted: there may be millions.
    pub fn range(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
        let first = self.next_after(after);
        std::iter::successors(first, |at| self.next_after(*at)).take_while(move |at| *at <= until)
    }

    /// The next occurrences after an instant, each with what a change of the clock has to do with it.
    pub fn preview(&self, after: Timestamp) -> impl Iterator<Item = Occurrence> {
        let note = |at: Timestamp| self.walk().map_or(Note::Plain, |walk| walk.note(at.as_second()));
        std::iter::successors(self.next_after(after), |at| self.next_after(*at))
            .map(move |at| Occurrence { at, note: note(at) })
    }

    /// Local times that the expression names after one instant and up to another, and that the clock passes over without an occurrence after
    /// the gap: the instant of each gap, and the first such time in it. At most `limit` gaps.
    pub fn lost_in_gaps(
        &self,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Vec<(Timestamp, jiff::civil::DateTime)> {
        let Some(walk) = self.walk() else { return Vec::new() };
        let lost = walk.lost(after.as_second(), until.as_second(), limit);
        lost.into_iter().map(|(at, wanted)| (zone::timestamp(at), crate::civil::local(wanted))).collect()
    }

    /// When an occurrence really fires: its instant plus a part of the jitter that depends on nothing but the seed and the instant, so
    /// every node and every restart computes the same.
    pub fn fire_at(&self, instant: Timestamp, seed: u64) -> Timestamp {
        let delay = (u128::from(scatter(seed, millis(instant) as u64)) * u128::from(self.jitter_ms)) >> 64;
        to_timestamp(millis(instant).saturating_add(delay as i64)).unwrap_or(instant)
    }

    fn walk(&self) -> Option<Walk<'_>> {
        match &self.timing {
            Timing::Cron { pattern, dst } if !pattern.is_never() => {
                Some(Walk { pattern, zone: &self.zone, rules: dst.rules(pattern.cron.is_fixed_time()) })
            }
            _ => None,
        }
    }

    fn within(&self, at: i64) -> Option<Timestamp> {
        let inside = self.start.is_none_or(|start| at >= start) && self.end.is_none_or(|end| at <= end);
        to_timestamp(at).filter(|_| inside)
    }

    fn next_interval(&self, every: i64, anchor: i64, from: i64) -> Option<i64> {
        let mut from = from;
        for _ in 0..EXCLUDED_STEPS_MAX {
            let past = from.checked_sub(anchor)?;
            let at = anchor.checked_add(
                past.div_euclid(every).checked_add(i64::from(past.rem_euclid(every) != 0))?.checked_mul(every)?,
            )?;
            if !self.is_excluded(at) {
                return Some(at);
            }
            from = self.exclusions.open_from(self.date(at)).map(|date| self.midnight(date))?.max(at + 1);
        }
        None
    }

    fn latest_interval(&self, every: i64, anchor: i64, until: i64) -> Option<i64> {
        let mut until = until;
        for _ in 0..EXCLUDED_STEPS_MAX {
            let at = anchor.checked_add(until.checked_sub(anchor)?.div_euclid(every).checked_mul(every)?)?;
            if self.start.is_some_and(|start| at < start) {
                return None;
            }
            if !self.is_excluded(at) {
                return Some(at);
            }
            until = (self.midnight(self.date(at)) - 1).min(at - 1);
        }
        None
    }

    fn is_excluded(&self, at: i64) -> bool {
        let date = self.date(at);
        self.exclusions.in_month(date.year, date.month) >> date.day & 1 == 1
    }

    /// The date in the zone.
    fn date(&self, at: i64) -> Date {
        let second = at.div_euclid(1_000);
        Date::of_day((second + self.zone.stretch(second).offset).div_euclid(DAY))
    }

    /// An instant in the first hours of a date at the latest, and at the earliest in the last of the one before.
    fn midnight(&self, date: Date) -> i64 {
        let reading = date.to_day() * DAY;
        let offset = self.zone.stretch(reading).offset;
        let offset = self.zone.stretch(reading - offset).offset;
        (reading - offset) * 1_000
    }
}

/// Whole milliseconds, rounded down.
fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond().div_euclid(1_000_000)).expect("all its instants fit")
}

fn to_timestamp(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
}

/// Sixty-four bits that depend on every bit of both numbers (the finaliser of SplitMix64, Steele, Lea and Flood 2014).
fn scatter(seed: u64, value: u64) -> u64 {
    let mix = |mut bits: u64| {
        bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    };
    mix(mix(seed) ^ value)
}
