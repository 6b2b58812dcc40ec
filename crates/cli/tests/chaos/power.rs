//! R07: a database that acknowledges before it has written loses what it had not. A PostgreSQL with `synchronous_commit=off` is
//! killed; a Redis that waits for its disk once a second loses its power, and with it the end of its file. What may be lost is what
//! was acknowledged since the last of its writes to the disk. The nodes notice, no fence is given twice, everything else is kept, and what was lost can be
//! submitted again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cluster::{submit, wait_until_shared, witness_script};
use crate::dice::Dice;
use crate::kills::{CLIENTS, worker};
use crate::postgres::Postgres;
use crate::process::{Place, Process};
use crate::redis::Redis;
use crate::setting;
use crate::verdict;
use crate::wait::{self, Deadline};

#[expect(clippy::disallowed_methods, reason = "other processes live on real time")]
fn now() -> Instant {
    Instant::now()
}

/// From when on the file was cut, until when it was written.
type Gap = (Instant, Instant);

/// A task that was acknowledged, and when.
type Taken = (String, Instant);

fn submit_label(places: &[Place; 2], label: &str, choose: impl FnMut() -> usize) {
    let script = witness_script(label, &places[0].path("witness"), "; sleep 0.02");
    let body = json!({"taskId": label, "type": "shell", "run": script, "retries": 20});
    submit(places, "/api/v1/tasks", &body, choose);
}

fn client(places: &[Place; 2], name: usize, mut dice: Dice, end: Deadline) -> Vec<Taken> {
    let mut taken = Vec::new();
    for number in 0.. {
        if end.has_passed() {
            break;
        }
        let label = format!("c{name}n{number}");
        submit_label(places, &label, || dice.below(2) as usize);
        taken.push((label, now()));
        wait::pace(Duration::from_millis(20 + dice.below(40)));
    }
    taken
}

/// Kills Redis, and cuts off some of what it wrote in the time before.
fn lose_power(redis: &mut Redis, dice: &mut Dice) -> Gap {
    let (file, kept) = redis.written();
    let from = now();
    wait::pace(Duration::from_millis(100 + dice.below(900)));
    redis.kill();
    let until = now();
    let (_, written) = redis.written();
    redis.cut(&file, kept + dice.below(written - kept + 1));
    redis.restart();
    (from, until)
}

/// What is gone, and was acknowledged in a gap; everything else has ended well.
fn judge(places: &[Place; 2], taken: &[Taken], gaps: &[Gap]) -> BTreeSet<String> {
    let mut lost = BTreeSet::new();
    for (label, at) in taken {
        let path = format!("/api/v1/tasks/{label}");
        let reply =
            wait::until(60, "answer", || places[1].try_call("GET", &path, None).ok().filter(|it| it.status != 503));
        if reply.status == 404 {
            // The answer came a little after the commit.
            let late = Duration::from_millis(500);
            let may = gaps.iter().any(|(from, until)| (*from..*until + late).contains(at));
            assert!(may, "{label} is lost, and was acknowledged when Redis lost nothing");
            lost.insert(label.clone());
            continue;
        }
        completes(&places[1], label);
    }
    lost
}

fn completes(place: &Place, label: &str) {
    let path = format!("/api/v1/tasks/{label}");
    let end = place.wait_for_end(&path, 120);
    let attempts = place.attempts(&path);
    assert_eq!(end["status"], "completed", "{end} {attempts:?}");
    let successes = attempts.iter().filter(|attempt| attempt["status"] == "success").count();
    assert_eq!(successes, 1, "{label}: {attempts:?}");
}

/// No program was started twice under one fence.
fn fences_differ(place: &Place) {
    let text = std::fs::read_to_string(place.path("witness")).expect("the witness is there");
    for (label, found) in verdict::lines(&text) {
        let mut fences: BTreeMap<u64, usize> = BTreeMap::new();
        found.iter().for_each(|(_, _, fence)| *fences.entry(*fence).or_default() += 1);
        assert!(fences.values().all(|times| *times == 1), "{label} started twice under one fence: {found:?}");
    }
}

fn said(nodes: &[Process], words: &str) -> usize {
    nodes.iter().map(|node| node.printed().matches(words).count()).sum()
}

