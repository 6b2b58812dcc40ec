//! The project's front door: `cargo xtask test` does everything that a change must pass, on a laptop as in CI.
//!
//! It depends on nothing of ours, so that it compiles in a second and can judge a tree that does not.

mod again;
mod clock;
mod dashboard;
mod prerequisites;
mod process;
mod source;
mod stages;
mod tally;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "\
usage: cargo xtask <command>

  test            install what the tests need, then run every check and every test
  ci              the same, but install nothing
  tidy [--bless]  the house rules; --bless shrinks the list of known exceptions
  gen [--check]   write the generated files (docs/openapi.json, docs/job.schema.json, docs/errors, docs/cli.md), or compare them
  sim ARGS…       run the simulator
  bench ARGS…     run the benchmarks, optimised
  stages NAMES…   run only these stages of `test`: fmt tidy clippy test doc gen sim e2e dashboard";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Carries a command out; `false` if what it checked does not hold.
fn run(arguments: &[String]) -> Result<bool> {
    let root = root()?;
    let (command, rest) = arguments.split_first().context(USAGE)?;
    match command.as_str() {
        "test" => {
            prerequisites::install(&root)?;
            stages::run(&root, &stages::ALL)
        }
        "ci" => {
            prerequisites::check(&root)?;
            stages::run(&root, &stages::ALL)
        }
        "stages" => stages::run(&root, &stages::named(rest)?),
        "tidy" => tidy::run(&root, rest.iter().any(|flag| flag == "--bless")),
        "gen" => process::pass_through(&root, &["run", "--quiet", "--package", "xtask-gen", "--"], rest),
        "sim" => process::pass_through(&root, &["run", "--quiet", "--package", "mainspring-sim", "--"], rest),
        "bench" => {
            process::pass_through(&root, &["run", "--release", "--package", "mainspring-cli", "--", "bench"], rest)
        }
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(true)
        }
        other => bail!("unknown command `{other}`\n\n{USAGE}"),
    }
}

/// The root of the workspace: the parent of this package's folder.
fn root() -> Result<PathBuf> {
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    Ok(parent.context("the xtask package has no parent folder")?.to_path_buf())
}
