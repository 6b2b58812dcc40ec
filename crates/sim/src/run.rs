//! Runs worlds: one, many on all cores, the regressions, the planted bugs.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::check::Violation;
use crate::clock::Stopwatch;
use crate::config::WorldConfig;
use crate::plant::Plant;
use crate::sometimes::Sometimes;
use crate::world::{Outcome, World};

/// Seeds in which each planted bug must be found.
pub const PLANT_SEEDS_MAX: u64 = 400;

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps what a failed assertion says, instead of printing it.
pub fn catch_assertions() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        PANIC.with(|last| *last.borrow_mut() = Some(text));
    }));
}

/// One world, from its configuration to its end. A failed assertion is a violation like any other.
pub fn world(config: &WorldConfig, digest: bool, trace: bool) -> Outcome {
    let run = catch_unwind(AssertUnwindSafe(|| World::new(config.clone(), digest, trace).run()));
    run.unwrap_or_else(|_| {
        let detail = PANIC.with(|last| last.borrow_mut().take()).unwrap_or_default();
        Outcome {
            verdict: Err(Violation { invariant: "assertion", detail }),
            sometimes: Sometimes::default(),
            digest: 0,
            commits: 0,
            events: 0,
            virtual_ms: 0,
            struck: 1,
            trace: Vec::new(),
        }
    })
}

/// One world, and, for one seed in fifty, the same again: it must go the same way (R03).
pub fn world_twice_sometimes(config: &WorldConfig) -> Outcome {
    let twice = config.seed.is_multiple_of(50) || config.plant == Some(Plant::Unrepeatable);
    let mut first = world(config, twice, false);
    if twice && first.verdict.is_ok() {
        let second = world(config, true, false);
        if first.digest != second.digest {
            let detail = format!("two runs differ: {:x} and {:x}", first.digest, second.digest);
            first.verdict = Err(Violation { invariant: "R03", detail });
            first.struck += second.struck;
        }
    }
    first
}

/// What a campaign showed.
#[derive(Debug, Default)]
pub struct Campaign {
    /// Worlds that ran.
    pub worlds: u64,
    /// Commits in all of them.
    pub commits: u64,
    /// Events in all of them.
    pub events: u64,
    /// Virtual time in all of them.
    pub virtual_ms: i64,
    /// The counters.
    pub sometimes: Sometimes,
    /// Failing seeds, lowest first.
    pub failures: Vec<(u64, Kind, Violation)>,
}

/// What kind of worlds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Worlds of one shard.
    #[default]
    Single,
    /// Worlds of one shard whose faults never quite stop.
    Liveness,
    /// Worlds of several shards.
    Cluster,
}

impl Kind {
    /// The configuration of a seed.
    pub fn config(self, seed: u64) -> WorldConfig {
        match self {
            Self::Single => WorldConfig::of_seed(seed),
            Self::Liveness => WorldConfig::lasting(seed),
            Self::Cluster => WorldConfig::cluster(seed),
        }
    }

    /// How it is asked for on the command line.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Single => "",
            Self::Liveness => " --liveness",
            Self::Cluster => " --cluster",
        }
    }

    /// Where a planted bug shows.
    pub fn of_plant(plant: Plant) -> Self {
        if plant.is_of_clusters() { Self::Cluster } else { Self::Single }
    }
}

/// Which seeds to run.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The first.
    pub from: u64,
    /// How many at the most.
    pub count: u64,
    /// For how long at the most.
    pub time: Duration,
    /// What kind of worlds.
    pub kind: Kind,
    /// Failing seeds after which it stops.
    pub failures_max: usize,
}

/// Runs worlds on all cores; each world stays on one thread.
pub fn campaign(seeds: Seeds) -> Campaign {
    let watch = Stopwatch::start();
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let total = Mutex::new(Campaign::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Campaign::default();
                while !stop.load(Ordering::Relaxed) && watch.elapsed() < seeds.time {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= seeds.count {
                        break;
                    }
                    let seed = seeds.from.wrapping_add(place);
                    let outcome = world_twice_sometimes(&seeds.kind.config(seed));
                    mine.add(seed, seeds.kind, outcome);
                    if mine.failures.len() >= seeds.failures_max {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                total.lock().unwrap_or_else(PoisonError::into_inner).join(mine);
            });
        }
    });
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    total.failures.sort_by_key(|failure| failure.0);
    total
}

impl Campaign {
    fn add(&mut self, seed: u64, kind: Kind, outcome: Outcome) {
        self.worlds += 1;
        self.commits += outcome.commits;
        self.events += outcome.events;
        self.virtual_ms += outcome.virtual_ms;
        self.sometimes.merge(&outcome.sometimes);
        if let Err(violation) = outcome.verdict {
            self.failures.push((seed, kind, violation));
        }
    }

    fn join(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.commits += other.commits;
        self.events += other.events;
        self.virtual_ms += other.virtual_ms;
        self.sometimes.merge(&other.sometimes);
        self.failures.extend(other.failures);
    }
}

/// A planted bug that was found, or was not.
#[derive(Debug)]
pub struct Find {
    /// The bug.
    pub plant: Plant,
    /// The seed and what did not hold there.
    pub found: Option<(u64, Violation)>,
    /// Worlds until then.
    pub worlds: u64,
    /// How often it struck before.
    pub struck: u64,
}

/// Looks for planted bugs on all cores; what was found comes in the order of the bugs.
pub fn hunt_all(plants: &[Plant], from: u64, seeds: u64) -> Vec<Find> {
    let next = AtomicU64::new(0);
    let finds = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(plant) = plants.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let find = hunt(*plant, from, seeds);
                    finds.lock().unwrap_or_else(PoisonError::into_inner).push(find);
                }
            });
        }
    });
    let mut finds = finds.into_inner().unwrap_or_else(PoisonError::into_inner);
    finds.sort_by_key(|find| plants.iter().position(|plant| *plant == find.plant));
    finds
}

/// Looks for a planted bug, seed by seed.
pub fn hunt(plant: Plant, from: u64, seeds: u64) -> Find {
    let mut struck = 0;
    let kind = Kind::of_plant(plant);
    for seed in from..from + seeds {
        let config = WorldConfig { plant: Some(plant), ..kind.config(seed) };
        let outcome = world_twice_sometimes(&config);
        struck += outcome.struck;
        if let Err(violation) = outcome.verdict {
            return Find { plant, found: Some((seed, violation)), worlds: seed - from + 1, struck };
        }
    }
    Find { plant, found: None, worlds: seeds, struck }
}

/// The committed seeds that once failed, with the kind of world and the reason.
pub fn regressions() -> Vec<(u64, Kind, &'static str)> {
    let lines = include_str!("../regressions.txt").lines();
    let lines = lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (kind, line) = line.strip_prefix("cluster ").map_or((Kind::Single, line), |rest| (Kind::Cluster, rest));
            let (seed, reason) = line.split_once(' ').unwrap_or((line, ""));
            (seed.parse().expect("each line of regressions.txt begins with a seed"), kind, reason)
        })
        .collect()
}
