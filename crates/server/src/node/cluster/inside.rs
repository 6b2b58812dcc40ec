//! The node's side of the internal API: what other nodes ask of the shards that are served here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mainspring_node::hub::Part;
use mainspring_protocol::exchange::ExchangeRequest;
use mainspring_store::ShardId;
use serde::{Deserialize, Serialize};

use super::Cluster;
use super::grants::{part_as_json, part_from_json};
use crate::node::peer::{Nonce, seal_answer};
use crate::node::wire::{read_answer, read_ask, read_loan, write_answer};
use crate::node::{CallError, convert};

/// The path under which nodes speak with each other.
pub(crate) const ROOT: &str = "/internal/v1/";
pub(super) const BEAT: &str = "/internal/v1/beat";
pub(super) const NEWS: &str = "/internal/v1/news";

pub(super) fn ask_path(shard: ShardId) -> String {
    format!("{ROOT}shards/{}/ask", shard.0)
}

pub(super) fn loan_path(shard: ShardId) -> String {
    format!("{ROOT}shards/{}/loan", shard.0)
}

pub(super) fn exchange_path(shard: ShardId) -> String {
    format!("{ROOT}shards/{}/exchange", shard.0)
}

/// A worker's call as one node passes it to another.
#[derive(Serialize, Deserialize)]
struct Passed<R> {
    request: R,
    fresh: bool,
    settle: bool,
}

pub(super) fn exchange_body(request: &ExchangeRequest, fresh: bool, settle: bool) -> Vec<u8> {
    serde_json::to_vec(&Passed { request, fresh, settle }).expect("a call is plain data")
}

/// Reads what [`Inside::exchange`] answered: a part, or why there is none.
pub(super) fn read_exchanged(body: &[u8]) -> Result<Part, CallError> {
    match body.split_first() {
        Some((b'+', part)) => part_from_json(part),
        Some((b'-', error)) => match read_answer(error) {
            Ok(Err(error)) => Err(error),
            _ => Err(CallError::Unavailable("another node answered what cannot be read".to_owned())),
        },
        _ => Err(CallError::Unavailable("another node answered nothing".to_owned())),
    }
}

/// What a node asks to hear: what has changed since it asked last.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewsRequest {
    /// Ready work by shard, as known.
    pub(super) demand: BTreeMap<u16, u64>,
    /// The newest commits by shard, as known; `None`: nobody waits for any.
    pub(super) commits: Option<BTreeMap<u16, u64>>,
    pub(super) wait_ms: u64,
}

/// The news of a node.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct News {
    pub(super) demand: BTreeMap<u16, u64>,
    pub(super) commits: BTreeMap<u16, u64>,
}

/// The answer to a call that is not let in.
#[derive(Debug)]
pub(crate) struct Turned {
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// The answer's seal, where the call can be answered under one.
    pub(crate) seal: Option<String>,
}

/// What the internal API may do with the node.
pub(crate) struct Inside(Arc<Cluster>);

impl Inside {
    pub(in crate::node) fn new(cluster: Arc<Cluster>) -> Self {
        Self(cluster)
    }

    /// Whether a call comes from a node of this cluster; gives what its answer is sealed with.
    ///
    /// # Errors
    /// What to answer it instead.
    pub(crate) fn admit(
        &self,
        method: &str,
        path: &str,
        headers: &axum::http::HeaderMap,
        body: &[u8],
    ) -> Result<([u8; 32], Nonce), Turned> {
        let Some(key) = self.0.view().key.as_deref().copied() else {
            return Err(Turned { status: 401, reason: "this node is part of no cluster".to_owned(), seal: None });
        };
        let now = self.0.config.clock.wall_ms();
        let admitted = self.0.door.admit(&key, method, path, headers, body, now);
        let nonce = admitted.map_err(|denied| {
            let (status, reason) = (denied.status(), denied.to_string());
            let seal = denied.nonce().map(|nonce| seal_answer(&key, nonce, status, reason.as_bytes()));
            Turned { status, reason, seal }
        })?;
        Ok((key, nonce))
    }

    /// The seal of an answer.
    pub(crate) fn seal(key: &[u8; 32], nonce: &Nonce, status: u16, body: &[u8]) -> String {
        seal_answer(key, nonce, status, body)
    }

