//! R31: schedules that are due each second while the node that serves them is killed again and again: every second has fired
//! once.

use std::collections::BTreeSet;

use mainspring_protocol::time;
use serde_json::{Value, json};

use crate::cluster::{places, shard_of, submit, wait_until_shared};
use crate::process::{Kind, Place};
use crate::setting;
use crate::wait;

/// Schedules, so that each half of the shards has some.
const SCHEDULES: usize = 12;

fn name(number: usize) -> String {
    format!("tick{number}")
}

/// Instants that fired, newest first; everything else in the ledger is an error.
fn fired(place: &Place, name: &str) -> Vec<i64> {
    let mut instants = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = place.call("GET", &format!("/api/v1/schedules/{name}/occurrences?limit=1000{cursor}"), None);
        for item in page["items"].as_array().expect("a page has items") {
            assert_eq!(item["status"], "fired", "{name}: {item}");
            let at = item["instant"].as_str().expect("a record has its instant");
            instants.push(time::parse(at).expect("it is RFC 3339").as_millis());
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return instants,
        }
    }
}

fn no_second_is_missed_or_doubled(kind: Kind) {
    let rounds = setting("MAINSPRING_CHAOS_FAILOVERS", 3);
    let places = places(kind);
    let _survivor = places[0].start("serve");
    let mut node = places[1].start("serve");
    wait_until_shared(&places);
    for number in 0..SCHEDULES {
        // Nobody runs the work: what is tested is that it is submitted.
        let body = json!({"name": name(number), "cron": "* * * * * *", "task": {"type": "nobody"}});
        submit(&places, "/api/v1/schedules", &body, || 0);
    }
    for _ in 0..rounds {
        let shards: BTreeSet<u16> = wait_until_shared(&places);
        let hit: Vec<String> = (0..SCHEDULES).map(name).filter(|name| shards.contains(&shard_of(name))).collect();
        assert!(!hit.is_empty(), "the node that is killed serves some of the schedules");
        let before: Vec<usize> = hit.iter().map(|name| fired(&places[0], name).len()).collect();
        node.kill();
        // They go on elsewhere, and make up for what was due meanwhile.
        wait::until(60, "schedules of a node that is gone", || {
            let more = |(name, before): (&String, &usize)| fired(&places[0], name).len() > before + 5;
            hit.iter().zip(&before).all(more).then_some(())
        });
        node = places[1].start("serve");
    }
    for number in 0..SCHEDULES {
        let name = name(number);
        places[0].call("POST", &format!("/api/v1/schedules/{name}/pause"), Some(&Value::Object(Default::default())));
        let mut instants = fired(&places[0], &name);
        instants.sort_unstable();
        let steps: BTreeSet<i64> = instants.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(steps, BTreeSet::from([1_000]), "{name}: every second once");
        eprintln!("{name}: {} seconds over {rounds} kills, none missed or doubled", instants.len());
    }
}

#[test]
fn no_second_is_missed_or_doubled_on_postgres() {
    no_second_is_missed_or_doubled(Kind::Postgres);
}

#[test]
fn no_second_is_missed_or_doubled_on_redis() {
    no_second_is_missed_or_doubled(Kind::Redis);
}
