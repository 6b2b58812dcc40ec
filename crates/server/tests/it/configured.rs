//! A server that reads its configuration again, and one that watches a folder of definitions.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use mainspring_server::config::{Layers, Reloading};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Server;

fn write(path: &Path, text: &str) {
    // As editors do: what is read is never half written.
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(&next, path).unwrap();
}

async fn server_with(file: &Path) -> Server {
    let layers = Layers { file: Some(file.to_owned()), ..Layers::default() };
    let settings = layers.load().unwrap();
    Server::start_with(|config| {
        let configured = settings.serve_config();
        config.http = configured.http;
        config.definitions_dir = configured.definitions_dir;
        config.reloading = Some(Reloading { layers, settings, level: None, asked: Arc::default() });
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_what_it_can_and_names_what_needs_a_restart() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mainspring.toml");
    write(&file, "[http]\nbody_bytes_max = 1000\n");
    let server = server_with(&file).await;
    let large = json!({"from": "start", "taskId": "x".repeat(2_000)});
    server.post("/api/v1/jobs/nobody/rerun", &large).await.refused(413, "body_too_large");
    let nothing = server.order("/api/v1/config/reload").await.good(200);
    assert_eq!(nothing, json!({"changed": [], "needsRestart": []}));
    write(&file, "listen = \"127.0.0.1:9\"\n[http]\nbody_bytes_max = \"1 MiB\"\n");
    // The watch may have been faster; then nothing is left to change.
    let view = server.order("/api/v1/config/reload").await.good(200);
    assert_eq!(view["needsRestart"], json!(["listen"]), "{view}");
    server.post("/api/v1/jobs/nobody/rerun", &large).await.refused(404, "not_found");
    let audit = server.get("/api/v1/audit").await.good(200);
    let reloads: Vec<&Value> =
        audit["items"].as_array().unwrap().iter().filter(|item| item["action"] == "config.reload").collect();
    assert!(reloads.iter().any(|item| item["detail"]["changed"] == json!(["http.body_bytes_max"])), "{audit}");
    write(&file, "[http]\nbody_bytes_max = 10\nstreams = 3\n");
    let problem = server.order("/api/v1/config/reload").await.refused(422, "invalid_config");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("mainspring.toml:3:1"), "{problem}");
    // The last good one holds.
    server.post("/api/v1/jobs/nobody/rerun", &large).await.refused(404, "not_found");
    let plain = Server::start().await;
    plain.order("/api/v1/config/reload").await.refused(422, "invalid_config");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_and_a_signal_reload_by_themselves() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mainspring.toml");
    write(&file, "");
    let layers = Layers { file: Some(file.clone()), ..Layers::default() };
    let settings = layers.load().unwrap();
    let asked = Arc::new(tokio::sync::Notify::new());
    let server = Server::start_with(|config| {
        config.reloading = Some(Reloading { layers, settings, level: None, asked: Arc::clone(&asked) });
    })
    .await;
    let by = |actor: &'static str| {
        move |audit: &Value| {
            audit["items"]
                .as_array()
                .unwrap()
                .iter()
                .any(|item| item["action"] == "config.reload" && item["actor"] == actor)
        }
    };
    asked.notify_one();
    server.until("/api/v1/audit", by("signal")).await;
    write(&file, "[http]\nkeep_alive = \"2s\"\n");
    server.until("/api/v1/audit", by("file")).await;
}

async fn watched(dir: &Path) -> Server {
    Server::start_with(|config| config.definitions_dir = Some(dir.to_owned())).await
}

