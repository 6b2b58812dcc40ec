//! What large graphs cost (R17), counted in rows written and read, so that the machine does not matter; and that deadlines
//! come in the order of a sorted list.

use std::sync::Arc;

use mainspring_core::effect::Effect;
use mainspring_core::event::{ChildJob, Evaluated, Event, NewTask, Start, SubmitJob, SubmitTasks, Verdict};
use mainspring_core::graph::{DraftTask, Graph};
use mainspring_core::id::{Bucket, Key, Token};
use mainspring_core::job::{FailurePolicy, Flow, JobStatus, Step};
use mainspring_core::limits::INSTANCES_MAX;
use mainspring_core::permit::{KeyBound, KeyLimit};
use mainspring_core::row::TransitionKind;
use mainspring_core::shard::ShardConfig;
use mainspring_core::spec::Trigger;
use mainspring_core::task::TaskStatus;
use proptest::prelude::*;

use crate::batches::{exchange, granted};
use crate::graphs::{draft, spec};
use crate::world::{START, Seen, World};

fn job(drafts: Vec<DraftTask>) -> Event {
    Event::SubmitJob(Box::new(SubmitJob::new(1, Bucket::new(1), Graph::build(drafts).expect("the graph is valid"))))
}

/// Layers of 100 tasks, each with three parents in the layer above: out-degree 3, however large the job is.
fn layered(tasks: usize) -> Vec<DraftTask> {
    let names: Vec<String> = (0..tasks).map(|n| format!("t{n}")).collect();
    let needs = |n: usize| match n.checked_sub(100) {
        None => Vec::new(),
        Some(above) => {
            let first = above - above % 100;
            vec![&*names[first + n % 100], &*names[first + (n + 1) % 100], &*names[first + (n + 7) % 100]]
        }
    };
    (0..tasks).map(|n| draft(&names[n], &needs(n), Trigger::AllSuccess)).collect()
}

/// Runs the job to its end; rows written and rows asked for.
fn work_of(tasks: usize) -> (u64, u64) {
    // Caches that hold neither job: both pay for what they read.
    let mut world = World::new(ShardConfig { resting_max: 1_000, chunks_max: 16, ..ShardConfig::default() });
    world.driver.push(job(layered(tasks)));
    world.driver.push(exchange(1_000, [], None));
    world.settle();
    loop {
        let tokens = granted(&mut world);
        if tokens.is_empty() {
            break;
        }
        world.driver.push(exchange(1_000, tokens, None));
        world.settle();
    }
    assert!(world.store.jobs.values().all(|row| row.state.status == JobStatus::Completed));
    (world.store.written, world.read)
}

#[test]
fn a_job_ten_times_as_large_costs_ten_times_the_rows() {
    let (small, large) = (work_of(10_000), work_of(100_000));
    assert!(large.0 <= 12 * small.0, "rows written: {small:?}, then {large:?}");
    assert!(large.0 + large.1 <= 12 * (small.0 + small.1), "rows touched: {small:?}, then {large:?}");
    assert!(large.0 <= 100_000 * 6, "rows written per task: {large:?}");
}

#[test]
fn ten_thousand_parents_that_end_together_start_their_join_once() {
    let mut world = World::new(ShardConfig::default());
    let names: Vec<String> = (0..10_000).map(|n| format!("p{n}")).collect();
    let mut drafts: Vec<DraftTask> = names.iter().map(|name| draft(name, &[], Trigger::AllSuccess)).collect();
    drafts.push(draft("join", &names.iter().map(String::as_str).collect::<Vec<_>>(), Trigger::AllSuccess));
    world.driver.push(job(drafts));
    world.driver.push(exchange(20_000, [], None));
    world.settle();
    let tokens = granted(&mut world);
    assert_eq!(tokens.len(), 10_000);
    world.driver.push(exchange(20_000, tokens, None));
    world.settle();
    let join = world.store.jobs.keys().next().expect("there is a job").task_of_job(10_000);
    let mut ready = 0;
    let mut grants = 0;
    for seen in &world.seen {
        match seen {
            Seen::Commit(changes) => {
                let of_join = |event: &&mainspring_core::row::Transition| event.task == Some(join);
                ready +=
                    changes.feed.iter().filter(of_join).filter(|event| event.kind == TransitionKind::TaskReady).count();
            }
            Seen::Effect(Effect::Grant(grant)) => {
                assert_eq!(grant.token.task, join);
                grants += 1;
            }
            Seen::Effect(_) => {}
        }
    }
    assert_eq!((ready, grants), (1, 1));
}

#[test]
fn a_group_of_ten_thousand_keeps_to_the_step_budget_and_ends_once() {
    let mut world = World::new(ShardConfig { resting_max: 1_000, chunks_max: 16, ..ShardConfig::default() });
    let mut group = draft("each", &[], Trigger::AllSuccess);
    group.flow = Some(Arc::new(Flow { evaluated: true, step: Step::Group, logic: "{}".into() }));
    world.driver.push(job(vec![group]));
    world.driver.push(exchange(4_000, [], None));
    world.settle();
    let parent = *world.store.jobs.keys().next().expect("there is a job");
    let each = parent.task_of_job(0);
    let instances: Vec<String> = (0..INSTANCES_MAX).map(|n| format!("each~{n}")).collect();
    let drafts = instances.iter().map(|name| draft(name, &[], Trigger::AllSuccess)).collect();
    let child = ChildJob {
        graph: Graph::build(drafts).expect("the graph is valid"),
        title: None,
        body: "{}".into(),
        tags: Arc::new([]),
        failure_policy: FailurePolicy::Continue,
        instances: true,
    };
    let verdict = Verdict::Child(Box::new(child));
    world.driver.push(Event::Evaluated(Evaluated { task: each, generation: 1, verdict }));
    world.settle();
    let (mut most, mut ended) = (0, 0);
    loop {
        for seen in &world.seen {
            let Seen::Commit(changes) = seen else { continue };
            most = most.max(changes.insert_tasks.len() + changes.update_tasks.len());
            let of_group = |event: &&mainspring_core::row::Transition| event.task == Some(each);
            ended += changes.feed.iter().filter(of_group).count();
        }
        let tokens = granted(&mut world);
        if tokens.is_empty() {
            break;
        }
        world.driver.push(exchange(4_000, tokens, None));
        world.settle();
    }
    assert!(most <= 2 * 4_000, "rows of tasks in one commit: {most}");
    assert_eq!((ended, world.store.jobs[&parent].state.status), (1, JobStatus::Completed));
    // Each instance is inserted, made ready, granted, ended and settled once.
    assert!(world.store.written <= 10_000 * 6, "rows written: {}", world.store.written);
    assert!(world.store.tasks.values().all(|row| row.state.status == TaskStatus::Completed));
}

