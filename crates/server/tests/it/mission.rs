//! The mission's JSON, verbatim: task definitions, a job that names them, its dependencies, a task with a delay.

use serde_json::json;

use crate::support::{Server, Worker};

#[tokio::test(flavor = "multi_thread")]
async fn the_missions_job_runs_in_the_order_of_its_dependencies() {
    let server = Server::start().await;
    for (number, kind) in [(101, "SendEmail"), (102, "Clean"), (103, "Report")] {
        let body = json!({"taskId": format!("task_{number}"), "taskName": kind, "type": "email",
            "command": "python send_email.py", "retries": 3, "timeout": 60});
        server.put(&format!("/api/v1/definitions/tasks/task_{number}"), &body).await.good(201);
    }
    let job = json!({"jobId": "job_202", "jobName": "DailyReportPipeline", "userId": "user_1",
        "tasks": ["task_101", "task_102", "task_103"],
        "dependencies": {"task_102": ["task_101"], "task_103": ["task_102"]}});
    let submitted = server.post("/api/v1/jobs", &job).await.good(201);
    assert_eq!(submitted["jobId"], "job_202");
    let again = server.post("/api/v1/jobs", &job).await.good(201);
    assert_eq!(again["repeated"], true);
    let mut other = job.clone();
    other["jobName"] = json!("Another");
    server.post("/api/v1/jobs", &other).await.refused(409, "id_taken");
    let mut worker = Worker::new(&server, "w1", "shell");
    let mut order = Vec::new();
    for _ in 0..3 {
        let grant = worker.complete(json!(null)).await;
        assert_eq!(grant["jobId"], "job_202");
        assert_eq!(grant["userId"], "user_1");
        assert_eq!(grant["command"], json!(["python", "send_email.py"]));
        order.push(grant["taskId"].as_str().unwrap().to_owned());
    }
    assert_eq!(order, ["task_101", "task_102", "task_103"]);
    let job = server.get("/api/v1/jobs/job_202?wait=20s").await.good(200);
    assert_eq!((&job["status"], &job["jobName"]), (&json!("completed"), &json!("DailyReportPipeline")));
    assert_eq!(job["tasks"]["completed"], 3);
    let attempt = server.get("/api/v1/jobs/job_202/tasks/task_101/attempts").await.good(200)["items"][0].take();
    assert_eq!((&attempt["status"], &attempt["attempt"]), (&json!("success"), &json!(1)));
    assert!(attempt["startTime"].is_string() && attempt["endTime"].is_string(), "{attempt}");
    let timeline = server.get("/api/v1/jobs/job_202/attempts").await.good(200)["items"].take();
    assert_eq!(timeline.as_array().unwrap().len(), 3);
    let graph = server.get("/api/v1/jobs/job_202/graph").await.good(200);
    assert_eq!(graph["edges"], json!([[0, 1], [1, 2]]));
    assert_eq!(graph["nodes"][2]["wave"], 2);
    assert_eq!(graph["nodes"][2]["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_in_the_dependencies_is_refused_with_its_path() {
    let server = Server::start().await;
    for name in ["task_101", "task_102"] {
        let body = json!({"taskId": name, "type": "noop"});
        server.put(&format!("/api/v1/definitions/tasks/{name}"), &body).await.good(201);
    }
    let job = json!({"jobId": "job_203", "tasks": ["task_101", "task_102"],
        "dependencies": {"task_101": ["task_102"], "task_102": ["task_101"]}});
    let problem = server.post("/api/v1/jobs", &job).await.refused(422, "cycle");
    assert!(problem["detail"].as_str().unwrap().contains("cycle"), "{problem}");
    server.get("/api/v1/jobs/job_203").await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_with_a_delay_is_scheduled_and_starts_no_earlier() {
    let server = Server::start().await;
    let task = json!({"type": "mine", "payload": {"to": "a@b"}, "delaySeconds": 1, "retries": 3});
    let reply = server.post("/tasks/schedule", &task).await.good(201);
    assert_eq!(reply["status"], "scheduled");
    let due = reply["runAt"].as_str().unwrap().to_owned();
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.complete(json!(null)).await;
    let id = reply["taskId"].as_str().unwrap();
    let task = server.get(&format!("/api/v1/tasks/{id}?wait=20s")).await.good(200);
    assert_eq!(task["status"], "completed");
    assert!(task["startTime"].as_str().unwrap() >= due.as_str(), "{task}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_yaml_is_the_same_job() {
    let server = Server::start().await;
    let text = "job: greeting\njobId: yaml_1\ntasks:\n  hello: echo hello\n  after: {needs: [hello], type: noop}\n";
    let headers = [("content-type", "application/yaml")];
    let reply = server.call("POST", "/api/v1/jobs", &headers, text).await.good(201);
    assert_eq!(reply["jobId"], "yaml_1");
    let tasks = server.get("/api/v1/jobs/yaml_1/tasks").await.good(200)["items"].take();
    assert_eq!((&tasks[0]["taskId"], &tasks[1]["taskId"]), (&json!("hello"), &json!("after")));
    assert_eq!((&tasks[0]["status"], &tasks[1]["status"]), (&json!("ready"), &json!("pending")));
    let mut worker = Worker::new(&server, "w1", "shell");
    assert_eq!(worker.complete(json!(null)).await["run"], "echo hello");
}
