//! `mainspring plan`: the graph of a job file, its waves and its critical path, before anything runs.

use std::fmt::Write as _;

use mainspring_core::graph::Graph;
use mainspring_core::job::GraphTask;
use mainspring_protocol::flow::Logic;
use serde_json::{Value, json};

use crate::args::{Plan, PlanFormat};
use crate::command::definition;
use crate::exit::Outcome;
use crate::output::{line, span};

/// Prints the plan of each job of a file.
pub(crate) fn run(args: &Plan) -> Outcome {
    let jobs = definition::jobs(&args.file)?;
    if args.output == PlanFormat::Json {
        let plans: Vec<_> = jobs.iter().map(|job| document(&job.name, &job.graph)).collect();
        let document = if let [plan] = plans.as_slice() { plan.clone() } else { Value::Array(plans) };
        return line(&format!("{document:#}"));
    }
    for job in &jobs {
        line(&match args.output {
            PlanFormat::Dot => dot(&job.name, &job.graph),
            PlanFormat::Mermaid => mermaid(&job.graph),
            PlanFormat::Text | PlanFormat::Json => text(&job.name, &job.graph),
        })?;
    }
    Ok(())
}

/// The longest way from a root to each task, in edges: the wave in which it runs.
pub(crate) fn levels(tasks: &[GraphTask]) -> Vec<usize> {
    let mut levels = vec![0; tasks.len()];
    for (index, task) in tasks.iter().enumerate() {
        levels[index] = task.parents.iter().map(|parent| levels[*parent as usize] + 1).max().unwrap_or(0);
    }
    levels
}

/// Tasks by wave.
fn waves(tasks: &[GraphTask]) -> Vec<Vec<usize>> {
    let levels = levels(tasks);
    let mut waves = vec![Vec::new(); levels.iter().max().map_or(0, |last| last + 1)];
    for (index, level) in levels.into_iter().enumerate() {
        waves[level].push(index);
    }
    waves
}

/// The chain of tasks that the job cannot be faster than, and its length: in milliseconds of timeouts if every task has
/// one, otherwise in tasks.
struct CriticalPath {
    tasks: Vec<usize>,
    cost: u64,
    by_timeouts: bool,
}

fn critical_path(tasks: &[GraphTask]) -> CriticalPath {
    let by_timeouts = tasks.iter().all(|task| task.spec.policy.timeout_ms.is_some());
    let cost_of = |task: &GraphTask| if by_timeouts { task.spec.policy.timeout_ms.unwrap_or(0) } else { 1 };
    let mut best: Vec<(u64, Option<usize>)> = Vec::with_capacity(tasks.len());
    for task in tasks {
        let longest = task.parents.iter().map(|parent| (best[*parent as usize].0, *parent as usize)).max();
        best.push((
            longest.map_or(0, |(cost, _)| cost).saturating_add(cost_of(task)),
            longest.map(|(_, parent)| parent),
        ));
    }
    let mut here = (0..tasks.len()).max_by_key(|index| (best[*index].0, std::cmp::Reverse(*index)));
    let cost = here.map_or(0, |last| best[last].0);
    let mut path = Vec::new();
    while let Some(index) = here {
        path.push(index);
        here = best[index].1;
    }
    path.reverse();
    CriticalPath { tasks: path, cost, by_timeouts }
}

impl CriticalPath {
    fn length(&self) -> String {
        if self.by_timeouts { format!("at most {}", span(self.cost)) } else { format!("{} tasks", self.cost) }
    }
}

