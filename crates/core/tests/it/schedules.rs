//! Schedules: each instant fires once or has its record, whatever is edited, paused, missed or killed in between.
//!
//! The calendar here is as plain as can be: the body of a schedule is its period in milliseconds.

use std::sync::Arc;

use mainspring_core::effect::{Answer, Effect, Refusal};
use mainspring_core::event::{Command, Event, NewTask, Order, Start, SubmitJob};
use mainspring_core::graph::{DraftTask, Graph};
use mainspring_core::id::{Bucket, Name};
use mainspring_core::row::TransitionKind;
use mainspring_core::schedule::{
    Ask, Expect, Fire, Next, OccurrenceRow, Overlap, PassReason, Passed, Plan, Planned, ScheduleName, ScheduleOrder,
    ScheduleRow, Want, Work,
};
use mainspring_core::shard::ShardConfig;
use mainspring_core::spec::{TaskSpec, Trigger};
use mainspring_core::time::Timestamp;

use crate::world::{START, Seen, World};

/// A world with a calendar outside.
struct Clockwork {
    world: World,
    seen: usize,
    /// Tasks of each job; 0: a standalone task.
    tasks: usize,
    requests: u64,
}

fn id() -> ScheduleName {
    ScheduleName { tenant: "default".into(), name: "tick".into() }
}

fn at(ms: u64) -> Timestamp {
    START.plus_ms(ms)
}

fn spec() -> Arc<TaskSpec> {
    Arc::new(TaskSpec::new("ok".into(), "{}".into()))
}

fn work(tasks: usize) -> Work {
    if tasks == 0 {
        let (given_id, idempotency_key) = (None, None);
        let task = NewTask {
            tenant: "other".into(),
            given_id,
            idempotency_key,
            body_hash: 0,
            spec: spec(),
            start: Start::After(9),
            unique: None,
        };
        return Work::Task(Box::new(task));
    }
    let draft = |number| DraftTask {
        name: format!("t{number}").into(),
        spec: spec(),
        trigger: Trigger::AllSuccess,
        delay_ms: 0,
        needs: Vec::new(),
        flow: Default::default(),
    };
    let graph = Graph::build((0..tasks).map(draft).collect()).expect("it has no edges");
    Work::Job(Box::new(SubmitJob { tenant: "other".into(), ..SubmitJob::new(0, Bucket::CONTROL, graph) }))
}

impl Clockwork {
    fn new(overlap: Overlap, period_ms: u64) -> Self {
        let mut new = Self { world: World::new(ShardConfig::default()), seen: 0, tasks: 0, requests: 0 };
        new.put(Expect::Absent, overlap, period_ms).expect("nothing of this name is there");
        new
    }

    fn put(&mut self, expect: Expect, overlap: Overlap, period_ms: u64) -> Result<Answer, Refusal> {
        let body: Arc<str> = period_ms.to_string().into();
        self.order(ScheduleOrder::Put { expect, of_definition: false, overlap, body, after: Vec::new() })
    }

    fn order(&mut self, order: ScheduleOrder) -> Result<Answer, Refusal> {
        self.requests += 1;
        let to = self.requests;
        let order = Order::Schedule(id(), order);
        self.world.driver.push(Event::Command(Command { to, actor: "tester".into(), order }));
        self.settle();
        let replies = self.world.seen.iter().rev().find_map(|seen| match seen {
            Seen::Effect(Effect::Reply { to: whom, answer }) if *whom == to => Some(answer.clone()),
            _ => None,
        });
        replies.expect("an order is answered")
    }

    /// Lets the driver work, and answers what it asks.
    fn settle(&mut self) {
        loop {
            self.world.settle();
            let asks = self.new_asks();
            if asks.is_empty() {
                return;
            }
            for ask in asks {
                let planned = self.answer(&ask);
                self.world.driver.push(Event::Planned(Box::new(planned)));
            }
        }
    }

    fn new_asks(&mut self) -> Vec<Ask> {
        let new = self.world.seen[self.seen..].iter().filter_map(|seen| match seen {
            Seen::Effect(Effect::Plan(ask)) => Some((**ask).clone()),
            _ => None,
        });
        let asks = new.collect();
        self.seen = self.world.seen.len();
        asks
    }

