//! Where work goes, what is refused and where, and what is recorded: labels, limits of a map, profiles of hooks, audit.

use serde_json::{Value, json};

use crate::process::Place;
use crate::wait;

/// What a call is answered: status, code, and the pointer of its first problem.
fn answer(place: &Place, method: &str, path: &str, body: &Value) -> (u16, String, String) {
    let reply = place.try_call(method, path, Some(body)).expect("it answers");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (reply.status, text(&reply.body["code"]), text(&reply.body["errors"][0]["pointer"]))
}

#[test]
fn a_task_with_labels_runs_only_where_they_are_and_why_says_which_are_missing() {
    let place = Place::new();
    let _server = place.start("serve");
    let _plain = place.worker("plain", &[]);
    let _other = place.worker("other", &["--label", "zone=a", "--label", "gpu=no"]);
    let task = json!({"taskId": "picky", "command": "true", "labels": {"zone": "b", "gpu": "yes"}});
    place.call("POST", "/api/v1/tasks", Some(&task));
    place.call("POST", "/api/v1/tasks", Some(&json!({"taskId": "any", "command": "true"})));
    assert_eq!(place.wait_for_end("/api/v1/tasks/any", 30)["status"], "completed");
    let why = wait::until(30, "the reason", || {
        let why = place.call("GET", "/api/v1/tasks/picky/why", None);
        why["gates"].as_array().is_some_and(|gates| gates.iter().any(|gate| gate["gate"] == "no_worker")).then_some(why)
    });
    let said = why.to_string();
    assert!(said.contains("zone=b") && said.contains("gpu=yes"), "{said}");
    assert_eq!(place.call("GET", "/api/v1/tasks/picky", None)["status"], "ready");
    let _picked = place.worker("picked", &["--label", "zone=b", "--label", "gpu=yes", "--label", "more=1"]);
    assert_eq!(place.wait_for_end("/api/v1/tasks/picky", 30)["status"], "completed");
    assert_eq!(place.attempts("/api/v1/tasks/picky")[0]["workerId"], "picked");
}

#[test]
fn a_map_runs_as_many_instances_side_by_side_as_its_concurrency() {
    let place = Place::new();
    let _server = place.start("dev");
    let log = place.path("log");
    let run = format!("echo + >> {0}; sleep 0.15; echo - >> {0}", log.display());
    let job = json!({"jobId": "map", "tasks": {"each": {"forEach": (0..9).collect::<Vec<_>>(), "concurrency": 3, "run": run}}});
    place.call("POST", "/api/v1/jobs", Some(&job));
    assert_eq!(place.wait_for_end("/api/v1/jobs/map", 60)["status"], "completed");
    let written = std::fs::read_to_string(log).expect("the instances wrote it");
    let mut running = 0_i32;
    let most = written.lines().map(|line| {
        running += if line == "+" { 1 } else { -1 };
        running
    });
    assert_eq!((most.max(), written.lines().count()), (Some(3), 18), "{written}");
    let alone = json!({"type": "noop", "concurrency": 3});
    assert_eq!(answer(&place, "POST", "/api/v1/tasks", &alone), (422, "missing_field".into(), "/concurrency".into()));
}

#[test]
fn a_hook_goes_by_its_own_profile_and_by_that_of_its_job() {
    let place = Place::new();
    let _server = place.start("dev");
    let profile = |name: &str, queue: &str| {
        let reply = place.try_call("PUT", &format!("/api/v1/profiles/{name}"), Some(&json!({"queue": queue})));
        assert!(reply.expect("it answers").status < 300);
    };
    profile("slow", "slow");
    profile("loud", "loud");
    let job = json!({"jobId": "p", "profile": "slow", "tasks": {"a": "true"}, "onSuccess": {"command": ["true"], "profile": "loud"}, "onComplete": "true"});
    place.call("POST", "/api/v1/jobs", Some(&job));
    let queues = wait::until(30, "both hooks", || {
        let page = place.call("GET", "/api/v1/tasks?limit=100", None);
        let mut queues: Vec<_> = page["items"]
            .as_array()?
            .iter()
            .map(|task| task["queue"].as_str().unwrap_or_default().to_owned())
            .collect();
        queues.sort();
        (queues.len() == 3).then_some(queues)
    });
    assert_eq!(queues, ["loud", "slow", "slow"]);
    let unknown = json!({"tasks": {"a": "true"}, "onFailed": {"command": ["true"], "profile": "lout"}});
    assert_eq!(
        answer(&place, "POST", "/api/v1/jobs", &unknown),
        (422, "unknown_profile".into(), "/onFailed/profile".into())
    );
}

