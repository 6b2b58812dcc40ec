//! Commands about things of a server, against a real one.

use serde_json::Value;

use crate::site::{Site, folder_with, run_in};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_submitted_command_is_followed_to_its_output() {
    let site = Site::dev();
    let submitted = site.run(&["submit", "shell", "--command", "echo hello from here"]).expect(0);
    assert!(submitted.err.contains("next: mainspring logs"), "{}", submitted.err);
    let id = submitted.word(1).to_owned();
    let logs = site.run(&["logs", &id, "-f"]).expect(0);
    assert_eq!(logs.out, "hello from here\n");
    let task = json(&site.run(&["tasks", "get", &id, "-o", "json"]).expect(0).out);
    assert_eq!((task["taskId"].as_str(), task["status"].as_str()), (Some(id.as_str()), Some("completed")));
    let attempts = json(&site.run(&["tasks", "attempts", &id, "-o", "json"]).expect(0).out);
    assert_eq!(attempts["items"][0]["status"], "success");
    assert_eq!(site.run(&["tasks", "list", "-o", "name"]).expect(0).out.trim(), id);
}

#[test]
fn a_job_file_runs_to_its_end_and_shows_its_graph() {
    let site = Site::dev();
    site.write("pair.yaml", "job: pair\ntasks:\n  one: echo 1\n  two: {needs: [one], run: echo 2}\n");
    let ended = site.run(&["submit", "pair.yaml", "--wait=60s", "-o", "name"]).expect(0);
    let id = ended.word(0).to_owned();
    assert!(site.run(&["jobs", "graph", &id]).expect(0).out.contains("✔ two  completed  ← one"));
    let logs = site.run(&["logs", &id]).expect(0).out;
    assert_eq!(logs, "one │ 1\ntwo │ 2\n");
    let events = site.run(&["jobs", "events", &id]).expect(0).out;
    assert!(events.lines().last().is_some_and(|line| line.contains("JOB_COMPLETE")), "{events}");
    // The beginning of an id is enough while it is unique.
    let job = json(&site.run(&["jobs", "get", &id[..id.len() - 1], "-o", "json"]).expect(0).out);
    assert_eq!(job["jobId"].as_str(), Some(id.as_str()));
    assert_eq!(site.run(&["jobs", "tasks", &id, "-o", "name"]).expect(0).out, format!("{id}/one\n{id}/two\n"));
}

#[test]
fn awaited_work_that_fails_ends_with_four_and_stands_among_the_dead_letters() {
    let site = Site::dev();
    let failed = site.run(&["submit", "shell", "--command", "sh -c 'exit 9'", "--id", "bad", "--wait"]).expect(4);
    assert!(failed.err.contains("mainspring logs bad"), "{}", failed.err);
    assert!(site.run(&["dlq", "list"]).expect(0).out.contains("bad"));
    let counted = site.run(&["dlq", "redrive", "bad", "--dry-run"]).expect(0);
    assert_eq!(counted.out, "1 dead letter would be redriven\n");
    site.run(&["dlq", "redrive", "bad"]).expect(0);
    site.run(&["tasks", "get", "bad", "--wait"]).expect(4);
    let task = json(&site.run(&["tasks", "get", "bad", "-o", "json"]).expect(0).out);
    assert_eq!(task["generation"], 2);
    site.run(&["dlq", "discard", "bad"]).expect(0);
    site.run(&["dlq", "discard", "bad"]).expect(5);
    site.run(&["dlq", "discard", "nobody"]).expect(3);
}

#[test]
fn work_that_does_not_end_in_time_ends_with_124() {
    let site = Site::dev();
    site.run(&["submit", "noop", "--delay", "1h", "--id", "later", "--wait=100ms"]).expect(124);
    assert!(site.run(&["why", "later"]).expect(0).out.contains("scheduled"));
    site.run(&["tasks", "cancel", "later"]).expect(0);
    site.run(&["tasks", "cancel", "later"]).expect(0);
    site.run(&["tasks", "delete", "later"]).expect(0);
    site.run(&["tasks", "get", "later"]).expect(3);
}

#[test]
fn a_taken_id_is_a_conflict_and_a_bad_value_is_invalid() {
    let site = Site::dev();
    site.run(&["submit", "noop", "--id", "done", "--wait"]).expect(0);
    site.run(&["tasks", "cancel", "done"]).expect(5);
    site.run(&["submit", "noop", "--id", "mine"]).expect(0);
    site.run(&["submit", "noop", "--id", "mine", "--retries", "1"]).expect(5);
    let refused = site.run(&["submit", "noop", "--priority", "12"]).expect(8);
    assert!(refused.err.contains("/priority"), "{}", refused.err);
    site.run(&["submit", "noop", "--payload", "{oops"]).expect(8);
}

#[test]
fn what_is_not_there_is_not_found_and_who_is_not_there_is_unreachable() {
    let site = Site::dev();
    for arguments in [&["tasks", "get", "nope"][..], &["jobs", "get", "nope"], &["logs", "nope"], &["why", "no/pe"]] {
        site.run(arguments).expect(3);
    }
    let folder = folder_with("x", "");
    let ended = run_in(folder.path(), &["tasks", "list", "--server", "http://127.0.0.1:1"]).expect(7);
    assert!(ended.err.contains("mainspring dev"), "{}", ended.err);
    run_in(folder.path(), &["tasks", "list", "--server", "nowhere"]).expect(2);
}

#[test]
fn a_paused_queue_holds_its_tasks_until_it_is_resumed() {
    let site = Site::dev();
    site.run(&["queues", "pause", "slow"]).expect(0);
    site.run(&["submit", "noop", "--queue", "slow", "--id", "held"]).expect(0);
    assert!(site.run(&["why", "held"]).expect(0).out.contains("queue_paused"));
    assert!(site.run(&["queues", "list"]).expect(0).out.contains("paused"));
    site.run(&["queues", "resume", "slow"]).expect(0);
    site.run(&["tasks", "get", "held", "--wait=30s"]).expect(0);
    assert!(site.run(&["workers", "list"]).expect(0).out.contains("embedded"));
}

#[test]
fn an_order_about_a_query_is_counted_first_and_asks_for_consent() {
    let site = Site::dev();
    for id in ["d1", "d2", "d3"] {
        site.run(&["submit", "noop", "--delay", "1h", "--id", id, "--tag", "batch"]).expect(0);
    }
    let counted = site.run(&["tasks", "cancel", "-q", "tag:batch", "--dry-run"]).expect(0);
    assert_eq!(counted.out, "3 tasks would be cancelled\n");
    let asked = site.run(&["tasks", "cancel", "-q", "tag:batch"]).expect(2);
    assert!(asked.err.contains("--yes"), "{}", asked.err);
    assert_eq!(site.run(&["tasks", "cancel", "-q", "tag:batch", "--yes"]).expect(0).out, "3 tasks cancelled\n");
    let page = json(&site.run(&["tasks", "list", "-q", "tag:batch status:cancelled", "-o", "json"]).expect(0).out);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(3));
}

#[test]
fn yaml_and_json_say_the_same() {
    let site = Site::dev();
    site.run(&["submit", "noop", "--id", "one", "--wait"]).expect(0);
    let yaml = site.run(&["tasks", "get", "one", "-o", "yaml"]).expect(0).out;
    assert!(yaml.lines().any(|line| line == "status: completed"), "{yaml}");
}
