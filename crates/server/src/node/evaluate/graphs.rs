//! Graphs of jobs with their compiled expressions, the ones used last: a graph never changes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphChunk, GraphTask};
use mainspring_protocol::flow::Plan;
use mainspring_store::{Error, Reader};

/// Bytes of graphs that are kept, about. The newest is kept whatever it has.
const KEPT_BYTES: usize = 64 << 20;
/// Bytes that a task is taken to have beside its texts.
const TASK_BYTES: usize = 400;

/// A graph, and what is computed from it once.
pub(super) struct JobGraph {
    pub(super) tasks: Vec<GraphTask>,
    by_name: HashMap<Name, u32>,
    plans: Vec<OnceLock<Result<Plan, String>>>,
}

impl JobGraph {
    fn of(chunks: Vec<GraphChunk>) -> Self {
        let tasks: Vec<GraphTask> = chunks.into_iter().flat_map(|chunk| chunk.tasks).collect();
        let by_name = tasks.iter().zip(0..).map(|(task, index)| (task.name.clone(), index)).collect();
        let plans = tasks.iter().map(|_| OnceLock::new()).collect();
        Self { tasks, by_name, plans }
    }

    /// The expressions of a task; `None` for a task that has none, or is none.
    pub(super) fn plan(&self, index: u32) -> Option<Result<&Plan, &String>> {
        let flow = self.tasks.get(index as usize)?.flow.as_ref()?;
        Some(self.plans[index as usize].get_or_init(|| Plan::compile(&flow.logic)).as_ref())
    }

    pub(super) fn index_of(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    fn bytes(&self) -> usize {
        let text = |task: &GraphTask| task.spec.body.len() + task.flow.as_ref().map_or(0, |flow| flow.logic.len());
        self.tasks.iter().map(|task| TASK_BYTES + text(task)).sum()
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Graphs(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    graphs: HashMap<Key, (Arc<JobGraph>, usize)>,
    /// The one used last at the end.
    order: VecDeque<Key>,
    bytes: usize,
}

impl Graphs {
    /// The graph of a job; without tasks if there is none.
    pub(super) async fn of(&self, reader: &Arc<dyn Reader>, job: Key) -> Result<Arc<JobGraph>, Error> {
        if let Some(graph) = self.kept(job) {
            return Ok(graph);
        }
        let graph = Arc::new(JobGraph::of(reader.chunks(job).await?));
        if !graph.tasks.is_empty() {
            self.keep(job, &graph);
        }
        Ok(graph)
    }

    fn kept(&self, job: Key) -> Option<Arc<JobGraph>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let graph = Arc::clone(&kept.graphs.get(&job)?.0);
        if kept.order.back() != Some(&job) {
            kept.order.retain(|known| *known != job);
            kept.order.push_back(job);
        }
        Some(graph)
    }

    fn keep(&self, job: Key, graph: &Arc<JobGraph>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = graph.bytes();
        if kept.graphs.insert(job, (Arc::clone(graph), bytes)).is_some() {
            return;
        }
        kept.bytes += bytes;
        kept.order.push_back(job);
        while kept.bytes > KEPT_BYTES && kept.order.len() > 1 {
            let oldest = kept.order.pop_front().expect("there is more than one");
            let (_, bytes) = kept.graphs.remove(&oldest).expect("what has a place is there");
            kept.bytes -= bytes;
        }
    }
}
