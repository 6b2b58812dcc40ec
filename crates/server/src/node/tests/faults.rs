//! What callers learn, and what survives, when the store or the core fails.

use mainspring_core::id::Key;
use mainspring_core::row::FeedPosition;
use mainspring_store::CommitFault;

use super::*;

const FAULTS: [CommitFault; 4] =
    [CommitFault::UnknownApplied, CommitFault::UnknownLost, CommitFault::UnknownLate, CommitFault::Rejected];

#[tokio::test]
async fn an_unknown_commit_is_said_to_be_unknown_and_nothing_acknowledged_is_lost() {
    for fault in FAULTS {
        let store = MemoryStore::new();
        let node = start(&store).await;
        let before = submit(&node, named("before")).await;
        store.faults().next_commit(fault);
        let unknown = within(node.submit_tasks(vec![named("x")])).await;
        assert_eq!(unknown.err(), Some(CallError::OutcomeUnknown), "{fault:?}");
        // Repeating it with the same id ends with exactly one task, whatever became of the first try.
        let first = submit(&node, named("x")).await;
        let again = submit(&node, named("x")).await;
        assert!(again.repeated && again.key == first.key, "{fault:?}");
        assert_eq!(
            first.repeated,
            matches!(fault, CommitFault::UnknownApplied | CommitFault::UnknownLate),
            "{fault:?}"
        );
        assert_eq!(status(&node, &before).await, TaskStatus::Ready);
        // A repeat writes nothing; a commit that succeeds makes the node ready again.
        submit(&node, named("after")).await;
        let figures = node.figures();
        assert!(figures.readiness.is_ready() && figures.reloads == 1 && figures.epochs[0].1 > 1, "{figures:?}");
        node.shutdown().await;
    }
}

#[tokio::test]
async fn an_outcome_whose_commit_is_unknown_is_taken_once_when_it_comes_again() {
    for fault in FAULTS {
        let store = MemoryStore::new();
        let node = start(&store).await;
        let submitted = submit(&node, task("{}")).await;
        let mut worker = Worker::new("w", "s");
        let token = worker.poll(&node, 1, 10_000).await.grants[0].token;
        let mut request = worker.request(1, 10_000);
        request.outcomes.push(success(token));
        store.faults().next_commit(fault);
        let unknown = within(node.exchange(request.clone())).await;
        assert_eq!(unknown.err(), Some(CallError::OutcomeUnknown), "{fault:?}");
        let answer = worker.call(&node, request).await;
        assert_eq!(answer.accepted, [token], "{fault:?}");
        assert_eq!(status(&node, &submitted).await, TaskStatus::Completed);
        let attempts = node.reader().attempts(submitted.key).await.expect("the store reads");
        assert_eq!(attempts.len(), 1);
        node.shutdown().await;
    }
}

#[tokio::test]
async fn a_grant_that_was_lost_with_the_core_comes_again_with_the_same_token() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    let mut worker = Worker::new("w", "s");
    submit(&node, task("{}")).await;
    let first = worker.poll(&node, 1, 10_000).await;
    // The reply is lost on its way; then the core is.
    worker.ack = 0;
    store.faults().next_commit(CommitFault::UnknownLost);
    assert_eq!(within(node.submit_tasks(vec![task("{}")])).await.err(), Some(CallError::OutcomeUnknown));
    let again = worker.poll(&node, 1, 10_000).await;
    assert_eq!(tokens(&first), tokens(&again));
    node.shutdown().await;
}

#[tokio::test]
async fn a_poll_that_waits_for_nothing_survives_a_reload() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    let mut worker = Worker::new("w", "s");
    worker.poll(&node, 1, 0).await;
    let poll = spawn_call(&node, worker.request(1, 30_000));
    until(&node, |figures| figures.calls == 1).await;
    store.faults().next_commit(CommitFault::UnknownLost);
    let _ = within(node.submit_tasks(vec![task("{}")])).await;
    // It ends, empty or with the grant whose commit was lost, or as unknown; its next call is served.
    let _ = within(poll).await.expect("no panic");
    submit(&node, task("{}")).await;
    assert_eq!(worker.poll(&node, 1, 10_000).await.grants.len(), 1);
    node.shutdown().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_loaded_makes_the_node_unready_until_it_can() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    store.faults().lock_out(true);
    store.faults().next_commit(CommitFault::UnknownLost);
    assert_eq!(within(node.submit_tasks(vec![named("x")])).await.err(), Some(CallError::OutcomeUnknown));
    let refused = within(node.submit_tasks(vec![named("x")])).await;
    assert!(matches!(refused, Err(CallError::Unavailable(_))), "{refused:?}");
    assert_eq!(node.readiness().reasons[0].0, "shard_loading");
    store.faults().lock_out(false);
    let mut tries = 0;
    while within(node.submit_tasks(vec![named("x")])).await.is_err() {
        tries += 1;
        assert!(tries < 1_000_000, "the node never came back");
        tokio::task::yield_now().await;
    }
    assert!(node.readiness().is_ready());
    node.shutdown().await;
}

