//! Arbitrary streams of events, sensible and nonsensical, over a store that answers late, with crashes in between: `step`
//! never panics, what is loaded equals what is live, and once the nonsense stops every task comes to its end.

mod flow;

use std::collections::VecDeque;
use std::sync::Arc;

use mainspring_core::driver::{Driver, Io};
use mainspring_core::effect::Effect;
use mainspring_core::event::{
    AttemptEnded, Command, Define, EndSession, Event, Exchange, LogLine, NewTask, Offer, Order, Progress, SessionEnd,
    Start, SubmitJob, SubmitTasks, Unique, UniquePolicy,
};
use mainspring_core::graph::Graph;
use mainspring_core::id::{Bucket, Key, Name, Token};
use mainspring_core::job::{FailurePolicy, JobRow, RerunFrom};
use mainspring_core::limits::PRIORITY_MAX;
use mainspring_core::permit::{KeyBound, KeyLimit, LimitScope, LimitsPatch, Rate};
use mainspring_core::row::{ClaimKind, ClaimName, DefinitionKind, Directive, LogStream, TaskRow};
use mainspring_core::shard::ShardConfig;
use mainspring_core::spec::{Backoff, OnWorkerLost, Policy, TaskSpec, Trigger};
use mainspring_core::task::{Failure, Outcome, TaskStatus};
use mainspring_core::time::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::graphs::{draft, spec};
use crate::world::{Seen, World};

const TRIGGERS: [Trigger; 6] = [
    Trigger::AllSuccess,
    Trigger::AllDone,
    Trigger::OneFailed,
    Trigger::AllFailed,
    Trigger::NoneFailed,
    Trigger::OneSuccess,
];

/// Streams that failed once, which go first each time. A new one is added to the file, and its line printed: so it can be
/// gone through again wherever it was found. `PROPTEST_CASES` says how many streams there are.
const SEEDS: FileFailurePersistence = FileFailurePersistence::Direct("tests/it/streams.seeds");

/// Numbers that a stream is made of, taken one after the other; 0 when they have run out.
#[derive(Debug)]
struct Dice {
    numbers: std::vec::IntoIter<u64>,
}

impl Dice {
    fn next(&mut self) -> u64 {
        self.numbers.next().unwrap_or(0)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number of milliseconds of any size.
    fn ms(&mut self) -> u64 {
        match self.below(8) {
            0 => u64::MAX,
            1 => 0,
            2 => 100_000,
            _ => self.below(3_000),
        }
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.below(4).eq(&0).then(|| make(self))
    }
}

fn unique(dice: &mut Dice) -> Unique {
    let policies = [UniquePolicy::Reject, UniquePolicy::Replace, UniquePolicy::Debounce];
    Unique {
        key: ["u", "v"][dice.below(2) as usize].into(),
        window_ms: dice.maybe(Dice::ms),
        policy: policies[dice.below(3) as usize],
    }
}

fn rate(dice: &mut Dice) -> Rate {
    Rate { limit: 1 + dice.below(3) as u32, per_ms: 1 + dice.below(2_000), burst: 1 + dice.below(3) as u32 }
}

fn limits(dice: &mut Dice) -> Vec<KeyLimit> {
    let key = |dice: &mut Dice| -> Name { ["k", "l"][dice.below(2) as usize].into() };
    let running = dice.maybe(|dice| (key(dice), KeyBound::Running(1 + dice.below(2) as u32)));
    let starts = dice.maybe(|dice| (key(dice), KeyBound::Starts(rate(dice))));
    running.into_iter().chain(starts).map(|(key, bound)| KeyLimit { key, bound }).collect()
}

struct Stream {
    world: World,
    dice: Dice,
    /// What the store has yet to answer, in order.
    late: VecDeque<Io>,
    tokens: Vec<Token>,
    requests: u64,
}

impl Stream {
    fn new(numbers: Vec<u64>) -> Self {
        let mut dice = Dice { numbers: numbers.into_iter() };
        let config = ShardConfig {
            lane_window: 1 + dice.below(6) as usize,
            ready_max: dice.below(8) as usize,
            horizon_ms: 1 + dice.below(3_000),
            timers_max: 1 + dice.below(4) as usize,
            resting_max: dice.below(8) as usize,
            chunks_max: dice.below(3) as usize,
            step_rows_max: 8 + dice.below(60) as usize,
            session_grace_ms: dice.below(5_000),
            seed: dice.next(),
            control: true,
            shard: 0,
            shards: 1,
        };
        Self { world: World::new(config), dice, late: VecDeque::new(), tokens: Vec::new(), requests: 0 }
    }

