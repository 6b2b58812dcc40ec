//! A job's graph as it is drawn: where each node stands, and many tasks as one node where there are too many.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Rfc3339;

/// How tasks are drawn together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Collapse {
    /// Each task is a node.
    #[default]
    None,
    /// The tasks of a `group` are one node; those without one by wave and type.
    Group,
    /// Tasks of one state and wave are one node, except failed and running ones.
    State,
}

/// A picture of a job's graph. Edges are pairs of indices into `nodes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphLayoutView {
    /// The job.
    pub job_id: String,
    /// How tasks were drawn together.
    pub collapse: Collapse,
    /// All tasks of the job.
    pub tasks: u32,
    /// Width and height of the picture, in pixels.
    pub size: [i32; 2],
    /// Width and height of a node.
    pub node_size: [i32; 2],
    /// The nodes.
    pub nodes: Vec<LaidOutNode>,
    /// `[parent, child]`, by index.
    pub edges: Vec<[u32; 2]>,
    /// Edges that are not straight.
    pub bends: Vec<BendView>,
    /// The nodes of the chain that takes the longest, by index.
    pub critical_path: Vec<u32>,
    /// Milliseconds that the attempts on the critical path took so far; 0 while none has ended.
    pub critical_ms: u64,
}

/// A task, or several drawn as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LaidOutNode {
    /// The task's id in the job; for several, a name to open them by (`expand`).
    pub id: String,
    /// What is written on it, if not its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its type; empty if several differ.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it stands; for several, the state that needs most attention.
    pub status: String,
    /// 0 for tasks without parents, else one more than the highest of its parents.
    pub wave: u32,
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// The number of its last attempt.
    pub attempt: u32,
    /// When its last attempt started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Rfc3339>,
    /// When it became terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Rfc3339>,
    /// The group it is shown in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Tasks by state, where it stands for several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<String, u32>,
}

/// The way of an edge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BendView {
    /// The edge, by index.
    pub edge: u32,
    /// `[x, y]` of each point it goes through, from the parent to the child.
    pub points: Vec<[i32; 2]>,
}