fn versions(page: &Value) -> Vec<(String, u64)> {
    let each = page["items"].as_array().unwrap().iter();
    each.map(|item| (item["name"].as_str().unwrap().to_owned(), item["version"].as_u64().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_applied_as_a_whole_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path();
    write(&dir.join("job.yaml"), "job: report\nprofile: patient\ntasks: [extract]\n");
    std::fs::create_dir(dir.join("tasks")).unwrap();
    write(&dir.join("tasks/extract.yaml"), "taskId: extract\nrun: echo 1\n---\nprofile: patient\nretries: 3\n");
    write(&dir.join("README.md"), "not a definition");
    let server = watched(dir).await;
    let by_hand = json!({"type": "mine"});
    server.put("/api/v1/definitions/tasks/by-hand", &by_hand).await.good(201);
    let jobs = server.until("/api/v1/definitions/jobs", |page| !versions(page).is_empty()).await;
    assert_eq!(
        (&jobs["items"][0]["name"], &jobs["items"][0]["appliedBy"]),
        (&json!("report"), &json!("definitions_dir"))
    );
    // One broken file: nothing of it all is applied.
    write(&dir.join("job.yaml"), "job: report\ntasks: {a: echo changed}\n");
    write(&dir.join("bad.yaml"), "job: bad\ntasks:\n  a: {run: 'true', retrys: 1}\n");
    let ready = server.until("/readyz", |view| view["warnings"].is_array()).await;
    let detail = ready["warnings"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("bad.yaml:3:20") && detail.contains("did you mean `retries`?"), "{detail}");
    assert!(server.get("/metrics").await.text().contains("mainspring_definitions_dir_ok 0"));
    assert_eq!(server.get("/api/v1/cluster").await.good(200)["warnings"][0]["reason"], "definitions_dir");
    assert_eq!(versions(&server.get("/api/v1/definitions/jobs").await.good(200)), [("report".to_owned(), 1)]);
    // Mended: everything. What is gone from the folder is deleted, what never came from it is not.
    std::fs::remove_file(dir.join("bad.yaml")).unwrap();
    std::fs::remove_file(dir.join("tasks/extract.yaml")).unwrap();
    server.until("/api/v1/definitions/jobs", |page| versions(page) == [("report".to_owned(), 2)]).await;
    assert_eq!(versions(&server.get("/api/v1/definitions/tasks").await.good(200)), [("by-hand".to_owned(), 1)]);
    assert_eq!(server.get("/api/v1/profiles").await.good(200)["items"], json!([]));
    assert!(server.get("/metrics").await.text().contains("mainspring_definitions_dir_ok 1"));
    assert_eq!(server.get("/readyz").await.good(200)["warnings"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_swapped_by_a_link_is_followed() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path();
    for (version, script) in [("..v1", "echo 1"), ("..v2", "echo 2")] {
        std::fs::create_dir(dir.join(version)).unwrap();
        write(&dir.join(version).join("job.yaml"), &format!("job: report\ntasks: {{a: {script}}}\n"));
    }
    symlink("..v1", dir.join("..data")).unwrap();
    symlink("..data/job.yaml", dir.join("job.yaml")).unwrap();
    let server = watched(dir).await;
    server.until("/api/v1/definitions/jobs", |page| versions(page) == [("report".to_owned(), 1)]).await;
    symlink("..v2", dir.join("..next")).unwrap();
    std::fs::rename(dir.join("..next"), dir.join("..data")).unwrap();
    let page = server.until("/api/v1/definitions/jobs", |page| versions(page) == [("report".to_owned(), 2)]).await;
    assert_eq!(page["items"][0]["body"]["tasks"]["a"], "echo 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_folder_cannot_say_is_named() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path();
    write(&dir.join("a.yaml"), "job: twice\ntasks: {a: 'true'}\n");
    write(&dir.join("b.yaml"), "job: twice\ntasks: {a: 'true'}\n---\njobId: one\ntasks: {a: 'true'}\n");
    write(&dir.join("c.yaml"), "tasks: {a: 'true'}\n");
    let server = watched(dir).await;
    let ready = server.until("/readyz", |view| view["warnings"].is_array()).await;
    let detail = ready["warnings"][0]["detail"].as_str().unwrap();
    for part in
        ["b.yaml:1:1: job `twice` is defined at a.yaml:1 too", "b.yaml:4:", "`jobId` names one instance", "c.yaml:1:"]
    {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    assert_eq!(server.get("/api/v1/definitions/jobs").await.good(200)["items"], json!([]));
}
