//! A session for which another hub begins to speak: nothing that was on its way is lost, and nothing is offered twice.

use mainspring_core::id::Token;
use mainspring_node::gateway::Call;
use mainspring_store::ShardId;

use super::*;
use crate::node::convert;

/// A call of a hub to the shard.
fn hub_call(worker: &mut Worker, capacity: u32, wait_ms: u64, fresh: bool) -> Call {
    let mut call = convert::call(worker.request(capacity, wait_ms), 30_000).expect("it is a good call");
    (call.fresh, call.settle) = (fresh, capacity == 0);
    call
}

fn spawn_hub(node: &Arc<Node>, call: Call) -> tokio::task::JoinHandle<ExchangeAnswer> {
    let shared = node.cluster.local_shard(ShardId(0)).expect("it is served here");
    let reader = node.reader();
    tokio::spawn(async move { shared.exchange_here(call, &*reader).await.expect("the shard answers") })
}

#[tokio::test]
async fn a_grant_on_its_way_reaches_whoever_speaks_for_the_session_next() {
    let (store, commits) = GatedStore::new();
    let node = within(Node::start(store, NodeConfig::default())).await.expect("the node starts");
    commits.add_permits(1);
    submit(&node, task("{}")).await;
    let mut worker = Worker::new("w", "s");
    let first = spawn_hub(&node, hub_call(&mut worker, 1, 20_000, true));
    until(&node, |figures| figures.sessions == 1).await;
    // The grant's commit hangs; the next call comes from somewhere else, offers nothing, and waits until all is settled.
    let second = spawn_hub(&node, hub_call(&mut worker, 0, 20_000, true));
    let first = within(first).await.expect("it was superseded");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!second.is_finished(), "a grant is still on its way");
    commits.add_permits(100);
    let second = within(second).await.expect("it is answered");
    let granted: Vec<Token> = [tokens(&first), tokens(&second)].concat();
    assert_eq!((granted.len(), second.offered), (1, 0));
    node.shutdown().await;
}

#[tokio::test]
async fn a_call_that_offers_less_is_answered_once_no_more_can_come() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    let mut worker = Worker::new("w", "s");
    let waiting = spawn_hub(&node, hub_call(&mut worker, 3, 20_000, true));
    until(&node, |figures| figures.calls == 1).await;
    let mut call = hub_call(&mut worker, 2, 20_000, false);
    call.settle = true;
    let lowered = within(spawn_hub(&node, call)).await.expect("it is answered");
    assert_eq!((tokens(&lowered), lowered.offered), (vec![], 2));
    within(waiting).await.expect("it was superseded");
    node.shutdown().await;
}

#[tokio::test]
async fn a_place_counts_as_offered_until_the_shard_has_settled() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    let mut worker = Worker::new("w", "s");
    let waiting = spawn_hub(&node, hub_call(&mut worker, 3, 20_000, true));
    until(&node, |figures| figures.calls == 1).await;
    let lowered = within(spawn_hub(&node, hub_call(&mut worker, 0, 20_000, false))).await.expect("it is answered");
    assert_eq!(lowered.offered, 0);
    within(waiting).await.expect("it was superseded");
    submit(&node, task("{}")).await;
    let mut call = hub_call(&mut worker, 0, 100, false);
    call.settle = false;
    let nothing = within(spawn_hub(&node, call)).await.expect("it is answered");
    assert_eq!((tokens(&nothing), nothing.offered), (vec![], 0));
    node.shutdown().await;
}

#[tokio::test]
async fn whoever_speaks_next_is_not_answered_before_it_is_known_what_the_session_holds() {
    let (store, commits) = GatedStore::new();
    let node = within(Node::start(store, NodeConfig::default())).await.expect("the node starts");
    commits.add_permits(2);
    submit(&node, task("{}")).await;
    let mut worker = Worker::new("w", "s");
    let unread = within(spawn_hub(&node, hub_call(&mut worker, 1, 20_000, true))).await.expect("it is answered");
    // That answer got lost. The next call neither offers nor waits; the commit that grants again hangs.
    worker.ack = 0;
    let next = spawn_hub(&node, hub_call(&mut worker, 0, 0, true));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!next.is_finished(), "it is not known yet that a grant comes again");
    commits.add_permits(100);
    let next = within(next).await.expect("it is answered");
    assert_eq!((tokens(&next).len(), tokens(&next)), (1, tokens(&unread)));
    node.shutdown().await;
}