    fn key(&mut self) -> Key {
        let tasks = self.world.store.tasks.keys();
        let known: Vec<Key> = tasks.chain(self.world.store.jobs.keys()).copied().collect();
        match self.dice.below(12) {
            0 => Key::from_raw(self.dice.next()),
            _ if known.is_empty() => Key::from_raw(self.dice.next()),
            _ => known[self.dice.below(known.len() as u64) as usize],
        }
    }

    fn token(&mut self) -> Token {
        match self.dice.below(10) {
            0 => Token { incarnation: self.dice.below(3) as u32, task: self.key(), lease: self.dice.next() },
            _ if self.tokens.is_empty() => Token { incarnation: 1, task: self.key(), lease: 1 },
            _ => self.tokens[self.dice.below(self.tokens.len() as u64) as usize],
        }
    }

    fn spec(&mut self) -> Arc<TaskSpec> {
        let dice = &mut self.dice;
        let lost = [OnWorkerLost::Retry, OnWorkerLost::Fail, OnWorkerLost::Hold][dice.below(3) as usize];
        let policy = Policy {
            retries: dice.below(3) as u32,
            backoff: Backoff { initial_ms: dice.ms(), max_ms: dice.ms(), ..Backoff::default() },
            timeout_ms: dice.maybe(Dice::ms),
            heartbeat_timeout_ms: dice.maybe(Dice::ms),
            on_worker_lost: lost,
            ..Policy::default()
        };
        let mut spec = TaskSpec::clone(&spec(dice.below(12) as u8));
        spec.limits = limits(dice).into();
        spec.queue = ["p", "q"][dice.below(2) as usize].into();
        spec.expires_at_ms = dice.maybe(|dice| crate::world::START.plus_ms(dice.ms()).as_millis());
        spec.policy = Arc::new(policy);
        Arc::new(spec)
    }

    fn name(&mut self) -> Option<Name> {
        self.dice.maybe(|dice| format!("n{}", dice.below(6)).into())
    }

    fn tasks(&mut self) -> Event {
        let count = 1 + self.dice.below(12);
        let tasks = (0..count).map(|_| NewTask {
            tenant: ["default", "them"][self.dice.below(2) as usize].into(),
            given_id: self.name(),
            idempotency_key: self.name(),
            body_hash: u128::from(self.dice.below(2)),
            spec: self.spec(),
            start: [
                Start::Now,
                Start::After(self.dice.ms()),
                Start::At(Timestamp::from_millis(self.dice.next() as i64)),
            ][self.dice.below(3) as usize],
            unique: self.dice.maybe(unique),
        });
        let tasks = tasks.collect();
        Event::SubmitTasks(SubmitTasks { to: self.requests, bucket: Bucket::new(1), tasks })
    }

    fn job(&mut self) -> Event {
        let count = 1 + self.dice.below(30) as usize;
        let drafts = (0..count).map(|index| {
            let needs: Vec<String> = (0..self.dice.below(3).min(index as u64))
                .map(|_| format!("t{}", self.dice.below(index as u64)))
                .collect();
            let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
            let trigger = TRIGGERS[self.dice.below(TRIGGERS.len() as u64) as usize];
            let mut draft = draft(&format!("t{index}"), &needs, trigger);
            draft.spec = self.spec();
            draft.delay_ms = self.dice.maybe(Dice::ms).unwrap_or(0);
            draft.flow = flow::flow(&mut self.dice);
            draft
        });
        let graph = Graph::build(drafts.collect()).expect("parents come first");
        Event::SubmitJob(Box::new(SubmitJob {
            given_id: self.name(),
            idempotency_key: self.name(),
            body_hash: u128::from(self.dice.below(2)),
            failure_policy: [FailurePolicy::Continue, FailurePolicy::FailFast][self.dice.below(2) as usize],
            deadline_ms: self.dice.maybe(Dice::ms),
            active_key: self.dice.maybe(|dice| ("d".into(), dice.below(3) as u32)),
            ..SubmitJob::new(self.requests, Bucket::new(2), graph)
        }))
    }

