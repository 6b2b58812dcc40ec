//! A node that has nothing to do, with a worker that waits: it shows that it lives, and asks its store for hardly anything else.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::postgres::Postgres;
use crate::process::Place;
use crate::redis::Redis;
use crate::wait;

/// How long is counted. The first retention after a start falls into no count.
const COUNTED: Duration = Duration::from_secs(10);
/// What a node may ask beyond its beats in that time, at a rate of six a minute; the sweep of what is past its retention, once a
/// minute, may fall into it as a whole.
const QUERIES_MAX: usize = 3;

/// Shards of a store that was made without a number.
const SHARDS: u32 = 16;

/// Serves and waits until what follows a start is over.
fn idle(place: &Place, count: impl FnOnce() -> Vec<String>) {
    let _server = place.start("serve");
    let _worker = place.worker("w", &[]);
    wait::until(30, "worker that is known", || {
        let reply = place.try_call("GET", "/api/v1/workers", None).ok()?;
        (reply.body["items"].as_array()?.len() == 1).then_some(())
    });
    // Clients, not the node, asked for that.
    wait::pace(Duration::from_secs(2));
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
        assert!((10..=25).contains(&beats), "a beat is due twice a second: {log}");
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
        assert!((10..=25).contains(&beats), "a beat is due twice a second: {text}");
        let scripts = said.iter().filter(|line| line.contains("\"EVALSHA\"")).count();
        assert!(scripts <= beats + 1, "{scripts} scripts for {beats} beats: {text}");
        // A beat asks for the memory, enters itself by one script, and reads the record of each shard.
        let beat = |line: &str| {
            let of_shard = line.contains("\"HMGET\"") && line.contains(":shard\" \"epoch\"");
            of_shard || line.contains("\"INFO\" \"memory\"") || line.contains("\"EVALSHA\"") || !line.contains('"')
        };
        // What is asked of the store is asked of each of its shards.
        let mut asked: Vec<(String, u32)> = Vec::new();
        for line in said.iter().filter(|line| !beat(line)) {
            let words: Vec<&str> = line.split('"').collect();
            let name =
                format!("{} {}", words[1], words.get(3).and_then(|key| key.split_once('}')).map_or("", |key| key.1));
            match asked.iter_mut().find(|(known, times)| *known == name && *times < SHARDS) {
                Some((_, times)) => *times += 1,
                None => asked.push((name, 1)),
            }
        }
        asked.into_iter().map(|(name, times)| format!("{name} of {times} shards")).collect()
    });
}
