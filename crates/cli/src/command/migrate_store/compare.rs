//! Compares two stores: how many rows of each kind there are, and a hash over them that no order changes.

use std::collections::BTreeMap;

use super::pieces::Pieces;
use super::side::Side;
use crate::exit::Outcome;

/// By kind: how many, and the sum of their hashes.
pub(super) type Tally = BTreeMap<&'static str, (u64, u64)>;

/// Reads a whole store.
pub(super) async fn tally(side: &Side) -> Outcome<Tally> {
    let mut tally = Tally::new();
    let mut pieces = Pieces::new(side);
    while let Some(some) = pieces.next().await? {
        for piece in some {
            let (number, sum) = tally.entry(piece.kind()).or_default();
            *number += 1;
            *sum = sum.wrapping_add(piece.hash());
        }
    }
    // What a server would have in memory, and what would wait behind it: all that does not rest.
    let moving = side.loaded.iter().map(|loaded| {
        let behind = loaded.cold_ready.iter().map(|(_, number)| number).sum::<u64>() + loaded.cold_timers;
        loaded.tasks.len() as u64 + behind
    });
    tally.insert("of them moving", (moving.sum(), 0));
    Ok(tally)
}

/// Both tallies as a table.
pub(super) fn rows(from: &Tally, to: &Tally) -> Vec<Vec<String>> {
    let mut kinds: Vec<&str> = from.keys().chain(to.keys()).copied().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let row = |kind: &str| {
        let [from, to] = [from, to].map(|tally| tally.get(kind).copied().unwrap_or_default());
        let result = if from == to { "same" } else { "DIFFERENT" };
        let hash = |sum: u64| format!("{sum:016x}");
        vec![kind.to_owned(), from.0.to_string(), to.0.to_string(), hash(from.1), hash(to.1), result.to_owned()]
    };
    kinds.into_iter().map(row).collect()
}
