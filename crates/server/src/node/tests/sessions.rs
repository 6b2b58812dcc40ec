//! The gateway: what a worker can rely on when calls are lost, repeated, reordered or cut off.

use mainspring_core::event::Order;
use mainspring_core::row::Directive;

use super::*;

#[tokio::test]
async fn a_task_reaches_a_waiting_worker_and_its_outcome_is_durable() {
    let node = start(&MemoryStore::new()).await;
    let mut worker = Worker::new("w", "s");
    let request = worker.request(4, 10_000);
    let (answer, submitted) = tokio::join!(worker.call(&node, request), submit(&node, task("{\"payload\":1}")));
    assert_eq!(answer.grants.len(), 1);
    let reply = answer.to_reply();
    assert_eq!(reply.grants[0].payload.as_ref().map(|payload| payload.get()), Some("1"));
    let token = answer.grants[0].token;
    assert_eq!(token.task, submitted.key);
    let mut request = worker.request(4, 0);
    request.outcomes.push(success(token));
    let answer = worker.call(&node, request).await;
    assert_eq!(answer.accepted, [token]);
    assert_eq!(status(&node, &submitted).await, TaskStatus::Completed);
    node.shutdown().await;
}

#[tokio::test]
async fn a_repeated_call_is_answered_alike() {
    let node = start(&MemoryStore::new()).await;
    let mut worker = Worker::new("w", "s");
    submit(&node, task("{}")).await;
    let request = worker.request(1, 10_000);
    let first = worker.call(&node, request.clone()).await;
    let again = worker.call(&node, request).await;
    assert_eq!(first.to_json(), again.to_json());
    assert_eq!(first.grants.len(), 1);
    node.shutdown().await;
}

#[tokio::test]
async fn a_grant_that_is_not_acknowledged_comes_again_with_the_same_token() {
    let node = start(&MemoryStore::new()).await;
    let mut worker = Worker::new("w", "s");
    submit(&node, task("{}")).await;
    let lost = worker.poll(&node, 1, 10_000).await;
    worker.ack = 0;
    let again = worker.poll(&node, 1, 10_000).await;
    assert_eq!(tokens(&lost), tokens(&again));
    assert_eq!(again.grants[0].attempt, 1);
    // Once acknowledged it does not come any more, and takes no credit twice.
    submit(&node, task("{}")).await;
    let next = worker.poll(&node, 1, 10_000).await;
    assert_eq!(next.grants.len(), 1);
    assert_ne!(tokens(&next), tokens(&again));
    node.shutdown().await;
}

#[tokio::test]
async fn a_running_attempt_is_not_granted_again_even_if_its_reply_was_not_acknowledged() {
    let node = start(&MemoryStore::new()).await;
    let mut worker = Worker::new("w", "s");
    submit(&node, task("{}")).await;
    let first = worker.poll(&node, 2, 10_000).await;
    worker.ack = 0;
    let mut request = worker.request(1, 0);
    request.running = vec![token::encode(first.grants[0].token)];
    let second = worker.call(&node, request).await;
    assert!(second.grants.is_empty() && second.stale.is_empty(), "{second:?}");
    node.shutdown().await;
}

#[tokio::test]
async fn an_outcome_that_is_sent_again_is_acknowledged_again() {
    let node = start(&MemoryStore::new()).await;
    let mut worker = Worker::new("w", "s");
    submit(&node, task("{}")).await;
    let token = worker.poll(&node, 1, 10_000).await.grants[0].token;
    for _ in 0..2 {
        let mut request = worker.request(0, 0);
        request.outcomes.push(success(token));
        let answer = worker.call(&node, request).await;
        assert_eq!((answer.accepted.as_slice(), answer.stale.as_slice()), ([token].as_slice(), [].as_slice()));
    }
    node.shutdown().await;
}

