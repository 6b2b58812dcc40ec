//! What was submitted reads back as it was: every spec, every body.

use std::sync::Arc;

use mainspring_core::limits::RESIDENT_BODY_BYTES_MAX;
use mainspring_core::row::{Changes, TaskRow};
use mainspring_core::spec::{Backoff, BackoffShape, Class, OnWorkerLost, Policy, TaskSpec};
use mainspring_core::task::TaskStatus;

use super::make::{ended, key, name, running, spec, task, task_with};
use super::states::inserted_reads_back;
use super::{Factory, Shard};

fn rich_spec() -> TaskSpec {
    let policy = Policy {
        retries: 1_000,
        backoff: Backoff {
            shape: BackoffShape::Linear,
            initial_ms: 0,
            factor_milli: 1_500,
            max_ms: u64::MAX >> 1,
            full_jitter: false,
        },
        timeout_ms: Some(30 * 86_400_000),
        heartbeat_timeout_ms: Some(1),
        on_worker_lost: OnWorkerLost::Hold,
        non_retryable: vec![name("ValueError"), name("")],
        retry_on: vec![name("TimeoutError")],
    };
    TaskSpec {
        title: Some(name("Täglicher Bericht")),
        queue: name("reports"),
        class: Class { executor: name("shell"), labels: Arc::from([name("gpu=a100"), name("zone=eu")]) },
        priority: 9,
        expires_at_ms: Some(-5),
        policy: Arc::new(policy),
        body: r#"{"command":["echo","\u0000"],"env":{"A":"é"}}"#.into(),
        limits: super::settings::key_limits(),
        tags: Arc::from([name("a"), name("b \"quoted\""), name("")]),
        ..spec("extract")
    }
}

pub fn an_update_keeps_what_was_submitted(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let row = TaskRow { given_id: Some(name("mine")), spec: Some(Arc::new(rich_spec())), ..task(1) };
    shard.commit(Changes { insert_tasks: vec![row.clone()], ..Changes::default() });
    let next = ended(TaskStatus::Completed, 8);
    shard.commit(Changes { update_tasks: vec![(key(1), next.clone())], ..Changes::default() });
    assert_eq!(shard.whole(key(1)), Some(TaskRow { state: next, ..row }));
}

pub fn a_plain_spec_reads_back(open: Factory<'_>) {
    inserted_reads_back(open, vec![task(1), task(2)]);
}

pub fn a_rich_spec_reads_back(open: Factory<'_>) {
    let row = TaskRow { spec: Some(Arc::new(rich_spec())), ..task(1) };
    inserted_reads_back(open, vec![task(3), row, task(2)]);
}

pub fn every_backoff_reads_back(open: Factory<'_>) {
    let shapes = [BackoffShape::Fixed, BackoffShape::Linear, BackoffShape::Exponential];
    let row = |(shape, number)| {
        let backoff = Backoff { shape, initial_ms: number, factor_milli: 2, max_ms: 3, full_jitter: number == 2 };
        task_with(number, |spec| spec.policy = Arc::new(Policy { backoff, ..Policy::default() }))
    };
    inserted_reads_back(open, shapes.into_iter().zip(1..).map(row).collect());
}

pub fn every_answer_to_a_lost_worker_reads_back(open: Factory<'_>) {
    let answers = [OnWorkerLost::Retry, OnWorkerLost::Fail, OnWorkerLost::Hold];
    let row = |(on_worker_lost, number)| {
        task_with(number, |spec| spec.policy = Arc::new(Policy { on_worker_lost, ..Policy::default() }))
    };
    inserted_reads_back(open, answers.into_iter().zip(1..).map(row).collect());
}

pub fn every_priority_reads_back(open: Factory<'_>) {
    let row = |priority: u8| task_with(u64::from(priority) + 1, |spec| spec.priority = priority);
    inserted_reads_back(open, (0..=9).map(row).collect());
}

pub fn odd_names_read_back(open: Factory<'_>) {
    let odd = ["", " ", "'; DROP TABLE tasks; --", "naïve \u{202e}", "line\nbreak", "NULL", "\u{10ffff}"];
    let row = |(text, number): (&str, u64)| {
        let row = task_with(number, |spec| {
            spec.kind = name(text);
            spec.queue = name(text);
            spec.title = Some(name(text));
            spec.tags = Arc::from([name(text)]);
        });
        TaskRow { tenant: name(text), given_id: Some(name(text)), ..row }
    };
    inserted_reads_back(open, odd.into_iter().zip(1..).map(row).collect());
}

/// A JSON text of so many bytes.
fn body_of(bytes: usize) -> Arc<str> {
    format!("\"{}\"", "x".repeat(bytes - 2)).into()
}

pub fn a_large_body_is_not_resident(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let row = task_with(1, |spec| spec.body = body_of(RESIDENT_BODY_BYTES_MAX + 1));
    shard.commit(Changes { insert_tasks: vec![row.clone()], ..Changes::default() });
    let resident = task_with(1, |spec| spec.body = "".into());
    assert_eq!(shard.resident(vec![key(1)]), std::slice::from_ref(&resident));
    assert_eq!(shard.load().tasks, [resident]);
    assert_eq!(shard.whole(key(1)), Some(row));
}

pub fn a_body_at_the_limit_is_resident(open: Factory<'_>) {
    let at_limit = task_with(1, |spec| spec.body = body_of(RESIDENT_BODY_BYTES_MAX));
    inserted_reads_back(open, vec![at_limit]);
}

pub fn a_given_id_reads_back(open: Factory<'_>) {
    inserted_reads_back(open, vec![TaskRow { given_id: Some(name("task_101")), ..task(1) }, task(2)]);
}

pub fn a_rewritten_body_replaces_the_old_one(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let old = task_with(1, |spec| spec.body = r#"{"payload":1}"#.into());
    shard.commit(Changes { insert_tasks: vec![old], ..Changes::default() });
    for body in [r#"{"payload":2}"#, "{}"] {
        shard.commit(Changes { rewrite_bodies: vec![(key(1), body.into())], ..Changes::default() });
        let new = task_with(1, |spec| spec.body = body.into());
        assert_eq!(shard.resident(vec![key(1)]), std::slice::from_ref(&new));
        assert_eq!(shard.whole(key(1)), Some(new));
    }
}

pub fn a_rewritten_body_survives_an_update(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_tasks: vec![task(1)], ..Changes::default() });
    shard.commit(Changes { rewrite_bodies: vec![(key(1), "[2]".into())], ..Changes::default() });
    shard.commit(Changes { update_tasks: vec![(key(1), running(1))], ..Changes::default() });
    let row = shard.whole(key(1)).expect("it exists");
    assert_eq!(&*row.spec.expect("it is whole").body, "[2]");
}
