//! A job's graph with the state of its tasks.

use std::collections::HashMap;

use mainspring_core::job::GraphChunk;
use mainspring_core::row::TaskRow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::submit::trigger_word;
use crate::time::Rfc3339;

/// A job's graph: nodes in topological order, edges as pairs of their indices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphView {
    /// The job.
    pub job_id: String,
    /// The tasks, parents before children.
    pub nodes: Vec<GraphNode>,
    /// `[parent, child]`, by index.
    pub edges: Vec<[u32; 2]>,
}

/// A task of a graph.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphNode {
    /// Its id in the job.
    pub task_id: String,
    /// The human name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it stands.
    pub status: String,
    /// When it may start.
    pub trigger: String,
    /// 0 for tasks without parents, else one more than the highest of its parents.
    pub wave: u32,
    /// The number of its last attempt.
    pub attempt: u32,
    /// When its last attempt started.
    pub start_time: Option<Rfc3339>,
    /// When it became terminal.
    pub end_time: Option<Rfc3339>,
    /// The group it is shown in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl GraphView {
    /// Joins the stored graph with the rows of its tasks (in any order; a task without a row shows as `pending`).
    pub fn from_chunks(job_id: &str, chunks: &[GraphChunk], rows: &[TaskRow]) -> Self {
        let rows: HashMap<&str, &TaskRow> =
            rows.iter().filter_map(|row| row.given_id.as_deref().map(|name| (name, row))).collect();
        let mut view = Self { job_id: job_id.to_owned(), ..Self::default() };
        for task in chunks.iter().flat_map(|chunk| &chunk.tasks) {
            let child = view.nodes.len() as u32;
            let parents = task.parents.iter().filter_map(|parent| view.nodes.get(*parent as usize));
            let wave = parents.map(|parent| parent.wave + 1).max().unwrap_or(0);
            view.edges.extend(task.parents.iter().map(|parent| [*parent, child]));
            let row = rows.get(&*task.name);
            let last = row.and_then(|row| row.state.last.as_ref());
            view.nodes.push(GraphNode {
                task_id: task.name.to_string(),
                task_name: task.spec.title.as_deref().map(str::to_owned),
                kind: task.spec.kind.to_string(),
                status: row.map_or("pending", |row| row.state.status.word()).to_owned(),
                trigger: trigger_word(task.trigger).to_owned(),
                wave,
                attempt: row.map_or(0, |row| row.state.attempt),
                start_time: last.map(|attempt| Rfc3339(attempt.started_at)),
                end_time: row.and_then(|row| row.state.ended_at).map(Rfc3339),
                group: group_of(&task.spec.body),
            });
        }
        view
    }
}

/// The group that a task is shown in, by the body of its spec.
pub fn group_of(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Group {
        group: Option<String>,
    }
    // Most bodies have none; the search is far cheaper than the parse.
    if !body.contains("\"group\"") {
        return None;
    }
    serde_json::from_str::<Group>(body).ok()?.group
}