#[tokio::test]
async fn a_newer_call_ends_the_older_one_at_once() {
    let node = start(&MemoryStore::new()).await;
    let mut worker = Worker::new("w", "s");
    worker.poll(&node, 1, 0).await;
    let older = spawn_call(&node, worker.request(1, 30_000));
    until(&node, |figures| figures.calls == 1).await;
    let request = worker.request(1, 10_000);
    let (newer, _) = tokio::join!(worker.call(&node, request), submit(&node, task("{}")));
    let older = within(older).await.expect("no panic").expect("an answer");
    assert!(older.grants.is_empty());
    assert_eq!(newer.grants.len(), 1);
    node.shutdown().await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_granted_nothing() {
    let node = start(&MemoryStore::new()).await;
    let mut gone = Worker::new("gone", "s1");
    gone.poll(&node, 1, 0).await;
    let poll = node.exchange(gone.request(1, 30_000));
    assert!(tokio::time::timeout(Duration::from_millis(20), poll).await.is_err(), "nothing to be told");
    // Another session's call goes through the same mailbox: once it is answered, the hang-up has been taken in.
    let mut other = Worker::new("other", "s2");
    other.poll(&node, 2, 0).await;
    let both = node.submit_tasks(vec![task("{}"), task("{}")]);
    assert_eq!(within(both).await.expect("the node accepts").len(), 2);
    assert_eq!(other.poll(&node, 2, 10_000).await.grants.len(), 2);
    node.shutdown().await;
}

#[tokio::test]
async fn a_worker_whose_poll_has_ended_is_granted_nothing_until_it_calls_again() {
    let node = start(&MemoryStore::new()).await;
    let mut silent = Worker::new("silent", "s1");
    for wait_ms in [0, 20] {
        assert!(silent.poll(&node, 1, wait_ms).await.grants.is_empty());
        // Another session's call goes through the same mailbox: once it is answered, the places have been taken back.
        Worker::new("other", "s2").poll(&node, 0, 0).await;
        let submitted = submit(&node, task("{}")).await;
        assert_eq!(status(&node, &submitted).await, TaskStatus::Ready, "after a wait of {wait_ms} ms");
        let answer = silent.poll(&node, 1, 10_000).await;
        assert_eq!(answer.grants[0].token.task, submitted.key);
        let mut request = silent.request(1, 10_000);
        request.outcomes.push(success(answer.grants[0].token));
        request.capacity = 0;
        silent.call(&node, request).await;
    }
    node.shutdown().await;
}

#[tokio::test]
async fn a_new_session_of_a_worker_takes_its_work_over_at_once() {
    let node = start(&MemoryStore::new()).await;
    submit(&node, task("{}")).await;
    let mut old = Worker::new("w", "old");
    let first = old.poll(&node, 1, 10_000).await;
    assert_eq!(first.grants[0].attempt, 1);
    let mut new = Worker::new("w", "new");
    // The loss is followed by the retry's backoff; here it is drawn up to one second.
    let second = new.poll(&node, 1, 15_000).await;
    assert_eq!((second.grants.len(), second.grants[0].attempt), (1, 2));
    node.shutdown().await;
}

#[tokio::test]
async fn two_live_processes_with_one_worker_id_are_told_apart() {
    let node = start(&MemoryStore::new()).await;
    let (mut a, mut b) = (Worker::new("w", "a"), Worker::new("w", "b"));
    a.poll(&node, 1, 0).await;
    b.poll(&node, 1, 0).await;
    a.poll(&node, 1, 0).await;
    let refused = within(node.exchange(b.request(1, 0))).await;
    assert_eq!(refused.err(), Some(CallError::WorkerIdInUse("w".into())));
    a.poll(&node, 1, 0).await;
    node.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_leaves_hands_its_work_back_at_no_cost() {
    let node = start(&MemoryStore::new()).await;
    let submitted = submit(&node, task("{}")).await;
    let mut worker = Worker::new("w", "s");
    let grant = worker.poll(&node, 1, 10_000).await.grants[0].clone();
    let mut request = worker.request(0, 10_000);
    request.leaving = true;
    request.running = vec![token::encode(grant.token)];
    worker.call(&node, request).await;
    let mut next = Worker::new("w2", "s2");
    let answer = next.poll(&node, 1, 10_000).await;
    assert_eq!(answer.grants[0].token.task, submitted.key);
    let rows = node.reader().tasks_by_key(vec![submitted.key]).await.expect("the store reads");
    assert_eq!((rows[0].state.losses, rows[0].state.failures), (0, 0));
    node.shutdown().await;
}

#[tokio::test]
async fn a_cancel_ends_the_poll_of_the_worker_that_runs_the_task() {
    let node = start(&MemoryStore::new()).await;
    let submitted = submit(&node, task("{}")).await;
    let mut worker = Worker::new("w", "s");
    let token = worker.poll(&node, 1, 10_000).await.grants[0].token;
    let mut request = worker.request(0, 20_000);
    request.running = vec![token::encode(token)];
    let cancel = async { within(node.order("me".into(), Order::CancelTask(submitted.key))).await };
    let (answer, ordered) = tokio::join!(worker.call(&node, request), cancel);
    ordered.expect("the order is taken");
    assert!(answer.cancel == [token] || answer.stale == [token], "{answer:?}");
    node.shutdown().await;
}

#[tokio::test]
async fn a_changed_directive_ends_the_poll() {
    let node = start(&MemoryStore::new()).await;
    let mut worker = Worker::new("w", "s");
    worker.poll(&node, 1, 0).await;
    let request = worker.request(1, 20_000);
    let pause = Order::DirectWorker { worker: "w".into(), directive: Directive::Pause };
    let (answer, ordered) =
        tokio::join!(worker.call(&node, request), async { within(node.order("me".into(), pause)).await });
    ordered.expect("the order is taken");
    assert_eq!(answer.directive, Directive::Pause);
    node.shutdown().await;
}

#[tokio::test]
async fn a_body_too_large_to_be_kept_is_read_from_the_store() {
    let node = start(&MemoryStore::new()).await;
    let body = format!("{{\"payload\":\"{}\"}}", "x".repeat(100_000));
    submit(&node, task(&body)).await;
    let answer = Worker::new("w", "s").poll(&node, 1, 10_000).await;
    assert_eq!(answer.body(&answer.grants[0]), Some(body.as_str()));
    assert_eq!(answer.to_reply().grants[0].payload.as_ref().map(|payload| payload.get().len()), Some(100_002));
    node.shutdown().await;
}

#[tokio::test]
async fn text_that_is_no_token_is_stale() {
    let node = start(&MemoryStore::new()).await;
    let mut worker = Worker::new("w", "s");
    let mut request = worker.request(0, 10_000);
    request.running = vec!["nonsense\"".to_owned()];
    let answer = worker.call(&node, request).await;
    assert_eq!(answer.to_reply().stale, ["nonsense\""]);
    node.shutdown().await;
}

/// A call overtakes a grant whose commit is still under way.
#[tokio::test]
async fn a_place_is_not_offered_again_while_a_grant_for_it_is_under_way() {
    let (store, commits) = GatedStore::new();
    let node = within(Node::start(store, NodeConfig::default())).await.expect("the node starts");
    let mut worker = Worker::new("w", "s");
    let first = spawn_call(&node, worker.request(1, 20_000));
    commits.add_permits(1);
    until(&node, |figures| figures.calls == 1 && figures.commit == 1).await;
    let one = spawn_submit(&node);
    until(&node, |figures| figures.commit_rows.count() == 2).await;
    let second = spawn_call(&node, worker.request(1, 20_000));
    assert!(within(first).await.expect("no panic").expect("an answer").grants.is_empty());
    let two = spawn_submit(&node);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    until(&node, |figures| figures.mailbox_bytes == (0, 0)).await;
    commits.add_permits(1_000);
    let (one, two) = (within(one).await.expect("accepted"), within(two).await.expect("accepted"));
    let second = within(second).await.expect("no panic").expect("an answer");
    assert_eq!(tokens(&second).iter().map(|token| token.task).collect::<Vec<_>>(), [one.key]);
    let answer = Worker::new("other", "s2").poll(&node, 1, 10_000).await;
    assert_eq!(answer.grants[0].token.task, two.key);
    node.shutdown().await;
}

/// Submissions, calls and hang-ups race over a store that takes its time: no worker with one place ever holds two, and
/// every task is done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_never_granted_more_than_it_has_room_for() {
    const TASKS: usize = 300;
    let (store, commits) = GatedStore::new();
    let node = within(Node::start(store, NodeConfig::default())).await.expect("the node starts");
    let gate = tokio::spawn(async move {
        loop {
            commits.add_permits(1);
            tokio::task::yield_now().await;
        }
    });
    let submitter = tokio::spawn({
        let node = Arc::clone(&node);
        async move {
            for _ in 0..TASKS {
                submit(&node, task("{}")).await;
            }
        }
    });
    let (a, b) = (tokio::spawn(work(Arc::clone(&node), "a")), tokio::spawn(work(Arc::clone(&node), "b")));
    submitter.await.expect("every task is accepted");
    let done = within(a).await.expect("worker a holds at most one") + within(b).await.expect("and so does b");
    assert_eq!(done, TASKS);
    node.shutdown().await;
    gate.abort();
}

/// A worker with one place that cuts every third of its calls off; ends once nothing has come for a while.
async fn work(node: Arc<Node>, name: &str) -> usize {
    let mut worker = Worker::new(name, name);
    let mut held: Vec<Token> = Vec::new();
    let mut finished: Vec<Token> = Vec::new();
    let (mut done, mut idle) = (0, 0);
    while idle < 20 {
        if !worker.seq.is_multiple_of(4) {
            finished.append(&mut held);
        }
        let mut request = worker.request(1 - held.len() as u32, if held.is_empty() { 20 } else { 0 });
        request.running = held.iter().map(|token| token::encode(*token)).collect();
        request.outcomes = finished.iter().map(|token| success(*token)).collect();
        let answer = if worker.seq.is_multiple_of(3) {
            match tokio::time::timeout(Duration::from_micros(worker.seq * 37 % 900), node.exchange(request)).await {
                Ok(answer) => one(answer.expect("the node answers the exchange")),
                Err(_) => continue,
            }
        } else {
            worker.call(&node, request).await
        };
        worker.ack = worker.ack.max(answer.seq);
        assert!(answer.stale.is_empty(), "work was taken away: {answer:?}");
        done += answer.accepted.len();
        finished.retain(|token| !answer.accepted.contains(token));
        held.extend(tokens(&answer));
        assert!(held.len() <= 1, "two attempts in one place");
        idle = if held.is_empty() && finished.is_empty() { idle + 1 } else { 0 };
    }
    done
}
