//! What is wrong with a job's graph, each problem at the place where its dependency was written.

use std::borrow::Cow;
use std::collections::HashMap;

use mainspring_core::graph::GraphProblem;

use super::draft::{DEPENDENCIES, Entry, TASKS};
use super::fields::Head;
use crate::nearest::did_you_mean;
use crate::pointer::Pointer;
use crate::problem::Code;
use crate::submit::members::{Elements, Members};

/// Names of a cycle that are shown.
const CYCLE_SHOWN: usize = 12;
/// Names that an unknown one is compared with.
const NAMES_COMPARED: usize = 1_000;

/// Turns problems of the graph into findings with their places.
pub(super) fn report(problems: &[GraphProblem], entries: &[Entry<'_>], head: &mut Head<'_>) {
    let mut places = Places { entries, dependencies: head.dependencies, last: None };
    let near: Vec<_> = entries.iter().take(NAMES_COMPARED).filter_map(entry_name).collect();
    for problem in problems {
        if head.findings.only_counts() {
            continue;
        }
        let task = |index: usize| entries.get(index).map_or_else(|| TASKS.to_string(), |entry| entry.at().to_string());
        let (code, place, detail, hint) = match problem {
            // An empty list was named when the tasks were read.
            GraphProblem::Empty => continue,
            GraphProblem::TooManyTasks { .. } | GraphProblem::TooManyEdges { .. } => {
                (Code::LimitExceeded, TASKS.to_string(), problem.to_string(), None)
            }
            GraphProblem::DuplicateTask { index, .. } => (Code::DuplicateTask, task(*index), problem.to_string(), None),
            GraphProblem::SelfDependency { index, name } => {
                let hint = Some("take it out of its own `needs`".to_owned());
                (Code::SelfDependency, places.of(*index, name, name), problem.to_string(), hint)
            }
            GraphProblem::UnknownDependency { index, name, needs } => {
                let hint = did_you_mean(needs, near.iter().map(|name| &**name));
                (Code::UnknownDependency, places.of(*index, name, needs), problem.to_string(), hint)
            }
            GraphProblem::Cycle { path, .. } => {
                let (index, ring) = from_the_first(path, entries);
                let place = places.of(index, ring[0], ring[ring.len() - 1]);
                let hint = Some("remove one of these dependencies".to_owned());
                (Code::Cycle, place, shown_cycle(&ring), hint)
            }
        };
        let at = Pointer::text(&place);
        match hint {
            Some(hint) => head.findings.add_with_hint(code, &at, detail, hint),
            None => head.findings.add(code, &at, detail),
        }
    }
}

/// The ring from the task that was submitted first, with its index; each waits for the one before it, the first for
/// the last.
fn from_the_first<'p>(path: &'p [String], entries: &[Entry<'_>]) -> (usize, Vec<&'p str>) {
    let mut ring: Vec<&str> = path[..path.len() - 1].iter().map(String::as_str).collect();
    let at: HashMap<&str, usize> = ring.iter().copied().zip(0..).collect();
    let first = entries.iter().enumerate().find_map(|(index, entry)| Some((index, *at.get(&*entry_name(entry)?)?)));
    let (index, turn) = first.unwrap_or_default();
    ring.rotate_left(turn);
    (index, ring)
}

fn shown_cycle(ring: &[&str]) -> String {
    let mut shown = ring[..ring.len().min(CYCLE_SHOWN)].join(" → ");
    if ring.len() > CYCLE_SHOWN {
        shown.push_str(&format!(" → … ({} more)", ring.len() - CYCLE_SHOWN));
    }
    format!("the dependencies form a cycle: {shown} → {}", ring[0])
}

pub(super) fn entry_name<'a>(entry: &'a Entry<'_>) -> Option<Cow<'a, str>> {
    if let Some(name) = &entry.name {
        return Some(Cow::Borrowed(name));
    }
    if entry.is_reference() {
        return serde_json::from_str(entry.raw).ok().map(Cow::Owned);
    }
    let members = serde_json::from_str::<Members<'_>>(entry.raw).ok()?.0;
    let raw = members.into_iter().find(|(name, _)| name == "taskId")?.1;
    serde_json::from_str(raw).ok().map(Cow::Owned)
}

/// Where dependencies are written. Remembers those of the task that was asked for last: problems come task by task.
struct Places<'e, 'a> {
    entries: &'e [Entry<'a>],
    dependencies: Option<&'a str>,
    last: Option<(usize, HashMap<String, String>)>,
}

impl Places<'_, '_> {
    /// Where it is written that a task waits for another one.
    fn of(&mut self, index: usize, child: &str, parent: &str) -> String {
        if self.last.as_ref().is_none_or(|(known, _)| *known != index) {
            self.last = Some((index, self.read(index, child)));
        }
        let place = self.last.as_ref().and_then(|(_, places)| places.get(parent)).cloned();
        // What comes from a definition stands at the reference to it.
        place.or_else(|| self.entries.get(index).map(|entry| entry.at().to_string())).unwrap_or_default()
    }

    fn read(&self, index: usize, child: &str) -> HashMap<String, String> {
        let mut places = HashMap::new();
        let Some(entry) = self.entries.get(index) else { return places };
        let own = serde_json::from_str::<Members<'_>>(entry.raw).unwrap_or_default().0;
        let at = entry.at();
        if let Some((_, raw)) = own.into_iter().find(|(name, _)| name == "needs") {
            add_names(raw, &at.member("needs"), &mut places);
        }
        let joined = serde_json::from_str::<Members<'_>>(self.dependencies.unwrap_or("{}")).unwrap_or_default().0;
        if let Some((_, raw)) = joined.into_iter().find(|(name, _)| name == child) {
            add_names(raw, &DEPENDENCIES.member(child), &mut places);
        }
        places
    }
}

fn add_names(raw: &str, at: &Pointer<'_>, places: &mut HashMap<String, String>) {
    let mut add = |raw: &str, at: &Pointer<'_>| {
        if let Ok(name) = serde_json::from_str::<String>(raw) {
            places.entry(name).or_insert_with(|| at.to_string());
        }
    };
    if raw.starts_with('"') {
        add(raw, at);
    }
    for (index, raw) in serde_json::from_str::<Elements<'_>>(raw).unwrap_or_default().0.into_iter().enumerate() {
        add(raw, &at.index(index));
    }
}
