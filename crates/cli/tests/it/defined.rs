//! Definitions and profiles, against a real server.

use serde_json::{Value, json};

use crate::site::Site;

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_file_is_applied_compared_and_rolled_back() {
    let site = Site::dev();
    let first = "profile: patient\nretries: 4\n---\ntaskId: hello\nrun: echo hello\nprofile: patient\n---\n\
        job: greet\ntasks: [hello]\n";
    site.write("greet.yaml", first);
    let planned = site.run(&["apply", "greet.yaml", "--dry-run"]).expect(0).out;
    assert!(planned.contains("job greet: version 0 → 1"), "{planned}");
    site.run(&["definitions", "get", "greet"]).expect(3);
    let applied = site.run(&["apply", "greet.yaml"]).expect(0);
    let expected = "definition profiles/patient version 1\ndefinition tasks/hello version 1\n\
        definition jobs/greet version 1\n";
    assert_eq!(applied.out, expected);
    assert!(applied.err.contains("next: mainspring definitions run greet"), "{}", applied.err);
    let again = site.run(&["apply", "greet.yaml"]).expect(0).out;
    assert_eq!(again.matches("unchanged, version 1").count(), 3, "{again}");
    assert_eq!(
        site.run(&["definitions", "list", "-o", "name"]).expect(0).out,
        "jobs/greet\ntasks/hello\nprofiles/patient\n"
    );
    site.write("task.yaml", "taskId: hello\nrun: echo hello world\nqueue: slow\n");
    site.run(&["apply", "task.yaml"]).expect(0);
    let diff = site.run(&["definitions", "diff", "tasks/hello"]).expect(0).out;
    let mut lines: Vec<&str> = diff.lines().collect();
    assert_eq!(lines.remove(0), "task hello: version 1 → 2");
    lines.sort_unstable();
    let expected =
        ["+ /queue: \"slow\"", "+ /run: \"echo hello world\"", "- /profile: \"patient\"", "- /run: \"echo hello\""];
    assert_eq!(lines, expected);
    let document = read(&site.run(&["definitions", "diff", "tasks/hello", "-o", "json"]).expect(0).out);
    assert_eq!((&document["from"], &document["to"]), (&json!(1), &json!(2)));
    let back = site.run(&["definitions", "rollback", "tasks/hello", "--to", "1"]).expect(0).out;
    assert_eq!(back, "definition tasks/hello version 3\n");
    let versions = read(&site.run(&["definitions", "versions", "tasks/hello", "-o", "json"]).expect(0).out);
    assert_eq!(versions["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(versions["items"][0]["appliedBy"], "anonymous");
    let job = site.run(&["definitions", "run", "greet", "-o", "name"]).expect(0);
    let job = read(&site.run(&["jobs", "get", job.word(0), "--wait=60s", "-o", "json"]).expect(0).out);
    assert_eq!(job["definition"], json!({"name": "greet", "version": 1}));
    let first = site.run(&["definitions", "get", "tasks/hello", "--version", "1"]).expect(0).out;
    assert!(first.contains("version 1") && first.contains("run: echo hello\n"), "{first}");
    site.run(&["definitions", "delete", "greet"]).expect(0);
    site.run(&["definitions", "run", "greet"]).expect(3);
    site.run(&["definitions", "get", "queues/x"]).expect(2);
}

#[test]
fn nothing_of_a_file_is_applied_if_a_part_of_it_is_wrong() {
    let site = Site::dev();
    site.write("bad.yaml", "taskId: fine\nrun: 'true'\n---\ntaskId: bad\nrun: 'true'\nretrys: 1\n");
    let ended = site.run(&["apply", "bad.yaml"]).expect(8);
    assert!(ended.err.contains("bad.yaml:6:1") && ended.err.contains("did you mean `retries`?"), "{}", ended.err);
    site.write("nameless.yaml", "tasks: {a: 'true'}\n");
    let ended = site.run(&["apply", "nameless.yaml"]).expect(8);
    assert!(ended.err.contains("write `job: NAME`"), "{}", ended.err);
    assert_eq!(site.run(&["definitions", "list", "-o", "name"]).expect(0).out, "");
}

#[test]
fn a_profile_is_set_field_by_field() {
    let site = Site::dev();
    let set = site.run(&["profiles", "set", "bulk", "retries=5", "queue=bulk", "labels={\"zone\":\"a\"}"]).expect(0);
    assert_eq!(set.out, "definition profiles/bulk version 1\n");
    site.run(&["profiles", "set", "bulk", "retries=6", "labels="]).expect(0);
    let profile = read(&site.run(&["profiles", "get", "bulk", "-o", "json"]).expect(0).out);
    assert_eq!((&profile["version"], &profile["body"]), (&json!(2), &json!({"retries": 6, "queue": "bulk"})));
    let wrong = site.run(&["profiles", "set", "bulk", "retrys=6"]).expect(8);
    assert!(wrong.err.contains("did you mean `retries`?"), "{}", wrong.err);
    site.run(&["profiles", "set", "bulk", "retries"]).expect(2);
    site.write("task.json", r#"{"type": "mine", "taskId": "t", "profile": "bulk"}"#);
    site.run(&["submit", "task.json"]).expect(0);
    let task = read(&site.run(&["tasks", "get", "t", "-o", "json"]).expect(0).out);
    assert_eq!((&task["retries"], &task["queue"]), (&json!(6), &json!("bulk")));
    site.write("other.json", r#"{"type": "mine", "profile": "bulky"}"#);
    let unknown = site.run(&["submit", "other.json"]).expect(8);
    assert!(unknown.err.contains("did you mean `bulk`?"), "{}", unknown.err);
    assert!(site.run(&["profiles"]).expect(0).out.contains("profiles/bulk"));
    site.run(&["profiles", "delete", "bulk"]).expect(0);
    site.run(&["profiles", "get", "bulk"]).expect(3);
}
