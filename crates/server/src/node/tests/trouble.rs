//! What the node does while its store cannot be written, as on a full disk.

use mainspring_store::FaultRates;

use super::*;

const EVERY: FaultRates =
    FaultRates { unknown_applied: 0, unknown_lost: 1_000_000, unknown_late: 0, rejected: 0, unavailable: 0 };

fn now(node: &Node) -> Duration {
    node.cluster.config.clock.monotonic()
}

fn reasons(node: &Node) -> Vec<(&'static str, String)> {
    node.readiness().reasons
}

#[tokio::test]
async fn while_commits_fail_submissions_are_refused_at_once_but_for_one_at_a_time() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    store.faults().seed(1, EVERY);
    let (mut unknown, mut refused) = (0, 0);
    let started = now(&node);
    while now(&node) - started < Duration::from_secs(1) {
        match within(node.submit_tasks(vec![named("x")])).await {
            Err(CallError::OutcomeUnknown) => unknown += 1,
            Err(CallError::Unavailable(reason)) => {
                assert!(reason.contains("the last commit failed"), "{reason}");
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
        assert!(reasons(&node).iter().any(|(word, _)| *word == "store_write"), "{:?}", reasons(&node));
    }
    // At 0, 0, 100, 300 and 700 ms.
    let reloads = node.figures().reloads;
    assert!((1..=5).contains(&unknown) && reloads <= 5 && refused > 20, "{unknown} {refused} {reloads}");
    store.faults().clear();
    while within(node.submit_tasks(vec![named("x")])).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(reasons(&node), []);
    node.shutdown().await;
}

#[tokio::test]
async fn while_commits_fail_a_worker_is_not_answered_at_once() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    submit(&node, task("{}")).await;
    store.faults().seed(1, EVERY);
    let mut worker = Worker::new("w", "s");
    let (mut polls, started) = (0, now(&node));
    while now(&node) - started < Duration::from_secs(1) {
        let answer = within(node.exchange(worker.request(1, 400))).await;
        assert!(answer.clone().map(one).is_ok_and(|answer| answer.grants.is_empty()), "{answer:?}");
        polls += 1;
    }
    assert!(polls <= 7, "{polls} polls, {} reloads", node.figures().reloads);
    store.faults().clear();
    let answer = worker.poll(&node, 1, 10_000).await;
    assert_eq!((answer.grants.len(), answer.grants[0].attempt), (1, 1));
    node.shutdown().await;
}

#[tokio::test]
async fn exchanges_wait_for_a_shard_that_cannot_be_loaded() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    store.faults().lock_out(true);
    store.faults().next_commit(mainspring_store::CommitFault::UnknownLost);
    assert_eq!(within(node.submit_tasks(vec![named("x")])).await.err(), Some(CallError::OutcomeUnknown));
    let mut worker = Worker::new("w", "s");
    let asked = now(&node);
    let refused = within(node.exchange(worker.request(1, 200))).await;
    assert!(matches!(refused, Err(CallError::Unavailable(_))), "{refused:?}");
    let waited = now(&node) - asked;
    assert!(waited >= Duration::from_millis(200), "it was answered after {waited:?}");
    let waiting = spawn_call(&node, worker.request(1, 15_000));
    store.faults().lock_out(false);
    while within(node.submit_tasks(vec![named("x")])).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(within(waiting).await.expect("no panic").expect("an answer").grants.len(), 1);
    node.shutdown().await;
}

#[tokio::test]
async fn a_store_that_was_mended_is_found_out_without_new_work() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    store.faults().next_commit(mainspring_store::CommitFault::UnknownLost);
    assert_eq!(within(node.submit_tasks(vec![named("x")])).await.err(), Some(CallError::OutcomeUnknown));
    assert_eq!(reasons(&node).last().expect("a reason").0, "store_write");
    until(&node, |figures| figures.readiness.is_ready()).await;
    submit(&node, named("x")).await;
    node.shutdown().await;
}

#[tokio::test]
async fn another_owner_is_named_only_where_there_is_one() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    store.faults().usurp();
    assert_eq!(within(node.submit_tasks(vec![named("x")])).await.err(), Some(CallError::OutcomeUnknown));
    assert!(reasons(&node).iter().all(|(word, _)| *word != "store_write"), "{:?}", reasons(&node));
    submit(&node, named("x")).await;
    node.shutdown().await;
}
