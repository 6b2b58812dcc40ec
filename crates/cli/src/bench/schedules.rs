//! Many schedules: how fast they are made, what they cost a server that starts and one that idles, how late coincident instants are,
//! and what a downtime of ninety days costs.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use mainspring_core::id::Bucket;
use mainspring_core::schedule::Next;
use mainspring_core::time::Timestamp;
use mainspring_protocol::time;
use mainspring_store::{CommitAnswer, ShardCommit, ShardId, Store as _};
use mainspring_store_sqlite::{Options, SqliteStore};
use serde_json::{Value, json};

use super::Site;
use super::connection::{Connection, Target, request};
use super::figures::{ms, number, percentile, rate};
use super::process::Process;
use crate::clock;

/// Connections that make schedules side by side.
const CONNECTIONS: u64 = 32;
/// How long an idle server is watched.
const IDLE: Duration = Duration::from_secs(30);
/// How long a server may settle before it counts as idle.
const SETTLE: Duration = Duration::from_secs(3);
/// How many instants coincide with 10,000 schedules; with fewer, as many fewer.
const COINCIDENT: [(u64, &str); 2] = [(1_000, "1k"), (10_000, "10k")];
/// How long nobody served the schedules.
const DOWNTIME_MS: i64 = 90 * 86_400_000;
/// How long all of a group of instants may take until they have fired.
const FIRED_MAX: Duration = Duration::from_secs(120);

/// `mainspring bench schedules`.
pub(super) async fn schedules(site: &mut Site<'_>) -> anyhow::Result<()> {
    ensure!(site.args.server.is_none(), "this scenario starts and stops its server, so it cannot use --server");
    ensure!(site.args.store.is_none(), "this scenario turns its store's clock back: SQLite only");
    let count = site.tasks(10_000);
    let folder = site.folder.to_owned();
    let empty = start(&folder).await?;
    site.describe(&empty.0.target).await?;
    site.figure("startup_empty_ms", ms(empty.1));
    let target = empty.0.target.clone();
    let started = clock::instant();
    make(&target, "s", count, |number| {
        let cron = format!("{} {} * * *", number % 60, number / 60 % 24);
        json!({"cron": cron, "task": {"type": "noop", "tags": ["daily"]}})
    })
    .await?;
    let took = started.elapsed();
    site.figure("make_per_s", rate(count, took));
    drop(empty);
    let (process, took) = start(&folder).await?;
    site.figure("startup_ms", ms(took));
    tokio::time::sleep(SETTLE).await;
    let (before, from) = (process.cpu()?, clock::instant());
    tokio::time::sleep(IDLE).await;
    let share = (process.cpu()? - before).as_secs_f64() / from.elapsed().as_secs_f64();
    site.figure("idle_cpu_percent", number(share * 100.0));
    site.figure("idle_rss_mb", number(process.rss_mb()?));
    for (of_many, word) in COINCIDENT {
        let coincident = (of_many * count / COINCIDENT[1].0).max(1);
        site.note(&format!("coincident_{word}"), json!(coincident));
        lateness(site, &process.target, coincident, word, took_to_make(coincident, count, started.elapsed())).await?;
    }
    drop(process);
    catch_up(site, &folder, count).await?;
    for (name, value) in [
        ("schedules", json!(count)),
        ("idleSeconds", json!(IDLE.as_secs())),
        ("downtimeDays", json!(DOWNTIME_MS / 86_400_000)),
        ("lateness", json!("from the instant to the step that decides the occurrence; its commit follows")),
    ] {
        site.note(name, value);
    }
    Ok(())
}

async fn start(folder: &std::path::Path) -> anyhow::Result<(Process, Duration)> {
    let started = clock::instant();
    let process = Process::start("serve", folder, None).await?;
    Ok((process, started.elapsed()))
}

/// How long schedules will take to be made, as others did, with room to spare.
fn took_to_make(new: u64, made: u64, took: Duration) -> Duration {
    took.mul_f64(1.5 * new as f64 / made.max(1) as f64).max(Duration::from_secs(1)) + Duration::from_secs(3)
}

/// Makes schedules over several connections.
async fn make(target: &Target, prefix: &str, count: u64, body: impl Fn(u64) -> Value) -> anyhow::Result<()> {
    let bodies = |connection: u64| -> Vec<Vec<u8>> {
        let numbers = (0..count).filter(|number| number % CONNECTIONS == connection);
        let bodies = numbers.map(|number| {
            let mut body = body(number);
            body["name"] = format!("{prefix}{number}").into();
            request(target, "POST", "/api/v1/schedules", body.to_string().as_bytes())
        });
        bodies.collect()
    };
    let making = (0..CONNECTIONS).map(|connection| {
        let (bodies, target) = (bodies(connection), target.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(&target).await?;
            for body in bodies {
                connection.expect(&body).await?;
            }
            anyhow::Ok(())
        })
    });
    for making in making.collect::<Vec<_>>() {
        making.await??;
    }
    Ok(())
}