    fn exchange(&mut self) -> Event {
        let worker: Name = format!("w{}", self.dice.below(2)).into();
        let session: Name = format!("{worker}-{}", self.dice.below(3)).into();
        let outcomes = (0..self.dice.below(4)).map(|_| AttemptEnded {
            token: self.token(),
            outcome: Outcome::ALL[self.dice.below(7) as usize],
            output: self.dice.maybe(|_| "1".into()),
            error: self.dice.maybe(|_| Failure { kind: "Broken".into(), message: "it broke".into(), trace: None }),
            retryable: self.dice.maybe(|dice| dice.below(2) == 0),
            retry_after_ms: self.dice.maybe(Dice::ms),
        });
        let outcomes = outcomes.collect();
        Event::Exchange(Exchange {
            to: self.requests,
            session,
            worker,
            offer: Arc::new(Offer {
                queues: self.dice.maybe(|_| vec!["q".into()]).unwrap_or_default(),
                executors: vec!["*".into()],
                labels: Vec::new(),
            }),
            credits: self.dice.below(8) as u32,
            lease_ms: self.dice.ms(),
            outcomes,
            running: (0..self.dice.below(3)).map(|_| self.token()).collect(),
            logs: (0..self.dice.below(2)).map(|number| self.log(number)).collect(),
            progress: (0..self.dice.below(2)).map(|_| self.progress()).collect(),
            resume: self.dice.below(3) == 0,
        })
    }

    fn log(&mut self, number: u64) -> LogLine {
        LogLine { token: self.token(), number, stream: LogStream::Stdout, data: "x".into() }
    }

    fn progress(&mut self) -> Progress {
        Progress {
            token: self.token(),
            percent: self.dice.maybe(|_| 100),
            message: self.dice.maybe(|_| "m".into()),
            checkpoint: self.dice.maybe(|dice| format!("{}", dice.below(9)).into()),
        }
    }

    fn order(&mut self) -> Order {
        let keys = |stream: &mut Self| (0..stream.dice.below(4)).map(|_| stream.key()).collect::<Vec<_>>();
        match self.dice.below(20) {
            16 | 17 => Order::Signal { task: self.key(), approved: self.dice.below(2) == 0, output: None },
            0 => Order::CancelTask(self.key()),
            1 => Order::CancelJob(self.key()),
            2 => Order::PauseJob(self.key()),
            3 => Order::ResumeJob(self.key()),
            4 => Order::RetryTask(self.key()),
            5 => Order::RerunJob(self.key(), RerunFrom::Start),
            6 => Order::RerunJob(self.key(), RerunFrom::Failed),
            7 => Order::RerunJob(self.key(), RerunFrom::Task(self.dice.below(40) as u32)),
            8 => Order::Redrive { tasks: keys(self), spacing_ms: self.dice.ms() },
            9 => Order::Discard(keys(self)),
            10 => Order::EditBody { task: self.key(), body: "[1]".into(), before: None },
            11 => {
                let forget = |text: Name| ClaimName { kind: ClaimKind::TaskId, tenant: "default".into(), text };
                Order::Delete {
                    tasks: keys(self),
                    jobs: keys(self),
                    forget: self.name().into_iter().map(forget).collect(),
                }
            }
            18 | 19 => {
                let scope = LimitScope::ALL[self.dice.below(3) as usize];
                let name = match scope {
                    LimitScope::Queue => "q",
                    LimitScope::Type => "noop",
                    LimitScope::Tenant => "them",
                };
                let patch = LimitsPatch {
                    concurrency: self.dice.maybe(|dice| dice.maybe(|dice| dice.below(4) as u32)),
                    rate: self.dice.maybe(|dice| dice.maybe(rate)),
                    weight: self.dice.maybe(|dice| dice.maybe(|dice| 1 + dice.below(9) as u32)),
                    submit_rate: self.dice.maybe(|dice| dice.maybe(rate)),
                    ..LimitsPatch::default()
                };
                Order::SetLimits { scope, name: name.into(), patch }
            }
            12 => Order::PauseQueue { queue: "q".into(), paused: self.dice.below(2) == 0 },
            13 => {
                let directive = [Directive::Run, Directive::Pause, Directive::Drain][self.dice.below(3) as usize];
                Order::DirectWorker { worker: "w0".into(), directive }
            }
            14 => {
                let (kind, tenant) = (DefinitionKind::Job, "default".into());
                let body = self.dice.maybe(|_| "{}".into());
                Order::Define(vec![Define { kind, tenant, name: "d".into(), body, after: None, seen: Vec::new() }])
            }
            15 => Order::Record { action: "a".into(), target: "t".into(), detail: "{}".into() },
            _ => [Order::Why(self.key()), Order::Figures, Order::Sessions][self.dice.below(3) as usize].clone(),
        }
    }