    fn answer(&self, ask: &Ask) -> Planned {
        let period: u64 = ask.row.body.parse().expect("the body is a period");
        let after = |instant: Timestamp| at((instant.since(START) / period + 1) * period);
        let state = &ask.row.state;
        let fire = |instant| Some(Fire { instant, work: work(self.tasks) });
        let next = |instant| Next::At { instant, due: instant };
        let plan = match ask.want {
            Want::Due => {
                let first = after(state.covered);
                let newest = at(ask.now.since(START) / period * period);
                if first > ask.now {
                    Plan::Due { covered: state.covered, passed: Vec::new(), fire: None, next: next(first) }
                } else {
                    let before = Timestamp::from_millis(newest.as_millis() - period as i64);
                    let passed = (before >= first)
                        .then_some(Passed { first, last: before, reason: PassReason::Coalesced })
                        .into_iter()
                        .collect();
                    Plan::Due { covered: state.covered, passed, fire: fire(newest), next: next(after(newest)) }
                }
            }
            Want::Buffered => Plan::Buffered(fire(state.buffered.expect("it was asked for")).expect("there is work")),
            Want::Backfill => {
                let backfill = state.backfill.as_ref().expect("it was asked for");
                let instant = after(backfill.cursor);
                let fire = if instant > backfill.to { None } else { fire(instant) };
                Plan::Backfill { cursor: backfill.cursor, skipped: None, fire }
            }
        };
        Planned { schedule: ask.row.id.clone(), generation: state.generation, plan }
    }

    fn advance(&mut self, ms: u64) {
        let end = self.world.now.plus_ms(ms);
        while let Some(wake) = self.world.driver.wake_at().filter(|wake| *wake <= end) {
            assert!(wake > self.world.now, "it asks to be woken at {wake:?}");
            self.world.now = wake;
            self.settle();
        }
        self.world.now = end;
        self.settle();
    }

    fn row(&self) -> &ScheduleRow {
        &self.world.store.schedules[&id()]
    }

    fn ledger(&self) -> Vec<&OccurrenceRow> {
        self.world.store.occurrences.values().collect()
    }

    /// Instants of what fired and of what passed, in milliseconds from the start.
    fn told(&self) -> Vec<String> {
        let ms = |at: Timestamp| at.since(START);
        let one = |row: &&OccurrenceRow| match row.result {
            Ok(_) => format!("{} fired", ms(row.first)),
            Err(reason) => format!("{}..{} {}", ms(row.first), ms(row.last), reason.word()),
        };
        self.ledger().iter().map(one).collect()
    }

    /// Everything that runs is cancelled, and so ends.
    fn end_runs(&mut self) {
        for target in self.row().state.running.clone() {
            self.requests += 1;
            let order = match target {
                mainspring_core::schedule::Target::Task(key) => Order::CancelTask(key),
                mainspring_core::schedule::Target::Job(key) => Order::CancelJob(key),
            };
            let command = Command { to: self.requests, actor: "tester".into(), order };
            self.world.driver.push(Event::Command(command));
        }
        self.settle();
    }
}

#[test]
fn each_instant_fires_once_and_never_early() {
    for tasks in [0, 3] {
        let mut clock = Clockwork::new(Overlap::Allow, 1_000);
        clock.tasks = tasks;
        clock.advance(999);
        assert!(clock.told().is_empty());
        clock.advance(2_500);
        assert_eq!(clock.told(), ["1000 fired", "2000 fired", "3000 fired"]);
        let row = clock.row();
        assert_eq!(row.state.last_instant, Some(at(3_000)));
        assert_eq!(row.state.next, Next::At { instant: at(4_000), due: at(4_000) });
        for record in clock.ledger() {
            let key = record.result.expect("it fired").key();
            assert_eq!(key.bucket(), id().bucket(), "its work lives where it does");
            let tenants = [
                clock.world.store.tasks.get(&key).map(|row| &row.tenant),
                clock.world.store.jobs.get(&key).map(|row| &row.tenant),
            ];
            assert_eq!(tenants.into_iter().flatten().collect::<Vec<_>>(), [&Name::from("default")]);
        }
        clock.world.check_recovery();
    }
}

