//! The reference of the command line, from its own `--help`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The page: each command's help, in the order in which its parent lists it.
pub(crate) fn page(root: &Path) -> Result<String> {
    let mut page = String::from("# Command line\n\nWhat `mainspring help` says, command by command.\n");
    add(root, &[], &mut page)?;
    Ok(page)
}

fn add(root: &Path, path: &[String], page: &mut String) -> Result<()> {
    let help = help(root, path)?;
    let name = ["mainspring"].into_iter().chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    page.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", machine_independent(&help)));
    for command in commands(&help) {
        let mut path = path.to_vec();
        path.push(command);
        add(root, &path, page)?;
    }
    Ok(())
}

fn help(root: &Path, path: &[String]) -> Result<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["run", "--quiet", "--locked", "--package", "mainspring-cli", "--"])
        .args(path)
        .arg("--help")
        .env("COLUMNS", "110")
        .output()
        .context("failed to run the binary")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`mainspring {} --help` ended with {}: {said}", path.join(" "), output.status);
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// Names under the heading `Commands:`.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Replaces the one default that depends on the machine.
fn machine_independent(help: &str) -> String {
    let replace = |line: &str| match (line.contains("attempts run at once"), line.split_once("[default: ")) {
        (true, Some((before, _))) => format!("{before}[default: twice the processors]"),
        _ => line.trim_end().to_owned(),
    };
    help.lines().map(replace).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_their_list() {
        let help = "What it is\n\nCommands:\n  dev   Server and\n        worker\n  jobs  List [aliases: job]\n  help  Print\n\nOptions:\n  -q\n";
        assert_eq!(commands(help), ["dev", "jobs"]);
        assert!(commands("Options:\n  -q\n").is_empty());
    }

    #[test]
    fn the_number_of_processors_does_not_show() {
        let line = "      --concurrency <N>  How many attempts run at once [default: 4]";
        assert!(machine_independent(line).ends_with("[default: twice the processors]"));
        assert_eq!(machine_independent("  --limit [default: 100]"), "  --limit [default: 100]");
    }
}
