//! What people find in a Redis that holds a job.

use serde_json::json;

use crate::process::{Place, mainspring};
use crate::redis::Redis;

#[test]
fn a_job_runs_to_its_end_on_redis_and_its_status_has_a_key() {
    let place = Place::new();
    let redis = Redis::start(place.folder.path());
    let mut command = mainspring();
    command.current_dir(place.folder.path()).args([
        "dev",
        "--listen",
        &place.address.to_string(),
        "--store",
        &redis.url(),
    ]);
    let _server = place.start_with(command);
    let tasks = json!([{"taskId": "a", "run": "true"}, {"taskId": "b", "run": "true", "needs": ["a"]}]);
    place.call("POST", "/api/v1/jobs", Some(&json!({"jobId": "job_202", "tasks": tasks})));
    assert_eq!(place.wait_for_end("/api/v1/jobs/job_202", 30)["status"], "completed");
    let output = mainspring().args(["redis-key", "job_202", "b"]).output().expect("the binary runs");
    let key = String::from_utf8(output.stdout).expect("it is text");
    assert_eq!(key.trim(), "ms:{b15}:default:job_202:b:status");
    assert_eq!(redis.cli(&["get", key.trim()]), "completed");
}
