//! What the tests need beside the Rust toolchain: looked for, and installed where that is possible without asking.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::process;

/// A program that the tests run, the Debian package that brings it, and why it is needed.
struct Program {
    name: &'static str,
    package: &'static str,
    why: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program { name: "python3", package: "python3", why: "the example report and the worker in Python" },
    Program { name: "sh", package: "dash", why: "scripts of tasks" },
    Program { name: "awk", package: "mawk", why: "the example report" },
    Program { name: "sort", package: "coreutils", why: "the example report" },
    Program { name: "cc", package: "gcc", why: "the bundled SQLite" },
    Program { name: "postgres", package: "postgresql", why: "the PostgreSQL store" },
    Program { name: "initdb", package: "postgresql", why: "the PostgreSQL store" },
    Program { name: "pgbouncer", package: "pgbouncer", why: "the PostgreSQL store behind a pooler" },
    Program { name: "setpriv", package: "util-linux", why: "servers that do not run as root" },
    Program { name: "redis-server", package: "redis-server", why: "the Redis store" },
    Program { name: "node", package: "nodejs", why: "the dashboard's build and tests" },
    Program { name: "npm", package: "npm", why: "the dashboard's build and tests" },
    Program { name: "chromium", package: "chromium", why: "the dashboard in a real browser" },
    Program { name: "git", package: "git", why: "the list of source files" },
];

/// Components of the toolchain.
const COMPONENTS: [(&str, &str); 2] = [("fmt", "rustfmt"), ("clippy", "clippy")];

/// Installs what is missing, where it can; names the rest.
pub(crate) fn install(root: &Path) -> Result<()> {
    for (subcommand, component) in COMPONENTS {
        if !cargo_has(root, subcommand) {
            println!("installing the toolchain component {component}");
            run(Command::new("rustup").args(["component", "add", component]).current_dir(root));
        }
    }
    let missing: Vec<&Program> = PROGRAMS.iter().filter(|program| !exists(program.name)).collect();
    if !missing.is_empty() && exists("apt-get") && is_root() {
        let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
        println!("installing {} with apt-get", packages.join(", "));
        run(Command::new("apt-get").args(["update", "-qq"]));
        run(Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&packages)
            .env("DEBIAN_FRONTEND", "noninteractive"));
    }
    check(root)
}

/// Names everything that is missing.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut missing = Vec::new();
    for (subcommand, component) in COMPONENTS {
        if !cargo_has(root, subcommand) {
            missing.push(format!("{component} (rustup component add {component})"));
        }
    }
    for program in PROGRAMS {
        if !exists(program.name) {
            missing.push(format!("{} for {} (apt-get install {})", program.name, program.why, program.package));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!("the tests need programs that are not here:\n  {}", missing.join("\n  "))
}

fn cargo_has(root: &Path, subcommand: &str) -> bool {
    quietly(Command::new(process::cargo()).args([subcommand, "--version"]).current_dir(root))
}

/// Whether a program of this name stands in one of the folders of `PATH`, or where Debian keeps servers.
fn exists(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    folders.push(PathBuf::from("/usr/sbin"));
    folders.iter().any(|folder| folder.join(name).is_file())
}

fn is_root() -> bool {
    process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// Runs an installer; what it could not do is named by [`check`] afterwards.
fn run(command: &mut Command) {
    if !command.status().is_ok_and(|status| status.success()) {
        eprintln!("{command:?} did not succeed");
    }
}

fn quietly(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
