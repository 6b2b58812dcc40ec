//! `GET /api/v1/jobs/{jobId}/graph/layout`: the graph of a job as it is drawn. Computed off every thread that serves or
//! schedules; positions of uncollapsed graphs are kept for a few jobs, since a job's graph never changes.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use mainspring_core::id::Key;
use mainspring_layout::{Layout, LayoutError, Options, critical_path, layout};
use mainspring_protocol::view::{BendView, Collapse, GraphLayoutView, GraphNode, GraphView, LaidOutNode};

use super::address::job_id;
use super::call::{Answer, Call};
use super::graph_collapse::{Drawn, collapse};
use super::job_details::parts;
use super::params::{bad, cut, did_you_mean};
use super::reply::{internal, json_bytes};
use super::route::{Param, Route};

/// Tasks up to which each is a node of its own unless something else is asked for.
const NODES_MAX: usize = 12_000;
/// Graphs whose layouts are kept.
const KEPT: usize = 8;
const PARAMS: [Param; 2] = [
    Param {
        name: "collapse",
        kind: "string",
        about: "How tasks are drawn together: `none`, `group` or `state`; by default `none` up to 12000 tasks, else `group`.",
    },
    Param { name: "expand", kind: "string", about: "Ids of collapsed nodes to open, with commas between them." },
];

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/v1/jobs/{jobId}/graph/layout",
            "getGraphLayout",
            "The graph of a job as it is drawn, with its critical path",
            |call| Box::pin(get(call)),
        )
        .query(&PARAMS)
        .gives::<GraphLayoutView>(),
    ]
}

/// Layouts of the graphs that were drawn last, newest first.
#[derive(Default)]
pub(crate) struct Layouts(Mutex<Vec<(Key, Arc<Layout>)>>);

impl Layouts {
    fn get(&self, job: Key) -> Option<Arc<Layout>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(key, _)| *key == job).map(|(_, layout)| Arc::clone(layout))
    }

    fn keep(&self, job: Key, layout: &Arc<Layout>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(key, _)| *key != job);
        kept.insert(0, (job, Arc::clone(layout)));
        kept.truncate(KEPT);
    }
}

async fn get(call: Call) -> Answer {
    let wanted = match call.params.text("collapse") {
        None => None,
        Some("none") => Some(Collapse::None),
        Some("group") => Some(Collapse::Group),
        Some("state") => Some(Collapse::State),
        Some(other) => {
            let hint = did_you_mean(other, ["none", "group", "state"].into_iter());
            return Err(bad("collapse", format!("`{}` is not a way to collapse", cut(other)), hint));
        }
    };
    let expand: Vec<String> = call.params.words("expand").map(str::to_owned).collect();
    let job = call.job().await?;
    let (chunks, rows) = parts(&call, &job).await?;
    let by_size = if job.tasks as usize <= NODES_MAX { Collapse::None } else { Collapse::Group };
    let how = wanted.unwrap_or(by_size);
    let kept = call.api.layouts.get(job.key).filter(|layout| layout.x.len() == job.tasks as usize);
    let id = job_id(&job);
    let work = move || draw(&GraphView::from_chunks(&id, &chunks, &rows), how, &expand, kept);
    let drawn = tokio::task::spawn_blocking(work).await;
    let (bytes, fresh) = drawn.map_err(|error| internal(&error))?.map_err(|error| internal(&error))?;
    if let Some(layout) = fresh {
        call.api.layouts.keep(job.key, &layout);
    }
    Ok(json_bytes(StatusCode::OK, bytes))
}

/// The JSON of the picture, and the layout if it is worth keeping.
fn draw(
    graph: &GraphView,
    how: Collapse,
    expand: &[String],
    kept: Option<Arc<Layout>>,
) -> Result<(Vec<u8>, Option<Arc<Layout>>), LayoutError> {
    let options = Options::default();
    let tasks = graph.nodes.len() as u32;
    let (drawn, at, fresh) = if how == Collapse::None {
        let at = match &kept {
            Some(kept) => Arc::clone(kept),
            None => Arc::new(layout(graph.nodes.len(), &graph.edges, &options)?),
        };
        let fresh = kept.is_none().then(|| Arc::clone(&at));
        (Drawn::each(graph), at, fresh)
    } else {
        let drawn = collapse(graph, how, expand);
        let at = Arc::new(layout(drawn.nodes.len(), &drawn.ranked_edges, &options)?);
        (drawn, at, None)
    };
    let weights: Vec<u64> = drawn.weights_ms.clone();
    let worked = weights.iter().any(|weight| *weight > 0);
    // Before anything has run, the path of most tasks is the one to watch.
    let weights = if worked { weights } else { vec![1; drawn.nodes.len()] };
    let path = critical_path(drawn.nodes.len(), &drawn.ranked_edges, &weights)?;
    let mut nodes = drawn.nodes;
    for (node, (x, y)) in nodes.iter_mut().zip(at.x.iter().zip(&at.y)) {
        (node.x, node.y) = (*x, *y);
    }
    let view = GraphLayoutView {
        job_id: graph.job_id.clone(),
        collapse: how,
        tasks,
        size: [at.width, at.height],
        node_size: [options.node_width, options.node_height],
        nodes,
        edges: drawn.edges,
        bends: at.bends.iter().map(|bend| BendView { edge: bend.edge, points: bend.points.clone() }).collect(),
        critical_path: path.nodes,
        critical_ms: if worked { path.weight } else { 0 },
    };
    Ok((serde_json::to_vec(&view).expect("a view serializes"), fresh))
}

/// How long the last attempt of a task took, in milliseconds; 0 while it has not ended.
pub(crate) fn took_ms(node: &GraphNode) -> u64 {
    match (node.start_time, node.end_time) {
        (Some(start), Some(end)) => end.0.since(start.0),
        _ => 0,
    }
}

impl Drawn {
    /// Every task as a node of its own.
    fn each(graph: &GraphView) -> Self {
        Self {
            nodes: graph.nodes.iter().map(laid_out).collect(),
            edges: graph.edges.clone(),
            ranked_edges: graph.edges.clone(),
            weights_ms: graph.nodes.iter().map(took_ms).collect(),
        }
    }
}

/// A task as a node that has no place yet.
pub(crate) fn laid_out(node: &GraphNode) -> LaidOutNode {
    LaidOutNode {
        id: node.task_id.clone(),
        title: node.task_name.clone(),
        kind: node.kind.clone(),
        status: node.status.clone(),
        wave: node.wave,
        attempt: node.attempt,
        start_time: node.start_time,
        end_time: node.end_time,
        group: node.group.clone(),
        ..LaidOutNode::default()
    }
}