    /// One thing happens.
    fn act(&mut self) {
        self.requests += 1;
        let event = match self.dice.below(12) {
            0 | 1 => self.tasks(),
            2 | 3 => self.job(),
            4..=6 => self.exchange(),
            7 => {
                let reason = [SessionEnd::Left, SessionEnd::Lost][self.dice.below(2) as usize];
                Event::EndSession(EndSession { session: format!("w0-{}", self.dice.below(3)).into(), reason })
            }
            9 | 10 if self.dice.below(2) == 0 => self.verdict(),
            8 => {
                self.world.now = self.world.now.plus_ms(self.dice.below(5_000));
                return;
            }
            9 if self.dice.below(4) == 0 => return self.crash(),
            _ => {
                let order = self.order();
                Event::Command(Command { to: self.requests, actor: "operator".into(), order })
            }
        };
        self.world.driver.push(event);
    }

    /// What was ordered is written or lost, as it happens; nobody hears of it.
    fn crash(&mut self) {
        let written = self.dice.below(3) as usize;
        for io in std::mem::take(&mut self.late).into_iter().take(written) {
            if let Io::Commit { changes, .. } = io {
                self.world.store.apply(&changes);
            }
        }
        self.world.driver = Driver::new(self.world.config.clone(), self.world.store.load(), self.world.now);
    }

    /// Lets the driver order what it wants; the store answers some of it.
    fn turn(&mut self) {
        for _ in 0..1 + self.dice.below(6) {
            while let Some(io) = self.world.driver.poll(self.world.now) {
                self.late.push_back(io);
            }
            if self.dice.below(3) == 0 {
                return;
            }
            self.answer();
        }
    }

    fn answer(&mut self) {
        match self.late.pop_front() {
            Some(Io::Commit { ticket, changes }) => {
                self.world.store.apply(&changes);
                let effects = self.world.driver.committed(ticket);
                self.hear(&effects);
            }
            Some(Io::Read { ticket, .. }) if self.dice.below(6) == 0 => self.world.driver.read_failed(ticket),
            Some(Io::Read { ticket, set }) => self.world.driver.loaded(ticket, self.world.store.rows(&set)),
            Some(Io::Release(effects)) => self.hear(&effects),
            None => {}
        }
    }