#[tokio::test]
async fn a_store_that_somebody_else_owns_is_an_error_at_start() {
    let store = MemoryStore::new();
    store.faults().lock_out(true);
    let error = Node::start(Arc::new(store), NodeConfig::default()).await.expect_err("it cannot start");
    assert!(matches!(error, super::super::StartError::Store(Error::Conflict(_))), "{error:?}");
}

#[tokio::test]
async fn a_full_mailbox_refuses_submissions_and_still_takes_workers() {
    let (store, commits) = GatedStore::new();
    let config = NodeConfig { mailbox_bytes_max: 1_000, batch_events_max: 1, ..NodeConfig::default() };
    let node = within(Node::start(store, config)).await.expect("the node starts");
    let submitting: Vec<_> = (0..20)
        .map(|_| {
            let node = Arc::clone(&node);
            tokio::spawn(async move { node.submit_tasks(vec![task("{}")]).await })
        })
        .collect();
    let mut refused = 0;
    let mut pending = Vec::new();
    for submission in submitting {
        tokio::task::yield_now().await;
        if submission.is_finished() {
            let result = submission.await.expect("no panic");
            assert!(matches!(result, Err(CallError::Overloaded { retry_after_ms: 1.. })), "{result:?}");
            refused += 1;
        } else {
            pending.push(submission);
        }
    }
    assert!(refused > 0 && !pending.is_empty(), "{refused} of 20 were refused");
    let call = spawn_call(&node, Worker::new("w", "s").request(1, 0));
    commits.add_permits(1_000);
    for submission in pending {
        within(submission).await.expect("no panic").expect("what was taken in is accepted");
    }
    within(call).await.expect("no panic").expect("the worker is answered");
    node.shutdown().await;
}

#[tokio::test]
async fn nothing_is_acknowledged_before_its_commit_returned() {
    let (store, commits) = GatedStore::new();
    let node = within(Node::start(store, NodeConfig::default())).await.expect("the node starts");
    let mut worker = Worker::new("w", "s");
    let call = spawn_call(&node, worker.request(1, 20_000));
    let submission = spawn_submit(&node);
    until(&node, |figures| figures.commit_rows.count() > 0).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(!submission.is_finished(), "acknowledged before it was durable");
    commits.add_permits(1_000);
    within(submission).await.expect("accepted");
    assert_eq!(within(call).await.expect("no panic").expect("answered").grants.len(), 1);
    node.shutdown().await;
}

#[tokio::test]
async fn shutdown_makes_durable_what_was_taken_and_gives_the_shard_back() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    let mut worker = Worker::new("w", "s");
    worker.poll(&node, 1, 0).await;
    let poll = spawn_call(&node, worker.request(0, 30_000));
    until(&node, |figures| figures.calls == 1).await;
    let submitted = submit(&node, named("x")).await;
    within(node.shutdown()).await;
    let _ = within(poll).await.expect("the poll ends");
    assert_eq!(within(node.submit_tasks(vec![task("{}")])).await.err(), Some(CallError::Stopped));
    within(node.shutdown()).await;
    // Another node takes over without waiting, and finds the task.
    let next = start(&store).await;
    let again = submit(&next, named("x")).await;
    assert_eq!((again.key, again.repeated), (submitted.key, true));
    next.shutdown().await;
}

/// A store whose commits panic: stands for any broken assertion on the shard's thread.
struct BrokenStore(MemoryStore);

impl Store for BrokenStore {
    fn describe(&self) -> Description {
        self.0.describe()
    }

    fn acquire(&self, shard: ShardId, owner: Name, dead: Option<u64>) -> BoxFuture<Result<Fence, Error>> {
        self.0.acquire(shard, owner, dead)
    }

    fn release(&self, fence: Fence) -> BoxFuture<Result<(), Error>> {
        self.0.release(fence)
    }

