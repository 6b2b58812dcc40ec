//! A node that has nothing to do, with a worker that waits: it shows that it lives, and asks its store for hardly anything else.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::postgres::Postgres;
use crate::process::Place;
use crate::redis::Redis;
use crate::wait;

/// How long is counted: longer than from one look for what is past its retention to the next.
const COUNTED: Duration = Duration::from_secs(65);
/// What a node may ask beyond its beats in that time. Where it is asked of each shard, each counts.
const QUERIES_MAX: usize = 6;
/// Beats in that time, at two a second; a loaded machine makes them fewer.
const BEATS: std::ops::RangeInclusive<usize> = 65..=140;

/// Serves a store in which a few tasks have ended, and waits until what follows a start is over.
fn idle(place: &Place, count: impl FnOnce() -> Vec<String>) {
    let mut before = place.start("serve");
    let worker = place.worker("before", &[]);
    for number in 0..4 {
        place.call("POST", "/api/v1/tasks", Some(&json!({"taskId": format!("t{number}"), "command": "true"})));
    }
    for number in 0..4 {
        assert_eq!(place.wait_for_end(&format!("/api/v1/tasks/t{number}"), 30)["status"], "completed");
    }
    drop(worker);
    before.signal(Signal::TERM);
    wait::until(30, "server that stops", || before.ended());
    let _server = place.start("serve");
    let _worker = place.worker("w", &[]);
    wait::until(30, "worker that is known", || {
        let reply = place.try_call("GET", "/api/v1/workers", None).ok()?;
        (reply.body["items"].as_array()?.len() == 1).then_some(())
    });
    // Clients, not the node, asked for that, and that a worker came is committed: whoever bounds the history looks at it, within
    // five seconds. The first look after a start falls into no count.
    wait::pace(Duration::from_secs(8));
    let asked = count();
    assert!(asked.len() <= QUERIES_MAX, "an idle node asked {} times in {COUNTED:?}: {asked:#?}", asked.len());
}

#[test]
fn an_idle_node_asks_postgres_for_its_beats_alone() {
    let postgres = Postgres::with(&["fsync=off", "log_statement=all"]);
    idle(&Place::at(postgres.url()), || {
        let from = postgres.log().len();
        wait::pace(COUNTED);
        let log = postgres.log().split_off(from);
        let statements = log.lines().filter_map(|line| line.split_once("LOG:  ")).map(|(_, said)| said.to_owned());
        let said: Vec<String> = statements.filter(|said| !said.starts_with("checkpoint")).collect();
        let beats = said.iter().filter(|said| said.contains("WITH mine AS")).count();
        assert!(BEATS.contains(&beats), "{beats} beats, and one is due twice a second: {log}");
        // What a beat asks, and where transactions begin and end.
        let frame = |said: &str| ["BEGIN", "COMMIT"].iter().any(|word| said.contains(&format!("statement: {word}")));
        said.into_iter().filter(|said| !said.contains("WITH mine AS") && !frame(said)).collect()
    });
}

/// Ends with the value.
struct Monitor(Child);

impl Drop for Monitor {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn an_idle_node_asks_redis_for_its_beats_alone() {
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    let redis = Redis::start(folder.path());
    idle(&Place::at(redis.url()), || {
        let file = folder.path().join("monitor");
        let output = File::create(&file).expect("it can be made");
        let port = redis.url().rsplit(':').next().unwrap_or_default().to_owned();
        let mut command = Command::new("redis-cli");
        command.args(["-p", &port, "monitor"]).stdin(Stdio::null()).stdout(output);
        let monitor = Monitor(command.spawn().expect("redis-cli is installed"));
        wait::pace(COUNTED);
        drop(monitor);
        let text = std::fs::read_to_string(&file).expect("it was written");
        // What a script does is part of it.
        let said: Vec<String> = text.lines().filter(|line| !line.contains(" lua] ")).map(str::to_owned).collect();
        let beats = said.iter().filter(|line| line.contains("\"INFO\" \"memory\"")).count();
        assert!(BEATS.contains(&beats), "{beats} beats, and one is due twice a second: {text}");
        let scripts = said.iter().filter(|line| line.contains("\"EVALSHA\"")).count();
        assert!(scripts <= beats + 1, "{scripts} scripts for {beats} beats: {text}");
        // A beat asks for the memory, enters itself by one script, and reads the record of each shard.
        let beat = |line: &str| {
            let of_shard = line.contains("\"HMGET\"") && line.contains(":shard\" \"epoch\"");
            of_shard || line.contains("\"INFO\" \"memory\"") || line.contains("\"EVALSHA\"") || !line.contains('"')
        };
        said.into_iter().filter(|line| !beat(line)).collect()
    });
}
