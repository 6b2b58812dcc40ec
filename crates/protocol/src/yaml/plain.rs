//! What only the text can tell about a scalar: how a number was written, to its last digit, and whether a word that
//! YAML 1.1 takes for a boolean stood there without quotes.

use super::node::{Kind, Node, Place};
use crate::problem::{Code, ProblemItem};

/// Problems listed at once.
const ITEMS_MAX: usize = 100;

/// Gives each number its own digits, and names what YAML 1.1 reads as a boolean: half of all readers take plain `yes`,
/// `no`, `on`, `off` for one, as values and as names.
pub(super) fn settle(nodes: &mut [Node], text: &str) -> Vec<ProblemItem> {
    let mut items = Vec::new();
    nodes.iter_mut().for_each(|node| settle_node(node, text, &mut items));
    items
}

fn settle_node(node: &mut Node, text: &str, items: &mut Vec<ProblemItem>) {
    let place = node.place();
    match &mut node.kind {
        Kind::Null => {}
        Kind::Plain(number) => {
            let literal = text.get(place.written.0..place.written.1).unwrap_or_default();
            if literal != number && is_json_number(literal) {
                literal.clone_into(number);
            }
        }
        Kind::Text(word) => refuse_old_boolean(word, place, text, items),
        Kind::List(list) => list.iter_mut().for_each(|node| settle_node(node, text, items)),
        Kind::Map(members) => {
            for member in members {
                refuse_old_boolean(&member.name, member.place, text, items);
                settle_node(&mut member.node, text, items);
            }
        }
    }
}

fn refuse_old_boolean(word: &str, place: Place, text: &str, items: &mut Vec<ProblemItem>) {
    if !is_old_boolean(word) || items.len() >= ITEMS_MAX || !is_plain(word, place, text) {
        return;
    }
    let detail = format!("`{word}` is a boolean in YAML 1.1 and a text in YAML 1.2");
    let hint = format!("write `true` or `false`, or quote it: \"{word}\"");
    let mut item = ProblemItem::new(Code::InvalidYaml, "", detail).with_hint(hint);
    (item.line, item.column) = (Some(place.line), Some(place.column));
    items.push(item);
}

fn is_old_boolean(text: &str) -> bool {
    ["yes", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a word stands in the text without quotes, outside block scalars and without the tag of a string.
fn is_plain(word: &str, place: Place, text: &str) -> bool {
    let (start, end) = place.written;
    if text.get(start..end) != Some(word) {
        return false;
    }
    // Only what is close matters; a longer gap than this holds nothing but blanks and comments.
    let before = &text[text.floor_char_boundary(start.saturating_sub(1_024))..start];
    let gap = &before[before.trim_end().len()..];
    let header = before.trim_end().rsplit('\n').next().unwrap_or_default();
    let header = header.split(" #").next().unwrap_or_default().trim_end();
    let header = header.trim_end_matches(|c: char| c.is_ascii_digit() || "+-".contains(c));
    let in_block = gap.contains('\n') && header.ends_with(['|', '>']);
    !in_block && !before.trim_end().ends_with("!!str")
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
fn is_json_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok_and(|raw| raw.get() == text)
}

#[cfg(test)]
mod tests {
    use crate::yaml::documents;

    fn json(text: &str) -> String {
        documents(text).unwrap_or_else(|problem| panic!("{text:?}: {problem:?}"))[0].to_json()
    }

    #[test]
    fn numbers_keep_their_digits() {
        let digits = "[0.1000, 1e3, 2.324645480863859e225, 12345678901234567890123456789012345678901234567890, -0.0]";
        assert_eq!(json(digits), digits.replace(' ', ""));
        assert_eq!(json("[.5, +1, 0x1F, 012, 1_000]"), "[0.5,1,31,12.0,1000]");
        assert_eq!(json("a: &a 1.50\nb: *a\n"), r#"{"a":1.50,"b":1.50}"#);
    }

    #[test]
    fn a_word_is_a_boolean_of_yaml_1_1_only_where_it_stands_plain() {
        for text in ["a: yes", "a: [1, NO]", "a: &x on", "a:\n  off", "on: 1", "a: 1\n---\nb: yes", "é: {ü: yes}"] {
            assert!(documents(text).is_err(), "{text:?}");
        }
        for text in [
            "run: |-\n  yes",
            "run: > # folded\n\n  yes\n",
            "run: |2-\n  yes\n",
            "a: !!str yes",
            "a: 'yes'",
            "\"on\": 1",
        ] {
            assert!(documents(text).is_ok(), "{text:?}: {:?}", documents(text));
        }
        let many = format!("[{}]", vec!["yes"; 20_000].join(","));
        assert_eq!(documents(&many).expect_err("is refused").errors.len(), 100);
    }
}