/// Many schedules of one instant: how late they are.
async fn lateness(site: &mut Site<'_>, target: &Target, count: u64, word: &str, ahead: Duration) -> anyhow::Result<()> {
    let ahead_ms = i64::try_from(ahead.as_millis())?;
    let instant = Timestamp::from_millis((clock::now().as_millis() + ahead_ms) / 1_000 * 1_000);
    let at = time::format(instant);
    make(target, &format!("{word}-"), count, |_| json!({"at": at, "task": {"type": "noop", "tags": [word]}})).await?;
    let made_at = clock::now();
    ensure!(made_at.as_millis() < instant.as_millis(), "making {count} schedules took longer than {ahead:?}");
    let ends = clock::instant();
    let mut late = Vec::new();
    while late.len() < count as usize {
        ensure!(ends.elapsed() < ahead + FIRED_MAX, "{} of {count} instants have fired", late.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
        if clock::now().as_millis() > instant.as_millis() {
            late = submitted(target, word, instant).await?;
        }
    }
    late.sort_unstable();
    site.figure(&format!("lateness_{word}_p50_ms"), ms(percentile(&late, 0.5)));
    site.figure(&format!("lateness_{word}_p99_ms"), ms(percentile(&late, 0.99)));
    site.figure(&format!("lateness_{word}_max_ms"), ms(percentile(&late, 1.0)));
    Ok(())
}

/// How long after an instant each task with a tag was submitted.
async fn submitted(target: &Target, tag: &str, instant: Timestamp) -> anyhow::Result<Vec<Duration>> {
    let mut connection = Connection::open(target).await?;
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/tasks?tag={tag}&limit=1000{cursor}");
        let page: Value = serde_json::from_slice(connection.expect(&request(target, "GET", &path, b"")).await?)?;
        for task in page["items"].as_array().context("a list has items")? {
            let at = time::parse(task["createdAt"].as_str().unwrap_or_default())?;
            found.push(Duration::from_millis(at.since(instant)));
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}

/// Turns the daily schedules back by ninety days, and sees how long a server takes to look after all of them.
async fn catch_up(site: &mut Site<'_>, folder: &std::path::Path, count: u64) -> anyhow::Result<()> {
    turn_back(&folder.join("bench.db")).await?;
    let since = clock::now();
    let (process, startup) = start(folder).await?;
    let started = clock::instant();
    while submitted(&process.target, "daily", since).await?.len() < count as usize {
        ensure!(started.elapsed() < FIRED_MAX, "not every schedule has caught up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    site.figure("startup_after_downtime_ms", ms(startup));
    site.figure("catch_up_ms", ms(started.elapsed()));
    let info = request(&process.target, "GET", "/api/v1/schedules/s0/occurrences?limit=1000", b"");
    let page: Value = serde_json::from_slice(Connection::open(&process.target).await?.expect(&info).await?)?;
    site.figure("records_per_schedule", json!(page["items"].as_array().map_or(0, Vec::len)));
    Ok(())
}

async fn turn_back(path: &std::path::Path) -> anyhow::Result<()> {
    let store = SqliteStore::open(path, Options::default())?;
    let shard = ShardId::of(Bucket::CONTROL, 1);
    let fence = store.acquire(shard, "bench".into(), None).await?;
    let snapshot = store.load(fence.clone()).await?;
    let mut high_water = snapshot.high_water;
    for rows in snapshot.schedules.chunks(1_000) {
        high_water.commit += 1;
        let mut changes = mainspring_core::row::Changes { high_water, ..Default::default() };
        for row in rows.iter().filter(|row| row.id.name.starts_with('s')) {
            let mut state = row.state.clone();
            state.covered = Timestamp::from_millis(state.covered.as_millis() - DOWNTIME_MS);
            state.next = Next::Unplanned;
            changes.update_schedules.push((row.id.clone(), state));
        }
        let commit = ShardCommit { fence: fence.clone(), changes: std::sync::Arc::new(changes) };
        let answers = store.commit(vec![commit]).await;
        ensure!(matches!(answers[..], [CommitAnswer::Committed]), "the schedules cannot be turned back: {answers:?}");
    }
    store.release(fence).await?;
    Ok(())
}
