//! The edges that are left where several nodes are drawn as one.

use crate::Edge;

/// The edges between what the nodes are drawn as: each once, in order, none from a node to itself. `drawn_as[n]` is what
/// node `n` is drawn as. Edges of nodes that it does not know are left out. O(E log E).
pub fn contract(edges: &[Edge], drawn_as: &[u32]) -> Vec<Edge> {
    let of = |node: u32| drawn_as.get(node as usize).copied();
    let mut left = Vec::with_capacity(edges.len());
    for [from, to] in edges {
        match (of(*from), of(*to)) {
            (Some(from), Some(to)) if from != to => left.push([from, to]),
            _ => {}
        }
    }
    left.sort_unstable();
    left.dedup();
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_inside_a_node_vanish_and_doubles_become_one() {
        let edges = [[0, 1], [0, 2], [1, 3], [2, 3], [3, 4], [9, 0]];
        assert_eq!(contract(&edges, &[0, 1, 1, 2, 2]), [[0, 1], [1, 2]]);
    }
}