#[test]
fn a_schedule_that_is_idle_wakes_only_at_its_instant() {
    let clock = Clockwork::new(Overlap::Allow, 3_600_000);
    assert_eq!(clock.world.driver.wake_at(), Some(at(3_600_000)));
    assert!(clock.world.driver.is_idle());
}

#[test]
fn what_was_missed_is_recorded_as_a_range_after_a_crash() {
    let mut clock = Clockwork::new(Overlap::Allow, 1_000);
    clock.advance(1_500);
    clock.world.stall(90 * 86_400_000);
    clock.world.crash();
    clock.settle();
    assert_eq!(clock.told(), ["1000 fired", "2000..7776000000 coalesced", "7776001000 fired"]);
    clock.world.check_recovery();
}

#[test]
fn an_ask_is_repeated_after_a_crash_and_after_ten_seconds() {
    let mut clock = Clockwork::new(Overlap::Allow, 1_000);
    clock.world.now = at(1_000);
    clock.world.settle();
    assert_eq!(clock.new_asks().len(), 1);
    clock.world.crash();
    clock.world.settle();
    let lost = clock.new_asks();
    assert_eq!(lost.len(), 1);
    assert_eq!(clock.world.driver.wake_at(), Some(at(11_000)));
    clock.world.now = at(11_000);
    clock.settle();
    // The first answer comes late, and is about what is covered by now.
    let late = clock.answer(&lost[0]);
    clock.world.driver.push(Event::Planned(Box::new(late)));
    clock.settle();
    assert_eq!(clock.told(), ["1000..10000 coalesced", "11000 fired"]);
}

#[test]
fn an_answer_that_does_not_fit_changes_nothing() {
    let mut clock = Clockwork::new(Overlap::Allow, 10_000);
    clock.advance(500);
    let row = clock.row().clone();
    let covered = row.state.covered;
    let never = Next::Never;
    let fire = |ms| Some(Fire { instant: at(ms), work: work(0) });
    let range = |first, last| vec![Passed { first: at(first), last: at(last), reason: PassReason::Missed }];
    clock.world.now = at(10_000);
    clock.world.settle();
    let mut refuse = |generation, plan| {
        clock.world.driver.push(Event::Planned(Box::new(Planned { schedule: id(), generation, plan })));
        clock.world.settle();
        assert_eq!(clock.row(), &row);
    };
    refuse(2, Plan::Due { covered, passed: Vec::new(), fire: fire(10_000), next: never });
    refuse(1, Plan::Due { covered: at(1), passed: Vec::new(), fire: fire(10_000), next: never });
    // Early, not after what is covered, backwards, meeting a range, or with a next that is not later.
    refuse(1, Plan::Due { covered, passed: Vec::new(), fire: fire(10_001), next: never });
    refuse(1, Plan::Due { covered, passed: range(5_000, 11_000), fire: None, next: never });
    refuse(1, Plan::Due { covered, passed: range(0, 1), fire: None, next: never });
    refuse(1, Plan::Due { covered, passed: range(9_000, 8_000), fire: None, next: never });
    refuse(1, Plan::Due { covered, passed: range(1, 10_000), fire: fire(10_000), next: never });
    let early = Next::At { instant: at(10_000), due: at(10_000) };
    refuse(1, Plan::Due { covered, passed: Vec::new(), fire: fire(10_000), next: early });
    refuse(1, Plan::Buffered(Fire { instant: at(10_000), work: work(0) }));
    refuse(1, Plan::Backfill { cursor: at(0), skipped: None, fire: fire(10_000) });
}

#[test]
fn overlap_policies_skip_buffer_or_cancel() {
    let mut clock = Clockwork::new(Overlap::Skip, 1_000);
    clock.advance(2_000);
    assert_eq!(clock.told(), ["1000 fired", "2000..2000 overlap"]);
    clock.end_runs();
    clock.advance(1_000);
    assert_eq!(clock.told()[2..], ["3000 fired"]);
    clock.world.check_recovery();

    let mut clock = Clockwork::new(Overlap::BufferOne, 1_000);
    clock.tasks = 2;
    clock.advance(3_500);
    assert_eq!(clock.told(), ["1000 fired", "3000..3000 overlap"]);
    assert_eq!(clock.row().state.buffered, Some(at(2_000)));
    clock.world.crash();
    clock.settle();
    clock.end_runs();
    assert_eq!(clock.told()[2..], ["2000 fired"]);
    assert_eq!(clock.row().state.buffered, None);
    clock.world.check_recovery();

    for tasks in [0, 2] {
        let mut clock = Clockwork::new(Overlap::CancelRunning, 1_000);
        clock.tasks = tasks;
        clock.advance(2_000);
        assert_eq!(clock.told(), ["1000 fired", "2000 fired"]);
        assert_eq!(clock.row().state.running.len(), 1, "the first has ended");
        clock.world.check_recovery();
    }
}