    fn hear(&mut self, effects: &[Effect]) {
        self.tokens.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Grant(grant) => Some(grant.token),
            _ => None,
        }));
    }

    fn come_to_rest(&mut self) {
        while !self.late.is_empty() {
            self.answer();
        }
        self.world.settle();
    }

    /// The nonsense stops: everything may run, and every attempt succeeds.
    fn end_well(&mut self) {
        self.come_to_rest();
        self.world.check_recovery();
        let jobs: Vec<Order> = self.world.store.jobs.keys().map(|job| Order::ResumeJob(*job)).collect();
        let queue = Order::PauseQueue { queue: "q".into(), paused: false };
        let worker = Order::DirectWorker { worker: "w0".into(), directive: Directive::Run };
        let patch = LimitsPatch { concurrency: Some(None), ..LimitsPatch::default() };
        let limits = [(LimitScope::Queue, "q"), (LimitScope::Type, "noop")];
        let limits = limits.map(|(scope, name)| Order::SetLimits { scope, name: name.into(), patch });
        for order in jobs.into_iter().chain([queue, worker]).chain(limits) {
            self.world.driver.push(Event::Command(Command { to: 1, actor: "operator".into(), order }));
        }
        for session in ["w0-0", "w0-1", "w0-2", "w1-0", "w1-1", "w1-2"] {
            let reason = SessionEnd::Left;
            self.world.driver.push(Event::EndSession(EndSession { session: session.into(), reason }));
        }
        let mut outcomes = Vec::new();
        for round in 0..2_000 {
            let exchange = self.last_exchange(std::mem::take(&mut outcomes), round == 0);
            self.world.driver.push(Event::Exchange(exchange));
            self.answer_all();
            self.world.settle();
            for seen in std::mem::take(&mut self.world.seen) {
                if let Seen::Effect(Effect::Grant(grant)) = seen {
                    outcomes.push(grant.token);
                }
            }
            if outcomes.is_empty() {
                self.world.advance(if round < 10 { 5_000 } else { 100_000_000_000 });
                if self.has_ended() {
                    break;
                }
            }
        }
        self.world.check_recovery();
    }

    fn last_exchange(&self, tokens: Vec<Token>, resume: bool) -> Exchange {
        let ended = |token| AttemptEnded {
            token,
            outcome: Outcome::Success,
            output: None,
            error: None,
            retryable: None,
            retry_after_ms: None,
        };
        Exchange {
            to: 1,
            session: "last".into(),
            worker: "w0".into(),
            offer: Arc::new(Offer { queues: Vec::new(), executors: vec!["*".into()], labels: Vec::new() }),
            credits: 50,
            lease_ms: 10_000,
            outcomes: tokens.into_iter().map(ended).collect(),
            running: Vec::new(),
            logs: Vec::new(),
            progress: Vec::new(),
            resume,
        }
    }

    /// Whether everything has ended that does not wait for somebody, or for the end of time.
    fn has_ended(&self) -> bool {
        self.world.store.tasks.values().all(|row| {
            row.state.status.is_terminal() || self.waits(row) || row.job.is_some_and(|job| self.job_waits(job))
        })
    }

    /// Whether the task waits for an operator, for the end of time, or for a job of its own that does.
    fn waits(&self, row: &TaskRow) -> bool {
        let state = &row.state;
        let far = state.status == TaskStatus::Scheduled && state.due.is_some_and(|due| due > self.world.now);
        state.held || far || state.child.is_some_and(|child| self.job_waits(child))
    }

    /// Whether one of its tasks does, or it waits for its turn behind a job of which one does.
    fn job_waits(&self, job: Key) -> bool {
        let (tasks, jobs) = (&self.world.store.tasks, &self.world.store.jobs);
        let line = |row: &JobRow| (row.tenant.clone(), row.active_key.as_ref().map(|(name, _)| name.clone()));
        let is_before = |row: &JobRow, other: &JobRow| {
            let live = !other.state.queued && !other.state.status.is_terminal();
            row.state.queued && live && line(row) == line(other) && self.job_waits(other.key)
        };
        let open = |row: &&TaskRow| row.job == Some(job) && !row.state.status.is_terminal();
        tasks.values().filter(open).any(|row| self.waits(row))
            || jobs.get(&job).is_some_and(|row| jobs.values().any(|other| is_before(row, other)))
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(SEEDS)),
        // The seed is kept after this many tries to make the stream shorter: ten seconds, not ten minutes.
        max_shrink_iters: 1_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_stream_of_events_panics_a_core_or_leaves_it_stuck(numbers in proptest::collection::vec(any::<u64>(), 50..900)) {
        let mut stream = Stream::new(numbers);
        while stream.dice.numbers.len() > 0 {
            stream.act();
            stream.turn();
        }
        stream.end_well();
        let open = stream.world.store.tasks.values().filter(|row| !row.state.status.is_terminal());
        let stuck: Vec<_> = open.map(|row| (row.key, row.job, row.trigger, &row.state)).collect();
        prop_assert!(stream.has_ended(), "stuck: {stuck:#?}");
        let store = &stream.world.store;
        for job in store.jobs.values() {
            let tasks: Vec<_> = store.tasks.values().filter(|row| row.job == Some(job.key)).collect();
            let ended = tasks.iter().all(|row| row.state.status.is_terminal());
            prop_assert_eq!(job.state.status.is_terminal(), ended, "I11: {:?}", job.state);
            let count = |status| tasks.iter().filter(|row| row.state.status == status).count() as u32;
            let counts = job.state.counts;
            prop_assert_eq!((counts.completed, counts.failed), (count(TaskStatus::Completed), count(TaskStatus::Failed)));
        }
        prop_assert!(store.tasks.values().all(|row| row.spec.as_ref().is_some_and(|spec| spec.priority <= PRIORITY_MAX + 2)));
    }
}
