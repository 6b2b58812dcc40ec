//! Schedules in a world: operators who make, edit, pause, trigger, backfill and delete them, and the calendar outside of
//! the core, which answers late, twice or not at all.
//!
//! Everything is drawn from a stream of its own, so that a world without schedules goes as it always did. The body of a
//! schedule is `PERIOD END MISFIRE JITTER` in milliseconds: it is due at each multiple of the period up to the end.

use std::sync::Arc;

use mainspring_core::event::{NewTask, Order, Start, SubmitJob};
use mainspring_core::graph::{DraftTask, Graph};
use mainspring_core::id::{Bucket, Name};
use mainspring_core::permit::{KeyBound, KeyLimit};
use mainspring_core::schedule::{
    Ask, Expect, Fire, Next, Overlap, PassReason, Passed, Plan, Planned, ScheduleName, ScheduleOrder, ScheduleRow,
    Want, Work,
};
use mainspring_core::spec::{TaskSpec, Trigger};
use mainspring_core::time::Timestamp;

use crate::rng::Rng;

/// Later than this is missed.
const GRACE_MS: u64 = 3_000;
/// Instants that are caught up with at the most.
const BURST: u64 = 4;

/// Times of a schedule, as its body says.
#[derive(Clone, Copy, Debug)]
struct Times {
    period: i64,
    end: i64,
    misfire: u8,
    jitter: i64,
}

impl Times {
    fn of(body: &str) -> Self {
        let mut numbers = body.split(' ').map(|word| word.parse::<i64>().expect("the workload writes numbers"));
        let mut next = || numbers.next().expect("the workload writes four");
        Self { period: next(), end: next(), misfire: next() as u8, jitter: next() }
    }

    fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let next = (at.as_millis().div_euclid(self.period) + 1) * self.period;
        (next <= self.end).then_some(Timestamp::from_millis(next))
    }

    fn due(&self, instant: Timestamp) -> Timestamp {
        let spread = (instant.as_millis() / self.period).wrapping_mul(7_919).rem_euclid(self.jitter + 1);
        instant.plus_ms(spread as u64)
    }

    fn next(&self, at: Timestamp) -> Next {
        self.after(at).map_or(Next::Never, |instant| Next::At { instant, due: self.due(instant) })
    }
}

/// See the module.
#[derive(Debug)]
pub struct Schedules {
    rng: Rng,
    /// Orders that will still be given.
    left: u64,
    /// Some of its work has a key whose limit may be kept by another shard.
    keyed: bool,
}

impl Schedules {
    /// Those of a world; every second one has none.
    pub fn new(seed: u64, calls: u64, keyed: bool) -> Self {
        let mut rng = Rng::new(seed ^ 0x7363_6865_6475_6c65);
        let left = if rng.percent(50) { rng.range(2, calls.max(3)) } else { 0 };
        Self { rng, left, keyed }
    }

