//! YAML, the only place that knows it: turned into JSON text before anything is understood, with the line and column
//! of every node, so that both spellings go through the same reader and are refused at their own place.
//!
//! Budgets bound depth, nodes and what aliases may expand to; duplicate keys and the booleans of YAML 1.1 (`yes`, `on`)
//! are errors.

mod node;
mod plain;

use std::thread;

use serde_saphyr::{Budget, DuplicateKeyPolicy, Options, Spanned};

use crate::problem::{Code, Problem, ProblemItem};
use crate::submit::NESTING_MAX;
use node::Kind;
pub use node::{Node, Part};

/// Nodes of one text; a job of 100,000 tasks has about a million.
const NODES_MAX: usize = 4_000_000;
/// Nodes that all aliases of one text may stand for together.
const ALIAS_NODES_MAX: usize = 100_000;
/// Documents of one text.
const DOCUMENTS_MAX: usize = 1_000;
/// The stack that a text is parsed on. The parser recurses, in a debug build with more than 32 KiB for each of the
/// [`NESTING_MAX`] levels that the budget allows (those inside aliases included): more than the 2 MiB that the threads
/// of an async runtime have. This is five times what the deepest text needs; only touched pages cost memory.
const STACK_BYTES: usize = 16 << 20;

/// Reads all documents of a text. Empty documents are left out.
///
/// # Errors
/// [`Code::InvalidYaml`] with line and column; [`Code::LimitExceeded`] for too much of something.
pub fn documents(text: &str) -> Result<Vec<Node>, Problem> {
    let mut nodes = on_a_large_stack(|| parse(text))?;
    let items = plain::settle(&mut nodes, text);
    if !items.is_empty() {
        return Err(Problem::of_items(items));
    }
    nodes.retain(|node| !node.is_null());
    Ok(nodes)
}

