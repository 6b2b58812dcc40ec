//! Properties of graph validation, against a naive reading of the same rules, and what large graphs cost (R17).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainspring_core::graph::{DraftTask, Graph, GraphProblem};
use mainspring_core::id::Name;
use mainspring_core::spec::{TaskSpec, Trigger};
use proptest::prelude::*;

pub(crate) fn spec(priority: u8) -> Arc<TaskSpec> {
    Arc::new(TaskSpec { priority, ..TaskSpec::new("noop".into(), "{}".into()) })
}

pub(crate) fn draft(name: &str, needs: &[&str], trigger: Trigger) -> DraftTask {
    let needs = needs.iter().map(|need| Name::from(*need)).collect();
    DraftTask { name: name.into(), spec: spec(0), trigger, delay_ms: 0, needs, flow: None }
}

/// Names from a small set, so that duplicates, self-dependencies, unknown names and rings are all common.
fn drafts() -> impl Strategy<Value = Vec<DraftTask>> {
    let task = (0..14_u8, proptest::collection::vec(0..16_u8, 0..4));
    proptest::collection::vec(task, 0..12).prop_map(|tasks| {
        let named = |(name, needs): (u8, Vec<u8>)| {
            let needs: Vec<String> = needs.iter().map(|need| format!("t{need}")).collect();
            draft(&format!("t{name}"), &needs.iter().map(String::as_str).collect::<Vec<_>>(), Trigger::AllSuccess)
        };
        tasks.into_iter().map(named).collect()
    })
}

/// Valid but for rings: distinct names, known needs.
fn rings() -> impl Strategy<Value = Vec<DraftTask>> {
    (1..10_usize).prop_flat_map(|count| {
        let needs = proptest::collection::vec(proptest::collection::vec(0..count, 0..3), count);
        needs.prop_map(|all| {
            let one = |(index, needs): (usize, Vec<usize>)| {
                let needs: Vec<String> = needs.iter().filter(|need| **need != index).map(|n| format!("t{n}")).collect();
                draft(&format!("t{index}"), &needs.iter().map(String::as_str).collect::<Vec<_>>(), Trigger::AllSuccess)
            };
            all.into_iter().enumerate().map(one).collect()
        })
    })
}

/// Whether the tasks can be taken away one after the other, each once all that it needs is gone.
fn can_be_ordered(drafts: &[DraftTask]) -> bool {
    let mut left: Vec<&DraftTask> = drafts.iter().collect();
    while !left.is_empty() {
        let names: BTreeSet<Name> = left.iter().map(|task| task.name.clone()).collect();
        let before = left.len();
        left.retain(|task| task.needs.iter().any(|need| names.contains(need)));
        if left.len() == before {
            return false;
        }
    }
    true
}

proptest! {
    #[test]
    fn every_problem_is_named_and_nothing_else(drafts in drafts()) {
        let names: BTreeSet<&Name> = drafts.iter().map(|task| &task.name).collect();
        let mut expected = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, task) in drafts.iter().enumerate() {
            if !seen.insert(&task.name) {
                expected.push(format!("duplicate {index}"));
            }
        }
        for (index, task) in drafts.iter().enumerate() {
            for need in &task.needs {
                if *need == task.name {
                    expected.push(format!("self {index}"));
                } else if !names.contains(need) {
                    expected.push(format!("unknown {index} {need}"));
                }
            }
        }
        if drafts.is_empty() {
            expected.push("empty".to_owned());
        }
        let found = Graph::build(drafts.clone()).err().unwrap_or_default();
        let named = found.iter().filter_map(|problem| match problem {
            GraphProblem::Empty => Some("empty".to_owned()),
            GraphProblem::DuplicateTask { index, .. } => Some(format!("duplicate {index}")),
            GraphProblem::SelfDependency { index, .. } => Some(format!("self {index}")),
            GraphProblem::UnknownDependency { index, needs, .. } => Some(format!("unknown {index} {needs}")),
            GraphProblem::Cycle { .. } => None,
            other => Some(format!("{other}")),
        });
        let (named, expected): (BTreeSet<String>, BTreeSet<String>) = (named.collect(), expected.into_iter().collect());
        prop_assert_eq!(named, expected);
    }

    #[test]
    fn a_cycle_is_found_if_and_only_if_there_is_no_order(drafts in rings()) {
        let needs: BTreeMap<String, BTreeSet<String>> = drafts
            .iter()
            .map(|task| (task.name.to_string(), task.needs.iter().map(ToString::to_string).collect()))
            .collect();
        match Graph::build(drafts.clone()) {
            Ok(graph) => {
                prop_assert!(can_be_ordered(&drafts));
                for (index, task) in graph.tasks().iter().enumerate() {
                    let parents: BTreeSet<String> =
                        task.parents.iter().map(|parent| graph.tasks()[*parent as usize].name.to_string()).collect();
                    prop_assert_eq!(&parents, &needs[&*task.name]);
                    prop_assert!(task.parents.iter().all(|parent| (*parent as usize) < index));
                    for child in &task.children {
                        prop_assert!(graph.tasks()[*child as usize].parents.contains(&(index as u32)));
                    }
                }
                let edges = |of: fn(&mainspring_core::job::GraphTask) -> usize| graph.tasks().iter().map(of).sum::<usize>();
                prop_assert_eq!(edges(|task| task.parents.len()), edges(|task| task.children.len()));
            }
            Err(problems) => {
                prop_assert!(!can_be_ordered(&drafts));
                let [GraphProblem::Cycle { index, path }] = &problems[..] else {
                    return Err(TestCaseError::fail(format!("{problems:?}")));
                };
                prop_assert_eq!(&*drafts[*index].name, path[0].as_str());
                prop_assert_eq!(path.first(), path.last());
                prop_assert!(path.len() > 2);
                for pair in path.windows(2) {
                    prop_assert!(needs[&pair[1]].contains(&pair[0]), "{} does not wait for {}", pair[1], pair[0]);
                }
            }
        }
    }
}
