//! What follows the end of a job: nothing is lost and nothing is doubled, whatever is asked twice, answered late, or forgotten.

use std::sync::Arc;

use mainspring_core::effect::{Answer, Effect, Refusal};
use mainspring_core::event::{Command, EndedJob, Event, Hooked, Order, SubmitJob};
use mainspring_core::graph::{DraftTask, Graph};
use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::{Flow, Followed, JobRow, JobStatus, RerunFrom, Step};
use mainspring_core::schedule::{
    Ask, Cause, Expect, Fire, Next, OccurrenceRow, Overlap, PassReason, Plan, Planned, ScheduleName, ScheduleOrder,
    Work,
};
use mainspring_core::shard::ShardConfig;
use mainspring_core::spec::{TaskSpec, Trigger};
use mainspring_core::time::Timestamp;

use crate::world::{Seen, World};

const ACTOR: &str = "tester";

fn id() -> ScheduleName {
    ScheduleName { tenant: "default".into(), name: "follower".into() }
}

fn job(followed: Followed) -> SubmitJob {
    let draft = DraftTask {
        name: "t".into(),
        spec: Arc::new(TaskSpec::new("ok".into(), "{}".into())),
        trigger: Trigger::AllSuccess,
        delay_ms: 0,
        needs: Vec::new(),
        flow: Some(Arc::new(Flow { evaluated: false, step: Step::Approval { timeout_ms: None }, logic: "{}".into() })),
    };
    let graph = Graph::build(vec![draft]).expect("it has no edges");
    SubmitJob { followed, ..SubmitJob::new(0, Bucket::CONTROL, graph) }
}

struct Following {
    world: World,
    seen: usize,
    requests: u64,
}

impl Following {
    fn new() -> Self {
        Self { world: World::new(ShardConfig::default()), seen: 0, requests: 0 }
    }

    fn answer(&mut self, event: impl FnOnce(u64) -> Event) -> Result<Answer, Refusal> {
        self.requests += 1;
        let to = self.requests;
        self.world.driver.push(event(to));
        self.world.settle();
        let replies = self.world.seen.iter().rev().find_map(|seen| match seen {
            Seen::Effect(Effect::Reply { to: whom, answer }) if *whom == to => Some(answer.clone()),
            _ => None,
        });
        replies.expect("it is answered")
    }

    fn order(&mut self, order: Order) -> Result<Answer, Refusal> {
        self.answer(|to| Event::Command(Command { to, actor: ACTOR.into(), order }))
    }

    fn put(&mut self, expect: Expect, after: &[&str]) -> Result<Answer, Refusal> {
        let after: Vec<Name> = after.iter().map(|name| Name::from(*name)).collect();
        let body = format!("{after:?}").into();
        let order = ScheduleOrder::Put { expect, of_definition: false, overlap: Overlap::Allow, body, after };
        self.order(Order::Schedule(id(), order))
    }

    fn tell(&mut self, source: u16, number: u64, definition: &str, at: Timestamp) {
        let jobs = vec![EndedJob { number, tenant: "default".into(), definition: definition.into(), at }];
        self.order(Order::JobsEnded { source, jobs }).expect("it is heard");
        self.plan();
    }

    /// Answers what was asked about schedules, in every order and twice.
    fn plan(&mut self) {
        loop {
            let asks: Vec<Ask> = self.effects(|effect| match effect {
                Effect::Plan(ask) => Some((**ask).clone()),
                _ => None,
            });
            if asks.is_empty() {
                return;
            }
            for ask in asks.iter().chain(&asks) {
                let state = &ask.row.state;
                let Next::At { instant, .. } = state.next else { panic!("nothing is due: {:?}", state.next) };
                let fire = Some(Fire { instant, work: Work::Job(Box::new(job(Followed::default()))) });
                let plan = Plan::Due { covered: state.covered, passed: Vec::new(), fire, next: Next::Never };
                let planned = Planned { schedule: id(), generation: state.generation, plan };
                self.world.driver.push(Event::Planned(Box::new(planned)));
            }
            self.world.settle();
        }
    }

