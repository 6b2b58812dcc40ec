//! The loop: nothing is lost, nothing is doubled, leases are kept or given up in time, and it leaves politely.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mainspring_protocol::duration::WireDuration;
use mainspring_protocol::exchange::{DirectiveName, GrantMessage, OutcomeStatus, StreamName};
use mainspring_worker::{HandlerError, RunError, Urgency, WorkerConfig};
use serde_json::json;

use crate::bench::{Bench, error_kind, error_message, grant, noop};
use crate::server::Fault;

fn quick() -> WorkerConfig {
    WorkerConfig { lease: Duration::from_secs(1), ..WorkerConfig::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_noop_does_what_its_payload_says() {
    let bench = Bench::start(quick());
    assert_eq!(bench.run(grant("noop")).await.status, OutcomeStatus::Success);
    let output = bench.run(noop(r#"{"output": {"a": [1]}}"#)).await.output;
    assert_eq!(output.expect("an output").get(), r#"{"a": [1]}"#);
    assert_eq!(bench.run(noop("[1, 2]")).await.status, OutcomeStatus::Success);
    let failed = bench.run(noop(r#"{"fail": "as told", "sleepMs": 1}"#)).await;
    assert_eq!(
        (failed.status, error_kind(&failed), error_message(&failed)),
        (OutcomeStatus::Failure, "noop_failed", "as told")
    );
    assert_eq!(bench.run(noop(r#"{"fail": 1}"#)).await.status, OutcomeStatus::Failure);
    let second = GrantMessage { attempt: 2, ..noop(r#"{"fail": 1}"#) };
    assert_eq!(bench.run(second).await.status, OutcomeStatus::Success);
    assert_eq!(error_kind(&bench.run(noop(r#"{"sleepMs": -1}"#)).await), "bad_payload");
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_nobody_knows_fails_in_words() {
    let bench = Bench::start(quick());
    let outcome = bench.run(grant("email")).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Failure, "no_executor"));
    assert!(error_message(&outcome).contains("email"));
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_gets_its_payload_and_gives_output_logs_and_progress() {
    let mut config = quick();
    config.handle("add", |context| async move {
        let numbers: Vec<i64> = context.payload()?;
        context.log("adding");
        context.progress(50, "half");
        Ok(json!({"sum": numbers.iter().sum::<i64>()}))
    });
    let bench = Bench::start(config);
    let task = GrantMessage { payload: Some(crate::bench::json("[1,2,39]")), ..grant("add") };
    let token = task.token.clone();
    let outcome = bench.run(task).await;
    assert_eq!(outcome.output.expect("an output").get(), r#"{"sum":42}"#);
    assert_eq!(bench.server.log(&token, StreamName::Stdout), "adding\n");
    assert_eq!(bench.server.progress(), [(token, 50.0)]);
    let bad = bench.run(grant("add")).await;
    assert_eq!((error_kind(&bad), bad.retryable), ("bad_payload", Some(false)));
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_fail_panic_snooze_and_time_out() {
    let mut config = quick();
    config.handle("fails", |_| async { Err(std::io::Error::other("disk on fire").into()) });
    config.handle("panics", |_| async { panic!("what is this") });
    config.handle("snoozes", |_| async { Err(HandlerError::snooze(Duration::from_secs(7))) });
    config.handle("hangs", |_| std::future::pending());
    let bench = Bench::start(config);
    let failed = bench.run(grant("fails")).await;
    assert_eq!((failed.status, error_message(&failed)), (OutcomeStatus::Failure, "disk on fire"));
    let panicked = bench.run(grant("panics")).await;
    assert_eq!(error_kind(&panicked), "panic");
    assert!(error_message(&panicked).contains("what is this"));
    let snoozed = bench.run(grant("snoozes")).await;
    assert_eq!((snoozed.status, snoozed.retry_after), (OutcomeStatus::Snoozed, Some(WireDuration::from_ms(7_000))));
    let late = bench.run(crate::bench::within(grant("hangs"), 50)).await;
    assert_eq!((late.status, error_kind(&late)), (OutcomeStatus::Timeout, "timeout"));
    let silent = GrantMessage { heartbeat_timeout: Some(WireDuration::from_ms(50)), ..grant("hangs") };
    assert_eq!(error_kind(&bench.run(silent).await), "heartbeat_timeout");
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_neither_loses_nor_doubles() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let mut config = quick();
    config.handle("counted", move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok(json!(null)) }
    });
    let bench = Bench::start(config);
    for round in 0..20 {
        let fault = if round % 2 == 0 { Fault::LosesAnswers } else { Fault::Unreachable };
        bench.server.break_down(fault, Some(1 + round % 3));
        let tasks: Vec<_> = (0..10).map(|_| if round % 4 < 2 { grant("counted") } else { grant("noop") }).collect();
        tasks.iter().for_each(|task| bench.server.submit(task.clone()));
        for task in &tasks {
            bench.server.outcome(&task.token).await;
            assert_eq!(bench.server.taken(&task.token).len(), 1);
        }
    }
    assert_eq!(runs.load(Ordering::SeqCst), 100);
    assert_eq!(bench.drain().await.attempts, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_comes_twice_runs_once() {
    let bench = Bench::start(quick());
    let task = noop(r#"{"sleepMs": 100}"#);
    bench.server.submit(task.clone());
    bench.server.submit(task.clone());
    bench.server.outcome(&task.token).await;
    assert_eq!(bench.drain().await.attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_attempt_is_renewed_at_least_every_third_of_its_lease() {
    let bench = Bench::start(quick());
    let task = noop(r#"{"sleepMs": 1500}"#);
    let token = task.token.clone();
    assert_eq!(bench.run(task).await.status, OutcomeStatus::Success);
    let renewals = bench.server.requests().iter().filter(|request| request.running.contains(&token)).count();
    assert!(renewals >= 4, "{renewals}");
    let longest = bench
        .server
        .requests()
        .iter()
        .filter(|request| !request.running.is_empty())
        .map(|request| request.wait_ms)
        .max();
    assert!(longest <= Some(334), "{longest:?}");
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_renewed_is_ended_within_its_lease() {
    let ended = Arc::new(tokio::sync::Notify::new());
    let mut config = quick();
    let on_drop = Arc::clone(&ended);
    config.handle("hangs", move |_| {
        struct Ends(Arc<tokio::sync::Notify>);
        impl Drop for Ends {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let guard = Ends(Arc::clone(&on_drop));
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    let bench = Bench::start(config);
    let task = GrantMessage { lease_ms: 1_000, ..grant("hangs") };
    bench.server.submit(task.clone());
    bench
        .server
        .until(|server| server.requests().iter().any(|request| request.running.contains(&task.token)).then_some(()))
        .await;
    bench.server.break_down(Fault::Unreachable, None);
    tokio::time::timeout(Duration::from_millis(1_000), ended.notified()).await.expect("it ends before its lease does");
    bench.server.break_down(Fault::None, None);
    let outcome = bench.server.outcome(&task.token).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Interrupted, "lease_lost"));
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_attempt_ends_and_says_so() {
    let mut config = quick();
    config.handle("hangs", |_| std::future::pending());
    let bench = Bench::start(config);
    let task = grant("hangs");
    bench.server.submit(task.clone());
    bench
        .server
        .until(|server| server.requests().iter().any(|request| request.running.contains(&task.token)).then_some(()))
        .await;
    bench.server.cancel(&task.token);
    assert_eq!(bench.server.outcome(&task.token).await.status, OutcomeStatus::Cancelled);
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_attempt_ends_without_an_outcome() {
    let mut config = quick();
    config.handle("hangs", |_| std::future::pending());
    let bench = Bench::start(config);
    let task = grant("hangs");
    bench.server.submit(task.clone());
    let named =
        |server: &crate::server::Server| server.requests().last().map(|request| request.running.contains(&task.token));
    bench.server.until(|server| named(server).filter(|named| *named)).await;
    bench.server.revoke(&task.token);
    bench.server.until(|server| named(server).filter(|named| !named)).await;
    let server = Arc::clone(&bench.server);
    bench.drain().await;
    assert!(server.taken(&task.token).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_worker_finishes_takes_nothing_new_and_leaves() {
    let bench = Bench::start(quick());
    let task = noop(r#"{"sleepMs": 300}"#);
    bench.server.submit(task.clone());
    bench
        .server
        .until(|server| server.requests().iter().any(|request| request.running.contains(&task.token)).then_some(()))
        .await;
    bench.stopper.raise(Urgency::Drain);
    bench.server.until(|server| server.requests().last().filter(|request| request.capacity == 0).map(drop)).await;
    bench.server.submit(grant("noop"));
    let server = Arc::clone(&bench.server);
    assert_eq!(bench.ended().await.expect("ends well").attempts, 1);
    assert_eq!(server.taken(&task.token)[0].status, OutcomeStatus::Success);
    assert!(server.has_left());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outlasts_the_grace_is_handed_back() {
    let mut config = WorkerConfig { drain_grace: Duration::from_millis(50), ..quick() };
    config.handle("hangs", |_| std::future::pending());
    let bench = Bench::start(config);
    let task = grant("hangs");
    bench.server.submit(task.clone());
    bench
        .server
        .until(|server| server.requests().iter().any(|request| request.running.contains(&task.token)).then_some(()))
        .await;
    let server = Arc::clone(&bench.server);
    bench.drain().await;
    assert_eq!(server.taken(&task.token)[0].status, OutcomeStatus::Interrupted);
    assert!(server.has_left());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    let mut config = WorkerConfig { drain_grace: Duration::from_secs(3_600), ..quick() };
    config.handle("hangs", |_| std::future::pending());
    let bench = Bench::start(config);
    let task = grant("hangs");
    bench.server.submit(task.clone());
    bench
        .server
        .until(|server| server.requests().iter().any(|request| request.running.contains(&task.token)).then_some(()))
        .await;
    bench.stopper.signal();
    bench.stopper.signal();
    let server = Arc::clone(&bench.server);
    bench.ended().await.expect("ends well");
    assert_eq!(server.taken(&task.token)[0].status, OutcomeStatus::Interrupted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_server_still_ends() {
    let bench = Bench::start(quick());
    bench.server.break_down(Fault::Unreachable, None);
    bench.stopper.raise(Urgency::Stop);
    bench.ended().await.expect("ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_worker_offers_nothing_until_it_is_resumed() {
    let bench = Bench::start(WorkerConfig { wait: Duration::from_millis(100), ..quick() });
    bench.server.direct(DirectiveName::Pause);
    bench.server.until(|server| server.requests().last().filter(|request| request.capacity == 0).map(drop)).await;
    let task = grant("noop");
    bench.server.submit(task.clone());
    bench.server.direct(DirectiveName::Run);
    assert_eq!(bench.server.outcome(&task.token).await.status, OutcomeStatus::Success);
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_told_to_drain_leaves() {
    let bench = Bench::start(quick());
    bench.run(grant("noop")).await;
    bench.server.direct(DirectiveName::Drain);
    let server = Arc::clone(&bench.server);
    bench.ended().await.expect("ends well");
    assert!(server.has_left());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_worker_ends_with_the_reason() {
    let bench = Bench::start(quick());
    bench.server.break_down(Fault::Refuses, None);
    match bench.ended().await {
        Err(RunError::Refused { code, .. }) => assert_eq!(code, "worker_id_in_use"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_one_call_goes_in_several() {
    let bench = Bench::start(quick());
    bench.server.break_down(Fault::TakesLittle, None);
    let output = format!(r#"{{"output": "{}"}}"#, "x".repeat(20_000));
    let tasks: Vec<_> = (0..30).map(|_| noop(&output)).collect();
    tasks.iter().for_each(|task| bench.server.submit(task.clone()));
    for task in &tasks {
        assert_eq!(bench.server.outcome(&task.token).await.status, OutcomeStatus::Success);
    }
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sequence_numbers_rise_and_every_call_offers_what_is_free() {
    let bench = Bench::start(WorkerConfig { concurrency: 3, ..quick() });
    let tasks: Vec<_> = (0..9).map(|_| noop(r#"{"sleepMs": 20}"#)).collect();
    tasks.iter().for_each(|task| bench.server.submit(task.clone()));
    for task in &tasks {
        bench.server.outcome(&task.token).await;
    }
    let requests = bench.server.requests();
    assert!(requests.windows(2).all(|pair| pair[0].seq < pair[1].seq && pair[0].ack <= pair[1].ack));
    assert!(requests.iter().all(|request| request.capacity as usize + request.running.len() <= 3));
    assert!(requests.iter().all(|request| request.types == ["noop"]));
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_handlers_end_each_once() {
    let mut config = WorkerConfig { concurrency: 500, ..quick() };
    config.handle("quick", |_| async { Ok(json!(1)) });
    let bench = Bench::start(config);
    let tasks: Vec<_> = (0..5_000).map(|_| grant("quick")).collect();
    tasks.iter().for_each(|task| bench.server.submit(task.clone()));
    for task in &tasks {
        bench.server.outcome(&task.token).await;
    }
    assert!(tasks.iter().all(|task| bench.server.taken(&task.token).len() == 1));
    assert_eq!(bench.drain().await.attempts, 5_000);
}
