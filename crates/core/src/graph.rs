//! A job's graph before it is submitted: validation that names every problem, and the stored topological order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use crate::id::{Key, Name};
use crate::job::{Flow, GraphChunk, GraphTask};
use crate::limits::{GRAPH_CHUNK_TASKS, JOB_EDGES_MAX, JOB_TASKS_MAX};
use crate::spec::{TaskSpec, Trigger};

/// A task of a job as it was submitted.
#[derive(Clone, Debug)]
pub struct DraftTask {
    /// Its id inside the job.
    pub name: Name,
    /// What it does.
    pub spec: Arc<TaskSpec>,
    /// When it may start.
    pub trigger: Trigger,
    /// Milliseconds it waits after its parents allow it.
    pub delay_ms: u64,
    /// Ids of the tasks that it waits for; a repeat counts once.
    pub needs: Vec<Name>,
    /// What else happens before its first attempt; `None`: nothing.
    pub flow: Option<Arc<Flow>>,
}

/// What is wrong with a graph, by the index of the task as submitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphProblem {
    /// No tasks.
    #[error("a job needs at least one task")]
    Empty,
    /// Too many tasks.
    #[error("the job has {tasks} tasks, the limit is {JOB_TASKS_MAX}")]
    TooManyTasks {
        /// How many.
        tasks: usize,
    },
    /// Too many edges.
    #[error("the job has {edges} dependencies, the limit is {JOB_EDGES_MAX}")]
    TooManyEdges {
        /// How many.
        edges: usize,
    },
    /// Two tasks of one id.
    #[error("the task id `{name}` is used more than once")]
    DuplicateTask {
        /// The second task's index.
        index: usize,
        /// The id.
        name: Name,
    },
    /// A task that waits for itself.
    #[error("the task `{name}` depends on itself")]
    SelfDependency {
        /// The task's index.
        index: usize,
        /// Its id.
        name: Name,
    },
    /// A dependency on a task that the job does not have.
    #[error("the task `{name}` depends on `{needs}`, which the job does not have")]
    UnknownDependency {
        /// The task's index.
        index: usize,
        /// Its id.
        name: Name,
        /// The id that is missing.
        needs: Name,
    },
    /// Tasks that wait for each other in a ring.
    #[error("the dependencies form a cycle: {}", path.join(" → "))]
    Cycle {
        /// Index of the first task of the path.
        index: usize,
        /// Ids along the ring, each waiting for the one before it; the first is repeated at the end.
        path: Vec<String>,
    },
}

impl GraphProblem {
    /// The index of the task it is about, if it is about one.
    pub fn task(&self) -> Option<usize> {
        match self {
            Self::Empty | Self::TooManyTasks { .. } | Self::TooManyEdges { .. } => None,
            Self::DuplicateTask { index, .. }
            | Self::SelfDependency { index, .. }
            | Self::UnknownDependency { index, .. }
            | Self::Cycle { index, .. } => Some(*index),
        }
    }
}

/// A valid graph, its tasks in topological order (as submitted, where the dependencies allow it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    tasks: Vec<GraphTask>,
}

impl Graph {
    /// Validates a job's tasks and puts them in order.
    ///
    /// # Errors
    /// Every problem, not just the first; of the cycles one.
    pub fn build(drafts: Vec<DraftTask>) -> Result<Self, Vec<GraphProblem>> {
        let mut problems = Vec::new();
        if drafts.is_empty() {
            return Err(vec![GraphProblem::Empty]);
        }
        if drafts.len() > JOB_TASKS_MAX {
            return Err(vec![GraphProblem::TooManyTasks { tasks: drafts.len() }]);
        }
        let parents = resolve(&drafts, &mut problems);
        let edges: usize = parents.iter().map(Vec::len).sum();
        if edges > JOB_EDGES_MAX {
            problems.push(GraphProblem::TooManyEdges { edges });
        }
        let children = invert(&parents);
        let order = topological_order(&parents, &children);
        if order.len() < drafts.len() {
            problems.push(find_cycle(&drafts, &parents, &order));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { tasks: reorder(drafts, &parents, &children, &order) })
    }

    /// A graph that was built before, from all of its chunks in order.
    pub fn of_chunks(chunks: Vec<GraphChunk>) -> Self {
        Self { tasks: chunks.into_iter().flat_map(|chunk| chunk.tasks).collect() }
    }

    /// The tasks, parents before children.
    pub fn tasks(&self) -> &[GraphTask] {
        &self.tasks
    }

