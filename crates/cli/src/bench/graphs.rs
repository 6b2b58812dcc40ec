//! W3 chains, W4 fans and W7 random layered graphs: jobs of no-ops, from the submission to the last accepted outcome.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Map, Value, json};

use super::connection::{Connection, Target, request};
use super::figures::{median, ms, number};
use super::session::Sessions;
use super::{Site, shell};
use crate::clock;

/// Repetitions of the small jobs; the median counts.
const ROUNDS: usize = 5;
/// Layers of a random graph.
const LAYERS: u64 = 100;
/// Parents of each task of a random graph, at most.
const PARENTS_MAX: u64 = 3;
/// Where the random graphs begin.
const SEED: u64 = 7;

pub(super) async fn w3(site: &mut Site<'_>) -> anyhow::Result<()> {
    let tasks = site.tasks(40);
    let target = site.server().await?;
    let job = chain(tasks, &json!({"type": "noop"}));
    let mut sessions = Sessions::start(&target, 1, 16, None);
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        took.push(run(&target, &mut sessions, &job, tasks).await?.total());
    }
    sessions.stop().await?;
    site.figure("chain_ms", ms(median(&mut took)));
    site.note("tasks", json!(tasks));
    site.note("rounds", json!(ROUNDS));
    shell::chains(site, &target, tasks).await
}

pub(super) async fn w4(site: &mut Site<'_>) -> anyhow::Result<()> {
    let sizes = if site.args.tasks.is_empty() { vec![1_000, 10_000, 99_998] } else { site.args.tasks.clone() };
    let target = site.server().await?;
    let mut sessions = Sessions::start(&target, site.args.workers, site.args.capacity, None);
    let mut by_size = Map::new();
    for width in &sizes {
        let job = fan(*width);
        let rounds = if *width > 2_000 { 1 } else { ROUNDS };
        let mut took = Vec::new();
        for _ in 0..rounds {
            took.push(run(&target, &mut sessions, &job, width + 2).await?.total());
        }
        by_size.insert(width.to_string(), ms(median(&mut took)));
    }
    sessions.stop().await?;
    // The figure that is compared is the smallest fan's; the wider ones stand beside it.
    site.figure("fan_ms", by_size[&sizes[0].to_string()].clone());
    site.figure("fan_by_width_ms", Value::Object(by_size));
    site.note("rounds", json!(ROUNDS));
    note_sessions(site, &json!(sizes));
    Ok(())
}

pub(super) async fn w7(site: &mut Site<'_>) -> anyhow::Result<()> {
    let sizes = if site.args.tasks.is_empty() { vec![1_000, 10_000, 100_000] } else { site.args.tasks.clone() };
    let target = site.server().await?;
    let mut sessions = Sessions::start(&target, site.args.workers, site.args.capacity, None);
    let (mut submit, mut whole, mut each) = (Map::new(), Map::new(), Map::new());
    for size in &sizes {
        let took = run(&target, &mut sessions, &layered(*size), *size).await?;
        submit.insert(size.to_string(), ms(took.submit));
        whole.insert(size.to_string(), ms(took.run));
        each.insert(size.to_string(), number(took.run.as_secs_f64() * 1e6 / *size as f64));
    }
    site.figure("submit_ms", Value::Object(submit));
    site.figure("run_ms", Value::Object(whole));
    site.figure("per_completion_us", Value::Object(each));
    if site.args.tasks.is_empty() {
        let links = 10_000;
        let took = run(&target, &mut sessions, &chain(links, &json!({"type": "noop"})), links).await?;
        site.figure("chain_10000_ms", ms(took.total()));
        site.figure("chain_edge_ms", ms(took.total() / u32::try_from(links)?));
    }
    sessions.stop().await?;
    site.note("layers", json!(LAYERS));
    site.note("parentsMax", json!(PARENTS_MAX));
    site.note("seed", json!(SEED));
    note_sessions(site, &json!(sizes));
    Ok(())
}

fn note_sessions(site: &mut Site<'_>, sizes: &Value) {
    let args = site.args;
    site.note("tasks", sizes.clone());
    site.note("workers", json!(args.workers));
    site.note("capacity", json!(args.capacity));
}

/// How long a job took.
pub(super) struct Took {
    /// Until the submission was answered.
    pub submit: Duration,
    /// From then until the last outcome was accepted.
    pub run: Duration,
}

impl Took {
    fn total(&self) -> Duration {
        self.submit + self.run
    }
}

async fn run(target: &Target, sessions: &mut Sessions, job: &Value, tasks: u64) -> anyhow::Result<Took> {
    let body = request(target, "POST", "/api/v1/jobs", serde_json::to_string(job)?.as_bytes());
    let mut connection = Connection::open(target).await?;
    let before = sessions.count();
    let started = clock::instant();
    let answer: Value = serde_json::from_slice(connection.expect(&body).await?)?;
    let submit = started.elapsed();
    let ended = sessions.accepted(before + tasks).await?;
    let path = format!("/api/v1/jobs/{}?wait=10s", answer["jobId"].as_str().unwrap_or_default());
    let job: Value = serde_json::from_slice(connection.expect(&request(target, "GET", &path, b"")).await?)?;
    ensure!(job["status"] == "completed", "the job is {}", job["status"]);
    Ok(Took { submit, run: ended.saturating_duration_since(started + submit) })
}

/// A chain: each task needs the one before it.
pub(super) fn chain(tasks: u64, template: &Value) -> Value {
    let tasks: Vec<Value> = (0..tasks)
        .map(|number| {
            let needs = number.checked_sub(1).map(|parent| vec![format!("t{parent}")]).unwrap_or_default();
            task(format!("t{number}"), needs, template)
        })
        .collect();
    json!({"tasks": tasks})
}

/// One task, then `width` of them, then one that needs all of these.
fn fan(width: u64) -> Value {
    let noop = json!({"type": "noop"});
    let mut tasks = vec![task("first".to_owned(), vec![], &noop)];
    tasks.extend((0..width).map(|number| task(format!("t{number}"), vec!["first".to_owned()], &noop)));
    tasks.push(task("last".to_owned(), (0..width).map(|number| format!("t{number}")).collect(), &noop));
    json!({"tasks": tasks})
}

/// Tasks in layers; each needs one to three random tasks of the layer before.
fn layered(size: u64) -> Value {
    let width = size.div_ceil(LAYERS).max(1);
    let (noop, mut random) = (json!({"type": "noop"}), SEED);
    let tasks: Vec<Value> = (0..size)
        .map(|number| {
            let layer = number / width;
            let mut needs: Vec<String> = Vec::new();
            if layer > 0 {
                for _ in 0..=next(&mut random) % PARENTS_MAX {
                    let parent = format!("t{}", (layer - 1) * width + next(&mut random) % width);
                    if !needs.contains(&parent) {
                        needs.push(parent);
                    }
                }
            }
            task(format!("t{number}"), needs, &noop)
        })
        .collect();
    json!({"tasks": tasks})
}

fn task(id: String, needs: Vec<String>, template: &Value) -> Value {
    let mut task = template.clone();
    task["taskId"] = json!(id);
    if !needs.is_empty() {
        task["needs"] = json!(needs);
    }
    task
}

/// Splitmix64 (Steele, Lea and Flood, 2014): the same graphs in every run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
