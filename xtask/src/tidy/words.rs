//! Words that do not belong into the repository.

use super::File;

/// Never in code. Spelled in halves, so that this list does not name itself.
const CODE: [(&str, &str); 5] = [
    (concat!("dbg", "!("), "debugging output"),
    (concat!("to", "do!("), "unfinished code"),
    (concat!("unimple", "mented!("), "unfinished code"),
    (concat!("#[ig", "nore"), "a test that does not run"),
    (concat!("allow(", "clippy::disallowed_methods"), "use `expect` with a reason, in `clock.rs` only"),
];

/// Never anywhere: notes to oneself, and the places of one machine.
const TEXT: [(&str, &str); 5] = [
    (concat!("FIX", "ME"), "mend it, or say what is so"),
    (concat!("XX", "X:"), "mend it, or say what is so"),
    (concat!("/ho", "me/"), "the place of one machine"),
    (concat!("/Us", "ers/"), "the place of one machine"),
    (concat!("/ro", "ot/"), "the place of one machine"),
];

/// File and type names that say nothing.
const FILE_NAMES: [&str; 7] = ["utils", "util", "helpers", "helper", "common", "misc", "manager"];
const TYPE_ENDINGS: [&str; 5] = ["Manager", "Helper", "Utils", "Processor", "Impl"];

/// What only a shell may touch; the core is pure.
const IMPURE: [&str; 10] = [
    "std::time::",
    "std::thread",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::io",
    "async fn",
    "println!",
    "RandomState",
];

pub(super) fn complaints(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    let mut complain =
        |line: usize, word: &str, why: &str| found.push(format!("{}:{line}: `{word}`: {why}", file.path));
    for (number, line) in (1..).zip(file.text.lines()) {
        for (word, why) in TEXT {
            if line.contains(word) {
                complain(number, word, why);
            }
        }
    }
    let pure = file.path.starts_with("crates/core/src/");
    for (number, line) in (1..).zip(file.code.lines()) {
        for (word, why) in CODE {
            if line.contains(word) {
                complain(number, word, why);
            }
        }
        for word in IMPURE.into_iter().filter(|word| pure && line.contains(word)) {
            complain(number, word, "the core is pure");
        }
        for ending in TYPE_ENDINGS.into_iter().filter(|ending| declares(line, ending)) {
            complain(number, ending, "name the thing by what it does");
        }
    }
    let stem = file.path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
    if FILE_NAMES.contains(&stem) {
        complain(1, stem, "a file is named after its idea");
    }
    found
}

/// Whether a line declares a type whose name ends so.
fn declares(line: &str, ending: &str) -> bool {
    ["struct ", "enum ", "trait "].iter().any(|keyword| {
        line.split_once(keyword).is_some_and(|(before, after)| {
            let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            (before.is_empty() || before.ends_with(' ')) && name.ends_with(ending)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, text: &str) -> usize {
        complaints(&File::new(path, text)).len()
    }

    #[test]
    fn unfinished_code_is_named_but_not_talk_of_it() {
        assert_eq!(named("crates/a/src/b.rs", concat!("fn a() { to", "do!() }")), 1);
        assert_eq!(named("crates/a/src/b.rs", concat!("// no to", "do!() here\nconst A: &str = \"to", "do!()\";")), 0);
    }

    #[test]
    fn the_core_may_not_look_at_the_world() {
        assert_eq!(named("crates/core/src/a.rs", "use std::time::Instant;"), 1);
        assert_eq!(named("crates/server/src/a.rs", "use std::time::Instant;"), 0);
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        assert_eq!(named("crates/a/src/utils.rs", "//! A."), 1);
        assert_eq!(named("crates/a/src/b.rs", concat!("pub struct Task", "Manager;")), 1);
        assert_eq!(named("crates/a/src/b.rs", "pub struct Managers;"), 0);
    }

    #[test]
    fn machine_paths_are_found_in_any_text() {
        assert_eq!(named("docs/a.md", concat!("see /ho", "me/somebody/x")), 1);
    }
}
