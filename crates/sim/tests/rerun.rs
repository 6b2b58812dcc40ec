//! What a rerun of a part leaves of the rest: played through the real driver over the in-memory store.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mainspring_core::driver::{Driver, Io};
use mainspring_core::effect::{Answer, Effect, Grant};
use mainspring_core::event::{AttemptEnded, Command, Event, Exchange, Offer, Order, SubmitJob};
use mainspring_core::graph::{DraftTask, Graph};
use mainspring_core::id::{Bucket, Key, Name, Token};
use mainspring_core::job::{JobStatus, RerunFrom};
use mainspring_core::row::ReadSet;
use mainspring_core::shard::ShardConfig;
use mainspring_core::spec::{Backoff, BackoffShape, OnWorkerLost, Policy, TaskSpec, Trigger};
use mainspring_core::task::Outcome;
use mainspring_core::time::Timestamp;
use mainspring_store::{BoxFuture, CommitAnswer, Fence, MemoryStore, ShardCommit, ShardId, Store};

/// A shard, its store, and one worker that does as it is told.
struct Stage {
    driver: Driver,
    store: MemoryStore,
    fence: Fence,
    now_ms: i64,
    requests: u64,
}

fn now<T>(mut future: BoxFuture<T>) -> T {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the in-memory store answers at once"),
    }
}

impl Stage {
    fn new() -> Self {
        let store = MemoryStore::new();
        let fence = now(store.acquire(ShardId(0), "stage".into(), None)).expect("nobody else has it");
        let snapshot = now(store.load(fence.clone())).expect("it is owned");
        let now_ms = 1_793_491_200_000;
        let driver = Driver::new(ShardConfig::default(), snapshot, Timestamp::from_millis(now_ms));
        Self { driver, store, fence, now_ms, requests: 0 }
    }

    /// Lets the shard do all that it can do now.
    fn settle(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(io) = self.driver.poll(Timestamp::from_millis(self.now_ms)) {
            match io {
                Io::Release(released) => effects.extend(released),
                Io::Read { ticket, set } => self.driver.loaded(ticket, self.store.rows(&set)),
                Io::Commit { ticket, changes } => {
                    let commit = ShardCommit { fence: self.fence.clone(), changes: Arc::new(changes) };
                    assert_eq!(now(self.store.commit(vec![commit])), [CommitAnswer::Committed]);
                    effects.extend(self.driver.committed(ticket));
                }
            }
        }
        effects
    }

    fn send(&mut self, event: impl FnOnce(u64) -> Event) -> Vec<Effect> {
        self.requests += 1;
        self.now_ms += 10;
        self.driver.push(event(self.requests));
        self.settle()
    }

