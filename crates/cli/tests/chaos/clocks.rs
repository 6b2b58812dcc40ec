//! R14 with real processes: the wall clock of one of two nodes is set forward and back, by half a minute and by an hour. No lease
//! ends by that, no node is taken for dead, no shard stands still, and no instant of a schedule is fired twice or early.
//!
//! The clock is moved for one process alone: a library that is loaded before the others answers what it asks for the wall
//! clock. The monotonic clocks are the machine's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mainspring_protocol::time;
use serde_json::{Value, json};

use crate::cluster::{SHARDS, places, shard_of, submit, wait_until_shared, witness_script};
use crate::process::{Kind, Place, Process, skip};
use crate::setting;
use crate::verdict;
use crate::wait;

/// How long the clock stays where it was put.
const STAYS: Duration = Duration::from_secs(3);
/// What the wall clock is ahead of the true time, in seconds, one after the other.
const AHEAD_S: [i64; 4] = [30, -30, -3_600, 3_600];
/// A clock that is set forward by less than a minute is believed.
const BELIEVED_S: i64 = 60;

/// The wall clock of one process.
struct WallClock {
    library: PathBuf,
    file: PathBuf,
}

impl WallClock {
    /// Builds it in a folder; `None` without a C compiler.
    fn build(folder: &Path) -> Option<Self> {
        let clock = Self { library: folder.join("clock.so"), file: folder.join("clock") };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chaos/clock.c");
        let mut command = Command::new("cc");
        let built = command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&clock.library).arg(source).status();
        clock.set(0);
        built.is_ok_and(|status| status.success()).then_some(clock)
    }

    fn set(&self, seconds: i64) {
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::File::options().create(true).write(true).truncate(false).open(&self.file);
        file.and_then(|file| file.write_all_at(&(seconds * 1_000).to_ne_bytes(), 0)).expect("it can be written");
    }

    /// Starts a node that goes by it.
    fn start(&self, place: &Place) -> Process {
        let mut command = place.command("serve");
        command.env("LD_PRELOAD", &self.library).env("MAINSPRING_TEST_CLOCK", &self.file);
        place.start_with(command)
    }
}

#[expect(clippy::disallowed_methods, reason = "other processes live on real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "what fires early is judged by the true time")]
fn time_of_day_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970").as_millis() as i64
}

/// A schedule in each of some shards of both nodes.
fn schedules() -> Vec<String> {
    let name = |shard| (0..10_000).map(|number| format!("tick{number}")).find(|name| shard_of(name) == shard);
    (0..SHARDS).step_by(3).map(|shard| name(shard).expect("every shard has one")).collect()
}

/// What stands in the ledger: the instants that records or ranges of skipped ones name, newest first, and how many fired.
fn ledger(place: &Place, name: &str) -> Vec<(String, i64)> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = place.call("GET", &format!("/api/v1/schedules/{name}/occurrences?limit=1000{cursor}"), None);
        for item in page["items"].as_array().expect("a page has items") {
            let at = item["instant"].as_str().expect("a record has its instant");
            let at = time::parse(at).expect("it is RFC 3339").as_millis();
            items.push((item["status"].as_str().unwrap_or_default().to_owned(), at));
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// Who owns each shard, under which epoch.
fn holdings(place: &Place) -> Value {
    place.call("GET", "/api/v1/cluster", None)["shards"].take()
}

/// Each fires on. No instant is in a ledger twice, and none of those that fired lies ahead of the true time by more than is believed.
fn go_on(place: &Place, names: &[&String], ahead_s: i64) {
    let fired = |name: &str| ledger(place, name).into_iter().filter(|(status, _)| status == "fired").count();
    let before: Vec<usize> = names.iter().map(|name| fired(name)).collect();
    wait::until(30, &format!("firing of all schedules under a clock {ahead_s} s ahead"), || {
        names.iter().zip(&before).all(|(name, before)| fired(name) > *before).then_some(())
    });
    for name in names {
        let all = ledger(place, name);
        let different: BTreeSet<i64> = all.iter().map(|(_, at)| *at).collect();
        assert_eq!(different.len(), all.len(), "{name}: an instant stands there twice: {all:?}");
        let latest = all.iter().filter(|(status, _)| status == "fired").map(|(_, at)| *at).max().unwrap_or_default();
        let early_ms = latest - time_of_day_ms();
        assert!(early_ms < BELIEVED_S * 1_000, "{name} fired {early_ms} ms early under a clock {ahead_s} s ahead");
    }
}

fn a_clock_that_jumps_harms_nothing(kind: Kind) {
    let places = places(kind);
    let Some(clock) = WallClock::build(places[1].folder.path()) else {
        return skip("a_clock_that_jumps_harms_nothing", "there is no C compiler");
    };
    let mut steady = places[0].start("serve");
    let _jumping = clock.start(&places[1]);
    let hit = wait_until_shared(&places);
    // A lease is shorter than each leap, and longer than what a busy machine makes a renewal wait.
    let _workers =
        [0, 1].map(|at| places[at].worker(&format!("worker-{at}"), &["--lease", "10s", "--concurrency", "4"]));
    let names = schedules();
    for name in &names {
        // Nobody runs the work: what is tested is that it is submitted.
        let body = json!({"name": name, "cron": "* * * * * *", "task": {"type": "nobody"}});
        submit(&places, "/api/v1/schedules", &body, || 0);
    }
    let (witness, held) = (places[0].path("witness"), holdings(&places[0]));
    let mut submitted = Vec::new();
    for (round, ahead_s) in AHEAD_S.into_iter().enumerate() {
        // Programs that run meanwhile, in shards of both nodes.
        let begun = now();
        for (number, at) in (0..4).map(|number| (number, number % 2)) {
            let label = format!("r{round}t{number}");
            let script = witness_script(&label, &witness, "; sleep 3");
            let body = json!({"taskId": label, "type": "shell", "run": script});
            submit(&places, "/api/v1/tasks", &body, || at);
            submitted.push(label);
        }
        clock.set(ahead_s);
        go_on(&places[0], &names.iter().collect::<Vec<_>>(), ahead_s);
        wait::pace(STAYS.saturating_sub(begun.elapsed()));
        assert_eq!(holdings(&places[0]), held, "a shard changed hands under a clock {ahead_s} s ahead");
    }
    for label in &submitted {
        let end = places[0].wait_for_end(&format!("/api/v1/tasks/{label}"), 60);
        let attempts = places[0].attempts(&format!("/api/v1/tasks/{label}"));
        assert_eq!((end["status"].as_str(), attempts.len()), (Some("completed"), 1), "{attempts:?}");
    }
    let text = std::fs::read_to_string(&witness).expect("the witness is there");
    assert!(verdict::lines(&text).values().all(|starts| starts.len() == 1), "{text}");
    // An hour ahead, it takes over shards that it had not when its clock leapt.
    steady.kill();
    let others: Vec<&String> = names.iter().filter(|name| !hit.contains(&shard_of(name))).collect();
    go_on(&places[1], &others, 3_600);
    eprintln!(
        "clocks on {kind:?}: {} programs ran once, {} schedules fired nothing twice",
        submitted.len(),
        names.len()
    );
}

#[test]
fn a_clock_that_jumps_harms_nothing_on_any_store() {
    // The nodes read their clocks in the same way whatever keeps their rows: one store is enough for each change.
    a_clock_that_jumps_harms_nothing(Kind::Postgres);
    if setting("MAINSPRING_CHAOS_CLOCKS", 1) > 1 {
        a_clock_that_jumps_harms_nothing(Kind::Redis);
    }
}
