//! What never changes of a job's graph, kept for the jobs that were looked at last: names, waves, edges, and the pictures
//! that were laid out of them. What changes, where each task stands, is read for every picture ([`TaskMark`]).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use mainspring_core::id::{Key, Name};
use mainspring_core::job::GraphChunk;
use mainspring_layout::Layout;
use mainspring_protocol::view::group_of;
use mainspring_store::TaskMark;
use tokio::sync::{OnceCell, Semaphore};

use super::graph_collapse::Folding;

/// Tasks of the graphs that are kept, all together: about 100 bytes each. The newest is kept whatever its size.
const TASKS_KEPT: usize = 400_000;
/// Folded pictures that are kept of one job.
const FOLDINGS_KEPT: usize = 8;
/// Pictures that are drawn at a time; others wait. Each holds a thread that computes.
const DRAWN_AT_A_TIME: usize = 2;

/// A task of a graph, without what changes.
pub(crate) struct ShapeTask {
    pub(crate) name: Name,
    pub(crate) title: Option<Name>,
    /// Its type, by index in [`Shape::kinds`].
    pub(crate) kind: u32,
    /// 0 without parents, else one more than the highest of its parents.
    pub(crate) wave: u32,
    /// Its group, by index in [`Shape::groups`].
    pub(crate) group: Option<u32>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Shape {
    pub(crate) tasks: Vec<ShapeTask>,
    pub(crate) edges: Vec<[u32; 2]>,
    pub(crate) kinds: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) waves: u32,
    /// The picture of each task, once it was asked for.
    each: Mutex<Option<Arc<Layout>>>,
    /// Pictures folded by group, by what was opened in them, newest first.
    foldings: Mutex<Vec<(Vec<String>, Arc<Folding>)>>,
}

impl Shape {
    pub(crate) fn new(tasks: Vec<ShapeTask>, edges: Vec<[u32; 2]>, kinds: Vec<String>, groups: Vec<String>) -> Self {
        let waves = tasks.iter().map(|task| task.wave + 1).max().unwrap_or(0);
        Self { tasks, edges, kinds, groups, waves, ..Self::default() }
    }

    fn of(chunks: &[GraphChunk]) -> Self {
        let (mut tasks, mut edges): (Vec<ShapeTask>, Vec<_>) = Default::default();
        let (mut kinds, mut groups) = (Words::default(), Words::default());
        for task in chunks.iter().flat_map(|chunk| &chunk.tasks) {
            let child = tasks.len() as u32;
            let parents = task.parents.iter().filter_map(|parent| tasks.get(*parent as usize));
            let wave = parents.map(|parent| parent.wave + 1).max().unwrap_or(0);
            edges.extend(task.parents.iter().map(|parent| [*parent, child]));
            let kind = kinds.number(task.spec.kind.to_string());
            let group = group_of(&task.spec.body).map(|group| groups.number(group));
            tasks.push(ShapeTask { name: task.name.clone(), title: task.spec.title.clone(), kind, wave, group });
        }
        Self::new(tasks, edges, kinds.words, groups.words)
    }

    /// The picture of each task, laid out by `make` if it is not there yet.
    pub(crate) fn each<E>(&self, make: impl FnOnce() -> Result<Layout, E>) -> Result<Arc<Layout>, E> {
        let mut kept = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = &*kept {
            return Ok(Arc::clone(layout));
        }
        let made = Arc::new(make()?);
        *kept = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The folded picture in which `opened` is open, made by `make` if it is not there yet.
    pub(crate) fn folding<E>(
        &self,
        opened: &[String],
        make: impl FnOnce() -> Result<Folding, E>,
    ) -> Result<Arc<Folding>, E> {
        let mut kept = self.foldings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|(names, _)| names == opened) {
            kept[..=at].rotate_right(1);
            return Ok(Arc::clone(&kept[0].1));
        }
        let made = Arc::new(make()?);
        kept.insert(0, (opened.to_vec(), Arc::clone(&made)));
        kept.truncate(FOLDINGS_KEPT);
        Ok(made)
    }
}

/// Words and their numbers, in the order in which they came.
#[derive(Default)]
struct Words {
    words: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Words {
    fn number(&mut self, word: String) -> u32 {
        match self.numbers.entry(word) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                self.words.push(place.key().clone());
                *place.insert(self.words.len() as u32 - 1)
            }
        }
    }
}

type Cell = Arc<OnceCell<Arc<Shape>>>;

/// The graphs that were drawn last, newest first, and who may draw now.
pub(crate) struct Shapes {
    kept: Mutex<Vec<(Key, usize, Cell)>>,
    pub(crate) turns: Semaphore,
}

impl Default for Shapes {
    fn default() -> Self {
        Self { kept: Mutex::default(), turns: Semaphore::new(DRAWN_AT_A_TIME) }
    }
}

impl Shapes {
    /// Where the shape of a job of so many tasks is, or will be: who comes first fills it, others wait for that.
    pub(crate) fn cell(&self, job: Key, tasks: usize) -> Cell {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|(key, ..)| *key == job) {
            kept[..=at].rotate_right(1);
        } else {
            kept.insert(0, (job, tasks, Cell::default()));
            let mut room = TASKS_KEPT.max(tasks);
            kept.retain(|(_, tasks, _)| room.checked_sub(*tasks).map(|left| room = left).is_some());
        }
        Arc::clone(&kept[0].2)
    }
}

/// Reads the chunks of a graph into its shape, on a thread that may take its time.
pub(crate) async fn shape_of(chunks: Vec<GraphChunk>) -> Result<Arc<Shape>, tokio::task::JoinError> {
    tokio::task::spawn_blocking(move || Arc::new(Shape::of(&chunks))).await
}

/// Where every task of a job stands, by index; `None`: it has no row, and is pending.
pub(crate) fn by_index(tasks: usize, marks: &[TaskMark]) -> Vec<Option<TaskMark>> {
    let mut all = vec![None; tasks];
    for mark in marks {
        if let Some(place) = all.get_mut(mark.index as usize) {
            *place = Some(*mark);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use mainspring_core::id::Bucket;

    use super::*;

    #[test]
    fn shapes_are_kept_within_a_bound_of_tasks_newest_first() {
        let shapes = Shapes::default();
        let key = |number: u64| Key::new(number, Bucket::new(1));
        let held = |job: Key| shapes.kept.lock().expect("is not poisoned").iter().any(|(key, ..)| *key == job);
        let first = shapes.cell(key(1), 300_000);
        assert!(Arc::ptr_eq(&first, &shapes.cell(key(1), 300_000)), "the same job has the same cell");
        shapes.cell(key(2), 100_000);
        shapes.cell(key(1), 300_000);
        shapes.cell(key(3), 100_000);
        assert!(held(key(1)) && held(key(3)) && !held(key(2)), "what was looked at longest ago goes first");
        shapes.cell(key(4), 900_000);
        assert!(held(key(4)) && !held(key(1)), "the newest stays whatever its size");
    }
}
