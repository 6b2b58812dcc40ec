//! R07 with three nodes: they come, go in order, are killed, one or two at once, under load; after each change those that live
//! serve all shards in equal parts, and nothing that was acknowledged is lost.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::cluster::wait_until_even;
use crate::dice::Dice;
use crate::kills::{CLIENTS, client, worker};
use crate::process::{Kind, Place, Process};
use crate::setting;
use crate::verdict;
use crate::wait;

/// After a change all shards must be served evenly within this, in a debug build under load.
const EVEN_MAX: Duration = Duration::from_secs(12);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// One that is not there starts.
    Start,
    /// One is told to end, gives its shards back and ends well.
    Stop,
    Kill,
    /// All but one are killed at once.
    KillAllButOne,
}

/// What every change runs; more are drawn.
const CHANGES: [Change; 6] =
    [Change::Start, Change::Kill, Change::Start, Change::Stop, Change::KillAllButOne, Change::Start];

struct Nodes<'a> {
    places: &'a [Place; 3],
    running: [Option<Process>; 3],
    longest: Vec<(Change, Duration)>,
}

#[expect(clippy::disallowed_methods, reason = "other processes live on real time")]
fn now() -> Instant {
    Instant::now()
}

impl Nodes<'_> {
    fn alive(&self) -> Vec<usize> {
        (0..3).filter(|node| self.running[*node].is_some()).collect()
    }

    /// Does it, and waits until the shards are served evenly again.
    fn change(&mut self, change: Change, dice: &mut Dice) {
        let alive = self.alive();
        let one = alive[dice.below(alive.len() as u64) as usize];
        let begun = now();
        match change {
            Change::Start => {
                for node in (0..3).filter(|node| !alive.contains(node)) {
                    self.running[node] = Some(self.places[node].start("serve"));
                }
            }
            Change::Stop => {
                let mut node = self.running[one].take().expect("it lives");
                node.signal(Signal::TERM);
                let status = wait::until(30, "end of a node that was told to", || node.ended());
                assert!(status.success(), "{status}: {}", node.printed());
            }
            Change::Kill => self.running[one].take().expect("it lives").kill(),
            Change::KillAllButOne => {
                for node in alive.iter().filter(|node| **node != one) {
                    self.running[*node].take().expect("it lives").kill();
                }
            }
        }
        let places: Vec<&Place> = self.alive().into_iter().map(|node| &self.places[node]).collect();
        wait_until_even(&places);
        self.longest.push((change, begun.elapsed()));
    }
}

fn three_nodes_serve_every_shard_whatever_comes_and_goes(kind: Kind) {
    let mut dice = Dice::new(&format!("three nodes on {kind:?}"));
    let first = Place::on(kind);
    let places = [Place::beside(&first), Place::beside(&first), Place::beside(&first)];
    let running = [Some(places[0].start("serve")), Some(places[1].start("serve")), None];
    wait_until_even(&[&places[0], &places[1]]);
    // A worker whose node is gone waits for it.
    let _workers = [worker(&places[0], 0), worker(&places[1], 1), worker(&places[2], 2)];
    let (mut nodes, over) = (Nodes { places: &places, running, longest: Vec::new() }, AtomicBool::new(false));
    let all = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let _ending = Ending(&over);
        for name in 0..CLIENTS {
            let (places, all, over, dice) = (&places, &all, &over, dice.split());
            scope.spawn(move || {
                let taken = client(places, name, dice, &|| over.load(Ordering::Relaxed));
                all.lock().expect("no client failed").extend(taken);
            });
        }
        CHANGES.into_iter().for_each(|change| nodes.change(change, &mut dice));
        for _ in 0..setting("MAINSPRING_CHAOS_CHANGES", 0) {
            let all = [Change::Start, Change::Stop, Change::Kill, Change::KillAllButOne];
            let change = match nodes.alive().len() {
                1 => Change::Start,
                3 => all[1 + dice.below(3) as usize],
                _ => all[dice.below(4) as usize],
            };
            nodes.change(change, &mut dice);
        }
        if nodes.alive().len() < 3 {
            nodes.change(Change::Start, &mut dice);
        }
    });
    let taken = all.into_inner().expect("no client failed");
    let repeats = verdict::check(&places[2], &taken, &places[0].path("witness"));
    let (submissions, longest) = (taken.len(), &nodes.longest);
    eprintln!(
        "three nodes on {kind:?}: {submissions} submissions, {repeats} repeated starts, even again after {longest:?}"
    );
    let max = longest.iter().map(|(_, took)| *took).max().expect("something changed");
    assert!(max <= EVEN_MAX, "the shards were uneven for {max:?}");
    assert!(submissions >= 10, "too little happened to mean anything");
}

/// Ends the clients with their scope.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn three_nodes_serve_every_shard_on_postgres() {
    three_nodes_serve_every_shard_whatever_comes_and_goes(Kind::Postgres);
}

#[test]
fn three_nodes_serve_every_shard_on_redis() {
    three_nodes_serve_every_shard_whatever_comes_and_goes(Kind::Redis);
}
