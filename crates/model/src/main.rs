//! `mainspring-model`: walks through every world of a budget. See the library.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use mainspring_model::bounds::Bounds;
use mainspring_model::clock::Stopwatch;
use mainspring_model::model::Shard;
use mainspring_model::plant::Plant;
use stateright::{Checker, HasDiscoveries, Model};

const USAGE: &str =
    "usage: mainspring-model [--exhaustive | --small | --planted NAME] [--budget NAME] [--depth N] [--threads N] [--seconds N]

  --exhaustive    every world of the campaign's budgets, by depth first
  --small         every world of the budgets that each change is tested with
  --budget NAME   only this one of them
  --planted NAME  the way to a planted bug
  --depth N       only so many actions deep, by breadth first
  --threads N     default 2
  --seconds N     stop after this long";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<bool> {
    let mut limits = Limits { threads: 2, seconds: None, depth: None };
    let (mut plant, mut only, mut exhaustive) = (None, None, false);
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("`{flag}` needs a value"));
        match flag.as_str() {
            "--exhaustive" => exhaustive = true,
            "--small" => exhaustive = false,
            "--budget" => only = Some(value()?),
            "--threads" => limits.threads = value()?.parse()?,
            "--seconds" => limits.seconds = Some(value()?.parse()?),
            "--depth" => limits.depth = Some(value()?.parse()?),
            "--planted" => {
                let word = value()?;
                plant = Some(Plant::from_word(&word).with_context(|| format!("there is no bug `{word}`"))?);
            }
            other => bail!("unknown argument `{other}`"),
        }
    }
    if let Some(plant) = plant {
        return Ok(!walk(plant.word(), plant.bounds(), Some(plant), limits));
    }
    let parts: &[(&str, Bounds)] = if exhaustive { &Bounds::CAMPAIGN } else { &Bounds::SMALL };
    let mut holds = true;
    for (name, bounds) in parts.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)) {
        holds &= walk(name, *bounds, None, limits);
    }
    Ok(holds)
}

/// How far to walk.
#[derive(Clone, Copy)]
struct Limits {
    threads: usize,
    seconds: Option<u64>,
    depth: Option<usize>,
}

fn walk(name: &str, bounds: Bounds, plant: Option<Plant>, limits: Limits) -> bool {
    let model = plant.map_or_else(|| Shard::new(bounds, 256), Shard::with);
    let mut builder = model.checker().threads(limits.threads).finish_when(HasDiscoveries::AnyFailures);
    if let Some(seconds) = limits.seconds {
        builder = builder.timeout(Duration::from_secs(seconds));
    }
    let watch = Stopwatch::start();
    match limits.depth {
        Some(depth) => report(name, limits, &watch, &builder.target_max_depth(depth).spawn_bfs().join()),
        None => report(name, limits, &watch, &builder.spawn_dfs().join()),
    }
}

fn report(name: &str, limits: Limits, watch: &Stopwatch, checker: &impl Checker<Shard>) -> bool {
    let (unique, all) = (checker.unique_state_count(), checker.state_count());
    let took = watch.elapsed();
    let cut = limits.seconds.is_some_and(|seconds| took >= Duration::from_secs(seconds));
    let whole = if cut { "cut off by time" } else { "all there are" };
    println!("{name}: {unique} worlds ({whole}), {all} steps, depth {}, {took:.0?}", checker.max_depth());
    let met = checker.model().met.lock().map(|met| met.clone()).unwrap_or_default();
    for (what, times) in met {
        println!("  {times:>12}  {what}");
    }
    let found = checker.discoveries();
    let holds = found.is_empty();
    for (rule, path) in found {
        println!("BROKEN: {rule}");
        for action in path.into_actions() {
            println!("  {action:?}");
        }
    }
    holds
}