    fn load(&self, fence: Fence) -> BoxFuture<Result<Snapshot, Error>> {
        self.0.load(fence)
    }

    fn commit(&self, _: Vec<ShardCommit>) -> BoxFuture<Vec<CommitAnswer>> {
        panic!("broken on purpose")
    }

    fn read(&self, fence: Fence, set: ReadSet) -> BoxFuture<Result<Rows, Error>> {
        self.0.read(fence, set)
    }

    fn prune(&self, fence: Fence, before: Timestamp, now: Timestamp, limit: usize) -> BoxFuture<Result<u64, Error>> {
        self.0.prune(fence, before, now, limit)
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.0.reader()
    }
}

#[tokio::test]
async fn a_panic_stops_the_shard_and_not_the_process() {
    let store: Arc<dyn Store> = Arc::new(BrokenStore(MemoryStore::new()));
    let node = within(Node::start(store, NodeConfig::default())).await.expect("the node starts");
    assert_eq!(within(node.submit_tasks(vec![task("{}")])).await.err(), Some(CallError::OutcomeUnknown));
    within(node.shutdown()).await;
    let reasons = node.readiness().reasons;
    assert_eq!(reasons[0].0, "shard_failed");
    assert!(reasons[0].1.contains("broken on purpose"), "{reasons:?}");
    assert_eq!(within(node.submit_tasks(vec![task("{}")])).await.err(), Some(CallError::Stopped));
}

#[tokio::test]
async fn a_bound_on_history_keeps_the_newest_of_what_has_ended() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    let live = submit(&node, NewTask { start: Start::After(3_600_000), ..named("live") }).await;
    let mut ended = Vec::new();
    let mut worker = Worker::new("w", "s");
    for name in ["a", "b", "c"] {
        ended.push(submit(&node, named(name)).await.key);
        let token = worker.poll(&node, 1, 10_000).await.grants[0].token;
        let mut request = worker.request(0, 0);
        request.outcomes.push(success(token));
        worker.call(&node, request).await;
        let ended_at = node.cluster.config.clock.wall_ms();
        while node.cluster.config.clock.wall_ms() <= ended_at {
            tokio::task::yield_now().await;
        }
    }
    super::super::retention::bound(&node.cluster, 3).await.expect("a look");
    assert_eq!(node.reader().tasks_by_key(ended.clone()).await.expect("the store reads").len(), 3);
    super::super::retention::bound(&node.cluster, 1).await.expect("a look");
    let keys = [live.key].into_iter().chain(ended.iter().copied()).collect();
    let left = node.reader().tasks_by_key(keys).await.expect("the store reads");
    assert_eq!(left.iter().map(|row| row.key).collect::<Vec<_>>(), [live.key, ended[2]]);
    let start = FeedPosition { commit: 0, index: 0 };
    let events = node.reader().feed(ShardId(0), start, 1_000).await.expect("the store reads");
    let about = |key: Key| events.items.iter().any(|(_, event)| event.task == Some(key));
    assert!(about(ended[2]) && !about(ended[0]), "events go with the tasks of their time");
    node.shutdown().await;
}

#[tokio::test]
async fn what_is_past_its_retention_is_deleted() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    let ended = submit(&node, named("ended")).await;
    let live = submit(&node, NewTask { start: Start::After(3_600_000), ..named("live") }).await;
    let mut worker = Worker::new("w", "s");
    let token = worker.poll(&node, 1, 10_000).await.grants[0].token;
    let mut request = worker.request(0, 0);
    request.outcomes.push(success(token));
    worker.call(&node, request).await;
    // Nothing is old enough for the default; everything that has ended is, for a retention of nothing.
    super::super::retention::sweep(&node.cluster, 86_400_000).await.expect("a sweep");
    assert_eq!(status(&node, &ended).await, TaskStatus::Completed);
    let ended_at = node.cluster.config.clock.wall_ms();
    while node.cluster.config.clock.wall_ms() <= ended_at {
        tokio::task::yield_now().await;
    }
    super::super::retention::sweep(&node.cluster, 0).await.expect("a sweep");
    let left = node.reader().tasks_by_key(vec![ended.key, live.key]).await.expect("the store reads");
    assert_eq!(left.iter().map(|row| row.key).collect::<Vec<_>>(), [live.key]);
    // Its id is free again.
    assert!(!submit(&node, named("ended")).await.repeated);
    node.shutdown().await;
}
