//! A full disk: refused clearly, nothing acknowledged is lost, and the server goes on once there is room.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::process::{Place, skip};
use crate::wait;

/// A mounted file system, unmounted when it goes out of scope.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Mounts an empty file system in memory; `None` where that is not allowed.
    pub(crate) fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).ok()?;
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at)
            .stderr(Stdio::null())
            .status()
            .ok()?;
        status.success().then(|| Self(at.to_path_buf()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn submit(place: &Place, id: &str) -> Result<(), Value> {
    let task = json!({"taskId": id, "type": "nobody", "payload": "x".repeat(60_000)});
    match place.try_call("POST", "/api/v1/tasks", Some(&task)) {
        Ok(reply) if reply.status == 201 => Ok(()),
        Ok(reply) => Err(reply.body),
        Err(error) => Err(json!({"broken": error.to_string()})),
    }
}

#[test]
fn a_full_disk_is_named_and_nothing_acknowledged_is_lost() {
    let name = "a_full_disk_is_named_and_nothing_acknowledged_is_lost";
    let place = Place::new();
    let Some(mount) = Mount::tmpfs(&place.path("small"), "size=16m") else {
        return skip(name, "a small file system cannot be mounted here");
    };
    let ballast = mount.path().join("ballast");
    fs::write(&ballast, vec![0_u8; 4 << 20]).expect("the ballast fits");
    let store = format!("sqlite:{}", mount.path().join("store.db").display());
    let mut command = crate::process::mainspring();
    command.args(["serve", "--listen", &place.address.to_string(), "--store", &store]);
    let mut server = place.start_with(command);

    let mut taken = Vec::new();
    let refusal = loop {
        let id = format!("full-{}", taken.len());
        match submit(&place, &id) {
            Ok(()) => taken.push(id),
            Err(refusal) => break refusal,
        }
        assert!(taken.len() < 1_000, "the disk never filled up");
    };
    assert_eq!(refusal["status"], 503, "{refusal}");
    let code = refusal["code"].as_str().unwrap_or_default().to_owned();
    assert!(matches!(code.as_str(), "store_unavailable" | "outcome_unknown"), "{refusal}");
    assert!(server.ended().is_none(), "the server ended: {}", server.printed());
    let refusal = wait::until(60, "refusal that names the disk", || {
        submit(&place, "full").err().filter(|refusal| refusal["code"] == "store_unavailable")
    });
    assert!(refusal.to_string().contains("full"), "{refusal}");
    let ready = place.try_call("GET", "/readyz", None).expect("the server answers");
    assert!(ready.status == 503 && ready.body.to_string().contains("store_write"), "{}", ready.body);
    assert!(!server.printed().contains("another owner"), "{}", server.printed());

    fs::remove_file(&ballast).expect("the ballast can go");
    wait::until(60, "accepted task after there is room again", || submit(&place, "after").ok());
    drop(server);
    let mut command = crate::process::mainspring();
    command.args(["serve", "--listen", &place.address.to_string(), "--store", &store]);
    let _server = place.start_with(command);
    for id in taken.iter().map(String::as_str).chain(["after"]) {
        let task = place.call("GET", &format!("/api/v1/tasks/{id}"), None);
        assert_eq!(task["taskId"], id);
    }
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let place = Place::new();
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>/dev/full", env!("CARGO_BIN_EXE_mainspring")]);
    command.args(["serve", "--listen", &place.address.to_string(), "--store", "memory:"]).env("RUST_LOG", "debug");
    let mut server = place.start_with(command);
    submit(&place, "logged-in-vain").expect("the server takes work");
    server.signal(rustix::process::Signal::TERM);
    let status = wait::until(30, "end of the server", || server.ended());
    assert!(status.success(), "{status}");
}
