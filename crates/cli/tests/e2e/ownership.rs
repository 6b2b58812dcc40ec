//! A store has one owner, and a folder that cannot be written is named.

use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::disk::Mount;
use crate::process::{Place, Process, mainspring, skip};
use crate::wait;

/// Runs a command that must end by itself within ten seconds; what it printed.
fn must_end(place: &Place, command: &mut Command, name: &str) -> (bool, String) {
    let log = place.path(name);
    let mut process = Process::start(command, &log);
    let status = wait::until(10, "end of a command that cannot go on", || process.ended());
    (status.success(), process.printed())
}

#[test]
fn a_second_server_on_one_file_is_refused_and_the_first_goes_on() {
    let place = Place::new();
    let mut server = place.start("serve");
    let mut command = mainspring();
    command.current_dir(place.folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--store", &place.store()]);
    let (succeeded, printed) = must_end(&place, &mut command, "second.log");
    assert!(!succeeded);
    assert!(printed.contains("store.db") && printed.contains("another"), "the refusal is not clear: {printed}");

    place.call("POST", "/api/v1/tasks", Some(&json!({"taskId": "still-here", "type": "noop"})));
    server.kill();
    // The lock goes with the process: no waiting for a lease.
    let _server = place.start("serve");
    place.call("GET", "/api/v1/tasks/still-here", None);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let name = "a_folder_that_cannot_be_written_is_named";
    let place = Place::new();
    let Some(mount) = Mount::tmpfs(&place.path("sealed"), "size=1m,ro") else {
        return skip(name, "a read-only file system cannot be mounted here");
    };
    let mut command = mainspring();
    let store = format!("sqlite:{}", mount.path().join("store.db").display());
    command.current_dir(place.folder.path()).args(["serve", "--listen", "127.0.0.1:0", "--store", &store]);
    let (succeeded, printed) = must_end(&place, &mut command, "sealed.log");
    assert!(!succeeded);
    assert!(printed.contains("sealed"), "the refusal does not name the place: {printed}");
    assert!(!printed.contains("panicked"), "{printed}");
}

#[test]
fn a_client_of_no_server_says_so() {
    let output: Output = mainspring()
        .args(["tasks", "list", "--server", "http://127.0.0.1:1"])
        .stdout(Stdio::piped())
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(7));
}
