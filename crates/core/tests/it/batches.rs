//! What a batch may hold, and what memory keeps while reads and commits overlap.

use std::sync::Arc;

use mainspring_core::driver::Io;
use mainspring_core::effect::{Answer, Effect};
use mainspring_core::event::{
    AttemptEnded, Command, Event, Exchange, NewTask, Offer, Order, Start, SubmitJob, SubmitTasks,
};
use mainspring_core::graph::Graph;
use mainspring_core::id::{Bucket, Key, Token};
use mainspring_core::permit::{KeyBound, KeyLimit, Rate};
use mainspring_core::shard::ShardConfig;
use mainspring_core::spec::{TaskSpec, Trigger};
use mainspring_core::task::Outcome;

use crate::graphs::{draft, spec};
use crate::world::{Seen, World};

pub(crate) fn submission(count: usize) -> Event {
    let task = NewTask {
        tenant: "default".into(),
        given_id: None,
        idempotency_key: None,
        body_hash: 0,
        spec: spec(0),
        start: Start::Now,
        unique: None,
    };
    Event::SubmitTasks(SubmitTasks { to: 1, bucket: Bucket::new(1), tasks: vec![task; count] })
}

pub(crate) fn exchange(credits: u32, ended: impl IntoIterator<Item = Token>, output: Option<Arc<str>>) -> Event {
    let outcomes = ended.into_iter().map(|token| AttemptEnded {
        token,
        outcome: Outcome::Success,
        output: output.clone(),
        error: None,
        retryable: None,
        retry_after_ms: None,
    });
    Event::Exchange(Exchange {
        to: 2,
        session: "w".into(),
        worker: "w".into(),
        offer: Arc::new(Offer { queues: Vec::new(), executors: vec!["*".into()], labels: Vec::new() }),
        credits,
        lease_ms: 15_000,
        outcomes: outcomes.collect(),
        running: Vec::new(),
        logs: Vec::new(),
        progress: Vec::new(),
        resume: false,
    })
}

/// The tokens granted since the last call, and everything else forgotten.
pub(crate) fn granted(world: &mut World) -> Vec<Token> {
    let grants = std::mem::take(&mut world.seen).into_iter().filter_map(|seen| match seen {
        Seen::Effect(Effect::Grant(grant)) => Some(grant.token),
        _ => None,
    });
    grants.collect()
}

#[test]
fn outputs_count_among_the_bytes_of_a_batch() {
    let mut world = World::new(ShardConfig::default());
    world.driver.push(submission(100));
    world.driver.push(exchange(100, [], None));
    world.settle();
    let output: Arc<str> = "x".repeat(256 << 10).into();
    for token in granted(&mut world) {
        world.driver.push(exchange(0, [token], Some(output.clone())));
    }
    world.settle();
    let mut commits = 0;
    for seen in &world.seen {
        if let Seen::Commit(changes) = seen {
            let bytes: usize = changes.put_outputs.iter().map(|row| row.output.len()).sum();
            assert!(bytes <= (4 << 20) + output.len(), "a commit holds {bytes} bytes of outputs");
            commits += 1;
        }
    }
    assert_eq!(commits, 7, "100 outputs of 256 KiB in commits of 4 MiB");
}

/// How many tasks and jobs the shard has in memory.
fn resident(world: &mut World) -> (u64, u64) {
    let figures = Command { to: 9, actor: "operator".into(), order: Order::Figures };
    world.driver.push(Event::Command(figures));
    world.settle();
    let seen = std::mem::take(&mut world.seen);
    let figures = seen.into_iter().find_map(|seen| match seen {
        Seen::Effect(Effect::Reply { answer: Ok(Answer::Figures(figures)), .. }) => Some(figures),
        _ => None,
    });
    let (tasks, jobs, _) = figures.expect("it answers").resident;
    (tasks, jobs)
}

#[test]
fn rows_leave_memory_although_reads_never_pause() {
    let mut world = World::new(ShardConfig::default());
    let unknown = |n: u64| Order::Why(Key::new(n, Bucket::new(3)));
    for round in 0..50 {
        // A read is ordered before each commit returns, and answered after it.
        world.driver.push(submission(20));
        world.driver.push(exchange(20, [], None));
        let command = Command { to: 8, actor: "operator".into(), order: unknown(round) };
        world.driver.push(Event::Command(command));
        let Some(Io::Read { ticket: read, set }) = world.driver.poll(world.now) else { panic!("a read comes first") };
        let Some(Io::Commit { ticket, changes }) = world.driver.poll(world.now) else { panic!("then a commit") };
        world.store.apply(&changes);
        let tokens: Vec<Token> = world.driver.committed(ticket).iter().filter_map(token_of).collect();
        world.driver.push(exchange(0, tokens, None));
        let Some(Io::Commit { ticket, changes }) = world.driver.poll(world.now) else { panic!("and another") };
        world.store.apply(&changes);
        world.driver.committed(ticket);
        world.driver.loaded(read, world.store.rows(&set));
    }
    let resident = resident(&mut world).0;
    assert!(resident <= 40, "{resident} of 1,000 ended tasks are still in memory");
}

