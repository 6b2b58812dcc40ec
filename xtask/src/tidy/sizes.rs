//! Files and functions stay small enough to be read at once.

use std::collections::BTreeMap;

use super::File;
use crate::source;

/// Where the exceptions stand.
pub(super) const LIST: &str = "xtask/tidy-exceptions.txt";
/// Lines of code in a Rust file before its unit tests. Comments and empty lines are not counted: explaining costs nothing.
const FILE_LINES_MAX: usize = 300;
/// Lines of unit tests at the end of a file, and of a file of tests, counted likewise.
const TEST_LINES_MAX: usize = 500;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;

const HEADING: &str = "\
# What was larger than the house allows when it was measured: lines, then what. It may shrink, never grow.
# `cargo xtask tidy --bless` rewrites this list; look at what it adds before you commit it.
";

/// What is larger than the house allows, and how large.
fn oversized(files: &[File]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines: Vec<&str> = file.code.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let code = lines.iter().position(|line| *line == "#[cfg(test)]").unwrap_or(lines.len());
        let tests = lines.len() - code;
        let is_tests = file.path.contains("/tests/") || file.path.ends_with("tests.rs");
        if code > if is_tests { TEST_LINES_MAX } else { FILE_LINES_MAX } {
            found.insert(format!("file {}", file.path), code);
        }
        if tests > TEST_LINES_MAX {
            found.insert(format!("tests {}", file.path), tests);
        }
        for function in source::functions(&file.code) {
            if function.lines > FUNCTION_LINES_MAX {
                let entry = found.entry(format!("function {} {}", file.path, function.name)).or_default();
                *entry = function.lines.max(*entry);
            }
        }
    }
    found
}

/// The list as it would be if everything were forgiven.
pub(super) fn list(files: &[File]) -> String {
    let lines: String = oversized(files).iter().map(|(what, lines)| format!("{lines} {what}\n")).collect();
    format!("{HEADING}{lines}")
}

/// What is too large and not listed, what has grown, and what is listed for nothing.
pub(super) fn complaints(files: &[File], known: &str) -> Vec<String> {
    let mut known: BTreeMap<&str, usize> = known
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(lines, what)| Some((what, lines.parse().ok()?)))
        .collect();
    let mut found = Vec::new();
    for (what, lines) in oversized(files) {
        match known.remove(what.as_str()) {
            None => found.push(format!("{what}: {lines} lines are too many; split it by idea")),
            Some(before) if lines > before => found.push(format!("{what}: grew from {before} to {lines} lines")),
            Some(_) => {}
        }
    }
    found.extend(known.keys().map(|what| format!("{what}: is listed in {LIST} but no longer too large; take it out")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(lines: usize) -> Vec<File> {
        vec![File::new("crates/a/src/b.rs", &"a_line();\n".repeat(lines))]
    }

    #[test]
    fn a_file_may_not_be_born_too_large() {
        assert!(complaints(&file(300), "").is_empty());
        assert_eq!(complaints(&file(301), "").len(), 1);
    }

    #[test]
    fn a_listed_file_may_shrink_but_not_grow() {
        let list = list(&file(400));
        assert!(complaints(&file(399), &list).is_empty());
        assert_eq!(complaints(&file(401), &list).len(), 1);
        assert_eq!(complaints(&file(100), &list).len(), 1, "a needless exception is named");
    }

    #[test]
    fn a_long_function_is_named() {
        let text = format!("//! A.\nfn long() {{\n{}}}\n", "    step();\n".repeat(70));
        let found = complaints(&[File::new("crates/a/src/b.rs", &text)], "");
        assert!(found[0].starts_with("function crates/a/src/b.rs long: 72 lines"), "{found:?}");
    }

    #[test]
    fn unit_tests_do_not_count_as_code() {
        let text = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "a();\n".repeat(250), "b();\n".repeat(250));
        assert!(complaints(&[File::new("crates/a/src/b.rs", &text)], "").is_empty());
    }

    #[test]
    fn comments_do_not_count_as_code() {
        assert!(complaints(&[File::new("crates/a/src/b.rs", &"/// Why.\n\n".repeat(500))], "").is_empty());
    }
}