#[test]
fn what_a_backfill_carries_out_waits_no_more() {
    let mut clock = Clockwork::new(Overlap::BufferOne, 1_000);
    clock.advance(2_500);
    assert_eq!(clock.row().state.buffered, Some(at(2_000)));
    // As the server, which finds what has fired in the ledger, answers: only the one that waits is left.
    clock.order(ScheduleOrder::Backfill { from: at(1_500), to: at(2_000), concurrency: 1 }).expect("it may");
    assert_eq!(clock.told(), ["1000 fired", "2000 fired"]);
    assert_eq!(clock.row().state.buffered, None);
    clock.end_runs();
    clock.advance(100);
    assert_eq!(clock.told(), ["1000 fired", "2000 fired"], "once");
    clock.world.check_recovery();
}

#[test]
fn a_pause_is_a_range_and_an_edit_opens_a_generation() {
    let mut clock = Clockwork::new(Overlap::Allow, 1_000);
    clock.advance(1_500);
    clock.order(ScheduleOrder::Pause(true)).expect("it runs");
    clock.advance(5_000);
    assert_eq!(clock.told(), ["1000 fired"]);
    clock.order(ScheduleOrder::Pause(false)).expect("it is paused");
    assert_eq!(clock.told()[1..], ["1001..6500 paused"]);
    clock.advance(500);
    assert_eq!(clock.told()[2..], ["7000 fired"]);
    // Due, and not handled yet: the answer comes after the edit and counts no more.
    clock.world.now = at(8_000);
    clock.world.settle();
    let late = clock.new_asks();
    clock.put(Expect::Present, Overlap::Allow, 250).expect("it is there");
    let late = clock.answer(&late[0]);
    clock.world.driver.push(Event::Planned(Box::new(late)));
    clock.advance(300);
    assert_eq!(clock.told()[3..], ["7001..8000 edited", "8250 fired"]);
    assert_eq!(clock.row().state.generation, 2);
    assert!(matches!(clock.put(Expect::Any, Overlap::Allow, 250), Ok(Answer::Version(2))), "nothing changed");
    clock.world.check_recovery();
}

#[test]
fn a_schedule_is_made_once_and_belongs_to_who_made_it() {
    let mut clock = Clockwork::new(Overlap::Allow, 1_000);
    let again = clock.put(Expect::Absent, Overlap::Allow, 9);
    assert!(matches!(again, Err(Refusal::ScheduleTaken { of_definition: false })));
    let body: Arc<str> = "7".into();
    let put = ScheduleOrder::Put {
        expect: Expect::Any,
        of_definition: true,
        overlap: Overlap::Allow,
        body,
        after: Vec::new(),
    };
    assert!(matches!(clock.order(put), Err(Refusal::ScheduleTaken { of_definition: false })));
    let stranger = clock.order(ScheduleOrder::Delete { of_definition: true });
    assert!(matches!(stranger, Err(Refusal::ScheduleTaken { .. })));
    clock.order(ScheduleOrder::Delete { of_definition: false }).expect("it is ours");
    assert!(clock.world.store.schedules.is_empty());
    for order in
        [ScheduleOrder::Pause(true), ScheduleOrder::StopBackfill, ScheduleOrder::Delete { of_definition: false }]
    {
        assert!(matches!(clock.order(order), Err(Refusal::NoSchedule)));
    }
    assert!(matches!(clock.put(Expect::Present, Overlap::Allow, 9), Err(Refusal::NoSchedule)));
    clock.put(Expect::Any, Overlap::Allow, 1_000).expect("it makes one");
    clock.advance(1_000);
    assert_eq!(clock.told(), ["1000 fired"]);
}