    /// The next order, and after how many milliseconds to ask again.
    pub fn next_order<'a>(
        &mut self,
        now_ms: i64,
        known: impl Fn(&ScheduleName) -> Option<&'a ScheduleRow>,
    ) -> Option<(Order, i64)> {
        self.left = self.left.checked_sub(1)?;
        let id = ScheduleName { tenant: "default".into(), name: format!("s{}", self.rng.below(3)).into() };
        let known = known(&id);
        let rng = &mut self.rng;
        let order = match (known, rng.below(12)) {
            (None, _) | (Some(_), 0..=3) => ScheduleOrder::Put {
                expect: *rng.pick(&[Expect::Any, Expect::Any, Expect::Absent, Expect::Present]),
                of_definition: false,
                overlap: *rng.pick(&Overlap::ALL),
                body: body(rng, now_ms),
                after: Vec::new(),
            },
            (Some(_), 4 | 5) => ScheduleOrder::Pause(true),
            (Some(_), 6 | 7) => ScheduleOrder::Pause(false),
            (Some(_), 8) => ScheduleOrder::Delete { of_definition: false },
            (Some(_), 9 | 10) => {
                let instant = Timestamp::from_millis(now_ms);
                ScheduleOrder::Trigger(Box::new(Fire { instant, work: work(rng, self.keyed) }))
            }
            (Some(row), _) => {
                let back = rng.range(1_000, 30_000) as i64;
                let to = row.state.covered;
                let from = Timestamp::from_millis(to.as_millis() - back);
                ScheduleOrder::Backfill { from, to, concurrency: rng.range(1, 3) as u32 }
            }
        };
        let gap = self.rng.range(50, 6_000) as i64;
        Some((Order::Schedule(id, order), gap))
    }

    /// Answers an ask: the answers, each after so many milliseconds.
    pub fn answer(&mut self, ask: &Ask, fired: impl Fn(Timestamp) -> bool, faulty: bool) -> Vec<(i64, Planned)> {
        let planned = self.plan(ask, fired);
        let rng = &mut self.rng;
        if faulty && rng.percent(5) {
            return Vec::new();
        }
        let delay = if rng.percent(10) { rng.below(12_000) } else { rng.below(20) } as i64;
        let mut answers = vec![(delay, planned.clone())];
        if faulty && rng.percent(5) {
            answers.push((delay + rng.below(15_000) as i64, planned));
        }
        answers
    }

    fn plan(&mut self, ask: &Ask, fired: impl Fn(Timestamp) -> bool) -> Planned {
        let state = &ask.row.state;
        let times = Times::of(&ask.row.body);
        let plan = match ask.want {
            Want::Due => self.due(state.covered, ask.now, times),
            Want::Buffered => {
                let instant = state.buffered.unwrap_or(state.covered);
                Plan::Buffered(Fire { instant, work: work(&mut self.rng, self.keyed) })
            }
            Want::Backfill => {
                let cursor = state.backfill.as_ref().map_or(state.covered, |backfill| backfill.cursor);
                let to = state.backfill.as_ref().map_or(state.covered, |backfill| backfill.to);
                let mut at = times.after(cursor);
                while let Some(instant) = at.filter(|at| fired(*at)) {
                    at = times.after(instant);
                }
                let fire =
                    at.filter(|at| *at <= to).map(|instant| Fire { instant, work: work(&mut self.rng, self.keyed) });
                Plan::Backfill { cursor, skipped: None, fire }
            }
        };
        Planned { schedule: ask.row.id.clone(), generation: state.generation, plan }
    }

    fn due(&mut self, covered: Timestamp, now: Timestamp, times: Times) -> Plan {
        let nothing = |next| Plan::Due { covered, passed: Vec::new(), fire: None, next };
        let Some(first) = times.after(covered).filter(|at| *at <= now) else { return nothing(times.next(covered)) };
        let newest = now.as_millis().min(times.end) / times.period * times.period;
        let count = (newest - first.as_millis()) / times.period + 1;
        let nth = |index: i64| Timestamp::from_millis(first.as_millis() + index * times.period);
        let missed = now.since(first) > GRACE_MS + times.jitter as u64;
        let (keep, reason) = match times.misfire {
            0 if missed => (0, PassReason::Missed),
            1 if missed => (1, PassReason::Coalesced),
            _ => (BURST as i64, PassReason::BurstCap),
        };
        let lost = (count - keep).max(0);
        let passed: Vec<Passed> =
            (lost > 0).then(|| Passed { first, last: nth(lost - 1), reason }).into_iter().collect();
        let after = if lost > 0 { nth(lost - 1) } else { covered };
        if lost == count {
            return Plan::Due { covered, passed, fire: None, next: times.next(after) };
        }
        let instant = nth(lost);
        if times.due(instant) > now {
            return Plan::Due { covered, passed, fire: None, next: times.next(after) };
        }
        let fire = Some(Fire { instant, work: work(&mut self.rng, self.keyed) });
        Plan::Due { covered, passed, fire, next: times.next(instant) }
    }
}

fn body(rng: &mut Rng, now_ms: i64) -> Arc<str> {
    let period = *rng.pick(&[700_i64, 2_000, 9_000, 45_000]);
    let end = now_ms + period * rng.range(1, 25) as i64;
    let jitter = *rng.pick(&[0, 0, 0, 500, 5_000]);
    format!("{period} {end} {} {jitter}", rng.below(3)).into()
}

/// Work that mostly ends soon; now and then a job that is staged, or nothing that can be made.
fn work(rng: &mut Rng, keyed: bool) -> Work {
    let kind = *rng.pick(&["ok", "ok", "slow", "flaky"]);
    let mut spec = TaskSpec::new(kind.into(), "{}".into());
    if keyed && rng.percent(30) {
        spec.limits = vec![KeyLimit { key: (*rng.pick(&["a", "b"])).into(), bound: KeyBound::Running(1) }].into();
    }
    let spec = Arc::new(spec);
    match rng.below(10) {
        0 => Work::Broken("there is no such definition".into()),
        1..=4 => {
            let (given_id, idempotency_key) = (None, None);
            let tenant = "default".into();
            Work::Task(Box::new(NewTask {
                tenant,
                given_id,
                idempotency_key,
                body_hash: 0,
                spec,
                start: Start::Now,
                unique: None,
            }))
        }
        _ => {
            let count = *rng.pick(&[1, 2, 3, 20]);
            let draft = |index: u64| DraftTask {
                name: format!("n{index}").into(),
                spec: spec.clone(),
                trigger: Trigger::AllSuccess,
                delay_ms: 0,
                flow: None,
                needs: if index > 0 { vec![Name::from("n0")] } else { Vec::new() },
            };
            let graph = Graph::build((0..count).map(draft).collect()).expect("all need the first");
            Work::Job(Box::new(SubmitJob::new(0, Bucket::CONTROL, graph)))
        }
    }
}