fn on_a_large_stack<T: Send>(work: impl FnOnce() -> Result<T, Problem> + Send) -> Result<T, Problem> {
    thread::scope(|scope| {
        let spawned = thread::Builder::new().name("yaml".to_owned()).stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread = spawned.map_err(|error| {
            let detail = format!("no thread for parsing YAML: {error}");
            Problem::new(Code::Overloaded, detail).with_hint("send JSON, or try again")
        })?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn parse(text: &str) -> Result<Vec<Node>, Problem> {
    let read = serde_saphyr::from_multiple_with_options::<Spanned<Kind>>(text, options());
    Ok(read.map_err(|error| refusal(&error))?.into_iter().map(Node::from).collect())
}

fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_events = 3 * NODES_MAX;
    budget.max_nodes = NODES_MAX;
    budget.max_depth = NESTING_MAX;
    budget.flow_nesting_limit = NESTING_MAX;
    budget.max_documents = DOCUMENTS_MAX;
    // The bound on what aliases expand to says it more exactly than their number.
    budget.enforce_alias_anchor_ratio = false;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.strict_booleans = true;
    options.alias_limits.max_total_replayed_events = ALIAS_NODES_MAX;
    options.with_snippet = false;
    options
}

fn refusal(error: &serde_saphyr::Error) -> Problem {
    let text = error.to_string();
    let mut detail = text.split(" at line ").next().unwrap_or(&text).trim_end_matches([':', ',', ' ']).to_owned();
    let lower = detail.to_lowercase();
    let limit = ["budget", "limit", "exceed", "too deep", "too many"].iter().any(|word| lower.contains(word));
    let code = if limit {
        Code::LimitExceeded
    } else if lower.contains("duplicate") {
        Code::DuplicateKey
    } else {
        Code::InvalidYaml
    };
    // The library speaks to programmers; people get our words.
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if limit && says(&["depth", "nesting", "recursion"]) {
        detail = format!("the text nests deeper than {NESTING_MAX} levels");
    } else if limit && says(&["alias", "replay", "anchor"]) {
        detail = format!("its aliases stand for more than {ALIAS_NODES_MAX} values");
    } else if limit {
        detail = "the text is larger than a definition may be".to_owned();
    } else if code == Code::DuplicateKey {
        detail = detail.split(", set ").next().unwrap_or_default().replace("mapping key: ", "key `") + "`";
    } else if says(&["recursive"]) {
        detail = "an alias stands inside what it stands for".to_owned();
    }
    let mut item = ProblemItem::new(code, "", detail);
    let place = error.location();
    item.line = place.map(|place| place.line()).filter(|line| *line > 0);
    item.column = place.map(|place| place.column()).filter(|column| *column > 0);
    let mut problem = Problem::of_items(vec![item]);
    if let Some(place) = place.filter(|place| place.line() > 0) {
        problem.detail = format!("{} at line {} column {}", problem.detail, place.line(), place.column());
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        documents(text).expect("is YAML")[0].to_json()
    }

    #[test]
    fn yaml_becomes_json() {
        let text = "a: 1\nb: [x, 2.5, true, null, \"007\"]\nc: {d: |\n  two\n  lines\n}\n";
        let text = text.replace("{d: |\n  two\n  lines\n}", "\n  d: |\n    two\n    lines");
        assert_eq!(json(&text), r#"{"a":1,"b":["x",2.5,true,null,"007"],"c":{"d":"two\nlines\n"}}"#);
        assert_eq!(json("1: a\n2.5: b\ntrue: c\n"), r#"{"1":"a","2.5":"b","true":"c"}"#);
    }

    #[test]
    fn aliases_and_merges_expand() {
        let text = "x-base: &base {retries: 3, timeout: 5m}\ntasks:\n  a:\n    <<: *base\n    run: ls\n";
        assert_eq!(
            json(text),
            r#"{"x-base":{"retries":3,"timeout":"5m"},"tasks":{"a":{"run":"ls","retries":3,"timeout":"5m"}}}"#
        );
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (upper, lower) in ('b'..='j').zip('a'..='i') {
            bomb.push_str(&format!("{upper}: &{upper} [{}]\n", vec![format!("*{lower}"); 9].join(",")));
        }
        let problem = documents(&bomb).expect_err("is refused");
        assert_eq!(problem.code, Code::LimitExceeded, "{problem:?}");
    }

    /// Runs on a thread as small as those of an async runtime.
    fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
        let thread = thread::Builder::new().stack_size(2 << 20).spawn(work).expect("starts");
        thread.join().expect("does not panic");
    }

    fn flow(depth: usize) -> String {
        ["[".repeat(depth), "]".repeat(depth)].concat()
    }

    #[test]
    fn deep_nesting_is_refused_not_overflowed() {
        on_a_small_stack(|| {
            let block: String = (0..300).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
            let keys = "? ".repeat(20_000);
            let dashes = "- ".repeat(20_000);
            // Each line is one level deeper than the one before.
            let aliases: String = (1..5_000).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
            let aliases = format!("a0: &a0 [x]\n{aliases}");
            for text in [flow(20_000), "[".repeat(20_000), "{a: ".repeat(20_000), block, keys, dashes, aliases] {
                let problem = documents(&text).expect_err("is refused");
                assert_eq!(problem.code, Code::LimitExceeded, "{problem:?}");
                assert!(problem.detail.contains("64"), "{problem:?}");
            }
        });
    }

    #[test]
    fn the_deepest_legal_nesting_is_read() {
        on_a_small_stack(|| {
            assert_eq!(json(&flow(NESTING_MAX)), flow(NESTING_MAX));
            let block: String = (0..NESTING_MAX).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
            assert_eq!(json(&block).matches('{').count(), NESTING_MAX);
            let merges = format!("{}{{a: 1}}{}", "{<<: ".repeat(NESTING_MAX - 1), "}".repeat(NESTING_MAX - 1));
            assert_eq!(json(&merges), r#"{"a":1}"#);
            let keys = format!("{}a{}", "{? ".repeat(NESTING_MAX), "}".repeat(NESTING_MAX));
            assert_eq!(documents(&keys).expect_err("a key must be a text").code, Code::InvalidYaml);
            let half = "[".repeat(31);
            let alias = format!("a: &a {}\nb: {half}*a{}\n", flow(31), "]".repeat(31));
            assert_eq!(json(&alias).matches('[').count(), 31 + 62);
        });
    }

    #[test]
    fn duplicate_keys_and_old_booleans_are_errors_with_their_place() {
        let problem = documents("a: &a [*a]\n").expect_err("is refused");
        assert_eq!(problem.errors[0].detail, "an alias stands inside what it stands for");
        let problem = documents("a: 1\nb: 2\na: 3\n").expect_err("is refused");
        assert_eq!(problem.errors[0].detail, "duplicate key `a`");
        assert_eq!((problem.code, problem.errors[0].line), (Code::DuplicateKey, Some(3)), "{problem:?}");
        let problem = documents("a: 1\nb: yes\n").expect_err("is refused");
        assert_eq!((problem.errors[0].line, problem.errors[0].column), (Some(2), Some(4)), "{problem:?}");
        assert_eq!(json("a: \"yes\"\nb: 'on'\n"), r#"{"a":"yes","b":"on"}"#);
    }

    #[test]
    fn a_pointer_leads_to_its_line() {
        let node = &documents("job: x\ntasks:\n  a:\n    retries: [many]\n").expect("is YAML")[0];
        assert_eq!(node.locate("/tasks/a/retries", Part::Value), Some((4, 14)));
        assert_eq!(node.locate("/tasks/a/retries", Part::Name), Some((4, 5)));
        assert_eq!(node.locate("/tasks/a/retries/0", Part::Name), Some((4, 15)));
        assert_eq!(node.locate("/tasks/a/missing", Part::Name), Some((4, 5)));
        assert_eq!(node.text_at("/tasks/a/retries/0"), Some("many"));
    }

    #[test]
    fn infinite_numbers_and_broken_text_are_refused() {
        for text in ["a: .nan", "a: .inf", "a: [1, 2", "a: b: c", "a:\n\tb: 1", "a: *nobody"] {
            assert!(documents(text).is_err(), "{text}");
        }
    }
}
