//! What a submission may refer to by name: task definitions, job definitions of sub-jobs, and profiles.

use std::sync::Arc;

use mainspring_core::row::DefinitionKind;

/// A definition that was looked up.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its JSON text.
    pub text: Arc<str>,
    /// Its version; `None` where it is not applied yet, like in the same file.
    pub version: Option<u32>,
}

/// Finds definitions by name.
pub trait Library {
    /// The definition that a tenant means by this name.
    fn find(&self, kind: DefinitionKind, tenant: &str, name: &str) -> Option<Found>;

    /// Names of this kind, to say which one was meant. May leave any out.
    fn names(&self, _kind: DefinitionKind) -> Vec<String> {
        Vec::new()
    }
}

/// Where a submission looks up what it refers to.
pub type Definitions<'a> = &'a dyn Library;

/// Nothing is defined.
#[derive(Clone, Copy, Debug)]
pub struct NoDefinitions;

impl Library for NoDefinitions {
    fn find(&self, _kind: DefinitionKind, _tenant: &str, _name: &str) -> Option<Found> {
        None
    }
}

/// The same for every tenant.
impl<F: Fn(DefinitionKind, &str) -> Option<Found>> Library for F {
    fn find(&self, kind: DefinitionKind, _tenant: &str, name: &str) -> Option<Found> {
        self(kind, name)
    }
}
