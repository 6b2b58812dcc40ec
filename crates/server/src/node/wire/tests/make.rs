//! Values of all that goes over the wire.

use std::sync::Arc;

use mainspring_core::effect::{Answer, Figures, Gate, Refusal, SessionView, Submitted};
use mainspring_core::event::{
    Define, EndedJob, KeyClaim, NewTask, Offer, Order, Start, SubmitJob, Unique, UniquePolicy,
};
use mainspring_core::graph::{DraftTask, Graph};
use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::{FailurePolicy, JobStatus, RerunFrom};
use mainspring_core::limits::{PRIORITY_MAX, RESIDENT_BODY_BYTES_MAX};
use mainspring_core::permit::{
    KeyBound, KeyLimit, KeyLimits, LimitRow, LimitScope, LimitedBy, Limits, LimitsPatch, Rate,
};
use mainspring_core::row::{ClaimKind, ClaimName, DefinitionKind, Directive};
use mainspring_core::schedule::{Expect, Fire, Overlap, ScheduleFigures, ScheduleName, ScheduleOrder, Target, Work};
use mainspring_core::spec::{Backoff, BackoffShape, Class, OnWorkerLost, Policy, TaskSpec, Trigger};
use mainspring_core::task::{Outcome, TaskStatus};
use mainspring_core::time::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::fault::VERBS;
use crate::node::CallError;

pub(super) fn name() -> impl Strategy<Value = Name> + Clone {
    prop_oneof![Just("default".into()), any::<String>().prop_map(Name::from), Just("\u{0}\"\\\n\u{1f980}".into())]
}

fn names() -> impl Strategy<Value = Vec<Name>> {
    vec(name(), 0..3)
}

/// Bodies of every size that is treated differently.
fn body() -> impl Strategy<Value = Name> {
    let large = RESIDENT_BODY_BYTES_MAX;
    prop_oneof![
        6 => name(),
        1 => select(vec![large - 1, large, large + 1, 3 * large]).prop_map(|bytes| "\"".repeat(bytes).into()),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![0..1_u64 << 63, Just(0), Just((1 << 63) - 1)].prop_map(Key::from_raw)
}

fn keys() -> impl Strategy<Value = Vec<Key>> {
    vec(key(), 0..3)
}

fn at() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![Just(Start::Now), any::<u64>().prop_map(Start::After), at().prop_map(Start::At)]
}

fn policy() -> impl Strategy<Value = Arc<Policy>> {
    let shape = select(vec![BackoffShape::Fixed, BackoffShape::Linear, BackoffShape::Exponential]);
    let backoff = (shape, any::<[u64; 3]>(), any::<bool>()).prop_map(
        |(shape, [initial_ms, factor_milli, max_ms], full_jitter)| Backoff {
            shape,
            initial_ms,
            factor_milli,
            max_ms,
            full_jitter,
        },
    );
    let lost = select(vec![OnWorkerLost::Retry, OnWorkerLost::Fail, OnWorkerLost::Hold]);
    let times = any::<(u32, Option<u64>, Option<u64>)>();
    (times, backoff, lost, names(), names()).prop_map(|(times, backoff, on_worker_lost, non_retryable, retry_on)| {
        let (retries, timeout_ms, heartbeat_timeout_ms) = times;
        Arc::new(Policy { retries, backoff, timeout_ms, heartbeat_timeout_ms, on_worker_lost, non_retryable, retry_on })
    })
}

fn unique(key: &Name, seed: u128) -> Option<Unique> {
    let policies = [UniquePolicy::Reject, UniquePolicy::Replace, UniquePolicy::Debounce];
    let policy = policies.get((seed % 4) as usize).copied();
    policy.map(|policy| Unique { key: key.clone(), window_ms: (seed % 8 > 3).then_some(seed as u64), policy })
}

fn rate(seed: u64) -> Rate {
    Rate { limit: seed as u32, per_ms: seed, burst: (seed >> 32) as u32 }
}

fn key_limits(key: Option<&Name>) -> KeyLimits {
    let limit = |bound| key.map(|key| KeyLimit { key: key.clone(), bound });
    limit(KeyBound::Running(7)).into_iter().chain(limit(KeyBound::Starts(rate(1 << 33)))).collect()
}

fn patch(seed: u64) -> LimitsPatch {
    LimitsPatch {
        concurrency: Some(None),
        rate: Some(Some(rate(seed))),
        weight: Some(Some(seed as u32)),
        max_backlog: Some(Some(seed)),
        submit_rate: Some(None),
    }
}

fn limits(scope: LimitScope, seed: u64) -> LimitRow {
    LimitRow { scope, name: "l".into(), limits: patch(seed).apply(Limits::default()) }
}

