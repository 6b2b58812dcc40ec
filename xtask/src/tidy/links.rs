//! Links between pages lead somewhere.

use std::path::Path;

use super::File;

pub(super) fn complaints(root: &Path, files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for (number, target) in targets(&file.text) {
            if !root.join(folder).join(&target).exists() {
                found.push(format!("{}:{number}: the link to `{target}` leads nowhere", file.path));
            }
        }
    }
    found
}

/// The files that a page links to, without addresses on the web and places inside a page.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for part in line.split("](").skip(1) {
            let target = part.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push((number, target.to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_files_are_looked_up() {
        let page = "[a](b/c.md#d) and [e](https://example.org/f) and [g](#h)\n![i](j.png)";
        assert_eq!(targets(page), [(1, "b/c.md".to_owned()), (2, "j.png".to_owned())]);
    }

    #[test]
    fn a_link_to_nowhere_is_named() {
        let page = File::new("docs/a.md", "[b](no-such-page.md)");
        assert_eq!(complaints(Path::new("."), &[page]).len(), 1);
    }
}
