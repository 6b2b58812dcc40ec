//! Where the tasks of a job stand when its graph is drawn: layers from left to right, few crossings, straight long edges.
//!
//! ```text
//! edges ──▶ rank: layer of each node ──▶ thread: points on long edges ──▶ order: fewer crossings ──▶ place: x and y
//! ```
//! Pure and deterministic: no clock, no randomness; the same graph gives the same picture on every machine. Work is bounded
//! by a budget of steps ([`Options::steps_max`]), so a huge graph gets a plainer picture, never a late one. A sweep costs
//! O((V+E) log V). The crate knows nothing of tasks: nodes are numbers.

mod contract;
mod order;
mod path;
mod place;
mod rank;
mod thread;

pub use contract::contract;
pub use path::{CriticalPath, critical_path};

/// An edge from the first node to the second.
pub type Edge = [u32; 2];

/// Measures and bounds of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Width of a node, in pixels.
    pub node_width: i32,
    /// Height of a node, in pixels.
    pub node_height: i32,
    /// Between two layers, in pixels.
    pub gap_x: i32,
    /// Between two nodes of a layer, in pixels.
    pub gap_y: i32,
    /// Nodes above which a layer is folded into several columns.
    pub fold_above: usize,
    /// Nodes and edges that crossing reduction may look at.
    pub steps_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { node_width: 184, node_height: 36, gap_x: 72, gap_y: 12, fold_above: 100, steps_max: 12_000_000 }
    }
}

/// A bent edge: the points it goes through between its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bend {
    /// The edge, by index.
    pub edge: u32,
    /// `[x, y]` of each point, from the parent to the child.
    pub points: Vec<[i32; 2]>,
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Left edge of each node.
    pub x: Vec<i32>,
    /// Top edge of each node.
    pub y: Vec<i32>,
    /// The layer of each node: 0 without parents, else one more than the highest of its parents.
    pub layer: Vec<u32>,
    /// Edges that are not straight lines.
    pub bends: Vec<Bend>,
    /// Right end of the picture.
    pub width: i32,
    /// Lower end of the picture.
    pub height: i32,
    /// Crossings between neighbouring layers that are left.
    pub crossings: u64,
}

/// Why a graph has no layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// An edge names a node that does not exist.
    #[error("the edge `{from}` to `{to}` leaves a graph of {nodes} nodes")]
    NoSuchNode {
        /// Its parent.
        from: u32,
        /// Its child.
        to: u32,
        /// How many nodes there are.
        nodes: usize,
    },
    /// The edges run in a circle.
    #[error("the edges run in a circle")]
    Cycle,
}

