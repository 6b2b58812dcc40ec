//! What follows the end of a job: hooks, and schedules `after` its definition. Each end counts once, whatever is killed.

use serde_json::{Value, json};

use crate::process::{Kind, Place, on_every_store};
use crate::wait;

/// How many jobs are followed.
const JOBS: usize = 24;

on_every_store! {
    each_end_is_followed_once_whatever_is_killed
}

fn define(place: &Place, name: &str, body: &Value) {
    let reply = place.try_call("PUT", &format!("/api/v1/definitions/jobs/{name}"), Some(body)).expect("it answers");
    assert!(reply.status < 300, "{name}: {}", reply.body);
}

/// All items of a list.
fn items(place: &Place, path: &str) -> Vec<Value> {
    let page = place.call("GET", &format!("{path}?limit=1000"), None);
    page["items"].as_array().expect("a list has items").clone()
}

/// Instants that a schedule has fired, newest first.
fn fired(place: &Place, schedule: &str) -> Vec<String> {
    let records = items(place, &format!("/api/v1/schedules/{schedule}/occurrences"));
    assert!(records.iter().all(|record| record["status"] == "fired"), "{records:?}");
    records.iter().map(|record| record["instant"].as_str().expect("a record has its instant").to_owned()).collect()
}

fn each_end_is_followed_once_whatever_is_killed(kind: Kind) {
    let place = Place::on(kind);
    let mut server = place.start("dev");
    define(&place, "source", &json!({"job": "source", "tasks": {"a": "true"}, "onSuccess": {"command": ["true"]}}));
    define(&place, "other", &json!({"job": "other", "tasks": {"a": "true"}}));
    define(&place, "each", &json!({"job": "each", "schedule": {"after": "source"}, "tasks": {"a": "true"}}));
    define(&place, "both", &json!({"job": "both", "schedule": {"after": ["source", "other"]}, "tasks": {"a": "true"}}));
    define(&place, "last", &json!({"job": "last", "tasks": {"a": "true"}}));
    let schedule = json!({"name": "chained", "after": "each", "job": "last"});
    place.call("POST", "/api/v1/schedules", Some(&schedule));
    let circle = json!({"name": "circle", "after": ["last"], "job": "source"});
    let refused = place.try_call("POST", "/api/v1/schedules", Some(&circle)).expect("it answers");
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("cycle")), "{}", refused.body);

    for number in 0..JOBS {
        let job = json!({"jobId": format!("s{number}"), "job": "source", "tasks": {"a": "true"}, "onSuccess": {"command": ["true"]}});
        wait::until(30, "a job to be taken", || {
            let reply = place.try_call("POST", "/api/v1/jobs", Some(&job)).ok()?;
            (reply.status < 300).then_some(())
        });
        if number % 8 == 5 {
            // No kill hits what another one has hit: three losses end a task.
            for earlier in 0..=number - 5 {
                place.wait_for_end(&format!("/api/v1/jobs/s{earlier}"), 60);
            }
            // In the middle of ends, hooks, and what follows.
            server.kill();
            server = place.start("dev");
        }
    }
    // What fails is not followed.
    place.call("POST", "/api/v1/jobs", Some(&json!({"jobId": "bad", "job": "source", "tasks": {"a": "exit 1"}})));
    for number in 0..JOBS {
        assert_eq!(place.wait_for_end(&format!("/api/v1/jobs/s{number}"), 60)["status"], "completed");
    }
    assert_eq!(place.wait_for_end("/api/v1/jobs/bad", 60)["status"], "failed");
    let mut instants = wait::until(60, "an occurrence for each end", || {
        Some(fired(&place, "chained")).filter(|fired| fired.len() >= JOBS)
    });
    instants.sort();
    instants.dedup();
    assert_eq!((instants.len(), fired(&place, "each").len()), (JOBS, JOBS));
    // Each of both: many ends of the one count once.
    assert_eq!(fired(&place, "both").len(), 0);
    let why = place.call("GET", "/api/v1/schedules/both/why", None);
    assert_eq!(why["reason"], "it waits for a job of `other` to complete");
    place.call("POST", "/api/v1/definitions/jobs/other/run", Some(&json!({})));
    wait::until(30, "the occurrence of both", || Some(fired(&place, "both")).filter(|fired| fired.len() == 1));

    // Another owner of everything changes nothing more.
    server.kill();
    let _server = place.start("dev");
    place.call("POST", "/api/v1/jobs/s0/rerun", Some(&json!({"from": "start"})));
    wait::until(60, "the second end", || Some(fired(&place, "chained")).filter(|fired| fired.len() > JOBS));
    let jobs = items(&place, "/api/v1/jobs");
    let named = |name: &str| jobs.iter().filter(|job| job["jobName"] == name).count();
    assert_eq!((named("source onSuccess"), named("each"), named("last")), (JOBS + 1, JOBS + 1, JOBS + 1));
}
