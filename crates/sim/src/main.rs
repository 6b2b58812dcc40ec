//! `mainspring-sim`: runs simulated worlds. See the library for how to replay one.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use mainspring_sim::clock::Stopwatch;
use mainspring_sim::config::WorldConfig;
use mainspring_sim::plant::Plant;
use mainspring_sim::run::{self, Campaign, Kind, PLANT_SEEDS_MAX, Seeds};

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    seconds: Option<u64>,
    seed: Option<u64>,
    seeds: Option<u64>,
    from: Option<u64>,
    planted: Option<String>,
    kind: Kind,
    regressions: bool,
    trace: bool,
    failures: Option<usize>,
    lines: Option<usize>,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options::default();
    while let Some(flag) = arguments.next() {
        let mut number = || -> anyhow::Result<u64> {
            let text = arguments.next().with_context(|| format!("`{flag}` needs a number"))?;
            text.parse().with_context(|| format!("`{text}` is not a number"))
        };
        match flag.as_str() {
            "--seconds" => options.seconds = Some(number()?),
            "--seed" => options.seed = Some(number()?),
            "--seeds" => options.seeds = Some(number()?),
            "--from" => options.from = Some(number()?),
            "--failures" => options.failures = Some(number()? as usize),
            "--lines" => options.lines = Some(number()? as usize),
            "--liveness" => options.kind = Kind::Liveness,
            "--cluster" => options.kind = Kind::Cluster,
            "--regressions" => options.regressions = true,
            "--trace" => options.trace = true,
            "--planted" => options.planted = Some(arguments.next().context("`--planted` needs a name or `all`")?),
            other => bail!("unknown argument `{other}`"),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    run::catch_assertions();
    let result = parse(std::env::args().skip(1)).and_then(|options| carry_out(&options));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn carry_out(options: &Options) -> anyhow::Result<bool> {
    if let Some(name) = &options.planted {
        return planted(name, options);
    }
    if let Some(seed) = options.seed {
        return Ok(one(&options.kind.config(seed), options));
    }
    let regressions = run::regressions();
    let mut good = true;
    for (seed, kind, reason) in &regressions {
        if let Err(violation) = run::world_twice_sometimes(&kind.config(*seed)).verdict {
            println!("regression {seed} ({reason}) fails again: {violation}");
            good = false;
        }
    }
    println!("{} regressions: {}", regressions.len(), if good { "hold" } else { "FAIL" });
    if options.regressions {
        return Ok(good);
    }
    Ok(many(options) && good)
}

/// One world, told in full.
fn one(config: &WorldConfig, options: &Options) -> bool {
    println!("{config:#?}");
    let outcome = run::world(config, true, options.trace);
    let shown = outcome.trace.len().saturating_sub(options.lines.unwrap_or(400));
    for line in &outcome.trace[shown..] {
        println!("{line}");
    }
    println!(
        "{} commits, {} events, {} virtual ms, digest {:016x}",
        outcome.commits, outcome.events, outcome.virtual_ms, outcome.digest
    );
    match outcome.verdict {
        Ok(()) => println!("holds"),
        Err(ref violation) => println!("FAILS {violation}"),
    }
    outcome.verdict.is_ok()
}

/// Many worlds, counted.
fn many(options: &Options) -> bool {
    let watch = Stopwatch::start();
    // Fresh seeds need not repeat from run to run; each world they make does.
    let fresh = RandomState::new().build_hasher().finish() >> 16;
    let seconds = options.seconds.unwrap_or(if options.seeds.is_some() { 86_400 } else { 60 });
    let seeds = Seeds {
        from: options.from.unwrap_or(fresh),
        count: options.seeds.unwrap_or(u64::MAX),
        time: Duration::from_secs(seconds),
        kind: options.kind,
        // A range of seeds is of one kind, so that each is what `--seed` replays.
        failures_max: options.failures.unwrap_or(1),
    };
    let campaign = run::campaign(seeds);
    let took = watch.elapsed().as_secs_f64();
    report(&campaign, options, seeds.from, took)
}

fn report(campaign: &Campaign, options: &Options, from: u64, took: f64) -> bool {
    let full = options.seeds.is_none() && options.kind == Kind::Single;
    for (name, times) in campaign.sometimes.all() {
        println!("{name:<34} {times:>10}");
    }
    println!(
        "{} worlds from seed {from} in {took:.1} s ({:.0} a minute): {} commits, {} events, {:.1} virtual hours",
        campaign.worlds,
        campaign.worlds as f64 * 60.0 / took,
        campaign.commits,
        campaign.events,
        campaign.virtual_ms as f64 / 3_600_000.0
    );
    for (seed, kind, violation) in &campaign.failures {
        let mut detail = violation.detail.clone();
        detail.truncate(detail.char_indices().nth(700).map_or(detail.len(), |(at, _)| at));
        println!("world {seed} FAILS {}: {detail}", violation.invariant);
        println!("  replay: cargo xtask sim --seed {seed}{} --trace", kind.flag());
    }
    let (mut never, mut rarely) = campaign.sometimes.never();
    // These need several shards.
    [&mut never, &mut rarely].into_iter().for_each(|names| names.retain(|name| !name.starts_with("cluster.")));
    if full && !never.is_empty() {
        println!("never happened: {}", never.join(", "));
    }
    if full && !rarely.is_empty() {
        println!("rare, and not seen this time: {}", rarely.join(", "));
    }
    campaign.failures.is_empty() && (!full || never.is_empty())
}

/// Shows that planted bugs are found.
fn planted(name: &str, options: &Options) -> anyhow::Result<bool> {
    let plants: Vec<Plant> = match name {
        "all" => Plant::ALL.to_vec(),
        name => vec![Plant::from_name(name).with_context(|| {
            let names: Vec<_> = Plant::ALL.iter().map(|plant| plant.name()).collect();
            format!("no planted bug `{name}`; there are: all {}", names.join(" "))
        })?],
    };
    if let Some(seed) = options.seed {
        let kind = if options.kind == Kind::Single { Kind::of_plant(plants[0]) } else { options.kind };
        let config = WorldConfig { plant: Some(plants[0]), ..kind.config(seed) };
        return Ok(one(&config, options));
    }
    let watch = Stopwatch::start();
    println!("{:<22} {:>6} {:>8}  found by", "planted bug", "worlds", "strikes");
    let finds = run::hunt_all(&plants, options.from.unwrap_or(1), options.seeds.unwrap_or(PLANT_SEEDS_MAX));
    for find in &finds {
        let found = find.found.as_ref().map(|(_, violation)| violation.to_string());
        let mut detail = found.unwrap_or_else(|| "MISSED".to_owned()).replace('\n', " ");
        detail.truncate(detail.char_indices().nth(110).map_or(detail.len(), |(at, _)| at));
        println!("{:<22} {:>6} {:>8}  {detail}", find.plant.name(), find.worlds, find.struck);
    }
    let missed: Vec<_> = finds.iter().filter(|find| find.found.is_none()).map(|find| find.plant.name()).collect();
    let took = watch.elapsed().as_secs_f64();
    println!("{} planted bugs, {} missed, in {took:.1} s {}", finds.len(), missed.len(), missed.join(" "));
    Ok(missed.is_empty())
}
