//! Writes what is generated from the code and committed beside it, or compares it: `cargo xtask gen [--check]`.
//!
//! The code is the source: the server's routes, the protocol's types and problem codes, the command line's own help.

mod command_line;
mod errors;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

/// Texts by their path from the root.
type Files = BTreeMap<PathBuf, String>;

fn main() -> Result<ExitCode> {
    let check = std::env::args().any(|argument| argument == "--check");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = generate(&root)?;
    let differences = differences(&root, &files)?;
    if check {
        for path in &differences {
            println!("{}: differs from what the code says; run `cargo xtask gen`", path.display());
        }
        println!("gen: {} files, {} differ", files.len(), differences.len());
        return Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    for path in &differences {
        println!("{}", path.display());
        let target = root.join(path);
        match files.get(path) {
            Some(text) => write(&target, text)?,
            None => fs::remove_file(&target).with_context(|| format!("failed to remove {}", target.display()))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn generate(root: &Path) -> Result<Files> {
    let mut files = Files::new();
    files.insert("docs/openapi.json".into(), pretty(&mainspring_server::openapi())?);
    files.insert("docs/job.schema.json".into(), pretty(&mainspring_protocol::schema::job_schema())?);
    files.insert("docs/config.schema.json".into(), pretty(&mainspring_server::config::config_schema())?);
    files.insert("docs/cli.md".into(), command_line::page(root)?);
    files.extend(errors::pages());
    Ok(files)
}

fn pretty(value: &serde_json::Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Paths whose text is not what it should be, and pages of problem codes that no longer exist.
fn differences(root: &Path, files: &Files) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = files
        .iter()
        .filter(|(path, text)| fs::read_to_string(root.join(path)).ok().as_ref() != Some(*text))
        .map(|(path, _)| path.clone())
        .collect();
    let folder = Path::new(errors::FOLDER);
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten() {
        let path = folder.join(entry?.file_name());
        if !files.contains_key(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a generated file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_a_missing_and_a_superfluous_file_are_found() {
        let root = std::env::temp_dir().join(format!("mainspring-gen-{}", std::process::id()));
        write(&root.join("docs/errors/old.md"), "old").expect("the folder can be written");
        write(&root.join("docs/a.json"), "before").expect("the folder can be written");
        write(&root.join("docs/b.json"), "same").expect("the folder can be written");
        let files: Files = [("docs/a.json", "after"), ("docs/b.json", "same"), ("docs/c.json", "new")]
            .into_iter()
            .map(|(path, text)| (PathBuf::from(path), text.to_owned()))
            .collect();
        let found = differences(&root, &files).expect("the folder can be read");
        fs::remove_dir_all(&root).expect("the folder is ours");
        assert_eq!(found, ["docs/a.json", "docs/c.json", "docs/errors/old.md"].map(PathBuf::from));
    }
}
