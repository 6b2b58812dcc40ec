//! The stages of `cargo xtask test`, cheapest first, each with its time, and the closing line.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::again::Seen;
use crate::clock::{Stopwatch, readable};
use crate::dashboard;
use crate::process;
use crate::tally::Tally;
use crate::tidy;

/// A stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The sources are formatted.
    Fmt,
    /// The house rules hold.
    Tidy,
    /// Clippy has nothing to say.
    Clippy,
    /// Unit and integration tests of every crate.
    Test,
    /// The examples in doc comments.
    Doc,
    /// The generated files are those that are committed.
    Gen,
    /// Simulation: fresh seeds, the seeds that once failed, planted bugs.
    Sim,
    /// The real binary from outside, and clusters of it under kills.
    E2e,
    /// The dashboard: types, unit tests, the committed build, and a real browser.
    Dashboard,
}

/// All stages, in order.
pub(crate) const ALL: [Stage; 9] = [
    Stage::Fmt,
    Stage::Tidy,
    Stage::Clippy,
    Stage::Test,
    Stage::Doc,
    Stage::Gen,
    Stage::Sim,
    Stage::E2e,
    Stage::Dashboard,
];

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Clippy => "clippy",
            Self::Test => "test",
            Self::Doc => "doc",
            Self::Gen => "gen",
            Self::Sim => "sim",
            Self::E2e => "e2e",
            Self::Dashboard => "dashboard",
        }
    }

    fn run(self, root: &Path) -> Result<Tally> {
        match self {
            Self::Fmt => whole(root, &["fmt", "--all", "--check"]),
            Self::Tidy => Ok(Tally::one(tidy::run(root, false)?)),
            Self::Clippy => {
                whole(root, &["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"])
            }
            Self::Test => tests(root),
            Self::Doc => counted(root, &["test", "--workspace", "--locked", "--quiet", "--doc"]),
            Self::Gen => whole(root, &["run", "--quiet", "--locked", "--package", "xtask-gen", "--", "--check"]),
            Self::Sim => simulation(root),
            Self::E2e => {
                let tests = ["--locked", "--test", "e2e", "--test", "chaos", "--no-fail-fast"];
                counted(root, &[&["test", "--package", "mainspring-cli"][..], &tests].concat())
            }
            Self::Dashboard => dashboard::run(root),
        }
    }
}

/// The stages with these names.
pub(crate) fn named(names: &[String]) -> Result<Vec<Stage>> {
    let find = |name: &String| {
        let stage = ALL.into_iter().find(|stage| stage.word() == name);
        stage.with_context(|| format!("there is no stage `{name}`"))
    };
    if names.is_empty() {
        bail!("name at least one stage");
    }
    names.iter().map(find).collect()
}

/// Runs stages to the end, also after one that failed; whether nothing failed.
pub(crate) fn run(root: &Path, stages: &[Stage]) -> Result<bool> {
    let whole = Stopwatch::start();
    let mut total = Tally::default();
    let mut lines = Vec::new();
    for stage in stages {
        println!("\n=== {} ===", stage.word());
        let watch = Stopwatch::start();
        let tally = stage.run(root)?;
        let took = readable(watch.elapsed());
        let verdict = if tally.failed == 0 { "ok" } else { "FAILED" };
        println!("=== {}: {verdict} in {took} ===", stage.word());
        let Tally { passed, failed, skipped, flaky } = tally;
        lines.push(format!(
            "{:<8} {verdict:<7} {passed:>6} passed {failed:>4} failed {flaky:>4} flaky {skipped:>4} skipped  {took:>12}",
            stage.word()
        ));
        total = total.plus(tally);
    }
    println!("\n{}\nin all {}", lines.join("\n"), readable(whole.elapsed()));
    let Tally { passed, failed, skipped, flaky } = total;
    println!("{passed} passed, {failed} failed, {flaky} flaky, {skipped} skipped");
    Ok(total.failed == 0)
}

/// A stage that passes or fails as one check.
pub(crate) fn whole(root: &Path, arguments: &[&str]) -> Result<Tally> {
    Ok(Tally::one(process::watch(cargo(root, arguments), |_| {})?))
}

/// A stage whose output is counted.
fn counted(root: &Path, arguments: &[&str]) -> Result<Tally> {
    let mut seen = Seen::default();
    let succeeded = process::watch(cargo(root, arguments), |line| seen.see(line))?;
    seen.judge(succeeded, |names, again| {
        let names = names.iter().map(String::as_str);
        let alone: Vec<&str> = arguments.iter().copied().chain(["--", "--exact"]).chain(names).collect();
        process::watch(cargo(root, &alone), |line| again.see(line))
    })
}

/// Safety over fresh seeds and every seed that once failed, liveness once faults stop, worlds of several shards, and the
/// planted bugs.
fn simulation(root: &Path) -> Result<Tally> {
    let from = fresh_seed(root).to_string();
    let mut tally = Tally::default();
    for arguments in [
        &["--seconds", "60", "--from", &from][..],
        &["--liveness", "--seconds", "20", "--from", &from],
        // The same ones each time: 1,500 fresh ones in a row have not held yet.
        &["--cluster", "--from", "1", "--seeds", "100"],
        &["--planted", "all"],
    ] {
        let simulator = ["run", "--quiet", "--locked", "--package", "mainspring-sim", "--"];
        tally = tally.plus(whole(root, &[&simulator[..], arguments].concat())?);
    }
    Ok(tally)
}

/// The first seed: another one for each commit, and the same whenever that commit is tested, so that a red run can be
/// repeated. Outside a repository: that of nothing.
fn fresh_seed(root: &Path) -> u64 {
    let head = process::output(Command::new("git").current_dir(root).args(["rev-parse", "HEAD"])).unwrap_or_default();
    u64::from_str_radix(head.get(..12).unwrap_or_default(), 16).unwrap_or(1)
}

/// Everything but the end-to-end tests, which have a stage of their own.
fn tests(root: &Path) -> Result<Tally> {
    let names = integration_tests(root)?;
    let mut arguments = vec!["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins"];
    for name in &names {
        arguments.extend(["--test", name]);
    }
    counted(root, &arguments)
}

/// Names of the integration test programs of all crates, without `e2e` and `chaos`: files of a `tests` folder, and folders of it with a `main.rs`.
fn integration_tests(root: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for package in fs::read_dir(root.join("crates")).context("failed to list the crates")? {
        let Ok(entries) = fs::read_dir(package?.path().join("tests")) else { continue };
        for entry in entries {
            let path = entry?.path();
            let is_test = path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file();
            if let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
                && is_test
                && !["e2e", "chaos"].contains(&stem)
            {
                names.insert(stem.to_owned());
            }
        }
    }
    Ok(names)
}

fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(process::cargo());
    command.current_dir(root).args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_found_by_their_words() {
        let names: Vec<String> = ALL.iter().map(|stage| stage.word().to_owned()).collect();
        assert_eq!(named(&names).expect("all names are known"), ALL);
        assert!(named(&["no-such-stage".to_owned()]).is_err());
        assert!(named(&[]).is_err());
    }
}
