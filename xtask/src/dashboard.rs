//! The dashboard's stage: types, unit tests, whether the committed build is what the sources make, and a real browser
//! against the real binary.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::again::Seen;
use crate::process;
use crate::stages::whole;
use crate::tally::Tally;

/// Where npm says which lockfile it installed from.
const INSTALLED: &str = "node_modules/.installed-from";

/// Runs the checks, cheapest first.
pub(crate) fn run(root: &Path) -> Result<Tally> {
    let folder = root.join("dashboard");
    if !install(&folder)? {
        return Ok(Tally::one(false));
    }
    let mut tally = Tally::default();
    for script in ["check", "unit", "compare"] {
        tally = tally.plus(Tally::one(process::watch(npm(&folder, &["run", "--silent", script]), |_| {})?));
    }
    let binary = whole(root, &["build", "--quiet", "--locked", "--package", "mainspring-cli"])?;
    if binary.failed > 0 {
        return Ok(tally.plus(binary));
    }
    let browser = |arguments: &[&str], seen: &mut Seen| {
        let run = [&["run", "--silent", "browser"], arguments].concat();
        process::watch(npm(&folder, &run), |line| seen.see(line))
    };
    let mut seen = Seen::default();
    let good = browser(&[], &mut seen)?;
    let seen = seen.judge(good, |names, again| browser(&["--", &names.join("|")], again))?;
    Ok(tally.plus(seen))
}

/// Installs what the lockfile names, if that is not what is there already; whether it could.
fn install(folder: &Path) -> Result<bool> {
    let lock =
        fs::read_to_string(folder.join("package-lock.json")).context("failed to read the dashboard's lockfile")?;
    if fs::read_to_string(folder.join(INSTALLED)).is_ok_and(|installed| installed == lock) {
        return Ok(true);
    }
    let installed = process::watch(npm(folder, &["ci", "--no-audit", "--no-fund"]), |_| {})?;
    if installed {
        fs::write(folder.join(INSTALLED), lock).context("failed to note what was installed")?;
    }
    Ok(installed)
}

fn npm(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(folder).args(arguments);
    command
}