    fn effects<T>(&mut self, pick: impl Fn(&Effect) -> Option<T>) -> Vec<T> {
        let new = self.world.seen[self.seen..].iter().filter_map(|seen| match seen {
            Seen::Effect(effect) => pick(effect),
            Seen::Commit(_) => None,
        });
        let found = new.collect();
        self.seen = self.world.seen.len();
        found
    }

    fn hooks(&mut self) -> Vec<JobRow> {
        self.effects(|effect| match effect {
            Effect::Hook(row) => Some((**row).clone()),
            _ => None,
        })
    }

    fn announced(&mut self) -> Vec<Vec<u64>> {
        self.effects(|effect| match effect {
            Effect::Announce(jobs) => Some(jobs.iter().map(|(number, _)| *number).collect()),
            _ => None,
        })
    }

    fn records(&self) -> Vec<OccurrenceRow> {
        let commits = self.world.seen.iter().filter_map(|seen| match seen {
            Seen::Commit(changes) => Some(changes.insert_occurrences.clone()),
            Seen::Effect(_) => None,
        });
        commits.flatten().collect()
    }

    fn fired(&self) -> Vec<Timestamp> {
        let records = self.records().into_iter().filter(|record| record.result.is_ok() && record.cause == Cause::Time);
        records.map(|record| record.first).collect()
    }

    /// A job that has completed.
    fn completed(&mut self, followed: Followed) -> Key {
        let key = self.submit(followed);
        self.order(Order::Signal { task: key.task_of_job(0), approved: true, output: None }).expect("it waits for it");
        key
    }

    fn submit(&mut self, followed: Followed) -> Key {
        match self.answer(|to| Event::SubmitJob(Box::new(SubmitJob { to, ..job(followed) }))) {
            Ok(Answer::Job { key, .. }) => key,
            other => panic!("a job was answered by {other:?}"),
        }
    }

    fn jobs_in_store(&self) -> usize {
        let commits = self.world.seen.iter().filter_map(|seen| match seen {
            Seen::Commit(changes) => Some(changes.insert_jobs.len()),
            Seen::Effect(_) => None,
        });
        commits.sum()
    }
}

#[test]
fn each_end_is_heard_once_and_instants_rise() {
    let mut all = Following::new();
    all.put(Expect::Absent, &["a"]).expect("its name is free");
    let start = all.world.now;
    all.world.advance(1_000);
    for (source, number) in [(0, 5), (0, 5), (1, 5), (0, 4), (1, 4), (0, 9), (0, 9)] {
        all.tell(source, number, "a", start.plus_ms(1_000));
        all.world.advance(2);
        all.plan();
    }
    let fired = all.fired();
    assert_eq!(fired.len(), 3, "{fired:?}");
    assert!(fired.windows(2).all(|pair| pair[0] < pair[1]), "{fired:?}");
    // One that ended before the schedule was made, and one of another definition.
    all.tell(0, 10, "a", Timestamp::from_millis(start.as_millis() - 1));
    all.tell(0, 11, "b", all.world.now);
    assert_eq!(all.fired().len(), 3);
    all.world.check_recovery();
}

#[test]
fn several_definitions_must_all_have_completed_since_the_last_time() {
    let mut all = Following::new();
    all.put(Expect::Absent, &["a", "b"]).expect("its name is free");
    all.world.advance(10);
    let now = all.world.now;
    for (number, definition, fired) in [(1, "a", 0), (2, "a", 0), (3, "b", 1), (4, "b", 1), (5, "a", 2)] {
        all.tell(0, number, definition, now);
        all.world.crash();
        all.world.settle();
        all.world.advance(5);
        all.plan();
        assert_eq!(all.fired().len(), fired, "after {number}");
    }
}