#[test]
fn a_trigger_fires_now_and_moves_no_instant() {
    let mut clock = Clockwork::new(Overlap::Skip, 1_000);
    clock.advance(500);
    let fire = |tasks| ScheduleOrder::Trigger(Box::new(Fire { instant: at(500), work: work(tasks) }));
    assert!(matches!(clock.order(fire(0)), Ok(Answer::Fired(_))));
    // A large job is answered once it is published.
    assert!(matches!(clock.order(fire(5_000)), Ok(Answer::Fired(_))));
    assert_eq!(clock.told(), ["500 fired", "500 fired"]);
    clock.advance(500);
    assert_eq!(clock.told()[2..], ["1000..1000 overlap"], "what was triggered runs");
    assert_eq!(clock.row().state.last_instant, None);
}

#[test]
fn a_large_job_fires_with_its_publication_or_not_at_all() {
    let mut clock = Clockwork::new(Overlap::Allow, 1_000);
    clock.tasks = 12_000;
    clock.world.now = at(1_000);
    clock.world.settle();
    let asks = clock.new_asks();
    let planned = clock.answer(&asks[0]);
    clock.world.driver.push(Event::Planned(Box::new(planned)));
    clock.world.commits(1);
    assert!(clock.told().is_empty(), "it is not published yet");
    clock.world.crash();
    clock.settle();
    assert_eq!(clock.told(), ["1000 fired"]);
    let jobs = clock.world.store.jobs.len();
    assert_eq!(jobs, 1, "the one that was never published is gone");
    clock.world.check_recovery();
}

#[test]
fn work_that_cannot_be_made_is_recorded_and_the_schedule_goes_on() {
    let mut clock = Clockwork::new(Overlap::Allow, 1_000);
    clock.world.now = at(1_000);
    clock.world.settle();
    let ask = clock.new_asks().remove(0);
    let mut planned = clock.answer(&ask);
    let Plan::Due { fire: Some(fire), .. } = &mut planned.plan else { panic!("it is due") };
    fire.work = Work::Broken("there is no definition `x`".into());
    clock.world.driver.push(Event::Planned(Box::new(planned)));
    clock.advance(1_000);
    assert_eq!(clock.told(), ["1000..1000 invalid", "2000 fired"]);
    assert_eq!(clock.ledger()[0].detail.as_deref(), Some("there is no definition `x`"));
    let kinds = clock.world.seen.iter().flat_map(|seen| match seen {
        Seen::Commit(changes) => changes.feed.iter().map(|event| event.kind).collect::<Vec<_>>(),
        Seen::Effect(_) => Vec::new(),
    });
    let kinds = kinds.filter(|kind| matches!(kind, TransitionKind::ScheduleFired | TransitionKind::ScheduleSkipped));
    assert_eq!(kinds.collect::<Vec<_>>(), [TransitionKind::ScheduleSkipped, TransitionKind::ScheduleFired]);
}

#[test]
fn a_backfill_runs_so_many_side_by_side_and_ends() {
    let mut clock = Clockwork::new(Overlap::Allow, 1_000);
    clock.order(ScheduleOrder::Pause(true)).expect("it runs");
    clock.advance(10_500);
    clock.order(ScheduleOrder::Pause(false)).expect("it is paused");
    let backfill = |from, to| ScheduleOrder::Backfill { from: at(from), to: at(to), concurrency: 2 };
    clock.order(backfill(3_000, 7_000)).expect("nothing is being backfilled");
    assert!(matches!(clock.order(backfill(0, 1)), Err(Refusal::WrongState { .. })));
    assert_eq!(clock.told()[1..], ["3000 fired", "4000 fired"]);
    clock.world.crash();
    clock.settle();
    for _ in 0..3 {
        let running = clock.row().state.backfill.as_ref().map(|backfill| backfill.running.clone()).unwrap_or_default();
        for target in running {
            clock.requests += 1;
            let order = Order::CancelTask(target.key());
            clock.world.driver.push(Event::Command(Command { to: clock.requests, actor: "tester".into(), order }));
        }
        clock.settle();
    }
    assert_eq!(clock.told()[1..], ["3000 fired", "4000 fired", "5000 fired", "6000 fired", "7000 fired"]);
    assert_eq!(clock.row().state.backfill, None);
    assert_eq!(clock.row().state.last_instant, None, "only what its time brought counts");
}
