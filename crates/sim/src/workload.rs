//! What clients submit: random specs, graphs and calls, all drawn from the world's seed.

use std::sync::Arc;

use mainspring_core::event::{ChildJob, NewTask, Start, SubmitJob, Unique, UniquePolicy};
use mainspring_core::graph::{DraftTask, Graph};
use mainspring_core::id::{Bucket, Name};
use mainspring_core::job::{FailurePolicy, Flow, Step};
use mainspring_core::permit::{KeyBound, KeyLimit, Rate};
use mainspring_core::spec::{Backoff, BackoffShape, Class, OnWorkerLost, Policy, TaskSpec, Trigger};
use mainspring_core::time::Timestamp;

use crate::config::WorldConfig;
use crate::rng::Rng;

/// Tenants of the world.
pub const TENANTS: [&str; 3] = ["default", "acme", "globex"];
/// Queues of the world.
pub const QUEUES: [&str; 3] = ["default", "email", "bulk"];
/// What tasks do when they run, see `worker`.
pub const KINDS: [&str; 8] = ["ok", "ok", "ok", "flaky", "slow", "snooze", "bad", "hang"];
/// Kinds of errors that attempts report.
pub const ERRORS: [&str; 3] = ["io", "exit_code", "fatal"];

const TRIGGERS: [Trigger; 11] = [
    Trigger::AllSuccess,
    Trigger::AllDone,
    Trigger::AllFailed,
    Trigger::AllSkipped,
    Trigger::OneSuccess,
    Trigger::OneFailed,
    Trigger::OneDone,
    Trigger::NoneFailed,
    Trigger::NoneFailedMinOneSuccess,
    Trigger::NoneSkipped,
    Trigger::Always,
];

const RESCUES: [Trigger; 3] = [Trigger::OneFailed, Trigger::AllFailed, Trigger::OneFailed];

/// Draws what clients send.
#[derive(Debug)]
pub struct Workload {
    rng: Rng,
    named: u64,
}

impl Workload {
    /// A workload of its own stream.
    pub fn new(rng: Rng) -> Self {
        Self { rng, named: 0 }
    }

    fn tenant(&mut self) -> Name {
        (*self.rng.pick(&TENANTS)).into()
    }

    /// A name that is new, or, now and then, one that was used before.
    fn name(&mut self, letter: &str) -> Name {
        if self.named > 0 && self.rng.percent(15) {
            return format!("{letter}{}", self.rng.range(1, self.named)).into();
        }
        self.named += 1;
        format!("{letter}{}", self.named).into()
    }

    fn policy(&mut self, kind: &str) -> Policy {
        let rng = &mut self.rng;
        let shape = *rng.pick(&[BackoffShape::Fixed, BackoffShape::Linear, BackoffShape::Exponential]);
        let backoff = Backoff {
            shape,
            initial_ms: *rng.pick(&[0, 1, 50, 1_000, 7_000]),
            factor_milli: *rng.pick(&[1_000, 1_500, 2_000, 10_000]),
            max_ms: *rng.pick(&[0, 100, 5_000, 60_000]),
            full_jitter: rng.percent(50),
        };
        let hangs = kind == "hang";
        Policy {
            retries: *rng.pick(&[0, 0, 1, 3, 6]),
            backoff,
            timeout_ms: (hangs || rng.percent(15)).then(|| *rng.pick(&[300, 4_000, 20_000])),
            heartbeat_timeout_ms: rng.percent(10).then(|| *rng.pick(&[500, 5_000])),
            on_worker_lost: match rng.below(10) {
                0 | 1 => OnWorkerLost::Fail,
                2 | 3 => OnWorkerLost::Hold,
                _ => OnWorkerLost::Retry,
            },
            non_retryable: if rng.percent(30) { vec!["fatal".into()] } else { Vec::new() },
            retry_on: if rng.percent(10) { vec!["io".into()] } else { Vec::new() },
        }
    }

