//! Many tasks drawn as one node: by their `group`, or by their state. What is folded can be opened by the node's id.
//!
//! A [`Folding`] says which task is drawn as which node, and where the nodes stand. By group it depends on the graph alone
//! and is kept; by state it is made anew. To draw it costs one pass over where the tasks stand, and then as much as it has
//! nodes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use mainspring_core::task::TaskStatus;
use mainspring_core::time::Timestamp;
use mainspring_layout::{Layout, LayoutError, Options, contract, layout};
use mainspring_protocol::time::Rfc3339;
use mainspring_protocol::view::{Collapse, LaidOutNode};
use mainspring_store::TaskMark;

use super::graph_layout::{laid_out, status_of, took_ms};
use super::graph_shape::{Shape, ShapeTask};

/// Stages into which the waves of a job are gathered: a chain of 100,000 tasks is not 100,000 nodes.
const STAGES_MAX: u32 = 60;
/// Tasks that stand alone although their neighbours are folded.
const ALONE_MAX: usize = 2_000;

/// States, the one that needs most attention first.
const BY_ATTENTION: [TaskStatus; 9] = [
    TaskStatus::Failed,
    TaskStatus::Running,
    TaskStatus::Cancelled,
    TaskStatus::Ready,
    TaskStatus::Scheduled,
    TaskStatus::Waiting,
    TaskStatus::Pending,
    TaskStatus::Completed,
    TaskStatus::Skipped,
];

/// What tasks are folded by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum By {
    Group(u32),
    /// A stage, and a type by index.
    Stage(u32, u32),
    State(TaskStatus, u32),
}

impl By {
    fn name(self, shape: &Shape) -> String {
        match self {
            Self::Group(group) => format!("group:{}", shape.groups[group as usize]),
            Self::Stage(stage, kind) => format!("stage:{stage}:{}", shape.kinds[kind as usize]),
            Self::State(status, stage) => format!("{}:{stage}", status.word()),
        }
    }
}

/// Tasks drawn as one.
struct Fold {
    /// `None`: a task that stands alone.
    by: Option<By>,
    /// Its first task.
    first: u32,
    tasks: u32,
    /// Whether all its tasks have one type, and one group.
    same_kind: bool,
    same_group: bool,
}

/// See the module.
pub(crate) struct Folding {
    /// The fold of each task.
    fold_of: Vec<u32>,
    folds: Vec<Fold>,
    pub(crate) edges: Vec<[u32; 2]>,
    /// The same edges, those that lead back turned round: folding can close circles.
    pub(crate) ranked_edges: Vec<[u32; 2]>,
    pub(crate) layout: Layout,
}

impl Folding {
    /// Folds a graph and lays out what is left.
    ///
    /// # Errors
    /// The graph has no layers, which a job's always has.
    pub(crate) fn of(
        shape: &Shape,
        marks: &[Option<TaskMark>],
        how: Collapse,
        opened: &[String],
        options: &Options,
    ) -> Result<Self, LayoutError> {
        let (fold_of, folds) = folds(shape, marks, how, opened);
        let edges = contract(&shape.edges, &fold_of);
        // A fold ranks as its first task does; tasks come parents first, so this order has no circle.
        let ranked_edges: Vec<_> = edges.iter().map(|[from, to]| [*from.min(to), *from.max(to)]).collect();
        let layout = layout(folds.len(), &ranked_edges, options)?;
        Ok(Self { fold_of, folds, edges, ranked_edges, layout })
    }

    /// The nodes with what their tasks do now, without places, and how long each took.
    pub(crate) fn nodes(&self, shape: &Shape, marks: &[Option<TaskMark>]) -> (Vec<LaidOutNode>, Vec<u64>) {
        let mut sums: Vec<Sum> = self.folds.iter().map(|_| Sum::default()).collect();
        for (fold, mark) in self.fold_of.iter().zip(marks) {
            sums[*fold as usize].add(mark.as_ref());
        }
        let drawn = |(fold, sum): (&Fold, &Sum)| fold.drawn(shape, sum, marks);
        let nodes = self.folds.iter().zip(&sums).map(drawn).collect();
        (nodes, sums.iter().map(|sum| sum.took_ms).collect())
    }
}

