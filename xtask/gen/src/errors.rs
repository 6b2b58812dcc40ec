//! One page per problem code, so that the `code` of a refusal leads to an explanation.

use std::path::PathBuf;

use mainspring_protocol::problem::Code;

use crate::Files;

/// Where the pages stand.
pub(crate) const FOLDER: &str = "docs/errors";

/// The pages, and their index.
pub(crate) fn pages() -> Files {
    let mut pages = Files::new();
    let mut index = String::from(
        "# Problem codes\n\nEvery refusal is `application/problem+json` (RFC 9457) with a stable `code`, the place and a hint.\n\n\
         | Code | Status | Means |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        let (word, status, title) = (code.word(), code.status(), code.title());
        index.push_str(&format!("| [`{word}`]({word}.md) | {status} | {title} |\n"));
        pages.insert(PathBuf::from(format!("{FOLDER}/{word}.md")), page(*code));
    }
    pages.insert(PathBuf::from(format!("{FOLDER}/README.md")), index);
    pages
}

fn page(code: Code) -> String {
    let description: Vec<&str> = code.description().lines().map(str::trim).collect();
    format!(
        "# {}\n\n`{}`, answered with HTTP status {}.\n\n{}\n\n{}\n",
        code.title(),
        code.word(),
        code.status(),
        description.join("\n").trim(),
        what_to_do(code.status())
    )
}

/// What a client does about a status.
fn what_to_do(status: u16) -> &'static str {
    match status {
        429 | 503 => {
            "Nothing was applied unless the text above says otherwise. Try again after the time in `Retry-After`."
        }
        409 => "Nothing was applied. Look at the present state before trying again.",
        400..500 => {
            "Nothing was applied. Repeating the same request gives the same answer: mend it first. `errors` lists each problem with a JSON pointer to its place."
        }
        _ => "This is a fault of the server, not of the request. Its log has the details.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_page_with_its_own_text() {
        let pages = pages();
        assert_eq!(pages.len(), Code::ALL.len() + 1);
        for code in Code::ALL {
            let page = &pages[&PathBuf::from(format!("{FOLDER}/{}.md", code.word()))];
            assert!(page.contains(code.title()) && page.contains(&code.status().to_string()), "{page}");
            assert!(!code.description().trim().is_empty(), "{code} has no description");
        }
    }
}