    /// The chunks as they are stored for a job with this key.
    pub fn chunks(&self, job: Key) -> impl Iterator<Item = GraphChunk> + '_ {
        self.tasks.chunks(GRAPH_CHUNK_TASKS as usize).zip(0..).map(move |(tasks, number)| GraphChunk {
            job,
            number,
            tasks: tasks.to_vec(),
        })
    }
}

/// Indices of each task's parents, ascending and without repeats.
fn resolve(drafts: &[DraftTask], problems: &mut Vec<GraphProblem>) -> Vec<Vec<u32>> {
    let mut by_name: HashMap<&str, u32> = HashMap::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        if by_name.insert(&draft.name, index as u32).is_some() {
            problems.push(GraphProblem::DuplicateTask { index, name: draft.name.clone() });
        }
    }
    let mut all = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        let mut parents = Vec::with_capacity(draft.needs.len());
        for needs in &draft.needs {
            let name = draft.name.clone();
            if *needs == name {
                problems.push(GraphProblem::SelfDependency { index, name });
            } else if let Some(&parent) = by_name.get(&**needs) {
                parents.push(parent);
            } else {
                problems.push(GraphProblem::UnknownDependency { index, name, needs: needs.clone() });
            }
        }
        parents.sort_unstable();
        parents.dedup();
        all.push(parents);
    }
    all
}

fn invert(parents: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut children = vec![Vec::new(); parents.len()];
    for (child, parents) in parents.iter().enumerate() {
        for &parent in parents {
            children[parent as usize].push(child as u32);
        }
    }
    children
}

/// Kahn's algorithm, taking the earliest submitted of the tasks that are free. Shorter than the input if there is a cycle.
fn topological_order(parents: &[Vec<u32>], children: &[Vec<u32>]) -> Vec<u32> {
    let mut missing: Vec<u32> = parents.iter().map(|parents| parents.len() as u32).collect();
    let mut free: BinaryHeap<Reverse<u32>> = BinaryHeap::new();
    free.extend((0..).zip(&missing).filter(|(_, missing)| **missing == 0).map(|(index, _)| Reverse(index)));
    let mut order = Vec::with_capacity(parents.len());
    while let Some(Reverse(index)) = free.pop() {
        order.push(index);
        for &child in &children[index as usize] {
            missing[child as usize] -= 1;
            if missing[child as usize] == 0 {
                free.push(Reverse(child));
            }
        }
    }
    order
}

/// Walks from a task that never became free along parents that did not either, until one comes again.
fn find_cycle(drafts: &[DraftTask], parents: &[Vec<u32>], order: &[u32]) -> GraphProblem {
    let mut stuck = vec![true; drafts.len()];
    for &index in order {
        stuck[index as usize] = false;
    }
    let start = stuck.iter().position(|stuck| *stuck).expect("a task is missing from the order") as u32;
    let mut seen_at: BTreeMap<u32, usize> = BTreeMap::new();
    let mut walk = Vec::new();
    let mut here = start;
    while !seen_at.contains_key(&here) {
        seen_at.insert(here, walk.len());
        walk.push(here);
        here = *parents[here as usize]
            .iter()
            .find(|parent| stuck[**parent as usize])
            .expect("a stuck task has a stuck parent");
    }
    let mut ring = walk.split_off(seen_at[&here]);
    ring.reverse();
    ring.push(ring[0]);
    let path = ring.iter().map(|index| drafts[*index as usize].name.to_string()).collect();
    GraphProblem::Cycle { index: ring[0] as usize, path }
}

fn reorder(drafts: Vec<DraftTask>, parents: &[Vec<u32>], children: &[Vec<u32>], order: &[u32]) -> Vec<GraphTask> {
    let mut place = vec![0_u32; order.len()];
    for (new, old) in (0..).zip(order) {
        place[*old as usize] = new;
    }
    let moved = |indices: &[u32]| {
        let mut moved: Vec<u32> = indices.iter().map(|old| place[*old as usize]).collect();
        moved.sort_unstable();
        moved
    };
    let mut drafts: Vec<Option<DraftTask>> = drafts.into_iter().map(Some).collect();
    order
        .iter()
        .map(|old| {
            let draft = drafts[*old as usize].take().expect("each task stands in the order once");
            GraphTask {
                name: draft.name,
                spec: draft.spec,
                trigger: draft.trigger,
                delay_ms: draft.delay_ms,
                parents: moved(&parents[*old as usize]),
                children: moved(&children[*old as usize]),
                flow: draft.flow,
            }
        })
        .collect()
}
