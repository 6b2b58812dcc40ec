//! The daily report, killed in the middle.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{Kind, Place, on_every_store, root};
use crate::wait;

/// Copies the example, and slows its steps down so that there is a middle to kill in.
fn copy_example(to: &Path) {
    let from = root().join("examples");
    let copied = Command::new("cp").arg("-R").arg(from.join("daily-report")).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "the example can be copied");
    let _ = fs::remove_dir_all(to.join("daily-report/out"));
    let text = fs::read_to_string(from.join("daily-report.yaml")).expect("the example is there");
    let slow = text.replace("PACE: \"0.3\"", "PACE: \"1\"");
    assert_ne!(slow, text, "the example no longer says how fast it goes");
    fs::write(to.join("daily-report.yaml"), slow).expect("the copy can be written");
}

/// Lines of the report's own log: step → fences of its attempts, in order.
fn steps(log: &Path) -> BTreeMap<String, Vec<u64>> {
    let mut steps: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in fs::read_to_string(log).unwrap_or_default().lines() {
        let mut words = line.split(' ');
        let step = words.next().unwrap_or_default().to_owned();
        let fence = words.find_map(|word| word.strip_prefix("fence=")).and_then(|fence| fence.parse().ok());
        steps.entry(step).or_default().push(fence.expect("a step knows its fence"));
    }
    steps
}

on_every_store! {
    the_daily_report_completes_although_the_server_is_killed_in_the_middle
}

fn the_daily_report_completes_although_the_server_is_killed_in_the_middle(kind: Kind) {
    let place = Place::on(kind);
    copy_example(place.folder.path());
    let log = place.path("daily-report/out/steps.log");
    let mut command = place.command("dev");
    command.arg("daily-report.yaml");
    let mut server = place.start_with(command);
    wait::until(60, "start of both aggregations", || {
        let steps = steps(&log);
        (steps.contains_key("by-region") && steps.contains_key("by-decade")).then_some(())
    });
    server.kill();
    let _server = place.start("dev");

    let jobs = place.call("GET", "/api/v1/jobs", None);
    let jobs = jobs["items"].as_array().expect("jobs come as items");
    assert_eq!(jobs.len(), 1, "the restart made another job: {jobs:?}");
    let id = jobs[0]["jobId"].as_str().expect("a job has an id").to_owned();
    let job = place.wait_for_end(&format!("/api/v1/jobs/{id}"), 90);
    assert_eq!(job["status"], "completed", "{job}");

    let page = fs::read_to_string(place.path("daily-report/out/report.html")).expect("the page is there");
    assert_eq!(page.matches("<svg").count(), 3, "the page has a map and two charts");
    assert!(page.contains("Asia/Dubai") && page.trim_end().ends_with("</html>"));
    let message = fs::read_to_string(place.path(&format!("daily-report/out/outbox/{id}.eml")));
    assert!(message.is_ok_and(|message| message.contains("312 time zones")), "one message stands in the outbox");

    let steps = steps(&log);
    let names: Vec<&str> = steps.keys().map(String::as_str).collect();
    assert_eq!(names, ["by-decade", "by-region", "extract", "notify", "report", "validate"]);
    for (step, fences) in &steps {
        assert!(fences.windows(2).all(|pair| pair[0] < pair[1]), "{step} ran under fences {fences:?}");
        let attempts = place.attempts(&format!("/api/v1/jobs/{id}/tasks/{step}"));
        let ends: Vec<&str> = attempts.iter().filter_map(|attempt| attempt["status"].as_str()).collect();
        assert_eq!(ends.last(), Some(&"success"), "{step}: {ends:?}");
        assert_eq!(ends.len(), fences.len(), "{step} started {fences:?} and the API tells {ends:?}");
    }
    let extract = place.attempts(&format!("/api/v1/jobs/{id}/tasks/extract"));
    assert_eq!((&extract[0]["status"], &extract[1]["status"]), (&"failure".into(), &"success".into()), "{extract:?}");
    assert!(steps["by-region"].len() == 2 || steps["by-decade"].len() == 2, "the kill met nothing: {steps:?}");
}
