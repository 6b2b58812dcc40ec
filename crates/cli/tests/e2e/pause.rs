//! Stops of a process for longer than a lease (R13 in short): what wakes up late changes nothing.

use rustix::process::Signal;
use serde_json::json;

use crate::history::{self, witness_script};
use crate::process::{Kind, Place, on_every_store};
use crate::wait;

on_every_store! {
    the_late_outcome_of_a_stopped_worker_is_refused
    a_server_that_was_stopped_for_longer_than_a_lease_goes_on_with_its_workers
}

fn the_late_outcome_of_a_stopped_worker_is_refused(kind: Kind) {
    let place = Place::on(kind);
    let _server = place.start("serve");
    let first = place.worker("first", &["--lease", "2s", "--concurrency", "1"]);
    let witness = place.path("witness");
    let go = place.path("go");
    // The first attempt waits for a file; the second one finds it there.
    let wait_for_go = format!(
        "while [ ! -e {} ]; do sleep 0.05; done; echo \"{{\\\"attempt\\\": $MAINSPRING_ATTEMPT}}\" > \"$MAINSPRING_OUTPUT\"",
        go.display()
    );
    let task =
        json!({"taskId": "paused", "type": "shell", "run": witness_script(&witness, &wait_for_go), "retries": 3});
    place.call("POST", "/api/v1/tasks", Some(&task));
    wait::until(20, "first start", || (history::starts(&witness).len() == 1).then_some(()));

    first.signal(Signal::STOP);
    let _second = place.worker("second", &["--lease", "2s", "--concurrency", "1"]);
    wait::until(30, "second start", || (history::starts(&witness).len() == 2).then_some(()));
    std::fs::write(&go, "").expect("the file can be written");
    first.signal(Signal::CONT);

    let task = place.wait_for_end("/api/v1/tasks/paused", 30);
    assert_eq!(task["status"], "completed", "{task}");
    assert_eq!(task["output"]["attempt"], 2, "the output is not that of the attempt in force: {task}");
    let attempts = place.attempts("/api/v1/tasks/paused");
    let told: Vec<_> = attempts.iter().map(|attempt| (&attempt["status"], &attempt["workerId"])).collect();
    assert_eq!(told, [(&json!("lost"), &json!("first")), (&json!("success"), &json!("second"))], "{attempts:?}");
    let starts = history::starts(&witness);
    assert!(starts[0].fence < starts[1].fence, "{starts:?}");
}

fn a_server_that_was_stopped_for_longer_than_a_lease_goes_on_with_its_workers(kind: Kind) {
    let place = Place::on(kind);
    let server = place.start("serve");
    let _worker = place.worker("steady", &["--lease", "2s", "--concurrency", "4"]);
    let witness = place.path("witness");
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            let run = witness_script(&witness, "sleep 1; echo done");
            json!({"taskId": format!("s{number}"), "type": "shell", "run": run, "retries": 3})
        })
        .collect();
    place.call("POST", "/api/v1/tasks", Some(&json!(tasks)));
    wait::until(20, "start", || (history::starts(&witness).len() >= 4).then_some(()));

    server.signal(Signal::STOP);
    wait::pace(std::time::Duration::from_secs(5));
    server.signal(Signal::CONT);

    let ids: Vec<String> = (0..12).map(|number| format!("s{number}")).collect();
    let summary = history::check(&place, &ids, &witness);
    assert_eq!(summary.completed, ids.len());
}
