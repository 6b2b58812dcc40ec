//! What a filter asks about ids. The rows that it may find are looked up, not read one after the other: what a client named
//! by its claim, what the server named by its key, and a task of a job by its name in the job, job after job.

use mainspring_core::id::{IdKind, Key, Name};

use crate::reader::{Field, Term, Test};

/// Letters of an id that the server made.
const MADE_CHARS: usize = 14;

/// The ids that a filter asks for. What else it says is asked of the rows that they lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ids {
    /// One of these.
    These(Vec<Name>),
    /// Any that begins so; not empty.
    Starting(Name),
}

impl Ids {
    /// Of the first condition that can be looked up: exact ids, or one with a `*` at its end. `None`: there is none.
    pub fn of(terms: &[Term]) -> Option<Self> {
        terms.iter().filter(|term| term.field == Field::Id && !term.negated).find_map(|term| {
            let Test::AnyOf(patterns) = &term.test else { return None };
            match patterns.as_slice() {
                [pattern] if pattern.ends_with('*') => pattern
                    .strip_suffix('*')
                    .filter(|start| !start.is_empty())
                    .map(|start| Self::Starting(start.into())),
                several if several.iter().any(|pattern| pattern.ends_with('*')) => None,
                several => Some(Self::These(several.iter().map(|id| id.as_str().into()).collect())),
            }
        })
    }

    /// How many there are to look up; at least 1.
    pub fn number(&self) -> usize {
        match self {
            Self::These(ids) => ids.len().max(1),
            Self::Starting(_) => 1,
        }
    }

    /// From the lowest to the highest key of what has such an id from the server.
    pub fn made(&self, kind: IdKind) -> Vec<(Key, Key)> {
        let parse = |id: &str| Key::parse(id).filter(|(made, _)| *made == kind).map(|(_, key)| key);
        match self {
            Self::These(ids) => ids.iter().filter_map(|id| parse(id)).map(|key| (key, key)).collect(),
            Self::Starting(start) => {
                let Some(missing) = MADE_CHARS.checked_sub(start.len()) else { return Vec::new() };
                let filled = |digit: &str| parse(&[start, &*digit.repeat(missing)].concat());
                // The letter alone: every key.
                let last = || filled("z").unwrap_or(Key::from_raw(i64::MAX as u64));
                filled("0").map(|first| (first, last())).into_iter().collect()
            }
        }
    }
}

/// Above every text that begins so, in the order of bytes.
pub fn text_end(start: &str) -> String {
    format!("{start}\u{10ffff}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(negated: bool, patterns: &[&str]) -> Term {
        let test = Test::AnyOf(patterns.iter().map(|pattern| (*pattern).to_owned()).collect());
        Term { field: Field::Id, negated, test }
    }

    #[test]
    fn exact_ids_and_one_beginning_are_looked_up() {
        assert_eq!(Ids::of(&[term(false, &["a", "b"])]), Some(Ids::These(vec!["a".into(), "b".into()])));
        assert_eq!(Ids::of(&[term(false, &["a*"])]), Some(Ids::Starting("a".into())));
        assert_eq!(Ids::of(&[term(false, &["*"]), term(false, &["b"])]), Some(Ids::These(vec!["b".into()])));
        for other in [term(true, &["a"]), term(false, &["a*", "b"]), term(false, &["*"])] {
            assert_eq!(Ids::of(std::slice::from_ref(&other)), None, "{other:?}");
        }
    }

    #[test]
    fn what_the_server_named_lies_between_two_keys() {
        let key = Key::from_raw(0x0123_4567_89ab_cdef);
        let id = key.id(IdKind::Task);
        let of = |start: &str, kind| Ids::Starting(start.into()).made(kind);
        for length in 1..=id.len() {
            let found = of(&id[..length], IdKind::Task);
            assert!(
                matches!(found.as_slice(), [(first, last)] if *first <= key && key <= *last),
                "{length}: {found:?}"
            );
        }
        assert_eq!(of(&id, IdKind::Task), [(key, key)]);
        assert_eq!(of(&id[..13], IdKind::Task).first().map(|(first, last)| last.raw() - first.raw()), Some(31));
        assert_eq!(of("t", IdKind::Task), [(Key::from_raw(0), Key::from_raw(i64::MAX as u64))]);
        assert_eq!((of(&id, IdKind::Job), of("task-", IdKind::Task), of("t9", IdKind::Task)), (vec![], vec![], vec![]));
        assert_eq!(Ids::These(vec!["x".into(), id.as_str().into()]).made(IdKind::Task), [(key, key)]);
    }
}
