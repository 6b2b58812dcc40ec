//! R31: the node that serves half of the shards is gone; how long until a task of one of them starts elsewhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::cluster::{places, serves_all, shard_of, submit_with, wait_until_shared, witness_script};
use crate::process::{Kind, Place, Process};
use crate::setting;
use crate::wait;

/// No fail-over may take longer until all shards are served, and until a task starts, in a debug build under load.
const TAKES_MAX: [Duration; 2] = [Duration::from_secs(8), Duration::from_secs(12)];
/// Between two submissions, in milliseconds.
const EVERY_MS: u64 = 200;

/// How the node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// SIGKILL: a node on the same machine sees that the process is gone.
    Kill,
    /// SIGSTOP: only the beat tells, as for a node on another machine.
    Stop,
}

#[expect(clippy::disallowed_methods, reason = "other processes live on real time")]
fn now() -> Instant {
    Instant::now()
}

/// What the clients did.
#[derive(Default)]
struct Load {
    next: AtomicU64,
    over: AtomicBool,
    longest_ms: AtomicU64,
    /// What each number was acknowledged as.
    taken: Mutex<Vec<(u64, String)>>,
}

/// Every other task has no id of its own and is submitted under an `Idempotency-Key`: its id, or that of the key's task.
fn submit_number(places: &[Place; 2], number: u64) -> String {
    let name = format!("t{number}");
    let run = witness_script(&name, &places[0].path("witness"), "");
    let mut body = json!({"type": "shell", "run": run, "retries": 20});
    let mut headers = String::new();
    match number % 2 {
        0 => body["taskId"] = json!(name),
        _ => headers = format!("Idempotency-Key: {name}\r\n"),
    }
    let reply = submit_with(places, "/api/v1/tasks", &headers, &body, || 0);
    reply["taskId"].as_str().expect("a task has an id").to_owned()
}

/// Submits tasks named `t0`, `t1`, … to the survivor at a steady rate, whether or not those before were answered, until the load ends.
fn clients(places: &[Place; 2], load: &Load) {
    let every = Duration::from_millis(setting("MAINSPRING_CHAOS_EVERY_MS", EVERY_MS));
    thread::scope(|scope| {
        while !load.over.load(Ordering::Relaxed) {
            let number = load.next.fetch_add(1, Ordering::Relaxed);
            scope.spawn(move || {
                let start = now();
                let id = submit_number(places, number);
                load.longest_ms.fetch_max(start.elapsed().as_millis() as u64, Ordering::Relaxed);
                load.taken.lock().expect("no client failed").push((number, id));
            });
            wait::pace(every);
        }
    });
}

/// A task that passes all that waits.
fn submit_probe(places: &[Place; 2], id: &str) {
    let run = witness_script(id, &places[0].path("witness"), "");
    let body = json!({"taskId": id, "type": "shell", "run": run, "retries": 20, "priority": 9});
    submit_with(places, "/api/v1/tasks", "", &body, || 0);
}

/// Takes the second node away once, brings it back; the time until all of its shards were served elsewhere, and until a task of one of
/// them that was submitted later had started.
fn once(places: &[Place; 2], node: &mut Process, fault: Fault, round: u64) -> [Duration; 2] {
    let shards = wait_until_shared(places);
    let start = now();
    match fault {
        Fault::Kill => node.kill(),
        Fault::Stop => node.signal(Signal::STOP),
    }
    let witness = places[0].path("witness");
    let probe = (0..).map(|number| format!("p{round}x{number}")).find(|id| shards.contains(&shard_of(id)));
    let probe = probe.expect("every shard has ids");
    let (mut served, mut started) = (None, None);
    let took = thread::scope(|scope| {
        scope.spawn(|| submit_probe(places, &probe));
        wait::until(60, "start of a task of a shard whose node is gone", || {
            if served.is_none() && serves_all(&places[0]) {
                served = Some(start.elapsed());
            }
            let text = std::fs::read_to_string(&witness).unwrap_or_default();
            if started.is_none() && text.lines().any(|line| line.split(' ').next() == Some(probe.as_str())) {
                started = Some(start.elapsed());
            }
            Some([served?, started?])
        })
    });
    match fault {
        Fault::Kill => *node = places[1].start("serve"),
        Fault::Stop => node.signal(Signal::CONT),
    }
    took
}

fn shards_are_served_again(kind: Kind, fault: Fault) {
    let rounds = setting("MAINSPRING_CHAOS_FAILOVERS", 5);
    let places = places(kind);
    let _survivor = places[0].start("serve");
    let mut node = places[1].start("serve");
    let _worker = places[0].worker("w", &["--lease", "5s", "--concurrency", "4"]);
    let load = Load::default();
    let took: Vec<[Duration; 2]> = thread::scope(|scope| {
        // Also if this thread panics: the scope waits for the clients.
        let _ending = Ending(&load.over);
        scope.spawn(|| clients(&places, &load));
        (0..rounds).map(|round| once(&places, &mut node, fault, round)).collect()
    });
    eprintln!(
        "failover on {kind:?} by {fault:?}: {rounds} times, {} tasks, longest submission {} ms",
        load.next.load(Ordering::Relaxed),
        load.longest_ms.load(Ordering::Relaxed)
    );
    let max = ["until every shard is served", "until a later task starts"].map(|what| {
        let which = usize::from(what.contains("task"));
        let mut times: Vec<Duration> = took.iter().map(|pair| pair[which]).collect();
        times.sort();
        let part = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
        eprintln!("  {what}: p50 {:?}, p99 {:?}, max {:?}", part(50), part(99), part(100));
        part(100)
    });
    // Nothing acknowledged is lost, and a key gives the same task as before, whoever owns its shard now.
    for (number, id) in load.taken.into_inner().expect("no client failed") {
        let end = places[0].wait_for_end(&format!("/api/v1/tasks/{id}"), 60);
        assert_eq!(end["status"], "completed", "{end}");
        assert_eq!(submit_number(&places, number), id, "one key gave two tasks");
    }
    assert!(max[0] <= TAKES_MAX[0] && max[1] <= TAKES_MAX[1], "a fail-over took {max:?}: {took:?}");
}

/// Ends the load with its scope.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn shards_of_a_killed_node_are_served_again_on_postgres() {
    shards_are_served_again(Kind::Postgres, Fault::Kill);
}

#[test]
fn shards_of_a_killed_node_are_served_again_on_redis() {
    shards_are_served_again(Kind::Redis, Fault::Kill);
}

#[test]
fn shards_of_a_stopped_node_are_served_again_on_postgres() {
    shards_are_served_again(Kind::Postgres, Fault::Stop);
}

#[test]
fn shards_of_a_stopped_node_are_served_again_on_redis() {
    shards_are_served_again(Kind::Redis, Fault::Stop);
}
