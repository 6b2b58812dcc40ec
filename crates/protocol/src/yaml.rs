//! YAML, the only place that knows it: turned into JSON text before anything is understood, with the line and column
//! of every node, so that both spellings go through the same reader and are refused at their own place.
//!
//! Budgets bound depth, nodes and what aliases may expand to; duplicate keys and the booleans of YAML 1.1 (`yes`, `on`)
//! are errors.

mod node;

use serde_saphyr::{Budget, DuplicateKeyPolicy, Options, Spanned};

use crate::problem::{Code, Problem, ProblemItem};
use crate::submit::NESTING_MAX;
use node::Kind;
pub use node::Node;

/// Nodes of one text; a job of 100,000 tasks has about a million.
const NODES_MAX: usize = 4_000_000;
/// Nodes that all aliases of one text may stand for together.
const ALIAS_NODES_MAX: usize = 100_000;
/// Documents of one text.
const DOCUMENTS_MAX: usize = 1_000;

/// Reads all documents of a text. Empty documents are left out.
///
/// # Errors
/// [`Code::InvalidYaml`] with line and column; [`Code::LimitExceeded`] for too much of something.
pub fn documents(text: &str) -> Result<Vec<Node>, Problem> {
    let read = serde_saphyr::from_multiple_with_options::<Spanned<Kind>>(text, options());
    let nodes: Vec<Node> = read.map_err(|error| refusal(&error))?.into_iter().map(Node::from).collect();
    let mut items = Vec::new();
    for node in &nodes {
        node.find_old_booleans(text, &mut items);
    }
    if !items.is_empty() {
        return Err(Problem::of_items(items));
    }
    Ok(nodes.into_iter().filter(|node| !node.is_null()).collect())
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
    let detail = text.split(" at line ").next().unwrap_or(&text).trim_end_matches([':', ',', ' ']).to_owned();
    let lower = detail.to_lowercase();
    let limit = ["budget", "limit", "exceed", "too deep", "too many"].iter().any(|word| lower.contains(word));
    let code = if limit {
        Code::LimitExceeded
    } else if lower.contains("duplicate") {
        Code::DuplicateKey
    } else {
        Code::InvalidYaml
    };
    let mut item = ProblemItem::new(code, "", detail.clone());
    let place = error.location();
    item.line = place.map(|place| place.line()).filter(|line| *line > 0);
    item.column = place.map(|place| place.column()).filter(|column| *column > 0);
    let mut problem = Problem::of_items(vec![item]);
    if let Some(place) = place.filter(|place| place.line() > 0) {
        problem.detail = format!("{detail} at line {} column {}", place.line(), place.column());
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

    #[test]
    fn deep_nesting_is_refused_not_overflowed() {
        let deep = ["[".repeat(20_000), "]".repeat(20_000)].concat();
        assert_eq!(documents(&deep).expect_err("is refused").code, Code::LimitExceeded);
        let block: String = (0..300).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert_eq!(documents(&block).expect_err("is refused").code, Code::LimitExceeded);
    }

    #[test]
    fn duplicate_keys_and_old_booleans_are_errors_with_their_place() {
        let problem = documents("a: 1\nb: 2\na: 3\n").expect_err("is refused");
        assert_eq!((problem.code, problem.errors[0].line), (Code::DuplicateKey, Some(3)), "{problem:?}");
        let problem = documents("a: 1\nb: yes\n").expect_err("is refused");
        assert_eq!((problem.errors[0].line, problem.errors[0].column), (Some(2), Some(4)), "{problem:?}");
        assert_eq!(json("a: \"yes\"\nb: 'on'\n"), r#"{"a":"yes","b":"on"}"#);
    }

    #[test]
    fn a_pointer_leads_to_its_line() {
        let node = &documents("job: x\ntasks:\n  a:\n    retries: many\n").expect("is YAML")[0];
        assert_eq!(node.locate("/tasks/a/retries"), Some((4, 14)));
        assert_eq!(node.locate("/tasks/a/missing"), Some((4, 5)));
    }

    #[test]
    fn infinite_numbers_and_broken_text_are_refused() {
        for text in ["a: .nan", "a: .inf", "a: [1, 2", "a: b: c", "\t- x", "a: *nobody"] {
            assert!(documents(text).is_err(), "{text}");
        }
    }
}
