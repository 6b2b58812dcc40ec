//! `mainspring jobs graph`: a job's graph with the state of each task.

use std::fmt::Write as _;

use mainspring_core::task::TaskStatus;
use mainspring_protocol::view::{GraphNode, GraphView};
use serde_json::json;

use crate::args::{PlanFormat, Remote};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{icon, line};
use crate::remote;

pub(crate) async fn run(id: &str, server: &Remote, format: PlanFormat) -> Outcome {
    let client = remote::client(server)?;
    let job = remote::job(&client, id).await?;
    let graph = client.graph(&job.job_id).await?;
    line(&match format {
        PlanFormat::Text => text(&graph),
        PlanFormat::Dot => dot(&graph),
        PlanFormat::Mermaid => mermaid(&graph),
        PlanFormat::Json => serde_json::to_string_pretty(&graph)
            .map_err(|error| Failure::new(Exit::Failure, format!("cannot write the graph: {error}")))?,
    })
}

/// A node's state.
pub(crate) fn status(node: &GraphNode) -> TaskStatus {
    TaskStatus::from_word(&node.status).unwrap_or(TaskStatus::Pending)
}

fn parents(graph: &GraphView, child: usize) -> impl Iterator<Item = &GraphNode> {
    let edges = graph.edges.iter().filter(move |[_, end]| *end as usize == child);
    edges.filter_map(|[parent, _]| graph.nodes.get(*parent as usize))
}

fn text(graph: &GraphView) -> String {
    let mut text = graph.job_id.clone();
    let last = graph.nodes.iter().map(|node| node.wave).max().unwrap_or(0);
    for wave in 0..=last {
        let _ = write!(text, "\n\nwave {}", wave + 1);
        for (index, node) in graph.nodes.iter().enumerate().filter(|(_, node)| node.wave == wave) {
            let _ = write!(text, "\n  {} {}  {}", icon(status(node)), node.task_id, node.status);
            let parents: Vec<_> = parents(graph, index).map(|parent| parent.task_id.as_str()).collect();
            if !parents.is_empty() {
                let _ = write!(text, "  ← {}", parents.join(", "));
            }
        }
    }
    text
}

fn dot(graph: &GraphView) -> String {
    let mut text = format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=rounded];\n", json!(graph.job_id));
    for node in &graph.nodes {
        let label = format!("{} {}", icon(status(node)), node.task_id);
        let _ = writeln!(text, "  {} [label={}];", json!(node.task_id), json!(label));
    }
    for (parent, child) in edges(graph) {
        let _ = writeln!(text, "  {} -> {};", json!(parent.task_id), json!(child.task_id));
    }
    text.push('}');
    text
}

fn mermaid(graph: &GraphView) -> String {
    let mut text = "flowchart LR".to_owned();
    for (index, node) in graph.nodes.iter().enumerate() {
        let _ = write!(text, "\n  t{index}[\"{} {}\"]", icon(status(node)), node.task_id);
    }
    for [parent, child] in &graph.edges {
        let _ = write!(text, "\n  t{parent} --> t{child}");
    }
    text
}

fn edges(graph: &GraphView) -> impl Iterator<Item = (&GraphNode, &GraphNode)> {
    graph
        .edges
        .iter()
        .filter_map(|[parent, child]| Some((graph.nodes.get(*parent as usize)?, graph.nodes.get(*child as usize)?)))
}