fn token_of(effect: &Effect) -> Option<Token> {
    match effect {
        Effect::Grant(grant) => Some(grant.token),
        _ => None,
    }
}

#[test]
fn jobs_that_wait_for_a_far_retry_leave_memory() {
    let mut world = World::new(ShardConfig { resting_max: 10, ..ShardConfig::default() });
    for n in 0..100 {
        let graph = Graph::build(vec![draft("t", &[], Trigger::AllSuccess)]).expect("one task");
        world.driver.push(Event::SubmitJob(Box::new(SubmitJob::new(n, Bucket::new(1), graph))));
    }
    world.driver.push(exchange(100, [], None));
    world.settle();
    let mut event = exchange(0, granted(&mut world), None);
    if let Event::Exchange(exchange) = &mut event {
        for ended in &mut exchange.outcomes {
            ended.outcome = Outcome::Snoozed;
            ended.retry_after_ms = Some(86_400_000);
        }
    }
    world.driver.push(event);
    world.settle();
    let (tasks, jobs) = resident(&mut world);
    assert!(tasks <= 10 && jobs <= 10, "{tasks} tasks and {jobs} jobs are in memory for a day");
}

/// A node that lost its shard may still be asked: what it would grant again, somebody else may have taken back.
#[test]
fn a_grant_that_comes_again_waits_for_a_commit() {
    let mut world = World::new(ShardConfig { control: false, ..ShardConfig::default() });
    world.driver.push(submission(1));
    world.driver.push(exchange(1, [], None));
    world.settle();
    let first = granted(&mut world);
    world.crash();
    world.settle();
    world.seen.clear();
    let Event::Exchange(call) = exchange(1, [], None) else { unreachable!("it is one") };
    world.driver.push(Event::Exchange(Exchange { resume: true, ..call }));
    world.settle();
    assert!(matches!(world.seen.first(), Some(Seen::Commit(_))), "{:?}", world.seen);
    assert_eq!(granted(&mut world), first, "under the same token");
}

/// How many of these tasks a worker with one place is granted that speaks again while its places are still counted.
fn granted_at_once(speak: impl FnOnce(&mut World, Vec<Token>)) -> usize {
    let mut world = World::new(ShardConfig::default());
    world.driver.push(submission(1));
    world.driver.push(exchange(1, [], None));
    world.settle();
    let ended = granted(&mut world);
    world.driver.push(exchange(1, ended.clone(), None));
    world.settle();
    speak(&mut world, ended);
    world.settle();
    granted(&mut world).len()
}

/// The answer to an outcome was lost, and it is said again: the row has left memory by now and must be read.
#[test]
fn a_place_is_granted_once_though_the_call_that_offers_it_again_waits_for_rows() {
    let granted = granted_at_once(|world, ended| {
        world.driver.push(exchange(1, ended, None));
        let Some(Io::Read { ticket, set }) = world.driver.poll(world.now) else { panic!("the row is read") };
        world.driver.push(submission(2));
        world.settle();
        world.driver.loaded(ticket, world.store.rows(&set));
    });
    assert_eq!(granted, 1, "there is one place");
}

#[test]
fn a_place_is_granted_once_though_the_call_that_offers_it_again_comes_with_a_timer() {
    let granted = granted_at_once(|world, _| {
        let Event::SubmitTasks(mut later) = submission(2) else { unreachable!("it is one") };
        later.tasks.iter_mut().for_each(|task| task.start = Start::After(1_000));
        world.driver.push(Event::SubmitTasks(later));
        world.settle();
        world.stall(1_000);
        world.driver.push(exchange(1, [], None));
    });
    assert_eq!(granted, 1, "there is one place");
}

/// A task that may start once a second with others of its key.
fn rated(key: &str) -> NewTask {
    let Event::SubmitTasks(mut one) = submission(1) else { unreachable!("it is one") };
    let bound = KeyBound::Starts(Rate { limit: 1, per_ms: 1_000, burst: 1 });
    let mut task = one.tasks.pop().expect("there is one");
    let limits = [KeyLimit { key: key.into(), bound }].into();
    task.spec = Arc::new(TaskSpec { limits, ..TaskSpec::clone(&task.spec) });
    task
}

/// Buckets are empty after a load, so that nothing fills the window and the backlog of one key is paged in.
#[test]
fn a_load_of_a_long_backlog_of_one_key_writes_nothing_by_itself() {
    let mut world = World::new(ShardConfig { lane_window: 4, ready_max: 0, ..ShardConfig::default() });
    world.advance(5_000);
    let others = (0..8).map(|n| rated(&format!("other{n}")));
    let tasks = others.chain((0..20).map(|_| rated("long"))).collect();
    world.driver.push(Event::SubmitTasks(SubmitTasks { to: 1, bucket: Bucket::new(1), tasks }));
    world.settle();
    world.crash();
    let commits = world.store.commits();
    world.settle();
    assert_eq!(world.store.commits(), commits, "nobody has asked for anything");
    let mut ended = Vec::new();
    let mut started = 0;
    for _ in 0..30 {
        world.driver.push(exchange(100, ended, None));
        world.advance(1_000);
        ended = granted(&mut world);
        started += ended.len();
    }
    assert_eq!(started, 28, "all start in the end");
}