fn text(name: &str, graph: &Graph) -> String {
    let tasks = graph.tasks();
    let (waves, path) = (waves(tasks), critical_path(tasks));
    let edges: usize = tasks.iter().map(|task| task.parents.len()).sum();
    let mut text = format!("{name}: {} tasks, {edges} dependencies, {} waves\n", tasks.len(), waves.len());
    for (number, wave) in waves.iter().enumerate() {
        let _ = write!(text, "\nwave {}\n", number + 1);
        for index in wave {
            let task = &tasks[*index];
            let mark = if path.tasks.contains(index) { '◆' } else { '○' };
            let _ = write!(text, "  {mark} {}  [{}]{}", task.name, task.spec.kind, flow_words(task));
            if !task.parents.is_empty() {
                let _ = write!(text, "  ← {}", names(tasks, task.parents.iter().map(|parent| *parent as usize), ", "));
            }
            text.push('\n');
        }
    }
    let _ = write!(text, "\ncritical path ({}): {}", path.length(), names(tasks, path.tasks.iter().copied(), " → "));
    text
}

/// What is decided about a task when its turn comes.
fn logic(task: &GraphTask) -> Logic {
    task.flow.as_ref().and_then(|flow| Logic::from_text(&flow.logic).ok()).unwrap_or_default()
}

/// The same in words.
fn flow_words(task: &GraphTask) -> String {
    let logic = logic(task);
    let mut words = String::new();
    if let Some(job) = &logic.job {
        let _ = write!(words, "  job {job}");
    }
    if logic.for_each.is_some() {
        words.push_str("  for each item");
    }
    if let Some(condition) = &logic.condition {
        let _ = write!(words, "  if {condition}");
    }
    words
}

fn names(tasks: &[GraphTask], indices: impl Iterator<Item = usize>, between: &str) -> String {
    indices.map(|index| &*tasks[index].name).collect::<Vec<_>>().join(between)
}

fn document(name: &str, graph: &Graph) -> Value {
    let tasks = graph.tasks();
    let (levels, path) = (levels(tasks), critical_path(tasks));
    let name_of = |index: &usize| tasks[*index].name.to_string();
    let nodes: Vec<_> = tasks
        .iter()
        .zip(&levels)
        .map(|(task, level)| {
            let needs: Vec<_> = task.parents.iter().map(|parent| name_of(&(*parent as usize))).collect();
            let mut node = json!({"taskId": &*task.name, "type": &*task.spec.kind, "queue": &*task.spec.queue, "wave": level + 1, "needs": needs});
            let Logic { condition, for_each, job, .. } = logic(task);
            let later = [("if", condition.map(Value::from)), ("forEach", for_each), ("job", job.map(Value::from))];
            for (name, value) in later.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                node[name] = value;
            }
            node
        })
        .collect();
    let waves: Vec<Vec<String>> = waves(tasks).iter().map(|wave| wave.iter().map(name_of).collect()).collect();
    let mut critical = json!({"tasks": path.tasks.iter().map(name_of).collect::<Vec<_>>()});
    if path.by_timeouts {
        critical["timeoutMs"] = json!(path.cost);
    }
    json!({"job": name, "tasks": nodes, "waves": waves, "criticalPath": critical})
}

fn dot(name: &str, graph: &Graph) -> String {
    let tasks = graph.tasks();
    let critical = critical_path(tasks).tasks;
    // Graphviz reads JSON's escapes of quotes and backslashes as its own.
    let mut text = format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=rounded];\n", json!(name));
    for (index, task) in tasks.iter().enumerate() {
        let weight = if critical.contains(&index) { " [penwidth=2]" } else { "" };
        let _ = writeln!(text, "  {}{weight};", json!(&*task.name));
        for parent in &task.parents {
            let _ = writeln!(text, "  {} -> {};", json!(&*tasks[*parent as usize].name), json!(&*task.name));
        }
    }
    text.push('}');
    text
}

fn mermaid(graph: &Graph) -> String {
    let mut text = "flowchart LR".to_owned();
    for (index, task) in graph.tasks().iter().enumerate() {
        let _ = write!(text, "\n  t{index}[\"{}\"]", task.name);
        for parent in &task.parents {
            let _ = write!(text, "\n  t{parent} --> t{index}");
        }
    }
    text
}