    fn spec(&mut self, now: Timestamp, config: &WorldConfig) -> Arc<TaskSpec> {
        let kind = *self.rng.pick(&KINDS);
        let policy = Arc::new(self.policy(kind));
        let rng = &mut self.rng;
        let labels: Arc<[Name]> = if rng.percent(10) { Arc::from(vec![Name::from("zone=a")]) } else { Arc::from([]) };
        let executor: Name = if rng.percent(20) { "shell".into() } else { kind.into() };
        let large = rng.percent(3);
        let body: Arc<str> = if large {
            format!("{{\"payload\":\"{}\"}}", "x".repeat(5_000)).into()
        } else {
            format!("{{\"payload\":{}}}", rng.below(100)).into()
        };
        Arc::new(TaskSpec {
            kind: kind.into(),
            title: None,
            queue: (*rng.pick(&QUEUES)).into(),
            class: Class { executor, labels },
            priority: *rng.pick(&[0, 0, 0, 1, 5, 9]),
            expires_at_ms: rng
                .percent(8)
                .then(|| now.plus_ms(rng.range(1, config.delay_max_ms.saturating_mul(2))).as_millis()),
            policy,
            limits: limits(rng).into(),
            body,
            tags: Arc::from([]),
        })
    }

    /// One standalone task.
    pub fn task(&mut self, now: Timestamp, config: &WorldConfig) -> NewTask {
        let spec = self.spec(now, config);
        let given_id = self.rng.percent(25).then(|| self.name("t"));
        let idempotency_key = self.rng.percent(25).then(|| self.name("k"));
        let rng = &mut self.rng;
        let start = match rng.below(10) {
            0..=5 => Start::Now,
            6..=8 => Start::After(rng.below(config.delay_max_ms)),
            _ => Start::At(Timestamp::from_millis(
                now.as_millis() + rng.below(config.delay_max_ms) as i64 - config.delay_max_ms as i64 / 8,
            )),
        };
        let named = given_id.is_some() || idempotency_key.is_some();
        let unique = (!named && rng.percent(20)).then(|| unique(rng));
        NewTask { tenant: self.tenant(), given_id, idempotency_key, body_hash: self.body_hash(), spec, start, unique }
    }

    /// A few hashes only, so that a name comes with the same body as often as with another.
    fn body_hash(&mut self) -> u128 {
        u128::from(self.rng.below(2))
    }

    /// A batch of standalone tasks.
    pub fn batch(&mut self, now: Timestamp, config: &WorldConfig) -> Vec<NewTask> {
        let count = self.rng.range(1, config.batch_max);
        (0..count).map(|_| self.task(now, config)).collect()
    }

    /// A job with a random graph.
    pub fn job(&mut self, now: Timestamp, config: &WorldConfig) -> SubmitJob {
        let count = self.rng.range(1, config.job_tasks_max);
        let flows = if config.flow_percent > 0 && self.rng.percent(config.flow_percent) { 30 } else { 0 };
        let graph = self.graph(now, config, count, flows, "n");
        let timed = flows > 0 && self.rng.percent(20);
        let limited = flows > 0 && self.rng.percent(30);
        SubmitJob {
            to: 0,
            bucket: Bucket::CONTROL,
            tenant: self.tenant(),
            given_id: self.rng.percent(30).then(|| self.name("j")),
            idempotency_key: self.rng.percent(30).then(|| self.name("k")),
            body_hash: self.body_hash(),
            title: None,
            failure_policy: if self.rng.percent(30) { FailurePolicy::FailFast } else { FailurePolicy::Continue },
            body: "{}".into(),
            tags: Arc::from([]),
            graph: Arc::new(graph),
            deadline_ms: timed.then(|| self.rng.below(config.delay_max_ms.saturating_mul(4))),
            followed: Default::default(),
            active_key: limited.then(|| match self.rng.below(2) {
                0 => ("nightly".into(), 1),
                _ => ("weekly".into(), 2),
            }),
        }
    }

