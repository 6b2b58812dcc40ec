//! W5, a large backlog, and W6, what the program costs when it does next to nothing.

use std::time::Duration;

use serde_json::json;

use super::connection::{Connection, request};
use super::figures::{median, ms, number, rate};
use super::load::{BULK_CONNECTIONS, Load};
use super::process::Process;
use super::{Site, latency};
use crate::clock;

/// Starts until the median of the first task counts.
const ROUNDS: usize = 5;
/// How long an idle server is watched.
const IDLE: Duration = Duration::from_secs(10);
/// How long a server may settle before it counts as idle.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) async fn w5(site: &mut Site<'_>) -> anyhow::Result<()> {
    let (tasks, args) = (site.tasks(1_000_000), site.args);
    let target = site.server().await?;
    let disk_before = site.process()?.disk_bytes()?;
    let load = Load {
        tasks,
        batch: args.batch,
        connections: BULK_CONNECTIONS,
        payload_bytes: args.payload_bytes,
        delay_seconds: 86_400,
    };
    let (_, took) = load.submit(&target).await?;
    site.figure("enqueue_delayed_per_s", rate(tasks, took));
    let process = site.process()?;
    let (rss, disk) = (process.rss_mb()?, process.disk_bytes()?);
    site.figure("rss_mb", number(rss));
    site.figure("disk_bytes_per_task", number(disk.saturating_sub(disk_before) as f64 / tasks as f64));
    for (name, value) in [
        ("tasks", json!(tasks)),
        ("delaySeconds", json!(load.delay_seconds)),
        ("batch", json!(args.batch)),
        ("bulkConnections", json!(BULK_CONNECTIONS)),
    ] {
        site.note(name, value);
    }
    let starts = 200;
    let measured = latency::starts(&target, starts, args.payload_bytes).await?;
    latency::note(site, starts, &measured);
    let rss = site.process()?.rss_mb()?;
    site.figure("rss_after_latency_mb", number(rss));
    Ok(())
}

pub(super) async fn w6(site: &mut Site<'_>) -> anyhow::Result<()> {
    anyhow::ensure!(site.args.server.is_none(), "this scenario starts its own process, so it cannot use --server");
    anyhow::ensure!(site.args.store.is_none(), "this scenario starts on an empty store each time: SQLite only");
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let folder = site.folder.join(format!("round-{round}"));
        std::fs::create_dir(&folder)?;
        let (process, first) = first_task(&folder).await?;
        took.push(first);
        if round + 1 == ROUNDS {
            site.describe(&process.target).await?;
            idle(site, &process).await?;
        }
    }
    site.figure("first_task_ms", ms(median(&mut took)));
    let binary = std::env::current_exe()?.metadata()?.len();
    site.figure("binary_mb", number(binary as f64 / f64::from(1 << 20)));
    site.note("rounds", json!(ROUNDS));
    site.note("mode", json!("dev: server and worker in one process"));
    site.note("idleSeconds", json!(IDLE.as_secs()));
    Ok(())
}

/// From nothing running to the end of a first task.
async fn first_task(folder: &std::path::Path) -> anyhow::Result<(Process, Duration)> {
    let started = clock::instant();
    let process = Process::start("dev", folder, None).await?;
    let target = &process.target;
    let mut connection = Connection::open(target).await?;
    connection.expect(&request(target, "POST", "/api/v1/tasks", br#"{"type":"noop","taskId":"first"}"#)).await?;
    let answer = connection.expect(&request(target, "GET", "/api/v1/tasks/first?wait=10s", b"")).await?;
    let took = started.elapsed();
    let task: serde_json::Value = serde_json::from_slice(answer)?;
    anyhow::ensure!(task["status"] == "completed", "the first task is {}", task["status"]);
    Ok((process, took))
}

async fn idle(site: &mut Site<'_>, process: &Process) -> anyhow::Result<()> {
    tokio::time::sleep(SETTLE).await;
    let (before, from) = (process.cpu()?, clock::instant());
    tokio::time::sleep(IDLE).await;
    let share = (process.cpu()? - before).as_secs_f64() / from.elapsed().as_secs_f64();
    site.figure("idle_cpu_percent", number(share * 100.0));
    site.figure("idle_rss_mb", number(process.rss_mb()?));
    site.figure("processes", json!(process.processes()?));
    Ok(())
}
