//! The hint for a word that nobody knows.

use std::cmp::Reverse;

/// Longer words are no slips of the pen; comparing them would only cost time.
const CHARS_MAX: usize = 64;

/// The nearest known word, if one is near: by slips of the pen (a letter too many, too few, wrong, or two swapped; at
/// most one in three letters), else by a common beginning. Case, `_` and `-` count for nothing. Among equally near
/// words the one with the same ending wins, then the one with the same beginning: endings are seldom mistyped.
pub fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let unknown = plain(unknown)?;
    let slips_max = (unknown.len() / 3).max(1).min(unknown.len().saturating_sub(1));
    let mut best = None;
    let mut alike = (0.85, "");
    for word in known {
        let Some(other) = plain(word) else { continue };
        if unknown.len().abs_diff(other.len()) <= slips_max {
            let slips = strsim::osa_distance(&unknown, &other);
            let rank = (slips, Reverse(common(unknown.bytes().rev(), other.bytes().rev())));
            let rank = (rank, Reverse(common(unknown.bytes(), other.bytes())));
            if slips <= slips_max && best.is_none_or(|(known, _)| rank < known) {
                best = Some((rank, word));
            }
        }
        if best.is_none() && unknown.len() > 1 {
            let nearness = strsim::jaro_winkler(&unknown, &other);
            if nearness > alike.0 {
                alike = (nearness, word);
            }
        }
    }
    let word = best.map(|(_, word)| word).or(Some(alike.1).filter(|word| !word.is_empty()))?;
    Some(format!("did you mean `{word}`?"))
}

/// A word without what counts for nothing; none if it is too long.
fn plain(word: &str) -> Option<String> {
    let mut plain: String = word.chars().take(CHARS_MAX + 1).filter(|c| !"_-".contains(*c)).collect();
    plain.make_ascii_lowercase();
    (word.len() <= 4 * CHARS_MAX && plain.chars().count() <= CHARS_MAX).then_some(plain)
}

fn common(left: impl Iterator<Item = u8>, right: impl Iterator<Item = u8>) -> usize {
    left.zip(right).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submit::task_field_names;

    #[test]
    fn a_slip_of_the_pen_finds_its_field() {
        for (unknown, field) in [
            ("retrys", "retries"),
            ("retrise", "retries"),
            ("retry_on", "retryOn"),
            ("retires", "retries"),
            ("comand", "command"),
            ("TASK_ID", "taskId"),
            ("delay", "delaySeconds"),
            ("time-out", "timeout"),
            ("tag", "tags"),
            ("need", "needs"),
            ("rn", "run"),
            ("priorty", "priority"),
            ("expires", "expiresAt"),
        ] {
            let hint = did_you_mean(unknown, task_field_names().iter().copied());
            assert_eq!(hint, Some(format!("did you mean `{field}`?")), "{unknown}");
        }
    }

    #[test]
    fn what_resembles_nothing_gets_no_hint() {
        for unknown in ["", "c", "x", "зп", "quux", "colour", "\u{0}", &"retries".repeat(100_000)] {
            assert_eq!(did_you_mean(unknown, task_field_names().iter().copied()), None, "{unknown}");
        }
        assert_eq!(did_you_mean("c", ["a", "b"]), None);
        assert_eq!(did_you_mean("extarct", ["load", "extract", "extra"]).as_deref(), Some("did you mean `extract`?"));
    }
}
