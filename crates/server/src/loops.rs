//! Schedules that follow jobs must not follow their own: who would wait for whom, as far as schedules say.

use std::collections::{BTreeMap, BTreeSet};

use mainspring_core::id::Name;
use mainspring_core::row::{DefinitionKind, DefinitionRow};
use mainspring_core::schedule::ScheduleName;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::submit::{read_stored_schedule, rule_of_definition, schedule_of_definition};
use mainspring_store::{DefinitionFilter, Error, Reader, ScheduleFilter};

use crate::library::versions;

/// Schedules that are read at a time.
const PAGE: usize = 1_000;

/// A schedule to be: which, after what, and the definition that it runs.
#[derive(Clone, Debug)]
pub(crate) struct Following {
    pub(crate) id: ScheduleName,
    pub(crate) after: Vec<Name>,
    pub(crate) runs: Name,
}

/// What a look at the schedules that follow jobs has shown.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// The first loop that the new ones would close.
    pub(crate) problem: Option<Problem>,
    /// The job definitions that this depends on, beside the new ones, and their newest versions, 0 where there is none: as long
    /// as they are the newest, no definition closes a loop with the new ones.
    pub(crate) seen: Vec<(Name, u32)>,
}

/// Looks for loops that these schedules would close, all of one tenant. What a definition follows is what its newest version
/// says, whether its schedule is installed yet or not.
///
/// # Errors
/// What is there cannot be read.
pub(crate) async fn look(reader: &dyn Reader, new: &[Following]) -> Result<Looked, Error> {
    let Some(tenant) = new.iter().find(|new| !new.after.is_empty()).map(|new| new.id.tenant.clone()) else {
        return Ok(Looked::default());
    };
    let is_new = |name: &Name| new.iter().any(|new| new.id.name == *name);
    let filter = DefinitionFilter { kind: DefinitionKind::Job, tenant: Some(tenant.clone()), name: None };
    let definitions = reader.definitions(filter).await?;
    let mut edges = Edges::default();
    for row in definitions.iter().filter(|row| !is_new(&row.name)) {
        edges.add(&after_of(row, &tenant), &row.name);
    }
    let mut cursor = None;
    loop {
        let filter = ScheduleFilter { tenant: Some(tenant.clone()), name: None };
        let rows = reader.schedules(filter, cursor, PAGE).await?;
        for row in rows.iter().filter(|row| row.state.after.is_some() && !row.of_definition && !is_new(&row.id.name)) {
            if let Ok(parsed) = read_stored_schedule(&row.body, &tenant)
                && let Some(runs) = parsed.work.definition()
            {
                edges.add(parsed.rule.after(), &runs);
            }
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE => cursor = Some(last.id.clone()),
            _ => break,
        }
    }
    new.iter().for_each(|new| edges.add(&new.after, &new.runs));
    let closed = new.iter().find_map(|new| new.after.iter().find_map(|after| path(&edges.next, &new.runs, after)));
    let problem = closed.map(|path| {
        let path = path.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ");
        let detail = format!("the schedules would run for ever: {path}");
        Problem::new(Code::Cycle, detail.clone()).at("/after", detail).with_hint("let one of them go by time")
    });
    let mut seen = Vec::new();
    for name in edges.before(new).into_iter().filter(|name| !is_new(name)) {
        let version = match definitions.iter().find(|row| row.name == name) {
            Some(row) => row.version,
            None => {
                let rows = versions(reader, DefinitionKind::Job, &name, Some(tenant.clone())).await?;
                match rows.iter().max_by_key(|row| row.version) {
                    // It came since the others were read: what was looked at is older.
                    Some(row) if row.body.is_some() => row.version - 1,
                    Some(deleted) => deleted.version,
                    None => 0,
                }
            }
        };
        seen.push((name, version));
    }
    Ok(Looked { problem, seen })
}

/// What the schedule that a definition installs follows.
fn after_of(row: &DefinitionRow, tenant: &Name) -> Vec<Name> {
    // Most follow nothing.
    let body = row.body.as_deref().filter(|body| body.contains("\"after\""));
    let rule = body.and_then(rule_of_definition);
    let body = rule.map(|rule| schedule_of_definition(&rule, &row.name));
    let parsed = body.and_then(|body| read_stored_schedule(&body, tenant).ok());
    parsed.map_or_else(Vec::new, |parsed| parsed.rule.after().to_vec())
}

/// By definition, what runs once a job of it has completed, and the other way around.
#[derive(Default)]
struct Edges {
    next: BTreeMap<Name, BTreeSet<Name>>,
    before: BTreeMap<Name, BTreeSet<Name>>,
}

impl Edges {
    fn add(&mut self, after: &[Name], runs: &Name) {
        for name in after {
            self.next.entry(name.clone()).or_default().insert(runs.clone());
            self.before.entry(runs.clone()).or_default().insert(name.clone());
        }
    }

    /// Everything that these follow, near and far.
    fn before(&self, new: &[Following]) -> BTreeSet<Name> {
        let mut found = BTreeSet::new();
        let mut left: Vec<&Name> = new.iter().flat_map(|new| &new.after).collect();
        while let Some(name) = left.pop() {
            if found.insert(name.clone()) {
                left.extend(self.before.get(name).into_iter().flatten());
            }
        }
        found
    }
}

/// A way from one definition to another by what runs after what, the first one again at its end.
fn path(next: &BTreeMap<Name, BTreeSet<Name>>, from: &Name, to: &Name) -> Option<Vec<Name>> {
    let mut came_from: BTreeMap<&Name, &Name> = BTreeMap::new();
    let mut left = vec![from];
    while let Some(name) = left.pop() {
        if name == to {
            let mut path = vec![to.clone()];
            let mut at = to;
            while at != from {
                at = came_from[at];
                path.push(at.clone());
            }
            path.reverse();
            path.push(from.clone());
            return Some(path);
        }
        for then in next.get(name).into_iter().flatten() {
            if then != from && !came_from.contains_key(then) {
                came_from.insert(then, name);
                left.push(then);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_told_as_the_way_around() {
        let name = |text: &str| Name::from(text);
        let edges = [("a", "b"), ("b", "c"), ("b", "d"), ("x", "b")];
        let mut next: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        for (from, to) in edges {
            next.entry(name(from)).or_default().insert(name(to));
        }
        assert_eq!(path(&next, &name("a"), &name("c")), Some(["a", "b", "c", "a"].map(name).to_vec()));
        assert_eq!(path(&next, &name("a"), &name("a")), Some(["a", "a"].map(name).to_vec()));
        assert_eq!(path(&next, &name("c"), &name("a")), None);
    }
}
