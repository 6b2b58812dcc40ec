//! Many tasks drawn as one node: by their `group`, or by their state. What is folded can be opened by the node's id.

use std::collections::{BTreeSet, HashMap};

use mainspring_protocol::view::{Collapse, GraphNode, GraphView, LaidOutNode};

use super::graph_layout::{laid_out, took_ms};

/// Stages into which the waves of a job are gathered: a chain of 100,000 tasks is not 100,000 nodes.
const STAGES_MAX: u32 = 60;
/// Tasks that stand alone although their neighbours are folded.
const ALONE_MAX: usize = 2_000;

/// States, the one that needs most attention first.
const BY_ATTENTION: [&str; 9] =
    ["failed", "running", "cancelled", "ready", "scheduled", "waiting", "pending", "completed", "skipped"];

/// What is laid out and shown.
pub(crate) struct Drawn {
    pub(crate) nodes: Vec<LaidOutNode>,
    pub(crate) edges: Vec<[u32; 2]>,
    /// The same edges, those that lead back turned round: folding can close circles.
    pub(crate) ranked_edges: Vec<[u32; 2]>,
    /// How long each took.
    pub(crate) weights_ms: Vec<u64>,
}

/// Folds a graph.
pub(crate) fn collapse(graph: &GraphView, how: Collapse, expand: &[String]) -> Drawn {
    let waves = graph.nodes.iter().map(|node| node.wave + 1).max().unwrap_or(1);
    let mut alone = 0;
    let mut places: HashMap<String, u32> = HashMap::new();
    let mut folds: Vec<Fold> = Vec::new();
    let mut of_node = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let name = name(node, how, waves).filter(|name| !expand.contains(name));
        let name = name.or_else(|| (alone >= ALONE_MAX).then(|| stage_name(node, waves)));
        let place = match name {
            Some(name) => *places.entry(name.clone()).or_insert_with(|| {
                folds.push(Fold { name, members: Vec::new() });
                folds.len() as u32 - 1
            }),
            None => {
                alone += 1;
                folds.push(Fold { name: String::new(), members: Vec::new() });
                folds.len() as u32 - 1
            }
        };
        folds[place as usize].members.push(node);
        of_node.push(place);
    }
    let between = |[from, to]: &[u32; 2]| {
        let edge = [of_node[*from as usize], of_node[*to as usize]];
        (edge[0] != edge[1]).then_some(edge)
    };
    let edges: BTreeSet<[u32; 2]> = graph.edges.iter().filter_map(between).collect();
    let edges: Vec<[u32; 2]> = edges.into_iter().collect();
    // A fold ranks as its first member does; members come parents first, so this order has no circle.
    let ranked_edges = edges.iter().map(|[from, to]| [*from.min(to), *from.max(to)]).collect();
    let weights_ms =
        folds.iter().map(|fold| fold.members.iter().map(|node| took_ms(node)).max().unwrap_or(0)).collect();
    Drawn { nodes: folds.iter().map(Fold::drawn).collect(), edges, ranked_edges, weights_ms }
}

/// The node that a task is folded into; `None`: it stands alone.
fn name(node: &GraphNode, how: Collapse, waves: u32) -> Option<String> {
    match (how, &node.group) {
        (Collapse::None, _) => None,
        (Collapse::Group, Some(group)) => Some(format!("group:{group}")),
        (Collapse::Group, None) => Some(stage_name(node, waves)),
        (Collapse::State, _) if matches!(node.status.as_str(), "failed" | "running") => None,
        (Collapse::State, _) => Some(format!("{}:{}", node.status, stage(node, waves))),
    }
}

fn stage_name(node: &GraphNode, waves: u32) -> String {
    format!("stage:{}:{}", stage(node, waves), node.kind)
}

/// The stage of a task: its wave, or where there are many, the piece of all waves that it is in.
fn stage(node: &GraphNode, waves: u32) -> u32 {
    if waves <= STAGES_MAX {
        node.wave
    } else {
        (u64::from(node.wave) * u64::from(STAGES_MAX) / u64::from(waves)) as u32
    }
}

/// Tasks drawn as one.
struct Fold<'a> {
    /// Empty for a task that stands alone.
    name: String,
    members: Vec<&'a GraphNode>,
}

