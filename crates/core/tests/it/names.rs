//! The short names that transcripts use for keys and tokens.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use mainspring_core::id::{Bucket, IdKind, Key, Token};

#[derive(Debug, Default)]
pub(crate) struct Names {
    by_key: BTreeMap<Key, String>,
    by_name: BTreeMap<String, Key>,
    tokens: BTreeMap<(Key, u32), Token>,
    last: BTreeMap<Key, u32>,
}

impl Names {
    /// Names a key, unless it has a name.
    pub(crate) fn give(&mut self, key: Key, name: &str) {
        if let Entry::Vacant(entry) = self.by_key.entry(key) {
            entry.insert(name.to_owned());
            self.by_name.insert(name.to_owned(), key);
        }
    }

    /// Notes the token of an attempt.
    pub(crate) fn granted(&mut self, token: Token, attempt: u32) {
        self.tokens.insert((token.task, attempt), token);
        self.last.insert(token.task, attempt);
    }

    pub(crate) fn of(&self, key: Key) -> String {
        self.by_key.get(&key).cloned().unwrap_or_else(|| key.id(IdKind::Task))
    }

    /// The key of a name; an unknown name is the key of nothing.
    pub(crate) fn key(&self, name: &str) -> Key {
        self.by_name.get(name).copied().unwrap_or_else(|| Key::new(7, Bucket::of_text(name)))
    }

    /// `task` is its newest token, `task/2` that of its second attempt.
    pub(crate) fn token(&self, text: &str) -> Token {
        let (name, attempt) = match text.rsplit_once('/') {
            Some((name, attempt)) if attempt.parse::<u32>().is_ok() => (name, attempt.parse().ok()),
            _ => (text, None),
        };
        let key = self.key(name);
        let attempt = attempt.or_else(|| self.last.get(&key).copied()).unwrap_or(0);
        let nothing = Token { incarnation: 1, task: key, lease: 999_999 };
        self.tokens.get(&(key, attempt)).copied().unwrap_or(nothing)
    }

    pub(crate) fn of_token(&self, token: Token) -> String {
        let known = self.tokens.iter().find(|(_, known)| **known == token);
        known.map_or_else(|| format!("{}/?", self.of(token.task)), |((key, n), _)| format!("{}/{n}", self.of(*key)))
    }
}
