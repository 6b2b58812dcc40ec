//! What an expression may name at its place in a job.

use std::collections::BTreeMap;

/// How a task stands to the one whose expression is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It always ends before: it may be read.
    Ancestor,
    /// It is part of the job, but may not have ended.
    Unordered,
    /// There is no such task.
    Unknown,
}

/// The tasks of a job as seen from one of them.
pub trait Tasks {
    /// How the named task stands to this one.
    fn standing(&self, name: &str) -> Standing;
    /// The names of the ancestors, for hints.
    fn ancestors(&self) -> Box<dyn Iterator<Item = &str> + '_>;
}

impl Tasks for BTreeMap<&str, Standing> {
    fn standing(&self, name: &str) -> Standing {
        self.get(name).copied().unwrap_or(Standing::Unknown)
    }

    fn ancestors(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.iter().filter(|(_, standing)| **standing == Standing::Ancestor).map(|(name, _)| *name))
    }
}

/// What an expression may name. Nothing is allowed unless it is said here.
#[derive(Clone, Copy, Default)]
pub struct Scope<'a> {
    /// The tasks of the job; none: `tasks` is unknown.
    pub tasks: Option<&'a dyn Tasks>,
    /// The declared parameters; none: any parameter may be named, and evaluation complains about what is missing.
    pub params: Option<&'a [&'a str]>,
    /// Whether `item` and `index` exist: beside a `forEach`, not in it.
    pub item: bool,
    /// Whether `schedule` exists.
    pub schedule: bool,
    /// Whether secrets may be put in.
    pub secrets: bool,
    /// Whether `output` is what the attempt itself returned, for `until`.
    pub output: bool,
}

impl std::fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope")
            .field("params", &self.params)
            .field("item", &self.item)
            .field("schedule", &self.schedule)
            .field("secrets", &self.secrets)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}
