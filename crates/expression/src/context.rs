//! What an evaluation reads: rows that the caller has loaded, lent for the time of it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// A task that has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskView<'a> {
    /// Its status as on the wire, like `completed` or `skipped`.
    pub status: &'a str,
    /// What it returned; none is null, as for a skipped task.
    pub output: Option<&'a Json>,
    /// What the instances of its `forEach` returned, as a list; none is null.
    pub outputs: Option<&'a Json>,
}

/// What a schedule tells the job that it started.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScheduleView<'a> {
    /// The nominal instant, RFC 3339; null for a manual start without one.
    pub instant: Option<&'a str>,
    /// The instant before.
    pub previous_instant: Option<&'a str>,
    /// Whether somebody asked for this occurrence.
    pub manual: bool,
}

/// Everything that expressions may read. What the read set names must be here.
#[derive(Clone, Debug, Default)]
pub struct Context<'a> {
    /// Tasks by name.
    pub tasks: BTreeMap<&'a str, TaskView<'a>>,
    /// The parameters, an object.
    pub params: Option<&'a Json>,
    /// The item of this instance of a `forEach`.
    pub item: Option<&'a Json>,
    /// Its place in the list, from 0.
    pub index: Option<i64>,
    /// The occurrence that started the job; none: all its fields are null and `manual` is true.
    pub schedule: Option<ScheduleView<'a>>,
    /// What the attempt itself returned, for `until`.
    pub output: Option<&'a Json>,
}