#[test]
fn what_makes_no_sense_is_refused_at_its_place() {
    let place = Place::new();
    let _server = place.start("dev");
    let call = |path: &str, body: Value| answer(&place, "POST", path, &body);
    let said = |status, code: &str, pointer: &str| (status, code.to_owned(), pointer.to_owned());
    for (field, value) in
        [("if", json!("true")), ("forEach", json!([1])), ("needs", json!("a")), ("approval", json!({}))]
    {
        let (status, code, pointer) = call("/api/v1/tasks", json!({"command": "true", field: value}));
        assert_eq!((status, pointer.as_str()), (422, &*format!("/{field}")), "{field}: {code}");
    }
    let (status, code, pointer) = call("/api/v1/tasks", json!({"command": ["echo", "${{ params.x }}"]}));
    assert_eq!((status, pointer.as_str()), (422, "/command/1"), "{code}");
    // A signal for what has ended, and for what waits for none.
    place.call("POST", "/api/v1/tasks", Some(&json!({"taskId": "done", "command": "true"})));
    place.wait_for_end("/api/v1/tasks/done", 30);
    assert_eq!(call("/api/v1/tasks/done/signal", json!({"approved": true})), said(409, "wrong_state", ""));
    // A definition that is inside of itself, at once or around a corner.
    let put = |name: &str, body: Value| answer(&place, "PUT", &format!("/api/v1/definitions/jobs/{name}"), &body);
    assert_eq!(put("a", json!({"tasks": {"x": {"job": "a"}}})).1, "cycle");
    assert_eq!(put("b", json!({"tasks": {"x": "true"}})).0, 201);
    assert_eq!(put("a", json!({"tasks": {"x": {"job": "b"}}})).0, 201);
    assert_eq!(put("b", json!({"tasks": {"x": {"job": "a"}}})), said(422, "cycle", "/tasks/x/job"));
    // Calendars that exclude the same date.
    let exclude = json!({"works": ["2026-12-24..2026-12-31"], "german": ["2026-12-25"]});
    let schedule = json!({"name": "s", "cron": "0 6 * * *", "exclude": exclude, "task": {"command": "true"}});
    assert_eq!(call("/api/v1/schedules", schedule), said(422, "invalid_value", "/exclude"));
    // Nothing follows itself, nor in a circle.
    let after = |after: &str| json!({"schedule": {"after": after}, "tasks": {"x": "true"}});
    assert_eq!(put("c", after("c")), said(422, "cycle", "/schedule/after"));
    assert_eq!((put("c", after("d")).0, put("d", after("c")).1.as_str()), (201, "cycle"));
}

#[test]
fn every_change_of_what_is_set_is_an_audit_record() {
    let place = Place::new();
    let _server = place.start("dev");
    let mut calls = 0;
    let mut call = |method: &str, path: &str, body: Value| {
        let reply = place.try_call(method, path, Some(&body).filter(|body| !body.is_null())).expect("it answers");
        assert!(reply.status < 300, "{method} {path}: {}", reply.body);
        calls += 1;
    };
    let job = |run: &str| json!({"tasks": {"x": run}});
    call("PUT", "/api/v1/definitions/jobs/j", job("true"));
    call("PUT", "/api/v1/definitions/jobs/j", job("false"));
    call("POST", "/api/v1/definitions/jobs/j/rollback", json!({"version": 1}));
    call("PUT", "/api/v1/definitions/tasks/t", json!({"command": "true"}));
    call("PUT", "/api/v1/profiles/p", json!({"retries": 1}));
    call("PUT", "/api/v1/schedules/s", json!({"cron": "0 6 * * *", "job": "j"}));
    call("PUT", "/api/v1/schedules/s", json!({"after": "k", "job": "j"}));
    call("POST", "/api/v1/schedules/s/pause", json!({}));
    call("POST", "/api/v1/schedules/s/resume", json!({}));
    call("POST", "/api/v1/schedules/s/trigger", json!({}));
    call("PATCH", "/api/v1/queues/q", json!({"concurrency": 3}));
    call("PATCH", "/api/v1/types/t", json!({"concurrency": 3}));
    call("PATCH", "/api/v1/tenants/u", json!({"weight": 3}));
    call("POST", "/api/v1/queues/q/pause", json!({}));
    call("POST", "/api/v1/queues/q/resume", json!({}));
    call("DELETE", "/api/v1/schedules/s", Value::Null);
    call("DELETE", "/api/v1/profiles/p", Value::Null);
    call("DELETE", "/api/v1/definitions/jobs/j", Value::Null);
    let page = place.call("GET", "/api/v1/audit?limit=100", None);
    let mut actions: Vec<_> =
        page["items"].as_array().expect("a list has items").iter().map(|record| record["action"].to_string()).collect();
    actions.reverse();
    assert_eq!(actions.len(), calls, "{actions:?}");
}