#[test]
fn a_loss_of_power_takes_no_more_than_the_last_second_and_is_noticed() {
    let mut dice = Dice::new("loss of power");
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    let mut redis = Redis::with(folder.path(), &["--appendfsync", "everysec"]);
    let places = [Place::at(redis.url()), Place::at(redis.url())];
    let nodes = [places[0].start("serve"), places[1].start("serve")];
    wait_until_shared(&places);
    let _workers = [worker(&places[0], 0), worker(&places[1], 1)];
    let end = Deadline::in_seconds(setting("MAINSPRING_CHAOS_SECONDS", 5));
    let (all, mut gaps) = (Mutex::new(Vec::new()), Vec::new());
    thread::scope(|scope| {
        for name in 0..CLIENTS {
            let (places, all, dice) = (&places, &all, dice.split());
            scope.spawn(move || {
                let taken = client(places, name, dice, end);
                all.lock().expect("no client failed").extend(taken);
            });
        }
        while !end.has_passed() {
            wait::pace(Duration::from_millis(500 + dice.below(1_500)));
            gaps.push(lose_power(&mut redis, &mut dice));
        }
    });
    let taken = all.into_inner().expect("no client failed");
    let lost = judge(&places, &taken, &gaps);
    let noticed = said(&nodes, "Redis went back");
    for label in &lost {
        submit_label(&places, label, || 1);
        completes(&places[1], label);
    }
    fences_differ(&places[0]);
    eprintln!(
        "loss of power: {} times, {} of {} tasks lost, noticed in {noticed} shards",
        gaps.len(),
        lost.len(),
        taken.len()
    );
    assert!(lost.is_empty() || noticed > 0, "{lost:?} are lost, and nobody noticed");
    assert!(taken.len() >= 10 && noticed > 0, "too little happened to mean anything");
}

/// The grant of a task is lost, while its program runs: the next one is under a larger fence, whether or not a node remembers.
fn a_lost_grant_is_followed_by_a_larger_fence(node_too: bool) {
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    let mut redis = Redis::with(folder.path(), &["--appendfsync", "everysec"]);
    let place = Place::at(redis.url());
    let mut node = place.start("serve");
    let witness = place.path("witness");
    let script = witness_script("t", &witness, &format!("; test $(wc -l < {}) -gt 1 || sleep 60", witness.display()));
    place.call("POST", "/api/v1/tasks", Some(&json!({"taskId": "t", "type": "shell", "run": script, "retries": 20})));
    let (file, kept) = redis.written();
    let mut first = worker(&place, 0);
    let starts = || {
        let text = std::fs::read_to_string(&witness).unwrap_or_default();
        verdict::lines(&text).remove("t").unwrap_or_default()
    };
    wait::until(30, "first start", || (starts().len() == 1).then_some(()));
    redis.kill();
    if node_too {
        node.kill();
        // Another worker is granted what this one was: it would not tell the same token twice to its program.
        first.kill();
    }
    redis.cut(&file, kept);
    redis.restart();
    if node_too {
        node = place.start("serve");
        first = worker(&place, 1);
    }
    // Well before the program would end by itself.
    wait::until(30, "second start", || (starts().len() == 2).then_some(()));
    completes(&place, "t");
    let starts = starts();
    assert_eq!(starts.len(), 2, "{starts:?}");
    assert!(starts[0].2 < starts[1].2, "the fence did not rise: {starts:?}");
    drop((node, first));
}

#[test]
fn a_lost_grant_is_followed_by_a_larger_fence_where_the_node_remembers_it() {
    a_lost_grant_is_followed_by_a_larger_fence(false);
}

#[test]
fn a_lost_grant_is_followed_by_a_larger_fence_where_nobody_remembers_it() {
    a_lost_grant_is_followed_by_a_larger_fence(true);
}

#[test]
fn a_postgres_that_lost_what_it_acknowledged_is_noticed_although_nothing_is_committed() {
    // By itself it writes every ten seconds.
    let postgres = Postgres::with(&["fsync=on", "synchronous_commit=off", "wal_writer_delay=10s"]);
    let place = Place::at(postgres.url());
    let node = place.start("serve");
    let submit = |id: &str| {
        let reply = wait::until(60, "node that takes work", || {
            let task = json!({"taskId": id, "type": "nobody"});
            place.try_call("POST", "/api/v1/tasks", Some(&task)).ok().filter(|reply| reply.status != 503)
        });
        assert_eq!(reply.status, 201, "{}", reply.body);
    };
    let status = |id: &str| {
        let path = format!("/api/v1/tasks/{id}");
        let answer = || place.try_call("GET", &path, None).ok().filter(|reply| reply.status != 503);
        wait::until(60, "answer", answer).status
    };
    submit("kept");
    postgres.sql("CHECKPOINT");
    let lost = (0..5).map(|number| format!("lost-{number}")).find(|id| {
        submit(id);
        postgres.kill();
        postgres.restart();
        // It may have been written just then.
        status(id) == 404
    });
    let lost = lost.expect("it is seldom written just then");
    wait::until(60, "word of it", || node.printed().contains("the database went back").then_some(()));
    assert_eq!(status("kept"), 200);
    submit(&lost);
    assert_eq!(status(&lost), 200);
}
