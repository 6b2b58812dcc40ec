//! Coordinates: each node as near to the middle of its neighbours as the order of its layer allows.
//!
//! A layer is one problem of least squares under an order, solved exactly by pooling neighbours that want to pass each
//! other. Points of long edges weigh more than nodes, so that long edges run straight. A layer with more nodes than
//! [`Options::fold_above`] becomes a block of several columns.

use crate::Options;
use crate::rank::Children;
use crate::thread::Threaded;

/// Rounds of going down and up the layers.
const ROUNDS: usize = 4;
/// How much more than a node a point of an edge insists on its place.
const POINT_WEIGHT: i64 = 8;
/// Coordinates are computed in this fraction of a pixel.
const FRACTION: i64 = 256;

/// Left upper corners of nodes and points, and the size of it all.
pub(crate) struct Placed {
    pub(crate) x: Vec<i32>,
    pub(crate) y: Vec<i32>,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

impl Placed {
    /// The middle of a point of an edge.
    pub(crate) fn middle(&self, point: usize, options: &Options) -> [i32; 2] {
        [self.x[point] + options.node_width / 2, self.y[point] + options.node_height / 2]
    }
}

pub(crate) fn place(graph: &Threaded, layers: &[Vec<u32>], options: &Options) -> Placed {
    let count = graph.layer.len();
    let folded =
        |layer: &[u32]| layer.iter().filter(|node| (**node as usize) < graph.nodes).count() > options.fold_above;
    let mut y = vec![0_i64; count];
    let mut x = vec![0; count];
    let mut left = 0;
    for layer in layers {
        let columns = if folded(layer) { columns(layer.len(), options) } else { 1 };
        let rows = layer.len().div_ceil(columns);
        for (index, node) in layer.iter().enumerate() {
            let (column, row) = (index / rows, index % rows);
            x[*node as usize] = left + column as i32 * (options.node_width + options.gap_y);
            y[*node as usize] = (2 * row as i64 - rows as i64 + 1) * i64::from(pitch(options)) * FRACTION / 2;
        }
        left += columns as i32 * (options.node_width + options.gap_y) - options.gap_y + options.gap_x;
    }
    let links = Links::of(graph);
    let straight: Vec<bool> = layers.iter().map(|layer| !folded(layer)).collect();
    for _ in 0..ROUNDS {
        for (layer, _) in layers.iter().zip(&straight).skip(1).filter(|(_, straight)| **straight) {
            settle(layer, &links.up, &mut y, graph.nodes, options);
        }
        for (layer, _) in layers.iter().zip(&straight).rev().skip(1).filter(|(_, straight)| **straight) {
            settle(layer, &links.down, &mut y, graph.nodes, options);
        }
    }
    finish(x, &y, (left - options.gap_x).max(0), options)
}

/// Moves everything so that the uppermost stands at 0.
fn finish(x: Vec<i32>, y: &[i64], width: i32, options: &Options) -> Placed {
    let top = y.iter().min().copied().unwrap_or(0);
    let pixel = |y: &i64| i32::try_from((y - top).div_euclid(FRACTION)).unwrap_or(i32::MAX / 2);
    let y: Vec<i32> = y.iter().map(pixel).collect();
    let height = y.iter().max().map_or(0, |lowest| lowest + options.node_height);
    Placed { x, y, width, height }
}

/// Columns that make a block of this many nodes about as wide as it is high.
fn columns(nodes: usize, options: &Options) -> usize {
    let cell_width = f64::from(options.node_width + options.gap_y);
    let rows = (nodes as f64 * cell_width / f64::from(pitch(options))).sqrt().ceil() as usize;
    nodes.div_ceil(rows.max(1)).max(1)
}

fn pitch(options: &Options) -> i32 {
    options.node_height + options.gap_y
}

struct Links {
    up: Children,
    down: Children,
}

impl Links {
    fn of(graph: &Threaded) -> Self {
        let count = graph.layer.len();
        let flipped: Vec<_> = graph.short.iter().map(|[from, to]| [*to, *from]).collect();
        Self { up: Children::of(count, &flipped), down: Children::of(count, &graph.short) }
    }
}

/// Nodes that stand close together because they wanted to pass each other.
struct Pool {
    weight: i64,
    /// Sum of weight × wanted place.
    moment: i64,
    nodes: usize,
}

impl Pool {
    fn place(&self) -> i64 {
        self.moment.div_euclid(self.weight)
    }
}

/// Gives each node of a layer the place nearest to the mean of its neighbours that keeps order and distance.
fn settle(layer: &[u32], neighbours: &Children, y: &mut [i64], nodes: usize, options: &Options) {
    let is_point = |node: u32| node as usize >= nodes;
    let mut pools: Vec<Pool> = Vec::with_capacity(layer.len());
    let mut offsets = Vec::with_capacity(layer.len());
    let mut offset = 0;
    for (index, node) in layer.iter().enumerate() {
        if index > 0 {
            let thin = is_point(*node) && is_point(layer[index - 1]);
            let distance = if thin { pitch(options) / 2 } else { pitch(options) };
            offset += i64::from(distance) * FRACTION;
        }
        offsets.push(offset);
        let all = neighbours.get(*node as usize);
        let wanted = if all.is_empty() {
            y[*node as usize]
        } else {
            all.iter().map(|other| y[*other as usize]).sum::<i64>().div_euclid(all.len() as i64)
        };
        let weight = if is_point(*node) { POINT_WEIGHT } else { 1 };
        let mut pool = Pool { weight, moment: weight * (wanted - offset), nodes: 1 };
        while let Some(above) = pools.pop_if(|above| above.place() >= pool.place()) {
            let Pool { weight, moment, nodes } = above;
            pool = Pool { weight: weight + pool.weight, moment: moment + pool.moment, nodes: nodes + pool.nodes };
        }
        pools.push(pool);
    }
    let mut members = layer.iter().zip(&offsets);
    for pool in &pools {
        for (node, offset) in members.by_ref().take(pool.nodes) {
            y[*node as usize] = pool.place() + offset;
        }
    }
}
