//! The event feed and live logs: order, resume, gaps, filters, ends.

use serde_json::json;

use crate::support::{Message, Server, Worker};

fn kinds(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(Message::kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_tells_its_whole_story_and_ends_its_stream() {
    let server = Server::start().await;
    server.task(json!({"type": "other"})).await;
    let tasks = json!([{"taskId": "a", "type": "mine"}, {"taskId": "b", "type": "mine", "needs": ["a"]}]);
    server.job(json!({"jobId": "j", "tasks": tasks})).await;
    server.task(json!({"type": "other"})).await;
    let mut stream = server.events("/api/v1/jobs/j/events", None).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.complete(json!(null)).await;
    worker.complete(json!(null)).await;
    let mut messages = stream.until(|message| message.kind() == "JOB_COMPLETE").await;
    assert_eq!(messages[0].kind(), "JOB_SUBMITTED");
    let of = |task: &str| -> Vec<String> {
        let of_task = messages.iter().filter(|message| message.data["taskId"] == *task);
        of_task.map(|message| message.kind().to_owned()).collect()
    };
    assert_eq!(of("a").last().unwrap(), "TASK_COMPLETE");
    assert!(of("b").contains(&"TASK_STARTED".to_owned()), "{messages:?}");
    assert!(messages.iter().all(|message| message.data["jobId"] == "j"), "{messages:?}");
    messages.extend(stream.rest().await);
    assert_eq!(messages.last().unwrap().kind(), "end");
    // Told once more from the start, it is the same story.
    let again = server.events("/api/v1/jobs/j/events", None).await.rest().await;
    assert_eq!(again, messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_the_last_event_that_was_seen() {
    let server = Server::start().await;
    let tasks = json!([{"taskId": "a", "type": "mine"}, {"taskId": "b", "type": "mine"}]);
    server.job(json!({"jobId": "j", "tasks": tasks})).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    worker.complete(json!(null)).await;
    worker.complete(json!(null)).await;
    server.get("/api/v1/jobs/j?wait=20s").await.good(200);
    let whole = server.events("/api/v1/jobs/j/events", None).await.rest().await;
    for (place, seen) in whole.iter().enumerate().filter(|(_, message)| message.id.is_some()) {
        let rest = server.events("/api/v1/jobs/j/events", seen.id.as_deref()).await.rest().await;
        assert_eq!(kinds(&rest), kinds(&whole[place + 1..]), "after {seen:?}");
    }
    // A restart keeps the ids.
    let server = server.restart().await;
    let second = whole[1].id.as_deref();
    let rest = server.events("/api/v1/jobs/j/events", second).await.rest().await;
    assert_eq!(rest, whole[2..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_feed_starts_now_and_filters_by_job_type_and_user() {
    let server = Server::start().await;
    server.task(json!({"type": "mine"})).await;
    let mut all = server.events("/api/v1/events", None).await;
    let mut submitted = server.events("/api/v1/events?type=TASK_SUBMITTED,QUEUE_PAUSED", None).await;
    let mut of_user = server.events("/api/v1/events?userId=u1&type=task_submitted", None).await;
    let second = server.task(json!({"type": "mine"})).await;
    let third = server.task(json!({"type": "mine", "userId": "u1"})).await;
    let first_seen = all.next().await.unwrap();
    assert_eq!(first_seen.data["taskId"], json!(second), "events from before were sent");
    assert_eq!(submitted.next().await.unwrap().data["taskId"], json!(second));
    assert_eq!(submitted.next().await.unwrap().data["taskId"], json!(third));
    assert_eq!(of_user.next().await.unwrap().data["taskId"], json!(third));
    server.post("/api/v1/queues/q/pause", &json!({})).await.good(200);
    let paused = submitted.next().await.unwrap();
    assert_eq!((paused.kind(), &paused.data["queue"]), ("QUEUE_PAUSED", &json!("q")));
    server.get("/api/v1/events?jobId=nope").await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_the_feed_does_not_reach_gets_a_gap_first() {
    let server = Server::start().await;
    server.task(json!({"type": "mine"})).await;
    let mut stream = server.events("/api/v1/events", Some("effffff-0")).await;
    let gap = stream.next().await.unwrap();
    assert_eq!(gap.kind(), "gap");
    assert!(gap.data["earliest"].is_string(), "{gap:?}");
    let next = server.task(json!({"type": "mine"})).await;
    assert_eq!(stream.next().await.unwrap().data["taskId"], json!(next));
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_filled_with_comments_and_a_stop_ends_the_stream() {
    let change = |config: &mut mainspring_server::ServeConfig| {
        config.http.keep_alive = std::time::Duration::from_millis(20);
    };
    let server = Server::start_with(change).await;
    let mut response = server.send("GET", "/api/v1/events", &[], "").await.into_body();
    let frame = http_body_util::BodyExt::frame(&mut response).await.unwrap().unwrap();
    assert!(frame.into_data().unwrap().starts_with(b":"));
    let stream = server.events("/api/v1/events", None).await;
    let (rest, _) = tokio::join!(stream.rest(), server.stop());
    assert_eq!(rest, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_the_limit_are_refused_and_a_closed_one_makes_room() {
    let server = Server::start_with(|config| config.http.streams_max = 1).await;
    let stream = server.events("/api/v1/events", None).await;
    server.get("/api/v1/events").await.refused(503, "overloaded");
    drop(stream);
    // The server notices at its next word to the client; ask until it has.
    loop {
        let reply = server.send("GET", "/api/v1/events", &[], "").await;
        if reply.status() == 200 {
            break;
        }
        server.task(json!({"type": "mine"})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_paged_streamed_and_followed_over_attempts() {
    let server = Server::start().await;
    let backoff = json!({"type": "fixed", "initial": 0});
    let id = server.task(json!({"type": "mine", "retries": 1, "backoff": backoff})).await;
    let path = format!("/api/v1/tasks/{id}/logs");
    let mut live = server.events(&format!("{path}?follow=true"), None).await;
    let mut worker = Worker::new(&server, "w1", "mine");
    let first = worker.grant().await;
    let chunk = |grant: &serde_json::Value, seq: u64, data: &str| json!({"token": grant["token"], "seq": seq, "stream": "stdout", "data": data});
    let running = json!([first["token"]]);
    let logs = json!([chunk(&first, 0, "one\n"), chunk(&first, 1, "two\n")]);
    worker.exchange(json!({"logs": logs, "running": running, "capacity": 0, "waitMs": 0})).await;
    let message = live.next().await.unwrap();
    assert_eq!((message.kind(), &message.data["attempt"]), ("log", &json!(1)));
    assert!(message.data["data"].as_str().unwrap().starts_with("one\n"), "{message:?}");
    let outcome = json!({"token": first["token"], "status": "failure", "error": {"type": "E", "message": "no"}});
    worker.report(outcome).await;
    let second = worker.grant().await;
    let logs = json!([chunk(&second, 0, "three\n")]);
    worker.exchange(json!({"logs": logs, "running": [second["token"]], "capacity": 0, "waitMs": 0})).await;
    worker.report(json!({"token": second["token"], "status": "success"})).await;
    let rest = live.rest().await;
    assert_eq!(rest.last().unwrap().kind(), "end");
    let printed = |messages: &[Message], attempt: u32| -> String {
        let logs = messages.iter().filter(|message| message.kind() == "log" && message.data["attempt"] == attempt);
        logs.map(|message| message.data["data"].as_str().unwrap()).collect()
    };
    assert_eq!(printed(&rest, 2), "three\n");
    let page = server.get(&format!("{path}?attempt=1")).await.good(200);
    let text: String = page["items"].as_array().unwrap().iter().map(|item| item["data"].as_str().unwrap()).collect();
    assert_eq!(text, "one\ntwo\n");
    let stored = server.events(&format!("{path}?attempt=1"), None).await.rest().await;
    assert_eq!(printed(&stored, 1), "one\ntwo\n");
    let attempts = server.get(&format!("/api/v1/tasks/{id}/attempts")).await.good(200)["items"].take();
    assert_eq!((&attempts[0]["logs"], &attempts[1]["logs"]), (&json!("one\ntwo\n"), &json!("three\n")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_stream_may_start_some_events_back() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.task(json!({"taskId": name, "type": "mine"})).await;
    }
    let mut stream = server.events("/api/v1/events?back=1000", None).await;
    let messages = stream.until(|message| message.data["taskId"] == "c").await;
    assert!(messages.iter().any(|message| message.data["taskId"] == "a"), "{messages:?}");
    assert!(messages.iter().all(|message| message.kind() != "gap"), "{messages:?}");
    let mut stream = server.events("/api/v1/events?back=3", None).await;
    let messages = stream.until(|message| message.data["taskId"] == "c").await;
    assert!(messages.iter().all(|message| message.data["taskId"] == "c"), "{messages:?}");
    server.get("/api/v1/events?back=1001").await.refused(400, "invalid_query");
}
