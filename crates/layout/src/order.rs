//! The order of nodes within their layers: sweeps by barycentres, the best order kept, within a budget of steps.
//!
//! A sweep goes down or up the layers and sorts each by the mean position of its neighbours in the layer before:
//! O((V+E) log V). Every sum is an integer, so that the order is the same on every machine.

use crate::rank::Children;
use crate::thread::Threaded;

/// Sweeps without any gain before it gives up.
const PATIENCE: u32 = 4;
/// Fractions of a position that barycentres tell apart.
const FRACTION: u64 = 1 << 16;

/// The nodes and points of each layer in order, and the crossings that are left.
pub(crate) fn order(graph: &Threaded, steps_max: u64) -> (Vec<Vec<u32>>, u64) {
    let count = graph.layer.len();
    let down = Children::of(count, &graph.short);
    let flipped: Vec<_> = graph.short.iter().chain(&graph.long).map(|[from, to]| [*to, *from]).collect();
    let up = Children::of(count, &flipped);
    let mut layers = by_first_visit(graph, &down);
    let mut position = positions(&layers, count);
    let per_sweep = (count + graph.short.len() + graph.long.len()) as u64 * 2;
    let mut steps = per_sweep;
    let mut best = layers.clone();
    let mut fewest = crossings(&layers, &down, &position);
    let mut in_vain = 0;
    for sweep in 0_u32.. {
        steps += per_sweep;
        if fewest == 0 || in_vain == PATIENCE || steps > steps_max {
            break;
        }
        if sweep.is_multiple_of(2) {
            layers.iter_mut().skip(1).for_each(|layer| sort(layer, &up, &mut position));
        } else {
            layers.iter_mut().rev().skip(1).for_each(|layer| sort(layer, &down, &mut position));
        }
        let now = crossings(&layers, &down, &position);
        if now < fewest {
            fewest = now;
            best.clone_from(&layers);
            in_vain = 0;
        } else {
            in_vain += 1;
        }
    }
    (best, fewest)
}

/// Layers in the order of a walk from the first node down: what hangs together starts side by side.
fn by_first_visit(graph: &Threaded, down: &Children) -> Vec<Vec<u32>> {
    let count = graph.layer.len();
    let mut layers = vec![Vec::new(); graph.layer.iter().max().map_or(0, |last| *last as usize + 1)];
    let mut seen = vec![false; count];
    let mut stack = Vec::new();
    for root in 0..count as u32 {
        stack.push(root);
        while let Some(node) = stack.pop() {
            if std::mem::replace(&mut seen[node as usize], true) {
                continue;
            }
            layers[graph.layer[node as usize] as usize].push(node);
            stack.extend(down.get(node as usize).iter().rev().filter(|child| !seen[**child as usize]));
        }
    }
    layers
}

fn positions(layers: &[Vec<u32>], count: usize) -> Vec<u32> {
    let mut position = vec![0; count];
    for layer in layers {
        for (place, node) in (0..).zip(layer) {
            position[*node as usize] = place;
        }
    }
    position
}

/// Sorts a layer by the mean position of neighbours; who has none keeps its place as well as it can.
fn sort(layer: &mut Vec<u32>, neighbours: &Children, position: &mut [u32]) {
    let mean = |node: u32| {
        let all = neighbours.get(node as usize);
        if all.is_empty() {
            return u64::from(position[node as usize]) * FRACTION;
        }
        let sum: u64 = all.iter().map(|other| u64::from(position[*other as usize])).sum();
        sum * FRACTION / all.len() as u64
    };
    let mut keyed: Vec<(u64, u32, u32)> =
        layer.iter().map(|node| (mean(*node), position[*node as usize], *node)).collect();
    keyed.sort_unstable();
    layer.clear();
    layer.extend(keyed.iter().map(|(_, _, node)| *node));
    for (place, node) in (0..).zip(layer.iter()) {
        position[*node as usize] = place;
    }
}

/// Crossings between neighbouring layers, counted with a tree of sums: O(E log V).
fn crossings(layers: &[Vec<u32>], down: &Children, position: &[u32]) -> u64 {
    let mut total = 0;
    for pair in layers.windows(2) {
        let mut sums = Sums(vec![0; pair[1].len() + 1]);
        let mut passed = 0;
        for node in &pair[0] {
            let ends = down.get(*node as usize);
            // First all edges of a node are compared with those above it, then they join them: edges of one node never cross.
            total += ends.iter().map(|end| passed - sums.up_to(position[*end as usize])).sum::<u64>();
            ends.iter().for_each(|end| sums.add(position[*end as usize]));
            passed += ends.len() as u64;
        }
    }
    total
}

/// A Fenwick tree.
struct Sums(Vec<u64>);

impl Sums {
    fn add(&mut self, place: u32) {
        let mut at = place as usize + 1;
        while at < self.0.len() {
            self.0[at] += 1;
            at += at & at.wrapping_neg();
        }
    }

    /// How many were added at places up to this one.
    fn up_to(&self, place: u32) -> u64 {
        let mut at = place as usize + 1;
        let mut sum = 0;
        while at > 0 {
            sum += self.0[at];
            at -= at & at.wrapping_neg();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn crossings_are_counted_as_by_hand(ends in prop::collection::vec((0_u32..8, 0_u32..8), 0..30)) {
            let edges: Vec<_> = ends.iter().map(|(a, b)| [*a, b + 8]).collect();
            let layers = [(0..8).collect::<Vec<u32>>(), (8..16).collect()];
            let position = positions(&layers, 16);
            let cross = |a: &(u32, u32), b: &(u32, u32)| (a.0 < b.0 && a.1 > b.1) || (a.0 > b.0 && a.1 < b.1);
            let by_hand: usize =
                ends.iter().enumerate().map(|(i, a)| ends[..i].iter().filter(|b| cross(a, b)).count()).sum();
            prop_assert_eq!(crossings(&layers, &Children::of(16, &edges), &position), by_hand as u64);
        }
    }
}