/// Lays a graph out.
///
/// # Errors
/// An edge leads nowhere, or the edges run in a circle.
pub fn layout(nodes: usize, edges: &[Edge], options: &Options) -> Result<Layout, LayoutError> {
    let rank = rank::rank(nodes, edges)?;
    let threaded = thread::thread(nodes, edges, &rank.layer, options.fold_above);
    let (layers, crossings) = order::order(&threaded, options.steps_max);
    let placed = place::place(&threaded, &layers, options);
    let mut bends = Vec::with_capacity(threaded.chains.len());
    for chain in &threaded.chains {
        let points = chain.points.clone().map(|point| placed.middle(point as usize, options)).collect();
        bends.push(Bend { edge: chain.edge, points });
    }
    let (mut x, mut y) = (placed.x, placed.y);
    x.truncate(nodes);
    y.truncate(nodes);
    Ok(Layout { x, y, layer: rank.layer, bends, width: placed.width, height: placed.height, crossings })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(nodes: usize, edges: &[Edge]) -> Layout {
        layout(nodes, edges, &Options::default()).expect("the graph has layers")
    }

    /// Nodes whose rectangles touch.
    fn overlaps(picture: &Layout) -> usize {
        let Options { node_width, node_height, .. } = Options::default();
        let at: Vec<(i32, i32)> = picture.x.iter().copied().zip(picture.y.iter().copied()).collect();
        let touch = |a: &(i32, i32), b: &(i32, i32)| (a.0 - b.0).abs() < node_width && (a.1 - b.1).abs() < node_height;
        at.iter().enumerate().map(|(index, a)| at[..index].iter().filter(|b| touch(a, b)).count()).sum()
    }

    #[test]
    fn a_chain_is_one_straight_line() {
        let picture = drawn(4, &[[0, 1], [1, 2], [2, 3]]);
        assert_eq!(picture.layer, [0, 1, 2, 3]);
        assert!(picture.y.iter().all(|y| *y == picture.y[0]), "{:?}", picture.y);
        assert!(picture.x.is_sorted() && picture.crossings == 0 && picture.bends.is_empty());
    }

    #[test]
    fn crossed_pairs_are_uncrossed() {
        // Two parents whose children were named in the wrong order.
        assert_eq!(drawn(4, &[[0, 3], [1, 2]]).crossings, 0);
        // A ladder turned upside down layer by layer.
        let edges: Vec<Edge> = (0..8).flat_map(|rung| [[rung, 15 - rung], [15 - rung, 16 + rung]]).collect();
        assert_eq!(drawn(24, &edges).crossings, 0);
    }

    #[test]
    fn sweeps_mend_what_the_first_order_crosses() {
        let edges = [[0, 3], [0, 5], [1, 4], [1, 3]];
        let unswept = Options { steps_max: 0, ..Options::default() };
        assert_eq!(layout(6, &edges, &unswept).expect("the graph has layers").crossings, 1);
        assert_eq!(drawn(6, &edges).crossings, 0);
    }

    #[test]
    fn an_edge_over_several_layers_goes_around_what_stands_between() {
        let picture = drawn(4, &[[0, 1], [1, 2], [2, 3], [0, 3]]);
        assert_eq!(picture.bends.len(), 1);
        let points = &picture.bends[0].points;
        assert_eq!((picture.bends[0].edge, points.len()), (3, 2));
        let half = Options::default().node_height / 2;
        for (point, node) in points.iter().zip([1, 2]) {
            assert!((point[1] - picture.y[node] - half).abs() > half, "the bend runs through node {node}");
        }
    }

    #[test]
    fn a_wide_layer_is_folded() {
        let edges: Vec<Edge> = (1..=10_000).map(|child| [0, child]).collect();
        let picture = drawn(10_001, &edges);
        assert!(picture.height < 20_000 && picture.width < 20_000, "{} × {}", picture.width, picture.height);
    }

    #[test]
    fn what_has_no_layers_is_refused() {
        let options = Options::default();
        assert_eq!(layout(2, &[[0, 1], [1, 0]], &options), Err(LayoutError::Cycle));
        assert_eq!(layout(1, &[[0, 0]], &options), Err(LayoutError::Cycle));
        assert_eq!(layout(1, &[[0, 1]], &options), Err(LayoutError::NoSuchNode { from: 0, to: 1, nodes: 1 }));
        assert_eq!(layout(0, &[], &options), Ok(Layout::default()));
    }

    #[test]
    fn no_budget_still_gives_a_picture() {
        let options = Options { steps_max: 0, ..Options::default() };
        let picture = layout(4, &[[0, 3], [1, 2]], &options).expect("the graph has layers");
        assert_eq!(overlaps(&picture), 0);
    }

    proptest! {
        #[test]
        fn every_acyclic_graph_is_drawn_without_overlaps(
            nodes in 1_usize..120, raw in prop::collection::vec((0_u32..120, 0_u32..120), 0..240)
        ) {
            let inside = |&(a, b): &(u32, u32)| a != b && (a.max(b) as usize) < nodes;
            let edges: Vec<Edge> = raw.iter().filter(|pair| inside(pair)).map(|&(a, b)| [a.min(b), a.max(b)]).collect();
            let picture = drawn(nodes, &edges);
            prop_assert_eq!(overlaps(&picture), 0);
            for [parent, child] in &edges {
                prop_assert!(picture.layer[*parent as usize] < picture.layer[*child as usize]);
                prop_assert!(picture.x[*parent as usize] < picture.x[*child as usize]);
            }
            let right = picture.x.iter().max().map_or(0, |x| x + Options::default().node_width);
            prop_assert!(picture.x.iter().chain(&picture.y).all(|at| *at >= 0) && right <= picture.width);
            prop_assert_eq!(drawn(nodes, &edges), picture, "the same graph, another picture");
        }
    }
}
