//! What needs no server: usage, validation, plans, completions.

use expect_test::expect;

use crate::site::{folder_with, run_in};

const DIAMOND: &str = "\
job: diamond
defaults: {timeout: 1m}
tasks:
  start: 'true'
  left: {needs: [start], run: 'true', timeout: 5m}
  right: {needs: [start], run: 'true'}
  end: {needs: [left, right], run: 'true'}
";

#[test]
fn a_command_line_that_makes_no_sense_is_a_usage_error() {
    let folder = folder_with("x", "");
    for arguments in [&["--nonsense"][..], &["tasks", "paint"], &["bench", "w99"], &["jobs", "list", "--limit", "0"]] {
        let ended = run_in(folder.path(), arguments).expect(2);
        assert!(ended.out.is_empty(), "{}", ended.out);
    }
    assert!(run_in(folder.path(), &["--version"]).expect(0).out.starts_with("mainspring "));
}

#[test]
fn validation_names_each_problem_with_its_line_and_a_hint() {
    let text = "job: bad\ntasks:\n  a: {run: 'true', retrys: 3}\n  b: {run: 'true', needs: [c]}\n";
    let folder = folder_with("bad.yaml", text);
    let ended = run_in(folder.path(), &["validate", "bad.yaml"]).expect(8);
    assert!(ended.out.is_empty(), "{}", ended.out);
    expect![[r#"
        error[unknown_field]: unknown field `retrys`
         --> bad.yaml:3:20 at /tasks/a/retrys
          |
        3 |   a: {run: 'true', retrys: 3}
          |                    ^^^^^^
          = hint: did you mean `retries`?
        error[unknown_dependency]: the task `b` depends on `c`, which the job does not have
         --> bad.yaml:4:28 at /tasks/b/needs/0
          |
        4 |   b: {run: 'true', needs: [c]}
          |                            ^
        error: 2 problems
    "#]]
    .assert_eq(&ended.err);
}

#[test]
fn a_valid_file_is_counted() {
    let folder = folder_with("diamond.yaml", DIAMOND);
    let ended = run_in(folder.path(), &["validate", "diamond.yaml"]).expect(0);
    assert_eq!(ended.out, "diamond.yaml: valid, 1 job and 4 tasks\n");
}

#[test]
fn a_file_that_is_not_there_is_not_found() {
    let folder = folder_with("x", "");
    for command in ["validate", "plan", "run"] {
        let ended = run_in(folder.path(), &[command, "missing.yaml"]).expect(3);
        assert!(ended.err.contains("missing.yaml"), "{}", ended.err);
    }
}

#[test]
fn a_plan_shows_waves_and_the_critical_path() {
    let folder = folder_with("diamond.yaml", DIAMOND);
    let ended = run_in(folder.path(), &["plan", "diamond.yaml"]).expect(0);
    expect![[r#"
        diamond: 4 tasks, 4 dependencies, 3 waves

        wave 1
          ◆ start  [shell]

        wave 2
          ◆ left  [shell]  ← start
          ○ right  [shell]  ← start

        wave 3
          ◆ end  [shell]  ← left, right

        critical path (at most 7m00s): start → left → end
    "#]]
    .assert_eq(&ended.out);
}

#[test]
fn a_plan_can_be_read_by_other_programs() {
    let folder = folder_with("diamond.yaml", DIAMOND);
    let plan = |format| run_in(folder.path(), &["plan", "diamond.yaml", "-o", format]).expect(0).out;
    let json: serde_json::Value = serde_json::from_str(&plan("json")).expect("it is JSON");
    assert_eq!(json["criticalPath"]["tasks"], serde_json::json!(["start", "left", "end"]));
    assert_eq!(json["waves"][1], serde_json::json!(["left", "right"]));
    assert!(plan("dot").contains("\"start\" -> \"left\";"));
    assert!(plan("mermaid").starts_with("flowchart LR"));
}

#[test]
fn completions_are_printed_for_each_shell() {
    let folder = folder_with("x", "");
    for shell in ["bash", "zsh", "fish"] {
        assert!(run_in(folder.path(), &["completions", shell]).expect(0).out.contains("mainspring"));
    }
}

#[test]
fn a_dry_run_of_a_submission_needs_no_server() {
    let folder = folder_with("x", "");
    let arguments =
        ["submit", "email", "--payload", "{\"to\": \"me\"}", "--delay", "90s", "--retries", "2", "--dry-run"];
    let ended = run_in(folder.path(), &arguments).expect(0);
    let task: serde_json::Value = serde_json::from_str(&ended.out).expect("it is JSON");
    let expected = serde_json::json!({"type": "email", "payload": {"to": "me"}, "delaySeconds": 90.0, "retries": 2});
    assert_eq!(task, expected);
}