#[test]
fn a_pause_and_an_edit_leave_records_of_what_was_due() {
    let mut all = Following::new();
    all.put(Expect::Absent, &["a"]).expect("its name is free");
    all.order(Order::Schedule(id(), ScheduleOrder::Pause(true))).expect("it is there");
    all.world.advance(1_000);
    let now = all.world.now;
    all.tell(0, 1, "a", now);
    all.tell(0, 2, "a", now);
    all.world.advance(1_000);
    all.order(Order::Schedule(id(), ScheduleOrder::Pause(false))).expect("it is there");
    assert_eq!(all.records().iter().map(|record| record.result).collect::<Vec<_>>(), [Err(PassReason::Paused)]);
    all.put(Expect::Present, &["a", "b"]).expect("it is there");
    // What was heard before the edit is not heard again.
    all.tell(0, 2, "a", all.world.now);
    all.tell(0, 3, "b", all.world.now);
    assert_eq!(all.fired(), []);
    let (from, to) = (now, all.world.now);
    let backfill = ScheduleOrder::Backfill { from, to, concurrency: 1 };
    assert!(matches!(all.order(Order::Schedule(id(), backfill)), Err(Refusal::WrongState { order: "backfill", .. })));
}

#[test]
fn hooks_come_with_the_commit_that_takes_the_marker_away() {
    let mut all = Following::new();
    let key = all.submit(Followed { hooks: true, definition: true });
    all.order(Order::CancelJob(key)).expect("it can be cancelled");
    let asked = all.hooks();
    assert_eq!(asked.iter().map(|row| (row.key, row.state.status)).collect::<Vec<_>>(), [(key, JobStatus::Cancelled)]);
    // Nobody answers; somebody else takes over: it is asked again, and kept until it is answered.
    assert!(matches!(all.order(Order::RerunJob(key, RerunFrom::Start)), Err(Refusal::Busy)));
    let kept = all.order(Order::DeleteOld { tasks: Vec::new(), jobs: vec![key], forget: Vec::new() });
    assert!(matches!(kept, Ok(Answer::Took(took)) if took.is_empty()));
    all.world.crash();
    all.world.settle();
    assert_eq!(all.hooks().len(), 1);
    all.world.advance(10_000);
    assert_eq!(all.hooks().len(), 1);
    for generation in [2, 1, 1] {
        let hooked = Hooked { job: key, generation, jobs: vec![job(Followed::default())] };
        all.world.driver.push(Event::Hooked(Box::new(hooked)));
        all.world.settle();
    }
    assert_eq!(all.jobs_in_store(), 2, "the job and one hook");
    // A job that was cancelled is not announced.
    assert!(all.announced().is_empty());
    all.world.check_recovery();
    all.order(Order::RerunJob(key, RerunFrom::Start)).expect("nobody waits any more");
}

#[test]
fn what_completed_is_announced_in_order_and_one_batch_at_a_time() {
    let mut all = Following::new();
    let of_definition = Followed { hooks: false, definition: true };
    let first = all.completed(of_definition);
    let [batch] = &all.announced()[..] else { panic!("the first end is announced at once") };
    let [number] = batch[..] else { panic!("it is one job") };
    all.completed(of_definition);
    all.completed(Followed::default());
    assert_eq!(all.announced(), Vec::<Vec<u64>>::new(), "one batch at a time");
    // Without an answer all of it goes again, the oldest first; a load knows no more.
    all.world.advance(10_000);
    let again = all.announced();
    assert!(again.len() == 1 && again[0].len() == 2 && again[0][0] == number && again[0][1] > number, "{again:?}");
    all.world.crash();
    all.world.settle();
    assert_eq!(all.announced(), again);
    // An answer to the first batch alone, late; then to what there never was.
    all.world.driver.push(Event::Announced(number));
    all.world.settle();
    all.order(Order::RerunJob(first, RerunFrom::Start)).expect("it is told");
    all.world.advance(10_000);
    assert_eq!(all.announced(), [vec![again[0][1]]]);
    all.world.driver.push(Event::Announced(u64::MAX));
    all.world.settle();
    all.world.advance(60_000);
    assert_eq!(all.announced(), Vec::<Vec<u64>>::new());
    all.world.check_recovery();
}
