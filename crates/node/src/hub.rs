//! The hub of worker sessions: a worker speaks with one node, its tasks belong to many shards.
//!
//! One call of a worker becomes one call to each shard that it concerns: outcomes and renewals go to the shards of their
//! tasks, free places to shards that have work, the rest to one that stands by. The first news answers the worker; what
//! still waits is hung up, and its places are claimed until that shard has said that they are free.

mod seat;
mod turn;

use mainspring_store::ShardId;

pub use seat::{Begun, Held, Merged, Part, Seat, Standing};
pub use turn::{Around, Away, Brief, Next, Order, Turn};

/// Of so many turns one begins with the shards of other nodes: work here may be such that this worker cannot do it.
const ABROAD_EVERY: usize = 4;

/// Shards with ready work that nobody has room for: those of this node, then those of others, and now and then the other way
/// round; each from `rotation` on, so that each is first in its turn.
pub fn in_turn(mut here: Vec<(ShardId, u64)>, mut there: Vec<(ShardId, u64)>, rotation: usize) -> Vec<(ShardId, u64)> {
    // Each kind of turn counts by itself, or the two would step over the same shards again and again.
    let abroad = rotation / ABROAD_EVERY;
    let is_abroad = rotation % ABROAD_EVERY == ABROAD_EVERY - 1;
    let turn = if is_abroad { abroad } else { rotation - abroad };
    for shards in [&mut here, &mut there] {
        if !shards.is_empty() {
            let first = turn % shards.len();
            shards.rotate_left(first);
        }
    }
    if is_abroad {
        std::mem::swap(&mut here, &mut there);
    }
    here.append(&mut there);
    here
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_shard_with_work_is_first_in_its_turn_wherever_it_is() {
        let of = |shards: &[u16]| shards.iter().map(|shard| (ShardId(*shard), 5)).collect::<Vec<_>>();
        for (ours, others) in [(&[0, 1][..], &[2, 3][..]), (&[0, 1, 2, 3], &[4, 5, 6, 7]), (&[0], &[1, 2, 3])] {
            let first = |rotation| in_turn(of(ours), of(others), rotation)[0].0;
            let all = (0..64).map(first).collect::<BTreeSet<_>>().len();
            assert_eq!(all, ours.len() + others.len());
            assert!((0..3).all(|rotation| ours.contains(&first(rotation).0)), "ours come first as a rule");
        }
        assert_eq!(in_turn(of(&[]), of(&[]), 3), []);
    }
}
