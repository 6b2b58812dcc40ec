//! Kills at random moments under load (R07 in short): the server, a worker, a task's own process.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::history::{self, witness_script};
use crate::process::{Kind, Place, Process, on_every_store};
use crate::wait::{self, Deadline};

/// How long tasks are submitted and things are killed, on a file and on a database.
const SECONDS: (u64, u64) = (30, 15);

/// A small random source; the seed is printed with a failure.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        let seed = RandomState::new().hash_one(0);
        eprintln!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, sides: u64) -> u64 {
        self.0 = mainspring_core::retry::mix(self.0);
        self.0 % sides
    }
}

/// What runs, and how often each part was killed.
struct Victims {
    place: Place,
    server: Process,
    workers: Vec<Process>,
    kills: [u32; 3],
}

impl Victims {
    fn new(kind: Kind) -> Self {
        let place = Place::on(kind);
        let server = place.start("serve");
        let workers = (0..2).map(|number| worker(&place, number)).collect();
        Self { place, server, workers, kills: [0; 3] }
    }

    /// Kills one of them and starts it again.
    fn strike(&mut self, dice: &mut Dice) {
        match dice.below(3) {
            0 => {
                self.server.kill();
                self.server = self.place.start("serve");
                self.kills[0] += 1;
            }
            1 => {
                let number = dice.below(self.workers.len() as u64) as usize;
                self.workers[number].kill();
                self.workers[number] = worker(&self.place, number);
                self.kills[1] += 1;
            }
            _ => {
                let last = history::starts(&self.place.path("witness")).pop();
                let pid = last.and_then(|start| Pid::from_raw(start.pid));
                // It may have ended in between.
                if pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok()) {
                    self.kills[2] += 1;
                }
            }
        }
    }
}

fn worker(place: &Place, number: usize) -> Process {
    place.worker(&format!("worker-{number}"), &["--lease", "3s", "--concurrency", "4"])
}

on_every_store! {
    kills_of_server_workers_and_children_lose_nothing
}

fn kills_of_server_workers_and_children_lose_nothing(kind: Kind) {
    let mut dice = Dice::new();
    let mut victims = Victims::new(kind);
    let script = witness_script(&victims.place.path("witness"), "sleep 0.05; echo done");
    let mut acknowledged = Vec::new();
    let end = Deadline::in_seconds(if kind == Kind::Sqlite { SECONDS.0 } else { SECONDS.1 });
    let mut submitted = 0;
    while !end.has_passed() {
        let ids: Vec<String> = (0..8).map(|number| format!("k{}", submitted + number)).collect();
        submitted += ids.len();
        let backoff = json!({"type": "fixed", "initial": 0.05, "jitter": "none"});
        let tasks: Vec<_> = ids
            .iter()
            .map(|id| json!({"taskId": id, "type": "shell", "run": script, "retries": 9, "backoff": backoff}))
            .collect();
        // A reply that was lost says nothing: such a batch may or may not have been taken, and is not counted on.
        if let Ok(reply) = victims.place.try_call("POST", "/api/v1/tasks", Some(&json!(tasks)))
            && reply.status == 200
        {
            assert!(
                reply.body["items"].as_array().is_some_and(|items| items.iter().all(|item| item["taskId"].is_string()))
            );
            acknowledged.extend(ids);
        }
        wait::pace(Duration::from_millis(100 + dice.below(300)));
        if dice.below(3) == 0 {
            victims.strike(&mut dice);
        }
    }
    let summary = history::check(&victims.place, &acknowledged, &victims.place.path("witness"));
    let kills: u32 = victims.kills.iter().sum();
    eprintln!("{} acknowledged, kills {:?}, {summary:?}", acknowledged.len(), victims.kills);
    assert!(kills >= 5 && victims.kills[0] > 0, "too few kills to mean anything: {:?}", victims.kills);
    // Only poison (three losses of one task) may fail, and that takes three kills in its fifty milliseconds each.
    assert!(summary.completed * 100 >= acknowledged.len() * 99, "{summary:?} of {}", acknowledged.len());
    assert!(summary.repeats <= 16 * kills as usize, "{summary:?} after {kills} kills");
}
