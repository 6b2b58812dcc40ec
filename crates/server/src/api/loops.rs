//! Schedules that follow jobs must not follow their own: who would wait for whom, as far as schedules say.

use std::collections::{BTreeMap, BTreeSet};

use mainspring_core::id::Name;
use mainspring_core::schedule::ScheduleName;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::submit::read_stored_schedule;
use mainspring_store::{Error, Reader, ScheduleFilter};

/// Schedules that are read at a time.
const PAGE: usize = 1_000;

/// A schedule to be: which, after what, and the definition that it runs.
pub(crate) struct Following {
    pub(crate) id: ScheduleName,
    pub(crate) after: Vec<Name>,
    pub(crate) runs: Name,
}

/// The first loop that these schedules would close, all of one tenant.
///
/// # Errors
/// The schedules that are there cannot be read.
pub(crate) async fn find(reader: &dyn Reader, new: &[Following]) -> Result<Option<Problem>, Error> {
    let Some(tenant) = new.iter().find(|new| !new.after.is_empty()).map(|new| new.id.tenant.clone()) else {
        return Ok(None);
    };
    // By definition, what runs once a job of it has completed.
    let mut next: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    let mut add = |after: &[Name], runs: &Name| {
        for name in after {
            next.entry(name.clone()).or_default().insert(runs.clone());
        }
    };
    let mut cursor = None;
    loop {
        let filter = ScheduleFilter { tenant: Some(tenant.clone()), name: None };
        let rows = reader.schedules(filter, cursor, PAGE).await?;
        for row in &rows {
            if row.state.after.is_some()
                && new.iter().all(|new| new.id != row.id)
                && let Ok(parsed) = read_stored_schedule(&row.body, &tenant)
                && let Some(runs) = parsed.work.definition()
            {
                add(parsed.rule.after(), &runs);
            }
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE => cursor = Some(last.id.clone()),
            _ => break,
        }
    }
    new.iter().for_each(|new| add(&new.after, &new.runs));
    let closed = new.iter().find_map(|new| new.after.iter().find_map(|after| path(&next, &new.runs, after)));
    Ok(closed.map(|path| {
        let path = path.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ");
        let detail = format!("the schedules would run for ever: {path}");
        Problem::new(Code::Cycle, detail.clone()).at("/after", detail).with_hint("let one of them go by time")
    }))
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
