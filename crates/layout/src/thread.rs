//! Long edges become chains of short ones: a point in each layer that an edge crosses, so that crossing reduction sees it.
//!
//! Points cost as much as nodes. Short edges get theirs first; where the budget ends, edges stay straight and only pull.

use std::ops::Range;

use crate::Edge;

/// Points for each node or edge of the graph, at most.
const POINTS_PER_PART: usize = 4;

/// A long edge: its points in order, numbered behind the nodes.
pub(crate) struct Chain {
    pub(crate) edge: u32,
    pub(crate) points: Range<u32>,
}

/// A graph whose chained edges connect neighbouring layers only.
pub(crate) struct Threaded {
    /// Nodes of the graph; what is numbered above is a point.
    pub(crate) nodes: usize,
    /// The layer of each node and point.
    pub(crate) layer: Vec<u32>,
    /// Edges between neighbouring layers.
    pub(crate) short: Vec<Edge>,
    /// Edges over several layers that got no points.
    pub(crate) long: Vec<Edge>,
    pub(crate) chains: Vec<Chain>,
}

pub(crate) fn thread(nodes: usize, edges: &[Edge], node_layer: &[u32], fold_above: usize) -> Threaded {
    let span = |[from, to]: &Edge| (node_layer[*to as usize] - node_layer[*from as usize]) as usize;
    let longest = longest_threaded(edges.iter().map(span), POINTS_PER_PART * (nodes + edges.len()));
    let room = room(node_layer, fold_above);
    let mut layer = node_layer.to_vec();
    let (mut short, mut long, mut chains) = (Vec::with_capacity(edges.len()), Vec::new(), Vec::new());
    for (index, edge) in edges.iter().enumerate() {
        let [from, to] = *edge;
        let between = node_layer[from as usize] + 1..node_layer[to as usize];
        match span(edge) {
            0 | 1 => short.push(*edge),
            // A folded layer is a block without lanes for edges: they run behind it.
            span if span > longest || between.clone().any(|layer| !room[layer as usize]) => long.push(*edge),
            _ => {
                let first = layer.len() as u32;
                layer.extend(between);
                let points = first..layer.len() as u32;
                short.push([from, first]);
                short.extend(points.clone().skip(1).map(|point| [point - 1, point]));
                short.push([points.end - 1, to]);
                chains.push(Chain { edge: index as u32, points });
            }
        }
    }
    Threaded { nodes, layer, short, long, chains }
}

/// Whether each layer is small enough to stay one column.
fn room(layer: &[u32], fold_above: usize) -> Vec<bool> {
    let mut count = vec![0_usize; layer.iter().max().map_or(0, |last| *last as usize + 1)];
    for layer in layer {
        count[*layer as usize] += 1;
    }
    count.into_iter().map(|count| count <= fold_above).collect()
}

/// The largest span whose edges, and all shorter ones, get points within the budget.
fn longest_threaded(spans: impl Iterator<Item = usize>, budget: usize) -> usize {
    let mut of_span: Vec<usize> = Vec::new();
    for span in spans {
        if of_span.len() <= span {
            of_span.resize(span + 1, 0);
        }
        of_span[span] += 1;
    }
    let mut points = 0;
    for (span, count) in of_span.iter().enumerate() {
        points += count * span.saturating_sub(1);
        if points > budget {
            return span - 1;
        }
    }
    of_span.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stay_within_their_budget() {
        assert_eq!(longest_threaded([1, 1, 3, 9].into_iter(), 2), 8);
        assert_eq!(longest_threaded([1, 1, 3, 9].into_iter(), 1), 2);
        assert_eq!(longest_threaded([1, 2].into_iter(), 100), 3);
    }

    #[test]
    fn a_long_edge_becomes_a_chain() {
        let threaded = thread(3, &[[0, 1], [1, 2], [0, 2]], &[0, 1, 2], 10);
        assert_eq!(threaded.layer, [0, 1, 2, 1]);
        assert_eq!(threaded.short, [[0, 1], [1, 2], [0, 3], [3, 2]]);
        assert!(threaded.long.is_empty());
    }
}
