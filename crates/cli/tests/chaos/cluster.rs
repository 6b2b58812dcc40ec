//! Two nodes on one store, a worker of each, and a client that repeats what was not answered.

use std::collections::{BTreeMap, BTreeSet};
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
pub(crate) fn submit(places: &[Place], path: &str, body: &Value, choose: impl FnMut() -> usize) -> Value {
    submit_with(places, path, "", body, choose)
}

/// The same with further header lines.
///
/// # Panics
/// As [`submit`].
pub(crate) fn submit_with(
    places: &[Place],
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

/// Who serves which shards as the node at this place sees it, itself first; `None` while one is nobody's, or without an answer.
fn owners(place: &Place) -> Option<Vec<BTreeSet<u16>>> {
    let view = place.try_call("GET", "/api/v1/cluster", None).ok()?.body;
    let (shards, me) = (view["shards"].as_array()?, view["nodeId"].as_str()?);
    let mut owners: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::from([(me, BTreeSet::new())]);
    for shard in shards {
        owners.entry(shard["nodeId"].as_str()?).or_default().insert(u16::try_from(shard["shard"].as_u64()?).ok()?);
    }
    let own = owners.remove(me)?;
    Some([own].into_iter().chain(owners.into_values()).collect())
}

/// Whether the node at this place serves every shard.
pub(crate) fn serves_all(place: &Place) -> bool {
    owners(place).is_some_and(|owners| owners.len() == 1 && owners[0].len() == usize::from(SHARDS))
}

/// What each of these nodes serves, once all shards are served by them alone, in equal parts but for one, and each sees it so.
fn even(places: &[&Place]) -> Option<Vec<BTreeSet<u16>>> {
    let each = usize::from(SHARDS) / places.len();
    let mut parts = Vec::new();
    for place in places {
        let mut seen = owners(place)?;
        let is_even = seen.iter().all(|part| (each..=each + 1).contains(&part.len()));
        if seen.len() != places.len() || !is_even {
            return None;
        }
        parts.push(seen.swap_remove(0));
    }
    let all: BTreeSet<u16> = parts.iter().flatten().copied().collect();
    (all.len() == usize::from(SHARDS)).then_some(parts)
}

/// Waits until these nodes serve all shards in equal parts, and say so; what each of them serves.
pub(crate) fn wait_until_even(places: &[&Place]) -> Vec<BTreeSet<u16>> {
    wait::until(60, "nodes that share the shards evenly", || even(places))
}

/// The same of two; what the second serves.
pub(crate) fn wait_until_shared(places: &[Place; 2]) -> BTreeSet<u16> {
    wait_until_even(&[&places[0], &places[1]]).swap_remove(1)
}