/// Which task is drawn as which node.
fn folds(shape: &Shape, marks: &[Option<TaskMark>], how: Collapse, opened: &[String]) -> (Vec<u32>, Vec<Fold>) {
    let mut alone = 0;
    // The place of a fold; `None`: it was opened.
    let mut places: HashMap<By, Option<u32>> = HashMap::new();
    let mut folds: Vec<Fold> = Vec::new();
    let mut fold_of = Vec::with_capacity(shape.tasks.len());
    for (index, task) in (0..).zip(&shape.tasks) {
        let mut place_of = |by: By, may_open: bool| match places.entry(by) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(empty) => {
                let is_open = may_open && !opened.is_empty() && opened.contains(&by.name(shape));
                let place = (!is_open).then(|| new_fold(&mut folds, Some(by), index));
                *empty.insert(place)
            }
        };
        let status = status_of(marks.get(index as usize).and_then(Option::as_ref));
        let mut place = by(task, status, how, shape.waves).and_then(|by| place_of(by, true));
        if place.is_none() && alone >= ALONE_MAX {
            place = place_of(By::Stage(stage(task.wave, shape.waves), task.kind), false);
        }
        let place = place.unwrap_or_else(|| {
            alone += 1;
            new_fold(&mut folds, None, index)
        });
        let first = &shape.tasks[folds[place as usize].first as usize];
        let fold = &mut folds[place as usize];
        fold.tasks += 1;
        fold.same_kind &= first.kind == task.kind;
        fold.same_group &= first.group == task.group;
        fold_of.push(place);
    }
    (fold_of, folds)
}

fn new_fold(folds: &mut Vec<Fold>, by: Option<By>, first: u32) -> u32 {
    folds.push(Fold { by, first, tasks: 0, same_kind: true, same_group: true });
    folds.len() as u32 - 1
}

/// What a task is folded by; `None`: it stands alone.
fn by(task: &ShapeTask, status: TaskStatus, how: Collapse, waves: u32) -> Option<By> {
    match (how, task.group) {
        (Collapse::None, _) => None,
        (Collapse::Group, Some(group)) => Some(By::Group(group)),
        (Collapse::Group, None) => Some(By::Stage(stage(task.wave, waves), task.kind)),
        (Collapse::State, _) if matches!(status, TaskStatus::Failed | TaskStatus::Running) => None,
        (Collapse::State, _) => Some(By::State(status, stage(task.wave, waves))),
    }
}

/// The stage of a wave: itself, or where there are many, the piece of all waves that it is in.
fn stage(wave: u32, waves: u32) -> u32 {
    if waves <= STAGES_MAX { wave } else { (u64::from(wave) * u64::from(STAGES_MAX) / u64::from(waves)) as u32 }
}

/// What the tasks of a fold do now.
#[derive(Default)]
struct Sum {
    /// By the number of a state.
    states: [u32; TaskStatus::ALL.len()],
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    unended: bool,
    took_ms: u64,
}

impl Sum {
    fn add(&mut self, mark: Option<&TaskMark>) {
        self.states[status_of(mark) as usize] += 1;
        let start = mark.and_then(|mark| mark.started_at);
        let end = mark.and_then(|mark| mark.ended_at);
        self.start = [self.start, start].into_iter().flatten().min();
        self.end = self.end.max(end);
        self.unended |= end.is_none();
        self.took_ms = self.took_ms.max(took_ms(mark));
    }
}