    /// Answers a call of another node: status and body.
    pub(crate) async fn answer(&self, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        if path == BEAT {
            self.0.hurry.notify_one();
            return (200, Vec::new());
        }
        if path == NEWS {
            return match serde_json::from_slice(body) {
                Ok(request) => (200, self.news(request).await),
                Err(error) => (400, format!("not a request for news: {error}").into_bytes()),
            };
        }
        let rest = path.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix("shards/"));
        let parsed =
            rest.and_then(|rest| rest.split_once('/')).and_then(|(shard, verb)| Some((shard.parse().ok()?, verb)));
        match parsed {
            Some((shard, "ask")) => (200, self.ask(ShardId(shard), body).await),
            Some((shard, "loan")) => match read_loan(body) {
                Ok(message) => {
                    self.0.hear_of_loan(ShardId(shard), message);
                    (200, Vec::new())
                }
                Err(error) => (400, error.to_string().into_bytes()),
            },
            Some((shard, "exchange")) => (200, self.exchange(ShardId(shard), body).await),
            _ => (404, b"no such call".to_vec()),
        }
    }

    async fn ask(&self, shard: ShardId, body: &[u8]) -> Vec<u8> {
        let answer = match (read_ask(body), self.0.local_shard(shard)) {
            (Ok(ask), Some(shared)) => shared.ask(ask).await,
            (Ok(_), None) => Err(CallError::Stopped),
            (Err(error), _) => Err(CallError::Invalid(error.to_string())),
        };
        write_answer(&answer)
    }

    async fn exchange(&self, shard: ShardId, body: &[u8]) -> Vec<u8> {
        match self.exchanged(shard, body).await {
            Ok(part) => [b"+".as_slice(), &part].concat(),
            Err(error) => [b"-".as_slice(), &write_answer(&Err(error))].concat(),
        }
    }

    async fn exchanged(&self, shard: ShardId, body: &[u8]) -> Result<Vec<u8>, CallError> {
        let passed: Passed<ExchangeRequest> =
            serde_json::from_slice(body).map_err(|error| CallError::Invalid(error.to_string()))?;
        let shared = self.0.local_shard(shard).ok_or(CallError::Stopped)?;
        let mut call = convert::call(passed.request, self.0.config.wait_ms_max)?;
        (call.fresh, call.settle) = (passed.fresh, passed.settle);
        let answer = shared.exchange_here(call, &*self.0.reader).await?;
        Ok(part_as_json(&answer))
    }

    /// Waits until there are news, or long enough.
    async fn news(&self, request: NewsRequest) -> Vec<u8> {
        let (mut demands, mut commits) = (self.0.wakes.demands.subscribe(), self.0.wakes.afar.subscribe());
        let due = tokio::time::sleep(Duration::from_millis(request.wait_ms.min(self.0.config.wait_ms_max)));
        let mut due = std::pin::pin!(due);
        loop {
            commits.mark_unchanged();
            demands.mark_unchanged();
            let (demand, made) = (self.demand(), self.commits());
            let is_new = demand != request.demand || request.commits.as_ref().is_some_and(|known| *known != made);
            if is_new || due.is_elapsed() || self.0.closing.is_cancelled() {
                return serde_json::to_vec(&News { demand, commits: made }).expect("news are plain data");
            }
            tokio::select! {
                () = due.as_mut() => {}
                () = self.0.closing.cancelled() => {}
                _ = demands.changed() => {}
                _ = commits.changed(), if request.commits.is_some() => {}
            }
        }
    }

    fn commits(&self) -> BTreeMap<u16, u64> {
        let shards = self.0.local_shards();
        shards.iter().map(|shared| (shared.shard.0, shared.commit.load(Ordering::Relaxed))).collect()
    }

    fn demand(&self) -> BTreeMap<u16, u64> {
        let shards = self.0.local_shards();
        let left = shards.iter().map(|shared| (shared.shard.0, shared.demand.load(Ordering::Relaxed)));
        // To the power of two: small changes are no news.
        left.filter(|(_, left)| *left > 0).map(|(shard, left)| (shard, left.next_power_of_two())).collect()
    }
}
