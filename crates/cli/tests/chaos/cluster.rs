//! Two nodes on one store, a worker of each, and a client that repeats what was not answered.

use std::collections::BTreeSet;
use std::path::Path;

use mainspring_core::id::Bucket;
use mainspring_store::ShardId;
use serde_json::Value;

use crate::http;
use crate::process::{Kind, Place};
use crate::wait::{self, Deadline};

/// What asks for a repeat.
const REPEAT: [&str; 4] = ["outcome_unknown", "store_unavailable", "overloaded", "stopping"];
/// Shards of a store that was made without a number.
pub(crate) const SHARDS: u16 = 16;

/// Where two nodes are served; the first has the database.
pub(crate) fn places(kind: Kind) -> [Place; 2] {
    let first = Place::on(kind);
    let second = Place::beside(&first);
    [first, second]
}

/// A script that adds `label attempt fence` to the witness, in one write.
pub(crate) fn witness_script(label: &str, witness: &Path, then: &str) -> String {
    format!("echo \"{label} $MAINSPRING_ATTEMPT $MAINSPRING_FENCE\" >> {}{then}", witness.display())
}

/// The shard of an id that the client chose.
pub(crate) fn shard_of(id: &str) -> u16 {
    ShardId::of(Bucket::of_text(id), SHARDS).0
}

/// Submits until it is acknowledged, each time to the place that `choose` names.
///
/// # Panics
/// If the answer is neither 2xx nor one that asks for a repeat, or if there is none in time.
pub(crate) fn submit(places: &[Place; 2], path: &str, body: &Value, choose: impl FnMut() -> usize) -> Value {
    submit_with(places, path, "", body, choose)
}

/// The same with further header lines.
///
/// # Panics
/// As [`submit`].
pub(crate) fn submit_with(
    places: &[Place; 2],
    path: &str,
    headers: &str,
    body: &Value,
    mut choose: impl FnMut() -> usize,
) -> Value {
    let deadline = Deadline::in_seconds(90);
    loop {
        match http::call_with(places[choose()].address, "POST", path, headers, Some(body)) {
            Ok(reply) if (200..300).contains(&reply.status) => return reply.body,
            Ok(reply) => {
                let known = REPEAT.iter().any(|code| reply.body["code"] == *code);
                assert!(reply.status == 503 && known, "{body} was refused: {}", reply.body);
            }
            // Refused, reset, or cut off: it may or may not have been taken.
            Err(_) => wait::pace(std::time::Duration::from_millis(20)),
        }
        assert!(!deadline.has_passed(), "{body} was not taken within 90 s");
    }
}

/// The shards that the node at this place serves, and whether it sees all others with one other node; `None` without an answer.
fn half(place: &Place) -> Option<BTreeSet<u16>> {
    let view = place.try_call("GET", "/api/v1/cluster", None).ok()?.body;
    let (shards, me) = (view["shards"].as_array()?, view["nodeId"].as_str()?);
    let owners: BTreeSet<&str> = shards.iter().filter_map(|shard| shard["nodeId"].as_str()).collect();
    let own = shards.iter().filter(|shard| shard["nodeId"] == me);
    let own = own.filter_map(|shard| u16::try_from(shard["shard"].as_u64()?).ok()).collect();
    (owners.len() == 2 && shards.iter().all(|shard| shard["nodeId"].is_string())).then_some(own)
}

/// Waits until each node serves half of the shards, and says so; the half of the second.
pub(crate) fn wait_until_shared(places: &[Place; 2]) -> BTreeSet<u16> {
    wait::until(60, "two nodes that share the shards", || {
        let (one, other) = (half(&places[0])?, half(&places[1])?);
        let size = usize::from(SHARDS / 2);
        (one.len() == size && other.len() == size && one.is_disjoint(&other)).then_some(other)
    })
}
