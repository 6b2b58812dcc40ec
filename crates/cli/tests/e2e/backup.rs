//! A copy that is taken while the server works holds everything that was acknowledged before (R29 in short).

use serde_json::{Value, json};

use crate::process::{Place, Process, mainspring};
use crate::wait;

fn succeeds(place: &Place, arguments: &[&str]) {
    let mut command = mainspring();
    command.current_dir(place.folder.path()).args(arguments);
    let mut process = Process::start(&mut command, &place.path("copying.log"));
    let status = wait::until(20, "end of the copy", || process.ended());
    assert!(status.success(), "{arguments:?}: {}", process.printed());
}

#[test]
fn a_restored_copy_holds_what_was_acknowledged_and_takes_no_old_token() {
    let place = Place::new();
    let mut server = place.start("serve");
    let before: Vec<Value> = (0..500).map(|number| json!({"taskId": format!("b{number}"), "type": "mine"})).collect();
    place.call("POST", "/api/v1/tasks", Some(&json!(before)));
    let exchange = |seq: u64, outcomes: Value| {
        let call = json!({"workerId": "w", "sessionId": "s", "seq": seq, "ack": seq - 1, "queues": ["default"],
            "types": ["mine"], "capacity": 1, "waitMs": 1_000, "outcomes": outcomes});
        place.call("POST", "/api/v1/workers/exchange", Some(&call))
    };
    let granted = exchange(1, json!([]))["grants"][0].clone();
    succeeds(&place, &["backup", "--store", &place.store(), "copy.db"]);
    place.call("POST", "/api/v1/tasks", Some(&json!({"taskId": "after", "type": "mine"})));
    server.kill();

    succeeds(&place, &["restore", "copy.db", "--store", &place.store(), "--yes"]);
    let _server = place.start("serve");
    for number in 0..500 {
        place.call("GET", &format!("/api/v1/tasks/b{number}"), None);
    }
    assert!(place.try_call("GET", "/api/v1/tasks/after", None).is_ok_and(|reply| reply.status == 404));
    let token = granted["token"].as_str().expect("a task was granted");
    let reply = exchange(2, json!([{"token": token, "status": "success"}]));
    assert_eq!(reply["stale"][0], json!(token), "a token of before the restore was taken: {reply}");
    let path = format!("/api/v1/tasks/{}", granted["taskId"].as_str().expect("a grant names its task"));
    assert_eq!(place.call("GET", &path, None)["status"], "running");
}