impl Fold<'_> {
    fn drawn(&self) -> LaidOutNode {
        let [first, ..] = self.members.as_slice() else { return LaidOutNode::default() };
        if self.members.len() == 1 {
            return laid_out(first);
        }
        let mut view = LaidOutNode { id: self.name.clone(), wave: first.wave, ..LaidOutNode::default() };
        for node in &self.members {
            *view.states.entry(node.status.clone()).or_default() += 1;
        }
        let same_kind = self.members.iter().all(|node| node.kind == first.kind);
        view.kind = if same_kind { first.kind.clone() } else { String::new() };
        let same_group = self.members.iter().all(|node| node.group == first.group);
        view.group = first.group.clone().filter(|_| same_group);
        view.title = Some(match (&view.group, self.name.split(':').next()) {
            (Some(group), Some("group")) => group.clone(),
            (_, Some("stage")) => format!("{} in wave {}", first.kind, first.wave),
            (_, state) => format!("{} in wave {}", state.unwrap_or(""), first.wave),
        });
        let worst = BY_ATTENTION.into_iter().find(|state| view.states.contains_key(*state));
        view.status = worst.unwrap_or("pending").to_owned();
        view.start_time = self.members.iter().filter_map(|node| node.start_time).min();
        // Some have not ended: the whole has not.
        let ends: Option<Vec<_>> = self.members.iter().map(|node| node.end_time).collect();
        view.end_time = ends.and_then(|ends| ends.into_iter().max());
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u32, wave: u32, group: Option<&str>, status: &str) -> GraphNode {
        GraphNode {
            task_id: format!("t{id}"),
            kind: "noop".to_owned(),
            status: status.to_owned(),
            wave,
            group: group.map(str::to_owned),
            ..GraphNode::default()
        }
    }

    fn graph(nodes: Vec<GraphNode>, edges: &[[u32; 2]]) -> GraphView {
        GraphView { job_id: "j".to_owned(), nodes, edges: edges.to_vec() }
    }

    #[test]
    fn a_group_is_one_node_that_counts_its_states() {
        let nodes = vec![
            node(0, 0, None, "completed"),
            node(1, 1, Some("etl"), "failed"),
            node(2, 1, Some("etl"), "completed"),
            node(3, 2, None, "pending"),
        ];
        let graph = graph(nodes, &[[0, 1], [0, 2], [1, 3], [2, 3]]);
        let drawn = collapse(&graph, Collapse::Group, &[]);
        assert_eq!(drawn.nodes.iter().map(|node| node.id.as_str()).collect::<Vec<_>>(), ["t0", "group:etl", "t3"]);
        assert_eq!((drawn.nodes[1].status.as_str(), drawn.nodes[1].states["completed"]), ("failed", 1));
        assert_eq!(drawn.edges, [[0, 1], [1, 2]]);
        let opened = collapse(&graph, Collapse::Group, &["group:etl".to_owned()]);
        assert_eq!(opened.nodes.len(), 4);
    }

    #[test]
    fn a_fold_that_closes_a_circle_still_ranks() {
        let nodes = vec![node(0, 0, Some("g"), "ready"), node(1, 1, None, "ready"), node(2, 2, Some("g"), "ready")];
        let drawn = collapse(&graph(nodes, &[[0, 1], [1, 2]]), Collapse::Group, &[]);
        assert_eq!((drawn.edges, drawn.ranked_edges), (vec![[0, 1], [1, 0]], vec![[0, 1], [0, 1]]));
    }

    #[test]
    fn failed_and_running_tasks_stand_alone_among_folded_states() {
        let statuses = ["completed", "completed", "failed", "running", "pending", "pending"];
        let nodes = (0..).zip(statuses).map(|(id, status)| node(id, 0, None, status)).collect();
        let drawn = collapse(&graph(nodes, &[]), Collapse::State, &[]);
        let ids: Vec<&str> = drawn.nodes.iter().map(|node| node.id.as_str()).collect();
        assert_eq!(ids, ["completed:0", "t2", "t3", "pending:0"]);
    }

    #[test]
    fn a_long_chain_becomes_few_stages() {
        let nodes = (0..10_000).map(|id| node(id, id, None, "pending")).collect();
        assert_eq!(collapse(&graph(nodes, &[]), Collapse::Group, &[]).nodes.len(), STAGES_MAX as usize);
    }
}
