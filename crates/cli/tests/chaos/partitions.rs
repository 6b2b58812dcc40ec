//! R12: the wires between nodes, their store and their workers are cut, held and slowed; nothing acknowledged is lost, no
//! second owner is accepted, a node without its store starts nothing, and service resumes soon after.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::cluster::{SHARDS, shard_of, submit, wait_until_shared, witness_script};
use crate::dice::Dice;
use crate::process::{Kind, Place, Process};
use crate::proxy::{Fault, Proxy};
use crate::setting;
use crate::verdict::{self, Taken};
use crate::wait::{self, Deadline};

/// After a fault is over, work in every shard must end within this, in a debug build under load.
const RESUMES_MAX: Duration = Duration::from_secs(12);
/// How long a fault lasts: longer than a node is waited for, and than a lease.
const LASTS: Duration = Duration::from_secs(5);
/// A lease, and as long as it takes a program to start on a busy machine.
const LEASE_MS: u128 = 3_000;

/// What stands between the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Between a node and the store.
    Store,
    /// Between the nodes.
    Nodes,
    /// Between a node and its worker.
    Worker,
    /// All that a node has but its worker.
    All,
}

/// A node, its worker, and the wires to and from them.
struct Site {
    store: Proxy,
    peer: Proxy,
    door: Proxy,
    _node: Process,
    _worker: Process,
}

impl Site {
    fn new(place: &mut Place, name: &str) -> Self {
        let database = address_of(&place.store);
        let store = Proxy::to(database);
        place.store = place.store.replace(&database.to_string(), &store.address.to_string());
        let peer = Proxy::to(place.address);
        let door = Proxy::to(place.address);
        let mut command = place.command("serve");
        command.args(["--advertise", &format!("http://{}", peer.address)]);
        let node = place.start_with(command);
        let worker = place.worker_at(door.address, name, &["--lease", "3s", "--concurrency", "4"]);
        Self { store, peer, door, _node: node, _worker: worker }
    }
}

/// The address in a store's URL.
fn address_of(url: &str) -> std::net::SocketAddr {
    let host = url.split(['/', '@']).find(|part| part.starts_with("127.0.0.1:"));
    host.and_then(|host| host.parse().ok()).expect("a test's database is named by its address")
}

struct Cluster {
    sites: [Site; 2],
    places: [Place; 2],
    /// Where the database lives.
    _database: Place,
    taken: Vec<Taken>,
    longest: Duration,
}

#[expect(clippy::disallowed_methods, reason = "other processes live on real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the programs write down the time of day")]
fn time_of_day() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970").as_millis()
}

impl Cluster {
    fn start(kind: Kind) -> Self {
        let first = Place::on(kind);
        let mut places = [Place::beside(&first), Place::beside(&first)];
        let [one, other] = &mut places;
        let sites = [Site::new(one, "worker-0"), Site::new(other, "worker-1")];
        wait_until_shared(&places);
        Self { sites, places, _database: first, taken: Vec::new(), longest: Duration::ZERO }
    }

    fn set(&self, victim: usize, link: Link, fault: Fault) {
        let site = &self.sites[victim];
        match link {
            Link::Store => site.store.set(fault),
            Link::Nodes => self.sites.iter().for_each(|site| site.peer.set(fault)),
            Link::Worker => site.door.set(fault),
            Link::All => {
                site.store.set(fault);
                self.sites.iter().for_each(|site| site.peer.set(fault));
            }
        }
    }

    /// One fault, while clients submit to both nodes, and how long until all is well again.
    fn round(&mut self, number: usize, victim: usize, link: Link, fault: Fault) {
        let end = Deadline::in_seconds(LASTS.as_secs());
        let all = Mutex::new(Vec::new());
        let (struck, healed) = thread::scope(|scope| {
            for name in 0..2 {
                let (this, all) = (&*self, &all);
                scope.spawn(move || {
                    let taken = this.client(&format!("r{number}c{name}"), name, end);
                    all.lock().expect("no client failed").extend(taken);
                });
            }
            wait::pace(Duration::from_millis(300));
            self.set(victim, link, fault);
            let struck = time_of_day();
            wait::pace(LASTS);
            self.set(victim, link, Fault::None);
            (struck, time_of_day())
        });
        self.taken.extend(all.into_inner().expect("no client failed"));
        let took = self.resumes(number);
        self.longest = self.longest.max(took);
        eprintln!("partition {number}: {link:?} of node {victim}, {fault:?}: all shards serve after {took:?}");
        assert!(took <= RESUMES_MAX, "service resumed only after {took:?}");
        if link == Link::All {
            self.starts_nothing(victim, struck + LEASE_MS, healed);
        }
    }

