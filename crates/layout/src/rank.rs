//! Layers by the longest way from a node without parents: every edge leads to a higher layer.

use crate::{Edge, LayoutError};

/// The layers, and an order in which parents come before their children.
pub(crate) struct Rank {
    pub(crate) layer: Vec<u32>,
    pub(crate) order: Vec<u32>,
}

/// Children of each node, one after the other: those of `node` are `to[start[node]..start[node + 1]]`.
pub(crate) struct Children {
    pub(crate) start: Vec<usize>,
    pub(crate) to: Vec<u32>,
}

impl Children {
    pub(crate) fn of(nodes: usize, edges: &[Edge]) -> Self {
        let mut start = vec![0; nodes + 1];
        for [from, _] in edges {
            start[*from as usize + 1] += 1;
        }
        for node in 0..nodes {
            start[node + 1] += start[node];
        }
        let mut next = start.clone();
        let mut to = vec![0; edges.len()];
        for [from, child] in edges {
            to[next[*from as usize]] = *child;
            next[*from as usize] += 1;
        }
        Self { start, to }
    }

    pub(crate) fn get(&self, node: usize) -> &[u32] {
        &self.to[self.start[node]..self.start[node + 1]]
    }
}

pub(crate) fn rank(nodes: usize, edges: &[Edge]) -> Result<Rank, LayoutError> {
    if let Some([from, to]) = edges.iter().find(|[from, to]| *from.max(to) as usize >= nodes) {
        return Err(LayoutError::NoSuchNode { from: *from, to: *to, nodes });
    }
    let children = Children::of(nodes, edges);
    let mut parents_left = vec![0_u32; nodes];
    for [_, to] in edges {
        parents_left[*to as usize] += 1;
    }
    let mut layer = vec![0_u32; nodes];
    let mut order: Vec<u32> = (0..nodes as u32).filter(|node| parents_left[*node as usize] == 0).collect();
    let mut at = 0;
    while at < order.len() {
        let node = order[at] as usize;
        for child in children.get(node) {
            let child = *child as usize;
            layer[child] = layer[child].max(layer[node] + 1);
            parents_left[child] -= 1;
            if parents_left[child] == 0 {
                order.push(child as u32);
            }
        }
        at += 1;
    }
    if order.len() < nodes { Err(LayoutError::Cycle) } else { Ok(Rank { layer, order }) }
}
