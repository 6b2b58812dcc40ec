//! Judges what was acknowledged by what the programs wrote down and by what the API tells.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::process::Place;

/// Something that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// Where the API shows it.
    pub(crate) path: String,
    /// Paths of its tasks with the labels they write, in the order in which they must run.
    pub(crate) tasks: Vec<(String, String)>,
}

/// A line of the witness: its place in the file, attempt and fence.
type Line = (usize, u64, u64);

/// Lines by label. A line that a kill cut short is left out.
pub(crate) fn lines(text: &str) -> BTreeMap<&str, Vec<Line>> {
    let mut lines: BTreeMap<&str, Vec<Line>> = BTreeMap::new();
    for (place, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        if let [label, attempt, fence] = words[..]
            && let (Ok(attempt), Ok(fence)) = (attempt.parse(), fence.parse())
        {
            lines.entry(label).or_default().push((place, attempt, fence));
        }
    }
    lines
}

/// Losses after which a task is given up: what is killed several times a second reaches that now and then.
const LOSSES_MAX: usize = 3;
/// So many may be given up in one run; more are no bad luck.
const GIVEN_UP_MAX: usize = 2;

/// Everything is completed, ran, ran under rising tokens, had one success, and in its order; returns how many starts were repeats.
///
/// # Panics
/// If anything is not so.
pub(crate) fn check(place: &Place, taken: &[Taken], witness: &Path) -> usize {
    let (mut kept, mut given_up) = (Vec::new(), 0);
    for one in taken {
        let end = place.wait_for_end(&one.path, 120);
        if end["status"] == "failed" && one.tasks.iter().any(|(path, _)| losses(place, path) == LOSSES_MAX) {
            eprintln!("{} was given up after {LOSSES_MAX} losses", one.path);
            given_up += 1;
            continue;
        }
        assert_eq!(end["status"], "completed", "{}: {end} {:?}", one.path, attempts(place, one));
        kept.push(one);
    }
    assert!(given_up <= GIVEN_UP_MAX, "{given_up} were given up");
    let text = fs::read_to_string(witness).expect("the witness is there");
    let lines = lines(&text);
    let mut repeats = 0;
    for one in kept {
        let mut before: Option<usize> = None;
        for (path, label) in &one.tasks {
            let found = lines.get(label.as_str()).unwrap_or_else(|| panic!("{path} completed and never ran"));
            rises(label, found);
            let first = found.iter().map(|line| line.0).min().expect("a label has lines");
            assert!(before.is_none_or(|before| before < first), "{path} ran before what it needs: {found:?}");
            let attempts = place.attempts(path);
            let successes = attempts.iter().filter(|attempt| attempt["status"] == "success").count();
            assert_eq!(successes, 1, "{path}: {attempts:?}");
            assert!((1..).zip(&attempts).all(|(number, attempt)| attempt["attempt"] == number), "{attempts:?}");
            repeats += found.len() - 1;
            before = Some(first);
        }
    }
    repeats
}

fn losses(place: &Place, path: &str) -> usize {
    place.attempts(path).iter().filter(|attempt| attempt["status"] == "lost").count()
}

fn attempts(place: &Place, one: &Taken) -> Vec<String> {
    one.tasks.iter().map(|(path, _)| format!("{:?}", place.attempts(path))).collect()
}

/// A program whose worker was killed may write after its successor; by attempts the tokens rise.
fn rises(label: &str, found: &[Line]) {
    let mut found = found.to_vec();
    found.sort_by_key(|line| line.1);
    let rise = found.windows(2).all(|pair| pair[0].1 < pair[1].1 && pair[0].2 < pair[1].2);
    assert!(rise, "{label} started twice under one token, or under a token that went back: {found:?}");
}

#[test]
fn a_line_that_was_cut_short_is_no_start() {
    assert_eq!(lines("a 1 7\nb 1\na 2 9\n"), BTreeMap::from([("a", vec![(0, 1, 7), (2, 2, 9)])]));
}

#[test]
#[should_panic(expected = "under a token that went back")]
fn a_token_that_goes_back_is_seen() {
    rises("a", &[(0, 1, 9), (1, 2, 8)]);
}

#[test]
#[should_panic(expected = "started twice under one token")]
fn a_second_start_under_one_token_is_seen() {
    rises("a", &[(0, 1, 9), (1, 1, 9)]);
}
