//! What happens between the tasks of a job, with real programs: the shapes of the contract, the example, sensors, hooks,
//! checkpoints.

use std::fs;

use serde_json::{Value, json};

use crate::process::{Kind, Place, mainspring, on_every_store, root};
use crate::wait;

/// Submits a job in YAML by the command line; gives its id.
fn submit(place: &Place, name: &str, text: &str, more: &[&str]) -> String {
    let file = place.path(&format!("{name}.yaml"));
    fs::write(&file, text).expect("the file can be written");
    let mut command = mainspring();
    command.args([
        "submit",
        &file.display().to_string(),
        "-o",
        "name",
        "--server",
        &format!("http://{}", place.address),
    ]);
    let output = command.args(more).output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn task(place: &Place, job: &str, task: &str) -> Value {
    place.call("GET", &format!("/api/v1/jobs/{job}/tasks/{task}"), None)
}

on_every_store! {
    every_shape_of_flow_works
}

const SHAPES: &str = r#"
job: shapes
tasks:
  list: {command: [sh, -c, 'echo "{\"files\": [1,2,3,4,5]}" > "$MAINSPRING_OUTPUT"']}
  each: {needs: list, forEach: "${{ tasks.list.output.files }}", command: [sh, -c, 'echo "{\"sq\": $(( $0 * $0 ))}" > "$MAINSPRING_OUTPUT"', "${{ item }}"]}
  join: {needs: each, if: "size(tasks.each.outputs) == 5", command: [sh, -c, 'echo "$0"', "${{ tasks.each.outputs[4].sq }}"]}
  never: {needs: list, if: "size(tasks.list.output.files) > 9", command: [sh, -c, "exit 1"]}
  boom: {needs: list, command: ["false"], retries: 0}
  rescue: {needs: boom, trigger: one_failed, command: ["true"]}
  sign: {needs: join, approval: {timeout: 1h}}
  after: {needs: sign, command: ["true"]}
"#;

fn every_shape_of_flow_works(kind: Kind) {
    let place = Place::on(kind);
    let mut server = place.start("dev");
    let job = submit(&place, "shapes", SHAPES, &[]);
    let waits = || wait::until(60, "approval", || (task(&place, &job, "sign")["status"] == "waiting").then_some(()));
    waits();
    // What waits is in the store.
    server.kill();
    let _server = place.start("dev");
    waits();
    let mut approve = mainspring();
    let at = format!("{job}/sign");
    approve.args(["tasks", "approve", &at, "--comment", "go", "--server", &format!("http://{}", place.address)]);
    let output = approve.output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("task {at} approved")));
    assert_eq!(place.wait_for_end(&format!("/api/v1/jobs/{job}"), 60)["status"], "completed");
    let statuses = ["join", "never", "boom", "rescue", "after"].map(|name| task(&place, &job, name)["status"].clone());
    assert_eq!(json!(statuses), json!(["completed", "skipped", "failed", "completed", "completed"]));
    assert_eq!(task(&place, &job, "each~3")["output"], json!({"sq": 16}));
    assert_eq!(task(&place, &job, "sign")["output"]["comment"], "go");
}

#[test]
fn the_example_runs_to_its_end_without_a_server() {
    let place = Place::new();
    fs::copy(root().join("examples/flow.yaml"), place.path("flow.yaml")).expect("the example is there");
    let run = |more: &[&str]| {
        let mut command = mainspring();
        command.current_dir(place.folder.path()).env("TMPDIR", place.folder.path()).args(["run", "flow.yaml"]);
        command.args(more).output().expect("the binary runs")
    };
    let output = run(&["-o", "json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {said}", output.status);
    let job: Value = serde_json::from_slice(&output.stdout).expect("the job comes as JSON");
    assert_eq!((&job["tasks"]["completed"], &job["tasks"]["total"]), (&json!(6), &json!(6)), "{job}");
    assert_eq!(run(&["--param", "cities=[\"Lima\"]", "--param", "unit=kelvin"]).status.code(), Some(8));
    let output = run(&["--param", "cities=[\"Lima\"]", "-o", "json"]);
    let job: Value = serde_json::from_slice(&output.stdout).expect("the job comes as JSON");
    assert_eq!((&job["tasks"]["skipped"], &job["params"]["cities"]), (&json!(1), &json!(["Lima"])), "{job}");
}

#[test]
fn a_hook_follows_each_end_of_its_job_once() {
    let place = Place::new();
    let server = place.start("dev");
    let text = r#"
job: hooked
tasks: {a: {command: ["false"]}}
onSuccess: {command: ["true"]}
onFailed: {command: [echo, "${{ params.hook.jobId }} ${{ params.hook.status }}"]}
onComplete: "true"
"#;
    let job = submit(&place, "hooked", text, &["--id", "h1"]);
    let hooks = || {
        let jobs = place.call("GET", "/api/v1/jobs", None);
        let jobs = jobs["items"].as_array().expect("jobs come as items").iter();
        let mut names: Vec<(String, String)> = jobs
            .filter(|other| other["jobId"] != job.as_str() && other["status"] == "completed")
            .map(|other| {
                (other["jobName"].as_str().unwrap_or("").to_owned(), other["jobId"].as_str().unwrap_or("").to_owned())
            })
            .collect();
        names.sort();
        names
    };
    let found = wait::until(30, "both hooks", || Some(hooks()).filter(|found| found.len() == 2));
    assert_eq!([&*found[0].0, &*found[1].0], ["hooked onComplete", "hooked onFailed"]);
    let logs = place.call("GET", &format!("/api/v1/jobs/{}/tasks/onFailed/logs", found[1].1), None);
    assert!(logs.to_string().contains("h1 failed"), "{logs}");
    // Another owner reads the same events again.
    drop(server);
    let _server = place.start("dev");
    place.call("POST", "/api/v1/jobs/h1/rerun", Some(&json!({"from": "start"})));
    let found = wait::until(30, "hooks of the second end", || Some(hooks()).filter(|found| found.len() >= 4));
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn a_command_goes_on_from_its_checkpoint() {
    let place = Place::new();
    let _server = place.start("dev");
    let text = r#"
job: resumable
tasks:
  count:
    retries: 2
    backoff: {type: fixed, initial: 100ms, jitter: none}
    run: |
      from=$(sed 's/[^0-9]//g' "${MAINSPRING_CHECKPOINT:-/dev/null}")
      next=$((${from:-0} + 1))
      echo "{\"percent\": $((next * 33)), \"message\": \"step $next\", \"checkpoint\": {\"step\": $next}}" >> "$MAINSPRING_PROGRESS"
      [ "$next" -ge 3 ] || exit 1
      echo "$next" > "$MAINSPRING_OUTPUT"
"#;
    let job = submit(&place, "resumable", text, &[]);
    assert_eq!(place.wait_for_end(&format!("/api/v1/jobs/{job}"), 60)["status"], "completed");
    let task = task(&place, &job, "count");
    assert_eq!((&task["output"], &task["attempt"]), (&json!(3), &json!(3)), "{task}");
}