    fn exchange(&mut self, credits: u32, outcomes: Vec<AttemptEnded>) -> Vec<Grant> {
        let offer = Arc::new(Offer { queues: Vec::new(), executors: vec!["*".into()], labels: Vec::new() });
        let effects = self.send(|to| {
            Event::Exchange(Exchange {
                to,
                session: "w-1".into(),
                worker: "w".into(),
                offer,
                credits,
                lease_ms: 15_000,
                outcomes,
                running: Vec::new(),
                logs: Vec::new(),
                progress: Vec::new(),
                resume: false,
            })
        });
        effects
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Grant(grant) => Some(grant),
                _ => None,
            })
            .collect()
    }

    /// Runs whatever is granted, each task with the outcome that `judge` gives it, until nothing is.
    fn run(&mut self, judge: impl Fn(&str) -> Outcome) -> Vec<Name> {
        let mut ran = Vec::new();
        let mut grants = self.exchange(1, Vec::new());
        while let Some(grant) = grants.pop() {
            let name = grant.given_id.clone().expect("a task of a job has a name");
            let outcome = ended(grant.token, judge(&name));
            ran.push(name);
            grants = self.exchange(1, vec![outcome]);
        }
        assert!(self.exchange(0, Vec::new()).is_empty(), "nothing was left to grant");
        ran
    }

    fn submit(&mut self, tasks: &[(&str, Trigger, &[&str])]) -> Key {
        let drafts = tasks.iter().map(|(name, trigger, needs)| DraftTask {
            name: (*name).into(),
            spec: spec(),
            trigger: *trigger,
            delay_ms: 0,
            needs: needs.iter().map(|need| (*need).into()).collect(),
            flow: None,
        });
        let graph = Graph::build(drafts.collect()).expect("the graph is sound");
        let effects = self.send(|to| Event::SubmitJob(Box::new(SubmitJob::new(to, Bucket::CONTROL, graph))));
        let key = effects.iter().find_map(|effect| match effect {
            Effect::Reply { answer: Ok(Answer::Job { key, .. }), .. } => Some(*key),
            _ => None,
        });
        key.expect("the job is accepted")
    }

    fn rerun(&mut self, job: Key, from: RerunFrom) {
        let order = Order::RerunJob(job, from);
        let effects = self.send(|to| Event::Command(Command { to, actor: "operator".into(), order }));
        let done = |effect: &Effect| matches!(effect, Effect::Reply { answer: Ok(Answer::Done), .. });
        assert!(effects.iter().any(done), "{effects:?}");
    }

    fn status(&self, job: Key) -> JobStatus {
        self.store.rows(&ReadSet { jobs: vec![job], ..ReadSet::default() }).jobs[0].state.status
    }
}

fn ended(token: Token, outcome: Outcome) -> AttemptEnded {
    AttemptEnded { token, outcome, output: None, error: None, retryable: None, retry_after_ms: None }
}

fn spec() -> Arc<TaskSpec> {
    let backoff =
        Backoff { shape: BackoffShape::Fixed, initial_ms: 0, factor_milli: 1_000, max_ms: 0, full_jitter: false };
    Arc::new(TaskSpec {
        policy: Arc::new(Policy {
            retries: 0,
            backoff,
            timeout_ms: None,
            heartbeat_timeout_ms: None,
            on_worker_lost: OnWorkerLost::Retry,
            non_retryable: Vec::new(),
            retry_on: Vec::new(),
        }),
        ..TaskSpec::new("noop".into(), "{}".into())
    })
}

const RESCUED: &[(&str, Trigger, &[&str])] = &[
    ("one", Trigger::AllSuccess, &[]),
    ("two", Trigger::AllSuccess, &[]),
    ("rescue", Trigger::AllFailed, &["one", "two"]),
    ("other", Trigger::OneFailed, &["two"]),
];

#[test]
fn a_failure_is_unhandled_again_once_the_rerun_skips_its_rescue_task() {
    let mut stage = Stage::new();
    let job = stage.submit(RESCUED);
    let fails = |name: &str| if matches!(name, "one" | "two") { Outcome::Failure } else { Outcome::Success };
    assert_eq!(stage.run(fails).len(), 4);
    assert_eq!(stage.status(job), JobStatus::Completed, "the rescue task handles both failures");
    stage.rerun(job, RerunFrom::Task(1));
    assert_eq!(stage.run(|_| Outcome::Success), ["two".into()], "`two` goes well now, so nothing is left to rescue");
    assert_eq!(stage.status(job), JobStatus::Failed, "nobody handles the failure of `one` any longer");
}

#[test]
fn a_failure_stays_handled_where_another_rescue_task_was_not_rerun() {
    let mut stage = Stage::new();
    let job = stage.submit(&[
        ("one", Trigger::AllSuccess, &[]),
        ("kept", Trigger::OneFailed, &["one"]),
        ("again", Trigger::OneFailed, &["one"]),
    ]);
    let fails = |name: &str| if name == "one" { Outcome::Failure } else { Outcome::Success };
    assert_eq!(stage.run(fails).len(), 3);
    stage.rerun(job, RerunFrom::Task(2));
    stage.run(|_| Outcome::Cancelled);
    assert_eq!(stage.status(job), JobStatus::Completed);
}
