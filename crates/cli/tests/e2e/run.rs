//! `run`: a job to its end in the foreground, and nothing left behind.

use std::fs;
use std::process::Output;

use crate::process::{Place, mainspring, root};

fn run(place: &Place, file: &str) -> Output {
    mainspring().current_dir(place.folder.path()).args(["run", file]).output().expect("the binary runs")
}

#[test]
fn the_examples_run_to_their_end_and_leave_nothing_behind() {
    let place = Place::new();
    for example in ["hello.yaml", "mission.json"] {
        fs::copy(root().join("examples").join(example), place.path(example)).expect("the example is there");
        let output = run(&place, example);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{example}: {} {said}", output.status);
    }
    let mut left: Vec<_> = fs::read_dir(place.folder.path())
        .expect("the folder is there")
        .map(|entry| entry.expect("the entry can be read").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["hello.yaml", "mission.json"]);
}

#[test]
fn a_job_that_fails_ends_with_exit_code_four() {
    let place = Place::new();
    fs::write(place.path("bad.yaml"), "job: bad\ntasks:\n  a: exit 3\n").expect("the file can be written");
    assert_eq!(run(&place, "bad.yaml").status.code(), Some(4));
}

#[test]
fn a_definition_with_a_cycle_is_refused_with_its_path() {
    let place = Place::new();
    let text = "job: ring\ntasks:\n  a: {needs: [b], run: 'true'}\n  b: {needs: [a], run: 'true'}\n";
    fs::write(place.path("ring.yaml"), text).expect("the file can be written");
    let output = run(&place, "ring.yaml");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("cycle") && said.contains("a → b → a") || said.contains("b → a → b"), "{said}");
}
