//! W1: how many tasks a second, submitted in bulk and one by one, drained, and end to end.

use serde_json::json;

use super::Site;
use super::figures::rate;
use super::load::{BULK_CONNECTIONS, Load};
use super::session::Sessions;
use crate::clock;

pub(super) async fn w1(site: &mut Site<'_>) -> anyhow::Result<()> {
    let (tasks, args) = (site.tasks(100_000), site.args);
    let singles = (tasks / 5).max(1);
    let target = site.server().await?;
    let bulk = Load {
        tasks,
        batch: args.batch,
        connections: BULK_CONNECTIONS,
        payload_bytes: args.payload_bytes,
        delay_seconds: 0,
    };
    let single = Load { tasks: singles, batch: 1, connections: args.connections, ..bulk };
    let start = || Sessions::start(&target, args.workers, args.capacity, None);
    for (name, value) in [
        ("tasks", json!(tasks)),
        ("singleTasks", json!(singles)),
        ("batch", json!(args.batch)),
        ("bulkConnections", json!(BULK_CONNECTIONS)),
        ("connections", json!(args.connections)),
        ("payloadBytes", json!(args.payload_bytes)),
        ("workers", json!(args.workers)),
        ("capacity", json!(args.capacity)),
    ] {
        site.note(name, value);
    }

    let (_, took) = bulk.submit(&target).await?;
    site.figure("enqueue_bulk_per_s", rate(tasks, took));
    let started = clock::instant();
    let mut sessions = start();
    let ended = sessions.accepted(tasks).await?;
    site.figure("drain_per_s", rate(tasks, ended - started));
    sessions.stop().await?;

    let (_, took) = single.submit(&target).await?;
    site.figure("enqueue_single_per_s", rate(singles, took));
    let mut sessions = start();
    sessions.accepted(singles).await?;

    let before = sessions.count();
    let (submitted, ended) = tokio::join!(bulk.submit(&target), sessions.accepted(before + tasks));
    site.figure("e2e_bulk_per_s", rate(tasks, ended? - submitted?.0));
    let before = sessions.count();
    let (submitted, ended) = tokio::join!(single.submit(&target), sessions.accepted(before + singles));
    site.figure("e2e_single_per_s", rate(singles, ended? - submitted?.0));
    sessions.stop().await
}