    /// The job that carries out a group, at this depth: instances of a list, or a graph of its own.
    pub fn child(&mut self, now: Timestamp, config: &WorldConfig, depth: u64, group: &Name) -> ChildJob {
        let instances = self.rng.percent(50);
        let count = self.rng.range(1, config.job_tasks_max.min(12));
        let flows = if depth < 2 { 15 } else { 0 };
        let prefix = if instances { format!("{group}~") } else { "c".to_owned() };
        ChildJob {
            graph: self.graph(now, config, count, flows, &prefix),
            title: None,
            body: "{}".into(),
            tags: Arc::from([]),
            failure_policy: if self.rng.percent(30) { FailurePolicy::FailFast } else { FailurePolicy::Continue },
            instances,
        }
    }

    fn flow(&mut self, config: &WorldConfig) -> Arc<Flow> {
        let rng = &mut self.rng;
        let step = match rng.below(6) {
            0 | 1 => Step::Attempt,
            2 => Step::Approval { timeout_ms: rng.percent(70).then(|| rng.below(config.delay_max_ms)) },
            3 => Step::Approval { timeout_ms: Some(rng.below(500)) },
            _ => Step::Group,
        };
        let evaluated = !matches!(step, Step::Approval { .. }) || rng.percent(40);
        Arc::new(Flow { evaluated, step, logic: "{}".into() })
    }

    fn graph(&mut self, now: Timestamp, config: &WorldConfig, count: u64, flows: u64, prefix: &str) -> Graph {
        let plain = self.rng.percent(50);
        // Rescue tasks behind failures, to be rerun in part.
        let troubled = !plain && self.rng.percent(40);
        let density = self.rng.range(1, 3);
        let mut drafts = Vec::new();
        for index in 0..count {
            let mut needs: Vec<Name> = Vec::new();
            if index > 0 && self.rng.percent(75) {
                for _ in 0..self.rng.range(1, density) {
                    let near = self.rng.percent(50);
                    let from = if near { index.saturating_sub(3) } else { 0 };
                    needs.push(format!("{prefix}{}", self.rng.range(from, index - 1)).into());
                }
            }
            let trigger = match (plain, troubled) {
                (true, _) if self.rng.percent(85) => Trigger::AllSuccess,
                (_, true) if self.rng.percent(70) => *self.rng.pick(&RESCUES),
                _ => *self.rng.pick(&TRIGGERS),
            };
            let delay_ms = if self.rng.percent(10) { self.rng.below(config.delay_max_ms) } else { 0 };
            let flow = (flows > 0 && self.rng.percent(flows)).then(|| self.flow(config));
            let spec = self.spec(now, config);
            drafts.push(DraftTask { name: format!("{prefix}{index}").into(), spec, trigger, delay_ms, needs, flow });
        }
        Graph::build(drafts).expect("needs point backwards only")
    }
}

fn limits(rng: &mut Rng) -> Vec<KeyLimit> {
    let running = rng.percent(25).then(|| (*rng.pick(&["a", "a", "b"]), KeyBound::Running(*rng.pick(&[1, 1, 2]))));
    let starts = rng.percent(8).then(|| (*rng.pick(&["a", "b"]), KeyBound::Starts(rate(rng))));
    let limit = |(key, bound): (&str, KeyBound)| KeyLimit { key: key.into(), bound };
    running.into_iter().chain(starts).map(limit).collect()
}

/// A rate that a world can wait for.
pub fn rate(rng: &mut Rng) -> Rate {
    Rate { limit: rng.range(1, 4) as u32, per_ms: *rng.pick(&[7, 200, 3_000]), burst: rng.range(1, 3) as u32 }
}

fn unique(rng: &mut Rng) -> Unique {
    Unique {
        key: (*rng.pick(&["u", "u", "v"])).into(),
        window_ms: rng.percent(25).then(|| *rng.pick(&[1, 500, 60_000])),
        policy: *rng.pick(&[UniquePolicy::Reject, UniquePolicy::Replace, UniquePolicy::Debounce]),
    }
}