fn spec() -> impl Strategy<Value = Arc<TaskSpec>> {
    let class = (option::of(name()), names());
    let words = (name(), option::of(name()), name(), class);
    let rest = (0..=PRIORITY_MAX, any::<Option<i64>>(), policy(), body(), names());
    (words, rest).prop_map(
        |((kind, title, queue, (executor, labels)), (priority, expires_at_ms, policy, body, tags))| {
            let class = Class { executor: executor.unwrap_or_else(|| kind.clone()), labels: labels.into() };
            let (limits, tags) = (key_limits(tags.first()), tags.into());
            Arc::new(TaskSpec { kind, title, queue, class, priority, expires_at_ms, policy, limits, body, tags })
        },
    )
}

pub(super) fn tasks() -> impl Strategy<Value = Vec<NewTask>> {
    let task = (name(), option::of(name()), option::of(name()), any::<u128>(), spec(), start());
    let task = task.prop_map(|(tenant, given_id, idempotency_key, body_hash, spec, start)| NewTask {
        unique: unique(&tenant, body_hash),
        tenant,
        given_id,
        idempotency_key,
        body_hash,
        spec,
        start,
    });
    vec(task, 0..5)
}

/// Small graphs, and some of several chunks.
fn graph() -> impl Strategy<Value = Arc<Graph>> {
    let triggers = vec![Trigger::AllSuccess, Trigger::OneFailed, Trigger::NoneFailedMinOneSuccess, Trigger::Always];
    let task = (spec(), select(triggers), any::<u64>(), vec(any::<prop::sample::Index>(), 0..3));
    (vec(task, 1..6), select(vec![1, 1, 1, 120])).prop_map(|(tasks, times)| {
        let tasks: Vec<_> = tasks.iter().cycle().take(tasks.len() * times).collect();
        let drafts = tasks.iter().enumerate().map(|(index, (spec, trigger, delay_ms, needs))| DraftTask {
            name: index.to_string().into(),
            spec: spec.clone(),
            trigger: *trigger,
            delay_ms: *delay_ms,
            needs: needs.iter().filter(|_| index > 0).map(|need| need.index(index).to_string().into()).collect(),
            flow: None,
        });
        Arc::new(Graph::build(drafts.collect()).expect("tasks that need earlier ones make a graph"))
    })
}

pub(super) fn job() -> impl Strategy<Value = SubmitJob> {
    let ids = (any::<u64>(), any::<u16>(), name(), option::of(name()), option::of(name()), any::<u128>());
    let policy = select(vec![FailurePolicy::Continue, FailurePolicy::FailFast]);
    (ids, option::of(name()), policy, body(), names(), graph()).prop_map(|(ids, title, policy, body, tags, graph)| {
        let (to, bucket, tenant, given_id, idempotency_key, body_hash) = ids;
        SubmitJob {
            to,
            bucket: Bucket::new(bucket),
            tenant,
            given_id,
            idempotency_key,
            body_hash,
            title,
            failure_policy: policy,
            body,
            tags: tags.into(),
            graph,
            deadline_ms: None,
            followed: mainspring_core::job::Followed { hooks: true, definition: false },
            active_key: None,
        }
    })
}

fn directives() -> [Directive; 3] {
    [Directive::Run, Directive::Pause, Directive::Drain]
}

fn definitions((tenant, name): (&Name, &Name), version: u32, [before, body]: [Option<Arc<str>>; 2]) -> [Order; 2] {
    let define = |kind| Define {
        kind,
        tenant: tenant.clone(),
        name: name.clone(),
        body: before.clone(),
        after: Some(version),
        seen: vec![(name.clone(), version), (tenant.clone(), 0)],
    };
    let last = Define { body, after: None, seen: Vec::new(), ..define(DefinitionKind::Task) };
    [Order::Define(DefinitionKind::ALL.map(define).into()), Order::Define(vec![last])]
}

