//! Follows the news of another node: which of its shards have work, and that something was committed there. One request
//! waits there at a time, and only while somebody here wants to know.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use mainspring_core::id::Name;
use mainspring_store::ShardId;

use super::Cluster;
use super::inside::{NEWS, News, NewsRequest};

/// How long a request waits for news.
const WAIT_MS: u64 = 5_000;
/// How long it may take beyond that.
const SLACK: Duration = Duration::from_secs(3);
/// Between two requests: a busy node has news all the time.
const PAUSE: Duration = Duration::from_millis(10);
/// Between two looks whether anybody wants to know, and after a failure.
const REST: Duration = Duration::from_millis(200);

/// Follows until it is aborted.
pub(super) async fn follow(cluster: Arc<Cluster>, address: Name) {
    let mut known = BTreeMap::new();
    let mut commits = BTreeMap::new();
    while !cluster.closing.is_cancelled() {
        let waiters = cluster.wakes.commits.receiver_count() > 0;
        let key = cluster.view().key.clone();
        let (Some(key), true) = (key, waiters || cluster.hub.sessions() > 0) else {
            // What was heard is out of date from here on.
            hear(&cluster, &std::mem::take(&mut commits), &BTreeMap::new());
            tokio::time::sleep(REST).await;
            continue;
        };
        let request =
            NewsRequest { demand: known.clone(), commits: waiters.then(|| commits.clone()), wait_ms: WAIT_MS };
        let body = serde_json::to_vec(&request).expect("a request is plain data");
        let within = Duration::from_millis(WAIT_MS) + SLACK;
        let answer = cluster.peers.call(&key, &address, NEWS, body, within).await;
        let news: Option<News> = answer.ok().and_then(|body| serde_json::from_slice(&body).ok());
        let Some(news) = news else {
            note(&cluster, &known, &BTreeMap::new());
            hear(&cluster, &commits, &BTreeMap::new());
            (known, commits) = (BTreeMap::new(), BTreeMap::new());
            tokio::time::sleep(REST).await;
            continue;
        };
        if news.demand != known {
            note(&cluster, &known, &news.demand);
            known = news.demand;
        }
        if news.commits != commits {
            hear(&cluster, &commits, &news.commits);
            commits = news.commits;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Writes on the board what a node says, in place of what it said before.
fn note(cluster: &Cluster, before: &BTreeMap<u16, u64>, now: &BTreeMap<u16, u64>) {
    let mut board = cluster.board.lock().unwrap_or_else(PoisonError::into_inner);
    for shard in before.keys() {
        board.remove(&ShardId(*shard));
    }
    board.extend(now.iter().map(|(shard, tasks)| (ShardId(*shard), *tasks)));
    drop(board);
    cluster.wakes.demands.send_modify(|demands| *demands = demands.wrapping_add(1));
}

/// Notes the newest commits of a node's shards, and wakes whoever reads what was committed.
fn hear(cluster: &Cluster, before: &BTreeMap<u16, u64>, now: &BTreeMap<u16, u64>) {
    if before == now {
        return;
    }
    let mut heads = cluster.heads.lock().unwrap_or_else(PoisonError::into_inner);
    for shard in before.keys() {
        heads.remove(&ShardId(*shard));
    }
    heads.extend(now.iter().map(|(shard, commit)| (ShardId(*shard), *commit)));
    drop(heads);
    cluster.wakes.commits.send_modify(|made| *made = made.wrapping_add(1));
}
