//! How the shards of a cluster are spread over several databases, each with a range of them.

use std::ops::Range;

/// A database among those over which the shards of a cluster are spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its place, from 0. The first also holds the settings.
    pub place: u16,
    /// How many databases there are.
    pub of: u16,
    /// What the first of them says, for the others: they are given it when they are made, and must agree later.
    pub cluster: Option<Cluster>,
}

impl Part {
    /// The shards that it holds, of so many in all.
    pub fn range(&self, shards: u16) -> Range<u16> {
        let first = |place: u16| (u32::from(place) * u32::from(shards) / u32::from(self.of)) as u16;
        first(self.place)..first(self.place + 1)
    }
}

impl Default for Part {
    fn default() -> Self {
        Self { place: 0, of: 1, cluster: None }
    }
}

/// What was settled when the first database of a cluster was made.
#[derive(Clone, PartialEq, Eq)]
pub struct Cluster {
    /// How many shards there are, in all databases together.
    pub shards: u16,
    /// The secret by which nodes know each other.
    pub key: [u8; 32],
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("shards", &self.shards).finish_non_exhaustive()
    }
}
