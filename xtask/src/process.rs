//! Runs other programs and shows their output as it comes.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context as _, Result};

/// The cargo that runs this program.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Runs cargo with the caller's own terminal; whether it succeeded.
pub(crate) fn pass_through(root: &Path, arguments: &[&str], rest: &[String]) -> Result<bool> {
    let status = Command::new(cargo())
        .current_dir(root)
        .args(arguments)
        .args(rest)
        .status()
        .with_context(|| format!("failed to run cargo {}", arguments.join(" ")))?;
    Ok(status.success())
}

/// Runs a command, prints each line of its output as it comes and hands it to `see`; whether it succeeded.
pub(crate) fn watch(mut command: Command, mut see: impl FnMut(&str)) -> Result<bool> {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {shown}"))?;
    let (lines, received) = channel();
    forward(child.stdout.take(), lines.clone());
    forward(child.stderr.take(), lines);
    for line in received {
        println!("{line}");
        see(&line);
    }
    let status = child.wait().with_context(|| format!("failed to wait for {shown}"))?;
    Ok(status.success())
}

fn forward(stream: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if lines.send(text).is_err() {
                return;
            }
        }
    });
}

/// The standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("failed to run {shown}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{shown} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).with_context(|| format!("{shown} printed bytes that are not UTF-8"))
}
