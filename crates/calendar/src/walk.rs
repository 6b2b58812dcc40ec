//! Occurrences of an expression on the clock of a zone.
//!
//! The walk goes from stretch to stretch of constant offset. Within one, local time and instants run in step, so the pattern's own search
//! answers. Between two matches that are years apart the walk leaps: a reading differs from UTC by at most 26 hours, so
//! nothing can happen earlier than two days before the next matching reading.

use crate::civil::{DAY, local};
use crate::cron::Pattern;
use crate::dst::{Note, Rules};
use crate::zone::{SECONDS, Stretch, Zone};

const LEAP_MARGIN: i64 = 2 * DAY;

/// An expression, a zone and what to do where the clock changes.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub pattern: &'a Pattern,
    pub zone: &'a Zone,
    pub rules: Rules,
}

impl Walk<'_> {
    /// The first occurrence from this second on.
    pub(crate) fn next(&self, at: i64) -> Option<i64> {
        let mut at = at.max(SECONDS.start);
        while SECONDS.contains(&at) {
            let stretch = self.zone.stretch(at);
            if stretch.start == Some(at) && self.wanted_in_gap(&stretch).is_some() {
                return Some(at);
            }
            let from = self.first_reading(&stretch, at);
            let found = self.pattern.next(from);
            if let Some(found) = found
                && stretch.end.is_none_or(|end| found < end + stretch.offset)
            {
                return Some(found - stretch.offset);
            }
            at = stretch.end?;
            if at >= from + LEAP_MARGIN {
                at = at.max(found? - LEAP_MARGIN);
            }
        }
        None
    }

    /// The last occurrence up to this second.
    pub(crate) fn latest(&self, at: i64) -> Option<i64> {
        let mut at = at.min(SECONDS.end - 1);
        while SECONDS.contains(&at) {
            let stretch = self.zone.stretch(at);
            let until = at + stretch.offset;
            let found = self.pattern.previous(until);
            let first = stretch.start.map(|start| self.first_reading(&stretch, start));
            if let Some(found) = found
                && first.is_none_or(|first| found >= first)
            {
                return Some(found - stretch.offset);
            }
            let start = stretch.start?;
            if self.wanted_in_gap(&stretch).is_some() {
                return Some(start);
            }
            at = start - 1;
            if start <= until - LEAP_MARGIN {
                at = at.min(found? + LEAP_MARGIN);
            }
        }
        None
    }

    /// The first reading at or after an instant of a stretch that counts: one that was shown before does not, unless it is to be repeated.
    fn first_reading(&self, stretch: &Stretch, at: i64) -> i64 {
        let reading = at + stretch.offset;
        let may_repeat = stretch.start.is_some_and(|start| at < start + LEAP_MARGIN);
        if self.rules.repeat_fold || !may_repeat { reading } else { reading.max(self.zone.shown_before(stretch)) }
    }

    /// The first matching reading that the clock passed over when a stretch began, if that is to run after the gap.
    fn wanted_in_gap(&self, stretch: &Stretch) -> Option<i64> {
        let start = stretch.start.filter(|_| self.rules.after_gap)?;
        self.passed_over(stretch, start)
    }

    fn passed_over(&self, stretch: &Stretch, start: i64) -> Option<i64> {
        let (shown, reading) = (self.zone.shown_before(stretch), start + stretch.offset);
        let found = (shown < reading).then(|| self.pattern.next(shown))?;
        found.filter(|found| *found < reading)
    }

    /// What the change of the clock has to do with an occurrence.
    pub(crate) fn note(&self, at: i64) -> Note {
        let stretch = self.zone.stretch(at);
        let reading = at + stretch.offset;
        if self.pattern.next(reading) != Some(reading) {
            return self.wanted_in_gap(&stretch).map_or(Note::Plain, |wanted| Note::Gap(local(wanted)));
        }
        if stretch.start.is_some_and(|start| at < start + LEAP_MARGIN) && reading < self.zone.shown_before(&stretch) {
            return Note::FoldSecond;
        }
        let comes_again = stretch.end.is_some_and(|end| reading >= end + self.zone.stretch(end).offset);
        if comes_again { Note::FoldFirst } else { Note::Plain }
    }

    /// The readings after one second and up to another that are wanted but never shown, and the second at which the clock passes over them:
    /// the first of each gap, none that runs after it.
    pub(crate) fn lost(&self, after: i64, until: i64, limit: usize) -> Vec<(i64, i64)> {
        let mut found = Vec::new();
        let mut stretch = self.zone.stretch(after);
        while !self.rules.after_gap && found.len() < limit {
            let Some(start) = stretch.end.filter(|end| *end <= until) else { break };
            stretch = self.zone.stretch(start);
            found.extend(self.passed_over(&stretch, start).map(|wanted| (start, wanted)));
        }
        found
    }
}