/// One of each order, and of each word in it.
pub(super) fn orders() -> impl Strategy<Value = Vec<Order>> {
    let numbers = (key(), keys(), keys(), any::<u32>(), any::<u64>(), any::<bool>());
    (numbers, name(), name(), body(), option::of(body())).prop_map(|(numbers, name, other, body, before)| {
        let (key, tasks, jobs, index, spacing_ms, paused) = numbers;
        let claim = |kind| ClaimName { kind, tenant: name.clone(), text: other.clone() };
        let forget = vec![
            claim(ClaimKind::TaskId),
            claim(ClaimKind::JobId),
            claim(ClaimKind::IdempotencyKey),
            claim(ClaimKind::Unique),
        ];
        let mut orders = vec![
            Order::CancelTask(key),
            Order::Signal { task: key, approved: paused, output: before.clone() },
            Order::CancelJob(key),
            Order::PauseJob(key),
            Order::ResumeJob(key),
            Order::RetryTask(key),
            Order::RerunJob(key, RerunFrom::Failed),
            Order::RerunJob(key, RerunFrom::Task(index)),
            Order::RerunJob(key, RerunFrom::Start),
            Order::Redrive { tasks: tasks.clone(), spacing_ms },
            Order::Discard(tasks.clone()),
            Order::EditBody { task: key, body: body.clone(), before: before.clone() },
            Order::Delete { tasks: tasks.clone(), jobs: jobs.clone(), forget: forget.clone() },
            Order::DeleteOld { tasks, jobs, forget },
            Order::PauseQueue { queue: name.clone(), paused },
            Order::SetLimits { scope: LimitScope::Queue, name: name.clone(), patch: patch(spacing_ms) },
            Order::SetLimits { scope: LimitScope::Type, name: name.clone(), patch: LimitsPatch::default() },
            Order::Record { action: name.clone(), target: other.clone(), detail: "{}".into() },
            Order::JobsEnded { source: index as u16, jobs: vec![ended(spacing_ms, &name)] },
            Order::ClaimKeys(vec![KeyClaim {
                tenant: name.clone(),
                key: other.clone(),
                body_hash: u128::from(spacing_ms) << 64,
                home: key.bucket(),
            }]),
            Order::Why(key),
            Order::Figures,
            Order::Sessions,
        ];
        orders.extend(definitions((&name, &other), index, [before, Some(body)]));
        let direct = |directive| Order::DirectWorker { worker: name.clone(), directive };
        orders.extend(directives().map(direct));
        let id = ScheduleName { tenant: name.clone(), name: other };
        orders.extend(schedules(&name, index, spacing_ms, paused).map(|order| Order::Schedule(id.clone(), order)));
        orders
    })
}

/// One of each order to a schedule.
fn schedules(name: &Name, index: u32, spacing_ms: u64, paused: bool) -> impl Iterator<Item = ScheduleOrder> {
    let put = |expect, overlap| ScheduleOrder::Put {
        expect,
        of_definition: paused,
        overlap,
        body: name.clone(),
        after: vec![name.clone()],
    };
    let (from, to) = (Timestamp::from_millis(spacing_ms as i64), Timestamp::from_millis(-1));
    let others = [
        ScheduleOrder::Delete { of_definition: paused },
        ScheduleOrder::Pause(paused),
        ScheduleOrder::Trigger(Box::new(Fire { instant: from, work: Work::Broken(name.clone()) })),
        ScheduleOrder::Backfill { from, to, concurrency: index },
        ScheduleOrder::StopBackfill,
    ];
    let puts = Overlap::ALL.map(|overlap| put(Expect::Any, overlap)).into_iter();
    puts.chain([Expect::Absent, Expect::Present].map(|expect| put(expect, Overlap::Allow))).chain(others)
}

fn ended(number: u64, name: &Name) -> EndedJob {
    let at = Timestamp::from_millis(number as i64);
    EndedJob { number, tenant: name.clone(), definition: name.clone(), at }
}

/// One of each refusal.
fn refusals() -> impl Strategy<Value = Vec<Refusal>> {
    let statuses = TaskStatus::ALL.map(TaskStatus::word).into_iter().chain(JobStatus::ALL.map(JobStatus::word));
    let words = (name(), select(VERBS.to_vec()), select(statuses.collect::<Vec<_>>()));
    (words, key(), any::<u64>()).prop_map(|((name, order, status), holder, many)| {
        vec![
            Refusal::NotFound,
            Refusal::IdTaken(name.clone()),
            Refusal::KeyReused(name.clone()),
            Refusal::NotUnique { key: name.clone(), holder },
            Refusal::QuotaExceeded { tenant: name.clone(), retry_after_ms: many },
            Refusal::BacklogFull { tenant: name.clone(), max: many, there: 7, tasks: many },
            Refusal::KeyElsewhere(name),
            Refusal::WrongState { order, status },
            Refusal::NotDead,
            Refusal::Busy,
            Refusal::TooManyFollowers,
            Refusal::NoDefinition,
            Refusal::OtherVersion { name: "d".into(), version: 7 },
            Refusal::TooManyDefinitions(1_001),
            Refusal::NoSchedule,
            Refusal::ScheduleTaken { of_definition: true },
            Refusal::NotServed,
            Refusal::OutcomeUnknown,
        ]
    })
}

/// One of each error of a call.
pub(super) fn errors() -> impl Strategy<Value = Vec<CallError>> {
    (any::<u64>(), any::<String>(), name(), refusals()).prop_map(|(retry_after_ms, text, worker, refusals)| {
        let mut errors = vec![
            CallError::Overloaded { retry_after_ms },
            CallError::OutcomeUnknown,
            CallError::Stopped,
            CallError::Invalid(text.clone()),
            CallError::WorkerIdInUse(worker),
            CallError::Unavailable(text),
        ];
        errors.extend(refusals.into_iter().map(CallError::Refused));
        errors
    })
}

