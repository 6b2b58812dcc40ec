//! Equal values of one request are shared: a batch of ten thousand tasks usually has one policy, one type, one queue.

use std::sync::Arc;

use mainspring_core::id::Name;
use mainspring_core::spec::{Class, Policy};

/// How many values of each kind are remembered.
const REMEMBERED: usize = 24;

/// Values of one request that were met before.
#[derive(Debug, Default)]
pub(super) struct Interner {
    names: Vec<Name>,
    policies: Vec<Arc<Policy>>,
    lists: Vec<Arc<[Name]>>,
    classes: Vec<Class>,
}

fn remember<T: Clone>(known: &mut Vec<T>, value: T) -> T {
    if known.len() < REMEMBERED {
        known.push(value.clone());
    }
    value
}

impl Interner {
    /// A name that other tasks are likely to have too.
    pub(super) fn name(&mut self, text: &str) -> Name {
        match self.names.iter().find(|name| &***name == text) {
            Some(name) => name.clone(),
            None => remember(&mut self.names, text.into()),
        }
    }

    pub(super) fn policy(&mut self, policy: Policy) -> Arc<Policy> {
        match self.policies.iter().find(|known| ***known == policy) {
            Some(known) => known.clone(),
            None => remember(&mut self.policies, Arc::new(policy)),
        }
    }

    pub(super) fn list<T: AsRef<str>>(&mut self, names: &[T]) -> Arc<[Name]> {
        let same = |known: &&Arc<[Name]>| {
            known.len() == names.len() && known.iter().zip(names).all(|(known, name)| **known == *name.as_ref())
        };
        if let Some(known) = self.lists.iter().find(same) {
            return known.clone();
        }
        let list = names.iter().map(|name| self.name(name.as_ref())).collect();
        remember(&mut self.lists, list)
    }

    pub(super) fn class<T: AsRef<str>>(&mut self, executor: &str, labels: &[T]) -> Class {
        let labels = self.list(labels);
        let same = |known: &&Class| &*known.executor == executor && Arc::ptr_eq(&known.labels, &labels);
        if let Some(known) = self.classes.iter().find(same) {
            return known.clone();
        }
        let class = Class { executor: self.name(executor), labels };
        remember(&mut self.classes, class)
    }
}
