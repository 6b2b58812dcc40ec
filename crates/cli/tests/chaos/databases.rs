//! R07: the database itself is killed under load and started again, at times together with a node; nothing that was acknowledged
//! is lost, and every call is answered by what was done, or by 503.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::cluster::wait_until_shared;
use crate::dice::Dice;
use crate::kills::{CLIENTS, client, worker};
use crate::postgres::Postgres;
use crate::process::{Place, Process};
use crate::redis::Redis;
use crate::setting;
use crate::verdict;
use crate::wait::{self, Deadline};

/// What is killed.
enum Database {
    Postgres(Postgres),
    Redis(Redis),
}

/// How often each kind of thing was done.
#[derive(Debug, Default)]
struct Kills {
    servers: u32,
    /// One process of PostgreSQL, which then ends all others.
    backends: u32,
    nodes: u32,
}

impl Database {
    fn url(&self) -> String {
        match self {
            Self::Postgres(postgres) => postgres.url(),
            Self::Redis(redis) => redis.url(),
        }
    }

    fn kill(&mut self) {
        match self {
            Self::Postgres(postgres) => postgres.kill(),
            Self::Redis(redis) => redis.kill(),
        }
    }

    fn restart(&mut self) {
        match self {
            Self::Postgres(postgres) => postgres.restart(),
            Self::Redis(redis) => redis.restart(),
        }
    }

    fn strike(&mut self, places: &[Place; 2], nodes: &mut [Process; 2], dice: &mut Dice, kills: &mut Kills) {
        match self {
            Self::Postgres(postgres) if dice.below(3) == 0 => {
                postgres.kill_backend(|many| dice.below(many as u64) as usize);
                kills.backends += 1;
                return;
            }
            _ => {}
        }
        let one = dice.below(2) as usize;
        let with_node = dice.below(4) == 0;
        self.kill();
        kills.servers += 1;
        if with_node {
            nodes[one].kill();
            kills.nodes += 1;
        }
        wait::pace(Duration::from_millis(dice.below(1_500)));
        self.restart();
        if with_node {
            nodes[one] = places[one].start("serve");
        }
    }
}

fn kills_lose_nothing(name: &str, mut database: Database) {
    let mut dice = Dice::new(name);
    let places = [Place::at(database.url()), Place::at(database.url())];
    let mut nodes = [places[0].start("serve"), places[1].start("serve")];
    wait_until_shared(&places);
    let _workers = [worker(&places[0], 0), worker(&places[1], 1)];
    let mut kills = Kills::default();
    let end = Deadline::in_seconds(setting("MAINSPRING_CHAOS_SECONDS", 5));
    let all = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (places, all, dice) = (&places, &all, dice.split());
            scope.spawn(move || {
                let taken = client(places, number, dice, &|| end.has_passed());
                all.lock().expect("no client failed").extend(taken);
            });
        }
        while !end.has_passed() {
            wait::pace(Duration::from_millis(300 + dice.below(1_500)));
            database.strike(&places, &mut nodes, &mut dice, &mut kills);
        }
    });
    let taken = all.into_inner().expect("no client failed");
    let repeats = verdict::check(&places[1], &taken, &places[0].path("witness"));
    let tasks: usize = taken.iter().map(|one| one.tasks.len()).sum();
    let unknown: usize = nodes.iter().map(|node| node.printed().matches("outcome is unknown").count()).sum();
    eprintln!(
        "{name}: {} submissions, {tasks} tasks, {repeats} repeated starts, {unknown} unknown commits; {kills:?}",
        taken.len()
    );
    assert!(kills.servers + kills.backends >= 1 && tasks >= 5, "too little happened to mean anything");
    assert!(!nodes.iter().any(|node| node.printed().contains("went back")), "the store lost what it had acknowledged");
}

#[test]
fn kills_of_postgres_lose_nothing() {
    let database = Postgres::with(&["fsync=on", "synchronous_commit=on"]);
    kills_lose_nothing("kills of PostgreSQL", Database::Postgres(database));
}

#[test]
fn kills_of_a_redis_that_always_waits_for_its_disk_lose_nothing() {
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    let database = Redis::with(folder.path(), &["--appendfsync", "always"]);
    kills_lose_nothing("kills of Redis, always", Database::Redis(database));
}
