//! Judges what happened to a set of tasks: the attempts that the API tells against what the programs themselves wrote down.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::process::Place;

/// A script that writes one line for each attempt that really starts: task, attempt, fence, process.
pub(crate) fn witness_script(witness: &Path, then: &str) -> String {
    format!("echo \"$MAINSPRING_TASK_ID $MAINSPRING_ATTEMPT $MAINSPRING_FENCE $$\" >> {}; {then}", witness.display())
}

/// A line of a witness file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) task: String,
    pub(crate) attempt: u64,
    pub(crate) fence: u64,
    pub(crate) pid: i32,
}

/// The starts in the order in which they were written. A line that a kill cut short is left out.
pub(crate) fn starts(witness: &Path) -> Vec<Start> {
    let text = fs::read_to_string(witness).unwrap_or_default();
    text.lines().filter_map(parse).collect()
}

fn parse(line: &str) -> Option<Start> {
    let mut words = line.split(' ');
    let start = Start {
        task: words.next()?.to_owned(),
        attempt: words.next()?.parse().ok()?,
        fence: words.next()?.parse().ok()?,
        pid: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(start)
}

/// What a history must never show, whatever was killed when.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) completed: usize,
    pub(crate) repeats: usize,
}

/// Checks every acknowledged task.
///
/// # Panics
/// If one was lost, is not at its end, has gaps in its attempts, ran twice under one token or under a fence that went back, or has more than one success.
pub(crate) fn check(place: &Place, acknowledged: &[String], witness: &Path) -> Summary {
    let path = |task: &String| format!("/api/v1/tasks/{task}");
    let statuses: Vec<String> = acknowledged
        .iter()
        .map(|task| place.wait_for_end(&path(task), 90)["status"].as_str().unwrap_or_default().to_owned())
        .collect();
    // Only now is the witness complete.
    let mut by_task: BTreeMap<String, Vec<Start>> = BTreeMap::new();
    for start in starts(witness) {
        by_task.entry(start.task.clone()).or_default().push(start);
    }
    // A program whose worker was killed may write after its successor: that is what the fence is for.
    by_task.values_mut().for_each(|starts| starts.sort_by_key(|start| start.attempt));
    let mut summary = Summary::default();
    for (task, status) in acknowledged.iter().zip(&statuses) {
        let attempts = place.attempts(&path(task));
        let started = by_task.get(task).map(Vec::as_slice).unwrap_or_default();
        for (place, attempt) in (1..).zip(&attempts) {
            assert_eq!(attempt["attempt"], place, "attempts of {task} have a gap: {attempts:?}");
            assert!(attempt["status"].is_string(), "attempt {place} of {task} has no end");
        }
        let successes = attempts.iter().filter(|attempt| attempt["status"] == "success").count();
        assert_eq!(successes, usize::from(status == "completed"), "{task} is {status} after {attempts:?}");
        assert!(status != "completed" || !started.is_empty(), "{task} completed and never ran");
        assert!(
            started.windows(2).all(|pair| pair[0].attempt < pair[1].attempt && pair[0].fence < pair[1].fence),
            "{task} started twice under one token, or under a fence that went back: {started:?}"
        );
        summary.completed += usize::from(status == "completed");
        summary.repeats += started.len().saturating_sub(1);
    }
    summary
}

#[test]
fn a_witness_line_that_was_cut_short_is_no_start() {
    assert_eq!(parse("k1 2 3 4"), Some(Start { task: "k1".to_owned(), attempt: 2, fence: 3, pid: 4 }));
    assert_eq!(parse("k1 2"), None);
    assert_eq!(parse("k1 2 3 4k2 1"), None);
}