    /// Submits to one node until the end; whatever that does not take goes to the other one.
    fn client(&self, name: &str, node: usize, end: Deadline) -> Vec<Taken> {
        let mut taken = Vec::new();
        for number in 0.. {
            if end.has_passed() {
                break;
            }
            let mut tries = 0;
            taken.push(self.submit(&format!("{name}n{number}"), || {
                tries += 1;
                (node + tries + 1) % 2
            }));
            wait::pace(Duration::from_millis(60));
        }
        taken
    }

    fn submit(&self, id: &str, choose: impl FnMut() -> usize) -> Taken {
        let times = format!("; echo \"{id} $MAINSPRING_ATTEMPT $(date +%s%3N)\" >> {}", self.path("times").display());
        let run = witness_script(id, &self.path("witness"), &times);
        let backoff = json!({"type": "fixed", "initial": 0.05, "jitter": "none"});
        let body = json!({"taskId": id, "type": "shell", "run": run, "retries": 20, "backoff": backoff});
        submit(&self.places, "/api/v1/tasks", &body, choose);
        let path = format!("/api/v1/tasks/{id}");
        Taken { path: path.clone(), tasks: vec![(path, id.to_owned())] }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.places[0].path(name)
    }

    /// The time until a task of each shard that is submitted now has ended.
    fn resumes(&mut self, round: usize) -> Duration {
        let start = now();
        let ids: Vec<String> = (0..SHARDS)
            .filter_map(|shard| (0..10_000).map(|number| format!("r{round}s{number}")).find(|id| shard_of(id) == shard))
            .collect();
        assert_eq!(ids.len(), usize::from(SHARDS), "every shard has an id");
        for (number, id) in ids.iter().enumerate() {
            let mut tries = number;
            let taken = self.submit(id, || {
                tries += 1;
                tries % 2
            });
            self.taken.push(taken);
        }
        for id in &ids {
            let end = self.places[0].wait_for_end(&format!("/api/v1/tasks/{id}"), 60);
            assert_eq!(end["status"], "completed", "{end}");
        }
        start.elapsed()
    }

    /// The worker of a node that had neither store nor peer started nothing between these instants.
    fn starts_nothing(&self, victim: usize, from: u128, to: u128) {
        let text = std::fs::read_to_string(self.path("times")).expect("programs wrote it");
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [id, attempt, at] = words[..] else { continue };
            let (Ok(attempt), Ok(at)) = (attempt.parse::<usize>(), at.parse::<u128>()) else { continue };
            if (from..to).contains(&at) {
                let attempts = self.places[0].attempts(&format!("/api/v1/tasks/{id}"));
                let by = attempts.get(attempt - 1).map(|attempt| attempt["workerId"].clone());
                let other = format!("worker-{}", 1 - victim);
                assert_eq!(by, Some(json!(other)), "{line} was started by a node without its store: {attempts:?}");
            }
        }
    }

    fn judge(self, name: &str) {
        let repeats = verdict::check(&self.places[1], &self.taken, &self.path("witness"));
        let (tasks, longest) = (self.taken.len(), self.longest);
        eprintln!("partitions {name}: {tasks} tasks, {repeats} repeated starts, resumed after {longest:?} at the most");
    }
}

fn partitions_lose_nothing(kind: Kind, rounds: &[(Link, Fault)]) {
    let mut dice = Dice::new(&format!("partitions on {kind:?}"));
    let mut cluster = Cluster::start(kind);
    for (number, (link, fault)) in rounds.iter().enumerate() {
        cluster.round(number, number % 2, *link, *fault);
    }
    let more = setting("MAINSPRING_CHAOS_PARTITIONS", 0) as usize;
    for number in rounds.len()..rounds.len() + more {
        let link = [Link::Store, Link::Nodes, Link::Worker, Link::All][dice.below(4) as usize];
        let slow = Fault::Delay(Duration::from_millis(20 + dice.below(400)));
        let all = [Fault::Cut, Fault::HoldThere, Fault::HoldBack, Fault::HalfOpen, Fault::Midway, slow];
        let faults = if link == Link::All { &all[..4] } else { &all[..] };
        cluster.round(number, dice.below(2) as usize, link, faults[dice.below(faults.len() as u64) as usize]);
    }
    cluster.judge(&format!("on {kind:?}"));
}

#[test]
fn partitions_lose_nothing_on_postgres() {
    let slow = Fault::Delay(Duration::from_millis(100));
    partitions_lose_nothing(
        Kind::Postgres,
        &[(Link::Store, Fault::HoldBack), (Link::All, Fault::Cut), (Link::Worker, slow)],
    );
}

#[test]
fn partitions_lose_nothing_on_redis() {
    partitions_lose_nothing(
        Kind::Redis,
        &[(Link::Store, Fault::HalfOpen), (Link::Nodes, Fault::HoldThere), (Link::Store, Fault::Midway)],
    );
}
