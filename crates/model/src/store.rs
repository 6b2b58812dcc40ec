//! The store: the rows of the real in-memory store, and one row that says who owns the shard.

use mainspring_core::row::{Changes, Snapshot};
use mainspring_store::State;

use crate::plant::Plant;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// What is written.
    pub rows: State,
    /// The epoch in force; grows with every acquire.
    pub epoch: u64,
    /// Which node acquired it last.
    pub holder: Option<usize>,
}

/// What a store answers to a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is durable.
    Applied,
    /// Somebody else owns the shard.
    Refused,
    /// It does not follow the last one: the writer's memory is not what is stored.
    Unfit,
}

impl Store {
    /// Compares the epoch and writes, in one step. `late`: its node has given it up.
    pub fn commit(&mut self, epoch: u64, changes: &Changes, late: bool, plant: Option<Plant>) -> Taken {
        let unchecked = plant == Some(Plant::NoEpochCheck) || late && plant == Some(Plant::LateCommitTaken);
        if epoch != self.epoch && !unchecked {
            return Taken::Refused;
        }
        match self.rows.apply(changes) {
            Ok(()) => Taken::Applied,
            Err(_) => Taken::Unfit,
        }
    }

    /// Makes this node the owner; gives what it must have in memory. Nothing of an earlier epoch can land any more.
    pub fn acquire(&mut self, node: usize, plant: Option<Plant>) -> (u64, Snapshot) {
        let again = plant == Some(Plant::ReloadWithoutEpoch) && self.holder == Some(node);
        if !again {
            self.epoch += 1;
        }
        self.holder = Some(node);
        let mut snapshot = Snapshot { incarnation: 1, ..self.rows.snapshot() };
        match plant {
            Some(Plant::LeaseNumberForgotten) => snapshot.high_water.lease = 0,
            Some(Plant::RunningNotLoaded) => snapshot.tasks.retain(|row| row.state.lease.is_none()),
            _ => {}
        }
        (self.epoch, snapshot)
    }
}
