//! The critical path: the chain of nodes whose weights add up to the most, which is what a run cannot be shorter than.

use crate::rank::rank;
use crate::{Edge, LayoutError};

/// The heaviest chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CriticalPath {
    /// Its nodes, from the first to the last.
    pub nodes: Vec<u32>,
    /// What their weights add up to.
    pub weight: u64,
}

/// Finds the heaviest chain in O(V+E). Of equal ones it takes the one through nodes of lower numbers. Nodes without a weight weigh 0.
///
/// # Errors
/// As [`crate::layout`].
pub fn critical_path(nodes: usize, edges: &[Edge], weights: &[u64]) -> Result<CriticalPath, LayoutError> {
    let order = rank(nodes, edges)?.order;
    let children = crate::rank::Children::of(nodes, edges);
    let own = |node: usize| weights.get(node).copied().unwrap_or(0);
    // The heaviest chain that starts at each node, and its second node.
    let mut best = vec![0_u64; nodes];
    let mut next: Vec<Option<u32>> = vec![None; nodes];
    for node in order.iter().rev().map(|node| *node as usize) {
        let heaviest = |a: &&u32, b: &&u32| best[**a as usize].cmp(&best[**b as usize]).then(b.cmp(a));
        next[node] = children.get(node).iter().max_by(heaviest).copied();
        best[node] = own(node).saturating_add(next[node].map_or(0, |child| best[child as usize]));
    }
    let start = (0..nodes).max_by(|a, b| best[*a].cmp(&best[*b]).then(b.cmp(a)));
    let weight = start.map_or(0, |node| best[node]);
    let nodes = std::iter::successors(start.map(|node| node as u32), |node| next[*node as usize]).collect();
    Ok(CriticalPath { nodes, weight })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_chain_wins_not_the_longest() {
        let edges = [[0, 1], [1, 2], [0, 3]];
        let found = critical_path(4, &edges, &[1, 1, 1, 50]).expect("has no circle");
        assert_eq!(found, CriticalPath { nodes: vec![0, 3], weight: 51 });
        let found = critical_path(4, &edges, &[1; 4]).expect("has no circle");
        assert_eq!(found, CriticalPath { nodes: vec![0, 1, 2], weight: 3 });
    }

    #[test]
    fn ties_go_to_lower_numbers_and_nothing_has_no_path() {
        assert_eq!(critical_path(4, &[[0, 2], [0, 1], [3, 2]], &[1; 4]).expect("has no circle").nodes, [0, 1]);
        assert_eq!(critical_path(0, &[], &[]), Ok(CriticalPath::default()));
        assert_eq!(critical_path(2, &[[0, 1], [1, 0]], &[]), Err(LayoutError::Cycle));
    }
}
