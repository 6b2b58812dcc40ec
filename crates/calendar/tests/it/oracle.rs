//! R15: the calendar against a walk over every minute (or second) of the clock around the changes of all IANA zones.
//!
//! The oracle knows nothing of gaps and folds. It looks at the clock at each step of an instant; a reading that the clock has not reached before is shown for
//! the first time, a reading that it jumps over is never shown. That is all the policies are about.
//!
//! `MAINSPRING_ORACLE=N` walks over all changes from 1970 to 2100, with N expressions each, instead of a choice of them.

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use mainspring_calendar::{Cron, DstPolicy, Plan, Timestamp, Zone};

use crate::naive::Naive;
use crate::random::Random;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A piece of a zone's clock: instants and readings, one per step.
struct Tape {
    steps: Vec<Step>,
}

struct Step {
    at: i64,
    reading: DateTime,
    /// Shown for the first time.
    first: bool,
    /// Readings that the clock jumped over to come here.
    jumped: Vec<DateTime>,
}

fn second(at: Timestamp) -> i64 {
    at.as_second()
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn as_reading(seconds: i64) -> DateTime {
    TimeZone::UTC.to_datetime(instant(seconds))
}

impl Tape {
    /// Records the clock from `from` to `to`. What it showed in the 30 hours before is known.
    fn record(zone: &TimeZone, from: i64, to: i64, step: i64) -> Self {
        let reading = |at: i64| at + i64::from(zone.to_offset(instant(at)).seconds());
        let before = (from - 30 * HOUR..from).step_by(60).map(|at| reading(at) + step).max().unwrap();
        let mut expected = before.max(reading(from - step) + step);
        let steps = (from..to).step_by(step as usize).map(|at| {
            let now = reading(at);
            let jumped = (expected..now).step_by(step as usize).map(as_reading).collect();
            let first = now >= expected;
            expected = expected.max(now + step);
            Step { at, reading: as_reading(now), first, jumped }
        });
        Self { steps: steps.collect() }
    }

    /// The instants at which an expression runs.
    fn occurrences(&self, naive: &Naive, policy: DstPolicy) -> Vec<i64> {
        let (after_gap, repeat) = match policy {
            DstPolicy::Skip => (false, false),
            DstPolicy::Once => (true, false),
            DstPolicy::Twice => (true, true),
            DstPolicy::Vixie => (naive.is_fixed_time(), !naive.is_fixed_time()),
        };
        let runs = |step: &&Step| {
            ((step.first || repeat) && naive.names(step.reading))
                || (after_gap && step.jumped.iter().any(|reading| naive.names(*reading)))
        };
        self.steps.iter().filter(runs).map(|step| step.at).collect()
    }
}

/// Compares both directions of a plan with the oracle, over a piece of tape.
fn compare(zone: &Zone, tape: &Tape, naive: &Naive) {
    let cron = Cron::parse(&naive.text).unwrap_or_else(|error| panic!("{}: {error}", naive.text));
    let (first, last) = (tape.steps[0].at, tape.steps[tape.steps.len() - 1].at);
    for policy in DstPolicy::ALL {
        let plan = Plan::cron(&cron, zone.clone(), policy);
        let expected = tape.occurrences(naive, policy);
        let forwards: Vec<i64> = plan.range(instant(first - 1), instant(last)).map(second).collect();
        let before = |at: &i64| plan.latest_before(instant(*at - 1)).map(second);
        let newest = plan.latest_before(instant(last)).map(second);
        let mut backwards: Vec<i64> = std::iter::successors(newest, before).take_while(|at| *at >= first).collect();
        backwards.reverse();
        let case = || format!("`{}` in {} with {policy}, from {}", naive.text, zone.name(), instant(first));
        assert_eq!(forwards, expected, "next_after: {}", case());
        assert_eq!(backwards, expected, "latest_before: {}", case());
    }
}

/// The instants between 1970 and 2100 at which the clock of a zone is put forward or back, or its time gets another name.
fn changes(zone: &TimeZone) -> Vec<i64> {
    let following = zone.following(instant(0)).map(|change| change.timestamp().as_second());
    following.take_while(|at| *at < 4_102_444_800).collect()
}

fn around(zone: &TimeZone, change: i64, step: i64) -> Tape {
    // Some zones have left out a whole day.
    let apart = zone.to_offset(instant(change)).seconds().abs_diff(zone.to_offset(instant(change - 1)).seconds());
    let reach = HOUR + i64::from(apart).min(2 * HOUR);
    Tape::record(zone, change - reach, change + reach, step)
}

#[test]
fn every_zone_agrees_with_a_walk_over_its_clock() {
    let all: Option<u32> = std::env::var("MAINSPRING_ORACLE").ok().map(|count| count.parse().unwrap());
    let database = TimeZoneDatabase::bundled();
    let (mut zones, mut tapes, mut cases) = (0, 0, 0);
    for (seed, name) in (0..).zip(Zone::names()) {
        let (zone, rules) = (Zone::get(name).unwrap(), database.get(name).unwrap());
        let mut random = Random::new(seed);
        let mut chosen = changes(&rules);
        zones += 1;
        if all.is_none() {
            let some: Vec<i64> = (0..2).filter(|_| !chosen.is_empty()).map(|_| *random.pick(&chosen)).collect();
            chosen = some;
        }
        for change in chosen {
            let with_seconds = change % 60 != 0 || random.one_in(40);
            let tape = around(&rules, change, if with_seconds { 1 } else { 60 });
            tapes += 1;
            for _ in 0..all.unwrap_or(5) {
                let near = tape.steps[tape.steps.len() / 2 - random.below(2) as usize].reading;
                compare(&zone, &tape, &Naive::near(&mut random, with_seconds, near));
                cases += 4;
            }
        }
    }
    println!("{zones} zones, {tapes} changes of the clock, {cases} cases, each forwards and backwards");
    assert!(zones > 550, "all zones of the database: {zones}");
}

#[test]
fn dates_agree_with_a_walk_over_days() {
    let mut random = Random::new(7);
    for _ in 0..1_000 {
        let naive = Naive::daily(&mut random);
        let cron = Cron::parse(&naive.text).unwrap_or_else(|error| panic!("{}: {error}", naive.text));
        let plan = Plan::cron(&cron, Zone::utc(), DstPolicy::Vixie);
        let start = i64::from(random.below(40_000));
        let named = |day: &i64| naive.names_date(as_reading(day * DAY).date());
        let reach = 6_000;
        let mut expected: Vec<i64> = (start + 1..start + reach).filter(named).take(12).collect();
        let at = instant(start * DAY);
        let until = instant((start + reach) * DAY - 1);
        let found: Vec<i64> = plan.range(at, until).map(|at| second(at) / DAY).take(12).collect();
        assert_eq!(found, expected, "`{}` after {at}", naive.text);
        if expected.is_empty() {
            expected.extend((start - 15_000..start + 15_000).find(named));
            assert_eq!(cron.is_never(), expected.is_empty(), "`{}`", naive.text);
        }
        let latest = (start - reach..=start).rev().find(named);
        let found = plan.latest_before(at).map(|at| second(at).div_euclid(DAY));
        assert_eq!(found.filter(|day| *day >= start - reach), latest, "`{}` until {at}", naive.text);
    }
}
