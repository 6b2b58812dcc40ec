//! R07: nodes and workers are killed and stopped at random while clients submit; nothing that was acknowledged is lost.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::{places, submit, wait_until_shared, witness_script};
use crate::dice::Dice;
use crate::process::{Kind, Place, Process};
use crate::setting;
use crate::verdict::{self, Taken};
use crate::wait::{self, Deadline};

/// Clients that submit at once.
pub(crate) const CLIENTS: usize = 2;

/// What runs, and how often each kind of thing was done to it.
struct Victims<'a> {
    places: &'a [Place; 2],
    nodes: [Process; 2],
    workers: [Process; 2],
    kills_of_nodes: u32,
    kills_of_workers: u32,
    stops: u32,
    stops_of_workers: u32,
}

impl Victims<'_> {
    fn strike(&mut self, dice: &mut Dice) {
        let one = dice.below(2) as usize;
        match dice.below(9) {
            8 => {
                // Longer than its leases: what it says afterwards comes too late.
                self.workers[one].signal(Signal::STOP);
                wait::pace(Duration::from_secs(4));
                self.workers[one].signal(Signal::CONT);
                self.stops_of_workers += 1;
            }
            0 => {
                self.nodes[one].signal(Signal::STOP);
                wait::pace(Duration::from_secs(4));
                self.nodes[one].signal(Signal::CONT);
                self.stops += 1;
            }
            1..=3 => {
                self.workers[one].kill();
                self.workers[one] = worker(&self.places[one], one);
                self.kills_of_workers += 1;
            }
            4 => {
                // Both: nobody is left to take over.
                self.nodes.iter_mut().for_each(Process::kill);
                for (place, node) in self.places.iter().zip(&mut self.nodes) {
                    *node = place.start("serve");
                }
                self.kills_of_nodes += 2;
            }
            _ => {
                self.nodes[one].kill();
                wait::pace(Duration::from_millis(dice.below(1_500)));
                self.nodes[one] = self.places[one].start("serve");
                self.kills_of_nodes += 1;
            }
        }
    }
}

pub(crate) fn worker(place: &Place, number: usize) -> Process {
    place.worker(&format!("worker-{number}"), &["--lease", "3s", "--concurrency", "4"])
}

/// Submits until the end, a task or a chain at a time; what was acknowledged.
pub(crate) fn client(places: &[Place], name: usize, mut dice: Dice, is_over: &dyn Fn() -> bool) -> Vec<Taken> {
    let witness = places[0].path("witness");
    let mut taken = Vec::new();
    for number in 0.. {
        if is_over() {
            break;
        }
        let label = format!("c{name}n{number}");
        // One of four fails at first and is tried again.
        let fails = dice.below(4) == 0;
        let then = if fails { "; sleep 0.02; test $MAINSPRING_ATTEMPT -gt 1" } else { "; sleep 0.02" };
        let task = |label: &str| {
            let backoff = json!({"type": "fixed", "initial": 0.05, "jitter": "none"});
            json!({"type": "shell", "run": witness_script(label, &witness, then), "retries": 20, "backoff": backoff})
        };
        let mut choose = {
            let mut dice = dice.split();
            move || dice.below(places.len() as u64) as usize
        };
        taken.push(match dice.below(6) {
            0 => chain(places, &label, task, choose),
            1 | 2 => {
                let mut body = task(&label);
                body["idempotencyKey"] = json!(label);
                let reply = submit(places, "/api/v1/tasks", &body, &mut choose);
                let again = submit(places, "/api/v1/tasks", &body, &mut choose);
                assert_eq!(reply["taskId"], again["taskId"], "one key gave two tasks");
                single(reply["taskId"].as_str().expect("a task has an id"), &label)
            }
            _ => {
                let mut body = task(&label);
                body["taskId"] = json!(label);
                submit(places, "/api/v1/tasks", &body, &mut choose);
                single(&label, &label)
            }
        });
        wait::pace(Duration::from_millis(40 + dice.below(60)));
    }
    taken
}

fn single(id: &str, label: &str) -> Taken {
    let path = format!("/api/v1/tasks/{id}");
    Taken { path: path.clone(), tasks: vec![(path, label.to_owned())] }
}

fn chain(places: &[Place], label: &str, task: impl Fn(&str) -> Value, choose: impl FnMut() -> usize) -> Taken {
    let path = format!("/api/v1/jobs/{label}");
    let labels: Vec<String> = (0..3).map(|link| format!("{label}-{link}")).collect();
    let links = labels.iter().enumerate().map(|(number, label)| {
        let mut link = task(label);
        link["taskId"] = json!(label);
        link["needs"] = json!(labels[number.saturating_sub(1)..number]);
        link
    });
    let body = json!({"jobId": label, "tasks": links.collect::<Vec<_>>()});
    submit(places, "/api/v1/jobs", &body, choose);
    let tasks = labels.iter().map(|label| (format!("{path}/tasks/{label}"), label.clone())).collect();
    Taken { path, tasks }
}

fn kills_lose_nothing(kind: Kind) {
    let mut dice = Dice::new(&format!("kills on {kind:?}"));
    let places = places(kind);
    let nodes = [places[0].start("serve"), places[1].start("serve")];
    wait_until_shared(&places);
    let workers = [worker(&places[0], 0), worker(&places[1], 1)];
    let mut victims = Victims {
        places: &places,
        nodes,
        workers,
        kills_of_nodes: 0,
        kills_of_workers: 0,
        stops: 0,
        stops_of_workers: 0,
    };
    let end = Deadline::in_seconds(setting("MAINSPRING_CHAOS_SECONDS", 20));
    let all = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for name in 0..CLIENTS {
            let (places, all, dice) = (&places, &all, dice.split());
            scope.spawn(move || {
                let taken = client(places, name, dice, &|| end.has_passed());
                all.lock().expect("no client failed").extend(taken);
            });
        }
        while !end.has_passed() {
            wait::pace(Duration::from_millis(200 + dice.below(800)));
            victims.strike(&mut dice);
        }
    });
    let taken = all.into_inner().expect("no client failed");
    let repeats = verdict::check(&places[1], &taken, &places[0].path("witness"));
    let tasks: usize = taken.iter().map(|one| one.tasks.len()).sum();
    let Victims { kills_of_nodes, kills_of_workers, stops, stops_of_workers, .. } = victims;
    eprintln!(
        "kills on {kind:?}: {} submissions, {tasks} tasks, {repeats} repeated starts; killed {kills_of_nodes} nodes and \
         {kills_of_workers} workers, stopped {stops} nodes and {stops_of_workers} workers",
        taken.len()
    );
    assert!(kills_of_nodes + kills_of_workers >= 3 && tasks >= 20, "too little happened to mean anything");
}

#[test]
fn kills_of_nodes_and_workers_lose_nothing_on_postgres() {
    kills_lose_nothing(Kind::Postgres);
}

#[test]
fn kills_of_nodes_and_workers_lose_nothing_on_redis() {
    kills_lose_nothing(Kind::Redis);
}
