//! The house rules that neither the compiler nor clippy knows. Each rule reads files and names what it dislikes.
//!
//! Sizes are a ratchet: `xtask/tidy-exceptions.txt` lists what was already too large, and how large. A listed thing may
//! shrink, never grow, and nothing new may be born too large.

mod deps;
mod links;
mod sizes;
mod words;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;
use crate::source;

/// A text file of the repository.
pub(crate) struct File {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
    /// For Rust: its text without the inside of comments and strings. Otherwise empty.
    pub(crate) code: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { source::code_only(text) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Checks the tree; `bless` rewrites the list of exceptions to what is too large now.
pub(crate) fn run(root: &Path, bless: bool) -> Result<bool> {
    let files = files(root)?;
    let mut complaints = Vec::new();
    for file in &files {
        complaints.extend(words::complaints(file));
        if file.is_rust() {
            complaints.extend(module_docs(file));
        }
    }
    complaints.extend(deps::complaints(&files));
    complaints.extend(links::complaints(root, &files));
    let list = root.join(sizes::LIST);
    if bless {
        fs::write(&list, sizes::list(&files)).with_context(|| format!("failed to write {}", list.display()))?;
    }
    let known = fs::read_to_string(&list).unwrap_or_default();
    complaints.extend(sizes::complaints(&files, &known));
    for complaint in &complaints {
        println!("{complaint}");
    }
    println!("tidy: {} files, {} complaints", files.len(), complaints.len());
    Ok(complaints.is_empty())
}

/// Each file of the tree that git knows or would add.
fn files(root: &Path) -> Result<Vec<File>> {
    let listed = process::output(Command::new("git").current_dir(root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let mut files = Vec::new();
    for path in listed.lines() {
        let Ok(bytes) = fs::read(root.join(path)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File::new(path, &text));
        }
    }
    Ok(files)
}

/// Every Rust file opens by saying what it is for.
fn module_docs(file: &File) -> Option<String> {
    let opens = file.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    let good = opens.is_some_and(|line| line.starts_with("//!"));
    (!good).then(|| format!("{}: does not open with `//!`", file.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_module_docs_is_named() {
        assert_eq!(module_docs(&File::new("a.rs", "\n//! What it is for.\nfn a() {}\n")), None);
        assert!(module_docs(&File::new("a.rs", "use std::fs;\n")).is_some());
        assert!(module_docs(&File::new("a.rs", "")).is_some());
    }
}
