//! `GET /api/v1/jobs/{jobId}/graph/layout`: the graph of a job as it is drawn. Computed off every thread that serves or
//! schedules. What never changes is kept for a few jobs (`graph_shape.rs`), so that a picture costs one pass over where the
//! tasks stand.

use std::sync::Arc;

use axum::http::StatusCode;
use mainspring_core::job::JobRow;
use mainspring_core::task::TaskStatus;
use mainspring_layout::{LayoutError, Options, critical_path};
use mainspring_protocol::time::Rfc3339;
use mainspring_protocol::view::{BendView, Collapse, GraphLayoutView, LaidOutNode};
use mainspring_store::TaskMark;

use super::address::job_id;
use super::call::{Answer, Call, Refused};
use super::graph_collapse::Folding;
use super::graph_shape::{Shape, by_index, shape_of};
use super::params::{bad, cut, did_you_mean};
use super::reply::{internal, json_bytes, not_read};
use super::route::{Param, Route};
use super::state::Api;

/// Tasks up to which each is a node of its own unless something else is asked for.
const NODES_MAX: usize = 12_000;
/// Tasks whose states are read at a time.
const MARKS_AT_ONCE: usize = 20_000;
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
    let shape = shape(&call.api, &job).await?;
    let by_size = if shape.tasks.len() <= NODES_MAX { Collapse::None } else { Collapse::Group };
    let how = wanted.unwrap_or(by_size);
    let _turn = call.api.shapes.turns.acquire().await.map_err(|error| internal(&error))?;
    let marks = marks(&call.api, &job).await?;
    let id = job_id(&job);
    let work = move || draw(id, &shape, &marks, how, &expand);
    let drawn = tokio::task::spawn_blocking(work).await;
    let bytes = drawn.map_err(|error| internal(&error))?.map_err(|error| internal(&error))?;
    Ok(json_bytes(StatusCode::OK, bytes))
}

/// What never changes of a job's graph: kept, or read now.
async fn shape(api: &Api, job: &JobRow) -> Result<Arc<Shape>, Refused> {
    let cell = api.shapes.cell(job.key, job.tasks as usize);
    let read = async || {
        let chunks = api.reader.chunks(job.key).await.map_err(not_read)?;
        shape_of(chunks).await.map_err(|error| internal(&error))
    };
    cell.get_or_try_init(read).await.map(Arc::clone)
}

/// Where the tasks of a job stand.
async fn marks(api: &Api, job: &JobRow) -> Result<Vec<TaskMark>, Refused> {
    let mut marks: Vec<TaskMark> = Vec::with_capacity(job.tasks as usize);
    loop {
        let from = marks.last().map_or(0, |last| last.index + 1);
        let more = api.reader.marks(job.key, from, MARKS_AT_ONCE).await.map_err(not_read)?;
        let is_last = more.len() < MARKS_AT_ONCE;
        marks.extend(more);
        if is_last {
            return Ok(marks);
        }
    }
}

/// The JSON of the picture.
fn draw(
    job_id: String,
    shape: &Shape,
    marks: &[TaskMark],
    how: Collapse,
    expand: &[String],
) -> Result<Vec<u8>, LayoutError> {
    let options = Options::default();
    let marks = by_index(shape.tasks.len(), marks);
    let folding;
    let layout;
    let (mut nodes, weights, edges, ranked_edges, at) = if how == Collapse::None {
        layout = shape.each(|| mainspring_layout::layout(shape.tasks.len(), &shape.edges, &options))?;
        let (nodes, weights) = each(shape, &marks);
        (nodes, weights, &shape.edges, &shape.edges, &*layout)
    } else {
        let fold = || Folding::of(shape, &marks, how, expand, &options);
        folding = if how == Collapse::Group { shape.folding(expand, fold)? } else { Arc::new(fold()?) };
        let (nodes, weights) = folding.nodes(shape, &marks);
        (nodes, weights, &folding.edges, &folding.ranked_edges, &folding.layout)
    };
    let worked = weights.iter().any(|weight| *weight > 0);
    // Before anything has run, the path of most tasks is the one to watch.
    let weights = if worked { weights } else { vec![1; nodes.len()] };
    let path = critical_path(nodes.len(), ranked_edges, &weights)?;
    for (node, (x, y)) in nodes.iter_mut().zip(at.x.iter().zip(&at.y)) {
        (node.x, node.y) = (*x, *y);
    }
    let view = GraphLayoutView {
        job_id,
        collapse: how,
        tasks: shape.tasks.len() as u32,
        size: [at.width, at.height],
        node_size: [options.node_width, options.node_height],
        nodes,
        edges: edges.clone(),
        bends: at.bends.iter().map(|bend| BendView { edge: bend.edge, points: bend.points.clone() }).collect(),
        critical_path: path.nodes,
        critical_ms: if worked { path.weight } else { 0 },
    };
    Ok(serde_json::to_vec(&view).expect("a view serializes"))
}

/// Every task as a node of its own, without a place, and how long each took.
fn each(shape: &Shape, marks: &[Option<TaskMark>]) -> (Vec<LaidOutNode>, Vec<u64>) {
    let node = |(index, mark): (usize, &Option<TaskMark>)| laid_out(shape, index, mark.as_ref());
    (marks.iter().enumerate().map(node).collect(), marks.iter().map(|mark| took_ms(mark.as_ref())).collect())
}

/// The state of a task; one without a row is pending.
pub(crate) fn status_of(mark: Option<&TaskMark>) -> TaskStatus {
    mark.map_or(TaskStatus::Pending, |mark| mark.status)
}

/// How long the last attempt of a task took, in milliseconds; 0 while it has not ended.
pub(crate) fn took_ms(mark: Option<&TaskMark>) -> u64 {
    mark.and_then(|mark| mark.started_at.zip(mark.ended_at)).map_or(0, |(start, end)| end.since(start))
}

/// A task as a node that has no place yet.
pub(crate) fn laid_out(shape: &Shape, index: usize, mark: Option<&TaskMark>) -> LaidOutNode {
    let task = &shape.tasks[index];
    LaidOutNode {
        id: task.name.to_string(),
        title: task.title.as_deref().map(str::to_owned),
        kind: shape.kinds[task.kind as usize].clone(),
        status: status_of(mark).word().to_owned(),
        wave: task.wave,
        attempt: mark.map_or(0, |mark| mark.attempt),
        start_time: mark.and_then(|mark| mark.started_at).map(Rfc3339),
        end_time: mark.and_then(|mark| mark.ended_at).map(Rfc3339),
        group: task.group.map(|group| shape.groups[group as usize].clone()),
        ..LaidOutNode::default()
    }
}
