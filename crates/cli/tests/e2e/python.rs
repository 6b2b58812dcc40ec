//! The worker that the guide shows runs as it stands there.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::process::{Kind, Place, Process, on_every_store, root};
use crate::wait;

/// The only Python block of the page.
fn worker_from_the_guide() -> String {
    let page = fs::read_to_string(root().join("docs/guide/workers.md")).expect("the page is there");
    let (_, rest) = page.split_once("```python\n").expect("the page has a worker in Python");
    let (program, _) = rest.split_once("```").expect("the block ends");
    program.to_owned()
}

on_every_store! {
    the_worker_in_a_page_of_python_runs_tasks
}

fn the_worker_in_a_page_of_python_runs_tasks(kind: Kind) {
    let place = Place::on(kind);
    let mut server = place.start("serve");
    fs::write(place.path("worker.py"), worker_from_the_guide()).expect("the program can be written");
    let mut command = Command::new("python3");
    command.arg(place.path("worker.py")).env("MAINSPRING_URL", format!("http://{}", place.address));
    let mut worker = Process::start(&mut command, &place.path("python.log"));

    let tasks: Vec<_> = (0..20)
        .map(|number| json!({"taskId": format!("g{number}"), "type": "greet", "payload": {"name": number.to_string()}}))
        .collect();
    place.call("POST", "/api/v1/tasks", Some(&json!(tasks)));
    for number in 0..20 {
        let task = place.wait_for_end(&format!("/api/v1/tasks/g{number}"), 30);
        assert_eq!(task["status"], "completed", "{task}");
        assert_eq!(task["output"]["text"], format!("hello, {number}"), "{task}");
    }

    // An error of the task's own code is a failure with its type, and the worker outlives the server.
    let broken = json!({"taskId": "broken", "type": "greet", "payload": {}});
    place.call("POST", "/api/v1/tasks", Some(&broken));
    assert_eq!(place.wait_for_end("/api/v1/tasks/broken", 30)["status"], "failed");
    assert_eq!(place.attempts("/api/v1/tasks/broken")[0]["error"]["type"], "KeyError");
    server.kill();
    let _server = place.start("serve");
    let again = json!({"taskId": "again", "type": "greet", "payload": {"name": "again"}});
    place.call("POST", "/api/v1/tasks", Some(&again));
    assert_eq!(place.wait_for_end("/api/v1/tasks/again", 30)["status"], "completed");

    worker.signal(rustix::process::Signal::TERM);
    let status = wait::until(20, "end of the worker", || worker.ended());
    assert!(status.success(), "{status}: {}", worker.printed());
}
