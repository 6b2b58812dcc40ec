//! Definitions: every version is kept, none is left out, and what was acknowledged stands as it was asked for.

use std::collections::BTreeMap;

use mainspring_core::event::Define;
use mainspring_core::id::Name;
use mainspring_core::row::{Changes, DefinitionKind};
use mainspring_core::schedule::ScheduleName;

use super::{Checker, Verdict, ensure};

type Id = (DefinitionKind, Name, Name);

/// What is remembered of definitions beside their rows.
#[derive(Debug, Default)]
pub(super) struct Defined {
    /// How many versions each had before the last commit that brought any.
    before: BTreeMap<Id, u32>,
    /// Of job definitions, the newest version when it was said last that their schedules are to follow.
    installed: BTreeMap<Id, u32>,
}

impl Checker {
    /// Each new version follows the one before. `changes` are not in the model yet.
    pub(super) fn check_versions(&mut self, changes: &Changes) -> Verdict {
        let mut new = BTreeMap::new();
        if !changes.insert_definitions.is_empty() {
            let known = self.model.definitions.iter().map(|(id, rows)| (id.clone(), rows.len() as u32));
            self.defined.before = known.collect();
        }
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
            self.check_seen(asked)?;
            let told = self.defined.installed.get(&id).is_some_and(|told| told >= version);
            ensure(told || asked.kind != DefinitionKind::Job, "definition", || {
                format!("version {version} of `{}` was acknowledged before its schedule was to follow", asked.name)
            })?;
        }
        self.sometimes.add("definition.several", u64::from(all.len() > 1));
        Ok(())
    }

    /// What a definition was checked against was the newest when it was applied: at the start of its commit, or by what the
    /// same commit brought before it.
    fn check_seen(&mut self, asked: &Define) -> Verdict {
        for (name, version) in &asked.seen {
            let id = (DefinitionKind::Job, asked.tenant.clone(), name.clone());
            let before = self.defined.before.get(&id).copied().unwrap_or(0);
            let after = self.model.definitions.get(&id).map_or(0, Vec::len) as u32;
            ensure((before..=after).contains(version), "definition", || {
                format!("`{}` was applied against version {version} of `{name}`, not {before} to {after}", asked.name)
            })?;
            self.sometimes.add("definition.seen", 1);
        }
        Ok(())
    }

    /// The schedule of a definition is to follow: only of one that is stored.
    pub(super) fn check_install(&mut self, id: &ScheduleName) -> Verdict {
        let id = (DefinitionKind::Job, id.tenant.clone(), id.name.clone());
        let newest = self.model.definitions.get(&id).map_or(0, Vec::len) as u32;
        ensure(newest > 0, "definition", || format!("`{}` is to be followed and is not stored", id.2))?;
        self.defined.installed.insert(id, newest);
        Ok(())
    }

    /// Once all is calm, every schedule has been told to follow the newest version of its definition.
    pub(super) fn check_installed(&self) -> Verdict {
        let jobs = self.model.definitions.iter().filter(|((kind, ..), _)| *kind == DefinitionKind::Job);
        for (id, rows) in jobs {
            let told = self.defined.installed.get(id).copied();
            ensure(told == Some(rows.len() as u32), "definition", || {
                format!("the schedule of `{}` was told last at version {told:?} of {}", id.2, rows.len())
            })?;
        }
        Ok(())
    }
}