fn delayed(delays: &[u64]) -> Event {
    let task = |delay: &u64| NewTask {
        tenant: "default".into(),
        given_id: None,
        idempotency_key: None,
        body_hash: 0,
        spec: spec(0),
        start: Start::After(*delay),
        unique: None,
    };
    Event::SubmitTasks(SubmitTasks { to: 1, bucket: Bucket::new(1), tasks: delays.iter().map(task).collect() })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Near, far and beyond what memory holds: each exactly at its instant, in order.
    #[test]
    fn timers_fire_in_the_order_of_a_sorted_list(
        batches in proptest::collection::vec(proptest::collection::vec(0..20_000_u64, 1..12), 1..6),
        horizon_ms in 1..8_000_u64,
        timers_max in 1..8_usize,
    ) {
        let mut world = World::new(ShardConfig { horizon_ms, timers_max, ..ShardConfig::default() });
        world.driver.push(exchange(10_000, [], None));
        let mut expected = Vec::new();
        for delays in &batches {
            world.driver.push(delayed(delays));
            world.settle();
            let now = world.now.since(START);
            expected.extend(delays.iter().map(|delay| now + delay));
            world.advance(700);
        }
        world.advance(30_000);
        expected.sort_unstable();
        let ready = world.seen.iter().flat_map(|seen| match seen {
            Seen::Commit(changes) => changes.feed.clone(),
            Seen::Effect(_) => Vec::new(),
        });
        let mut retried: std::collections::BTreeSet<Key> = Default::default();
        let fired: Vec<u64> = ready
            .filter(|event| event.kind == TransitionKind::TaskReady)
            .filter(|event| event.task.is_some_and(|task| retried.insert(task)))
            .map(|event| event.at.since(START))
            .collect();
        prop_assert_eq!(fired, expected);
        let _: Vec<Token> = granted(&mut world);
    }
}

fn of_key(count: usize, key: Option<&str>, priority: u8) -> Event {
    let mut spec = mainspring_core::spec::TaskSpec::clone(&spec(priority));
    spec.limits = key.map(|key| KeyLimit { key: key.into(), bound: KeyBound::Running(1) }).into_iter().collect();
    let task = NewTask {
        tenant: "default".into(),
        given_id: None,
        idempotency_key: None,
        body_hash: 0,
        spec: Arc::new(spec),
        start: Start::Now,
        unique: None,
    };
    Event::SubmitTasks(SubmitTasks { to: 1, bucket: Bucket::new(1), tasks: vec![task; count] })
}

/// Rows in memory.
fn resident(world: &mut World) -> u64 {
    let order = mainspring_core::event::Order::Figures;
    world.driver.push(Event::Command(mainspring_core::event::Command { to: 9, actor: "test".into(), order }));
    world.settle();
    let figures = world.seen.iter().rev().find_map(|seen| match seen {
        Seen::Effect(Effect::Reply { answer: Ok(mainspring_core::effect::Answer::Figures(figures)), .. }) => {
            Some(figures.resident.0)
        }
        _ => None,
    });
    figures.expect("the figures were answered")
}

#[test]
fn a_flood_of_one_blocked_key_fills_no_memory_and_holds_up_nobody() {
    let config = ShardConfig { ready_max: 2_000, lane_window: 512, resting_max: 100, ..ShardConfig::default() };
    let mut world = World::new(config);
    for _ in 0..6 {
        world.driver.push(of_key(10_000, Some("busy"), 5));
        world.settle();
    }
    world.driver.push(of_key(50, None, 5));
    world.driver.push(of_key(50, Some("idle"), 5));
    world.settle();
    assert!(resident(&mut world) < 8_000, "{} rows in memory", resident(&mut world));
    // One of the flood runs and goes on running: the others pass it.
    world.seen.clear();
    world.driver.push(exchange(20, [], None));
    world.settle();
    let mut tokens = granted(&mut world);
    let mut ended = 0;
    while tokens.len() > 1 {
        let busy = tokens.remove(0);
        ended += tokens.len();
        world.driver.push(exchange(20, tokens, None));
        world.settle();
        tokens = granted(&mut world);
        tokens.insert(0, busy);
    }
    let left = world.store.tasks.values().filter(|row| !row.state.status.is_terminal());
    let left = left.filter(|row| !row.spec.iter().flat_map(|spec| spec.limits.iter()).any(|l| &*l.key == "busy"));
    assert_eq!((left.count(), ended), (0, 100));
    assert!(resident(&mut world) < 8_000, "{} rows in memory", resident(&mut world));
    world.check_recovery();
}
