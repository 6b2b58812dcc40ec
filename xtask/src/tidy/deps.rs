//! Dependencies between our crates point inward, and leaves never see each other.

use super::File;

/// What each crate may depend on, of ours. `cli` may depend on everything; nothing depends on `cli`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("expression", &[]),
    ("protocol", &["core", "expression", "calendar"]),
    ("calendar", &[]),
    ("layout", &[]),
    ("store", &["core"]),
    ("node", &["core", "store"]),
    ("store-sqlite", &["core", "store"]),
    ("store-postgres", &["core", "store"]),
    ("store-redis", &["core", "store"]),
    ("client", &["core", "protocol"]),
    ("worker", &["core", "protocol", "client"]),
    (
        "server",
        &[
            "core",
            "expression",
            "calendar",
            "protocol",
            "layout",
            "node",
            "store",
            "store-sqlite",
            "store-postgres",
            "store-redis",
        ],
    ),
    ("sim", &["core", "store", "node"]),
    ("model", &["core", "store"]),
];

/// What a crate's tests may depend on beside that.
const ALLOWED_IN_TESTS: [(&str, &[&str]); 2] =
    [("server", &["client", "worker"]), ("worker", &["server", "store", "store-sqlite"])];

pub(super) fn complaints(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let Some(name) = file.path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml")) else {
            continue;
        };
        for (line, dependency, in_tests) in ours(&file.text) {
            if !allowed(name, dependency, in_tests) {
                found.push(format!("{}:{line}: `{name}` may not depend on `{dependency}`", file.path));
            }
        }
    }
    found
}

fn allowed(name: &str, dependency: &str, in_tests: bool) -> bool {
    let listed = |table: &[(&str, &[&str])]| {
        table.iter().any(|(of, dependencies)| *of == name && dependencies.contains(&dependency))
    };
    dependency != "cli" && (name == "cli" || listed(ALLOWED) || (in_tests && listed(&ALLOWED_IN_TESTS)))
}

/// Our crates that a manifest names: the line, the short name, and whether only tests need it.
fn ours(manifest: &str) -> Vec<(usize, &str, bool)> {
    let mut section = "";
    let mut found = Vec::new();
    for (number, line) in (1..).zip(manifest.lines()) {
        if line.starts_with('[') {
            section = line;
        }
        let name = line.split(['.', ' ', '=']).next().and_then(|key| key.strip_prefix("mainspring-"));
        if let Some(name) = name
            && section.contains("dependencies")
        {
            found.push((number, name, section.contains("dev-dependencies")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, manifest: &str) -> usize {
        complaints(&[File::new(path, manifest)]).len()
    }

    #[test]
    fn the_core_depends_on_nothing_of_ours() {
        let manifest = "[package]\nname = \"mainspring-core\"\n[dependencies]\nmainspring-store.workspace = true\n";
        assert_eq!(named("crates/core/Cargo.toml", manifest), 1);
        assert_eq!(named("crates/core/Cargo.toml", "[dependencies]\nthiserror.workspace = true\n"), 0);
    }

    #[test]
    fn leaves_do_not_see_each_other() {
        let manifest = "[dependencies]\nmainspring-store-sqlite = { path = \"../store-sqlite\" }\n";
        assert_eq!(named("crates/worker/Cargo.toml", manifest), 1);
        assert_eq!(named("crates/cli/Cargo.toml", manifest), 0);
    }

    #[test]
    fn tests_may_put_pieces_together_that_the_crate_may_not() {
        let dependency = "mainspring-worker.workspace = true\n";
        assert_eq!(named("crates/server/Cargo.toml", &format!("[dependencies]\n{dependency}")), 1);
        assert_eq!(named("crates/server/Cargo.toml", &format!("[dev-dependencies]\n{dependency}")), 0);
    }
}