/// One of each gate.
fn gates() -> impl Strategy<Value = Vec<Gate>> {
    (at(), keys(), name(), names(), any::<u32>(), any::<u64>()).prop_map(|(at, keys, name, names, few, many)| {
        let mut gates = vec![
            Gate::Running { worker: name.clone(), since: at },
            Gate::Parents { waiting_for: keys.clone(), left: few },
            Gate::Scheduled { until: at, backoff: few % 2 == 0 },
            Gate::Held,
            Gate::Approval { until: Some(at) },
            Gate::Approval { until: None },
            Gate::Evaluating,
            Gate::Group { child: Key::from_raw(7) },
            Gate::JobQueued { definition: name.clone(), limit: few },
            Gate::JobPaused,
            Gate::JobBusy,
            Gate::QueuePaused { queue: name.clone() },
            Gate::NoWorker { queue: name.clone(), executor: name.clone(), labels: names },
            Gate::QueueLimit { queue: name.clone(), max: few, holders: keys.clone(), elsewhere: few },
            Gate::TypeLimit { kind: name.clone(), max: few, holders: Vec::new(), elsewhere: few },
            Gate::KeyLimit { key: name.clone(), max: few, holders: keys },
            Gate::RateLimit { of: LimitedBy::Key, name: name.clone(), rate: rate(many), until: Some(at) },
            Gate::RateLimit { of: LimitedBy::Type, name: name.clone(), rate: rate(many), until: None },
            Gate::RateLimit { of: LimitedBy::Queue, name, rate: rate(many), until: Some(at) },
            Gate::WorkersPaused { workers: few },
            Gate::WorkersBusy { workers: few },
            Gate::Behind { higher_priority: many, older: many / 2 },
        ];
        gates.extend(TaskStatus::ALL.map(Gate::Ended));
        gates
    })
}

fn figures() -> impl Strategy<Value = Figures> {
    (name(), name(), any::<[u64; 6]>(), vec(any::<u64>(), 0..12), names()).prop_map(
        |(queue, kind, [a, b, c, leases, sum, other_sum], buckets, paused_queues)| Figures {
            tasks: TaskStatus::ALL.map(|status| (queue.clone(), status, a)).to_vec(),
            attempts: Outcome::ALL.map(|outcome| (queue.clone(), kind.clone(), outcome, b)).to_vec(),
            retries: vec![(queue.clone(), kind, c)],
            ready_age_ms: vec![(queue, b)],
            resident: (a, b, c),
            leases,
            paused_queues,
            limits: LimitScope::ALL.map(|scope| limits(scope, sum)).to_vec(),
            start_latency: buckets.clone(),
            start_latency_sum_ms: sum,
            duration: buckets.iter().rev().copied().collect(),
            duration_sum_ms: other_sum,
            schedules: ScheduleFigures { active: a, fired: b, passed: [c; 8], lag: [sum; 11], ..Default::default() },
        },
    )
}

fn sessions() -> impl Strategy<Value = Vec<SessionView>> {
    let offer = (names(), names(), names());
    let offer = offer.prop_map(|(queues, executors, labels)| Arc::new(Offer { queues, executors, labels }));
    let session = (name(), name(), offer, keys(), any::<u32>(), select(directives().to_vec()), at(), at());
    let session = session.prop_map(|(worker, session, offer, running, credits, directive, since, heard_at)| {
        SessionView { worker, session, offer, running, credits, directive, since, heard_at }
    });
    vec(session, 0..4)
}

/// One of each answer.
pub(super) fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let submitted = (key(), select(TaskStatus::ALL.to_vec()), option::of(at()), any::<bool>());
    let submitted = submitted.prop_map(|(key, status, run_at, repeated)| Submitted { key, status, run_at, repeated });
    let results = (vec(submitted, 0..4), refusals())
        .prop_map(|(submitted, refusals)| submitted.into_iter().map(Ok).chain(refusals.into_iter().map(Err)).collect());
    let numbers = (key(), keys(), any::<u32>(), any::<bool>(), select(JobStatus::ALL.to_vec()));
    (numbers, results, gates(), figures(), sessions()).prop_map(|(numbers, results, gates, figures, sessions)| {
        let (key, keys, version, repeated, status) = numbers;
        vec![
            Answer::Tasks(results),
            Answer::Job { key, status, repeated },
            Answer::Done,
            Answer::Took(keys),
            Answer::Claimed(vec![repeated, !repeated]),
            Answer::Versions(vec![version]),
            Answer::Version(version),
            Answer::Fired(Target::Task(key)),
            Answer::Fired(Target::Job(key)),
            Answer::Gates(gates),
            Answer::Figures(Box::new(figures)),
            Answer::Sessions(sessions),
        ]
    })
}
