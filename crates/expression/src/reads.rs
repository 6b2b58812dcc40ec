//! The read set: what an expression will look at, known without evaluating it.
//!
//! *Invariant:* an evaluation reads nothing that is not named here, so the caller loads exactly these rows.

use std::collections::{BTreeMap, BTreeSet};

/// What of a task is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskReads {
    /// `tasks.NAME.output`
    pub output: bool,
    /// `tasks.NAME.outputs`, the list of a `forEach`
    pub outputs: bool,
    /// `tasks.NAME.status`
    pub status: bool,
}

/// All that an expression or a template reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// Tasks by name.
    pub tasks: BTreeMap<String, TaskReads>,
    /// Parameters by name.
    pub params: BTreeSet<String>,
    /// Whether `params` is read as a whole.
    pub all_params: bool,
    /// Whether `item` is read.
    pub item: bool,
    /// Whether `index` is read.
    pub index: bool,
    /// Whether `schedule.instant` is read.
    pub schedule_instant: bool,
    /// Whether `schedule.previousInstant` is read.
    pub schedule_previous_instant: bool,
    /// Whether `schedule.manual` is read.
    pub schedule_manual: bool,
    /// Secrets by name. They are never read here; the worker needs them.
    pub secrets: BTreeSet<String>,
}

impl ReadSet {
    /// Takes in what another expression reads.
    pub fn merge(&mut self, other: &ReadSet) {
        for (name, reads) in &other.tasks {
            let mine = self.tasks.entry(name.clone()).or_default();
            mine.output |= reads.output;
            mine.outputs |= reads.outputs;
            mine.status |= reads.status;
        }
        self.params.extend(other.params.iter().cloned());
        self.secrets.extend(other.secrets.iter().cloned());
        self.all_params |= other.all_params;
        self.item |= other.item;
        self.index |= other.index;
        self.schedule_instant |= other.schedule_instant;
        self.schedule_previous_instant |= other.schedule_previous_instant;
        self.schedule_manual |= other.schedule_manual;
    }
}
