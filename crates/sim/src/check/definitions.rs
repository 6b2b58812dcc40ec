//! Definitions: every version is kept, none is left out, and what was acknowledged stands as it was asked for.

use mainspring_core::event::Define;
use mainspring_core::row::Changes;

use super::{Checker, Verdict, ensure};

impl Checker {
    /// Each new version follows the one before. `changes` are not in the model yet.
    pub(super) fn check_versions(&self, changes: &Changes) -> Verdict {
        let mut new = std::collections::BTreeMap::new();
        for row in &changes.insert_definitions {
            let id = (row.kind, row.tenant.clone(), row.name.clone());
            let known = self.model.definitions.get(&id).map_or(0, Vec::len) as u32;
            let next = new.entry(id).or_insert(known);
            *next += 1;
            ensure(row.version == *next, "definition", || {
                format!("version {} of definition `{}` follows version {}", row.version, row.name, *next - 1)
            })?;
        }
        Ok(())
    }

    /// What was acknowledged is stored, all of it, and follows what it had to.
    pub(super) fn check_defined(&mut self, all: &[Define], versions: &[u32]) -> Verdict {
        ensure(all.len() == versions.len(), "definition", || format!("{versions:?} were told for {}", all.len()))?;
        for (asked, version) in all.iter().zip(versions) {
            let id = (asked.kind, asked.tenant.clone(), asked.name.clone());
            let stored = self.model.definitions.get(&id).and_then(|rows| rows.get(*version as usize - 1));
            ensure(stored.is_some_and(|row| row.body == asked.body), "definition", || {
                format!("version {version} of `{}` was acknowledged, stored is {stored:?}", asked.name)
            })?;
            ensure(asked.after.is_none_or(|after| after + 1 == *version), "definition", || {
                format!("`{}` has version {version} after {:?}", asked.name, asked.after)
            })?;
            self.sometimes.add("definition.after", u64::from(asked.after.is_some()));
        }
        self.sometimes.add("definition.several", u64::from(all.len() > 1));
        Ok(())
    }
}