impl Fold {
    fn drawn(&self, shape: &Shape, sum: &Sum, marks: &[Option<TaskMark>]) -> LaidOutNode {
        let first = &shape.tasks[self.first as usize];
        let (1.., Some(by)) = (self.tasks - 1, self.by) else {
            return laid_out(shape, self.first as usize, marks.get(self.first as usize).and_then(Option::as_ref));
        };
        let kind = &shape.kinds[first.kind as usize];
        let group = first.group.filter(|_| self.same_group).map(|group| shape.groups[group as usize].clone());
        let title = match by {
            By::Group(group) => shape.groups[group as usize].clone(),
            By::Stage(..) => format!("{kind} in wave {}", first.wave),
            By::State(status, _) => format!("{} in wave {}", status.word(), first.wave),
        };
        let count = |status: &TaskStatus| sum.states[*status as usize];
        let states = TaskStatus::ALL.iter().filter(|status| count(status) > 0);
        let worst = BY_ATTENTION.iter().find(|status| count(status) > 0).copied().unwrap_or(TaskStatus::Pending);
        LaidOutNode {
            id: by.name(shape),
            title: Some(title),
            kind: if self.same_kind { kind.clone() } else { String::new() },
            status: worst.word().to_owned(),
            wave: first.wave,
            start_time: sum.start.map(Rfc3339),
            // Some have not ended: the whole has not.
            end_time: sum.end.filter(|_| !sum.unended).map(Rfc3339),
            group,
            states: states.map(|status| (status.word().to_owned(), count(status))).collect(),
            ..LaidOutNode::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Graph {
        shape: Shape,
        marks: Vec<Option<TaskMark>>,
    }

    /// Tasks `t0`, `t1`, … with their waves, groups and states.
    fn graph(tasks: &[(u32, Option<u32>, TaskStatus)], edges: &[[u32; 2]]) -> Graph {
        let named = |(index, (wave, group, _)): (usize, &(u32, Option<u32>, TaskStatus))| ShapeTask {
            name: format!("t{index}").into(),
            title: None,
            kind: 0,
            wave: *wave,
            group: *group,
        };
        let mark = |(index, (.., status)): (u32, &(u32, Option<u32>, TaskStatus))| {
            Some(TaskMark { index, status: *status, attempt: 0, started_at: None, ended_at: None })
        };
        let named = tasks.iter().enumerate().map(named).collect();
        let shape = Shape::new(named, edges.to_vec(), vec!["noop".to_owned()], vec!["etl".to_owned()]);
        Graph { shape, marks: (0..).zip(tasks).map(mark).collect() }
    }

    impl Graph {
        fn folded(&self, how: Collapse, opened: &[&str]) -> (Folding, Vec<LaidOutNode>) {
            let opened: Vec<String> = opened.iter().map(|name| (*name).to_owned()).collect();
            let folding = Folding::of(&self.shape, &self.marks, how, &opened, &Options::default());
            let folding = folding.expect("has layers");
            let (nodes, _) = folding.nodes(&self.shape, &self.marks);
            (folding, nodes)
        }
    }

    fn ids(nodes: &[LaidOutNode]) -> Vec<&str> {
        nodes.iter().map(|node| node.id.as_str()).collect()
    }

    #[test]
    fn a_group_is_one_node_that_counts_its_states() {
        let tasks = [
            (0, None, TaskStatus::Completed),
            (1, Some(0), TaskStatus::Failed),
            (1, Some(0), TaskStatus::Completed),
            (2, None, TaskStatus::Pending),
        ];
        let graph = graph(&tasks, &[[0, 1], [0, 2], [1, 3], [2, 3]]);
        let (folding, nodes) = graph.folded(Collapse::Group, &[]);
        assert_eq!(ids(&nodes), ["t0", "group:etl", "t3"]);
        assert_eq!((nodes[1].status.as_str(), nodes[1].states["completed"]), ("failed", 1));
        assert_eq!(folding.edges, [[0, 1], [1, 2]]);
        assert_eq!(graph.folded(Collapse::Group, &["group:etl"]).1.len(), 4);
    }

    #[test]
    fn a_fold_that_closes_a_circle_still_ranks() {
        let ready = TaskStatus::Ready;
        let tasks = [(0, Some(0), ready), (1, None, ready), (2, Some(0), ready)];
        let (folding, _) = graph(&tasks, &[[0, 1], [1, 2]]).folded(Collapse::Group, &[]);
        assert_eq!((folding.edges, folding.ranked_edges), (vec![[0, 1], [1, 0]], vec![[0, 1], [0, 1]]));
    }

    #[test]
    fn failed_and_running_tasks_stand_alone_among_folded_states() {
        use TaskStatus::{Completed, Failed, Pending, Running};
        let tasks = [Completed, Completed, Failed, Running, Pending, Pending].map(|status| (0, None, status));
        let (_, nodes) = graph(&tasks, &[]).folded(Collapse::State, &[]);
        assert_eq!(ids(&nodes), ["completed:0", "t2", "t3", "pending:0"]);
    }

    #[test]
    fn a_task_without_a_row_is_pending() {
        let mut graph = graph(&[(0, None, TaskStatus::Ready), (0, None, TaskStatus::Ready)], &[]);
        graph.marks = vec![None, None];
        assert_eq!(graph.folded(Collapse::Group, &[]).1[0].states["pending"], 2);
    }

    #[test]
    fn a_long_chain_becomes_few_stages() {
        let tasks: Vec<_> = (0..10_000).map(|wave| (wave, None, TaskStatus::Pending)).collect();
        assert_eq!(graph(&tasks, &[]).folded(Collapse::Group, &[]).1.len(), STAGES_MAX as usize);
    }

    #[test]
    fn what_was_opened_beyond_the_bound_is_folded_by_its_stage() {
        let tasks: Vec<_> = (0..3_000).map(|_| (0, Some(0), TaskStatus::Pending)).collect();
        let (_, nodes) = graph(&tasks, &[]).folded(Collapse::Group, &["group:etl"]);
        assert_eq!((nodes.len(), nodes[ALONE_MAX].states["pending"]), (ALONE_MAX + 1, 1_000));
    }
}
